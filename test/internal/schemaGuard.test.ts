import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import { guard } from "../../src/internal/schemaGuard.js"
import * as ChatRequest from "../../src/wire/ChatRequest.js"
import { requests } from "../wire/requests.js"

/** The union of requests has options, and would be left to the schema itself; its members, which requests are checked by, have none. */
const withoutOptions = (ast: AST.AST): AST.AST =>
  ast._tag === "Union" ? AST.Union.make(ast.types) : assert.fail("expected a union")

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

/** What a list or an object can be besides one with other content. */
type Change = "replaced" | "sparse" | "extended" | "hidden" | "inherited"

const changed = (value: object, key: string, by: unknown, change: Change): unknown => {
  const copy: object = Array.isArray(value) ? value.slice() : { ...value }
  switch (change) {
    case "replaced":
      return Object.defineProperty(copy, key, { value: by, enumerable: true })
    case "sparse":
      Reflect.deleteProperty(copy, key)
      return copy
    case "extended":
      return { ...copy, unknownMember: by }
    case "hidden":
      return Object.defineProperty(copy, key, { value: by, enumerable: false })
    case "inherited": {
      const { [key]: inherited, ...own }: Record<string, unknown> = { ...copy }
      return Object.assign(Object.create({ [key]: inherited }), own)
    }
  }
}

/** A copy of a value that is changed at the place that the steps lead to. */
const broken = (value: unknown, [step, ...rest]: ReadonlyArray<number>, by: unknown, change: Change): unknown => {
  const keys = isObject(value) ? Object.keys(value) : []
  if (step === undefined || keys.length === 0 || !isObject(value)) {
    return by
  }
  const key = keys[step % keys.length]!
  return isObject(value[key]) && rest.length > 0
    ? changed(value, key, broken(value[key], rest, by, change), "replaced")
    : changed(value, key, by, change)
}

const anything = FastCheck.oneof(
  FastCheck.constant(undefined),
  FastCheck.constantFrom<unknown>(
    null,
    "",
    0,
    -1,
    0.5,
    1,
    1e9,
    NaN,
    true,
    "user",
    "exact_match",
    "whole",
    [],
    {},
    new Array(1)
  ),
  FastCheck.jsonValue({ maxDepth: 2 })
)

const brokenRequests = FastCheck.tuple(
  requests,
  FastCheck.array(FastCheck.nat({ max: 20 }), { minLength: 1, maxLength: 5 }),
  anything,
  FastCheck.constantFrom<Change>("replaced", "sparse", "extended", "hidden", "inherited")
).map(([request, steps, by, change]) => broken(request, steps, by, change))

describe("schemaGuard", () => {
  const schema = Schema.make<unknown>(withoutOptions(ChatRequest.ChatRequest.ast))
  const is = ParseResult.is(schema)
  const test = guard(schema)

  it.prop("accepts of requests what their schema accepts", [requests], ([request]) => {
    assert.isTrue(is(request))
    assert.isTrue(test(request))
  }, { fastCheck: { numRuns: 1_000 } })

  it("says of broken requests what their schema says, which is not always the same", () => {
    const seen = new Map<boolean, number>()
    FastCheck.assert(
      FastCheck.property(brokenRequests, (input) => {
        const expected = is(input)
        seen.set(expected, (seen.get(expected) ?? 0) + 1)
        assert.strictEqual(test(input), expected)
      }),
      { numRuns: 2_000 }
    )
    assert.isAbove(seen.get(true) ?? 0, 200)
    assert.isAbove(seen.get(false) ?? 0, 200)
  })

  const base = { model: "a/m", messages: [{ role: "user", content: "hi" }] }

  it.each([
    ["a filter sees no unknown member", { ...base, timeout: { callTimout: 5 } }],
    ["a filter sees a member without a value", { ...base, timeout: { callTimeout: undefined } }],
    ["a hole is an element", { ...base, messages: Object.assign([...base.messages], { length: 2 }) }],
    ["a hole is an element of texts", { ...base, stop: Object.assign(["a"], { length: 2 }) }],
    ["a member that is not enumerable counts", Object.defineProperty({ ...base }, "temperature", { value: 7 })],
    ["a required member is its own", Object.assign(Object.create({ model: "a/m" }), { messages: [] })],
    ["a filter over several members", { ...base, maxTokens: 2000, thinking: { type: "enabled", budgetTokens: 3000 } }],
    ["a request is no list", Object.assign([], base)],
    ["too many pairs", { ...base, metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, "v"])) }]
  ])("refuses what the schema refuses: %s", (_, input) => {
    assert.isFalse(is(input))
    assert.isFalse(test(input))
  })

  it("accepts what a schema accepts: an optional member that is only inherited, and any other one that is unknown", () => {
    for (
      const input of [Object.assign(Object.create({ temperature: 7 }), base), { ...base, [Symbol("a")]: 1, b: 2n }]
    ) {
      assert.isTrue(is(input))
      assert.isTrue(test(input))
    }
  })

  it.each([
    { schema: Schema.Tuple(Schema.String, Schema.Number), good: ["a", 1], bad: ["a", "b"] },
    { schema: Schema.Record({ key: Schema.String, value: Schema.Number }), good: { a: 1 }, bad: { a: "b" } },
    { schema: Schema.Struct({}), good: 1, bad: null },
    { schema: Schema.Struct({ a: Schema.UndefinedOr(Schema.String) }), good: { a: undefined }, bad: {} },
    { schema: Schema.DateFromSelf, good: new Date(), bad: "today" },
    { schema: Schema.Null, good: null, bad: undefined },
    {
      schema: Schema.Struct({ a: Schema.String }).annotations({ parseOptions: { onExcessProperty: "error" } }),
      good: { a: "b" },
      bad: { a: "b", c: 1 }
    }
  ])("knows $schema", ({ bad, good, schema }) => {
    const test = guard(Schema.make<unknown>(schema.ast))
    assert.isTrue(test(good))
    assert.isFalse(test(bad))
  })
})
