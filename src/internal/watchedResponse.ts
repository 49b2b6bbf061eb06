import type * as Cookies from "@effect/platform/Cookies"
import type * as Headers from "@effect/platform/Headers"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import type * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as MemoryResponse from "./memoryResponse.js"

/**
 * A response whose body is read through another stream than its own: one that is watched. The other views of the body are made of
 * that stream, and can be taken again once it was read.
 */
export class WatchedResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  private read: HttpClientResponse.HttpClientResponse | undefined

  constructor(
    private readonly source: HttpClientResponse.HttpClientResponse,
    readonly stream: Stream.Stream<Uint8Array, HttpClientError.ResponseError>
  ) {
    super()
  }

  private get memory(): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.ResponseError> {
    return Effect.suspend(() =>
      this.read === undefined
        ? Effect.map(Stream.mkString(Stream.decodeText(this.stream)), (text) => {
          const { cookies, headers, request, status } = this.source
          return this.read = MemoryResponse.make(request, { status, headers, cookies, text: Effect.succeed(text) })
        })
        : Effect.succeed(this.read)
    )
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
  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return Effect.flatMap(this.memory, (response) => response.formData)
  }
  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return Effect.map(Stream.runCollect(this.stream), (parts) => Uint8Array.from(Buffer.concat([...parts])).buffer)
  }
  toJSON(): unknown {
    return this.source.toJSON()
  }
}
