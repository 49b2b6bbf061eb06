import { assert, describe, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { Prompts, RouterError } from "effect-llm-router"
import * as FastCheck from "effect/FastCheck"

const text = (content: string): Prompts.Definition => ({ messages: [{ role: "user", content }] })

const store = { one: text("only"), many: { "2": text("two"), "10": text("ten"), "10-beta": text("beta") } }

const get = (id: string, version?: string) =>
  Effect.flatMap(Prompts.Prompts, (prompts) => prompts.get(id, version)).pipe(
    Effect.match({
      onFailure: (error) => error.message,
      onSuccess: ({ messages, version }) => `${version}: ${messages[0]?.content}`
    }),
    Effect.provide(Prompts.layerMemory(store))
  )

describe("VersionOrder", () => {
  const sorted = (...versions: ReadonlyArray<string>) =>
    assert.deepStrictEqual([...versions].sort(Prompts.VersionOrder), versions)

  it("counts, and puts a pre-release before its release", () => {
    sorted("1", "2", "9", "10")
    sorted("1.9.0", "1.10.0-alpha.2", "1.10.0-alpha.10", "1.10.0-beta", "1.10.0", "1.10.1", "2.0.0-rc", "2.0.0")
    sorted("v2", "v10")
    sorted("2026-01-31", "2026-02-01", "2026-12-01", "2027-01-01")
    sorted("a-1", "a", "a.1", "b")
  })

  const version = FastCheck.stringMatching(/^[019.+a-]{0,6}$/)

  it.prop("is an order of all versions, in which no two are the same", [version, version, version], ([a, b, c]) => {
    const order = Prompts.VersionOrder
    assert.strictEqual(order(a, b) === 0, a === b)
    assert.strictEqual(order(a, b) + order(b, a), 0)
    if (order(a, b) < 0 && order(b, c) < 0) assert.strictEqual(order(a, c), -1)
  }, { fastCheck: { numRuns: 5000 } })
})

describe("layerMemory", () => {
  it.effect("gives exact versions, and the newest wherever it stands in the record", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* get("many"), "10: ten")
      assert.strictEqual(yield* get("many", "latest"), "10: ten")
      assert.strictEqual(yield* get("many", "2"), "2: two")
      assert.strictEqual(yield* get("many", "10-beta"), "10-beta: beta")
      assert.strictEqual(yield* get("one"), "1: only")
      assert.strictEqual(yield* get("one", "1"), "1: only")
    }))

  it.effect("names what is not there", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* get("none"), "there is no prompt \"none\"")
      assert.strictEqual(yield* get("many", "3"), "there is no version \"3\" of a prompt \"many\"")
      for (const name of ["constructor", "__proto__", "toString", ""]) {
        assert.include(yield* get(name), "there is no prompt")
        assert.include(yield* get("many", name), "there is no version")
      }
    }))

  const failure = (make: () => unknown): unknown => Either.getOrUndefined(Either.flip(Either.try(make)))

  it("throws for what is no prompt, with its id, version and field, and shows no text of it", () => {
    const error = failure(() =>
      Prompts.layerMemory({ p: { "2": { ...text("the text"), parameters: { temperature: 9 } } } })
    )
    assert.instanceOf(error, RouterError.PromptInvalid)
    assert.deepStrictEqual(
      [error.promptId, error.version, error.issues],
      ["p", "2", [{ path: "parameters.temperature", message: "expected a number from 0 to 2 or null" }]]
    )
    assert.notInclude(error.message, "the text")
  })

  it.each<readonly [name: string, definition: object, path: string]>([
    ["routing", { ...text(""), parameters: { retry: { count: 1 } } }, "parameters.retry"],
    ["a model among the parameters", { ...text(""), parameters: { model: "a/b" } }, "parameters.model"],
    ["the spelling of the wire", { ...text(""), parameters: { top_p: 1 } }, "parameters.top_p"],
    ["the same deeper", {
      ...text(""),
      parameters: { responseFormat: { type: "json_schema", json_schema: { name: "n" } } }
    }, "parameters.responseFormat.jsonSchema"],
    ["an engine that is none", { ...text(""), templateEngine: "erb" }, "templateEngine"],
    ["a role", { messages: [{ role: "robot", content: "" }] }, "messages[0].role"],
    ["parameters that are none", { ...text(""), parameters: [] }, "parameters"]
  ])("refuses %s", (_, definition, path) => {
    // what is not written in TypeScript
    const record = JSON.parse(JSON.stringify({ p: definition }))
    const error = failure(() => Prompts.layerMemory(record))
    assert.instanceOf(error, RouterError.PromptInvalid)
    assert.strictEqual(error.issues[0]?.path, path)
  })

  it("knows no version by the name latest", () => {
    assert.instanceOf(failure(() => Prompts.layerMemory({ p: { latest: text("") } })), RouterError.PromptInvalid)
  })
})
