import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Deadline from "../../src/policy/Deadline.js"
import * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
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

const url = Testing.baseUrl("p")

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
