import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { parse } from "yaml"
import * as Template from "../../src/prompt/Template.js"

const Case = Schema.Struct({
  name: Schema.String,
  data: Schema.Unknown,
  template: Schema.String,
  expected: Schema.String,
  partials: Schema.optional(Schema.Unknown)
})

const Spec = Schema.Struct({ tests: Schema.Array(Case) })

const require = createRequire(import.meta.url)

/** A part of the public specification, as the package `mote` carries it. */
const specOf = (file: string): typeof Spec.Type =>
  Schema.decodeUnknownSync(Spec)(parse(readFileSync(require.resolve(`mote/spec/specs/${file}.yml`), "utf8")))

const isRecord = (u: unknown): u is Record<string, unknown> => typeof u === "object" && u !== null && !Array.isArray(u)

const render = (template: string, data: unknown, options: Template.Options = {}): Effect.Effect<string, unknown> =>
  isRecord(data)
    ? Template.renderText(template, data, { engine: "mustache", ...options })
    : Effect.die(new Error("a case of the specification whose data is no record"))

/** Cases that differ on purpose: nothing is HTML-escaped, for a prompt is no web page. */
const unescaped: Readonly<Record<string, string>> = {
  "interpolation: HTML Escaping": "These characters should be HTML escaped: & \" < >\n"
}

/** Cases that differ on purpose: what is printed and not given is an error, unless `missing` is "empty". */
const missing: Readonly<Record<string, string>> = {
  "interpolation: Basic Context Miss Interpolation": "cannot",
  "interpolation: Triple Mustache Context Miss Interpolation": "cannot",
  "interpolation: Ampersand Context Miss Interpolation": "cannot",
  "interpolation: Dotted Names - Broken Chains": "a.b.c",
  "interpolation: Dotted Names - Broken Chain Resolution": "a.b.c.name"
}

/** Cases that use partials, which are refused: a template reads no other. */
const partials = new Set(["delimiters: Partial Inheritence", "delimiters: Post-Partial Behavior"])

const files = ["comments", "delimiters", "interpolation", "inverted", "sections"]

describe.each(files)("the Mustache specification, %s", (file) => {
  for (const { data, expected, name, template } of specOf(file).tests) {
    const key = `${file}: ${name}`
    const variable = missing[key]
    if (partials.has(key)) {
      it.effect(`${name}: a partial is refused`, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(Template.renderText(template, {}, { engine: "mustache" }))
          assert.strictEqual(error.reason, "unsupported")
        }))
    } else if (variable !== undefined) {
      it.effect(`${name}: is an error`, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(render(template, data))
          assert.include(error, { reason: "missingVariable", variable })
        }))
      it.effect(`${name}: is empty when asked for`, () =>
        Effect.map(render(template, data, { missing: "empty" }), (text) => assert.strictEqual(text, expected)))
    } else {
      it.effect(
        name,
        () => Effect.map(render(template, data), (text) => assert.strictEqual(text, unescaped[key] ?? expected))
      )
    }
  }
})

it("every exception is a case of the specification", () => {
  const all = new Set(files.flatMap((file) => specOf(file).tests.map(({ name }) => `${file}: ${name}`)))
  for (const name of [...Object.keys(unescaped), ...Object.keys(missing), ...partials]) {
    assert.isTrue(all.has(name), name)
  }
})
