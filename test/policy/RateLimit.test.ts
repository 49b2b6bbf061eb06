import * as RateLimiter from "@effect/experimental/RateLimiter"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { failures, guard } from "../../src/internal/storeGuard.js"
import * as Deadline from "../../src/policy/Deadline.js"
import * as RateLimit from "../../src/policy/RateLimit.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as Settle from "../../src/wire/Settle.js"
import * as StreamResponse from "../../src/wire/StreamResponse.js"
import {
  after,
  type Answer,
  failing,
  ok,
  outcome,
  scripted,
  simulate,
  timed,
  VirtualClock
} from "../support/scripted.js"

const target = "openai/gpt-4o"
const url = Testing.baseUrl("openai")

/** A client that always answers, behind the limits. */
const limited = (...answers: ReadonlyArray<Answer<RouterError.RouterError>>) => {
  const { client, startedAt } = scripted(...(answers.length === 0 ? [ok] : answers))
  return { client: client.pipe(RateLimit.withRateLimit(target)), startedAt }
}

const remaining = (name = target) => Effect.flatMap(RateLimit.RateLimit, (_) => _.remaining(name))

/** The wait that a refusal names, in milliseconds, and its unit. */
const refusal = (error: unknown) =>
  error instanceof RouterError.RateLimitExceeded
    ? [error.unit, error.limit, Duration.toMillis(error.retryAfter)]
    : assert.fail(`not a refusal: ${error}`)

/** A request that `estimate` below takes for one of so many tokens. */
const ofTokens = (tokens: number) =>
  HttpClientRequest.bodyUnsafeJson(HttpClientRequest.post(`${url}/chat/completions`), { model: "gpt-4o", tokens })
const estimate = (body: { readonly [member: string]: unknown }) => typeof body.tokens === "number" ? body.tokens : 0

describe("RateLimit of requests", () => {
  it.effect("a minute's worth at once, then one for each refill, at exact instants", () =>
    Effect.gen(function*() {
      const { client, startedAt } = limited()
      for (let i = 0; i < 6; i++) {
        yield* client.get(url)
      }
      assert.deepStrictEqual(refusal(yield* Effect.flip(client.get(url))), ["requests", 6, 10_000])
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(refusal(yield* Effect.flip(client.get(url))), ["requests", 6, 10_000])
      yield* TestClock.adjust("1 millis")
      yield* client.get(url)
      assert.deepStrictEqual(refusal(yield* Effect.flip(client.get(url))), ["requests", 6, 10_000])
      assert.deepStrictEqual(startedAt, [0, 0, 0, 0, 0, 0, 10_000])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* remaining(), { requests: 6, tokens: undefined })
    }).pipe(Effect.provide(RateLimit.layerMemory({ requestsPerMinute: 6 }))))

  it.effect("each target has its own, and some have others", () =>
    Effect.gen(function*() {
      const { client } = scripted(ok)
      const sent = (name: string) =>
        Effect.iterate(0, {
          while: (count) => count >= 0 && count < 20,
          body: (count) =>
            Effect.match(client.pipe(RateLimit.withRateLimit(name)).get(url), {
              onFailure: () => -1 - count,
              onSuccess: () => count + 1
            })
        }).pipe(Effect.map((count) => count < 0 ? -1 - count : Infinity))
      assert.strictEqual(yield* sent("a"), 3)
      assert.strictEqual(yield* sent("b"), 3)
      assert.strictEqual(yield* sent("c"), 5)
      assert.strictEqual(yield* sent("d"), Infinity)
      assert.deepStrictEqual(yield* remaining("c"), { requests: 0, tokens: 9 })
      assert.deepStrictEqual(yield* remaining("d"), { requests: undefined, tokens: undefined })
    }).pipe(Effect.provide(RateLimit.layerMemory({
      requestsPerMinute: 3,
      targets: { c: { requestsPerMinute: 5, tokensPerMinute: 9 }, d: { requestsPerMinute: Infinity } },
      estimate: () => 0
    }))))

  it.effect("a failed attempt has used its request", () =>
    Effect.gen(function*() {
      const { client } = limited(failing(new RouterError.Unavailable({ status: 503 })))
      yield* Effect.flip(client.get(url))
      assert.deepStrictEqual(yield* remaining(), { requests: 4, tokens: undefined })
    }).pipe(Effect.provide(RateLimit.layerMemory({ requestsPerMinute: 5 }))))

  for (
    const error of [
      new RouterError.ConcurrencyExceeded({ limit: 1 }),
      new RouterError.BreakerOpen({ retryAfter: Duration.seconds(1) }),
      new RouterError.CoolingDown({ reason: "RateLimited", retryAfter: Duration.seconds(1) }),
      new RouterError.RateLimitExceeded({ unit: "requests", limit: 1, retryAfter: Duration.seconds(1) })
    ]
  ) {
    it.effect(`one that is held back inside by ${error._tag} has used nothing`, () =>
      Effect.gen(function*() {
        const { client } = limited(failing(error), after("1 second", failing(error)))
        yield* Effect.flip(client.execute(ofTokens(20)))
        assert.deepStrictEqual(yield* remaining(), { requests: 5, tokens: 60 })
        const queued = yield* Effect.fork(Effect.flip(client.execute(ofTokens(20))))
        yield* TestClock.adjust("999 millis")
        assert.deepStrictEqual(yield* remaining(), { requests: 4, tokens: 40 })
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(queued)
        assert.deepStrictEqual(yield* remaining(), { requests: 5, tokens: 60 })
      }).pipe(Effect.provide(RateLimit.layerMemory({ requestsPerMinute: 5, tokensPerMinute: 60, estimate }))))
  }

  it.live("the time of day may jump: the buckets go on filling", () =>
    Effect.gen(function*() {
      const clock = new VirtualClock()
      yield* Effect.gen(function*() {
        const { client } = limited()
        yield* client.get(url)
        clock.jump = -3_600_000
        yield* Effect.sleep("1 minute")
        yield* client.get(url)
        clock.jump = 3_600_000
        yield* Effect.flip(client.get(url))
      }).pipe(Effect.provide(RateLimit.layerMemory({ requestsPerMinute: 1 })), Effect.withClock(clock))
    }))
})

describe("RateLimit.maxWait", () => {
  const fill = (client: HttpClient.HttpClient.With<unknown, RateLimit.RateLimit>) => Effect.repeatN(client.get(url), 5) // six in all
  const minute = RateLimit.layerMemory({ requestsPerMinute: 6, maxWait: "20 seconds" })

  it.effect("those who wait are served in their order, the one whose wait is too long fails at once", () =>
    Effect.gen(function*() {
      const { client, startedAt } = limited()
      yield* fill(client)
      const waiting = yield* Effect.forEach([1, 2], () => Effect.fork(client.get(url)))
      yield* TestClock.adjust(0)
      const [exit, millis] = yield* timed(client.get(url))
      assert.deepStrictEqual([outcome(exit), millis], ["RateLimitExceeded", 0])
      assert.deepStrictEqual(yield* remaining(), { requests: -2, tokens: undefined })
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.joinAll(waiting)
      assert.deepStrictEqual(startedAt.slice(6), [10_000, 20_000])
    }).pipe(Effect.provide(minute)))

  it.effect("one that leaves gives its turn back", () =>
    Effect.gen(function*() {
      const { client } = limited()
      yield* fill(client)
      const waiting = yield* Effect.fork(client.get(url))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* remaining(), { requests: -1, tokens: undefined })
      assert.strictEqual(outcome(yield* Fiber.interrupt(waiting)), "interrupted")
      assert.deepStrictEqual(yield* remaining(), { requests: 0, tokens: undefined })
    }).pipe(Effect.provide(minute)))

  it.effect("a wait that does not fit the deadline is not begun", () =>
    Effect.gen(function*() {
      const { client, startedAt } = limited()
      yield* fill(client)
      const within = (millis: number) => timed(Effect.provideService(client.get(url), Deadline.CurrentDeadline, millis))
      const [exit, millis] = yield* within(10_000)
      assert.deepStrictEqual([outcome(exit), millis], ["RateLimitExceeded", 0])
      const waiting = yield* Effect.fork(within(10_001))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(startedAt.slice(6), [10_000])
    }).pipe(Effect.provide(minute)))

  it.effect("the wait of tokens is waited for too, and both are given back by one that leaves", () =>
    Effect.gen(function*() {
      const { client, startedAt } = limited()
      yield* client.execute(ofTokens(60))
      const waiting = yield* Effect.fork(client.execute(ofTokens(15)))
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(yield* remaining(), { requests: 3, tokens: -14 })
      yield* Fiber.interrupt(waiting)
      assert.deepStrictEqual(yield* remaining(), { requests: 4, tokens: 1 })
      const next = yield* Effect.fork(client.execute(ofTokens(15)))
      yield* TestClock.adjust("14 seconds")
      yield* Fiber.join(next)
      assert.deepStrictEqual(startedAt, [0, 15_000])
      assert.deepStrictEqual(refusal(yield* Effect.flip(client.execute(ofTokens(21)))), ["tokens", 60, 21_000])
    }).pipe(
      // without a report of usage the estimates stay
      Effect.provide(
        RateLimit.layerMemory({ requestsPerMinute: 5, tokensPerMinute: 60, maxWait: "20 seconds", estimate })
      )
    ))
})

describe("RateLimit of tokens", () => {
  const layer = (answers: ReadonlyArray<Testing.Answer>, options: RateLimit.Options = {}) =>
    Layer.merge(
      Testing.layerTransport({ "*": answers }),
      RateLimit.layerMemory({ requestsPerMinute: 100, tokensPerMinute: 1_000, estimate: () => 300, ...options })
    )
  const client = Effect.map(
    HttpClient.HttpClient,
    (transport) =>
      transport.pipe(Settle.settle(), Timeout.withCallTimeout("10 seconds"), RateLimit.withRateLimit(target))
  )
  const post = (stream: boolean, body = {}) =>
    Effect.flatMap(client, (_) =>
      _.post(`${url}/chat/completions`, {
        body: HttpClientRequest.bodyUnsafeJson(HttpClientRequest.post(url), { model: "gpt-4o", stream, ...body }).body,
        acceptJson: !stream,
        ...(stream ? { headers: { accept: "text/event-stream" } } : undefined)
      }))
  const left = Effect.map(remaining(), ({ requests, tokens }) => [requests, tokens])
  const read = Effect.flatMap(
    post(true),
    (response) =>
      StreamResponse.isStreamResponse(response) ? Stream.runDrain(response.batches) : assert.fail("no stream")
  )

  for (const used of [120, 300, 1_700]) {
    const usage = { prompt_tokens: used - 20, completion_tokens: 20, total_tokens: used }
    it.effect(`300 reserved, ${used} reported: ${used} used`, () =>
      Effect.gen(function*() {
        yield* post(false)
        assert.deepStrictEqual(yield* left, [99, 1_000 - used])
      }).pipe(Effect.provide(layer([Testing.completion("Hello", { usage })]))))

    it.effect(`300 reserved, ${used} reported by a stream: 300 until it is over, then ${used}`, () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(read)
        yield* TestClock.adjust("15 millis")
        assert.deepStrictEqual(yield* left, [99, 700])
        yield* TestClock.adjust("44 millis")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(yield* left, [99, 1_000 - used])
      }).pipe(Effect.provide(layer([Testing.stream(["Hel", "lo"], { usage, between: "10 millis" })]))))
  }

  it.effect("the parts of a report without a total are added, and one that says nothing leaves the estimate", () =>
    Effect.gen(function*() {
      yield* post(false)
      yield* post(false)
      yield* post(false)
      assert.deepStrictEqual(yield* left, [97, 1_000 - 70 - 300 - 300])
    }).pipe(Effect.provide(layer([
      Testing.completion("Hello", { usage: { prompt_tokens: 50, completion_tokens: 20 } }),
      Testing.completion("Hello", { usage: { cost: 7 } }),
      Testing.completion("Hello", { usage: { total_tokens: -1 } })
    ]))))

  it.effect("an answer that failed has used none", () =>
    Effect.gen(function*() {
      yield* Effect.flip(post(false))
      yield* Effect.flip(post(true))
      assert.deepStrictEqual(yield* left, [98, 1_000])
    }).pipe(Effect.provide(layer([Testing.status(503), Testing.refuse]))))

  it.effect("one that took too long, was abandoned, or was cut keeps the estimate", () =>
    Effect.gen(function*() {
      const slow = yield* Effect.fork(Effect.flip(post(false)))
      yield* TestClock.adjust("10 seconds")
      assert.instanceOf(yield* Fiber.join(slow), RouterError.Timeout)
      assert.deepStrictEqual(yield* left, [100, 700 + 166])
      const abandoned = yield* Effect.fork(post(false))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(abandoned)
      assert.deepStrictEqual(yield* left, [99, 566])
      assert.instanceOf(yield* Effect.flip(read), RouterError.Transport)
      assert.deepStrictEqual(yield* left, [98, 266])
    }).pipe(Effect.provide(layer([
      Testing.hang,
      Testing.hang,
      Testing.stream(["Hel", "lo"], { cut: { after: 3, how: "reset" } })
    ]))))

  it.effect("what is given back is no more than the limit, though the bucket has filled meanwhile", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.flip(post(false)))
      yield* TestClock.adjust("9 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* left, [100, 100])
    }).pipe(Effect.provide(layer([Testing.delayed(Testing.status(503), "9 seconds")], {
      tokensPerMinute: 100,
      estimate: () => 10
    }))))

  it.effect("a request that is refused for its tokens gives its request back, and is not sent", () =>
    Effect.gen(function*() {
      yield* post(false)
      assert.deepStrictEqual(refusal(yield* Effect.flip(post(false))), ["tokens", 500, 12_000])
      assert.deepStrictEqual(yield* left, [99, 200])
      assert.strictEqual((yield* Testing.calls).length, 1)
    }).pipe(Effect.provide(layer([Testing.completion("Hello")], { tokensPerMinute: 500 }))))

  it.effect("more than the limit is estimated as the limit, and nonsense as nothing", () =>
    Effect.gen(function*() {
      yield* post(false)
      assert.deepStrictEqual(yield* left, [99, 0])
      yield* TestClock.adjust("1 minute")
      for (let i = 0; i < 4; i++) {
        yield* post(false)
      }
      assert.deepStrictEqual(yield* left, [96, 999])
    }).pipe(Effect.provide(layer([Testing.completion("Hello")], {
      estimate: (() => {
        const estimates = [5_000, Number.NaN, -7, Number.NEGATIVE_INFINITY, 0.2]
        return () => estimates.shift() ?? 0
      })()
    }))))

  const body = { model: "gpt-4o", stream: false }
  const bytes = (more: object) => Buffer.byteLength(JSON.stringify({ ...body, ...more }))
  for (
    const [name, more, answer] of [
      ["an answer that is not bounded", { messages: ["ü".repeat(20)] }, RateLimit.defaultAnswerTokens],
      ["max_tokens", { max_tokens: 50 }, 50],
      ["max_completion_tokens, which comes first", { max_tokens: 50, max_completion_tokens: 70 }, 70],
      ["a bound that is none", { max_tokens: "many" }, RateLimit.defaultAnswerTokens],
      ["several answers", { max_tokens: 50, n: 3 }, 150]
    ] as const
  ) {
    it.effect(`by default a quarter of the bytes and the answer are reserved: ${name}`, () =>
      Effect.gen(function*() {
        yield* post(false, more)
        assert.deepStrictEqual(yield* left, [99, 10_000 - Math.ceil(bytes(more) / 4 + answer)])
      }).pipe(Effect.provide(layer([Testing.completion("Hello")], { estimate: undefined, tokensPerMinute: 10_000 }))))
  }
})

describe("The law of the bucket", () => {
  /** One request: how many milliseconds after the one before it, what is reserved for it, how long it takes. */
  const requestOf = FastCheck.record({
    gap: FastCheck.oneof(FastCheck.constant(0), FastCheck.integer({ min: 0, max: 20_000 })),
    reserved: FastCheck.integer({ min: 0, max: 40 }),
    took: FastCheck.integer({ min: 0, max: 30_000 }),
    fails: FastCheck.boolean()
  })

  it.live("of requests and of tokens: in every window no more than limit × (1 + minutes), give or take a step", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          FastCheck.array(requestOf, { maxLength: 30 }),
          FastCheck.integer({ min: 1, max: 12 }),
          FastCheck.integer({ min: 20, max: 70 }),
          FastCheck.integer({ min: 0, max: 30_000 }),
          (requests, requestsPerMinute, tokensPerMinute, maxWait) =>
            Effect.runPromise(simulate(
              Effect.gen(function*() {
                const sent: Array<{ readonly at: number; readonly tokens: number }> = []
                yield* Effect.forEach(requests, ({ fails, gap, reserved, took }) =>
                  Effect.gen(function*() {
                    yield* Effect.sleep(gap)
                    const answer: Answer<RouterError.RouterError> = after(
                      took,
                      fails ? failing(new RouterError.Unavailable({ status: 503 })) : ok
                    )
                    const recorded: Answer<RouterError.RouterError> = (request) =>
                      Effect.flatMap(Clock.currentTimeMillis, (at) => {
                        sent.push({ at, tokens: fails ? 0 : Math.min(reserved, tokensPerMinute) })
                        return answer(request)
                      })
                    return yield* Effect.fork(limited(recorded).client.execute(ofTokens(reserved)))
                  })).pipe(Effect.flatMap((fibers) => Effect.forEach(fibers, Fiber.await)))
                for (let from = 0; from < sent.length; from++) {
                  let tokens = 0
                  for (let to = from; to < sent.length; to++) {
                    tokens += sent[to]!.tokens
                    const minutes = 1 + (sent[to]!.at - sent[from]!.at) / 60_000
                    // a window that does not begin with the first request may begin right before a step of the filling
                    const step = from === 0 ? 0 : 1
                    assert.isAtMost(to - from + 1, requestsPerMinute * minutes + step + 1e-6)
                    assert.isAtMost(tokens, tokensPerMinute * minutes + step + 1e-6)
                  }
                }
              }).pipe(
                Effect.provide(RateLimit.layerMemory({ requestsPerMinute, tokensPerMinute, maxWait, estimate }))
              )
            ))
        ),
        { numRuns: 100 }
      )
    ))
})

describe("RateLimit takes only", () => {
  for (
    const [path, options] of [
      ["requestsPerMinute", { requestsPerMinute: 0 }],
      ["requestsPerMinute", { requestsPerMinute: 1.5 }],
      ["tokensPerMinute", { tokensPerMinute: Number.NaN }],
      ["tokensPerMinute", { tokensPerMinute: RateLimit.maxLimit + 1 }],
      ["targets.a/b.tokensPerMinute", { targets: { "a/b": { tokensPerMinute: -1 } } }],
      ["maxWait", { maxWait: -1 }]
    ] as const
  ) {
    it(`${path} in bounds: ${JSON.stringify(options)}`, () => {
      for (const layer of [RateLimit.layer, RateLimit.layerMemory]) {
        try {
          layer(options)
          assert.fail("accepted")
        } catch (error) {
          assert.instanceOf(error, RouterError.InvalidRequest)
          assert.deepStrictEqual(error.issues.map((issue) => issue.path), [path])
        }
      }
    })
  }
})

describe("A store in trouble", () => {
  const storeOf = (access: Effect.Effect<number, RateLimiter.RateLimiterError>) =>
    RateLimit.layer({ requestsPerMinute: 1, tokensPerMinute: 1 }).pipe(
      Layer.provide(Layer.succeed(RateLimiter.RateLimiterStore, {
        tokenBucket: () => access,
        fixedWindow: () => Effect.dieMessage("not used")
      }))
    )
  const counted = (kind: string) =>
    Effect.map(
      Metric.value(Metric.tagged(Metric.tagged(failures, "store", "rate_limit"), "kind", kind)),
      ({ count }) => count
    )

  for (
    const [name, access, kind, wait] of [
      ["fails", new RateLimiter.RateLimitStoreError({ message: "gone" }), "error", 0],
      ["dies", Effect.dieMessage("broken"), "error", 0],
      ["hangs", Effect.never, "timeout", 200],
      ["hangs and cannot be interrupted", Effect.uninterruptible(Effect.never), "timeout", 200]
    ] as const
  ) {
    it.effect(`that ${name}: requests are sent, one waits for ${wait} ms, it is counted, and asked again after a second`, () =>
      Effect.gen(function*() {
        const before = yield* counted(kind)
        const { client, startedAt } = limited()
        const first = yield* Effect.fork(client.get(url))
        yield* TestClock.adjust("500 millis")
        yield* Fiber.join(first)
        yield* client.get(url)
        assert.deepStrictEqual(startedAt, [wait, 500])
        assert.strictEqual((yield* counted(kind)) - before, 1)
        yield* TestClock.adjust(700 + wait)
        const later = yield* Effect.fork(client.get(url))
        yield* TestClock.adjust("500 millis")
        yield* Fiber.join(later)
        assert.deepStrictEqual(startedAt.slice(2), [1_200 + 2 * wait])
        assert.strictEqual((yield* counted(kind)) - before, 2)
      }).pipe(Effect.provide(storeOf(access))))
  }

  it.effect("a caller that leaves while the store hangs is gone at once, and the store is not blamed", () =>
    Effect.gen(function*() {
      const before = yield* counted("timeout")
      let interrupted = 0
      const { client, startedAt } = limited()
      const hanging = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      yield* Effect.gen(function*() {
        const fiber = yield* Effect.fork(client.get(url))
        yield* TestClock.adjust("100 millis")
        assert.strictEqual(outcome(yield* Fiber.interrupt(fiber)), "interrupted")
        yield* TestClock.adjust("1 second")
      }).pipe(Effect.provide(storeOf(hanging)))
      assert.deepStrictEqual([startedAt.length, interrupted], [0, 1])
      assert.strictEqual(yield* counted("timeout"), before)
    }))
})

describe("storeGuard", () => {
  const slow = <A>(value: A, millis: number) => Effect.as(Effect.sleep(millis), value)

  it.effect("passes on what a store says in time", () =>
    Effect.gen(function*() {
      const access = guard()
      assert.strictEqual(yield* access(Effect.succeed(1), 0, "test"), 1)
      const fiber = yield* Effect.fork(access(slow(2, 199), 0, "test"))
      yield* TestClock.adjust("199 millis")
      assert.strictEqual(yield* Fiber.join(fiber), 2)
    }))

  it.effect("after a pause one finds out, the others do not wait for it, and a store that is back is asked by all", () =>
    Effect.gen(function*() {
      const access = guard({ limit: Duration.millis(100), pause: Duration.seconds(5) })
      let asked = 0
      const ask = (millis: number) =>
        access(Effect.zipRight(Effect.sync(() => asked++), slow("there", millis)), "not there", "test")
      const results = (count: number, millis: number) =>
        Effect.all(Array.from({ length: count }, () => ask(millis)), { concurrency: "unbounded" })
      const run = <A>(effect: Effect.Effect<A>) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.fork(effect)
          yield* TestClock.adjust("100 millis")
          return yield* Fiber.join(fiber)
        })
      assert.deepStrictEqual(yield* run(results(2, 1_000)), ["not there", "not there"])
      assert.strictEqual(asked, 2)
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(yield* ask(0), "not there")
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* run(results(3, 1_000)), ["not there", "not there", "not there"])
      assert.strictEqual(asked, 3)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* run(results(2, 50)), ["there", "not there"])
      assert.deepStrictEqual(yield* run(results(2, 50)), ["there", "there"])
    }))

  it.effect("an access that was interrupted while it tried the store again does not stand in the way of the next", () =>
    Effect.gen(function*() {
      const access = guard()
      yield* access(Effect.fail("gone"), undefined, "test")
      yield* TestClock.adjust("1 second")
      const trial = yield* Effect.fork(access(Effect.never, "none", "test"))
      yield* TestClock.adjust(0)
      yield* Fiber.interrupt(trial)
      assert.strictEqual(yield* access(Effect.succeed("there"), "none", "test"), "none")
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* access(Effect.succeed("there"), "none", "test"), "there")
    }))

  it.effect("works where its caller cannot be interrupted", () =>
    Effect.gen(function*() {
      let left = 0
      const access = Effect.onInterrupt(Effect.never, () => Effect.sync(() => left++))
      const fiber = yield* Effect.fork(Effect.uninterruptible(guard()(access, "none", "test")))
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual([outcome(yield* Fiber.await(fiber)), left], ["none", 1])
    }))

  it.effect("an access that interrupts itself is an error of the store", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(guard()(Effect.as(Effect.interrupt, "there"), "none", "test"))
      assert.isTrue(Exit.isSuccess(exit))
    }))
})
