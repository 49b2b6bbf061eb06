import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Either, Option } from "effect"
import * as FastCheck from "effect/FastCheck"
import * as Prices from "../src/Prices.js"

const prices = Prices.make({
  "openai/gpt-4o": { input: 2, output: 8, cachedInput: 0.5 },
  "openai/*": { input: 10, output: 20 },
  "free/a/b": { input: 0, output: 0 }
})

const cost = (target: string, usage: Parameters<typeof Prices.cost>[2]) =>
  Option.getOrUndefined(Prices.cost(prices, target, usage))

const count = FastCheck.nat(10_000_000)

describe("the cost of usage", () => {
  it("is by million tokens, of the target itself or of its provider", () => {
    const usage = { promptTokens: 1_000_000, completionTokens: 500_000 }
    assert.strictEqual(cost("openai/gpt-4o", usage), 6)
    assert.strictEqual(cost("openai/other", usage), 20)
    assert.strictEqual(cost("free/a/b", usage), 0)
    assert.strictEqual(cost("free/a", usage), undefined)
    assert.strictEqual(cost("elsewhere/gpt-4o", usage), undefined)
    assert.strictEqual(cost("gpt-4o", usage), undefined)
    for (const target of ["__proto__", "constructor/x", "openai", ""]) {
      assert.strictEqual(cost(target, usage), undefined)
    }
  })

  it("counts cached tokens at their own price, or at that of the others", () => {
    const usage = { promptTokens: 1_000_000, promptTokensDetails: { cachedTokens: 400_000 } }
    assert.strictEqual(cost("openai/gpt-4o", usage), 0.6 * 2 + 0.4 * 0.5)
    assert.strictEqual(cost("openai/x", usage), 10)
  })

  it("takes what a provider reports as it can be meant", () => {
    assert.strictEqual(cost("openai/x", { completionTokens: 1_000_000 }), 20)
    assert.strictEqual(cost("openai/x", { promptTokens: -5, completionTokens: 1_000_000 }), 20)
    // more of them than there are
    assert.strictEqual(cost("openai/gpt-4o", { promptTokens: 1e6, promptTokensDetails: { cachedTokens: 5e6 } }), 0.5)
    for (const usage of [{}, { totalTokens: 5 }, { promptTokens: NaN }, { promptTokens: -1 }]) {
      assert.strictEqual(cost("openai/gpt-4o", usage), undefined)
    }
  })

  it.prop(
    "is never less with more tokens, and never more with more of them cached",
    [count, count, count],
    ([a, b, c]) => {
      const [cached, all] = [Math.min(a, b), Math.max(a, b)]
      const of = (promptTokens: number, cachedTokens: number) =>
        cost("openai/gpt-4o", { promptTokens, completionTokens: c, promptTokensDetails: { cachedTokens } })!
      assert.isAtMost(of(all, cached), of(all, 0))
      assert.isAtMost(of(all, 0), of(all + c, 0))
      assert.isAtMost(Math.abs(of(all, cached) - ((all - cached) * 2 + cached * 0.5 + c * 8) / 1e6), 1e-9)
    }
  )

  it("of a completion is that of the target that served it, and nothing for one from the cache", () => {
    const route = { served: "openai/x", attempts: [], skipped: [], cache: "miss" } as const
    const usage = { promptTokens: 1_000_000 }
    const of = (completion: Parameters<typeof Prices.ofCompletion>[1]) =>
      Option.getOrUndefined(Prices.ofCompletion(prices, completion))
    assert.strictEqual(of({ usage, route }), 10)
    assert.strictEqual(Option.getOrUndefined(Prices.ofCompletion({ usage, route })(prices)), 10)
    for (const cache of ["hit", "shared", "stale"] as const) {
      assert.strictEqual(of({ usage, route: { ...route, cache } }), 0)
    }
    assert.strictEqual(of({ route }), undefined)
    assert.strictEqual(of({ usage, route: { attempts: [], skipped: [], cache: "off" } }), undefined)
  })
})

const paths = (table: unknown) =>
  Either.match(Prices.fromUnknown(table), {
    onLeft: (error) => error.issues.map(({ path }) => path),
    onRight: () => "fine"
  })

describe("a table", () => {
  it("is checked, each field by its path", () => {
    assert.strictEqual(paths({}), "fine")
    assert.deepStrictEqual(
      paths({ "a/b": { input: 1, output: 0 }, "a/*": { input: 0.5, output: 2, cachedInput: 0 } }),
      "fine"
    )
    assert.deepStrictEqual(paths({ "a/b": { input: -1, output: "2", cachedInput: NaN, cached: 1 } }), [
      "prices[\"a/b\"].input",
      "prices[\"a/b\"].output",
      "prices[\"a/b\"].cachedInput",
      "prices[\"a/b\"].cached"
    ])
    assert.deepStrictEqual(paths({ "a/b": { output: Infinity } }), ["prices[\"a/b\"].input", "prices[\"a/b\"].output"])
    assert.deepStrictEqual(paths({ gpt: { input: 1, output: 1 }, "/x": 5, "x/": 5, "a/b": null }), [
      "prices[\"gpt\"]",
      "prices[\"/x\"]",
      "prices[\"x/\"]",
      "prices[\"a/b\"]"
    ])
    for (const none of [null, 5, [], "text", undefined]) {
      assert.deepStrictEqual(paths(none), ["prices"])
    }
    assert.throws(() => Prices.make({ "a/b": { input: 1, output: -1 } }), /output/)
  })

  it("stays as it was when it was checked", () => {
    const price = { input: 1, output: 1 }
    const made = Prices.make({ "a/b": price })
    price.input = 1000
    assert.strictEqual(Option.getOrUndefined(Prices.cost(made, "a/b", { promptTokens: 1e6 })), 1)
  })
})

describe("a file", () => {
  const withFile = <A, E, R>(text: string, use: (path: string) => Effect.Effect<A, E, R>) =>
    Effect.scoped(Effect.gen(function*() {
      const files = yield* FileSystem.FileSystem
      const path = yield* files.makeTempFileScoped()
      yield* files.writeFileString(path, text)
      return yield* use(path)
    })).pipe(Effect.provide(NodeContext.layer))

  const found = Effect.map(Prices.Prices, (_) => Option.getOrUndefined(_.find("a/b"))?.output)

  it.effect("gives the prices that are in it", () =>
    Effect.gen(function*() {
      const text = "{\"a/b\":{\"input\":1,\"output\":3}}"
      assert.strictEqual(yield* withFile(text, (path) => Effect.provide(found, Prices.layerFile(path))), 3)
      const configured = withFile(text, (path) =>
        found.pipe(
          Effect.provide(Prices.layerConfig(Config.string("PRICES"))),
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["PRICES", path]])))
        ))
      assert.strictEqual(yield* configured, 3)
    }))

  it.effect("that is none, or has none, is a typed failure", () =>
    Effect.gen(function*() {
      const failure = (text: string) =>
        Effect.flip(withFile(text, (path) => Effect.provide(found, Prices.layerFile(path))))
      for (const [text, path] of [["{", "prices"], ["{\"a/b\":{\"input\":1}}", "prices[\"a/b\"].output"]] as const) {
        const error = yield* failure(text)
        assert.strictEqual(error._tag, "InvalidRequest")
        assert.strictEqual(error._tag === "InvalidRequest" && error.issues[0]?.path, path)
      }
      const missing = yield* Effect.flip(Effect.provide(found, Prices.layerFile("/nowhere/prices.json"))).pipe(
        Effect.provide(NodeContext.layer)
      )
      assert.strictEqual(missing._tag, "SystemError")
    }))
})
