import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Retry from "../../src/policy/Retry.js"
import * as RetryBudget from "../../src/policy/RetryBudget.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import { after, type Answer, failing, ok, scripted, simulate, VirtualClock } from "../support/scripted.js"

const url = Testing.baseUrl("p")

const unavailable = new RouterError.Unavailable({ status: 503 })
const down = failing(unavailable)

const retry = (count: number, waitMillis = 0) => Retry.withRetry({ count, backoff: Schedule.spaced(waitMillis) })

/** A client of `target` that is retried within its budget. */
const budgeted = <E = never>(
  target: string,
  policy: ReturnType<typeof retry>,
  ...answers: ReadonlyArray<Answer<E>>
) => {
  const { client, startedAt } = scripted(...answers)
  return { startedAt, call: client.pipe(policy, RetryBudget.withRetryBudget(target)).get(url) }
}

/** The error of a call that fails, and how many attempts it took. */
const failure = (target: string, count: number, answer: Answer<RouterError.TargetError> = down) =>
  Effect.suspend(() => {
    const { call, startedAt } = budgeted(target, retry(count), answer)
    return Effect.map(Effect.flip(call), (error) => ({ error, attempts: startedAt.length }))
  })

const succeed = (target: string) => Effect.suspend(() => budgeted(target, retry(0), ok).call)

const balanceOf = (target: string) =>
  Effect.map(RetryBudget.snapshot, (all) => all.find((one) => one.target === target)?.balance)

const assertBalance = (target: string, expected: number) =>
  Effect.map(balanceOf(target), (balance) => assert.closeTo(balance ?? NaN, expected, 1e-9))

const withBudget = (options?: RetryBudget.Options) => Effect.provide(RetryBudget.layer(options))

describe("RetryBudget.withRetryBudget", () => {
  it.effect("allows ten retries to begin with, and then fails at once with the error that there is", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* failure("p/m", 20)).attempts, 11)
      const { attempts, error } = yield* failure("p/m", 20)
      assert.strictEqual(attempts, 1)
      assert.deepStrictEqual({ ...error }, { ...RouterError.withContext(unavailable, { retryBudgetExhausted: true }) })
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    }).pipe(withBudget()))

  it.effect("an empty bucket is not waited for, however long the backoff is", () =>
    Effect.gen(function*() {
      const { call, startedAt } = budgeted("p/m", retry(3, 60_000), down)
      const error = yield* Effect.flip(call)
      assert.deepStrictEqual([error.retryBudgetExhausted, startedAt], [true, [0]])
    }).pipe(withBudget({ burst: 0, tokensPerSecond: 0 })))

  it.effect("the flag is only for those who would have been retried", () =>
    Effect.gen(function*() {
      const auth = yield* failure("p/m", 3, failing(new RouterError.Auth({ status: 401 })))
      assert.strictEqual(auth.error.retryBudgetExhausted, undefined)
      const last = yield* failure("p/m", 2).pipe(withBudget())
      assert.deepStrictEqual([last.attempts, last.error.retryBudgetExhausted], [3, undefined])
      const tooLate = budgeted("p/m", retry(3, 60_000), down).call
      const inTime = yield* Effect.flip(
        HttpClient.makeWith(() => tooLate, Effect.succeed).pipe(Timeout.withDeadline("1 second")).get(url)
      )
      assert.strictEqual(inTime.retryBudgetExhausted, undefined)
    }).pipe(withBudget({ burst: 0 })))

  it.effect("an error of another kind is passed on as it is", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ "*": Testing.status(503) })
      const call = client.pipe(HttpClient.filterStatusOk, retry(3), RetryBudget.withRetryBudget("p/m")).get(url)
      const error: HttpClientError.HttpClientError = yield* Effect.flip(call)
      assert.deepStrictEqual([error._tag, "retryBudgetExhausted" in error], ["ResponseError", false])
    }).pipe(withBudget({ burst: 0 })))

  it.effect("a success earns a fifth of a retry, once for a call, and a failure nothing", () =>
    Effect.gen(function*() {
      yield* failure("p/m", 20)
      yield* assertBalance("p/m", 0)
      yield* failure("p/m", 1)
      yield* assertBalance("p/m", 0)
      yield* Effect.replicateEffect(succeed("p/m"), 4)
      assert.strictEqual((yield* failure("p/m", 1)).attempts, 1)
      yield* succeed("p/m")
      yield* assertBalance("p/m", 1)
      yield* budgeted("p/m", retry(1), down, ok).call
      yield* assertBalance("p/m", 0.2)
    }).pipe(withBudget()))

  it.effect("a second earns one, up to a hundred", () =>
    Effect.gen(function*() {
      yield* failure("p/m", 20)
      yield* TestClock.adjust("999 millis")
      assert.strictEqual((yield* failure("p/m", 1)).attempts, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* failure("p/m", 1)).attempts, 2)
      yield* TestClock.adjust("30 seconds")
      yield* assertBalance("p/m", 30)
      yield* TestClock.adjust("1 day")
      yield* assertBalance("p/m", 100)
      yield* succeed("p/m")
      yield* assertBalance("p/m", 100)
      assert.strictEqual((yield* failure("p/m", 200)).attempts, 101)
    }).pipe(withBudget()))

  it.effect("every target has its own, shared by all clients of the layer", () =>
    Effect.gen(function*() {
      yield* failure("p/a", 6)
      yield* failure("p/b", 1)
      assert.strictEqual((yield* failure("p/a", 20)).attempts, 5)
      assert.deepStrictEqual(yield* RetryBudget.snapshot, [
        { target: "p/b", balance: 9 },
        { target: "p/a", balance: 0 }
      ])
    }).pipe(withBudget()))

  it.effect("of several, the innermost counts for what is inside of it", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(down)
      const call = client.pipe(
        retry(3),
        RetryBudget.withRetryBudget("inner"),
        retry(1),
        RetryBudget.withRetryBudget("outer")
      ).get(url)
      yield* Effect.flip(call)
      assert.strictEqual(startedAt.length, 8)
      yield* assertBalance("inner", 4)
      yield* assertBalance("outer", 9)
      yield* client.pipe(RetryBudget.withRetryBudget("unused")).get(url).pipe(Effect.flip)
      assert.strictEqual(yield* balanceOf("unused"), undefined)
    }).pipe(withBudget()))

  it.effect("without it retries are not bounded", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(down)
      const error = yield* Effect.flip(client.pipe(retry(50)).get(url))
      assert.deepStrictEqual([startedAt.length, error.retryBudgetExhausted], [51, undefined])
    }).pipe(withBudget({ burst: 0 })))

  it.effect("time is that of the monotonic clock", () => {
    const clock = new VirtualClock()
    return Effect.gen(function*() {
      yield* failure("p/m", 20)
      clock.jump = 3_600_000
      yield* assertBalance("p/m", 0)
      clock.jump = -3_600_000
      yield* assertBalance("p/m", 0)
    }).pipe(withBudget(), Effect.withClock(clock))
  })
})

describe("RetryBudget and interruption", () => {
  it.effect("a token comes back when the attempt that it was for has not begun", () =>
    Effect.gen(function*() {
      const { call, startedAt } = budgeted("p/m", retry(3, 1000), down)
      const fiber = yield* Effect.fork(call)
      yield* TestClock.adjust("1500 millis")
      yield* assertBalance("p/m", 8)
      yield* Fiber.interrupt(fiber)
      yield* assertBalance("p/m", 9)
      assert.strictEqual(startedAt.length, 2)
    }).pipe(withBudget({ tokensPerSecond: 0 })))

  it.effect("one that was used for an attempt does not", () =>
    Effect.gen(function*() {
      const { call, startedAt } = budgeted("p/m", retry(3, 1000), down, after("1 hour", ok))
      const fiber = yield* Effect.fork(call)
      yield* TestClock.adjust("1500 millis")
      yield* Fiber.interrupt(fiber)
      yield* assertBalance("p/m", 9)
      assert.strictEqual(startedAt.length, 2)
    }).pipe(withBudget({ tokensPerSecond: 0 })))

  it.effect("a token that comes back does not exceed the cap", () =>
    Effect.gen(function*() {
      const { call } = budgeted("p/m", retry(3, 60_000), down)
      const fiber = yield* Effect.fork(call)
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.interrupt(fiber)
      yield* assertBalance("p/m", 20)
    }).pipe(withBudget({ cap: 20 })))
})

describe("RetryBudget and a retry that is not sent", () => {
  const open = new RouterError.BreakerOpen({ retryAfter: Duration.seconds(5) })

  it.effect("takes no token, and the error is what the target said last", () =>
    Effect.gen(function*() {
      const overloaded = new RouterError.Overloaded({ status: 529, impliedStatus: 503 })
      const first = budgeted<RouterError.TargetError | RouterError.NotSent>("p/m", retry(3), down, failing(open))
      assert.strictEqual(yield* Effect.flip(first.call), unavailable)
      yield* assertBalance("p/m", 10)
      const second = budgeted<RouterError.TargetError | RouterError.NotSent>(
        "p/m",
        retry(3),
        down,
        failing(overloaded),
        failing(open)
      )
      assert.strictEqual(yield* Effect.flip(second.call), overloaded)
      yield* assertBalance("p/m", 9)
      assert.deepStrictEqual([first.startedAt.length, second.startedAt.length], [2, 3])
    }).pipe(withBudget({ tokensPerSecond: 0 })))

  it.effect("a first attempt that is not sent fails with that", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flip(budgeted("p/m", retry(3), failing(open)).call), open)
    }).pipe(withBudget()))
})

describe("RetryBudget.withToken", () => {
  const bucketOf = (budget: RetryBudget.Service) => ({
    withdraw: budget.withdraw("p/m"),
    giveBack: budget.giveBack("p/m")
  })

  it.effect("pays for what was begun, also when that fails, and gives back what was not", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ burst: 2, tokensPerSecond: 0 })
      const balance = Effect.map(budget.snapshot, ([one]) => one?.balance)
      const run = <A, E>(repeat: (begin: Effect.Effect<void>) => Effect.Effect<A, E>) =>
        Effect.either(RetryBudget.withToken(repeat, Effect.succeed("none"))).pipe(
          Effect.provideService(RetryBudget.CurrentRetryBudget, bucketOf(budget)),
          Effect.map(Either.merge)
        )
      assert.strictEqual(yield* run(() => Effect.succeed("not begun")), "not begun")
      assert.strictEqual(yield* balance, 2)
      assert.strictEqual(yield* run((begin) => Effect.zipRight(begin, Effect.fail("failed"))), "failed")
      assert.strictEqual(yield* balance, 1)
      assert.strictEqual(yield* run((begin) => Effect.as(begin, "done")), "done")
      assert.strictEqual(yield* run((begin) => Effect.as(begin, "done")), "none")
      assert.strictEqual(yield* balance, 0)
    }))

  it.effect("gives back at once, and once, what was begun and not sent", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ burst: 2, tokensPerSecond: 0, cap: 10 })
      const balance = Effect.map(budget.snapshot, ([one]) => one?.balance)
      const seen = yield* RetryBudget.withToken(
        (begin, notSent) => begin.pipe(Effect.zipRight(notSent), Effect.zipRight(notSent), Effect.zipRight(balance)),
        Effect.succeed(-1)
      ).pipe(Effect.provideService(RetryBudget.CurrentRetryBudget, bucketOf(budget)))
      assert.deepStrictEqual([seen, yield* balance], [2, 2])
    }))

  it.effect("both sides can be interrupted", () =>
    Effect.gen(function*() {
      const budget = yield* RetryBudget.make({ burst: 1, tokensPerSecond: 0 })
      const hang = RetryBudget.withToken((begin) => Effect.zipRight(begin, Effect.never), Effect.never).pipe(
        Effect.provideService(RetryBudget.CurrentRetryBudget, bucketOf(budget))
      )
      for (const fiber of [yield* Effect.fork(hang), yield* Effect.fork(hang)]) {
        yield* TestClock.adjust(0)
        yield* Fiber.interrupt(fiber)
      }
    }))
})

describe("RetryBudget options", () => {
  const path = (options: RetryBudget.Options) =>
    Either.try(() => RetryBudget.layer(options)).pipe(
      Either.flip,
      Either.map((error) => error instanceof RouterError.InvalidRequest ? error.issues[0]?.path : undefined),
      Either.getOrUndefined
    )

  it("are finite, not negative, and the burst is within the cap", () => {
    for (const name of ["burst", "cap", "tokensPerSuccess", "tokensPerSecond"] as const) {
      for (const wrong of [-1, -0.1, NaN, Infinity]) {
        assert.strictEqual(path({ [name]: wrong }), name)
      }
      assert.strictEqual(path({ burst: 0, [name]: 0 }), undefined)
    }
    assert.strictEqual(path({ burst: 5, cap: 4 }), "burst")
    assert.strictEqual(path({ cap: 9 }), "burst")
    assert.strictEqual(path({ burst: 4, cap: 4 }), undefined)
  })

  it("the defaults are those that are documented", () => {
    const { defaultBurst, defaultCap, defaultTokensPerSecond, defaultTokensPerSuccess } = RetryBudget
    assert.deepStrictEqual([defaultBurst, defaultCap, defaultTokensPerSuccess, defaultTokensPerSecond], [
      10,
      100,
      0.2,
      1
    ])
  })

  it.effect("undefined leaves the default", () =>
    Effect.gen(function*() {
      yield* failure("p/m", 4)
      yield* assertBalance("p/m", 6)
    }).pipe(
      withBudget({ burst: undefined, cap: undefined, tokensPerSuccess: undefined, tokensPerSecond: undefined })
    ))
})

describe("RetryBudget over many requests", () => {
  // as in Finagle's RetryBudgetTest: what is earned is used up, and nothing else
  for (const ratio of [0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 0.75, 0.99, 0.9999]) {
    it.effect(`10,000 successes at a ratio of ${ratio} pay for as many retries, give or take one`, () =>
      Effect.gen(function*() {
        const requests = 10_000
        const good = budgeted("p/m", retry(0), ok)
        const bad = budgeted("p/m", retry(1), down)
        for (let request = 0; request < requests; request++) {
          yield* good.call
          yield* Effect.flip(bad.call)
        }
        const retries = bad.startedAt.length - requests
        const expected = Math.min(RetryBudget.defaultBurst + ratio * requests, requests)
        assert.isTrue(Math.abs(retries - expected) <= 1, `${retries} instead of ${expected}`)
      }).pipe(withBudget({ tokensPerSuccess: ratio })))
  }

  it.effect("an outage of 1,000 calls that would be retried twice is amplified by the burst only", () =>
    Effect.gen(function*() {
      const { call, startedAt } = budgeted("p/m", retry(2), down)
      yield* Effect.replicateEffect(Effect.flip(call), 1000)
      assert.strictEqual(startedAt.length, 1010)
    }).pipe(withBudget()))
})

/** What is done to a target, one after the other. */
type Command =
  | { readonly _tag: "Pass"; readonly millis: number }
  | { readonly _tag: "Call"; readonly count: number; readonly waitMillis: number; readonly failures: number }
  | { readonly _tag: "Leave"; readonly waitMillis: number; readonly leftMillis: number }

const commands: FastCheck.Arbitrary<Command> = FastCheck.oneof(
  FastCheck.record({ _tag: FastCheck.constant("Pass" as const), millis: FastCheck.nat(20_000) }),
  FastCheck.record({
    _tag: FastCheck.constant("Call" as const),
    count: FastCheck.nat(12),
    waitMillis: FastCheck.constantFrom(0, 0, 1, 100, 1500),
    failures: FastCheck.nat(14)
  }),
  FastCheck.record({
    _tag: FastCheck.constant("Leave" as const),
    waitMillis: FastCheck.integer({ min: 2, max: 4000 }),
    leftMillis: FastCheck.integer({ min: 1, max: 9000 })
  })
)

type Rates = Required<{ readonly [Name in keyof RetryBudget.Options]: number }>

const settings: FastCheck.Arbitrary<Rates> = FastCheck.record({
  cap: FastCheck.constantFrom(0, 0.5, 3, 20, 100),
  burstShare: FastCheck.constantFrom(0, 0.5, 1),
  tokensPerSuccess: FastCheck.constantFrom(0, 0.2, 1, 2.5),
  tokensPerSecond: FastCheck.constantFrom(0, 0.1, 1)
}).map(({ burstShare, ...rates }) => ({ ...rates, burst: rates.cap * burstShare }))

/** What rounding may make of a balance. */
const epsilon = 1e-9

/** The model of a bucket. */
class Model {
  balance: number
  now = 0
  constructor(private readonly rates: Rates) {
    this.balance = rates.burst
  }
  add(tokens: number) {
    this.balance = Math.min(this.rates.cap, this.balance + tokens)
  }
  pass(millis: number) {
    this.now += millis
    this.add(millis / 1000 * this.rates.tokensPerSecond)
  }
  pay() {
    assert.isAbove(this.balance, 1 - epsilon, "nobody has paid for this retry")
    this.balance -= 1
  }
  /** Retries that were made, and the waits before each. */
  retried(retries: number, waitMillis: number) {
    for (let retry = 0; retry < retries; retry++) {
      this.pay()
      this.pass(waitMillis)
    }
  }
  assertEmpty() {
    assert.isBelow(this.balance, 1 + epsilon, "a token was there")
  }
}

interface Done {
  readonly retries: number
  readonly successes: number
}

const nothing: Done = { retries: 0, successes: 0 }

const runCall = (model: Model, rates: Rates, command: Command & { readonly _tag: "Call" }) =>
  Effect.gen(function*() {
    const answers = Array.from({ length: command.failures }, () => down)
    const { call, startedAt } = budgeted("p/m", retry(command.count, command.waitMillis), ...answers, ok)
    const result = yield* Effect.either(call)
    const retries = startedAt.length - 1
    const wanted = Math.min(command.count, command.failures)
    model.retried(retries, command.waitMillis)
    assert.strictEqual(Either.isRight(result), retries === command.failures)
    assert.strictEqual(Either.isLeft(result) && result.left.retryBudgetExhausted === true, retries < wanted)
    if (retries < wanted) {
      model.assertEmpty()
    }
    if (Either.isRight(result)) {
      model.add(rates.tokensPerSuccess)
    }
    return { retries, successes: Either.isRight(result) ? 1 : 0 }
  })

const runLeave = (model: Model, command: Command & { readonly _tag: "Leave" }) =>
  Effect.gen(function*() {
    const { call, startedAt } = budgeted("p/m", retry(12, command.waitMillis), down)
    const fiber = yield* Effect.fork(call)
    // never at the very moment at which an attempt begins
    const millis = command.leftMillis + 0.5
    yield* Effect.sleep(millis)
    const left = Option.isNone(yield* Fiber.poll(fiber))
    yield* Fiber.interrupt(fiber)
    const retries = startedAt.length - 1
    const rest = millis - retries * command.waitMillis
    model.retried(retries, command.waitMillis)
    if (left) {
      model.pay()
      model.pass(rest)
      model.add(1)
    } else {
      if (retries < 12) {
        model.assertEmpty()
      }
      model.pass(rest)
    }
    return { retries, successes: 0 }
  })

/** No span of time has more retries than were paid for in it or before. */
const assertLaw = (rates: Rates, steps: ReadonlyArray<Done & { readonly now: number; readonly balance: number }>) =>
  steps.forEach((first, index) => {
    let [retries, successes] = [0, 0]
    for (const step of steps.slice(index + 1)) {
      retries += step.retries
      successes += step.successes
      const seconds = (step.now - first.now) / 1000
      assert.isAtMost(
        retries,
        first.balance + rates.tokensPerSuccess * successes + rates.tokensPerSecond * seconds + 1e-6
      )
    }
  })

describe("RetryBudget laws", () => {
  it.live.prop(
    "L10, L11, L12: the balance is that of the model, and no span of time has more retries than it has paid for",
    { rates: settings, script: FastCheck.array(commands, { maxLength: 30 }) },
    ({ rates, script }) =>
      simulate(Effect.gen(function*() {
        const budget = yield* RetryBudget.RetryBudget
        // a bucket is made when it is first used
        if (yield* budget.withdraw("p/m")) {
          yield* budget.giveBack("p/m")
        }
        const model = new Model(rates)
        const steps = [{ ...nothing, now: 0, balance: rates.burst }]
        for (const command of script) {
          let done = nothing
          if (command._tag === "Pass") {
            yield* Effect.sleep(command.millis)
            model.pass(command.millis)
          } else {
            done = yield* command._tag === "Call" ? runCall(model, rates, command) : runLeave(model, command)
          }
          const balance = yield* balanceOf("p/m")
          assert.closeTo(balance ?? NaN, model.balance, epsilon)
          model.balance = balance!
          assert.isTrue(model.balance >= 0 && model.balance <= rates.cap, `a balance of ${balance}`)
          steps.push({ ...done, now: model.now, balance: model.balance })
        }
        assertLaw(rates, steps)
      })).pipe(withBudget(rates)),
    { fastCheck: { numRuns: 1000 } }
  )

  it.live.prop(
    "L10 with the defaults, for calls at the same time: retries are at most 0.2 · successes + 10 + seconds at any moment",
    {
      calls: FastCheck.array(
        FastCheck.record({
          atMillis: FastCheck.nat(20_000),
          waitMillis: FastCheck.constantFrom(1, 50, 700),
          failures: FastCheck.nat(6)
        }),
        { minLength: 1, maxLength: 60 }
      )
    },
    ({ calls }) =>
      simulate(Effect.gen(function*() {
        let [retries, successes] = [0, 0]
        const start = yield* Deferred.make<void>()
        const fibers = yield* Effect.forEach(calls, ({ atMillis, failures, waitMillis }) => {
          let attempts = 0
          const upstream: Answer<RouterError.Unavailable> = (request) =>
            Effect.gen(function*() {
              retries += attempts++ === 0 ? 0 : 1
              const seconds = (yield* Clock.currentTimeMillis) / 1000
              assert.isAtMost(retries, 0.2 * successes + 10 + seconds + 1e-9)
              return yield* attempts <= failures ? down(request) : ok(request)
            })
          const { call } = budgeted("p/m", retry(5, waitMillis), upstream)
          return Effect.fork(Effect.gen(function*() {
            yield* Deferred.await(start)
            yield* Effect.sleep(atMillis)
            const result = yield* Effect.either(call)
            successes += Either.isRight(result) ? 1 : 0
          }))
        })
        yield* Deferred.succeed(start, undefined)
        yield* Fiber.joinAll(fibers)
      })).pipe(withBudget()),
    { fastCheck: { numRuns: 1000 } }
  )
})
