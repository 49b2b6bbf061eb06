import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Chunk from "../../src/wire/Chunk.js"

const read = (json: unknown): Chunk.Chunk => Either.getOrThrow(Chunk.fromWire(json))

const deltaOf = (delta: unknown): Chunk.Delta | undefined => read({ choices: [{ delta }] }).choices[0]?.delta

const callOf = (call: unknown): Chunk.ToolCallDelta | undefined => deltaOf({ tool_calls: [call] })?.toolCalls?.[0]

const reason = (json: unknown): string | null => Either.getOrNull(Either.flip(Chunk.fromWire(json)))

describe("Chunk.fromWire", () => {
  it("reads a whole chunk", () => {
    assert.deepStrictEqual(
      read({
        id: "c-1",
        object: "chat.completion.chunk",
        created: 1700000000,
        model: "m-1",
        system_fingerprint: "fp",
        service_tier: "default",
        obfuscation: "xyz",
        choices: [{
          index: 2,
          delta: {
            role: "assistant",
            content: "Hi",
            refusal: "no",
            reasoning: "hm",
            audio: { id: "a" },
            tool_calls: [{ index: 3, id: "t", type: "function", function: { name: "f", arguments: "{" } }]
          },
          finish_reason: "length",
          logprobs: { content: [] },
          native_finish_reason: "MAX"
        }],
        usage: { prompt_tokens: 1 }
      }),
      {
        id: "c-1",
        object: "chat.completion.chunk",
        created: 1700000000,
        model: "m-1",
        systemFingerprint: "fp",
        serviceTier: "default",
        obfuscation: "xyz",
        choices: [{
          index: 2,
          delta: {
            role: "assistant",
            content: "Hi",
            refusal: "no",
            reasoning: "hm",
            audio: { id: "a" },
            toolCalls: [{ index: 3, id: "t", type: "function", function: { name: "f", arguments: "{" } }]
          },
          finishReason: "length",
          logprobs: { content: [] },
          native_finish_reason: "MAX"
        }],
        usage: { promptTokens: 1 }
      }
    )
  })

  it("asks for next to nothing", () => {
    assert.deepStrictEqual(read({}), { choices: [] })
    assert.deepStrictEqual(read({ id: "", choices: [], created: 0, model: "" }), {
      id: "",
      choices: [],
      created: 0,
      model: ""
    })
    assert.deepStrictEqual(read({ choices: [{}, { delta: null, finish_reason: "" }, { delta: "x" }] }).choices, [
      { index: 0, delta: {} },
      { index: 1, delta: {} },
      { index: 2, delta: {} }
    ])
    assert.deepStrictEqual(deltaOf({ role: null, content: null, refusal: null, tool_calls: null, audio: null }), {})
    for (const calls of [[], [null], ["x", 1, []], {}, "x"]) {
      assert.deepStrictEqual(deltaOf({ tool_calls: calls }), {}, JSON.stringify(calls))
    }
    assert.deepStrictEqual(deltaOf({ tool_calls: [null, { id: "a" }] })?.toolCalls, [{ id: "a" }])
  })

  it("keeps a message beside the delta, and does not read it", () => {
    const message = { role: "assistant", content: "all so far" }
    assert.deepStrictEqual(read({ choices: [{ message, delta: { content: "far" } }] }).choices, [
      { index: 0, delta: { content: "far" }, message }
    ])
  })

  it("content may be parts", () => {
    const content = [{ type: "thinking", thinking: [{ type: "text", text: "hm" }] }]
    assert.deepStrictEqual(deltaOf({ content }), { reasoning: "hm", rawContent: content })
    const text = [{ type: "text", text: "Hi" }]
    assert.deepStrictEqual(deltaOf({ content: text }), { content: "Hi", rawContent: text })
  })

  it("reasoning has two names and counts once", () => {
    assert.deepStrictEqual(deltaOf({ reasoning_content: "a" }), { reasoning: "a" })
    assert.deepStrictEqual(deltaOf({ content: "", reasoning: "a", reasoning_content: "a" }), {
      content: "",
      reasoning: "a"
    })
  })

  it("usage may stand in x_groq", () => {
    assert.deepStrictEqual(read({ x_groq: { id: "r", usage: { total_tokens: 3 } } }).usage, { totalTokens: 3 })
  })

  it("reads the tool calls of all providers", () => {
    assert.deepStrictEqual(callOf({ index: 0, id: "", type: null, function: { name: null, arguments: "x" } }), {
      index: 0,
      function: { arguments: "x" }
    })
    assert.deepStrictEqual(callOf({ id: null, index: null, function: { name: "", arguments: null } }), { function: {} })
    assert.deepStrictEqual(callOf({ id: "a", function: { name: "f", arguments: { a: 1 } } }), {
      id: "a",
      function: { name: "f", arguments: "{\"a\":1}" }
    })
  })

  it("refuses what cannot be a chunk", () => {
    for (const json of [null, undefined, "text", 1, []]) {
      assert.strictEqual(reason(json), "the chunk is not an object")
    }
    assert.strictEqual(reason({ choices: "x" }), "choices is not an array")
    assert.strictEqual(reason({ choices: [null] }), "a choice is not an object")
    for (const index of [-1, 128, 0.5, 4294967294, "0"]) {
      assert.strictEqual(reason({ choices: [{ index }] }), "a choice index is out of range")
      assert.strictEqual(
        reason({ choices: [{ delta: { tool_calls: [{ index }] } }] }),
        "a tool call index is out of range"
      )
    }
    assert.strictEqual(callOf({ index: 127 })?.index, 127)
  })

  it("drops __proto__ and takes no prototype from it", () => {
    const chunk = read(JSON.parse(`{"__proto__":{"id":"x"},"choices":[{"delta":{"__proto__":{"content":"x"}}}]}`))
    assert.strictEqual(chunk.id, undefined)
    assert.strictEqual(chunk.choices[0]?.delta.content, undefined)
    assert.strictEqual(Object.getPrototypeOf(chunk), Object.prototype)
  })
})

describe("Chunk.errorOf", () => {
  it("finds an error at the top or in a choice", () => {
    const error = { code: 502, message: "x" }
    assert.strictEqual(Chunk.errorOf({ error }), error)
    assert.strictEqual(Chunk.errorOf({ error: "text" }), "text")
    assert.strictEqual(Chunk.errorOf({ choices: [], error }), error)
    assert.strictEqual(Chunk.errorOf({ choices: [{ error: null }, { finish_reason: "stop", error }] }), error)
    assert.strictEqual(Chunk.errorOf({ choices: [{ error: { code: 1 } }], error }), error)
  })

  it("takes nothing else for an error", () => {
    for (const json of [null, "error", [{ error: "x" }], {}, { error: null }, { error: "" }, { error: false }]) {
      assert.strictEqual(Chunk.errorOf(json), undefined)
    }
    assert.strictEqual(Chunk.errorOf({ choices: [null, { error: null }, { delta: { error: "x" } }] }), undefined)
    assert.strictEqual(Chunk.errorOf({ choices: "x" }), undefined)
  })
})

describe("Chunk.hasContent", () => {
  const has = (...deltas: ReadonlyArray<unknown>) =>
    Chunk.hasContent(read({ choices: deltas.map((delta) => ({ delta })) }))

  it("is true for a piece of the answer in any choice", () => {
    for (
      const delta of [
        { content: "x" },
        { reasoning_content: "x" },
        { refusal: "x" },
        { tool_calls: [{ id: "x" }] },
        { tool_calls: [{}, { function: { name: "x" } }] },
        { tool_calls: [{ function: { arguments: " " } }] },
        { audio: { data: "x" } },
        { audio: { transcript: "x" } },
        { function_call: { name: "f" } },
        { images: [{}] }
      ]
    ) {
      assert.isTrue(has({}, delta), JSON.stringify(delta))
    }
  })

  it("is false for all that comes before and after it", () => {
    for (
      const delta of [
        {},
        { role: "assistant", content: "", refusal: null, reasoning: "" },
        { tool_calls: [{ index: 0, id: "", type: "function", function: { name: "", arguments: "" } }] },
        { audio: { id: "x", data: "", expires_at: 1 } },
        { images: [] }
      ]
    ) {
      assert.isFalse(has(delta), JSON.stringify(delta))
    }
    assert.isFalse(Chunk.hasContent(read({ usage: { total_tokens: 1 } })))
    assert.isFalse(Chunk.hasContent(read({ choices: [{ finish_reason: "stop", message: { content: "x" } }] })))
  })
})
