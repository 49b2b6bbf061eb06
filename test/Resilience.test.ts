import { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream, TestClock } from "effect"
import {
  ChatCompletions,
  CircuitBreaker,
  HttpPolicy,
  OpenAiCompatible,
  Providers,
  RateLimit,
  Resilience,
  ResponseCache,
  RouterError
} from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { elapse, messages, targets } from "./support/router.js"

/** The router with the recommended state, which the test can look at, over a scripted transport. */
const router = <A, E>(script: Testing.Script, state: Layer.Layer<A, E>) =>
  ChatCompletions.layer.pipe(
    Layer.provideMerge(state),
    Layer.provide([
      Providers.layer(Object.fromEntries(
        ["a", "b", "c"].map((name) => [name, OpenAiCompatible.make({ baseUrl: Testing.baseUrl(name) })])
      )),
      ResponseCache.layerMemory()
    ]),
    Layer.provideMerge(Testing.layerTransport(script))
  )

const request = { model: "a/x", messages }
const withFallback = { ...request, fallbacks: [{ model: "b/x" }] }
const balanced = {
  ...request,
  loadBalancer: { type: "weight_based" as const, models: [{ model: "a/x" }, { model: "b/x" }] }
}

const down = Testing.status(503)
const hello = Testing.completion("Hello")

const countOf = (target: string) => Effect.map(targets, (all) => all.filter((one) => one === target).length)

describe("a circuit breaker", () => {
  it.effect("leaves a target alone that failed five times, and says so in the route", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 5; i++) {
        yield* ChatCompletions.create(withFallback)
      }
      const completion = yield* ChatCompletions.create(withFallback)
      assert.strictEqual(completion.choices[0]?.message.content, "Hello")
      assert.deepStrictEqual(completion.route.skipped, [{ target: "a/x", reason: "BreakerOpen" }])
      assert.deepStrictEqual(completion.route.attempts.map(({ target }) => target), ["b/x"])
      assert.strictEqual(yield* countOf("a/x"), 5)
    }).pipe(Effect.provide(router({ "a/x": down, "b/x": hello }, Resilience.layer()))))

  it.effect("of the only target fails at once, with a typed error that names the target and the wait", () =>
    Effect.gen(function*() {
      yield* Effect.repeatN(Effect.flip(ChatCompletions.create(request)), 4)
      const error = yield* Effect.flip(ChatCompletions.create(request))
      assert.strictEqual(error._tag, "BreakerOpen")
      assert.strictEqual(error._tag === "BreakerOpen" && error.target, "a/x")
      assert.deepStrictEqual(error.route?.skipped, [{ target: "a/x", reason: "BreakerOpen" }])
      assert.deepStrictEqual(error.route?.attempts, [])
      assert.strictEqual(yield* countOf("a/x"), 5)
    }).pipe(Effect.provide(router({ "a/x": down }, Resilience.layer()))))

  it.effect("takes a target out of the weighted draw, and back in after its time", () =>
    Effect.gen(function*() {
      yield* Effect.repeatN(Effect.flip(ChatCompletions.create(request)), 4)
      for (let i = 0; i < 40; i++) {
        assert.strictEqual((yield* ChatCompletions.create(balanced)).route.served, "b/x")
      }
      assert.strictEqual(yield* countOf("a/x"), 5)
      yield* TestClock.adjust("5 seconds")
      let served = new Set<string | undefined>()
      for (let i = 0; i < 40; i++) {
        served = served.add((yield* ChatCompletions.create(balanced)).route.served)
      }
      assert.deepStrictEqual([...served].sort(), ["a/x", "b/x"])
    }).pipe(Effect.provide(
      router({ "a/x": [down, down, down, down, down, hello], "b/x": hello }, Resilience.layer())
    )))

  it.effect("never leaves out the last of several: when all are down, the one that is drawn is called", () =>
    Effect.gen(function*() {
      yield* Effect.repeatN(Effect.flip(ChatCompletions.create(withFallback)), 4)
      assert.deepStrictEqual([yield* countOf("a/x"), yield* countOf("b/x")], [5, 5])
      const error = yield* Effect.flip(ChatCompletions.create(withFallback))
      assert.deepStrictEqual(error.route?.attempts.map(({ target }) => target), ["a/x"])
      assert.deepStrictEqual(error.route?.skipped, [{ target: "b/x", reason: "BreakerOpen" }])
      assert.deepStrictEqual([yield* countOf("a/x"), yield* countOf("b/x")], [6, 5])
    }).pipe(Effect.provide(router({ "a/x": down, "b/x": down }, Resilience.layer()))))

  it.effect("of several that are all out, calls the one that is down rather than the one whose key was refused", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 20; i++) {
        yield* Effect.exit(ChatCompletions.create(withFallback))
      }
      assert.strictEqual(yield* countOf("a/x"), 1)
      assert.strictEqual(yield* countOf("b/x"), 20)
    }).pipe(Effect.provide(router({ "a/x": Testing.status(401), "b/x": down }, Resilience.layer()))))

  it.effect("does not try refused keys again before their time, were they all there is", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 20; i++) {
        yield* Effect.exit(ChatCompletions.create(withFallback))
      }
      assert.deepStrictEqual(yield* targets, ["a/x", "b/x"])
      yield* TestClock.adjust("1 minute")
      yield* Effect.exit(ChatCompletions.create(withFallback))
      assert.deepStrictEqual(yield* targets, ["a/x", "b/x", "a/x", "b/x"])
    }).pipe(Effect.provide(router({ "a/x": Testing.status(401), "b/x": Testing.status(401) }, Resilience.layer()))))

  it.effect("counts every attempt, and a stream when it ends", () =>
    Effect.gen(function*() {
      const cut = Stream.runDrain(ChatCompletions.stream(request))
      yield* Effect.repeatN(Effect.flip(cut), 4)
      assert.strictEqual((yield* Effect.flip(cut))._tag, "BreakerOpen")
      assert.strictEqual(yield* countOf("a/x"), 5)
    }).pipe(Effect.provide(
      router({ "a/x": Testing.stream(["a", "b"], { cut: { after: 2, how: "reset" } }) }, Resilience.layer())
    )))

  it.effect("a 429 that names a wait is one for all callers; a retry that waits for it is sent", () =>
    Effect.gen(function*() {
      const first = yield* Effect.fork(ChatCompletions.create({ ...request, retry: { count: 1 } }))
      yield* TestClock.adjust("1 second")
      const second = yield* ChatCompletions.create(withFallback)
      assert.deepStrictEqual(second.route.skipped, [{ target: "a/x", reason: "CoolingDown" }])
      assert.strictEqual(second.route.served, "b/x")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(first)).route.served, "a/x")
      assert.strictEqual(yield* countOf("a/x"), 2)
    }).pipe(Effect.provide(router(
      { "a/x": [Testing.status(429, { headers: { "retry-after": "8" } }), hello], "b/x": hello },
      Resilience.layer()
    ))))

  it.effect("leaves a dead key alone", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 10; i++) {
        assert.strictEqual((yield* ChatCompletions.create(withFallback)).route.served, "b/x")
      }
      assert.strictEqual(yield* countOf("a/x"), 1)
    }).pipe(Effect.provide(router({ "a/x": Testing.status(401), "b/x": hello }, Resilience.layer()))))

  it.effect("an answer of the next target is not stored as that of the one that was skipped", () =>
    Effect.gen(function*() {
      yield* Effect.repeatN(Effect.flip(ChatCompletions.create(request)), 4)
      const cached = { ...withFallback, cache: { type: "exact_match" as const } }
      assert.strictEqual((yield* ChatCompletions.create(cached)).route.cache, "miss")
      assert.strictEqual((yield* ChatCompletions.create(cached)).route.cache, "miss")
      assert.strictEqual(yield* countOf("b/x"), 2)
    }).pipe(Effect.provide(router({ "a/x": down, "b/x": hello }, Resilience.layer()))))
})

describe("a retry budget", () => {
  it.effect("ends the retries of an outage, and is shared by all calls of a target", () =>
    Effect.gen(function*() {
      const retried = { ...request, retry: { count: 5, onCodes: [503] } }
      const calls = yield* Effect.fork(Effect.all(
        Array.from({ length: 20 }, () => Effect.flip(ChatCompletions.create(retried))),
        { concurrency: "unbounded" }
      ))
      yield* TestClock.adjust("1 minute")
      const errors = yield* Fiber.join(calls)
      assert.isTrue(errors.some((error) => error._tag === "Unavailable" && error.retryBudgetExhausted === true))
      // 20 calls, the 10 retries of the burst, and at most one a second after that
      assert.isAtMost(yield* countOf("a/x"), 20 + 10 + 60)
    }).pipe(Effect.provide(router(
      { "a/x": down },
      Resilience.layer({ circuitBreaker: { consecutiveFailures: Infinity, minimumCalls: Infinity } })
    ))))
})

describe("a limit of concurrency", () => {
  it.effect("sends what is too much to the next target at once", () =>
    Effect.gen(function*() {
      const first = yield* Effect.fork(ChatCompletions.create(withFallback))
      yield* TestClock.adjust("1 second")
      const second = yield* ChatCompletions.create(withFallback)
      assert.deepStrictEqual(second.route.skipped, [{ target: "a/x", reason: "ConcurrencyExceeded" }])
      assert.strictEqual(second.route.served, "b/x")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(first)).route.served, "a/x")
    }).pipe(Effect.provide(router(
      { "a/x": Testing.delayed(hello, "10 seconds"), "b/x": hello },
      Resilience.layer({ concurrency: { limit: 1 } })
    ))))

  it.effect("holds a stream's place until its end", () =>
    Effect.gen(function*() {
      const first = yield* Effect.fork(Stream.runDrain(ChatCompletions.stream(request)))
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual((yield* Effect.flip(ChatCompletions.create(request)))._tag, "ConcurrencyExceeded")
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(first)
      yield* Stream.runDrain(Stream.take(ChatCompletions.stream(request), 1)).pipe(elapse)
      assert.deepStrictEqual((yield* Resilience.health).map(({ concurrency }) => concurrency), [
        { inFlight: 0, queued: 0, limit: 1 }
      ])
    }).pipe(Effect.provide(router(
      { "a/x": Testing.stream(["a", "b", "c"], { between: "1 second" }) },
      Resilience.layer({ concurrency: { limit: 1 } })
    ))))
})

describe("a queue before a circuit breaker", () => {
  it.effect("nobody who has waited is sent to a target that failed meanwhile, and nobody waits for it", () =>
    Effect.gen(function*() {
      const calls = yield* Effect.fork(Effect.all(
        Array.from({ length: 21 }, () => Effect.flip(ChatCompletions.create(request))),
        { concurrency: "unbounded" }
      ))
      yield* TestClock.adjust("1 second")
      const tags = (yield* Fiber.join(calls)).map((error) => error._tag)
      assert.strictEqual(tags.filter((tag) => tag === "Unavailable").length, 5)
      assert.strictEqual(tags.filter((tag) => tag === "BreakerOpen").length, 16)
      assert.strictEqual(yield* countOf("a/x"), 5)
      assert.strictEqual((yield* Effect.flip(ChatCompletions.create(request)))._tag, "BreakerOpen")
      assert.deepStrictEqual((yield* Resilience.health).map(({ concurrency }) => concurrency), [
        { inFlight: 0, queued: 0, limit: 1 }
      ])
    }).pipe(Effect.provide(router(
      { "a/x": Testing.delayed(down, "20 millis") },
      Resilience.layer({ concurrency: { limit: 1, queue: 20 } })
    ))))

  it.effect("whoever comes while the circuit is open does not wait behind those that hang", () =>
    Effect.gen(function*() {
      const hung = yield* Effect.fork(ChatCompletions.create(request))
      yield* TestClock.adjust("1 second")
      const breaker = yield* CircuitBreaker.CircuitBreaker
      const broken = CircuitBreaker.withCircuitBreaker("a/x")(
        HttpPolicy.wrap(
          yield* HttpClient.HttpClient,
          () => Effect.fail(new RouterError.Transport({ stage: "connect" }))
        )
      )
      yield* Effect.repeatN(Effect.flip(broken.get("http://localhost")), 4)
      assert.isFalse(yield* breaker.isEligible("a/x"))
      assert.strictEqual((yield* Effect.flip(ChatCompletions.create(request)))._tag, "BreakerOpen")
      yield* Fiber.interrupt(hung)
    }).pipe(Effect.provide(router({ "a/x": Testing.hang }, Resilience.layer({ concurrency: { limit: 1, queue: 5 } })))))
})

describe("a rate limit", () => {
  it.effect("is kept before the provider is asked, with the next target in its place", () =>
    Effect.gen(function*() {
      yield* ChatCompletions.create(withFallback)
      const second = yield* ChatCompletions.create(withFallback)
      assert.deepStrictEqual(second.route.skipped, [{ target: "a/x", reason: "RateLimitExceeded" }])
      assert.strictEqual(yield* countOf("a/x"), 1)
    }).pipe(Effect.provide(router(
      { "a/x": hello, "b/x": hello },
      RateLimit.layerMemory({ targets: { "a/x": { requestsPerMinute: 1 } } })
    ))))
})

describe("health", () => {
  it.effect("tells how each target is doing, as plain JSON", () =>
    Effect.gen(function*() {
      yield* Effect.repeatN(ChatCompletions.create(withFallback), 4)
      const health = yield* Resilience.health
      assert.deepStrictEqual(JSON.parse(JSON.stringify(health)), health)
      assert.deepStrictEqual(health.map(({ circuit, target }) => [target, circuit?.state, circuit?.failures]), [
        ["a/x", "open", 5],
        ["b/x", "closed", 0]
      ])
      assert.deepStrictEqual(health[1]?.concurrency, { inFlight: 0, queued: 0, limit: 7 })
    }).pipe(Effect.provide(router({ "a/x": down, "b/x": hello }, Resilience.layer({ concurrency: { limit: 7 } })))))

  it.effect("is empty without any state", () =>
    Effect.gen(function*() {
      yield* ChatCompletions.create(request)
      assert.deepStrictEqual(yield* Resilience.health, [])
    }).pipe(Effect.provide(router({ "a/x": hello }, Layer.empty))))
})

describe("without any Layer of state", () => {
  it.effect("nothing is left out, however often it fails", () =>
    Effect.gen(function*() {
      yield* Effect.repeatN(Effect.flip(ChatCompletions.create(request)), 19)
      assert.strictEqual(yield* countOf("a/x"), 20)
    }).pipe(Effect.provide(router({ "a/x": down }, Layer.empty))))
})
