/**
 * From the bytes of an event stream to chunks: the grammar of the stream, the JSON of each event, errors that arrive as events, and
 * whether the answer is complete.
 *
 * An answer is complete when every choice that was seen has a finish reason. `[DONE]` alone does not make it so, and its absence
 * does not matter.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Chunk from "./Chunk.js"
import * as Json from "./Json.js"
import * as Limits from "./Limits.js"
import type { Problem } from "./Problem.js"
import * as Sse from "./Sse.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether `[DONE]` ends an answer without finish reasons: for providers that never send any. Default `false`. */
  readonly doneTerminates?: boolean | undefined
  /** How much is read. Default `Limits.defaults`, limit by limit. */
  readonly limits?: Partial<Limits.Limits> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ChunkDecoder {
  /** The chunks that the bytes complete. After a problem or `[DONE]` everything is ignored. */
  readonly feed: (bytes: Uint8Array) => ReadonlyArray<Chunk.Chunk>
  /** The bytes are over: what was still held back, and the verdict on the whole in `problem`. */
  readonly end: () => ReadonlyArray<Chunk.Chunk>
  /** What is wrong with the stream, as soon as it is known. It comes after the chunks that were returned. */
  readonly problem: Problem | undefined
  /** `[DONE]` was seen: nothing after it belongs to the answer. */
  readonly done: boolean
  /** Every choice that was seen has a finish reason. */
  readonly complete: boolean
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): ChunkDecoder => {
  const limits = Limits.make(options.limits)
  const sse = Sse.makeDecoder({ maxEventBytes: limits.eventBytes })
  const unfinished = new Set<number>()
  const seen = new Set<number>()
  let bytesRead = 0
  let done = false
  let problem: Problem | undefined

  const isComplete = () => seen.size > 0 && unfinished.size === 0

  const note = (chunk: Chunk.Chunk) => {
    for (const choice of chunk.choices) {
      if (choice.finishReason !== undefined) {
        seen.add(choice.index)
        unfinished.delete(choice.index)
      } else if (!seen.has(choice.index)) {
        seen.add(choice.index)
        unfinished.add(choice.index)
      }
    }
  }

  const decodeEvent = ({ data, event }: Sse.Event): Chunk.Chunk | undefined => {
    const parsed = Json.parse(data, { maxDepth: limits.jsonDepth })
    if (Either.isLeft(parsed)) {
      problem = parsed.left.reason === "depth"
        ? { _tag: "TooLarge", limit: "depth", maximum: limits.jsonDepth }
        : event === "error"
        ? { _tag: "Error", json: data, text: data }
        : { _tag: "Malformed", reason: "an event of the stream is not JSON" }
      return undefined
    }
    if (event === "error" || Chunk.errorOf(parsed.right) !== undefined) {
      problem = { _tag: "Error", json: parsed.right, text: data }
      return undefined
    }
    const chunk = Chunk.fromWire(parsed.right)
    if (Either.isLeft(chunk)) {
      problem = { _tag: "Malformed", reason: chunk.left }
      return undefined
    }
    note(chunk.right)
    return chunk.right
  }

  const decodeEvents = (events: ReadonlyArray<Sse.Event>): ReadonlyArray<Chunk.Chunk> => {
    const chunks: Array<Chunk.Chunk> = []
    for (const event of events) {
      if (event.data === "[DONE]") {
        done = true
        return chunks
      }
      if (event.data !== "") {
        const chunk = decodeEvent(event)
        if (chunk === undefined) {
          return chunks
        }
        chunks.push(chunk)
      }
    }
    return chunks
  }

  const judge = () => {
    if (problem !== undefined || isComplete() || (done && seen.size > 0 && options.doneTerminates === true)) {
      return
    }
    problem = { _tag: seen.size === 0 ? "Empty" : "Truncated" }
  }

  return {
    feed: (bytes) => {
      if (done || problem !== undefined) {
        return []
      }
      bytesRead += bytes.length
      if (bytesRead > limits.responseBytes) {
        problem = { _tag: "TooLarge", limit: "bytes", maximum: limits.responseBytes }
        return []
      }
      const chunks = decodeEvents(sse.feed(bytes))
      if (sse.overflowed && problem === undefined && !done) {
        problem = { _tag: "TooLarge", limit: "eventBytes", maximum: limits.eventBytes }
      }
      if (done) {
        judge()
      }
      return chunks
    },
    end: () => {
      if (done || problem !== undefined) {
        return []
      }
      const chunks = decodeEvents(sse.end())
      judge()
      return chunks
    },
    get problem() {
      return problem
    },
    get done() {
      return done
    },
    get complete() {
      return isComplete()
    }
  }
}
