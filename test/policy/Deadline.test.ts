import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Deadline from "../../src/policy/Deadline.js"
import * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as Settle from "../../src/wire/Settle.js"
import { plain, streamed, url, withMemory } from "../support/policies.js"
import {
  failing,
  gaps,
  ok,
  outcome,
  scripted,
  simulate,
  timed,
  VirtualClock,
  withinTheHour
} from "../support/scripted.js"

/** What is left of the time when the request comes to the client, and some milliseconds later. */
const remaining = (later: number, ...policies: ReadonlyArray<HttpPolicy.HttpPolicy<RouterError.RouterError>>) =>
  simulate(Effect.suspend(() => {
    const seen: Array<number> = []
    const look = Effect.map(Deadline.remainingMillis, (millis) => seen.push(millis))
    const { client } = scripted((request) =>
      Effect.zipRight(Effect.zipRight(look, Effect.delay(look, later)), ok(request))
    )
    const policy = policies.reduce<HttpPolicy.HttpPolicy<RouterError.RouterError>>(
      (inner, outer) => HttpPolicy.compose(inner, outer),
      HttpPolicy.identity
    )
    return Effect.as(Effect.exit(policy(client).get(url)), seen)
  }))

describe("Deadline", () => {
  it.effect("there is none at first", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Deadline.remainingMillis, Infinity)
      assert.strictEqual(yield* Deadline.CurrentDeadline, Infinity)
      yield* TestClock.adjust("1 day")
      assert.strictEqual(yield* Deadline.remainingMillis, Infinity)
      assert.deepStrictEqual(yield* remaining(100), [Infinity, Infinity])
    }))

  it.effect("counts down to 0 and stays there", () =>
    Effect.gen(function*() {
      const left: Array<number> = []
      yield* TestClock.adjust("1 hour")
      for (const millis of [0, 400, 600, 1000]) {
        yield* TestClock.adjust(millis)
        left.push(yield* Deadline.remainingMillis)
      }
      assert.deepStrictEqual(left, [1000, 600, 0, 0])
    }).pipe(Effect.provideService(Deadline.CurrentDeadline, 3_601_000)))

  it.effect("a timeout sets it for everything inside, and for nothing else", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* remaining(300, Timeout.withCallTimeout("1 second")), [1000, 700])
      assert.deepStrictEqual(yield* remaining(300, Timeout.withDeadline("2 seconds")), [2000, 1700])
      assert.strictEqual(yield* Deadline.remainingMillis, Infinity)
    }))

  it.live.prop(
    "of nested timeouts the nearest deadline counts, whatever their order",
    { limits: FastCheck.array(FastCheck.integer({ min: 100, max: 10_000 }), { minLength: 1, maxLength: 4 }) },
    ({ limits }) =>
      Effect.gen(function*() {
        const nearest = Math.min(...limits)
        const policies = limits.map((limit, index) =>
          index % 2 === 0 ? Timeout.withCallTimeout(limit) : Timeout.withDeadline(limit)
        )
        assert.deepStrictEqual(yield* remaining(50, ...policies), [nearest, nearest - 50])
      })
  )

  it.effect("each attempt of a retry has its own, and never a later one than the call", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const { client } = scripted(() =>
        Effect.zipRight(
          Effect.map(Deadline.remainingMillis, (millis) => seen.push(millis)),
          Effect.fail(new RouterError.Unavailable({ status: 503 }))
        )
      )
      yield* withinTheHour(Effect.exit(
        client.pipe(
          Timeout.withCallTimeout("4 seconds"),
          Retry.withRetry({ count: 3 }),
          Timeout.withDeadline("6 seconds")
        ).get(url)
      ))
      assert.deepStrictEqual(seen, [4000, 4000, 3000])
    }).pipe(Effect.withRandomFixed([0.5])))

  it.effect("a caller's own deadline is kept to, without any timeout", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(failing(new RouterError.Unavailable({ status: 503 })))
      const [exit, millis] = yield* withinTheHour(timed(client.pipe(Retry.withRetry()).get(url)))
      assert.deepStrictEqual([outcome(exit), millis, gaps(startedAt)], ["Unavailable", 3000, [1000, 2000]])
    }).pipe(Effect.provideService(Deadline.CurrentDeadline, 5000), Effect.withRandomFixed([0.5])))

  for (const jump of [3_600_000, -3_600_000]) {
    it.effect(`the wall clock may jump by ${jump / 1000} seconds: nothing comes sooner or later`, () =>
      Effect.gen(function*() {
        const clock = new VirtualClock()
        const run = Effect.gen(function*() {
          const left: Array<number> = []
          const start = clock.unsafeCurrentTimeNanos()
          const { client } = scripted((request) =>
            Effect.gen(function*() {
              clock.jump = jump
              left.push(yield* Deadline.remainingMillis)
              yield* Effect.sleep("500 millis")
              left.push(yield* Deadline.remainingMillis)
              clock.jump = 0
              return left.length === 4
                ? yield* ok(request)
                : yield* Effect.fail(new RouterError.Unavailable({ status: 503 }))
            })
          )
          yield* client.pipe(Retry.withRetry({ count: 1 }), Timeout.withDeadline("3 seconds")).get(url)
          return { left, millis: Number(clock.unsafeCurrentTimeNanos() - start) / 1e6 }
        })
        assert.deepStrictEqual(yield* Effect.withClock(run, clock), { left: [3000, 2500, 1500, 1000], millis: 2000 })
      }).pipe(Effect.withRandomFixed([0.5])))

    it.effect(`and so is a body that is read while the wall clock jumps by ${jump / 1000} seconds`, () =>
      Effect.gen(function*() {
        const clock = new VirtualClock()
        const { calls, client } = yield* Testing.makeTransport({ p: Testing.raw({ chunks: ["a"], end: "stall" }) })
        const read = Effect.gen(function*() {
          const response = yield* Timeout.withDeadline("3 seconds")(client).get(url)
          yield* Effect.sleep("1 second")
          clock.jump = jump
          const error = yield* Effect.flip(Stream.runDrain(response.stream))
          clock.jump = 0
          return [RouterError.isRouterError(error.cause) && error.cause._tag, clock.unsafeCurrentTimeMillis()]
        })
        assert.deepStrictEqual(yield* Effect.withClock(read, clock), ["DeadlineExceeded", 3000])
        assert.deepStrictEqual((yield* calls).map((_) => _.abortedAtMillis), [3000 + jump])
      }))
  }
})

describe("a call that several callers share", () => {
  const kinds = {
    completion: { answer: Testing.completion("a"), request: plain },
    stream: {
      answer: Testing.stream(["a"]),
      request: streamed
    }
  }

  for (const [kind, { answer, request }] of Object.entries(kinds)) {
    /** Fails after a second; the next attempt would come 8 seconds later. */
    const make = Effect.map(
      Testing.makeTransport({ p: [Testing.status(503, { delay: 1000 }), answer] }),
      ({ calls, client, open }) => {
        const shared = client.pipe(
          Settle.settle(),
          Retry.withRetry({ count: 3, backoff: Schedule.spaced("8 seconds") }),
          ResponseCache.withCache({ ttl: "1 day" })
        )
        const call = (limit: Duration.DurationInput) =>
          timed(Effect.flatMap(Timeout.withDeadline(limit)(shared).execute(request), (response) => response.text))
        type Ended = readonly [exit: Exit.Exit<unknown, { readonly _tag: string }>, millis: number]
        const callers = (...calls: ReadonlyArray<Effect.Effect<Ended, never, ResponseCache.ResponseCache>>) =>
          Effect.map(
            withinTheHour(Effect.all(calls, { concurrency: "unbounded" })),
            (ends) => ends.map(([exit, millis]) => [outcome(Exit.asVoid(exit)), millis])
          )
        return { call, callers, calls, open }
      }
    )

    it.effect(`${kind}: alone, a wait that would end after its deadline is not begun`, () =>
      Effect.gen(function*() {
        const { call, callers, calls } = yield* make
        assert.deepStrictEqual(yield* callers(call("5 seconds")), [["Unavailable", 1000]])
        assert.strictEqual((yield* calls).length, 1)
      }).pipe(withMemory))

    it.effect(`${kind}: it has as long as the most patient, and each of them its own time`, () =>
      Effect.gen(function*() {
        const { call, callers, calls, open } = yield* make
        const ends = yield* callers(
          call("5 seconds"),
          Effect.delay(call("20 seconds"), 100),
          Effect.delay(call("500 millis"), 200),
          // comes while the wait is under way
          Effect.delay(call("1 second"), 3000)
        )
        assert.deepStrictEqual(ends, [
          ["DeadlineExceeded", 5000],
          [undefined, 8900],
          ["DeadlineExceeded", 500],
          ["DeadlineExceeded", 1000]
        ])
        assert.deepStrictEqual((yield* calls).map((call) => call.startedAtMillis), [0, 9000])
        assert.strictEqual(yield* open, 0)
      }).pipe(withMemory))

    it.effect(`${kind}: the time of one who has left is over`, () =>
      Effect.gen(function*() {
        const { call, callers, calls } = yield* make
        const ends = yield* callers(
          call("5 seconds"),
          Effect.map(Effect.timeoutOption(call(Infinity), 500), () => [Exit.void, 500] as const)
        )
        assert.deepStrictEqual(ends, [["Unavailable", 1000], [undefined, 500]])
        assert.strictEqual((yield* calls).length, 1)
      }).pipe(withMemory))

    it.effect(`${kind}: with the last of them it is over`, () =>
      Effect.gen(function*() {
        const { calls, client, open } = yield* Testing.makeTransport({ p: Testing.hang })
        const shared = client.pipe(Settle.settle(), ResponseCache.withCache({ ttl: "1 day" }))
        const call = (limit: number) => timed(Timeout.withDeadline(limit)(shared).execute(request))
        const ends = yield* withinTheHour(Effect.all([call(3000), call(2000)], { concurrency: "unbounded" }))
        assert.deepStrictEqual(ends.map(([, millis]) => millis), [3000, 2000])
        assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [3000])
        assert.strictEqual(yield* open, 0)
      }).pipe(withMemory))
  }

  it.effect("the timeouts inside of it count too, and those around a cache around it", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const look = Effect.map(Deadline.remainingMillis, (millis) => seen.push(millis))
      const { client } = scripted((request) => Effect.zipRight(Effect.delay(look, 100), ok(request)))
      const cache = (scope: string) =>
        ResponseCache.withCache({ ttl: "1 day", scope, key: () => Effect.succeed(Option.some("k")) })
      const inner = client.pipe(Timeout.withCallTimeout(3000), cache("inner"))
      const outer = inner.pipe(cache("outer"))
      const all = (...callers: ReadonlyArray<HttpClient.HttpClient.With<unknown, ResponseCache.ResponseCache>>) =>
        Effect.provide(
          withinTheHour(Effect.all(callers.map((caller) => caller.get(url)), { concurrency: "unbounded" })),
          ResponseCache.layerMemory()
        )
      yield* all(Timeout.withDeadline(1000)(outer))
      yield* all(Timeout.withDeadline(1000)(outer), Timeout.withDeadline(2000)(outer))
      yield* all(Timeout.withDeadline(1000)(outer), Timeout.withDeadline(2500)(inner))
      yield* all(Timeout.withDeadline(9000)(outer))
      assert.deepStrictEqual(seen, [900, 1900, 2400, 2900])
    }))
})
