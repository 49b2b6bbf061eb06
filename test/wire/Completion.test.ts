import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Completion from "../../src/wire/Completion.js"

const read = (json: unknown): Completion.Completion => Either.getOrThrow(Completion.fromWire(json))

const messageOf = (message: unknown): Completion.Message | undefined =>
  read({ choices: [{ message }] }).choices[0]?.message

const callsOf = (...toolCalls: ReadonlyArray<unknown>) => messageOf({ tool_calls: toolCalls })?.toolCalls

const leaf = FastCheck.constantFrom<unknown>(null, true, 0, 1, -1, 1.5, 128, "", "1", "text", [], {}, [1], {
  text: "x"
})

/** Mostly an object with some of the members, else something quite different. */
const object = (members: Record<string, FastCheck.Arbitrary<unknown>>): FastCheck.Arbitrary<unknown> =>
  FastCheck.oneof(
    { weight: 9, arbitrary: FastCheck.record({ ...members, unknown: leaf, toString: leaf }, { requiredKeys: [] }) },
    { weight: 1, arbitrary: leaf }
  )

const list = (element: FastCheck.Arbitrary<unknown>): FastCheck.Arbitrary<unknown> =>
  FastCheck.oneof({ weight: 9, arbitrary: FastCheck.array(element, { maxLength: 3 }) }, { weight: 1, arbitrary: leaf })

const leaves = (...members: ReadonlyArray<string>): Record<string, FastCheck.Arbitrary<unknown>> =>
  Object.fromEntries(members.map((member) => [member, leaf]))

const part = object({
  type: FastCheck.constantFrom("text", "thinking"),
  text: leaf,
  thinking: list(object({ text: leaf }))
})

const usage = object({
  ...leaves("prompt_tokens", "completion_tokens", "totalTokens"),
  prompt_tokens_details: object(leaves("cached_tokens", "audio_tokens", "cacheCreationTokens")),
  completionTokensDetails: object(leaves("reasoning_tokens", "audioTokens"))
})

const message = object({
  ...leaves("role", "refusal", "reasoning", "reasoning_content", "audio", "rawContent"),
  content: list(part),
  tool_calls: list(object({ ...leaves("id", "type", "index"), function: object(leaves("name", "arguments")) }))
})

/** A body with members of the right and of wrong types, at every level. */
const body = object({
  ...leaves("id", "object", "created", "model", "system_fingerprint", "systemFingerprint", "service_tier"),
  choices: list(
    object({
      index: FastCheck.constantFrom(0, 1, null),
      message,
      ...leaves("finish_reason", "finishReason", "logprobs")
    })
  ),
  usage,
  x_groq: object({ usage })
})

describe("Completion.fromWire", () => {
  it("reads a whole answer", () => {
    const completion = read({
      id: "c-1",
      object: "chat.completion",
      created: 1700000000,
      model: "m-1",
      system_fingerprint: "fp",
      service_tier: "default",
      choices: [{
        index: 0,
        message: {
          role: "assistant",
          content: "Hello",
          refusal: "no",
          reasoning: "because",
          tool_calls: [{ id: "t-1", type: "function", function: { name: "add", arguments: "{}" } }]
        },
        finish_reason: "tool_calls",
        logprobs: { content: [] }
      }],
      usage: {
        prompt_tokens: 1,
        completion_tokens: 2,
        total_tokens: 3,
        prompt_tokens_details: { cached_tokens: 4, cache_creation_tokens: 5, audio_tokens: 6 },
        completion_tokens_details: {
          reasoning_tokens: 7,
          audio_tokens: 8,
          accepted_prediction_tokens: 9,
          rejected_prediction_tokens: 10
        }
      }
    })
    assert.deepStrictEqual(completion, {
      id: "c-1",
      object: "chat.completion",
      created: 1700000000,
      model: "m-1",
      systemFingerprint: "fp",
      serviceTier: "default",
      choices: [{
        index: 0,
        message: {
          role: "assistant",
          content: "Hello",
          refusal: "no",
          reasoning: "because",
          toolCalls: [{ id: "t-1", type: "function", function: { name: "add", arguments: "{}" } }]
        },
        finishReason: "tool_calls",
        logprobs: { content: [] }
      }],
      usage: {
        promptTokens: 1,
        completionTokens: 2,
        totalTokens: 3,
        promptTokensDetails: { cachedTokens: 4, cacheCreationTokens: 5, audioTokens: 6 },
        completionTokensDetails: {
          reasoningTokens: 7,
          audioTokens: 8,
          acceptedPredictionTokens: 9,
          rejectedPredictionTokens: 10
        }
      }
    })
  })

  it("asks for next to nothing", () => {
    assert.deepStrictEqual(read({}), { choices: [] })
    assert.deepStrictEqual(read({ choices: null }), { choices: [] })
    assert.deepStrictEqual(read({ choices: [{}, { finish_reason: "content_filter" }] }).choices, [
      { index: 0, message: {} },
      { index: 1, message: {}, finishReason: "content_filter" }
    ])
  })

  it("null is absent", () => {
    assert.deepStrictEqual(
      read({
        id: null,
        object: null,
        created: null,
        model: null,
        system_fingerprint: null,
        service_tier: null,
        usage: null,
        choices: [{
          index: null,
          finish_reason: null,
          logprobs: null,
          message: { role: null, content: null, refusal: null, reasoning: null, audio: null, tool_calls: null }
        }]
      }),
      { choices: [{ index: 0, message: {} }] }
    )
    assert.deepStrictEqual(
      read({
        usage: {
          prompt_tokens: 1,
          total_tokens: null,
          prompt_tokens_details: null,
          completion_tokens_details: { audio_tokens: null }
        }
      }).usage,
      { promptTokens: 1, completionTokensDetails: {} }
    )
  })

  it("a known member of another type is absent", () => {
    assert.deepStrictEqual(
      read({
        id: 1,
        created: {},
        usage: 5,
        choices: [{ finish_reason: 3, message: { role: 1, content: 2, tool_calls: {} } }]
      }),
      { choices: [{ index: 0, message: {} }] }
    )
    assert.deepStrictEqual(read({ choices: [{ finish_reason: "", message: "text" }] }).choices, [{
      index: 0,
      message: {}
    }])
  })

  it("keeps unknown members at every level", () => {
    const completion = read({
      citations: ["x"],
      usage: { cost: 0.1, prompt_tokens_details: { text_tokens: 1 } },
      choices: [{
        native_finish_reason: "STOP",
        error: null,
        message: { annotations: [], tool_calls: [{ index: 0, function: { name: "f", arguments: "", extra: 1 } }] }
      }]
    })
    assert.deepStrictEqual(completion, {
      citations: ["x"],
      usage: { cost: 0.1, promptTokensDetails: { text_tokens: 1 } },
      choices: [{
        index: 0,
        native_finish_reason: "STOP",
        error: null,
        message: {
          annotations: [],
          toolCalls: [{ index: 0, type: "function", function: { name: "f", arguments: "", extra: 1 } }]
        }
      }]
    })
  })

  it("created may be digits in a string", () => {
    assert.strictEqual(read({ created: "1715361795" }).created, 1715361795)
    assert.strictEqual(read({ created: "yesterday" }).created, undefined)
  })

  it("reads usage from x_groq where there is no other", () => {
    assert.deepStrictEqual(read({ x_groq: { usage: { total_tokens: 3 } } }).usage, { totalTokens: 3 })
    assert.deepStrictEqual(read({ usage: { total_tokens: 4 }, x_groq: { usage: { total_tokens: 3 } } }).usage, {
      totalTokens: 4
    })
  })

  describe("content", () => {
    it("as parts: the texts, the reasoning, and the parts themselves", () => {
      const content = [
        { type: "thinking", thinking: [{ type: "text", text: "Let me " }, { type: "text", text: "see." }] },
        { type: "text", text: "Four" },
        { type: "reference", reference_ids: [1] },
        { type: "text", text: "." }
      ]
      assert.deepStrictEqual(messageOf({ content }), {
        content: "Four.",
        reasoning: "Let me see.",
        rawContent: content
      })
    })

    it("as an object: its JSON text, and the object itself", () => {
      const content = { answer: 4 }
      assert.deepStrictEqual(messageOf({ content }), { content: "{\"answer\":4}", rawContent: content })
    })

    it("as a text, be it empty", () => {
      assert.deepStrictEqual(messageOf({ content: "" }), { content: "" })
    })
  })

  it("reasoning has two names and counts once", () => {
    assert.deepStrictEqual(messageOf({ reasoning_content: "a" }), { reasoning: "a" })
    assert.deepStrictEqual(messageOf({ reasoning: "a", reasoning_content: "a" }), { reasoning: "a" })
    assert.deepStrictEqual(messageOf({ reasoning: "", reasoning_content: "a" }), { reasoning: "a" })
    assert.deepStrictEqual(messageOf({ reasoning_content: "a", reasoning: null }), { reasoning: "a" })
  })

  describe("tool calls", () => {
    it("no call is absent, and what is no object is no call", () => {
      for (const calls of [[], [null], ["x", 1, []], {}, "x"]) {
        assert.deepStrictEqual(messageOf({ tool_calls: calls }), {}, JSON.stringify(calls))
      }
      assert.deepStrictEqual(callsOf(null, { id: "a" }), [{ id: "a", type: "function" }])
    })

    it("are 128 at most, as in a stream", () => {
      const message = (count: number) => ({ tool_calls: Array.from({ length: count }, () => ({ id: "a" })) })
      assert.lengthOf(messageOf(message(128))?.toolCalls ?? [], 128)
      const tooMany = Completion.fromWire({ choices: [{ message: message(129) }] })
      assert.strictEqual(Either.getOrNull(Either.flip(tooMany)), "there are too many tool calls")
    })

    it("are functions where they do not say", () => {
      assert.deepStrictEqual(callsOf({ id: "a", type: null, function: { name: "f", arguments: "{}" } }), [
        { id: "a", type: "function", function: { name: "f", arguments: "{}" } }
      ])
      assert.deepStrictEqual(callsOf({ id: "a", type: "custom", custom: { name: "f", input: "x" } }), [
        { id: "a", type: "custom", custom: { name: "f", input: "x" } }
      ])
    })

    it("have arguments as a text, whatever the provider sends", () => {
      const argumentsOf = (value: unknown) =>
        callsOf({ function: { name: "f", arguments: value } })?.[0]?.function?.arguments
      assert.strictEqual(argumentsOf({ a: 1 }), "{\"a\":1}")
      assert.strictEqual(argumentsOf(null), "")
      assert.strictEqual(argumentsOf(undefined), "")
      assert.strictEqual(argumentsOf("{\"a\":"), "{\"a\":")
    })
  })

  it("refuses what cannot be a completion", () => {
    const reason = (value: unknown) => Either.getOrNull(Either.flip(Completion.fromWire(value)))
    for (const value of [null, undefined, "text", 1, []]) {
      assert.strictEqual(reason(value), "the completion is not an object")
    }
    assert.strictEqual(reason({ choices: {} }), "choices is not an array")
    assert.strictEqual(reason({ choices: ["text"] }), "a choice is not an object")
    for (const index of [-1, 128, 1.5, 4294967294, "0", Number.NaN]) {
      assert.strictEqual(reason({ choices: [{ index }] }), "a choice index is out of range")
    }
    assert.strictEqual(read({ choices: [{ index: 127 }] }).choices[0]?.index, 127)
    assert.lengthOf(read({ choices: Array.from({ length: 128 }, () => ({})) }).choices, 128)
    assert.strictEqual(reason({ choices: Array.from({ length: 129 }, () => ({})) }), "a choice index is out of range")
    assert.strictEqual(
      reason({ choices: Array.from({ length: 129 }, () => ({ index: 0 })) }),
      "there are too many choices"
    )
  })

  it("choices with one index have their places as indices", () => {
    const indices = (...indices: ReadonlyArray<number | undefined>) =>
      read({ choices: indices.map((index) => ({ index })) }).choices.map(({ index }) => index)
    assert.deepStrictEqual(indices(0, 0), [0, 1])
    assert.deepStrictEqual(indices(1, undefined), [0, 1])
    assert.deepStrictEqual(indices(5, 5, 2), [0, 1, 2])
    assert.deepStrictEqual(indices(1, 0), [1, 0])
  })

  it("drops __proto__ and takes no prototype from it", () => {
    const completion = read(
      JSON.parse(`{"__proto__":{"polluted":1},"choices":[{"message":{"__proto__":{"role":"x"}}}]}`)
    )
    assert.strictEqual(Object.getPrototypeOf(completion), Object.prototype)
    assert.strictEqual(completion.polluted, undefined)
    assert.strictEqual(completion.choices[0]?.message.role, undefined)
  })

  it("does not fail on arguments that are nested too deeply to be written", () => {
    let deep: unknown = {}
    for (let i = 0; i < 100_000; i++) {
      deep = { deep }
    }
    assert.strictEqual(callsOf({ function: { name: "f", arguments: deep } })?.[0]?.function?.arguments, "")
  })

  it.prop("gives a completion of its type, or a reason, and leaves its input as it is", [body], ([value]) => {
    const before = JSON.stringify(value)
    const completion = Completion.fromWire(value)
    assert.isTrue(Either.isLeft(completion) || Schema.is(Completion.Completion)(completion.right))
    assert.strictEqual(JSON.stringify(value), before)
  }, { fastCheck: { numRuns: 2000 } })
})
