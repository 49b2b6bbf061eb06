/**
 * From the response that the pipeline gives to what the caller gets.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as RouterError from "../RouterError.js"
import type { Chunk } from "../wire/Chunk.js"
import * as Completion from "../wire/Completion.js"
import { isCompletionResponse } from "../wire/CompletionResponse.js"
import * as Fold from "../wire/Fold.js"
import * as Json from "../wire/Json.js"
import { isStreamResponse } from "../wire/StreamResponse.js"

/** The completion that a text holds, or `undefined` when it is none. */
const fromText = (text: string): Completion.Completion | undefined =>
  Either.getOrUndefined(Either.flatMap(
    Either.mapLeft(Json.parse(text), (error) => error.reason),
    Completion.fromWire
  ))

const noCompletion = () => new RouterError.BadResponse({ reason: "the answer is not a completion" })

/**
 * The completion of a settled response, or of one from the cache.
 *
 * @since 0.1.0
 * @category decoding
 */
export const completion = (
  response: HttpClientResponse.HttpClientResponse
): Effect.Effect<Completion.Completion, RouterError.BadResponse> =>
  isCompletionResponse(response)
    ? Effect.succeed(response.completion)
    : Effect.flatMap(Effect.mapError(response.text, noCompletion), (text) => {
      const completion = fromText(text)
      return completion === undefined ? Effect.fail(noCompletion()) : Effect.succeed(completion)
    })

/** A stream that the caller has a part of can fail in one way only: with that part. */
const interrupted = (
  error: RouterError.TargetError,
  fold: Fold.Fold,
  target: string | undefined
): RouterError.TargetError =>
  error._tag === "StreamInterrupted" || RouterError.isNotSent(error)
    ? error
    : new RouterError.StreamInterrupted({
      target,
      cause: error,
      delivered: fold.chunks,
      partial: Redacted.make(fold.completion())
    })

/**
 * The chunks of a settled response from `target`. A failure is `StreamInterrupted`: what was delivered is in it.
 *
 * @since 0.1.0
 * @category decoding
 */
export const chunks = (
  response: HttpClientResponse.HttpClientResponse,
  target: string | undefined
): Stream.Stream<Chunk, RouterError.TargetError> => {
  if (!isStreamResponse(response)) {
    return Stream.fail(noCompletion())
  }
  return Stream.suspend(() => {
    const fold = Fold.make()
    return response.chunks.pipe(
      Stream.mapChunks((chunk) => {
        for (const part of chunk) {
          fold.add(part)
        }
        return chunk
      }),
      Stream.mapError((error) => interrupted(error, fold, target))
    )
  })
}
