/**
 * From the response that the pipeline gives to what the caller gets.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as EffectChunk from "effect/Chunk"
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
import { type Batch, isStreamResponse } from "../wire/StreamResponse.js"

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

/** What becomes of the parts of a stream. */
export interface Delivered<out A, out E> {
  readonly target: string | undefined
  readonly onChunk: (chunk: Chunk) => A
  readonly onError: (error: RouterError.TargetError) => E
}

/**
 * The chunks of a response, each as the caller gets it. All in one layer: each one costs as much as the decoding of a chunk.
 *
 * @since 0.1.0
 * @category destructors
 */
export const chunks = <A, E>(
  response: HttpClientResponse.HttpClientResponse,
  { onChunk, onError, target }: Delivered<A, E>
): Stream.Stream<A, E> => {
  if (!isStreamResponse(response)) {
    return Stream.failSync(() => onError(noCompletion()))
  }
  return Stream.suspend(() => {
    const fold = Fold.make()
    const deliver = (batches: Iterable<Batch>): EffectChunk.Chunk<A> => {
      const delivered: Array<A> = []
      for (const batch of batches) {
        for (const chunk of batch.chunks) {
          fold.add(chunk)
          delivered.push(onChunk(chunk))
        }
      }
      return EffectChunk.unsafeFromArray(delivered)
    }
    return response.batches.pipe(
      Stream.mapChunks(deliver),
      Stream.mapError((error) => onError(interrupted(error, fold, target)))
    )
  })
}
