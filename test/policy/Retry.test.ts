import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import { url } from "../support/policies.js"
import type { Answer } from "../support/scripted.js"
import {
  after,
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

const unavailable = new RouterError.Unavailable({ status: 503 })
const rateLimited = (retryAfter?: Duration.DurationInput) =>
  new RouterError.RateLimited({
    status: 429,
    retryAfter: retryAfter === undefined ? undefined : Duration.decode(retryAfter)
  })

/** Jitter in the middle of its range: none. */
const inTheMiddle = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.withRandomFixed(effect, [0.5])
const atTheLeast = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.withRandomFixed(effect, [0])
const atTheMost = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.withRandomFixed(effect, [1 - Number.EPSILON])

interface Tagged {
  readonly _tag: string
}

/** How a call ended, how long it took and when, counted from its beginning, each attempt began. */
const trace = <E extends Tagged, R>(
  policy: HttpPolicy.HttpPolicy<E, R>,
  ...answers: ReadonlyArray<Answer<Tagged>>
) =>
  Effect.gen(function*() {
    const { client, startedAt } = scripted(...answers)
    const start = yield* Clock.currentTimeMillis
    const [exit, millis] = yield* withinTheHour(timed(client.pipe(policy).get(url)))
    return {
      exit: outcome(Exit.map(exit, (response) => response.status)),
      millis,
      startedAt: startedAt.map((at) => at - start)
    }
  })

const run = <R = never>(options: Retry.Options<R>, ...answers: ReadonlyArray<Answer<Tagged>>) =>
  trace(Retry.withRetry(options), ...answers)

describe("Retry.backoff", () => {
  const attempts = (count: number) =>
    Effect.map(run({ count }, failing(unavailable)), ({ startedAt }) => gaps(startedAt))

  it.effect("waits 1, 2, 4, 8, 16 s and 16 s from then on", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* attempts(7), [1000, 2000, 4000, 8000, 16_000, 16_000, 16_000])
    }).pipe(inTheMiddle))

  it.effect("each wait is at least 25 % shorter", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* attempts(6), [750, 1500, 3000, 6000, 12_000, 12_000])
    }).pipe(atTheLeast))

  it.effect("each wait is at most 25 % longer, the cap included", () =>
    Effect.gen(function*() {
      const waits = yield* attempts(6)
      const longest = [1250, 2500, 5000, 10_000, 20_000, 20_000]
      assert.deepStrictEqual(waits.map(Math.round), longest)
      assert.isTrue(waits.every((wait, index) => wait <= longest[index]!))
    }).pipe(atTheMost))

  it.effect("every wait is drawn anew", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* attempts(4), [1000, 1500, 5000, 8000])
    }).pipe(Effect.withRandomFixed([0.5, 0, 1, 0.5])))

  it.effect("does not run out, however often it is asked", () =>
    Effect.gen(function*() {
      const { startedAt } = yield* simulate(Effect.gen(function*() {
        const { client, startedAt } = scripted(failing(unavailable))
        yield* Effect.exit(client.pipe(Retry.withRetry({ count: 1100 })).get(url))
        return { startedAt }
      }))
      assert.strictEqual(startedAt.length, 1101)
      assert.deepStrictEqual(gaps(startedAt).slice(-2), [16_000, 16_000])
    }).pipe(inTheMiddle))

  it.effect("a retry that is not sent is the last, and what the target said before is the error", () =>
    Effect.gen(function*() {
      const open = new RouterError.BreakerOpen({ retryAfter: Duration.seconds(5) })
      const { client, startedAt } = scripted<RouterError.TargetError | RouterError.NotSent>(
        failing(unavailable),
        failing(open),
        ok
      )
      const error = yield* withinTheHour(Effect.flip(client.pipe(Retry.withRetry({ count: 3 })).get(url)))
      assert.strictEqual(error, unavailable)
      assert.deepStrictEqual(startedAt, [0, 1000])
    }).pipe(inTheMiddle))

  it.effect("one value serves many calls at once, each from its own beginning", () =>
    Effect.gen(function*() {
      const policy = Retry.withRetry({ count: 2 })
      const [one, two] = [scripted(failing(unavailable)), scripted(failing(unavailable))]
      yield* withinTheHour(Effect.all([
        Effect.exit(policy(one.client).get(url)),
        Effect.delay(Effect.exit(policy(two.client).get(url)), "1500 millis")
      ], { concurrency: "unbounded" }))
      assert.deepStrictEqual(one.startedAt, [0, 1000, 3000])
      assert.deepStrictEqual(two.startedAt, [1500, 2500, 4500])
    }).pipe(inTheMiddle))
})

describe("Retry.fullJitter", () => {
  const waits = (error: RouterError.RouterError, count: number) =>
    Effect.map(
      run({ count, backoff: Retry.fullJitter, onCodes: [429, 503, 529] }, failing(error)),
      (_) => gaps(_.startedAt)
    )

  it.effect("its bound doubles from 100 ms to 20 s", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        (yield* waits(unavailable, 10)).map(Math.round),
        [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 20_000, 20_000]
      )
    }).pipe(atTheMost))

  it.effect("its bound doubles from 1 s after 429 and 529", () =>
    Effect.gen(function*() {
      const bounds = [1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]
      assert.deepStrictEqual((yield* waits(rateLimited(), 7)).map(Math.round), bounds)
      const overloaded = new RouterError.Overloaded({ status: 529 })
      assert.deepStrictEqual((yield* waits(overloaded, 7)).map(Math.round), bounds)
    }).pipe(atTheMost))

  it.effect("begins at nothing, and what an answer asks for is still waited for", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* waits(unavailable, 3), [0, 0, 0])
      assert.deepStrictEqual(yield* waits(rateLimited("3 seconds"), 2), [3000, 3000])
    }).pipe(atTheLeast))

  it.effect("L8: the mean is half the bound, and no wait is longer than the bound", () =>
    Effect.gen(function*() {
      const runs = 4000
      const first = yield* Effect.forEach(Array.from({ length: runs }), () =>
        Effect.map(
          Retry.fullJitter.step(0, rateLimited(), Retry.fullJitter.initial),
          ([, , decision]) =>
            decision._tag === "Continue" ? Chunk.toArray(decision.intervals.intervals)[0]!.startMillis : -1
        ))
      assert.isTrue(first.every((wait) => wait >= 0 && wait <= 1000))
      const mean = first.reduce((sum, wait) => sum + wait, 0) / runs
      const sigma = 1000 / Math.sqrt(12 * runs)
      assert.isTrue(Math.abs(mean - 500) <= 3 * sigma, `the mean is ${mean}`)
    }).pipe(Effect.withRandom(Random.make("L8"))))
})

describe("Retry.withRetry counts", () => {
  const at = (count: number) => Effect.map(run({ count }, failing(unavailable)), (_) => _.startedAt.length)

  it.effect("extra attempts", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Effect.forEach([0, 1, 2, 5], at), [1, 2, 3, 6])
    }).pipe(inTheMiddle))

  it.effect("three when nothing is said", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(failing(unavailable))
      yield* withinTheHour(Effect.exit(client.pipe(Retry.withRetry()).get(url)))
      assert.strictEqual(startedAt.length, 4)
      assert.strictEqual((yield* run({ count: undefined }, failing(unavailable))).startedAt.length, 4)
      assert.strictEqual(Retry.defaultCount, 3)
    }))

  it.effect("nothing once an attempt succeeds, and passes the last failure on when none does", () =>
    Effect.gen(function*() {
      const recovers = yield* run({ count: 3 }, failing(unavailable), failing(rateLimited()), ok, failing(unavailable))
      assert.deepStrictEqual(recovers, { exit: 200, millis: 3000, startedAt: [0, 1000, 3000] })
      const last = yield* run({ count: 1 }, failing(unavailable), failing(rateLimited()))
      assert.deepStrictEqual(last, { exit: "RateLimited", millis: 1000, startedAt: [0, 1000] })
    }).pipe(inTheMiddle))

  it.effect("per call: a client that is used again begins anew", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(failing(unavailable))
      const retried = client.pipe(Retry.withRetry({ count: 1 }))
      yield* withinTheHour(Effect.exit(retried.get(url)))
      yield* withinTheHour(Effect.exit(retried.get(url)))
      assert.strictEqual(startedAt.length, 4)
    }))

  it.effect("nested retries multiply", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(failing(unavailable))
      const nested = client.pipe(Retry.withRetry({ count: 2 }), Retry.withRetry({ count: 1 }))
      yield* withinTheHour(Effect.exit(nested.get(url)))
      assert.deepStrictEqual(gaps(startedAt), [1000, 2000, 1000, 1000, 2000])
    }).pipe(inTheMiddle))
})

describe("Retry.withRetry and codes", () => {
  const attempts = (error: RouterError.RouterError | Cause.TimeoutException, onCodes?: ReadonlyArray<number>) =>
    Effect.map(run({ count: 1, onCodes }, failing(error)), (_) => _.startedAt.length)

  const transport = new RouterError.Transport({ stage: "exchange" })
  const timeout = new RouterError.Timeout({ phase: "call", limit: Duration.seconds(1) })
  const malformed = new RouterError.BadResponse({ status: 200, reason: "HTML" })

  it.effect("429, 500, 502, 503, 504 when nothing is said", () =>
    Effect.gen(function*() {
      const statuses = [400, 401, 403, 404, 408, 409, 422, 425, 429, 500, 501, 502, 503, 504, 520, 529]
      const retried = yield* Effect.filter(statuses, (status) =>
        Effect.map(attempts(new RouterError.Unavailable({ status })), (count) => count === 2))
      assert.deepStrictEqual(retried, [429, 500, 502, 503, 504])
      assert.deepStrictEqual([...Retry.defaultOnCodes], retried)
    }))

  it.effect("those that are listed and no others", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* attempts(unavailable, [429]), 1)
      assert.strictEqual(yield* attempts(unavailable, []), 1)
      assert.strictEqual(yield* attempts(rateLimited(), [429]), 2)
      assert.strictEqual(yield* attempts(new RouterError.Overloaded({ status: 529 }), [529]), 2)
    }))

  it.effect("a listed 401, 404 or 400 of the provider is retried", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* attempts(new RouterError.Auth({ status: 401 }), [401]), 2)
      assert.strictEqual(yield* attempts(new RouterError.NotFound({ status: 404 }), [404]), 2)
      assert.strictEqual(yield* attempts(new RouterError.InvalidRequest({ status: 400 }), [400]), 2)
    }))

  it.effect("a timeout is 504, a broken connection and a malformed answer are 502", () =>
    Effect.gen(function*() {
      const codes = [502, 504].map((code) => [code])
      const on = (error: RouterError.RouterError | Cause.TimeoutException) =>
        Effect.forEach(codes, (onCodes) => attempts(error, onCodes))
      assert.deepStrictEqual(yield* on(timeout), [1, 2])
      assert.deepStrictEqual(yield* on(new Cause.TimeoutException()), [1, 2])
      assert.deepStrictEqual(yield* on(transport), [2, 1])
      assert.deepStrictEqual(yield* on(malformed), [2, 1])
      assert.deepStrictEqual(yield* on(new RouterError.EmptyCompletion({ status: 200 })), [2, 1])
      assert.deepStrictEqual(yield* on(new RouterError.StreamTruncated({ status: 200 })), [2, 1])
    }))

  it.effect("an error inside a success has the code that it stands for", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* attempts(new RouterError.RateLimited({ status: 200, impliedStatus: 429 }), [429]), 2)
      assert.strictEqual(
        yield* attempts(new RouterError.RateLimited({ status: 200, impliedStatus: 429 }), [200, 502]),
        1
      )
    }))

  const all = Array.from({ length: 500 }, (_, index) => index + 100)
  const headers = { "x-should-retry": "true" }
  const never: ReadonlyArray<RouterError.RouterError> = [
    new RouterError.QuotaExhausted({ status: 429, headers, retryAfter: Duration.seconds(1) }),
    new RouterError.ContextLengthExceeded({ status: 400, headers }),
    new RouterError.ContentFiltered({ status: 400, headers }),
    new RouterError.ResponseTooLarge({ status: 200, headers, limit: "bytes", maximum: 1 }),
    new RouterError.DeadlineExceeded({ limit: Duration.seconds(1) }),
    new RouterError.StreamInterrupted({
      cause: transport,
      delivered: 1,
      partial: Redacted.make({ id: "c", object: "chat.completion", created: 0, model: "m", choices: [] })
    }),
    RouterError.invalidField("model", "expected a text"),
    RouterError.allTargetsFailed<RouterError.TargetError>([
      new RouterError.Unavailable({ status: 503 }),
      new RouterError.QuotaExhausted({ status: 429 })
    ])
  ]

  for (const error of never) {
    it.effect(`never retries ${error._tag}, whatever is listed and whatever the answer wishes`, () =>
      Effect.gen(function*() {
        const { exit, millis, startedAt } = yield* run({ count: 3, onCodes: all }, failing(error))
        assert.deepStrictEqual([exit, millis, startedAt], [error._tag, 0, [0]])
      }))
  }

  it.effect("errors that nobody knows are passed through", () =>
    Effect.gen(function*() {
      const { exit, startedAt } = yield* run({ count: 3, onCodes: all }, failing({ _tag: "Mine", status: 503 }))
      assert.deepStrictEqual([exit, startedAt], ["Mine", [0]])
    }))

  it.effect("x-should-retry: true retries what is not listed, false stops what is", () =>
    Effect.gen(function*() {
      const wish = (value: string) => ({ headers: { "x-should-retry": value } })
      assert.strictEqual(yield* attempts(new RouterError.InvalidRequest({ status: 400, ...wish("true") })), 2)
      assert.strictEqual(yield* attempts(new RouterError.Unavailable({ status: 503, ...wish("true") }), []), 2)
      assert.strictEqual(yield* attempts(new RouterError.Unavailable({ status: 503, ...wish("false") })), 1)
      assert.strictEqual(yield* attempts(new RouterError.Unavailable({ status: 503, ...wish("no") })), 2)
    }))

  it.effect("an error without any status has no code that could be listed, whatever its answer wishes", () =>
    Effect.gen(function*() {
      const error = new RouterError.Unavailable({ headers: { "x-should-retry": "true" } })
      assert.strictEqual(yield* attempts(error, Array.from({ length: 500 }, (_, index) => index + 100)), 1)
    }))

  it.effect("x-should-retry of a success says nothing about the answer that is none", () =>
    Effect.gen(function*() {
      const wish = (value: string) => ({ status: 200, reason: "HTML", headers: { "x-should-retry": value } })
      assert.strictEqual(yield* attempts(new RouterError.BadResponse(wish("false"))), 2)
      assert.strictEqual(yield* attempts(new RouterError.BadResponse(wish("true")), [429]), 1)
    }))
})

describe("Retry.withRetry and what an answer asks for", () => {
  it.effect("is a floor: the backoff may be longer, never shorter", () =>
    Effect.gen(function*() {
      const waits = (hint: Duration.DurationInput) =>
        Effect.map(run({ count: 3 }, failing(rateLimited(hint))), (_) => gaps(_.startedAt))
      assert.deepStrictEqual(yield* waits("500 millis"), [750, 1500, 3000])
      assert.deepStrictEqual(yield* waits("2 seconds"), [2000, 2000, 3000])
      assert.deepStrictEqual(yield* waits("60 seconds"), [60_000, 60_000, 60_000])
      assert.deepStrictEqual(yield* waits(0), [750, 1500, 3000])
    }).pipe(atTheLeast))

  it.effect("is stretched by 10 % at most", () =>
    Effect.gen(function*() {
      const { startedAt } = yield* run({ count: 1 }, failing(rateLimited("20 seconds")))
      assert.isTrue(startedAt[1]! >= 21_999 && startedAt[1]! <= 22_000, `${startedAt[1]}`)
    }).pipe(atTheMost))

  it.live.prop(
    "is never undercut and never stretched by more than 10 %",
    {
      hint: FastCheck.integer({ min: 1001, max: 60_000 }),
      random: FastCheck.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })
    },
    ({ hint, random }) =>
      simulate(Effect.gen(function*() {
        const { client, startedAt } = scripted<RouterError.RouterError>(failing(rateLimited(hint)), ok)
        const backoff = Schedule.spaced("1 second")
        yield* client.pipe(Retry.withRetry({ count: 1, backoff })).get(url)
        assert.isTrue(startedAt[1]! >= hint && startedAt[1]! <= hint * 1.1, `${startedAt[1]}`)
      })).pipe(Effect.withRandomFixed([random])),
    { fastCheck: { numRuns: 1000 } }
  )

  it.effect("counts only from the latest answer", () =>
    Effect.gen(function*() {
      const { startedAt } = yield* run(
        { count: 4 },
        failing(rateLimited("30 seconds")),
        failing(rateLimited()),
        failing(unavailable),
        failing(rateLimited("9 seconds")),
        failing(rateLimited("9 seconds"))
      )
      assert.deepStrictEqual(gaps(startedAt), [30_000, 1500, 3000, 9000])
    }).pipe(atTheLeast))

  it.effect("longer than a minute: fails at once, without a wait", () =>
    Effect.gen(function*() {
      const { exit, millis, startedAt } = yield* run({ count: 3 }, failing(rateLimited(60_001)), ok)
      assert.deepStrictEqual([exit, millis, startedAt], ["RateLimited", 0, [0]])
    }))

  it.effect("longer than maxRetryAfter: the same, and exactly as long is waited for", () =>
    Effect.gen(function*() {
      const options = { count: 1, maxRetryAfter: "10 seconds" } as const
      assert.strictEqual((yield* run(options, failing(rateLimited("10 seconds")), ok)).millis, 10_000)
      assert.strictEqual((yield* run(options, failing(rateLimited(10_001)), ok)).exit, "RateLimited")
      const endless = { count: 1, maxRetryAfter: Duration.infinity }
      assert.strictEqual((yield* run(endless, failing(rateLimited("30 minutes")), ok)).millis, 1_800_000)
      assert.strictEqual((yield* run({ count: 1, maxRetryAfter: 0 }, failing(rateLimited(1)), ok)).millis, 0)
      assert.strictEqual((yield* run({ count: 1, maxRetryAfter: 0 }, failing(rateLimited()), ok)).millis, 750)
    }).pipe(atTheLeast))
})

describe("Retry.withRetry and a deadline", () => {
  const within = (
    deadline: Duration.DurationInput,
    options: Retry.Options,
    ...answers: ReadonlyArray<Answer<Tagged>>
  ) => trace(HttpPolicy.compose(Retry.withRetry(options), Timeout.withDeadline(deadline)), ...answers)

  it.effect("a wait that does not fit is not begun: the last failure is known at once", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* within("10 seconds", { count: 5 }, failing(unavailable)),
        { exit: "Unavailable", millis: 7000, startedAt: [0, 1000, 3000, 7000] }
      )
    }).pipe(inTheMiddle))

  it.effect("an answer that asks for more than there is left", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* within("10 seconds", { count: 5 }, failing(rateLimited("30 seconds")), ok),
        { exit: "RateLimited", millis: 0, startedAt: [0] }
      )
    }).pipe(inTheMiddle))

  it.effect("a wait that leaves no time for an attempt is not begun", () =>
    Effect.gen(function*() {
      const backoff = Schedule.spaced("1 second")
      const attempts = (deadline: number) =>
        Effect.map(within(deadline, { count: 1, backoff }, failing(unavailable), ok), (_) => [_.exit, _.millis])
      assert.deepStrictEqual(yield* attempts(1000), ["Unavailable", 0])
      assert.deepStrictEqual(yield* attempts(1000.5), ["Unavailable", 0])
      assert.deepStrictEqual(yield* attempts(1001), [200, 1000])
    }))

  it.effect("the time of the attempts counts too", () =>
    Effect.gen(function*() {
      const slow = after("4 seconds", failing(unavailable))
      assert.deepStrictEqual(
        yield* within("10 seconds", { count: 5 }, slow, slow, ok),
        { exit: "Unavailable", millis: 9000, startedAt: [0, 5000] }
      )
    }).pipe(inTheMiddle))

  it.effect("the call timeout around an attempt is no deadline for the retry outside of it", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(after("5 seconds", ok), ok)
      const retried = client.pipe(Timeout.withCallTimeout("500 millis"), Retry.withRetry({ count: 1 }))
      const [exit, millis] = yield* withinTheHour(timed(retried.get(url)))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual([millis, startedAt], [1500, [0, 1500]])
    }).pipe(inTheMiddle))
})

describe("Retry.withRetry and schedules of one's own", () => {
  const waits = <R = never>(backoff: Schedule.Schedule<unknown, unknown, R>, count = 3) =>
    Effect.map(run({ count, backoff }, failing(unavailable)), (_) => gaps(_.startedAt))

  it.effect("replace the default", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* waits(Schedule.spaced("250 millis")), [250, 250, 250])
      assert.deepStrictEqual(yield* waits(Schedule.linear("10 millis")), [10, 20, 30])
      assert.deepStrictEqual(yield* waits(Schedule.fibonacci("1 second"), 5), [1000, 1000, 2000, 3000, 5000])
      assert.deepStrictEqual(yield* waits(Schedule.recurs(10)), [0, 0, 0])
    }))

  it.effect("end the retries before the count does, with the last failure", () =>
    Effect.gen(function*() {
      const end = (backoff: Schedule.Schedule<unknown>) =>
        Effect.map(
          run({ count: 9, backoff }, failing(unavailable)),
          ({ exit, startedAt }) => [exit, ...gaps(startedAt)]
        )
      assert.deepStrictEqual(yield* end(Schedule.recurs(1)), ["Unavailable", 0])
      assert.deepStrictEqual(yield* end(Schedule.recurs(0)), ["Unavailable"])
      const twoSeconds = Schedule.upTo(Schedule.spaced("1 second"), "2 seconds")
      assert.deepStrictEqual(yield* end(twoSeconds), ["Unavailable", 1000, 1000])
    }))

  it.effect("do not outlast the count", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* waits(Schedule.forever, 2), [0, 0])
    }))

  it.effect("are given the error of each attempt", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const backoff = Schedule.tapInput(Schedule.spaced("1 second"), (error: unknown) =>
        Effect.sync(() => seen.push(error)))
      const first = rateLimited()
      yield* run({ count: 2, backoff }, failing(first), failing(unavailable), ok)
      assert.deepStrictEqual(seen, [first, unavailable])
    }))

  it.effect("are not asked about what is not retried", () =>
    Effect.gen(function*() {
      const backoff = Schedule.tapInput(Schedule.forever, () => Effect.dieMessage("asked"))
      assert.strictEqual(
        (yield* run({ count: 2, backoff }, failing(new RouterError.Auth({ status: 401 })))).exit,
        "Auth"
      )
      assert.strictEqual((yield* run({ count: 2, backoff }, ok)).exit, 200)
    }))

  it.effect("may need services", () =>
    Effect.gen(function*() {
      class Pause extends Context.Tag("Pause")<Pause, Duration.Duration>() {}
      const backoff = Schedule.addDelayEffect(Schedule.forever, () => Pause)
      const millis = yield* Effect.provideService(waits(backoff, 1), Pause, Duration.millis(42))
      assert.deepStrictEqual(millis, [42])
    }))

  it.effect("a wait without an end is not begun", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* waits(Schedule.spaced(Duration.infinity)), [])
    }))
})

describe("Retry.withRetry over any client", () => {
  /** Reads the whole answer, as its user would. */
  const read = (client: HttpClient.HttpClient) => Effect.flatMap(client.get(url), (response) => response.text)

  const over = (options: Retry.Options, ...answers: ReadonlyArray<Testing.Answer>) =>
    Effect.map(Testing.makeTransport({ p: answers }), (transport) => ({
      ...transport,
      retried: transport.client.pipe(HttpClient.filterStatusOk, Retry.withRetry(options))
    }))

  const starts = (calls: ReadonlyArray<Testing.RecordedRequest>) => calls.map((call) => call.startedAtMillis)

  it.effect("retries statuses and broken connections of filterStatusOk", () =>
    Effect.gen(function*() {
      const { calls, open, retried } = yield* over(
        {},
        Testing.status(503),
        Testing.refuse,
        Testing.status(429, { retryAfter: 9 }),
        Testing.raw({ body: "hello" })
      )
      assert.strictEqual(yield* withinTheHour(read(retried)), "hello")
      assert.deepStrictEqual(starts(yield* calls), [0, 1000, 3000, 12_450])
      assert.strictEqual(yield* open, 0)
    }).pipe(inTheMiddle))

  it.effect("reads retry-after-ms, and a date by the answer's own clock", () =>
    Effect.gen(function*() {
      const date = new Date(0).toUTCString()
      const { calls, retried } = yield* over(
        {},
        Testing.status(429, { headers: { "retry-after-ms": "5000", "retry-after": "1" } }),
        Testing.status(429, { headers: { "retry-after": new Date(8000).toUTCString(), date } }),
        Testing.raw({ body: "hello" })
      )
      yield* TestClock.adjust("1 day")
      yield* withinTheHour(read(retried))
      assert.deepStrictEqual(gaps(starts(yield* calls)), [5000, 8000])
    }).pipe(atTheLeast))

  it.effect("without filterStatusOk an error status is an answer like any other", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ p: Testing.status(503) })
      assert.strictEqual((yield* client.pipe(Retry.withRetry()).get(url)).status, 503)
    }))

  it.effect("leaves the body of the failure that it passes on to be read", () =>
    Effect.gen(function*() {
      const { retried } = yield* over(
        { count: 1 },
        Testing.status(503, { body: "first" }),
        Testing.status(503, { body: "last" })
      )
      const error = yield* withinTheHour(Effect.flip(retried.get(url)))
      assert.strictEqual(error._tag, "ResponseError")
      if (error._tag === "ResponseError") {
        assert.strictEqual(yield* error.response.text, "last")
      }
    }))

  const endless = Testing.raw({ status: 503, chunks: ["busy"], end: "stall" })

  it.effect("reads the body that nobody read while it waits", () =>
    Effect.gen(function*() {
      const { calls, open, retried } = yield* over({ count: 1 }, Testing.status(503), Testing.hang)
      const fiber = yield* Effect.fork(read(retried))
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* open, 0)
      assert.deepStrictEqual((yield* calls).map((call) => call.aborted), [false])
      yield* Fiber.interrupt(fiber)
    }).pipe(inTheMiddle))

  it.effect("closes a body that does not end when the wait is over", () =>
    Effect.gen(function*() {
      const { calls, open, retried } = yield* over({ count: 1 }, endless, Testing.raw({ body: "hello" }))
      assert.strictEqual(yield* withinTheHour(read(retried)), "hello")
      const [first, second] = yield* calls
      assert.deepStrictEqual([first?.abortedAtMillis, second?.startedAtMillis], [1000, 1000])
      assert.strictEqual(yield* open, 0)
    }).pipe(inTheMiddle))

  it.effect("closes it also when there is no wait", () =>
    Effect.gen(function*() {
      const { calls, open, retried } = yield* over(
        { count: 2, backoff: Schedule.forever },
        endless,
        endless,
        Testing.raw({ body: "hello" })
      )
      assert.strictEqual(yield* withinTheHour(read(retried)), "hello")
      assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [0, 0, undefined])
      assert.strictEqual(yield* open, 0)
    }))

  it.effect("closes a body that is too large to be read for nothing", () =>
    Effect.gen(function*() {
      const flood = Testing.raw({
        status: 503,
        chunks: Array.from({ length: 100 }, () => new Uint8Array(8 * 1024)),
        between: 1
      })
      const { calls, retried } = yield* over({ count: 1 }, flood, Testing.raw({ body: "hello" }))
      yield* withinTheHour(read(retried))
      const [first] = yield* calls
      assert.strictEqual(first?.abortedAtMillis, 7)
    }).pipe(inTheMiddle))

  it.effect("closes the bodies of all targets of a chain that failed", () =>
    Effect.gen(function*() {
      const { calls, client, open } = yield* Testing.makeTransport({ p: endless })
      const strict = Effect.flip(client.pipe(HttpClient.filterStatusOk).get(url))
      const failures = Effect.flatMap(Effect.all([strict, strict]), (errors) =>
        Effect.fail(RouterError.allTargetsFailed<unknown>(errors)))
      const chain = scripted<Tagged>(() =>
        Effect.catchAll(failures, (error) =>
          error instanceof RouterError.AllTargetsFailed ? Effect.fail(error) : Effect.dieMessage("not a failure")), ok)
      const exit = yield* withinTheHour(Effect.exit(chain.client.pipe(Retry.withRetry({ count: 1 })).get(url)))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(
        (yield* calls).map((call) =>
          call.abortedAtMillis
        ),
        [1000, 1000]
      )
      assert.strictEqual(yield* open, 0)
    }).pipe(inTheMiddle))

  it.effect("goes on when the body had been read before", () =>
    Effect.gen(function*() {
      const web: Answer = (request) =>
        Effect.succeed(HttpClientResponse.fromWeb(request, new Response("busy", { status: 503 })))
      const { client } = scripted(web, web, ok)
      const retried = client.pipe(HttpClient.tap((_) => _.text), HttpClient.filterStatusOk, Retry.withRetry())
      assert.strictEqual(yield* withinTheHour(Effect.flatMap(retried.get(url), (_) => _.text)), "ok")
    }))

  it.effect("a body that breaks while it is read for nothing does not matter", () =>
    Effect.gen(function*() {
      const broken = Testing.raw({ status: 503, chunks: ["a"], end: "reset", between: 10 })
      const { calls, retried } = yield* over({ count: 1 }, broken, Testing.raw({ body: "hello" }))
      assert.strictEqual(yield* withinTheHour(read(retried)), "hello")
      assert.deepStrictEqual(starts(yield* calls), [0, 1000])
    }).pipe(inTheMiddle))

  it.effect("a timeout in the body of a client that reads it counts as a timeout", () =>
    Effect.gen(function*() {
      const stall = Testing.raw({ chunks: ["a"], end: "stall" })
      const { calls, client } = yield* Testing.makeTransport({ p: [stall, Testing.raw({ body: "hello" })] })
      const whole = client.pipe(Timeout.withCallTimeout("1 second"), HttpClient.tap((_) => _.text))
      const retried = whole.pipe(Retry.withRetry({ count: 1, onCodes: [504] }))
      yield* withinTheHour(retried.get(url))
      assert.deepStrictEqual(starts(yield* calls), [0, 2000])
    }).pipe(inTheMiddle))
})

describe("Retry.withRetry and the end of its fiber", () => {
  it.effect("interruption of the wait starts no attempt", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(failing(unavailable), ok)
      const fiber = yield* Effect.fork(client.pipe(Retry.withRetry()).get(url))
      yield* TestClock.adjust("500 millis")
      const exit = yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      assert.isTrue(Exit.isInterrupted(exit))
      assert.deepStrictEqual(startedAt, [0])
    }).pipe(inTheMiddle))

  it.effect("interruption of an attempt starts no other one, and closes it", () =>
    Effect.gen(function*() {
      const { calls, client, open } = yield* Testing.makeTransport({ p: Testing.hang })
      const fiber = yield* Effect.fork(client.pipe(Retry.withRetry()).get(url))
      yield* TestClock.adjust("500 millis")
      const exit = yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
      assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [500])
      assert.strictEqual(yield* open, 0)
    }))

  it.effect("a client that interrupts itself is not asked again", () =>
    Effect.gen(function*() {
      const { exit, startedAt } = yield* run({ count: 3 }, () => Effect.interrupt)
      assert.deepStrictEqual([exit, startedAt], ["interrupted", [0]])
    }))

  it.effect("defects are not retried", () =>
    Effect.gen(function*() {
      const { exit, startedAt } = yield* run({ count: 3 }, () => Effect.die(unavailable))
      assert.deepStrictEqual([exit, startedAt], ["defect", [0]])
      const thrown = yield* run({ count: 3 }, () => {
        throw new Error("a bug")
      })
      assert.deepStrictEqual([thrown.exit, thrown.startedAt], ["defect", [0]])
    }))
})

describe("Retry.withRetry options", () => {
  const pathOf = (options: Retry.Options): string | undefined => {
    try {
      Retry.withRetry(options)
      return "accepted"
    } catch (error) {
      return error instanceof RouterError.InvalidRequest ? error.path : `${error}`
    }
  }

  it("a count is a whole number from 0", () => {
    for (const count of [-1, 1.5, Number.NaN, Infinity, -Infinity]) {
      assert.strictEqual(pathOf({ count }), "count", `${count}`)
    }
    for (const count of [0, 1, 5, 1000]) {
      assert.strictEqual(pathOf({ count }), "accepted")
    }
  })

  it("a code is a whole number from 100 to 599, and the path says which one is not", () => {
    for (const code of [99, 600, 429.5, Number.NaN, -429, Infinity]) {
      assert.strictEqual(pathOf({ onCodes: [429, code, 500] }), "onCodes[1]", `${code}`)
    }
    assert.strictEqual(pathOf({ onCodes: [100, 599] }), "accepted")
    assert.strictEqual(pathOf({ onCodes: [] }), "accepted")
    assert.strictEqual(pathOf({ count: 0, onCodes: [1] }), "onCodes[0]")
  })

  it("maxRetryAfter is a duration", () => {
    for (const maxRetryAfter of [Number.NaN, -1]) {
      assert.strictEqual(pathOf({ maxRetryAfter }), "maxRetryAfter", `${maxRetryAfter}`)
    }
    assert.strictEqual(pathOf({ maxRetryAfter: JSON.parse("\"soon\"") }), "maxRetryAfter")
    assert.strictEqual(pathOf({ maxRetryAfter: 0 }), "accepted")
    assert.strictEqual(pathOf({ maxRetryAfter: Duration.infinity }), "accepted")
  })

  it.effect("are read once: a list that changes later changes nothing", () =>
    Effect.gen(function*() {
      const onCodes = [429]
      const { client, startedAt } = scripted(failing(unavailable))
      const retried = client.pipe(Retry.withRetry({ count: 1, onCodes }))
      onCodes.push(503)
      yield* withinTheHour(Effect.exit(retried.get(url)))
      assert.strictEqual(startedAt.length, 1)
    }))
})

/** What an upstream does with one request. */
interface Step {
  readonly delay: number
  /** An error status; 200; or, without one, a connection that breaks. */
  readonly status: number | undefined
  readonly hint: number
  readonly wish: boolean | undefined
}

const steps = (maxDelay: number) =>
  FastCheck.record<Step>({
    delay: FastCheck.integer({ min: 0, max: maxDelay }),
    status: FastCheck.constantFrom(200, 400, 401, 404, 429, 500, 503, 503, 504, 529, undefined),
    hint: FastCheck.oneof(FastCheck.constant(0), FastCheck.integer({ min: 1, max: 70_000 })),
    wish: FastCheck.constantFrom(undefined, undefined, undefined, true, false)
  })

const scripts = FastCheck.array(steps(5000), { minLength: 1, maxLength: 6 })
const counts = FastCheck.integer({ min: 0, max: 4 })

/** Fractions of which every product in the schedules is exact. */
const fractions = FastCheck.constantFrom(0, 0.25, 0.5, 0.75)

const answerOf = ({ delay, hint, status, wish }: Step): Testing.Answer => {
  if (status === undefined) {
    return Testing.delayed(Testing.reset, delay)
  }
  return status === 200 ? Testing.raw({ body: "hello", delay }) : Testing.status(status, {
    delay,
    headers: {
      ...(hint === 0 ? undefined : { "retry-after-ms": `${hint}` }),
      ...(wish === undefined ? undefined : { "x-should-retry": `${wish}` })
    }
  })
}

const exitOf = (exit: Exit.Exit<string, HttpClientError.HttpClientError | RouterError.RouterError>) =>
  Exit.match(exit, {
    onSuccess: (text): string | number => text,
    onFailure: Cause.match<string | number, HttpClientError.HttpClientError | RouterError.RouterError>({
      onEmpty: "empty",
      onFail: (error) => error._tag === "ResponseError" ? error.response.status : error._tag,
      onDie: (defect) => `died: ${defect}`,
      onInterrupt: () => "interrupted",
      onSequential: () => "several",
      onParallel: () => "several"
    })
  })

/** The exit of a call, the time it took and when each request arrived. */
const observe = (
  script: ReadonlyArray<Step>,
  policy: HttpPolicy.HttpPolicy<RouterError.RouterError>,
  random: number
) =>
  simulate(Effect.gen(function*() {
    const { calls, client } = yield* Testing.makeTransport({ p: script.map(answerOf) })
    const call = client.pipe(HttpClient.filterStatusOk, policy).get(url)
    const [exit, millis] = yield* timed(Effect.flatMap(call, (response) => response.text))
    return { exit: exitOf(exit), millis, starts: (yield* calls).map((call) => call.startedAtMillis) }
  })).pipe(Effect.withRandomFixed([random]))

/** The rules, in plain numbers. */
const predict = (script: ReadonlyArray<Step>, count: number, random: number, deadline = Infinity) => {
  const starts: Array<number> = []
  for (let millis = 0, attempt = 0;; attempt++) {
    const { delay, hint, status, wish } = script[Math.min(attempt, script.length - 1)]!
    starts.push(millis)
    millis += delay
    if (status === 200) {
      return { exit: "hello", millis, starts }
    }
    const asked = status === undefined ? 0 : hint
    const retried = (status === undefined ? undefined : wish) ?? [429, 500, 502, 503, 504].includes(status ?? 502)
    const scheduled = Math.ceil(Math.min(16_000, 1000 * 2 ** attempt) * (0.75 + random / 2))
    const wait = Math.max(scheduled, asked + Math.floor(asked * 0.1 * random))
    if (attempt === count || !retried || asked > 60_000 || millis + wait + 1 > deadline) {
      return { exit: status ?? "RequestError", millis, starts }
    }
    millis += wait
  }
}

// each run has a `VirtualClock`: the services of `it.effect` take longer to build than a run takes
describe("Retry.withRetry laws", () => {
  const runs = { fastCheck: { numRuns: 1000 }, timeout: 60_000 }
  const retry = (count: number) => Retry.withRetry({ count })

  it.live.prop(
    "L1: no extra attempts change nothing",
    { script: scripts, random: fractions },
    ({ random, script }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* observe(script, retry(0), random),
          yield* observe(script, HttpPolicy.identity, random)
        )
      }),
    runs
  )

  it.live.prop(
    "L2, L3, L4, L6: attempts, waits and exit are what the rules say",
    { script: scripts, count: counts, random: fractions },
    ({ count, random, script }) =>
      Effect.gen(function*() {
        const seen = yield* observe(script, retry(count), random)
        assert.deepStrictEqual(seen, predict(script, count, random))
        assert.isTrue(seen.starts.length <= 1 + count)
      }),
    runs
  )

  it.live.prop(
    "L5: what succeeds succeeds in the same way with more attempts",
    { script: scripts, count: counts, random: fractions },
    ({ count, random, script }) =>
      Effect.gen(function*() {
        const seen = yield* observe(script, retry(count), random)
        if (seen.exit === "hello") {
          assert.deepStrictEqual(yield* observe(script, retry(count + 1), random), seen)
        }
      }),
    runs
  )

  it.live.prop(
    "L7: nested retries make (a + 1)(b + 1) attempts, and fewer only when one of them stops",
    { script: scripts, a: FastCheck.integer({ min: 0, max: 2 }), b: FastCheck.integer({ min: 0, max: 2 }) },
    ({ a, b, script }) =>
      Effect.gen(function*() {
        const most = (a + 1) * (b + 1)
        const nested = HttpPolicy.compose(retry(b), retry(a))
        assert.isTrue((yield* observe(script, nested, 0.5)).starts.length <= most)
        const down = [{ delay: 0, status: 503, hint: 0, wish: undefined }]
        assert.strictEqual((yield* observe(down, nested, 0.5)).starts.length, most)
      }),
    runs
  )

  it.live.prop(
    "L9: no wait goes past the deadline, and the answers that come in time are the same",
    { script: scripts, count: counts, random: fractions, deadline: FastCheck.integer({ min: 1, max: 60_000 }) },
    ({ count, deadline, random, script }) =>
      Effect.gen(function*() {
        const limited = HttpPolicy.compose(retry(count), Timeout.withDeadline(deadline + 0.5))
        const seen = yield* observe(script, limited, random)
        const expected = predict(script, count, random, deadline + 0.5)
        assert.deepStrictEqual(
          seen,
          expected.millis > deadline
            ? {
              exit: "DeadlineExceeded",
              millis: deadline + 0.5,
              starts: expected.starts.filter((at) => at <= deadline)
            }
            : expected
        )
      }),
    runs
  )

  it.live.prop(
    "L9: what is slept is what lies between the attempts",
    { script: FastCheck.array(steps(0), { minLength: 1, maxLength: 6 }), count: counts, random: fractions },
    ({ count, random, script }) =>
      Effect.gen(function*() {
        const clock = new VirtualClock()
        const { calls, client } = yield* Testing.makeTransport({ p: script.map(answerOf) })
        const retried = client.pipe(HttpClient.filterStatusOk, retry(count))
        yield* Effect.exit(retried.get(url)).pipe(Effect.withClock(clock), Effect.withRandomFixed([random]))
        assert.deepStrictEqual(clock.slept, gaps((yield* calls).map((call) => call.startedAtMillis)))
      }),
    runs
  )

  it.live.prop(
    "L61: an interruption at any instant starts no attempt, leaves nothing open and is the exit",
    { script: scripts, random: fractions, millis: FastCheck.integer({ min: 0, max: 40_000 }) },
    ({ millis, random, script }) =>
      simulate(Effect.gen(function*() {
        const { calls, client, open } = yield* Testing.makeTransport({ p: script.map(answerOf) })
        const retried = client.pipe(HttpClient.filterStatusOk, retry(4))
        const fiber = yield* Effect.fork(Effect.flatMap(retried.get(url), (response) => response.text))
        yield* Effect.sleep(millis + 0.5)
        const wasDone = (yield* Fiber.poll(fiber))._tag === "Some"
        const exit = yield* Fiber.interrupt(fiber)
        yield* Effect.sleep("1 hour")
        const seen = yield* calls
        assert.isTrue(seen.every((call) => call.startedAtMillis <= millis))
        if (!wasDone) {
          assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
          assert.strictEqual(yield* open, 0)
        }
      })).pipe(Effect.withRandomFixed([random])),
    runs
  )
})
