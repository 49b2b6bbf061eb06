/** What must hold of streams, whatever their bytes are. */
import * as Either from "effect/Either"
import * as Assert from "node:assert/strict"
import type * as Chunk from "../src/wire/Chunk.js"
import * as ChunkDecoder from "../src/wire/ChunkDecoder.js"
import * as Completion from "../src/wire/Completion.js"
import * as Fold from "../src/wire/Fold.js"
import * as Json from "../src/wire/Json.js"
import type * as Limits from "../src/wire/Limits.js"
import * as ResponseKeys from "../src/wire/ResponseKeys.js"
import { type Draw, pick } from "./fuzz-chance.js"
import { mutate } from "./fuzz-mutations.js"
import { streams } from "./fuzz-samples.js"

interface Read {
  readonly chunks: ReadonlyArray<Chunk.Chunk>
  readonly state: unknown
}

const read = (slices: ReadonlyArray<Uint8Array>, options: ChunkDecoder.Options, ends = true): Read => {
  const decoder = ChunkDecoder.make(options)
  const chunks = slices.flatMap((slice) => decoder.feed(slice))
  if (ends) {
    chunks.push(...decoder.end())
  }
  return { chunks, state: { problem: decoder.problem, done: decoder.done, complete: decoder.complete } }
}

const cut = (draw: Draw, bytes: Buffer): Array<Uint8Array> => {
  const most = pick(draw, [1, 2, 3, 7, 64, 1024])
  const slices: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length;) {
    const length = 1 + draw(most)
    slices.push(bytes.subarray(at, at + length))
    at += length
  }
  return slices
}

const textOf = (chunks: ReadonlyArray<Chunk.Chunk>, index: number): string =>
  chunks.flatMap((chunk) => chunk.choices).filter((choice) => choice.index === index)
    .map((choice) => choice.delta.content ?? "").join("")

const isIndex = (index: number): boolean => Number.isInteger(index) && index >= 0 && index <= 127

/** Counted in the text: a recursive function would not come back from what is looked for. */
const depthOf = (value: unknown): number => {
  let depth = 0
  let deepest = 0
  for (const bracket of JSON.stringify(value).replace(/"(?:[^"\\]|\\.)*"/g, "").matchAll(/[[\]{}]/g)) {
    depth += bracket[0] === "[" || bracket[0] === "{" ? 1 : -1
    deepest = Math.max(deepest, depth)
  }
  return deepest
}

const checkChunks = (chunks: ReadonlyArray<Chunk.Chunk>, maxDepth: number): void => {
  for (const chunk of chunks) {
    // a missing delta is an empty one, at the depth of 4
    Assert.ok(depthOf(chunk) <= Math.max(maxDepth, 4), "a chunk is nested deeper than the limit")
    for (const { delta, index } of chunk.choices) {
      Assert.ok(isIndex(index), "the index of a choice is out of range")
      for (const call of delta.toolCalls ?? []) {
        Assert.ok(call.index === undefined || isIndex(call.index), "the index of a tool call is out of range")
      }
    }
  }
}

/** The pieces put together are the text, and what they make can be written. */
export const checkFold = (chunks: ReadonlyArray<Chunk.Chunk>): void => {
  const fold = Fold.make()
  chunks.forEach(fold.add)
  const completion = fold.completion()
  for (const { index, message } of completion.choices) {
    Assert.equal(message.content ?? "", textOf(chunks, index), "the folded text is not the delivered text")
  }
  Assert.ok(Either.isRight(Completion.fromWire(JSON.parse(JSON.stringify(ResponseKeys.completionToWire(completion))))))
}

const lineEnds = (bytes: Buffer, end: string): Buffer =>
  Buffer.from(bytes.toString("latin1").replaceAll("\n", end), "latin1")

export const checkStream = (draw: Draw): number => {
  const { bytes, intact, original } = mutate(draw, Buffer.from(pick(draw, streams)), 4)
  const limits: Partial<Limits.Limits> = draw(4) === 0 ? { eventBytes: 16 + draw(256), jsonDepth: 1 + draw(8) } : {}
  const options = { limits, doneTerminates: draw(4) === 0 }
  const whole = read([bytes], options)
  Assert.deepEqual(read(cut(draw, bytes), options), whole, "the result depends on how the bytes are cut")
  if (!bytes.includes(13)) {
    for (const end of ["\r", "\r\n"]) {
      const ended = lineEnds(bytes, end)
      Assert.deepEqual(read([ended], options), whole, "the result depends on the line ends")
      Assert.deepEqual(read(cut(draw, ended), options), whole, "the result depends on how line ends are cut")
    }
    Assert.deepEqual(read([lineEnds(bytes, "\n: ping\n")], options), whole, "the result depends on comments")
  }
  const before = read([original.subarray(0, intact)], options, false).chunks
  Assert.deepEqual(
    whole.chunks.slice(0, before.length),
    before,
    "what was delivered before the first fault is not intact"
  )
  if (bytes.length === intact) {
    const all = read([original], { ...options, limits: {} }).chunks
    Assert.ok(textOf(all, 0).startsWith(textOf(whole.chunks, 0)), "a cut stream has text that the whole one has not")
  }
  const small = read(cut(draw, bytes), { limits: { responseBytes: 1 + draw(bytes.length + 1) } })
  const unlimited = read([bytes], {}).chunks
  Assert.deepEqual(
    small.chunks,
    unlimited.slice(0, small.chunks.length),
    "a limit changed what was delivered before it"
  )
  checkChunks(whole.chunks, limits.jsonDepth ?? Json.defaultMaxDepth)
  checkFold(whole.chunks)
  return bytes.length
}
