/**
 * A completion as a stream: what a caller that asked for a stream gets of an answer that is known already.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Stream from "effect/Stream"
import type { Chunk, ChunkChoice } from "./Chunk.js"
import type { Choice, Completion } from "./Completion.js"
import * as ResponseKeys from "./ResponseKeys.js"
import * as Sse from "./Sse.js"
import { type Batch, StreamResponse } from "./StreamResponse.js"

const contentOf = ({ index, logprobs, message }: Choice): ChunkChoice => {
  const { rawContent: _, toolCalls, ...delta } = message
  return {
    index,
    delta: toolCalls === undefined
      ? delta
      : { ...delta, toolCalls: toolCalls.map((call, index) => ({ ...call, index })) },
    ...(logprobs === undefined ? undefined : { logprobs })
  }
}

const endOf = ({ logprobs: _, message: __, ...choice }: Choice): ChunkChoice => ({ ...choice, delta: {} })

/**
 * The chunks of a completion: for each choice one with all of its content and one with its end, and at last the usage. Folded they are
 * the completion again.
 *
 * @since 0.1.0
 * @category constructors
 */
export const chunks = ({ choices, usage, ...head }: Completion): ReadonlyArray<Chunk> => {
  const chunk = (choices: ReadonlyArray<ChunkChoice>): Chunk => ({ ...head, object: "chat.completion.chunk", choices })
  return [
    ...choices.flatMap((choice) => [chunk([contentOf(choice)]), chunk([endOf(choice)])]),
    ...(usage === undefined ? [] : [{ ...chunk([]), usage }])
  ]
}

const encoder = new TextEncoder()

const event = (data: string): Uint8Array => encoder.encode(`data: ${data}\n\n`)

const batches = (completion: Completion): ReadonlyArray<Batch> => {
  const { choices } = completion
  const isFinished = choices.length > 0 && choices.every((choice) => choice.finishReason !== undefined)
  // each choice is two chunks
  const lastEnd = 2 * choices.length - 1
  return [
    ...chunks(completion).map((chunk, at) => ({
      bytes: event(JSON.stringify(ResponseKeys.chunkToWire(chunk))),
      chunks: [chunk],
      complete: isFinished && at >= lastEnd
    })),
    { bytes: event(Sse.done), chunks: [], complete: isFinished }
  ]
}

/**
 * The response of a stream that gives the completion.
 *
 * @since 0.1.0
 * @category constructors
 */
export const response = (
  request: HttpClientRequest.HttpClientRequest,
  source: HttpClientResponse.HttpClientResponse,
  completion: Completion
): StreamResponse => new StreamResponse(source, Stream.suspend(() => Stream.fromIterable(batches(completion))), request)
