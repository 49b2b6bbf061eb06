/**
 * The cases of `fuzz.ts`: bytes made from a seed and a number, the readers that get them, and what must hold of the results.
 */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Assert from "node:assert/strict"
import * as Chunk from "../src/wire/Chunk.js"
import * as ChunkDecoder from "../src/wire/ChunkDecoder.js"
import * as Classify from "../src/wire/Classify.js"
import * as Completion from "../src/wire/Completion.js"
import * as Fold from "../src/wire/Fold.js"
import * as Json from "../src/wire/Json.js"
import type * as Limits from "../src/wire/Limits.js"
import * as ResponseKeys from "../src/wire/ResponseKeys.js"
import * as RetryAfter from "../src/wire/RetryAfter.js"

// ---- chance ---------------------------------------------------------------------------------------------------------

/** A whole number from 0 to below `bound`. */
type Draw = (bound: number) => number

/** Mulberry32: small, fast, and the same on every machine. */
const makeDraw = (seed: number, index: number): Draw => {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

const pick = <A>(draw: Draw, list: ReadonlyArray<A>): A => list[draw(list.length)]!

// ---- what is mutated ------------------------------------------------------------------------------------------------

const secret = "sk-fuzz-0123456789abcdef"

const event = (json: unknown): string => `data: ${JSON.stringify(json)}\n\n`

const piece = (delta: unknown, finish_reason: string | null = null, index = 0) =>
  event({
    id: "c",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index, delta, finish_reason }]
  })

const callPiece = (index: unknown, more: object) => piece({ tool_calls: [{ index, ...more }] })

const done = "data: [DONE]\n\n"

const streams: ReadonlyArray<string> = [
  [
    piece({ role: "assistant", content: "" }),
    piece({ content: "Hel" }),
    piece({ content: "lo 🦊 é" }),
    piece({}, "stop"),
    done
  ],
  [
    piece({ reasoning_content: "hm" }),
    piece({ content: "a" }, null, 1),
    piece({ content: "b" }),
    piece({}, "stop", 1),
    piece({}, "stop")
  ],
  [
    callPiece(0, { id: "1", type: "function", function: { name: "f", arguments: "" } }),
    callPiece(0, { function: { arguments: "{\"a\":" } }),
    callPiece(0, { function: { arguments: "[1,2]}" } }),
    callPiece(1, { id: "2", function: { name: "g", arguments: "{}" } }),
    piece({}, "tool_calls"),
    event({ choices: [], usage: { prompt_tokens: 1, total_tokens: 3, prompt_tokens_details: { cached_tokens: 1 } } }),
    done
  ],
  [
    ": ping\n\n",
    "event: message\nid: 1\nretry: 10\n",
    piece({ content: "x" }),
    ":\n",
    piece({ refusal: "no" }, "stop"),
    done
  ],
  [piece({ content: "part" }), event({ error: { message: `overloaded ${secret}`, type: "server_error", code: 503 } })],
  [piece({ content: "part" }), "event: error\ndata: {\"message\":\"no\"}\n\n"],
  [
    piece({ content: [{ type: "thinking", thinking: [{ text: "t" }] }, { text: "x" }] }),
    piece({ audio: { data: "AA" } }, "stop")
  ],
  [
    "data: {\"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\"two lines\"},\"finish_reason\":\"stop\"}]}\n\n",
    done
  ]
].map((events) => events.join(""))

const bodies: ReadonlyArray<string> = [
  {
    id: "c",
    created: "1700000000",
    choices: [{
      index: 0,
      message: { role: "assistant", content: "Hello", tool_calls: [{ function: { name: "f", arguments: {} } }] }
    }],
    usage: { prompt_tokens: 1, completion_tokens_details: { reasoning_tokens: 1 } }
  },
  {
    choices: [{
      message: { content: [{ type: "text", text: "x" }], reasoning: "r" },
      finish_reason: "stop",
      logprobs: { content: [] }
    }]
  },
  {
    error: {
      message: `Rate limit. Please try again in 1m20.5s. ${secret}`,
      type: "tokens",
      code: "rate_limit_exceeded"
    }
  },
  [{
    error: {
      code: 429,
      status: "RESOURCE_EXHAUSTED",
      details: [{ "@type": "RetryInfo", retryDelay: "20s" }],
      message: "no"
    }
  }],
  { type: "error", error: { type: "overloaded_error", message: "Overloaded" }, request_id: "r" },
  { detail: [{ loc: ["body"], msg: "field required" }] },
  { error: { innererror: { code: "ResponsibleAIPolicyViolation" }, code: "content_filter", message: "filtered" } },
  { object: "error", message: "context length", code: 400 },
  { errors: [{ message: "no such model" }], success: false }
].map((body) => JSON.stringify(body))

const headerValues: ReadonlyArray<string> = [
  ...["0", "7", "120", "1e3", "-5", "0x10", "120, 240", "NaN", "12abc", " 3", "999999999999999999999", "1.5", "20s"],
  ...[
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Sun, 31 Feb 2021 23:59:60 GMT",
    "Wednesday, 21-Oct-15 07:28:00 GMT",
    "true",
    "false"
  ],
  ...[secret, "Please try again in 9m38.016s", "retry after 86400 seconds", "wait 1 d 2 h 3 m 4 s"]
]

/** What is put in between: the beginnings of known trouble. */
const tokens: ReadonlyArray<string> = [
  ...[
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    "\r\r",
    "\uFEFF",
    "data:",
    "data",
    ":",
    "event: error\n",
    done,
    "[DONE]",
    "\0",
    "\u2028"
  ],
  ...["{", "}", "[", "]", "\"", "\\", ",", "null", "true", "1e999", "-0", "NaN", "\"\\ud800\"", "\"\\u0000\""],
  ...[
    "\"index\":4294967294,",
    "\"index\":-1,",
    "\"index\":1.5,",
    "\"index\":\"0\",",
    "\"__proto__\":{\"polluted\":1},"
  ],
  ...[
    "\"constructor\":{\"prototype\":{\"polluted\":1}},",
    "\"toJSON\":1,",
    "\"error\":{},",
    "\"finish_reason\":\"stop\","
  ],
  ...["\"choices\":[null],", "\"choices\":{},", "\"tool_calls\":[[]],", "\"content\":{\"a\":1},", secret]
]

const invalidUtf8: ReadonlyArray<ReadonlyArray<number>> = [
  [0xff],
  [0xc0, 0xaf],
  [0xe2, 0x82],
  [0xf0, 0x9f, 0x92],
  [0xed, 0xa0, 0x80],
  [0xef, 0xbb, 0xbf],
  [0x80]
]

// ---- mutations ------------------------------------------------------------------------------------------------------

const splice = (bytes: Buffer, at: number, remove: number, insert: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)])

const nothing = new Uint8Array(0)

const lineAround = (bytes: Buffer, at: number): Buffer => {
  const start = bytes.lastIndexOf(10, Math.max(at - 1, 0)) + 1
  const end = bytes.indexOf(10, at)
  return bytes.subarray(start, end === -1 ? bytes.length : end + 1)
}

const nested = (draw: Draw): string => {
  const depth = 1 + draw(draw(10) === 0 ? 20_000 : 200)
  const [open, close] = pick(draw, [["[", "]"], ["{\"a\":", "}"], ["[", ""]] as const)
  return `${open.repeat(depth)}0${close.repeat(depth)}`
}

const newMembers = tokens.filter((token) => /^"\w+":.*,$/.test(token))

const indices = ["4294967294", "128", "127", "-1", "1.5", "1e2", "1e999", "\"0\"", "null", "[]"]

const mutations: ReadonlyArray<(bytes: Buffer, at: number, draw: Draw) => Buffer> = [
  (bytes, at, draw) => {
    const flipped = Buffer.from(bytes)
    flipped[at] = (flipped[at] ?? 0) ^ (1 << draw(8))
    return flipped
  },
  (bytes, at) => bytes.subarray(0, at),
  (bytes, at, draw) => splice(bytes, at, draw(32), nothing),
  (bytes, at, draw) => splice(bytes, at, 0, Buffer.from(pick(draw, tokens))),
  (bytes, at, draw) => splice(bytes, at, draw(8), Buffer.from(pick(draw, tokens))),
  (bytes, at, draw) => splice(bytes, at, 0, Uint8Array.from(pick(draw, invalidUtf8))),
  (bytes, at, draw) => splice(bytes, at, 0, Uint8Array.from({ length: 1 + draw(24) }, () => draw(256))),
  (bytes, at, draw) => {
    const line = lineAround(bytes, at)
    return splice(bytes, at, 0, Buffer.concat(Array.from({ length: 1 + draw(20) }, () => line)))
  },
  (bytes, at, draw) => {
    const other = Buffer.from(pick(draw, draw(2) === 0 ? streams : bodies))
    return splice(bytes, at, draw(64), other.subarray(draw(other.length)))
  },
  (bytes, at, draw) => splice(bytes, bytes.indexOf("{", at) + 1, 0, Buffer.from(pick(draw, newMembers))),
  (bytes, at, draw) => splice(bytes, bytes.indexOf("{", at) + 1, 0, Buffer.from(`"deep":${nested(draw)},`)),
  (bytes, at, draw) => {
    const number = bytes.indexOf("\"index\":", at) + 8
    return splice(bytes, number, 1, Buffer.from(pick(draw, indices)))
  },
  (bytes, at, draw) => splice(bytes, at, 0, Buffer.from(nested(draw)))
]

/** A case is read some ten times, also byte by byte: it must not grow without a bound. */
const maxBytes = 64 * 1024

interface Mutated {
  readonly original: Buffer
  readonly bytes: Buffer
  /** All bytes before it are those of the original. */
  readonly intact: number
}

const mutate = (draw: Draw, original: Buffer, most: number): Mutated => {
  let bytes = original
  for (let left = draw(most + 1); left > 0; left--) {
    bytes = pick(draw, mutations)(bytes, draw(bytes.length + 1), draw)
  }
  bytes = bytes.subarray(0, maxBytes)
  let intact = 0
  while (intact < bytes.length && bytes[intact] === original[intact]) {
    intact++
  }
  return { original, bytes, intact }
}

// ---- streams --------------------------------------------------------------------------------------------------------

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
const checkFold = (chunks: ReadonlyArray<Chunk.Chunk>): void => {
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

const checkStream = (draw: Draw): number => {
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
    // the length of a line counts together with the event that it is in, also where the line is a comment
    if (limits.eventBytes === undefined) {
      Assert.deepEqual(read([lineEnds(bytes, "\n: ping\n")], options), whole, "the result depends on comments")
    }
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

// ---- bodies, errors and headers -------------------------------------------------------------------------------------

const headerNames = [
  "retry-after",
  "retry-after-ms",
  "date",
  "x-should-retry",
  "content-type",
  "x-request-id",
  "server",
  "__proto__"
]

/** Header values are latin1 on the wire. */
const headers = (draw: Draw): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: draw(5) }, () => [
      pick(draw, headerNames),
      mutate(draw, Buffer.from(pick(draw, headerValues)), 2).bytes.toString("latin1")
    ])
  )

const checkWait = (wait: Duration.Duration | undefined): void => {
  const millis = wait === undefined ? 0 : Duration.toMillis(wait)
  Assert.ok(millis >= 0 && millis <= RetryAfter.maxSeconds * 1000, "a wait is not a bounded time")
}

const checkError = (error: unknown): void => {
  Assert.ok(error instanceof Error && "_tag" in error && typeof error._tag === "string", "an error without a tag")
  for (const shown of [error.message, String(error), JSON.stringify(error)]) {
    Assert.ok(!shown.includes(secret), "an error shows a secret")
  }
}

const checkBody = (draw: Draw): number => {
  const { bytes } = mutate(draw, Buffer.from(pick(draw, bodies)), 4)
  const text = bytes.toString("utf8")
  const all = { ...headers(draw) }
  const answer = {
    target: "a/b",
    status: pick(draw, [200, 302, 400, 401, 404, 413, 429, 500, 503, 529, 0, 999, NaN]),
    headers: all,
    body: text,
    nowMillis: pick(draw, [0, 1_700_000_000_000, NaN]),
    secrets: [Redacted.make(secret)]
  }
  checkError(Classify.fromResponse(answer))
  checkWait(RetryAfter.fromHeaders(all, answer.nowMillis))
  checkWait(RetryAfter.fromText(text))
  checkWait(RetryAfter.fromDelay(all["retry-after"] ?? ""))
  Assert.ok([true, false, undefined].includes(RetryAfter.shouldRetry(all)))
  const json = Json.parse(text)
  if (Either.isLeft(json)) {
    return bytes.length
  }
  checkError(Classify.fromBody({ ...answer, json: json.right }))
  Chunk.errorOf(json.right)
  const chunk = Chunk.fromWire(json.right)
  if (Either.isRight(chunk)) {
    checkFold([chunk.right, chunk.right])
  }
  const completion = Completion.fromWire(json.right)
  if (Either.isRight(completion)) {
    const again = Completion.fromWire(JSON.parse(JSON.stringify(ResponseKeys.completionToWire(completion.right))))
    Assert.ok(Either.isRight(again) && again.right.choices.length === completion.right.choices.length)
  }
  return bytes.length
}

const kinds: ReadonlyArray<(draw: Draw) => number> = [checkStream, checkStream, checkBody]

/**
 * Runs one case, which is the same for the same seed and index, and gives how many bytes it was about. Throws when something does not
 * hold that must.
 */
export const runCase = (seed: number, index: number): number => {
  const draw = makeDraw(seed, index)
  const length = pick(draw, kinds)(draw)
  Assert.equal(Object.keys(Object.prototype).length, 0, "the prototype of all objects was written to")
  return length
}
