import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Chunk from "effect/Chunk"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** Reads what has come of a body since the last time; `none` at its end. */
export type Pull = Effect.Effect<Chunk.Chunk<Uint8Array>, Option.Option<HttpClientError.ResponseError>>

/** A response of its own kind is told apart by this member, for it may come from another copy of the module. */
export const pullParts: unique symbol = Symbol.for("effect-llm-router/internal/pullParts")

/** A response whose body is read without a stream around it, which costs a packet as much as to decode what is in it. */
export interface PulledResponse extends HttpClientResponse.HttpClientResponse {
  readonly [pullParts]: Effect.Effect<Pull, never, Scope.Scope>
}

const isPulled = (response: HttpClientResponse.HttpClientResponse): response is PulledResponse => pullParts in response

/** `Stream.toPull` of the body. */
export const toPull = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<Pull, never, Scope.Scope> =>
  isPulled(response) ? response[pullParts] : Stream.toPull(response.stream)
