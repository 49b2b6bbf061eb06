import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigError, ConfigProvider, Effect, Layer, Schedule, Stream } from "effect"
import { ChatCompletions, RouterDefaults, RouterError } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { elapse, messages, scripted, targets } from "./support/router.js"

const request = { model: "a/x", messages }

/** What a JavaScript caller, or a configuration, may hand over. */
const wrong: ReadonlyArray<readonly [path: string, defaults: string]> = [
  ["timeout.callTimeout", "{\"timeout\":{\"callTimeout\":-5}}"],
  ["timeout.idleTimeout", "{\"timeout\":{\"idleTimeout\":\"1 second\"}}"],
  ["timeout.callTimeout", "{\"timeout\":{}}"],
  ["retry.count", "{\"retry\":{\"count\":9}}"],
  ["retry.onCodes[1]", "{\"retry\":{\"onCodes\":[429,99]}}"],
  ["retry", "{\"retry\":3}"],
  ["fallbacks[0].model", "{\"fallbacks\":[{\"model\":7}]}"],
  ["commit", "{\"commit\":\"never\"}"],
  ["cache.ttl", "{\"cache\":{\"type\":\"exact_match\",\"ttl\":0}}"],
  ["maxRetryAfter", "{\"maxRetryAfter\":-1}"],
  ["maxRetryAfter", "{\"maxRetryAfter\":\"soon\"}"],
  ["limits.responseBytes", "{\"limits\":{\"responseBytes\":0}}"],
  ["limits.jsonDepth", "{\"limits\":{\"jsonDepth\":\"deep\"}}"],
  ["limits", "{\"limits\":null}"],
  ["backoff", "{\"backoff\":\"1 second\"}"],
  ["cacheFallbacks", "{\"cacheFallbacks\":\"no\"}"]
]

const invalid = (error: unknown): RouterError.InvalidRequest => {
  assert.instanceOf(error, RouterError.InvalidRequest)
  return error
}

describe("merge", () => {
  const outer: RouterDefaults.Defaults = {
    retry: { count: 2 },
    timeout: { callTimeout: 1000, idleTimeout: 100 },
    commit: "whole"
  }

  it("takes the nearer of two, field by field and clock by clock; what is undefined is not given", () => {
    assert.deepStrictEqual(
      RouterDefaults.merge(outer, {
        retry: undefined,
        commit: "firstContent",
        timeout: { callTimeout: 5, idleTimeout: undefined }
      }),
      { retry: { count: 2 }, timeout: { callTimeout: 5, idleTimeout: 100 }, commit: "firstContent" }
    )
  })

  it("with none changes nothing", () => {
    assert.deepStrictEqual(RouterDefaults.merge(outer, {}), outer)
    assert.deepStrictEqual(RouterDefaults.merge({}, outer), outer)
  })

  it.effect("is what a call under two of them gets: the clock of the one, the retry of the other", () =>
    Effect.gen(function*() {
      const error = yield* elapse(Effect.flip(ChatCompletions.create(request))).pipe(
        Effect.provideService(RouterDefaults.RouterDefaults, { retry: undefined, timeout: { callTimeout: 50 } })
      )
      assert.deepStrictEqual(error.route?.attempts.map(({ durationMillis, outcome }) => [outcome, durationMillis]), [
        ["Timeout", 50],
        ["Timeout", 50]
      ])
    }).pipe(Effect.provide(
      Layer.provide(
        scripted({ "a/x": Testing.hang }),
        RouterDefaults.layer({ retry: { count: 1 }, timeout: { callTimeout: 900 } })
      )
    )))
})

describe("layerConfig", () => {
  it.effect("fails with a ConfigError for a default that is out of bounds", () =>
    Effect.gen(function*() {
      const config = RouterDefaults.layerConfig({
        retry: Config.map(Config.integer("RETRIES"), (count) => ({ count }))
      })
      const build = (retries: string) =>
        Effect.provide(RouterDefaults.RouterDefaults, config).pipe(
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["RETRIES", retries]])))
        )
      assert.deepStrictEqual(yield* build("2"), { retry: { count: 2 } })
      const error = yield* Effect.flip(build("99"))
      assert.isTrue(ConfigError.isConfigError(error))
      assert.include(String(error), "retry.count")
    }))
})

describe("defaults that are out of bounds", () => {
  for (const [path, json] of wrong) {
    const defaults: RouterDefaults.Defaults = JSON.parse(json)

    it.effect(`${json}: a call under them is a wrong request, found before any connection`, () =>
      Effect.gen(function*() {
        for (
          const call of [
            ChatCompletions.create(request),
            Stream.runDrain(ChatCompletions.stream(request)),
            // what a request names itself does not make them right
            ChatCompletions.create({ ...request, retry: { count: 1 }, timeout: { callTimeout: 1000 }, commit: "whole" })
          ]
        ) {
          assert.strictEqual(invalid(yield* Effect.flip(call)).path, path)
        }
        assert.deepStrictEqual(yield* targets, [])
      }).pipe(
        Effect.provideService(RouterDefaults.RouterDefaults, defaults),
        Effect.provide(scripted({ "a/x": Testing.completion("a") }))
      ))

    it.effect(`${json}: so it is when the router was built with them`, () =>
      Effect.gen(function*() {
        assert.strictEqual(invalid(yield* Effect.flip(ChatCompletions.create(request))).path, path)
        assert.strictEqual(invalid(yield* Effect.flip(ChatCompletions.create(request))).path, path)
      }).pipe(
        Effect.provide(scripted({ "a/x": Testing.completion("a") })),
        Effect.provideService(RouterDefaults.RouterDefaults, defaults)
      ))

    it(`${json}: no layer is made of them`, () => {
      try {
        RouterDefaults.layer(defaults)
      } catch (error) {
        return assert.strictEqual(invalid(error).path, path)
      }
      assert.fail("a layer was made")
    })
  }

  it.effect("all that is wrong is named, and nothing of what was found there", () =>
    Effect.gen(function*() {
      const error = invalid(yield* Effect.flip(ChatCompletions.create(request)))
      assert.deepStrictEqual(error.issues.map((issue) => issue.path), [
        "retry.count",
        "limits.jsonDepth",
        "maxRetryAfter"
      ])
      assert.notInclude(error.message, "99")
    }).pipe(
      Effect.provideService(RouterDefaults.RouterDefaults, {
        retry: { count: 99 },
        limits: { jsonDepth: -99 },
        maxRetryAfter: -99
      }),
      Effect.provide(scripted({ "a/x": Testing.completion("a") }))
    ))

  it.effect("a wrong request is the caller's first", () =>
    Effect.gen(function*() {
      const error = invalid(yield* Effect.flip(ChatCompletions.create({ ...request, temperature: -1 })))
      assert.strictEqual(error.path, "temperature")
    }).pipe(
      Effect.provideService(RouterDefaults.RouterDefaults, { retry: { count: 99 } }),
      Effect.provide(scripted({ "a/x": Testing.completion("a") }))
    ))
})

describe("defaults that are right", () => {
  const defaults: RouterDefaults.Defaults = {
    cache: { type: "exact_match", ttl: 60 },
    commit: "whole",
    fallbacks: [{ model: "b/x" }],
    retry: { count: 1 },
    timeout: { idleTimeout: 1000 },
    backoff: Schedule.spaced("1 second"),
    maxRetryAfter: "1 minute",
    limits: { jsonDepth: 9, eventBytes: Infinity },
    cacheFallbacks: true
  }

  it.effect("are in force around a call, and from a layer", () =>
    Effect.gen(function*() {
      const call = elapse(ChatCompletions.create(request))
      const provided = yield* Effect.provideService(call, RouterDefaults.RouterDefaults, defaults)
      const layered = yield* Effect.provide(call, RouterDefaults.layer(defaults))
      assert.deepStrictEqual([provided.route.served, layered.route.served], ["b/x", "b/x"])
      assert.deepStrictEqual(yield* targets, ["a/x", "a/x", "b/x", "a/x", "a/x", "b/x"])
    }).pipe(Effect.provide(scripted({ "a/x": Testing.status(503), "b/x": Testing.completion("b") }))))

  it.effect("may be none, and may name nothing", () =>
    Effect.gen(function*() {
      for (
        const defaults of [{}, { retry: undefined, limits: undefined, backoff: undefined, maxRetryAfter: undefined }]
      ) {
        yield* Effect.provideService(ChatCompletions.create(request), RouterDefaults.RouterDefaults, defaults)
      }
      assert.strictEqual((yield* targets).length, 2)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.completion("a") }))))

  it("are checked once: the same object comes back, whatever became of it", () => {
    let looks = 0
    const watched = {
      ...defaults,
      get retry() {
        looks++
        return { count: 1 }
      }
    }
    for (let i = 0; i < 3; i++) {
      const checked = RouterDefaults.validate(watched)
      assert.isTrue(checked._tag === "Right" && checked.right === watched)
    }
    assert.strictEqual(looks, 1)
  })
})
