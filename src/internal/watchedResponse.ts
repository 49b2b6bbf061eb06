import type * as Cookies from "@effect/platform/Cookies"
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import type * as UrlParams from "@effect/platform/UrlParams"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as MemoryResponse from "./memoryResponse.js"

/**
 * A response whose body is read through another stream than its own: one that is watched. The other views of the body are made of
 * one read of that stream, and can be taken any number of times.
 */
export class WatchedResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  private read: Effect.Effect<Uint8Array<ArrayBuffer>, HttpClientError.ResponseError> | undefined

  constructor(
    private readonly source: HttpClientResponse.HttpClientResponse,
    readonly stream: Stream.Stream<Uint8Array, HttpClientError.ResponseError>
  ) {
    super()
  }

  /** Read once for all, with the failure, as any response does it. */
  private get bytes(): Effect.Effect<Uint8Array<ArrayBuffer>, HttpClientError.ResponseError> {
    return this.read ??= Stream.runCollect(this.stream).pipe(
      Effect.map((parts) => Uint8Array.from(Buffer.concat([...parts]))),
      // a response that can have no body: to its stream that is an error, to its text it is nothing
      Effect.catchIf((error) => error.reason === "EmptyBody", () => Effect.sync(() => new Uint8Array(0))),
      (read) => this.orLeft(read),
      Effect.cached,
      Effect.runSync
    )
  }

  /** A reader that is interrupted leaves half a body behind: to the next one that is a failure, and no interruption of its own. */
  private orLeft<A>(
    read: Effect.Effect<A, HttpClientError.ResponseError>
  ): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.catchAllCause(restore(read), (cause) =>
        Cause.isInterruptedOnly(cause)
          ? Effect.fail(this.error("the body was left half read"))
          : Effect.failCause(cause))
    )
  }

  private error(description: string): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", description })
  }

  private get memory(): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.ResponseError> {
    return Effect.map(this.bytes, (bytes) => {
      const { cookies, headers, request, status } = this.source
      return MemoryResponse.make(request, {
        status,
        headers,
        cookies,
        text: Effect.sync(() => new TextDecoder().decode(bytes))
      })
    })
  }

  get request(): HttpClientRequest.HttpClientRequest {
    return this.source.request
  }
  get status(): number {
    return this.source.status
  }
  get headers(): Headers.Headers {
    return this.source.headers
  }
  get cookies(): Cookies.Cookies {
    return this.source.cookies
  }
  get remoteAddress(): Option.Option<string> {
    return this.source.remoteAddress
  }
  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return Effect.flatMap(this.memory, (response) => response.text)
  }
  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return Effect.flatMap(this.memory, (response) => response.json)
  }
  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return Effect.flatMap(this.memory, (response) => response.urlParamsBody)
  }
  /** Of the bytes: a file in a form is no text. */
  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return Effect.flatMap(this.bytes, (bytes) =>
      Effect.tryPromise({
        try: () => new Response(bytes, { headers: { "content-type": this.headers["content-type"] ?? "" } }).formData(),
        catch: () => this.error("the body is not a form")
      }))
  }
  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return Effect.map(this.bytes, (bytes) => bytes.slice().buffer)
  }
  toJSON(): unknown {
    return this.source.toJSON()
  }
}
