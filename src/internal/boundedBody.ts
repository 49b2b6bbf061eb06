import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Effect from "effect/Effect"

/** A body as text. */
export interface Body {
  readonly text: string
  /** `false` when the body was longer than the limit; the rest of it was not read and its connection is closed. */
  readonly complete: boolean
}

/** A response of its own kind is told apart by this member, for it may come from another copy of the module. */
export const readBounded: unique symbol = Symbol.for("effect-llm-router/internal/readBounded")

/**
 * A response that reads its whole body by itself, and never more of it than it may. For any other one that takes a stream, which costs more
 * than all the rest of a call.
 */
export interface BoundedResponse extends HttpClientResponse.HttpClientResponse {
  /** `onRead` is told of each part as it comes. */
  readonly [readBounded]: (
    maxBytes: number,
    onRead: ((part: Uint8Array) => void) | undefined
  ) => Effect.Effect<Body, HttpClientError.ResponseError>
}

export const isBounded = (response: HttpClientResponse.HttpClientResponse): response is BoundedResponse =>
  readBounded in response
