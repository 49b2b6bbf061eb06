import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Fiber, Layer, Metric, MetricLabel, Stream, TestClock } from "effect"
import {
  ChatCompletions,
  CircuitBreaker,
  OpenAiCompatible,
  Providers,
  Resilience,
  ResponseCache
} from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import * as Prices from "../src/Prices.js"
import * as Telemetry from "../src/Telemetry.js"
import * as Metrics from "../src/telemetry/Metrics.js"
import { elapse, messages, scripted } from "./support/router.js"
import { metricValues } from "./support/telemetry.js"

let tests = 0

/** What the metrics have after a program, apart from those of other tests, and whatever it ends with. */
const valuesOf = <A, E, R>(program: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const label = ["test", String(tests++)] as const
    return Effect.zipRight(
      Effect.exit(elapse(program)).pipe(Effect.tagMetrics(...label)),
      metricValues(label)
    )
  })

const usage = { prompt_tokens: 12, completion_tokens: 7 }
const chat = "gen_ai.operation.name=chat"
const served = `${chat} gen_ai.provider.name=b gen_ai.request.model=y`
const place = "server.address=scripted.invalid server.port=80"

const telemetry = Telemetry.layer({ prices: Prices.make({ "b/y": { input: 1, output: 2 } }) })

const withTelemetry = (script: Testing.Script) => Layer.provideMerge(scripted(script), telemetry)

describe("the metrics of calls", () => {
  it.effect("of one that is retried and moves on", () =>
    Effect.gen(function*() {
      const values = yield* valuesOf(ChatCompletions.create({
        model: "a/x",
        messages,
        retry: { count: 1 },
        fallbacks: [{ model: "b/y" }],
        cache: { type: "exact_match" }
      }))
      assert.deepStrictEqual(values, {
        "router.calls router.outcome=success": 1,
        "router.cache router.cache.status=miss": 1,
        "router.attempts router.outcome=Unavailable router.target=a/x": 2,
        "router.attempts router.outcome=success router.target=b/y": 1,
        "router.attempt.duration router.outcome=Unavailable router.target=a/x": [2, 0.5],
        "router.attempt.duration router.outcome=success router.target=b/y": [1, 0.25],
        "router.retries router.reason=Unavailable router.target=a/x": 1,
        "router.fallbacks router.reason=Unavailable router.target=a/x": 1,
        [`gen_ai.client.operation.duration ${served} ${place}`]: [1, 1.75],
        [`gen_ai.client.token.usage ${chat} gen_ai.provider.name=b gen_ai.request.model=y gen_ai.token.type=input ${place}`]:
          [1, 12],
        [`gen_ai.client.token.usage ${chat} gen_ai.provider.name=b gen_ai.request.model=y gen_ai.token.type=output ${place}`]:
          [1, 7],
        "router.cost router.target=b/y": 26e-6
      })
    }).pipe(
      Effect.withRandomFixed([0.5]),
      Effect.provide(withTelemetry({
        "a/x": Testing.delayed(Testing.status(503), "250 millis"),
        "b/y": Testing.completion("Hi", { usage, delay: "250 millis" })
      }))
    ))

  it.effect("of one that the cache answers: nothing of any target", () =>
    Effect.gen(function*() {
      const cached = ChatCompletions.create({ model: "b/y", messages, cache: { type: "exact_match" } })
      yield* cached
      assert.deepStrictEqual(yield* valuesOf(cached), {
        "router.calls router.outcome=success": 1,
        "router.cache router.cache.status=hit": 1
      })
    }).pipe(Effect.provide(withTelemetry({ "b/y": Testing.completion("Hi", { usage }) }))))

  it.effect("of a stream: until its end, and until its first content", () =>
    Effect.gen(function*() {
      const values = yield* valuesOf(Stream.runDrain(ChatCompletions.stream({ model: "b/y", messages })))
      assert.deepStrictEqual(values["router.attempt.time_to_first_chunk router.target=b/y"], [1, 0.5])
      assert.deepStrictEqual(values[`gen_ai.client.operation.time_to_first_chunk ${served} ${place}`], [1, 0.5])
      assert.deepStrictEqual(values[`gen_ai.client.operation.duration ${served} ${place}`], [1, 1.25])
      assert.deepStrictEqual(values["router.attempt.duration router.outcome=success router.target=b/y"], [1, 1.25])
    }).pipe(Effect.provide(withTelemetry({
      "b/y": Testing.stream(["a", "b"], { between: "250 millis", delay: "250 millis" })
    }))))

  it.effect("of failures: by their class", () =>
    Effect.gen(function*() {
      const values = yield* valuesOf(ChatCompletions.create({ model: "b/y", messages }))
      assert.deepStrictEqual(values, {
        "router.calls router.outcome=Auth": 1,
        "router.attempts router.outcome=Auth router.target=b/y": 1,
        "router.attempt.duration router.outcome=Auth router.target=b/y": [1, 0],
        [`gen_ai.client.operation.duration error.type=Auth ${served} ${place}`]: [1, 0]
      })
      const wrong = yield* valuesOf(ChatCompletions.create({ model: "nowhere", messages }))
      assert.deepStrictEqual(wrong, {
        "router.calls router.outcome=InvalidRequest": 1,
        [`gen_ai.client.operation.duration error.type=InvalidRequest ${chat}`]: [1, 0]
      })
    }).pipe(Effect.provide(withTelemetry({ "b/y": Testing.status(401) }))))

  it.effect("of a caller that leaves: it is no error, and no duration of an operation", () =>
    Effect.gen(function*() {
      const leaving = Effect.gen(function*() {
        const fiber = yield* Effect.fork(ChatCompletions.create({ model: "b/y", messages }))
        yield* Effect.sleep("1 second")
        yield* Fiber.interrupt(fiber)
      })
      assert.deepStrictEqual(yield* valuesOf(leaving), {
        "router.calls router.outcome=interrupted": 1,
        "router.attempts router.outcome=interrupted router.target=b/y": 1,
        "router.attempt.duration router.outcome=interrupted router.target=b/y": [1, 1]
      })
    }).pipe(Effect.provide(withTelemetry({ "b/y": Testing.hang }))))

  it.effect("are there where the Layer is around the router only; without it, or switched off, there are none", () =>
    Effect.gen(function*() {
      const script = { "b/y": Testing.completion("Hi") }
      const ask = ChatCompletions.create({ model: "b/y", messages })
      const names = (router: Layer.Layer<ChatCompletions.ChatCompletions>) =>
        Effect.map(valuesOf(Effect.provide(ask, router)), (values) => Object.keys(values).length)
      assert.isAbove(yield* names(Layer.provide(scripted(script), Telemetry.layer())), 0)
      assert.strictEqual(yield* names(scripted(script)), 0)
      assert.strictEqual(yield* names(Layer.provide(scripted(script), Telemetry.layer({ metrics: false }))), 0)
      const configured = Telemetry.layerConfig({ metrics: Config.boolean("METRICS") }).pipe(
        Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["METRICS", "false"]]))))
      )
      assert.strictEqual(yield* names(Layer.provide(scripted(script), Layer.orDie(configured))), 0)
    }))

  it.effect("take the prices of the service, where no others are given", () =>
    Effect.gen(function*() {
      const values = yield* valuesOf(ChatCompletions.create({ model: "b/y", messages }))
      assert.strictEqual(values["router.cost router.target=b/y"], 19)
    }).pipe(Effect.provide(Layer.provideMerge(
      scripted({ "b/y": Testing.completion("Hi", { usage }) }),
      Layer.provide(Telemetry.layer(), Prices.layer({ "b/*": { input: 1e6, output: 1e6 } }))
    ))))
})

describe("the gauge of a circuit", () => {
  const gauge = "router.breaker.state router.target=b/y"

  it.effect("is set when that changes, and what is held back is counted", () =>
    Effect.gen(function*() {
      const label = ["test", String(tests++)] as const
      const ask = Effect.exit(ChatCompletions.create({ model: "b/y", messages })).pipe(Effect.tagMetrics(...label))
      const values = metricValues(label)
      yield* ask
      assert.strictEqual((yield* values)[gauge], undefined)
      yield* ask
      assert.strictEqual((yield* values)[gauge], Metrics.breakerStates.open)
      yield* ask
      assert.strictEqual((yield* values)["router.skips router.reason=BreakerOpen router.target=b/y"], 1)
      yield* TestClock.adjust("1 minute")
      const probe = yield* Effect.fork(ask)
      yield* TestClock.adjust("500 millis")
      assert.strictEqual((yield* values)[gauge], Metrics.breakerStates.halfOpen)
      yield* TestClock.adjust("500 millis")
      yield* Fiber.join(probe)
      assert.strictEqual((yield* values)[gauge], Metrics.breakerStates.closed)
    }).pipe(Effect.provide(Layer.provideMerge(
      ChatCompletions.layer.pipe(
        Layer.provide([
          Providers.layer({ b: OpenAiCompatible.make({ baseUrl: Testing.baseUrl("b") }) }),
          ResponseCache.layerMemory(),
          Resilience.layer({ circuitBreaker: { consecutiveFailures: 2, openFor: "5 seconds" } })
        ]),
        Layer.provide(Testing.layerTransport({
          "b/y": [Testing.status(503), Testing.status(503), Testing.completion("Hi", { delay: "1 second" })]
        }))
      ),
      telemetry
    ))))

  it.effect("works for any client, without calls", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ p: Testing.refuse })
      const guarded = client.pipe(CircuitBreaker.withCircuitBreaker("a page"))
      const values = yield* valuesOf(Effect.exit(guarded.get(Testing.baseUrl("p"))))
      assert.deepStrictEqual(values, { "router.breaker.state router.target=a page": 2 })
    }).pipe(Effect.provide(Layer.merge(
      CircuitBreaker.layer({ consecutiveFailures: 1 }),
      Telemetry.layer()
    ))))
})

describe("metrics as such", () => {
  it("beyond a thousand targets all are one, and no label is without end", () => {
    const metrics = Metrics.make()
    const first = metrics.of("p/0")
    for (let index = 0; index < Metrics.maxTargets; index++) metrics.of(`p/${index}`)
    assert.strictEqual(metrics.of("p/0"), first)
    assert.strictEqual(metrics.of("p/one more"), metrics.of("q/another"))
    assert.notStrictEqual(metrics.of("p/one more"), first)
  })

  it("are made once for a target, not for each update", () => {
    const metrics = Metrics.make()
    assert.strictEqual(metrics.of("p/x").attempts("success"), metrics.of("p/x").attempts("success"))
    assert.strictEqual(metrics.of("p/x").tokens("input"), metrics.of("p/x").tokens("input"))
    assert.strictEqual(metrics.of("p/x").cost(), metrics.of("p/x").cost())
  })

  it("have the units and the boundaries of the conventions", () => {
    const labels = [MetricLabel.make("test", `boundaries ${tests++}`)]
    const metrics = Metrics.make().of("units/x")
    metrics.duration().unsafeUpdate(1, labels)
    metrics.tokens("input").unsafeUpdate(1, labels)
    const own = Metric.unsafeSnapshot().filter(({ metricKey }) =>
      metricKey.tags.some(({ value }) => value === labels[0]!.value)
    ).map(({ metricKey }) => metricKey)
    const unit = (name: string) => own.find((key) => key.name === name)?.tags.find(({ key }) => key === "unit")?.value
    assert.strictEqual(unit("gen_ai.client.operation.duration"), "s")
    assert.strictEqual(unit("gen_ai.client.token.usage"), "{token}")
    assert.deepStrictEqual(Metrics.durationBoundaries.slice(0, 3), [0.01, 0.02, 0.04])
    assert.strictEqual(Metrics.durationBoundaries.at(-1), 81.92)
    assert.deepStrictEqual([Metrics.tokenBoundaries[0], Metrics.tokenBoundaries.at(-1)], [1, 67_108_864])
  })
})
