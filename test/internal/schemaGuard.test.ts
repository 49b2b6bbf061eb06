import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { guard } from "../../src/internal/schemaGuard.js"
import * as ChatRequest from "../../src/wire/ChatRequest.js"
import { requests } from "../wire/requests.js"

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

/** A copy of a value in which the place that the steps lead to holds something else, or nothing. */
const replaced = (value: unknown, steps: ReadonlyArray<number>, by: unknown): unknown => {
  const [step, ...rest] = steps
  const keys = isObject(value) ? Object.keys(value) : []
  if (step === undefined || keys.length === 0 || !isObject(value)) {
    return by
  }
  const key = keys[step % keys.length]!
  const inside = replaced(value[key], rest, by)
  if (Array.isArray(value)) {
    return value.map((element: unknown, index) => String(index) === key ? inside : element)
  }
  const { [key]: _, ...others } = value
  return inside === undefined && rest.length === 0 ? others : { ...others, [key]: inside }
}

const anything = FastCheck.oneof(
  FastCheck.constant(undefined),
  FastCheck.constantFrom<unknown>(null, "", 0, -1, 0.5, 1, 1e9, true, "user", "exact_match", "whole", [], {}),
  FastCheck.jsonValue({ maxDepth: 2 })
)

const broken = FastCheck.tuple(requests, FastCheck.array(FastCheck.nat({ max: 20 }), { maxLength: 5 }), anything).map(
  ([request, steps, by]) => replaced(request, steps, by)
)

describe("schemaGuard", () => {
  const is = ParseResult.is(ChatRequest.ChatRequest)
  const test = guard(ChatRequest.ChatRequest)

  it.prop("accepts of requests what their schema accepts", [requests], ([request]) => {
    assert.isTrue(is(request, { exact: true }))
    assert.isTrue(test(request))
  }, { fastCheck: { numRuns: 1_000 } })

  it("says of broken requests what their schema says, which is not always the same", () => {
    const seen = new Set<boolean>()
    FastCheck.assert(
      FastCheck.property(broken, (input) => {
        const expected = is(input, { exact: true })
        seen.add(expected)
        assert.strictEqual(test(input), expected)
      }),
      { numRuns: 3_000 }
    )
    assert.strictEqual(seen.size, 2)
  })

  it.each([
    { schema: Schema.Tuple(Schema.String, Schema.Number), good: ["a", 1], bad: ["a", "b"] },
    { schema: Schema.Record({ key: Schema.String, value: Schema.Number }), good: { a: 1 }, bad: { a: "b" } },
    { schema: Schema.Struct({}), good: 1, bad: null },
    { schema: Schema.Struct({ a: Schema.UndefinedOr(Schema.String) }), good: { a: undefined }, bad: {} },
    { schema: Schema.DateFromSelf, good: new Date(), bad: "today" },
    { schema: Schema.Null, good: null, bad: undefined }
  ])("knows $schema", ({ bad, good, schema }) => {
    const test = guard(Schema.make<unknown>(schema.ast))
    assert.isTrue(test(good))
    assert.isFalse(test(bad))
  })
})
