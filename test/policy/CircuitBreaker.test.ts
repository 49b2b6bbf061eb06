import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { CallScope } from "../../src/internal/callScope.js"
import * as CircuitBreaker from "../../src/policy/CircuitBreaker.js"
import * as Retry from "../../src/policy/Retry.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as Settle from "../../src/wire/Settle.js"
import * as StreamResponse from "../../src/wire/StreamResponse.js"
import type { Answer } from "../support/scripted.js"
import {
  after,
  failing,
  ok,
  outcome,
  scripted,
  simulate,
  timed,
  VirtualClock,
  withinTheHour
} from "../support/scripted.js"

const url = Testing.baseUrl("p")
const target = "p/m"

const unavailable = new RouterError.Unavailable({ status: 503 })
const rateLimited = (retryAfter?: Duration.DurationInput) =>
  new RouterError.RateLimited({
    status: 429,
    retryAfter: retryAfter === undefined ? undefined : Duration.decode(retryAfter)
  })
const auth = new RouterError.Auth({ status: 401 })

const shortest = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.withRandomFixed(effect, [0])
const longest = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.withRandomFixed(effect, [1 - Number.EPSILON])

interface Tagged {
  readonly _tag: string
}

const status = (code: number, headers: Record<string, string> = {}): Answer => (request) =>
  Effect.succeed(HttpClientResponse.fromWeb(request, new Response(null, { status: code, headers })))

/** A client whose answers are those of `script`, from its beginning, behind the breaker of `target`. */
const make = (options?: CircuitBreaker.Options) =>
  Effect.map(CircuitBreaker.make(options), (service) => {
    const through = (answer: Answer<Tagged>, policy?: CircuitBreaker.PolicyOptions, name = target) => {
      const { client, startedAt } = scripted(answer)
      const call = client.pipe(CircuitBreaker.withCircuitBreaker(name, policy)).get(url).pipe(
        Effect.provideService(CircuitBreaker.CircuitBreaker, service),
        Effect.exit,
        Effect.map((exit) => outcome(Exit.map(exit, (response) => response.status)))
      )
      return { call, startedAt }
    }
    const call = (answer: Answer<Tagged>, policy?: CircuitBreaker.PolicyOptions, name?: string) =>
      through(answer, policy, name).call
    const state = Effect.map(service.snapshot, (states) => states.find((one) => one.target === target))
    return {
      service,
      through,
      call,
      calls: (times: number, answer: Answer<Tagged>) =>
        Effect.map(Effect.replicateEffect(call(answer), times), (ended) => ended.join(" ")),
      /** What a call is refused with, and how long it says. */
      refusal: scripted(failing({ _tag: "sent" })).client.pipe(CircuitBreaker.withCircuitBreaker(target)).get(url).pipe(
        Effect.provideService(CircuitBreaker.CircuitBreaker, service),
        Effect.flip,
        Effect.map((error) =>
          error instanceof RouterError.BreakerOpen
            ? [error._tag, Duration.toMillis(error.retryAfter)]
            : error instanceof RouterError.CoolingDown
            ? [error._tag, Duration.toMillis(error.retryAfter), error.reason]
            : [error._tag]
        )
      ),
      state
    }
  })

type Made = Effect.Effect.Success<ReturnType<typeof make>>

const trip = (made: Made) => made.calls(5, failing(unavailable))

describe("CircuitBreaker.withCircuitBreaker", () => {
  it.effect("opens after five failures in a row, and then sends nothing", () =>
    Effect.gen(function*() {
      const { call, calls, refusal, state, through } = yield* make()
      assert.strictEqual(
        yield* calls(4, failing(unavailable)),
        "Unavailable Unavailable Unavailable Unavailable"
      )
      assert.strictEqual(yield* call(ok), 200)
      yield* calls(4, failing(unavailable))
      assert.strictEqual((yield* state)?.state, "closed")
      yield* call(failing(unavailable))
      const upstream = through(ok)
      assert.strictEqual(yield* upstream.call, "BreakerOpen")
      assert.deepStrictEqual(upstream.startedAt, [])
      assert.deepStrictEqual(yield* refusal, ["BreakerOpen", 2500])
    }).pipe(shortest))

  it.effect("opens when half of ten calls failed", () =>
    Effect.gen(function*() {
      const { call, calls, state } = yield* make()
      for (let i = 0; i < 4; i++) {
        yield* call(failing(unavailable))
        yield* call(ok)
      }
      yield* call(ok)
      assert.strictEqual((yield* state)?.state, "closed")
      yield* call(failing(unavailable))
      assert.strictEqual((yield* state)?.state, "open", "five of ten")
      assert.strictEqual(yield* calls(2, ok), "BreakerOpen BreakerOpen")
    }))

  it.effect("forgets what is older than 30 seconds", () =>
    Effect.gen(function*() {
      const { calls, state } = yield* make({ consecutiveFailures: Infinity })
      yield* calls(9, failing(unavailable))
      yield* TestClock.adjust("29999 millis")
      assert.deepStrictEqual([(yield* state)?.calls, (yield* state)?.failures], [9, 9])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual([(yield* state)?.calls, (yield* state)?.failures], [0, 0])
      yield* calls(9, failing(unavailable))
      assert.strictEqual((yield* state)?.state, "closed")
    }))

  it.effect("is open for 2.5 to 5 seconds, then twice as long, up to a minute", () =>
    Effect.gen(function*() {
      const lengths = Effect.gen(function*() {
        const made = yield* make()
        yield* trip(made)
        return yield* Effect.forEach([1, 2, 3, 4, 5, 6], () =>
          Effect.gen(function*() {
            const millis = (yield* made.state)!.retryAfterMillis
            yield* TestClock.adjust(millis - 1)
            assert.deepStrictEqual(yield* made.refusal, ["BreakerOpen", 1])
            yield* TestClock.adjust(1)
            assert.strictEqual(yield* made.call(failing(unavailable)), "Unavailable")
            return millis
          }))
      })
      assert.deepStrictEqual(yield* shortest(lengths), [2500, 5000, 10_000, 20_000, 30_000, 30_000])
      assert.deepStrictEqual(yield* longest(lengths), [5000, 10_000, 20_000, 40_000, 60_000, 60_000])
    }))

  it.effect("closes when the probe succeeds, and is open for 5 seconds again after as long a quiet", () =>
    Effect.gen(function*() {
      const made = yield* make()
      yield* trip(made)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* made.call(ok), 200)
      assert.deepStrictEqual(yield* made.state, {
        target,
        state: "closed",
        calls: 1,
        failures: 0,
        consecutiveFailures: 0,
        retryAfterMillis: 0
      })
      yield* TestClock.adjust("4999 millis")
      yield* trip(made)
      assert.deepStrictEqual(yield* made.refusal, ["BreakerOpen", 10_000])
      yield* TestClock.adjust("10 seconds")
      yield* made.call(ok)
      yield* TestClock.adjust("10 seconds")
      yield* trip(made)
      assert.deepStrictEqual(yield* made.refusal, ["BreakerOpen", 5000])
    }).pipe(longest))

  it.effect("L27: lets one probe through, and refuses the others at once until it is over", () =>
    Effect.gen(function*() {
      const made = yield* make()
      yield* trip(made)
      yield* TestClock.adjust("5 seconds")
      const { call, startedAt } = made.through(after("1 second", ok))
      const fiber = yield* Effect.fork(Effect.all(Array.from({ length: 20 }, () => call), { concurrency: "unbounded" }))
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(startedAt.length, 1)
      assert.deepStrictEqual(yield* made.refusal, ["BreakerOpen", 59_001])
      assert.isFalse(yield* made.service.isEligible(target))
      yield* TestClock.adjust("1 millis")
      const ended = yield* Fiber.join(fiber)
      assert.deepStrictEqual(ended.filter((one) => one === "BreakerOpen").length, 19)
      assert.isTrue(yield* made.service.isEligible(target))
      assert.strictEqual(yield* made.calls(3, ok), "200 200 200")
    }))

  it.effect("a probe that is interrupted makes room for the next", () =>
    Effect.gen(function*() {
      const made = yield* make()
      yield* trip(made)
      yield* TestClock.adjust("5 seconds")
      const before = yield* made.state
      const probe = yield* Effect.fork(made.call(() => Effect.never))
      yield* TestClock.adjust("1 millis")
      assert.isFalse(yield* made.service.isEligible(target))
      yield* Fiber.interrupt(probe)
      assert.deepStrictEqual(yield* made.state, before)
      assert.strictEqual(yield* made.call(ok), 200)
    }))

  it.effect("a probe that hangs keeps the others waiting for maxOpenFor, and then has no say", () =>
    Effect.gen(function*() {
      const made = yield* make({ maxOpenFor: "20 seconds" })
      yield* trip(made)
      yield* TestClock.adjust("5 seconds")
      const hanging = yield* Effect.fork(made.call(after("20500 millis", failing(unavailable))))
      yield* TestClock.adjust("19999 millis")
      assert.deepStrictEqual(yield* made.refusal, ["BreakerOpen", 1])
      assert.isFalse(yield* made.service.isEligible(target))
      yield* TestClock.adjust("1 millis")
      assert.isTrue(yield* made.service.isEligible(target))
      const next = yield* Effect.fork(made.call(after("1 second", ok)))
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* Fiber.join(hanging), "Unavailable")
      assert.deepStrictEqual(yield* made.refusal, ["BreakerOpen", 19_500])
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* Fiber.join(next), 200)
      assert.strictEqual((yield* made.state)?.state, "closed")
    }))

  it.effect("calls that began before a trip change nothing when they end", () =>
    Effect.gen(function*() {
      const made = yield* make()
      const late = yield* Effect.fork(made.call(after("20 seconds", ok)))
      const failed = yield* Effect.fork(made.call(after("1 second", failing(unavailable))))
      yield* TestClock.adjust("500 millis")
      yield* trip(made)
      const open = yield* made.state
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* Fiber.join(failed), "Unavailable")
      assert.deepStrictEqual({ ...(yield* made.state), retryAfterMillis: 5000 }, open)
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual(yield* Fiber.join(late), 200)
      assert.strictEqual((yield* made.state)?.state, "halfOpen")
    }).pipe(longest))

  it.effect("keeps targets apart", () =>
    Effect.gen(function*() {
      const made = yield* make()
      yield* trip(made)
      assert.strictEqual(yield* made.call(ok, undefined, "p/other"), 200)
      assert.deepStrictEqual((yield* made.service.snapshot).map((one) => [one.target, one.state]), [
        [target, "open"],
        ["p/other", "closed"]
      ])
    }))

  it.effect("keeps to the monotonic clock", () =>
    Effect.gen(function*() {
      const clock = new VirtualClock()
      yield* Effect.gen(function*() {
        const made = yield* make()
        yield* trip(made)
        clock.jump = 3_600_000
        assert.deepStrictEqual(yield* made.refusal, ["BreakerOpen", 5000])
        clock.jump = -3_600_000
        yield* Effect.sleep("4999 millis")
        assert.deepStrictEqual(yield* made.refusal, ["BreakerOpen", 1])
        yield* Effect.sleep("1 millis")
        clock.jump = 0
        assert.strictEqual(yield* made.call(failing(rateLimited("1 minute"))), "RateLimited")
        clock.jump = 3_600_000
        assert.deepStrictEqual(yield* made.refusal, ["CoolingDown", 60_000, "RateLimited"])
      }).pipe(Effect.withClock(clock), longest)
    }))
})

const limit = Duration.seconds(1)
const interrupted = (cause: RouterError.InterruptionCause) =>
  new RouterError.StreamInterrupted({
    cause,
    delivered: 1,
    partial: Redacted.make({ id: "c", object: "chat.completion", created: 0, model: "m", choices: [] })
  })
const request = HttpClientRequest.get(url)
const requestError = (reason: HttpClientError.RequestError["reason"]) =>
  new HttpClientError.RequestError({ request, reason })
const responseError = (code: number, reason: HttpClientError.ResponseError["reason"], cause?: unknown) =>
  new HttpClientError.ResponseError({
    request,
    reason,
    cause,
    response: HttpClientResponse.fromWeb(request, new Response(null, { status: code, headers: { "retry-after": "7" } }))
  })

describe("what a call says about its target", () => {
  const judged = (answer: Answer<Tagged>) =>
    Effect.gen(function*() {
      const { call, state } = yield* make()
      yield* call(answer)
      const { calls, cooldown, failures } = (yield* state)!
      return cooldown === undefined
        ? ["nothing", "success", undefined, "failure"][calls + 2 * failures]
        : [calls, cooldown.reason, cooldown.remainingMillis / 1000].join(" ")
    })

  const errors: ReadonlyArray<readonly [error: Tagged, expected: string]> = [
    [new RouterError.Transport({ stage: "connect" }), "failure"],
    [new RouterError.Transport({ stage: "exchange" }), "failure"],
    [new RouterError.Timeout({ phase: "call", limit }), "failure"],
    [unavailable, "failure"],
    [new RouterError.Unavailable({ status: 408 }), "failure"],
    [new RouterError.Overloaded({ status: 529, retryAfter: limit }), "failure"],
    [new RouterError.BadResponse({ status: 200, reason: "HTML" }), "failure"],
    [new RouterError.EmptyCompletion({ status: 200 }), "failure"],
    [new RouterError.ResponseTooLarge({ status: 200, limit: "bytes", maximum: 1 }), "failure"],
    [new RouterError.StreamTruncated({ status: 200 }), "failure"],
    [new RouterError.InvalidRequest({ status: 400 }), "success"],
    [new RouterError.InvalidRequest({ status: 200, impliedStatus: 400 }), "success"],
    [RouterError.invalidField("messages", "expected a message"), "nothing"],
    [new RouterError.NotFound({ status: 404 }), "success"],
    [new RouterError.ContextLengthExceeded({ status: 400 }), "success"],
    [new RouterError.ContentFiltered({ status: 400 }), "success"],
    [rateLimited(), "nothing"],
    [rateLimited("7 seconds"), "0 RateLimited 7"],
    [rateLimited("1 day"), "0 RateLimited 300"],
    [auth, "0 Auth 60"],
    [new RouterError.Auth({ status: 403, retryAfter: Duration.seconds(7) }), "0 Auth 7"],
    [new RouterError.QuotaExhausted({ status: 402 }), "0 QuotaExhausted 60"],
    [new RouterError.QuotaExhausted({ status: 429, retryAfter: Duration.hours(1) }), "0 QuotaExhausted 300"],
    [new RouterError.DeadlineExceeded({ limit }), "nothing"],
    [new RouterError.BreakerOpen({ retryAfter: limit }), "nothing"],
    [new RouterError.CoolingDown({ reason: "Auth", retryAfter: limit }), "nothing"],
    [new RouterError.ConcurrencyExceeded({ limit: 1 }), "nothing"],
    [new RouterError.RateLimitExceeded({ unit: "requests", limit: 1, retryAfter: limit }), "nothing"],
    [interrupted(new RouterError.StreamTruncated({ status: 200 })), "failure"],
    [interrupted(new RouterError.DeadlineExceeded({ limit })), "nothing"],
    [interrupted(new RouterError.ContentFiltered({ status: 200 })), "success"],
    [interrupted(rateLimited("7 seconds")), "0 RateLimited 7"],
    [RouterError.allTargetsFailed<RouterError.TargetError>([unavailable, auth]), "0 Auth 60"],
    [RouterError.allTargetsFailed<RouterError.TargetError>([auth, unavailable]), "failure"],
    [requestError("Transport"), "failure"],
    [requestError("Encode"), "nothing"],
    [requestError("InvalidUrl"), "nothing"],
    [responseError(503, "StatusCode"), "failure"],
    [responseError(302, "StatusCode"), "failure"],
    [responseError(404, "StatusCode"), "success"],
    [responseError(429, "StatusCode"), "0 RateLimited 7"],
    [responseError(200, "Decode"), "failure"],
    [responseError(200, "Decode", auth), "0 Auth 60"],
    [responseError(200, "EmptyBody"), "failure"],
    [new Cause.TimeoutException(), "failure"],
    [{ _tag: "Mine" }, "nothing"]
  ]

  it.effect("an error", () =>
    Effect.forEach(
      errors,
      ([error, expected], index) =>
        Effect.map(judged(failing(error)), (actual) => assert.strictEqual(actual, expected, `${index}: ${error._tag}`))
    ))

  it.effect("an answer of a client that is not settled", () =>
    Effect.gen(function*() {
      for (
        const [code, expected] of [
          [200, "success"],
          [204, "success"],
          [304, "success"],
          [400, "success"],
          [404, "success"],
          [418, "success"],
          [501, "success"],
          [408, "failure"],
          [500, "failure"],
          [503, "failure"],
          [529, "failure"],
          [599, "failure"],
          [429, "nothing"],
          [401, "0 Auth 60"],
          [403, "0 Auth 60"],
          [402, "0 QuotaExhausted 60"]
        ] as const
      ) {
        assert.strictEqual(yield* judged(status(code)), expected, String(code))
      }
      assert.strictEqual(yield* judged(status(429, { "retry-after": "7" })), "0 RateLimited 7")
      assert.strictEqual(yield* judged(status(401, { "retry-after-ms": "500" })), "0 Auth 0.5")
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      assert.strictEqual(
        yield* judged(status(429, { "retry-after": "Thu, 01 Jan 2026 00:00:09 GMT" })),
        "0 RateLimited 9"
      )
    }))

  it.effect("nothing by a defect", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* judged(() => Effect.die("oops")), "nothing")
    }))
})

describe("a cooldown", () => {
  it.effect("refuses to the millisecond, and is over for a retry that waits for it", () =>
    Effect.gen(function*() {
      const made = yield* make()
      yield* made.call(failing(rateLimited("3 seconds")))
      assert.deepStrictEqual(yield* made.refusal, ["CoolingDown", 3000, "RateLimited"])
      assert.isFalse(yield* made.service.isEligible(target))
      yield* TestClock.adjust("2999 millis")
      assert.deepStrictEqual(yield* made.refusal, ["CoolingDown", 1, "RateLimited"])
      yield* TestClock.adjust("1 millis")
      assert.isTrue(yield* made.service.isEligible(target))
      assert.strictEqual(yield* made.call(ok), 200)
    }))

  it.effect("lets a retry through that comes at the very end of the wait", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(failing(rateLimited("3 seconds")), failing(rateLimited("1 seconds")), ok)
      const [exit, millis] = yield* client.pipe(
        CircuitBreaker.withCircuitBreaker(target),
        Retry.withRetry({ count: 2 }),
        (retrying) => withinTheHour(timed(retrying.get(url)))
      )
      assert.deepStrictEqual([Exit.isSuccess(exit), millis, startedAt], [true, 4500, [0, 3000, 4500]])
    }).pipe(shortest, Effect.provide(CircuitBreaker.layer())))

  it.live("lets a retry through on a real clock, whose timers may fire early", () =>
    Effect.gen(function*() {
      const hints = [5, 7, 11, 3, 9, 4, 6, 8].map((millis) => failing(rateLimited(millis)))
      const { client, startedAt } = scripted<Tagged>(...hints, ok)
      const response = yield* client.pipe(
        CircuitBreaker.withCircuitBreaker(target),
        Retry.withRetry({ count: 8, backoff: Retry.fullJitter }),
        (retrying) => retrying.get(url)
      )
      assert.deepStrictEqual([response.status, startedAt.length], [200, 9])
    }).pipe(shortest, Effect.provide(CircuitBreaker.layer())))

  it.effect("of two, the one that ends later is in force", () =>
    Effect.gen(function*() {
      const made = yield* make()
      const [long, short] = [after("1 second", failing(auth)), after("2 seconds", failing(rateLimited("5 seconds")))]
      const fibers = yield* Effect.fork(Effect.all([made.call(long), made.call(short)], { concurrency: 2 }))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fibers)
      assert.deepStrictEqual(yield* made.refusal, ["CoolingDown", 59_000, "Auth"])
    }))

  it.effect("after refused credentials can be set, and turned off", () =>
    Effect.gen(function*() {
      const set = yield* make({ accountCooldown: "10 seconds" })
      yield* set.call(failing(auth))
      assert.deepStrictEqual(yield* set.refusal, ["CoolingDown", 10_000, "Auth"])
      const off = yield* make({ maxCooldown: 0 })
      assert.strictEqual(yield* off.calls(2, failing(auth)), "Auth Auth")
    }))
})

describe("evenIfOpen", () => {
  const even = { evenIfOpen: true }

  it.effect("sends whatever the state is", () =>
    Effect.gen(function*() {
      const made = yield* make()
      yield* trip(made)
      const open = yield* made.state
      assert.strictEqual(yield* made.call(failing(unavailable), even), "Unavailable")
      assert.deepStrictEqual(yield* made.state, open, "a failure changes nothing")
      assert.strictEqual(yield* made.call(ok), "BreakerOpen")
      assert.strictEqual(yield* made.call(ok, even), 200)
      assert.strictEqual((yield* made.state)?.state, "closed", "a success closes the circuit")
      yield* made.call(failing(auth))
      assert.strictEqual(yield* made.call(ok, even), 200)
      assert.strictEqual(yield* made.call(ok), "CoolingDown")
    }))

  it.effect("sends beside the probe, and closes the circuit when it is faster", () =>
    Effect.gen(function*() {
      const made = yield* make()
      yield* trip(made)
      yield* TestClock.adjust("5 seconds")
      const probe = yield* Effect.fork(made.call(after("1 second", failing(unavailable))))
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* made.call(failing(unavailable), even), "Unavailable")
      assert.deepStrictEqual(yield* made.refusal, ["BreakerOpen", 59_500])
      assert.strictEqual(yield* made.call(ok, even), 200)
      yield* TestClock.adjust("500 millis")
      assert.strictEqual(yield* Fiber.join(probe), "Unavailable")
      assert.deepStrictEqual([(yield* made.state)?.state, (yield* made.state)?.failures], ["closed", 0])
    }))
})

describe("a stream", () => {
  const streamed = HttpClientRequest.post(`${url}/chat/completions`).pipe(
    HttpClientRequest.accept("text/event-stream"),
    HttpClientRequest.bodyUnsafeJson({ model: "m" })
  )
  const slow = { between: "1 second" } as const

  /** Opens a stream through the breaker; the second event, one second after the first, is the first content. */
  const open = (made: Made, answer: Testing.Answer) =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ p: answer })
      const guarded = client.pipe(Settle.settle(), CircuitBreaker.withCircuitBreaker(target))
      const fiber = yield* Effect.fork(guarded.execute(streamed))
      yield* TestClock.adjust("1 second")
      const response = yield* Fiber.join(fiber)
      return StreamResponse.isStreamResponse(response) ? response : assert.fail("no stream")
    }).pipe(Effect.provideService(CircuitBreaker.CircuitBreaker, made.service))

  const counts = (made: Made) =>
    Effect.map(made.state, (state) => [state?.state, state?.calls, state?.failures] as const)

  const readAll = (response: StreamResponse.StreamResponse) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.exit(Stream.runDrain(response.batches)))
      yield* TestClock.adjust("10 seconds")
      return yield* Fiber.join(fiber)
    })

  it.effect("is judged when it ends: once, as a success", () =>
    Effect.gen(function*() {
      const made = yield* make()
      const response = yield* open(made, Testing.stream(["a", "b", "c"], slow))
      assert.deepStrictEqual(yield* counts(made), ["closed", 0, 0])
      assert.isTrue(Exit.isSuccess(yield* readAll(response)))
      assert.deepStrictEqual(yield* counts(made), ["closed", 1, 0])
    }))

  it.effect("that is cut is a failure, and five of them open the circuit", () =>
    Effect.gen(function*() {
      const made = yield* make()
      for (const failures of [1, 2, 3, 4, 5]) {
        const cut = { after: 3, how: failures % 2 === 0 ? "reset" as const : "end" as const }
        const response = yield* open(made, Testing.stream(["a", "b", "c"], { ...slow, cut }))
        assert.isTrue(Exit.isFailure(yield* readAll(response)))
        assert.strictEqual((yield* made.state)?.consecutiveFailures, failures)
      }
      assert.strictEqual((yield* made.state)?.state, "halfOpen", "it has opened at some time of the ten seconds")
    }))

  it.effect("whose consumer leaves, or that nobody reads, says nothing", () =>
    Effect.gen(function*() {
      const made = yield* make()
      const left = yield* open(made, Testing.stream(["a", "b", "c"], slow))
      yield* Stream.runDrain(Stream.take(left.batches, 1))
      const scope = yield* Scope.make()
      yield* Effect.provideService(open(made, Testing.stream(["a"], slow)), CallScope, scope)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* counts(made), ["closed", 0, 0])
    }))

  it.effect("as a probe closes the circuit when it begins, and counts at its end", () =>
    Effect.gen(function*() {
      for (const [cut, failures] of [[undefined, 0], [{ after: 3, how: "reset" as const }, 1]] as const) {
        const made = yield* make()
        yield* trip(made)
        yield* TestClock.adjust("5 seconds")
        const response = yield* open(made, Testing.stream(["a", "b", "c"], { ...slow, cut }))
        assert.deepStrictEqual(yield* counts(made), ["closed", 0, 0])
        assert.strictEqual(yield* made.call(ok), 200)
        yield* readAll(response)
        assert.deepStrictEqual((yield* made.state)?.consecutiveFailures, failures)
      }
    }))

  it.effect("from before a trip changes nothing when it ends", () =>
    Effect.gen(function*() {
      const made = yield* make()
      const response = yield* open(made, Testing.stream(["a", "b", "c"], slow))
      yield* trip(made)
      yield* readAll(response)
      assert.strictEqual((yield* made.state)?.state, "halfOpen")
    }))
})

type Step = { readonly wait: number; readonly answer: number }

const answers: ReadonlyArray<Answer<Tagged>> = [
  ok,
  failing(unavailable),
  failing(unavailable),
  failing(new RouterError.Transport({ stage: "connect" })),
  failing(rateLimited("2 seconds")),
  failing(auth),
  failing(new RouterError.NotFound({ status: 404 })),
  () => Effect.interrupt,
  ok
]

const step: FastCheck.Arbitrary<Step> = FastCheck.record({
  wait: FastCheck.constantFrom(0, 0, 0, 0, 0, 0, 1, 999, 1000, 2500, 5000, 30_000),
  answer: FastCheck.nat({ max: answers.length - 1 })
})
const steps = FastCheck.array(step, { minLength: 5, maxLength: 20, size: "max" })

/** A sleep of the virtual clock costs a turn of the event loop. */
const pass = (millis: number) => millis === 0 ? Effect.void : Effect.sleep(millis)

describe("laws", () => {
  const runs = { fastCheck: { numRuns: 1_000 }, timeout: 60_000 }

  it.effect.prop("L25: a closed circuit is transparent", { steps }, ({ steps }) =>
    simulate(Effect.gen(function*() {
      const never = { consecutiveFailures: Infinity, minimumCalls: Infinity, maxCooldown: 0 }
      const service = yield* CircuitBreaker.make(never)
      const script = steps.map((one) => answers[one.answer]!)
      const plain = scripted(...script)
      const guarded = scripted(...script)
      const run = (client: HttpClient.HttpClient.With<Tagged, CircuitBreaker.CircuitBreaker>) =>
        Effect.forEach(steps, ({ wait }) =>
          Effect.zipRight(
            pass(wait),
            Effect.map(
              Effect.exit(client.get(url)),
              Exit.match({
                onSuccess: (response) => response.status,
                onFailure: (cause) => cause.toString()
              })
            )
          )).pipe(Effect.provideService(CircuitBreaker.CircuitBreaker, service))
      const expected = yield* simulate(run(plain.client))
      const actual = yield* simulate(run(guarded.client.pipe(CircuitBreaker.withCircuitBreaker(target))))
      assert.deepStrictEqual(actual, expected)
      assert.deepStrictEqual(guarded.startedAt, plain.startedAt)
    })), runs)

  it.effect.prop(
    "L26: an open circuit and a cooldown send nothing; everything else is sent",
    { steps },
    ({ steps }) =>
      simulate(Effect.gen(function*() {
        const { service, state, through } = yield* make()
        for (const { answer, wait } of steps) {
          yield* pass(wait)
          const before = yield* state
          const eligible = yield* service.isEligible(target)
          const refused = before !== undefined && before.retryAfterMillis > 0
          const { call, startedAt } = through(answers[answer]!)
          const ended = yield* call
          assert.strictEqual(startedAt.length, refused ? 0 : 1)
          assert.strictEqual(ended === "BreakerOpen" || ended === "CoolingDown", refused)
          assert.strictEqual(eligible, !refused)
          if (refused) {
            assert.deepStrictEqual(yield* state, before)
          }
        }
      })),
    runs
  )

  it.effect.prop(
    "L29: an interruption leaves everything as it was",
    { steps, at: FastCheck.nat({ max: 20 }) },
    (_) =>
      simulate(Effect.gen(function*() {
        const made = yield* make()
        for (const { answer, wait } of _.steps.slice(0, _.at)) {
          yield* pass(wait)
          yield* made.call(answers[answer]!)
        }
        const before = yield* made.state
        const fiber = yield* Effect.fork(made.call(() => Effect.never))
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(fiber)
        const after = yield* made.state
        assert.deepStrictEqual(after, before ?? { ...after, calls: 0, failures: 0, consecutiveFailures: 0 })
      })),
    runs
  )
})

describe("CircuitBreaker.isEligible and snapshot", () => {
  it.effect("know nothing of a target that was not used, and do not begin to by being asked", () =>
    Effect.gen(function*() {
      const { service } = yield* make()
      assert.isTrue(yield* service.isEligible("p/unknown"))
      assert.deepStrictEqual(yield* service.snapshot, [])
    }))

  it.effect("follow the circuit", () =>
    Effect.gen(function*() {
      const made = yield* make()
      yield* trip(made)
      assert.isFalse(yield* made.service.isEligible(target))
      yield* TestClock.adjust("4999 millis")
      assert.isFalse(yield* made.service.isEligible(target))
      yield* TestClock.adjust("1 millis")
      assert.isTrue(yield* made.service.isEligible(target))
    }).pipe(longest))

  it.effect("are plain JSON", () =>
    Effect.gen(function*() {
      const made = yield* make()
      yield* made.call(failing(auth))
      yield* trip(made)
      const snapshot = yield* made.service.snapshot
      assert.deepStrictEqual(JSON.parse(JSON.stringify(snapshot)), [{
        target,
        state: "closed",
        calls: 0,
        failures: 0,
        consecutiveFailures: 0,
        retryAfterMillis: 60_000,
        cooldown: { reason: "Auth", remainingMillis: 60_000 }
      }])
    }))
})

describe("CircuitBreaker.make and its layers", () => {
  const wrong: ReadonlyArray<readonly [path: keyof CircuitBreaker.Options, options: CircuitBreaker.Options]> = [
    ["window", { window: 0 }],
    ["window", { window: Infinity }],
    ["window", { window: NaN }],
    ["minimumCalls", { minimumCalls: 0 }],
    ["minimumCalls", { minimumCalls: 1.5 }],
    ["minimumCalls", { minimumCalls: NaN }],
    ["failureRatio", { failureRatio: 0 }],
    ["failureRatio", { failureRatio: 1.01 }],
    ["failureRatio", { failureRatio: NaN }],
    ["consecutiveFailures", { consecutiveFailures: 0 }],
    ["consecutiveFailures", { consecutiveFailures: -1 }],
    ["openFor", { openFor: 0 }],
    ["openFor", { openFor: -1 }],
    ["maxOpenFor", { maxOpenFor: "4 seconds" }],
    ["maxOpenFor", { maxOpenFor: Infinity }],
    ["accountCooldown", { accountCooldown: -1 }],
    ["accountCooldown", { accountCooldown: NaN }],
    ["maxCooldown", { maxCooldown: Infinity }]
  ]

  it("take no options that make no sense", () => {
    for (const [path, options] of wrong) {
      for (const build of [CircuitBreaker.make, CircuitBreaker.layer]) {
        let thrown: unknown
        try {
          build(options)
        } catch (error) {
          thrown = error
        }
        assert.isTrue(thrown instanceof RouterError.InvalidRequest && thrown.path === path, JSON.stringify(options))
      }
    }
  })

  it.effect("take what is at the bounds", () =>
    Effect.gen(function*() {
      const made = yield* make({
        window: 1,
        minimumCalls: 1,
        failureRatio: 1,
        consecutiveFailures: Infinity,
        openFor: "2 minutes",
        accountCooldown: 0
      })
      yield* made.call(failing(unavailable))
      assert.deepStrictEqual(yield* made.refusal, ["BreakerOpen", 120_000], "longer than the default maximum")
    }).pipe(longest))

  it.effect("share one state among all policies of one layer, and none between two", () => {
    const call = (answer: Answer<Tagged>) =>
      Effect.flip(scripted(answer).client.pipe(CircuitBreaker.withCircuitBreaker(target)).get(url))
    const program = Effect.gen(function*() {
      yield* Effect.replicateEffect(call(failing(unavailable)), 2)
      return (yield* call(failing(unavailable)))._tag
    })
    const layer = CircuitBreaker.layer({ consecutiveFailures: 2 })
    return Effect.gen(function*() {
      assert.strictEqual(yield* Effect.provide(program, layer), "BreakerOpen")
      assert.strictEqual(yield* Effect.provide(program, layer), "BreakerOpen", "not at the first call")
      assert.strictEqual(yield* Effect.provide(program, CircuitBreaker.layer()), "Unavailable")
    })
  })

  it.effect("can be configured", () =>
    Effect.gen(function*() {
      const layer = CircuitBreaker.layerConfig({
        consecutiveFailures: Config.integer("FAILURES"),
        openFor: Config.duration("OPEN_FOR")
      })
      const built = (entries: ReadonlyArray<readonly [string, string]>) =>
        Effect.exit(Effect.scoped(Layer.build(Layer.provide(
          layer,
          Layer.setConfigProvider(ConfigProvider.fromMap(new Map(entries)))
        ))))
      assert.isTrue(Exit.isSuccess(yield* built([["FAILURES", "3"], ["OPEN_FOR", "2 seconds"]])))
      assert.isTrue(Exit.isFailure(yield* built([["FAILURES", "3"]])))
      assert.isTrue(Exit.isFailure(yield* built([["FAILURES", "0"], ["OPEN_FOR", "2 seconds"]])))
    }))
})
