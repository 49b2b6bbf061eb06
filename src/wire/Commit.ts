/**
 * The commit point of a stream: its first content (text, reasoning, a tool call, a refusal).
 *
 * What comes before it is held back, so until then a failure is an ordinary failure, on which retries and fallbacks can act. From
 * then on the caller has a part of this answer, and a failure ends the stream.
 *
 * Once the answer is complete nothing can be cut off any more: a connection that breaks then is an end like any other, and one that
 * stays open is closed when nothing comes for `maxTailMillis`.
 *
 * @since 0.1.0
 */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as EffectChunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Activity from "../internal/activity.js"
import { CallScope } from "../internal/callScope.js"
import { toPull } from "../internal/pullParts.js"
import type * as RouterError from "../RouterError.js"
import * as Chunk from "./Chunk.js"
import * as ChunkDecoder from "./ChunkDecoder.js"
import * as Problem from "./Problem.js"
import { type Batch, StreamResponse } from "./StreamResponse.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends ChunkDecoder.Options, Problem.Origin {
  /**
   * `"firstContent"`, the default, or `"whole"`: nothing is handed over before the answer is complete, so that one which is cut at any
   * point is an ordinary failure. It is held in memory until then, within the limits of an answer.
   */
  readonly commit?: "firstContent" | "whole" | undefined
}

/**
 * How much of a stream is held back while it has no content. Beyond it the answer is committed as it is, so that memory stays
 * bounded when a provider sends its content in a form that is not known.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxHeldChunks = 64

/**
 * The same in bytes, 64 KiB, once there are chunks: comments alone are no part of an answer, however many there are.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxHeldBytes = 64 * 1024

/**
 * For how many milliseconds the rest of a complete answer is waited for, while no data comes: 2 seconds. What follows the last finish
 * reason (the usage, `[DONE]`, with a few hosts a last piece of text) was made with it and comes within a second or not at all; a
 * connection that is never closed must not hold the answer up for long.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxTailMillis = 2000

/** Reads batches until the first one with content, or until the end, and gives that and all before it back as one. */
const untilCommit = (
  next: Effect.Effect<Batch, Option.Option<RouterError.TargetError>>,
  whole: boolean,
  onEmpty: (text: string, error: RouterError.EmptyCompletion) => Effect.Effect<never, RouterError.TargetError>
): Effect.Effect<Batch, RouterError.TargetError> => {
  const chunks: Array<Chunk.Chunk> = []
  const bytes: Array<Uint8Array> = []
  let heldBytes = 0
  let complete = false
  const held = () => ({ bytes: Buffer.concat(bytes), chunks, complete })
  const read: Effect.Effect<Batch, RouterError.TargetError> = Effect.matchEffect(next, {
    onFailure: Option.match({
      // an end without a problem: a complete answer without content
      onNone: () => Effect.succeed(held()),
      onSome: (error) =>
        error._tag === "EmptyCompletion" ? onEmpty(Buffer.concat(bytes).toString(), error) : Effect.fail(error)
    }),
    onSuccess: (batch) => {
      for (const chunk of batch.chunks) {
        chunks.push(chunk)
      }
      bytes.push(batch.bytes)
      heldBytes += batch.bytes.length
      complete = batch.complete
      const isFull = chunks.length > maxHeldChunks || chunks.length > 0 && heldBytes > maxHeldBytes
      const committed = batch.chunks.some(Chunk.hasContent) || isFull
      return committed && !whole ? Effect.succeed(held()) : read
    }
  })
  return read
}

/** A complete answer has all the content that there will be. */
const look = ({ chunks, complete }: Batch) => ({
  isData: chunks.length > 0,
  isContent: complete || chunks.some(Chunk.hasContent)
})

const decodeBatches = (
  pull: Effect.Effect<EffectChunk.Chunk<Uint8Array>, Option.Option<HttpClientError.ResponseError>>,
  response: HttpClientResponse.HttpClientResponse,
  options: Options,
  activity: Activity.Activity | undefined,
  now: () => number
): Effect.Effect<Batch, Option.Option<RouterError.TargetError>> => {
  const decoder = ChunkDecoder.make(options)
  const note = Activity.noting(activity, now)
  let ended = false
  let tailMillis = maxTailMillis

  const fail = (problem: Problem.Problem) => Effect.mapError(Problem.fail(problem, response, options), Option.some)

  const end = Effect.suspend(() => {
    ended = true
    const chunks = decoder.end()
    return chunks.length > 0
      ? Effect.succeed({ bytes: new Uint8Array(0), chunks, complete: decoder.complete })
      : decoder.problem === undefined
      ? Effect.fail(Option.none())
      : fail(decoder.problem)
  })

  const read = Effect.matchEffect(pull, {
    onSuccess: (parts) => {
      const chunks: Array<Chunk.Chunk> = []
      for (const part of parts) {
        for (const chunk of decoder.feed(part)) {
          chunks.push(chunk)
        }
      }
      return chunks.length === 0 && decoder.problem !== undefined
        ? fail(decoder.problem)
        : Effect.succeed({ bytes: Buffer.concat([...parts]), chunks, complete: decoder.complete })
    },
    onFailure: (error) =>
      // a response without a body ends here; a connection that breaks after the last word has cut nothing off
      Option.isNone(error) || error.value.reason === "EmptyBody" || decoder.complete
        ? end
        : Effect.fail(Option.map(error, Problem.transport(options)))
  })

  /** It is not noted: no clock between reads strikes any more. */
  const readTail = Effect.suspend(() => {
    const started = now()
    return tailMillis <= 0 ? end : Effect.flatten(Effect.timeoutTo(read, {
      duration: tailMillis,
      onSuccess: (batch) => {
        tailMillis = batch.chunks.length > 0 ? maxTailMillis : tailMillis - (now() - started)
        return Effect.succeed(batch)
      },
      onTimeout: () => end
    }))
  })

  return Effect.suspend(() => {
    if (decoder.problem !== undefined) {
      return fail(decoder.problem)
    }
    if (ended || decoder.done) {
      return Effect.fail(Option.none())
    }
    return decoder.complete ? readTail : note(read, look)
  })
}

/**
 * Reads a stream up to its commit point.
 *
 * It fails with what goes wrong until then. After it, the chunks that were held back and all others are in the response, whose stream
 * ends only when the answer is complete; closing it closes the connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const commit = (
  response: HttpClientResponse.HttpClientResponse,
  options: Options
): Effect.Effect<StreamResponse, RouterError.TargetError> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const parent = yield* CallScope
      const scope = yield* parent === undefined ? Scope.make() : Scope.fork(parent, ExecutionStrategy.sequential)
      const pull = yield* Scope.extend(toPull(response), scope)
      const activity = yield* Activity.CurrentActivity
      const next = decodeBatches(pull, response, options, activity, yield* Activity.readClock)
      // some answer with an error of plain JSON under the type of an event stream: to its grammar that is nothing
      const onEmpty = (text: string, error: RouterError.EmptyCompletion) => {
        const problem = Problem.inText(text)
        return problem === undefined ? Effect.fail(error) : Problem.fail(problem, response, options)
      }
      const first = yield* restore(untilCommit(next, options.commit === "whole", onEmpty)).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      // not one stream and then another: each read of the second one would go through both
      let held: Batch | undefined = first
      const all = Effect.suspend(() => {
        const batch = held
        held = undefined
        return batch === undefined ? next : Effect.succeed(batch)
      })
      const batches = Stream.ensuringWith(Stream.repeatEffectOption(all), (exit) => Scope.close(scope, exit))
      return new StreamResponse(response, batches)
    })
  )
