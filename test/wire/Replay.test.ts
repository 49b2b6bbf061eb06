import { HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Either, Stream } from "effect"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Chunk from "../../src/wire/Chunk.js"
import * as ChunkDecoder from "../../src/wire/ChunkDecoder.js"
import * as Completion from "../../src/wire/Completion.js"
import * as Fold from "../../src/wire/Fold.js"
import * as Replay from "../../src/wire/Replay.js"
import * as ResponseKeys from "../../src/wire/ResponseKeys.js"

// ---- anything that a provider may send ----------------------------------------------------------------------------

const runs = { fastCheck: { numRuns: 300 } }

/** `JSON.stringify` writes -0 as 0: it is no part of what is tested here. */
const json = FastCheck.jsonValue({ maxDepth: 2 }).map((value): unknown => JSON.parse(JSON.stringify(value)))

const notNull = json.filter((value) => value !== null)

const hostile = FastCheck.constantFrom("__proto__", "constructor", "toString", "hasOwnProperty", "then", "toJSON", "0")

const known = FastCheck.constantFrom(
  ...["id", "object", "model", "created", "system_fingerprint", "systemFingerprint", "service_tier", "x_groq"],
  ...["index", "finish_reason", "finishReason", "logprobs", "role", "content", "rawContent", "refusal", "reasoning"],
  ...["reasoning_content", "audio", "tool_calls", "toolCalls", "function", "name", "arguments", "type"],
  ...["prompt_tokens", "promptTokens", "total_tokens", "prompt_tokens_details", "cached_tokens", "cachedTokens"],
  ...["completionTokensDetails", "reasoning_tokens", "usage", "choices", "message", "delta", "obfuscation"]
)

/** Members under any name; where one comes twice, the last counts, as in JSON. Defined, not assigned: one is `__proto__`. */
const members = (
  names: FastCheck.Arbitrary<string>,
  values: FastCheck.Arbitrary<unknown>,
  given: Readonly<Record<string, FastCheck.Arbitrary<unknown>>> = {}
): FastCheck.Arbitrary<{ readonly [member: string]: unknown }> =>
  FastCheck.tuple(
    FastCheck.array(FastCheck.tuple(names, values), { maxLength: 4 }),
    FastCheck.record(given, { requiredKeys: [] })
  ).map(([others, given]) => Object.fromEntries([...others, ...Object.entries(given)]))

const anyName = FastCheck.oneof(known, known, hostile, FastCheck.string())

const parts = FastCheck.array(FastCheck.oneof(
  FastCheck.record({ type: FastCheck.constant("text"), text: FastCheck.string() }),
  FastCheck.record({
    type: FastCheck.constant("thinking"),
    thinking: FastCheck.array(FastCheck.record({ text: FastCheck.string() }), { maxLength: 2 })
  }),
  json
))

const spoken = members(anyName, json, {
  role: FastCheck.string(),
  content: FastCheck.oneof(FastCheck.string(), parts, json),
  reasoning: FastCheck.oneof(FastCheck.string(), json),
  tool_calls: FastCheck.array(members(anyName, json, { function: members(anyName, json) }), { maxLength: 3 })
})

const choice = members(anyName, json, {
  index: FastCheck.oneof(FastCheck.constantFrom(0, 1, 127), FastCheck.integer({ min: 0, max: 127 })),
  message: spoken,
  delta: spoken,
  finish_reason: FastCheck.oneof(FastCheck.string(), json)
})

const usage = members(anyName, FastCheck.oneof(FastCheck.nat(), json), {
  prompt_tokens_details: members(anyName, FastCheck.oneof(FastCheck.nat(), json)),
  completion_tokens_details: json
})

const answer = members(anyName, json, {
  choices: FastCheck.array(choice, { maxLength: 3 }),
  usage: FastCheck.oneof(usage, json),
  x_groq: FastCheck.record({ usage })
})

const overText = (wire: unknown): unknown => JSON.parse(JSON.stringify(wire))

describe("a completion and a chunk as they are on the wire", () => {
  const check = <A>(
    wire: unknown,
    fromWire: (json: unknown) => Either.Either<A, string>,
    toWire: (value: A) => unknown
  ): void => {
    const first = fromWire(wire)
    if (Either.isRight(first)) {
      const again = Either.getOrThrow(fromWire(overText(toWire(first.right))))
      assert.deepStrictEqual(again, first.right)
      assert.strictEqual(Object.getPrototypeOf(again), Object.prototype)
    }
  }

  it.prop("are the same when they are read again", [answer], ([wire]) => {
    check(wire, Completion.fromWire, ResponseKeys.completionToWire)
    check(wire, Chunk.fromWire, ResponseKeys.chunkToWire)
  }, runs)

  it("content in parts goes as it came, with the reasoning that counts", () => {
    const content = [{ type: "thinking", thinking: [{ type: "text", text: "hm" }] }, { type: "text", text: "Hello" }]
    const completion = Either.getOrThrow(
      Completion.fromWire({ choices: [{ message: { reasoning: "first", content } }] })
    )
    assert.deepStrictEqual(ResponseKeys.completionToWire(completion).choices, [
      { index: 0, message: { reasoning: "first", content } }
    ])
  })
})

// ---- answers with everything that can be told in chunks ------------------------------------------------------------

const text = FastCheck.string({ minLength: 1 })

/** Members that nobody knows. Null is absent in a fold, so here it is too. */
const unknown = FastCheck.oneof(hostile, FastCheck.string().map((name) => `x_${name}`))

const withUnknown = (given: Readonly<Record<string, FastCheck.Arbitrary<unknown>>>) => members(unknown, notNull, given)

const full = (given: Readonly<Record<string, FastCheck.Arbitrary<unknown>>>) =>
  FastCheck.tuple(members(unknown, notNull), FastCheck.record(given)).map(([others, given]) => ({
    ...others,
    ...given
  }))

const toolCall = FastCheck.oneof(
  full({
    id: text,
    type: FastCheck.constant("function"),
    function: full({ name: text, arguments: FastCheck.oneof(FastCheck.json(), FastCheck.string()) })
  }),
  // without an id, their order tells them apart
  full({ type: FastCheck.constant("function"), function: full({ name: text, arguments: FastCheck.json() }) }),
  full({ id: text, type: FastCheck.constant("custom"), custom: full({ name: text, input: FastCheck.string() }) })
)

const message = withUnknown({
  role: text,
  content: FastCheck.string(),
  refusal: text,
  reasoning: text,
  tool_calls: FastCheck.array(toolCall, { minLength: 1, maxLength: 4 }),
  audio: withUnknown({ id: text, data: text, transcript: text, expires_at: FastCheck.nat() }),
  function_call: withUnknown({ name: text, arguments: FastCheck.string() }),
  annotations: FastCheck.array(json, { maxLength: 3 })
})

const choices = FastCheck.uniqueArray(FastCheck.integer({ min: 0, max: 127 }), { minLength: 1, maxLength: 3 }).chain(
  (indices) =>
    FastCheck.tuple(
      ...indices.sort((a, b) => a - b).map((index) =>
        full({ index: FastCheck.constant(index), message, finish_reason: FastCheck.constantFrom("stop", "tool_calls") })
          .chain((choice) =>
            withUnknown({ logprobs: withUnknown({ content: FastCheck.array(json) }) })
              .map((others) => ({ ...others, ...choice }))
          )
      )
    )
)

const completions = FastCheck.tuple(
  choices,
  withUnknown({
    id: text,
    created: FastCheck.integer({ min: 1 }),
    model: text,
    system_fingerprint: text,
    service_tier: text,
    usage,
    citations: FastCheck.array(json)
  })
).map(([choices, head]) => Either.getOrThrow(Completion.fromWire({ ...head, object: "chat.completion", choices })))

/** What of a choice is told in chunks, as far as every answer has it. Folded, what is empty is absent. */
const told = ({ choices }: Completion.Completion) =>
  choices.map(({ finishReason, index, message: { content, reasoning, refusal, toolCalls } }) => ({
    index,
    content,
    finishReason,
    reasoning: reasoning || undefined,
    refusal: refusal || undefined,
    toolCalls: toolCalls?.map(({ function: called, id, type }) => [
      id || undefined,
      type || "function",
      called?.name,
      called?.arguments
    ])
  })).sort((a, b) => a.index - b.index)

const decoded = (completion: Completion.Completion) => {
  const decoder = ChunkDecoder.make()
  const fold = Fold.make()
  decoder.feed(Effect.runSync(bytesOf(completion))).forEach(fold.add)
  return { completion: fold.completion(), problem: decoder.problem?._tag, isComplete: decoder.complete }
}

const replayed = (completion: Completion.Completion): Completion.Completion => {
  const fold = Fold.make()
  Replay.chunks(completion).forEach(fold.add)
  return fold.completion()
}

const request = HttpClientRequest.post("http://localhost/chat/completions")

const responseOf = (completion: Completion.Completion) =>
  Replay.response(request, HttpClientResponse.fromWeb(request, new Response("", { status: 200 })), completion)

const bytesOf = (completion: Completion.Completion) =>
  Effect.map(Stream.runCollect(responseOf(completion).stream), (parts) => Buffer.concat([...parts]))

describe("a replayed completion", () => {
  it.prop("folded it is the same completion", [completions], ([completion]) => {
    assert.deepStrictEqual(replayed(completion), completion)
  }, runs)

  it.prop("its bytes are the chunks, and end with [DONE]", [completions], ([completion]) => {
    const bytes = Effect.runSync(bytesOf(completion))
    const decoder = ChunkDecoder.make()
    const chunks = decoder.feed(bytes)
    assert.deepStrictEqual(chunks, Replay.chunks(completion))
    assert.deepStrictEqual([decoder.done, decoder.complete, decoder.problem], [true, true, undefined])
    assert.isTrue(bytes.toString().endsWith("\n\ndata: [DONE]\n\n"))
  }, runs)

  it.prop("whatever is read as a completion comes out of its bytes again", [answer], ([wire]) => {
    const read = Completion.fromWire(wire)
    // an answer that holds an error is none
    if (Either.isLeft(read) || Chunk.errorOf(wire) !== undefined) {
      return
    }
    const { completion, isComplete, problem } = decoded(read.right)
    assert.deepStrictEqual(told(completion), told(read.right))
    assert.deepStrictEqual(completion.usage, read.right.usage)
    assert.deepStrictEqual(completion, replayed(read.right))
    assert.deepStrictEqual(decoded(completion).completion, completion)
    const { choices } = read.right
    assert.strictEqual(isComplete, choices.length > 0 && choices.every((choice) => choice.finishReason !== undefined))
    assert.strictEqual(problem, choices.length === 0 ? "Empty" : isComplete ? undefined : "Truncated")
  }, runs)

  it("is complete with the end of its last choice, if all have one", () => {
    const complete = (...reasons: ReadonlyArray<string | null>) => {
      const choices = reasons.map((finish_reason) => ({ message: { content: "x" }, finish_reason }))
      const completion = Either.getOrThrow(Completion.fromWire({ choices, usage: { total_tokens: 1 } }))
      const batches = Effect.runSync(Stream.runCollect(responseOf(completion).batches))
      return Array.from(batches, (batch) => batch.complete)
    }
    assert.deepStrictEqual(complete("stop"), [false, true, true, true])
    assert.deepStrictEqual(complete("stop", "length"), [false, false, false, true, true, true])
    assert.deepStrictEqual(complete("stop", null), [false, false, false, false, false, false])
    assert.deepStrictEqual(complete(), [false, false])
  })

  it("as many choices and tool calls as there may be, with or without ids", () => {
    for (const [count, call] of [[128, {}], [128, { id: "same" }], [129, {}], [200, { id: "same" }]] as const) {
      const tool_calls = Array.from({ length: count }, (_, at) => ({ ...call, function: { name: `f${at}` } }))
      const read = Completion.fromWire({ choices: [{ message: { tool_calls }, finish_reason: "tool_calls" }] })
      assert.strictEqual(Either.isRight(read), count === 128)
      if (Either.isRight(read)) {
        assert.deepStrictEqual(told(decoded(read.right).completion), told(read.right))
      }
    }
    for (const choice of [{}, { index: 0 }]) {
      const message = { role: "assistant", content: "x" }
      const choices = Array.from({ length: 128 }, () => ({ ...choice, message, finish_reason: "stop" }))
      const completion = Either.getOrThrow(Completion.fromWire({ choices }))
      assert.deepStrictEqual(told(decoded(completion).completion), told(completion))
      assert.isTrue(Either.isLeft(Completion.fromWire({ choices: [...choices, choices[0]] })))
    }
  })

  it("members that are null are absent, as in any stream", () => {
    const message = { role: "assistant", content: "Hello", function_call: null, annotations: [] }
    const choices = [{
      index: 0,
      message,
      finish_reason: "stop",
      logprobs: { content: [{ token: "Hello" }], refusal: null }
    }]
    const completion = Either.getOrThrow(Completion.fromWire({ choices, prompt_filter_results: null }))
    assert.deepStrictEqual(replayed(completion), {
      object: "chat.completion",
      choices: [{
        index: 0,
        message: { role: "assistant", content: "Hello", annotations: [] },
        finishReason: "stop",
        logprobs: { content: [{ token: "Hello" }] }
      }]
    })
  })

  it("content in parts is replayed as its text and its reasoning", () => {
    const content = [{ type: "thinking", thinking: [{ type: "text", text: "hm" }] }, { type: "text", text: "Hello" }]
    const completion = Either.getOrThrow(
      Completion.fromWire({ choices: [{ message: { content }, finish_reason: "stop" }] })
    )
    assert.deepStrictEqual(replayed(completion).choices[0]?.message, { content: "Hello", reasoning: "hm" })
  })
})
