import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Chunk from "../../src/wire/Chunk.js"
import * as Completion from "../../src/wire/Completion.js"
import * as Fold from "../../src/wire/Fold.js"

const fold = (chunks: ReadonlyArray<Chunk.Chunk>): Completion.Completion => {
  const accumulator = Fold.make()
  chunks.forEach(accumulator.add)
  return accumulator.completion()
}

const read = (json: unknown): Chunk.Chunk => Either.getOrThrow(Chunk.fromWire(json))

const foldJson = (...jsons: ReadonlyArray<unknown>): Completion.Completion => fold(jsons.map(read))

const foldDeltas = (...deltas: ReadonlyArray<unknown>): Completion.Message | undefined =>
  foldJson(...deltas.map((delta) => ({ choices: [{ delta }] }))).choices[0]?.message

/** Each element is the tool calls of one chunk. */
const foldCalls = (...pieces: ReadonlyArray<ReadonlyArray<unknown>>) =>
  foldDeltas(...pieces.map((tool_calls) => ({ tool_calls })))?.toolCalls?.map((call) => [
    call.id,
    call.function?.name,
    call.function?.arguments
  ])

const piece = (
  index: number | undefined,
  id: string | undefined,
  name: string | undefined,
  args: string | undefined
) => ({
  index,
  id,
  function: { name, arguments: args }
})

describe("Fold", () => {
  it("has nothing at first", () => {
    const accumulator = Fold.make()
    assert.deepStrictEqual(accumulator.completion(), { object: "chat.completion", choices: [] })
    assert.isFalse(accumulator.complete)
    assert.strictEqual(accumulator.chunks, 0)
  })

  it("puts a stream together", () => {
    assert.deepStrictEqual(
      foldJson(
        { id: "", model: "", object: "", created: 0, choices: [], prompt_filter_results: [1] },
        {
          id: "c-1",
          object: "chat.completion.chunk",
          created: 1700000000,
          model: "m-1",
          system_fingerprint: "fp",
          service_tier: "default",
          choices: [{ index: 0, delta: { role: "assistant", content: "" } }],
          usage: null
        },
        {
          id: "c-2",
          model: "m-2",
          created: 1700000001,
          choices: [{ index: 0, delta: { content: "Hel" } }],
          obfuscation: "x"
        },
        { choices: [{ index: 0, delta: { role: "other", content: "lo" } }], p: "abc" },
        { choices: [{ index: 0, delta: {}, finish_reason: "stop", message: { content: "Hello" } }] },
        { choices: [], usage: { total_tokens: 3 } }
      ),
      {
        prompt_filter_results: [1],
        id: "c-1",
        object: "chat.completion",
        created: 1700000000,
        model: "m-1",
        systemFingerprint: "fp",
        serviceTier: "default",
        choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finishReason: "stop" }],
        usage: { totalTokens: 3 }
      }
    )
  })

  it("usage is the last one, never a sum", () => {
    const chunk = (total_tokens: number) => ({ choices: [], usage: { total_tokens } })
    assert.deepStrictEqual(foldJson(chunk(1), chunk(2), chunk(5), { usage: null }).usage, { totalTokens: 5 })
  })

  it("texts that were never sent or are empty", () => {
    assert.deepStrictEqual(foldDeltas({ role: "assistant", content: null }, { refusal: "", reasoning: "" }), {
      role: "assistant"
    })
    assert.deepStrictEqual(
      foldDeltas({ content: "" }, { refusal: "n", reasoning: "a" }, { refusal: "o", reasoning: "b" }),
      {
        content: "",
        refusal: "no",
        reasoning: "ab"
      }
    )
  })

  it("sorts the choices by their index", () => {
    const completion = foldJson(
      { choices: [{ index: 2, delta: { content: "c" } }] },
      { choices: [{ index: 0, delta: { content: "a" } }, { index: 2, delta: { content: "C" } }] }
    )
    assert.deepStrictEqual(completion.choices.map((choice) => [choice.index, choice.message.content]), [[0, "a"], [
      2,
      "cC"
    ]])
  })

  it("the last finish reason counts, and one that comes before the content", () => {
    const completion = foldJson(
      { choices: [{ delta: { content: "a" }, finish_reason: "stop" }] },
      { choices: [{ delta: { content: "b" }, finish_reason: "" }] },
      { choices: [{ delta: {}, finish_reason: "length" }] },
      { choices: [{ delta: {}, finish_reason: null }] }
    )
    assert.deepStrictEqual(completion.choices, [{ index: 0, message: { content: "ab" }, finishReason: "length" }])
  })

  it("members that are undefined take nothing away", () => {
    const completion = fold([
      { id: "a", usage: { totalTokens: 1 }, choices: [{ index: 0, delta: { content: "x" }, finishReason: "stop" }] },
      {
        id: undefined,
        usage: undefined,
        choices: [{ index: 0, delta: { content: undefined }, finishReason: undefined }]
      }
    ])
    assert.deepStrictEqual(completion, {
      id: "a",
      object: "chat.completion",
      choices: [{ index: 0, message: { content: "x" }, finishReason: "stop" }],
      usage: { totalTokens: 1 }
    })
  })

  it("is complete when every choice seen has a finish reason", () => {
    const accumulator = Fold.make()
    const steps: ReadonlyArray<readonly [unknown, boolean]> = [
      [{ choices: [] }, false],
      [{ choices: [{ index: 0, finish_reason: "stop" }] }, true],
      [{ choices: [{ index: 1, delta: { content: "x" } }] }, false],
      [{ choices: [{ index: 0, delta: {} }] }, false],
      [{ choices: [{ index: 1, finish_reason: "stop" }] }, true],
      [{ choices: [], usage: {} }, true]
    ]
    for (const [json, complete] of steps) {
      accumulator.add(read(json))
      assert.strictEqual(accumulator.complete, complete)
    }
    assert.strictEqual(accumulator.chunks, steps.length)
  })

  it("a completion is not affected by later chunks", () => {
    const accumulator = Fold.make()
    const chunk = read({
      choices: [{
        delta: { content: "a", images: [1], tool_calls: [piece(0, "x", "f", "{")] },
        logprobs: { content: [1] }
      }]
    })
    accumulator.add(chunk)
    const first = accumulator.completion()
    const before = JSON.stringify(first)
    accumulator.add(chunk)
    accumulator.completion()
    assert.strictEqual(JSON.stringify(first), before)
    assert.deepStrictEqual(accumulator.completion().choices[0]?.message.images, [1, 1])
    assert.deepStrictEqual(chunk.choices[0]?.delta.images, [1])
  })

  it("log probabilities are one list", () => {
    const chunk = (logprobs: unknown) => ({ choices: [{ delta: {}, logprobs }] })
    assert.deepStrictEqual(
      foldJson(
        chunk({ content: [{ token: "a" }], refusal: null }),
        chunk(null),
        chunk({ content: [{ token: "b" }], refusal: [1] })
      ).choices[0]?.logprobs,
      { content: [{ token: "a" }, { token: "b" }], refusal: [1] }
    )
    assert.strictEqual(foldJson(chunk(-0.5), chunk(-0.25)).choices[0]?.logprobs, -0.25)
  })

  it("audio, and the deprecated function call", () => {
    assert.deepStrictEqual(
      foldDeltas(
        { audio: { id: "a", transcript: "He" } },
        { audio: { data: "AA", transcript: "llo" } },
        { audio: { data: "BB", expires_at: 1 } }
      )?.audio,
      { id: "a", transcript: "Hello", data: "AABB", expires_at: 1 }
    )
    assert.deepStrictEqual(
      foldDeltas({ function_call: { name: "f", arguments: "{" } }, { function_call: { arguments: "}" } })
        ?.function_call,
      { name: "f", arguments: "{}" }
    )
  })

  it("unknown members: the last that is not null, but the arrays of a delta are concatenated", () => {
    assert.deepStrictEqual(
      foldJson(
        { citations: ["a"], choices: [{ native_finish_reason: null, delta: { details: [1], mood: "x" } }] },
        { citations: ["a", "b"], choices: [{ native_finish_reason: "STOP", delta: { details: [2], mood: "y" } }] },
        { citations: null, choices: [{ native_finish_reason: null, delta: { details: null, mood: null } }] }
      ),
      {
        citations: ["a", "b"],
        object: "chat.completion",
        choices: [{ native_finish_reason: "STOP", index: 0, message: { details: [1, 2], mood: "y" } }]
      }
    )
  })

  describe("tool calls", () => {
    it("pieces under one index", () => {
      assert.deepStrictEqual(
        foldCalls(
          [piece(0, "a", "f", "")],
          [piece(1, "b", "g", "")],
          [piece(0, undefined, undefined, "{\"x\""), piece(1, undefined, undefined, "{")],
          [piece(0, "", undefined, ":1}"), piece(1, undefined, "", "}")]
        ),
        [["a", "f", "{\"x\":1}"], ["b", "g", "{}"]]
      )
    })

    it("whole calls in one chunk", () => {
      assert.deepStrictEqual(foldCalls([piece(0, "a", "f", "{}"), piece(1, "b", "f", "{}")]), [
        ["a", "f", "{}"],
        ["b", "f", "{}"]
      ])
    })

    it("id and name repeated in every piece", () => {
      assert.deepStrictEqual(
        foldCalls([piece(0, "a", "f", "{")], [piece(0, "a", "f", "}")], [piece(0, "a", "f", "")]),
        [
          ["a", "f", "{}"]
        ]
      )
    })

    it("several calls under one index, told apart by id", () => {
      assert.deepStrictEqual(
        foldCalls(
          [piece(0, "a", "f", "{\"x\":")],
          [piece(0, "b", "f", "{\"y\":")],
          [piece(0, undefined, undefined, "2}")],
          [piece(0, "a", undefined, "1}")]
        ),
        [["a", "f", "{\"x\":1}"], ["b", "f", "{\"y\":2}"]]
      )
    })

    it("several calls under one index without ids, told apart by name or by complete arguments", () => {
      assert.deepStrictEqual(
        foldCalls([piece(0, "", "f", "{}")], [piece(0, "", "f", "{}")], [piece(0, "", "g", "{}")]),
        [
          [undefined, "f", "{}"],
          [undefined, "f", "{}"],
          [undefined, "g", "{}"]
        ]
      )
      assert.deepStrictEqual(foldCalls([piece(0, "", "f", "{\"x\":\"}\\\"}")], [piece(0, "", "f", "\"}")]), [
        [undefined, "f", "{\"x\":\"}\\\"}\"}"]
      ])
    })

    it("another name begins another call, also before the arguments", () => {
      assert.deepStrictEqual(foldCalls([piece(0, "", "f", "")], [piece(0, "", "g", "{}")]), [
        [undefined, "f", ""],
        [undefined, "g", "{}"]
      ])
    })

    it("an id is enough to find a call that began with an index", () => {
      assert.deepStrictEqual(
        foldCalls([piece(0, "a", "f", "{")], [piece(1, "b", "g", "[]")], [piece(undefined, "a", undefined, "}")]),
        [["a", "f", "{}"], ["b", "g", "[]"]]
      )
    })

    it("the same id under two indices is two calls", () => {
      assert.deepStrictEqual(
        foldCalls([piece(0, "a", "f", "{")], [piece(1, "a", "f", "[")], [piece(0, "a", undefined, "}")], [
          piece(1, "a", undefined, "]")
        ]),
        [["a", "f", "{}"], ["a", "f", "[]"]]
      )
    })

    it("no index: by id, by name, else the last call", () => {
      assert.deepStrictEqual(foldCalls([piece(undefined, "a", "f", "{}"), piece(undefined, "b", "f", "{}")]), [
        ["a", "f", "{}"],
        ["b", "f", "{}"]
      ])
      assert.deepStrictEqual(
        foldCalls(
          [piece(undefined, "a", "f", "{")],
          [piece(undefined, "b", "g", "[")],
          [piece(undefined, undefined, undefined, "]")],
          [piece(undefined, "a", undefined, "}")]
        ),
        [["a", "f", "{}"], ["b", "g", "[]"]]
      )
      assert.deepStrictEqual(foldCalls([piece(undefined, "", "f", "{}"), piece(undefined, "", "g", "{}")]), [
        [undefined, "f", "{}"],
        [undefined, "g", "{}"]
      ])
    })

    it("an id that comes late belongs to the call", () => {
      assert.deepStrictEqual(foldCalls([piece(0, undefined, "f", "{")], [piece(0, "a", undefined, "}")]), [[
        "a",
        "f",
        "{}"
      ]])
    })

    it("keep unknown members, and the input of a custom tool", () => {
      assert.deepStrictEqual(
        foldDeltas(
          { tool_calls: [{ index: 0, id: "a", type: "custom", custom: { name: "sh", input: "l" } }] },
          { tool_calls: [{ index: 0, custom: { input: "s" }, extra_content: { signature: "x" } }] }
        )?.toolCalls,
        [{ extra_content: { signature: "x" }, id: "a", type: "custom", custom: { name: "sh", input: "ls" } }]
      )
    })
  })

  it("members with hostile names do no harm", () => {
    const hostile = { ["__proto__"]: { polluted: true }, constructor: 1 }
    const delta: Chunk.Delta = JSON.parse("{\"__proto__\":{\"polluted\":true},\"content\":\"x\"}")
    const completion = fold([{ ...hostile, choices: [{ ...hostile, index: 0, delta }] }])
    for (const object of [completion, completion.choices[0], completion.choices[0]?.message]) {
      assert.strictEqual(Object.getPrototypeOf(object), Object.prototype)
    }
    assert.strictEqual(completion.choices[0]?.message.polluted, undefined)
    assert.deepStrictEqual(Object.entries(completion).find(([member]) => member === "constructor"), ["constructor", 1])
    assert.notProperty({}, "polluted")
  })

  describe("laws", () => {
    /** The text cut at the given offsets. */
    const cut = (text: string, offsets: ReadonlyArray<number>): Array<string> => {
      const at = [0, ...offsets.map((offset) => offset % (text.length + 1)).sort((a, b) => a - b), text.length]
      return at.slice(1).map((end, i) => text.slice(at[i], end))
    }

    const text = FastCheck.string({ unit: "grapheme" })
    const offsets = FastCheck.array(FastCheck.nat(), { maxLength: 5 })

    it.prop(
      "however the texts are cut, the completion is the same",
      [text, text, FastCheck.json(), offsets, offsets],
      ([
        content,
        reasoning,
        json,
        some,
        others
      ]) => {
        const args = JSON.stringify({ json })
        const message = foldDeltas(
          { role: "assistant", tool_calls: [piece(0, "a", "f", "")] },
          ...cut(reasoning, some).map((each) => ({ reasoning_content: each })),
          ...cut(content, others).map((each) => ({ content: each })),
          ...cut(args, some).map((each) => ({ tool_calls: [piece(0, undefined, undefined, each)] }))
        )
        assert.deepStrictEqual(
          message,
          Either.getOrThrow(Completion.fromWire({
            choices: [{
              message: {
                role: "assistant",
                content,
                ...(reasoning === "" ? {} : { reasoning }),
                tool_calls: [{ id: "a", function: { name: "f", arguments: args } }]
              }
            }]
          })).choices[0]?.message
        )
      },
      { fastCheck: { numRuns: 1000 } }
    )

    it.prop("what has come is a prefix of what will come", [FastCheck.array(text)], ([texts]) => {
      const accumulator = Fold.make()
      const contents = texts.map((content) => {
        accumulator.add({ choices: [{ index: 0, delta: { content } }] })
        return accumulator.completion().choices[0]?.message.content ?? ""
      })
      contents.forEach((content) => assert.isTrue(texts.join("").startsWith(content)))
      assert.strictEqual(contents.at(-1) ?? "", texts.join(""))
    })

    const leaf = FastCheck.constantFrom<unknown>(null, 0, 1, "", "a", "{}", [], [1], {}, { id: "a" })
    const some = (members: Record<string, FastCheck.Arbitrary<unknown>>) =>
      FastCheck.record({ ...members, unknown: leaf }, { requiredKeys: [] })
    const call = some({
      index: FastCheck.constantFrom(undefined, null, 0, 1),
      id: leaf,
      type: leaf,
      custom: leaf,
      function: FastCheck.oneof(leaf, some({ name: leaf, arguments: leaf }))
    })
    const delta = some({
      role: leaf,
      content: leaf,
      refusal: leaf,
      reasoning: leaf,
      audio: leaf,
      message: leaf,
      rawContent: leaf,
      function_call: leaf,
      tool_calls: FastCheck.array(FastCheck.oneof(call, leaf), { maxLength: 3 })
    })
    const choice = some({
      index: FastCheck.constantFrom(undefined, 0, 1),
      delta: FastCheck.oneof(delta, leaf),
      finish_reason: leaf,
      logprobs: leaf,
      message: leaf
    })
    const chunk = some({
      id: leaf,
      model: leaf,
      object: leaf,
      created: leaf,
      usage: leaf,
      choices: FastCheck.array(choice, { maxLength: 3 })
    })

    it.prop("any chunks make a completion of its type, and stay as they are", [FastCheck.array(chunk)], ([jsons]) => {
      const chunks = jsons.map(read)
      const before = JSON.stringify(chunks)
      assert.isTrue(Schema.is(Completion.Completion)(fold(chunks)))
      assert.strictEqual(JSON.stringify(chunks), before)
    }, { fastCheck: { numRuns: 1000 } })
  })

  it("takes linear time, also for calls that are hard to tell apart", () => {
    const accumulator = Fold.make()
    const chunk = read({ choices: [{ delta: { tool_calls: [piece(0, "", "f", "{\"a\":\"}")] } }] })
    const many = read({ choices: [{ delta: { content: "x", details: [1] }, logprobs: { content: [1] } }] })
    for (let i = 0; i < 50_000; i++) {
      accumulator.add(chunk)
      accumulator.add(many)
      accumulator.add({ choices: [{ index: 1, delta: { toolCalls: [{ id: `${i}` }] } }] })
    }
    // Below a second; were the arguments parsed or the lists copied for every piece, it would be minutes: the test would not end.
    assert.strictEqual(accumulator.completion().choices.length, 2)
    assert.strictEqual(accumulator.chunks, 150_000)
  })
})
