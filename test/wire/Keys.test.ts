import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Keys from "../../src/wire/Keys.js"

const table = Keys.table({
  maxTokens: "max_tokens",
  inside: ["in_side", Keys.object(Keys.table({ onCodes: "on_codes" }))],
  rows: ["rows", Keys.list(Keys.table({ topK: "top_k", deep: ["deep", Keys.object(Keys.table({ aB: "a_b" }))] }))]
})

describe("Keys", () => {
  it("renames known members, inside of objects and lists, too", () => {
    assert.deepStrictEqual(
      Keys.toWire(table, { maxTokens: 1, inside: { onCodes: [1], count: 2 }, rows: [{ topK: 3, deep: { aB: 4 } }] }),
      { max_tokens: 1, in_side: { on_codes: [1], count: 2 }, rows: [{ top_k: 3, deep: { a_b: 4 } }] }
    )
  })

  it("leaves unknown members and values of another shape alone", () => {
    const value = { topK: 1, inside: "maxTokens", rows: [1, null, "topK", [{ topK: 1 }]], other: { maxTokens: 1 } }
    assert.deepStrictEqual(Keys.toWire(table, value), {
      topK: 1,
      in_side: "maxTokens",
      rows: [1, null, "topK", [{ topK: 1 }]],
      other: { maxTokens: 1 }
    })
    assert.deepStrictEqual(Keys.toWire(table, { inside: [{ onCodes: 1 }], rows: { topK: 1 } }), {
      in_side: [{ onCodes: 1 }],
      rows: { topK: 1 }
    })
    for (const value of [1, "a", null, undefined, [{ max_tokens: 1 }]]) {
      assert.strictEqual(Keys.fromWire(table, value), value)
    }
  })

  it("drops members that are undefined, and keeps null", () => {
    assert.deepStrictEqual(
      Keys.toWire(table, { maxTokens: undefined, other: undefined, inside: { onCodes: undefined, count: null } }),
      { in_side: { count: null } }
    )
  })

  it("drops the members named, in the top object only", () => {
    assert.deepStrictEqual(
      Keys.toWire(table, { a: 1, maxTokens: 2, inside: { a: 3 } }, new Set(["a", "maxTokens"])),
      { in_side: { a: 3 } }
    )
  })

  it("prefers the spelling that belongs to the side it reads, in any order", () => {
    assert.deepStrictEqual(Keys.toWire(table, { max_tokens: 1, maxTokens: 2 }), { max_tokens: 2 })
    assert.deepStrictEqual(Keys.toWire(table, { maxTokens: 2, max_tokens: 1 }), { max_tokens: 2 })
    assert.deepStrictEqual(Keys.toWire(table, { maxTokens: undefined, max_tokens: 1 }), { max_tokens: 1 })
    assert.deepStrictEqual(Keys.fromWire(table, { max_tokens: 1, maxTokens: 2 }), { maxTokens: 1 })
    assert.deepStrictEqual(Keys.fromWire(table, { maxTokens: 2, max_tokens: 1 }), { maxTokens: 1 })
  })

  it("keeps an own member called __proto__ one, and sets no prototype", () => {
    const value: Keys.Members = JSON.parse("{\"__proto__\":{\"maxTokens\":1},\"inside\":{\"__proto__\":1}}")
    const wire = Keys.toWire(table, value)
    assert.strictEqual(Object.getPrototypeOf(wire), Object.prototype)
    assert.strictEqual(JSON.stringify(wire), "{\"__proto__\":{\"maxTokens\":1},\"in_side\":{\"__proto__\":1}}")
    assert.strictEqual(JSON.stringify(Keys.fromWire(table, wire)), JSON.stringify(value))
  })

  it("does not take what objects inherit for a known member", () => {
    const value = { constructor: 1, toString: 2, hasOwnProperty: 3 }
    assert.deepStrictEqual(Keys.toWire(table, value), value)
    assert.deepStrictEqual(Keys.fromWire(table, value), value)
  })

  it("does not change its input", () => {
    const value = Object.freeze({ maxTokens: 1, rows: Object.freeze([Object.freeze({ topK: 1 })]) })
    assert.deepStrictEqual(Keys.toWire(table, value), { max_tokens: 1, rows: [{ top_k: 1 }] })
  })

  it("gives the wire spelling of a path", () => {
    assert.deepStrictEqual(Keys.pathToWire(table, ["inside", "onCodes", 0]), ["in_side", "on_codes", 0])
    assert.deepStrictEqual(Keys.pathToWire(table, ["rows", 1, "deep", "aB"]), ["rows", 1, "deep", "a_b"])
    // no list, so what is in it is not ours
    assert.deepStrictEqual(Keys.pathToWire(table, ["rows", "topK"]), ["rows", "topK"])
    assert.deepStrictEqual(Keys.pathToWire(table, ["inside", 0, "onCodes"]), ["in_side", 0, "onCodes"])
    assert.deepStrictEqual(Keys.pathToWire(table, ["other", "maxTokens"]), ["other", "maxTokens"])
  })

  it.prop("fromWire undoes toWire, whatever else is in the object", [
    FastCheck.dictionary(
      FastCheck.oneof(FastCheck.string(), FastCheck.constantFrom("maxTokens", "inside", "rows", "__proto__", "onCodes"))
        .filter((key) => key !== "max_tokens" && key !== "in_side"),
      FastCheck.jsonValue()
    )
  ], ([value]) => {
    assert.deepStrictEqual(Keys.fromWire(table, Keys.toWire(table, value)), { ...value })
  })
})
