import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Body, type BoundedResponse, readBounded } from "./boundedBody.js"

export interface Content {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The whole body, or the error that reading it ended with. */
  readonly text: Effect.Effect<string, HttpClientError.ResponseError>
  readonly cookies?: Cookies.Cookies | undefined
}

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

/**
 * A response whose body is in memory. Each of its views can be taken any number of times, in any order and by several
 * fibers, and none hands out anything that another one shares: the response of a socket allows none of this.
 */
export class MemoryResponse extends Inspectable.Class implements BoundedResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly status: number
  readonly headers: Headers.Headers
  readonly cookies: Cookies.Cookies
  readonly text: Effect.Effect<string, HttpClientError.ResponseError>
  readonly remoteAddress = Option.none<string>()

  constructor(readonly request: HttpClientRequest.HttpClientRequest, content: Content) {
    super()
    this.status = content.status
    this.headers = Headers.fromInput(content.headers)
    this.cookies = content.cookies ?? Cookies.empty
    this.text = content.text
  }

  [readBounded](
    maxBytes: number,
    onRead: ((part: Uint8Array) => void) | undefined
  ): Effect.Effect<Body, HttpClientError.ResponseError> {
    return Effect.map(this.text, (text) => {
      const bytes = Buffer.from(text)
      onRead?.(bytes)
      return bytes.length <= maxBytes
        ? { text, complete: true }
        : { text: new TextDecoder().decode(bytes.subarray(0, maxBytes)), complete: false }
    })
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return Effect.flatMap(this.text, (text) =>
      Effect.try({
        try: () => text === "" ? null : JSON.parse(text),
        catch: () => this.decodeError("the body is not JSON")
      }))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return Effect.map(this.text, (text) => encode(text).buffer)
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.unwrap(Effect.map(this.text, (text) => text === "" ? Stream.empty : Stream.make(encode(text))))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return Effect.flatMap(this.text, (text) =>
      Effect.tryPromise({
        try: () => new Response(text, { headers: { "content-type": this.headers["content-type"] ?? "" } }).formData(),
        catch: () => this.decodeError("the body is not a form")
      }))
  }

  /** Neither the body nor the request: both hold what users wrote, and this is what a log prints. */
  toJSON(): unknown {
    return {
      _id: "@effect/platform/HttpClientResponse",
      status: this.status,
      headers: Inspectable.redact(this.headers)
    }
  }

  /** Without the parser's own error, whose message quotes the body. */
  private decodeError(description: string): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", description })
  }
}

export const make = (
  request: HttpClientRequest.HttpClientRequest,
  content: Content
): HttpClientResponse.HttpClientResponse => new MemoryResponse(request, content)
