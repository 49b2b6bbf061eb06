import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Json from "../../src/wire/Json.js"

const failure = (reason: Json.JsonError["reason"]): Either.Either<unknown, Json.JsonError> =>
  Either.left({ _tag: "JsonError", reason })
const syntax = failure("syntax")
const depth = failure("depth")

const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels)

/** The depth of a parsed value. */
const depthOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0

const json = FastCheck.json({ maxDepth: 6, stringUnit: FastCheck.constantFrom("\"", "\\", "{", "[", "]", "}", "é") })

describe("Json", () => {
  it.prop("gives what JSON.parse gives", [json], ([text]) => {
    assert.deepStrictEqual(Json.parse(text), Either.right(JSON.parse(text)))
  }, { fastCheck: { numRuns: 1000 } })

  it.prop("refuses exactly what is too deep", [json, FastCheck.nat({ max: 6 })], ([text, maxDepth]) => {
    const value: unknown = JSON.parse(text)
    assert.deepStrictEqual(Json.parse(text, { maxDepth }), depthOf(value) > maxDepth ? depth : Either.right(value))
  }, { fastCheck: { numRuns: 1000 } })

  it.prop("never throws", [FastCheck.string({ unit: FastCheck.constantFrom(..."{}[]\"\\:,1a ") })], ([text]) => {
    assert.isTrue(Either.isEither(Json.parse(text, { maxDepth: 3 })))
  }, { fastCheck: { numRuns: 1000 } })

  it("takes 128 levels by default", () => {
    assert.isTrue(Either.isRight(Json.parse(nested(128))))
    assert.deepStrictEqual(Json.parse(nested(129)), depth)
    assert.deepStrictEqual(Json.parse("{\"a\":".repeat(129) + "1" + "}".repeat(129)), depth)
  })

  it("counts open levels, not brackets", () => {
    const wide = `[${Array.from({ length: 1000 }, () => "[{}]").join(",")}]`
    assert.isTrue(Either.isRight(Json.parse(wide)))
    assert.isTrue(Either.isRight(Json.parse(JSON.stringify("[".repeat(1000)))))
    assert.isTrue(Either.isRight(Json.parse(JSON.stringify({ a: "\\\"[".repeat(1000) }))))
  })

  it("survives a million levels, closed or not", () => {
    assert.deepStrictEqual(Json.parse(nested(1_000_000)), depth)
    assert.deepStrictEqual(Json.parse("[".repeat(1_000_000)), depth)
  })

  it("says nothing of the text", () => {
    assert.deepStrictEqual(Json.parse("{\"secret\": oops}"), syntax)
    assert.deepStrictEqual(Json.parse(""), syntax)
    assert.deepStrictEqual(Json.parse("{\"open"), syntax)
  })
})
