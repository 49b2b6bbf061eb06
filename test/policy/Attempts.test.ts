import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Attempts from "../../src/policy/Attempts.js"
import * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as Route from "../../src/Route.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import { after, type Answer, failing, ok, scripted, VirtualClock, withinTheHour } from "../support/scripted.js"
import { recording } from "../support/telemetry.js"

const url = Testing.baseUrl("p")
const target = "openai/gpt-4o"

const unavailable = new RouterError.Unavailable({ status: 503 })
const created: Answer = (request) =>
  Effect.succeed(HttpClientResponse.fromWeb(request, new Response(null, { status: 201 })))

/** The log of a call, whatever it ended with. */
const logOf = <A, E, R>(call: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const recorder = Route.makeRecorder()
    return Effect.provideService(withinTheHour(Effect.exit(call)), Route.CurrentRecorder, recorder).pipe(
      Effect.map(() => Route.snapshot(recorder))
    )
  })

const outcomeOf = <E>(...answers: ReadonlyArray<Answer<E>>) =>
  Effect.map(
    logOf(scripted(...answers).client.pipe(Attempts.withAttempt(target)).get(url)),
    (route) => route.attempts.map(({ outcome, status }) => status === undefined ? [outcome] : [outcome, status])
  )

describe("Attempts.withAttempt notes", () => {
  it.effect("the target, when it began, how long it took, and how it ended", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("10 seconds")
      const { client } = scripted(after("300 millis", created))
      assert.deepStrictEqual(yield* logOf(client.pipe(Attempts.withAttempt(target)).get(url)), {
        served: target,
        attempts: [{
          target,
          startedAtMillis: 10_000,
          durationMillis: 300,
          waitMillis: 0,
          outcome: "success",
          status: 201
        }],
        skipped: [],
        cache: "off"
      })
    }))

  it.effect("each attempt of a retry, with the wait that came before it", () =>
    Effect.gen(function*() {
      const { client } = scripted<RouterError.RouterError>(
        after("100 millis", failing(unavailable)),
        failing(new RouterError.RateLimited({ status: 429, retryAfter: Duration.seconds(7) })),
        after("200 millis", ok)
      )
      const route = yield* logOf(client.pipe(Attempts.withAttempt(target), Retry.withRetry()).get(url))
      const attempt = { target, outcome: "success", status: 200 }
      assert.deepStrictEqual(route.attempts, [
        { ...attempt, startedAtMillis: 0, durationMillis: 100, waitMillis: 0, outcome: "Unavailable", status: 503 },
        { ...attempt, startedAtMillis: 1100, durationMillis: 0, waitMillis: 1000, outcome: "RateLimited", status: 429 },
        { ...attempt, startedAtMillis: 8450, durationMillis: 200, waitMillis: 7350 }
      ])
      assert.strictEqual(route.served, target)
    }).pipe(Effect.withRandomFixed([0.5])))

  it.effect("nothing of a wait that is followed by no attempt", () =>
    Effect.gen(function*() {
      const recorder = Route.makeRecorder()
      const { client } = scripted(failing(unavailable))
      const retried = client.pipe(
        Attempts.withAttempt(target),
        Retry.withRetry({ backoff: Schedule.spaced("1 minute") })
      )
      const fiber = yield* Effect.fork(Effect.provideService(retried.get(url), Route.CurrentRecorder, recorder))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([recorder.attempts.length, recorder.waitMillis], [1, 0])
    }))

  it.effect("a wait is noted once: the next target did not wait", () =>
    Effect.gen(function*() {
      const { client } = scripted(failing(unavailable), failing(unavailable), ok)
      const first = client.pipe(Attempts.withAttempt("a/1"), Retry.withRetry({ count: 1 }))
      const second = client.pipe(Attempts.withAttempt("b/2"))
      const route = yield* logOf(Effect.catchAll(first.get(url), () => second.get(url)))
      assert.deepStrictEqual(
        route.attempts.map((_) => [_.target, _.waitMillis, _.outcome]),
        [["a/1", 0, "Unavailable"], ["a/1", 1000, "Unavailable"], ["b/2", 0, "success"]]
      )
      assert.strictEqual(route.served, "b/2")
    }).pipe(Effect.withRandomFixed([0.5])))

  it.effect("the tag of an error, and the status where it has one", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* outcomeOf(failing(unavailable)), [["Unavailable", 503]])
      assert.deepStrictEqual(yield* outcomeOf(failing(new RouterError.Transport({ stage: "connect" }))), [[
        "Transport"
      ]])
      assert.deepStrictEqual(yield* outcomeOf(failing({ _tag: "Mine", status: "odd" })), [["Mine"]])
      assert.deepStrictEqual(yield* outcomeOf(failing({ _tag: 5, status: 418 })), [["failure", 418]])
      for (const odd of [undefined, null, "text", 5, new Error("x")]) {
        assert.deepStrictEqual(yield* outcomeOf(failing(odd)), [["failure"]])
      }
    }))

  it.effect("a defect, and an interruption from inside", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* outcomeOf(() => Effect.die("a bug")), [["defect"]])
      assert.deepStrictEqual(yield* outcomeOf(() => Effect.interrupt), [["interrupted"]])
    }))

  it.effect("a caller that leaves", () =>
    Effect.gen(function*() {
      const recorder = Route.makeRecorder()
      const { client } = yield* Testing.makeTransport({ p: Testing.hang })
      const call = client.pipe(Attempts.withAttempt(target), Retry.withRetry()).get(url)
      const fiber = yield* Effect.fork(Effect.provideService(call, Route.CurrentRecorder, recorder))
      yield* TestClock.adjust("700 millis")
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(exit))
      assert.deepStrictEqual(Route.snapshot(recorder), {
        attempts: [{ target, startedAtMillis: 0, durationMillis: 700, waitMillis: 0, outcome: "interrupted" }],
        skipped: [],
        cache: "off"
      })
    }))

  it.effect("a timeout inside is the outcome, a deadline outside is a caller that leaves", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ p: Testing.hang })
      const outcomes = (call: Effect.Effect<unknown, unknown>) =>
        Effect.map(logOf(call), (route) => route.attempts.map((_) => [_.outcome, _.durationMillis]))
      const attempt = Attempts.withAttempt(target)
      assert.deepStrictEqual(
        yield* outcomes(client.pipe(Timeout.withCallTimeout("1 second"), attempt).get(url)),
        [["Timeout", 1000]]
      )
      assert.deepStrictEqual(
        yield* outcomes(client.pipe(attempt, Timeout.withDeadline("1 second")).get(url)),
        [["interrupted", 1000]]
      )
    }))

  it.effect("durations by the monotonic clock, beginnings by the wall clock", () =>
    Effect.gen(function*() {
      const clock = new VirtualClock()
      const recorder = Route.makeRecorder()
      const { client } = scripted((request) =>
        Effect.delay(
          Effect.suspend(() => {
            clock.jump = -3_600_000
            return ok(request)
          }),
          "500 millis"
        )
      )
      clock.jump = 60_000
      yield* client.pipe(Attempts.withAttempt(target)).get(url).pipe(
        Effect.provideService(Route.CurrentRecorder, recorder),
        Effect.withClock(clock)
      )
      const [attempt] = recorder.attempts
      assert.deepStrictEqual([attempt?.startedAtMillis, attempt?.durationMillis], [60_000, 500])
    }))

  it.effect("nothing, and nothing breaks, where nobody records", () =>
    Effect.gen(function*() {
      const { client } = scripted<RouterError.RouterError>(failing(unavailable), ok)
      const retried = client.pipe(Attempts.withAttempt(target), Retry.withRetry())
      assert.strictEqual((yield* withinTheHour(retried.get(url))).status, 200)
      assert.strictEqual(yield* Route.CurrentRecorder, undefined)
    }))
})

describe("Attempts.withAttempt and errors", () => {
  const errorOf = <E>(error: E) =>
    Effect.flip(scripted(failing(error)).client.pipe(Attempts.withAttempt(target)).get(url))

  it.effect("names the target in an error of the router that names none", () =>
    Effect.gen(function*() {
      const error = yield* errorOf(unavailable)
      assert.instanceOf(error, RouterError.Unavailable)
      assert.deepStrictEqual([error.target, error.status], [target, 503])
      assert.strictEqual(unavailable.target, undefined)
    }))

  it.effect("leaves an error that names one, and any other error, as it is", () =>
    Effect.gen(function*() {
      const named = new RouterError.Unavailable({ status: 503, target: "groq/llama" })
      assert.strictEqual(yield* errorOf(named), named)
      const mine = { _tag: "Mine" }
      assert.strictEqual(yield* errorOf(mine), mine)
      const all = RouterError.allTargetsFailed([named])
      assert.strictEqual(yield* errorOf(all), all)
    }))
})

describe("Attempts.withAttempt spans", () => {
  it.effect("one for each attempt when a tracer is set, with the target", () =>
    Effect.gen(function*() {
      const { spans, tracer } = yield* recording
      const { client } = scripted<RouterError.RouterError>(failing(unavailable), after("100 millis", ok))
      const retried = client.pipe(
        Attempts.withAttempt(target),
        Retry.withRetry({ backoff: Schedule.spaced("1 second") })
      )
      yield* withinTheHour(retried.get(url)).pipe(Effect.withSpan("the call"), Effect.withTracer(tracer))
      const attempts = spans.filter((span) => span.name === `attempt ${target}`)
      assert.deepStrictEqual(spans.map((span) => span.name), ["the call", `attempt ${target}`, `attempt ${target}`])
      for (const span of attempts) {
        assert.strictEqual(span.kind, "client")
        assert.strictEqual(span.attributes.get("router.target"), target)
        assert.strictEqual(Option.getOrUndefined(span.parent)?.spanId, spans[0]?.spanId)
      }
      const ended = attempts.map(({ status }) =>
        status._tag === "Ended" && `${status.exit._tag} after ${status.endTime - status.startTime} ns`
      )
      assert.deepStrictEqual(ended, ["Failure after 0 ns", "Success after 100000000 ns"])
    }))

  it.effect("what the client does is inside of it", () =>
    Effect.gen(function*() {
      const { spans, tracer } = yield* recording
      const { client } = yield* Testing.makeTransport({ p: Testing.raw({ body: "x" }) })
      yield* Effect.withTracer(client.pipe(Attempts.withAttempt(target)).get(url), tracer)
      assert.deepStrictEqual(spans.map((span) => span.name), [`attempt ${target}`, "http.client GET"])
      assert.strictEqual(Option.getOrUndefined(spans[1]!.parent)?.spanId, spans[0]!.spanId)
    }))

  it.effect("an interrupted attempt ends its span", () =>
    Effect.gen(function*() {
      const { spans, tracer } = yield* recording
      const { client } = scripted(() => Effect.never)
      const fiber = yield* Effect.fork(Effect.withTracer(client.pipe(Attempts.withAttempt(target)).get(url), tracer))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.isTrue(spans[0]?.status._tag === "Ended" && Exit.isInterrupted(spans[0].status.exit))
    }))

  it.effect("none without a tracer", () =>
    Effect.gen(function*() {
      const { client } = scripted((request) =>
        Effect.flatMap(Effect.option(Effect.currentSpan), (span) =>
          Option.isSome(span) ? Effect.dieMessage("a span for nobody") : ok(request))
      )
      const response = yield* client.pipe(Attempts.withAttempt(target)).get(url)
      assert.strictEqual(response.status, 200)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    }))
})

describe("Attempts.withSkips notes", () => {
  const refused = new RouterError.BreakerOpen({ retryAfter: Duration.seconds(3) })

  it.effect("what was not sent, and names its target; a retry does not try it again", () =>
    Effect.gen(function*() {
      const recorder = Route.makeRecorder()
      const client = HttpPolicy.wrap((yield* Testing.makeTransport({})).client, () => Effect.fail(refused))
      const error = yield* client.pipe(Attempts.withSkips(target), Retry.withRetry()).get(url).pipe(
        Effect.flip,
        Effect.provideService(Route.CurrentRecorder, recorder)
      )
      assert.deepInclude({ ...error }, { _tag: "BreakerOpen", target, retryAfter: Duration.seconds(3) })
      assert.deepStrictEqual(Route.snapshot(recorder), {
        attempts: [],
        skipped: [{ target, reason: "BreakerOpen" }],
        cache: "off"
      })
    }))

  it.effect("no other failure", () =>
    Effect.gen(function*() {
      const recorder = Route.makeRecorder()
      const client = HttpPolicy.wrap(
        (yield* Testing.makeTransport({})).client,
        () => Effect.fail(new RouterError.Unavailable({ status: 503 }))
      )
      yield* Effect.flip(client.pipe(Attempts.withSkips(target)).get(url)).pipe(
        Effect.provideService(Route.CurrentRecorder, recorder)
      )
      assert.deepStrictEqual(Route.snapshot(recorder).skipped, [])
    }))
})
