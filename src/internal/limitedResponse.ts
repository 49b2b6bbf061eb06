import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Stream from "effect/Stream"
import { limitStream } from "./limitStream.js"
import { nowMillis } from "./monotonic.js"

/**
 * A response whose body has to be read before a deadline. Its errors can only be those of any response, so the timeout is the
 * `cause` of a `ResponseError`.
 *
 * @internal
 */
export class LimitedResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId

  constructor(
    private readonly source: HttpClientResponse.HttpClientResponse,
    private readonly deadlineMillis: number,
    private readonly onTimeout: () => unknown
  ) {
    super()
  }

  private expired = false

  private readonly timedOut = (): HttpClientError.ResponseError => {
    this.expired = true
    return new HttpClientError.ResponseError({
      request: this.request,
      response: this,
      reason: "Decode",
      cause: this.onTimeout()
    })
  }

  private get remaining(): Effect.Effect<number> {
    return Effect.map(nowMillis, (now) => Math.max(0, this.deadlineMillis - now))
  }

  private limit<A>(
    body: Effect.Effect<A, HttpClientError.ResponseError>
  ): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.flatMap(this.remaining, (duration) =>
      // a body whose reader was interrupted interrupts its next reader too
      this.expired ? Effect.fail(this.timedOut()) : Effect.timeoutFail(body, { duration, onTimeout: this.timedOut }))
  }

  get request() {
    return this.source.request
  }
  get status() {
    return this.source.status
  }
  get headers(): Headers.Headers {
    return this.source.headers
  }
  get cookies() {
    return this.source.cookies
  }
  get remoteAddress() {
    return this.source.remoteAddress
  }
  get text() {
    return this.limit(this.source.text)
  }
  get json() {
    return this.limit(this.source.json)
  }
  get urlParamsBody() {
    return this.limit(this.source.urlParamsBody)
  }
  get formData() {
    return this.limit(this.source.formData)
  }
  get arrayBuffer() {
    return this.limit(this.source.arrayBuffer)
  }
  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.unwrap(Effect.map(this.remaining, (millis) => limitStream(this.source.stream, millis, this.timedOut)))
  }
  toJSON(): unknown {
    return this.source.toJSON()
  }
}
