import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Route from "../../src/Route.js"
import * as RouterError from "../../src/RouterError.js"
import { plain, url } from "../support/policies.js"
import { failing, ok, scripted, simulate } from "../support/scripted.js"

const limit = Duration.seconds(1)
const retryAfter = Duration.seconds(1)
const invalid = RouterError.invalidField("model", "is unknown")
const timeout = new RouterError.Timeout({ phase: "call", limit })

const outages = [
  new RouterError.Transport({ stage: "connect" }),
  timeout,
  new RouterError.Unavailable({ status: 503 }),
  new RouterError.Overloaded({ status: 529 }),
  new RouterError.BadResponse({ reason: "is not JSON" }),
  new RouterError.EmptyCompletion({}),
  new RouterError.StreamTruncated({}),
  new RouterError.BreakerOpen({ retryAfter })
] as const

const notSent = [
  new RouterError.CoolingDown({ reason: "RateLimited", retryAfter }),
  new RouterError.ConcurrencyExceeded({ limit: 1 }),
  new RouterError.RateLimitExceeded({ unit: "requests", limit: 1, retryAfter })
] as const

const others = [
  new RouterError.CoolingDown({ reason: "Auth", retryAfter }),
  new RouterError.RateLimited({ status: 429 }),
  new RouterError.QuotaExhausted({ status: 429 }),
  new RouterError.Auth({ status: 401 }),
  new RouterError.NotFound({ status: 404 }),
  invalid,
  new RouterError.ContextLengthExceeded({ status: 400 }),
  new RouterError.ContentFiltered({ status: 400 }),
  new RouterError.ResponseTooLarge({ limit: "bytes", maximum: 1 }),
  new RouterError.DeadlineExceeded({ limit }),
  new RouterError.StreamInterrupted({ cause: timeout, delivered: 1, partial: Redacted.make({ choices: [] }) })
] as const

const recorded = <E, R>(effect: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>) =>
  Effect.suspend(() => {
    const recorder = Route.makeRecorder()
    return effect.pipe(
      Effect.flatMap((response) => response.text),
      Effect.exit,
      Effect.provideService(Route.CurrentRecorder, recorder),
      Effect.map((exit) => ({ exit, route: Route.snapshot(recorder) }))
    )
  })

const memory = Effect.provide(ResponseCache.layerMemory())

/** Stores an answer, lets time pass, and then asks a client that fails in some time. */
const after = <E>(error: E, ageMillis: number, staleIfErrorMillis: number | undefined, failsAfterMillis = 0) =>
  Effect.gen(function*() {
    const options = { ttl: 1_000, staleIfError: staleIfErrorMillis }
    yield* ResponseCache.withCache(options)(scripted(ok).client).execute(plain)
    yield* Effect.sleep(ageMillis)
    const { client, startedAt } = scripted<E>(() => Effect.delay(Effect.fail(error), failsAfterMillis))
    const outcome = yield* recorded(ResponseCache.withCache(options)(client).execute(plain))
    return { ...outcome, calls: startedAt.length }
  }).pipe(memory)

describe("ResponseCache.withCache: staleIfError", () => {
  it.effect("an outage is answered with the last answer, which is marked, with its age and what was tried", () =>
    Effect.gen(function*() {
      const attempt = { target: "a/x", startedAtMillis: 0, durationMillis: 0, waitMillis: 0, outcome: "Unavailable" }
      const noted = <E>(served: string | undefined, error: E | undefined) =>
        HttpClient.makeWith<never, never, E, never>(
          Effect.flatMap((request) =>
            Effect.flatMap(Route.CurrentRecorder, (recorder) => {
              recorder?.attempts.push(attempt)
              recorder?.skipped.push({ target: "b/x", reason: "BreakerOpen" })
              if (recorder !== undefined) {
                recorder.served = served
              }
              return error === undefined ? ok(request) : Effect.fail(error)
            })
          ),
          Effect.succeed
        )
      const cached = ResponseCache.withCache({ ttl: "1 second", staleIfError: "1 minute" })
      yield* cached(noted("a/x", undefined)).execute(plain)
      yield* TestClock.adjust("11 seconds")
      const { exit, route } = yield* recorded(cached(noted(undefined, outages[2])).execute(plain))
      assert.strictEqual(yield* exit, "ok")
      assert.deepStrictEqual(route, {
        served: "a/x",
        attempts: [attempt],
        skipped: [{ target: "b/x", reason: "BreakerOpen" }],
        cache: "stale",
        cacheAgeMillis: 11_000
      })
    }).pipe(memory))

  const errors = FastCheck.oneof(
    FastCheck.constantFrom(...outages, ...others, ...notSent),
    FastCheck.array(FastCheck.constantFrom(...outages, ...notSent, ...others), { minLength: 1, maxLength: 3 }).map(
      ([first, ...rest]) => RouterError.allTargetsFailed<RouterError.TargetError>([first!, ...rest])
    )
  )
  const isOutage = (error: RouterError.RouterError): boolean =>
    outages.some((outage) => outage === error) ||
    error._tag === "AllTargetsFailed" &&
      outages.some((outage) => error.failures.includes(outage)) &&
      error.failures.every((failure) => [...outages, ...notSent].some((outage) => outage === failure))

  it.live("L45: a stale answer is given within its window only, and for an outage only", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          errors,
          FastCheck.integer({ min: 0, max: 4_000 }),
          FastCheck.option(FastCheck.integer({ min: 0, max: 2_500 }), { nil: undefined }),
          FastCheck.constantFrom(0, 1, 500),
          (error, age, window, failsAfter) =>
            Effect.runPromise(simulate(Effect.map(
              after(error, age, window, failsAfter),
              ({ calls, exit, route }) => {
                if (age < 1_000) {
                  assert.deepStrictEqual([Exit.isSuccess(exit), route.cache, calls], [true, "hit", 0])
                  assert.strictEqual(route.cacheAgeMillis, age)
                } else if (isOutage(error) && age + failsAfter < 1_000 + (window ?? 0)) {
                  assert.deepStrictEqual([Exit.isSuccess(exit), route.cache, calls], [true, "stale", 1])
                  assert.strictEqual(route.cacheAgeMillis, age + failsAfter)
                } else {
                  assert.strictEqual(Exit.isFailure(exit) && Cause.squash(exit.cause), error)
                  assert.deepStrictEqual([route.cache, route.cacheAgeMillis, calls], ["miss", undefined, 1])
                }
              }
            )))
        ),
        { numRuns: 2_000 }
      )
    ))

  it.live("the errors of any HTTP client: a broken connection, a 5xx, a timeout, but no 4xx", () =>
    Effect.gen(function*() {
      const status = (status: number) =>
        new HttpClientError.ResponseError({
          request: plain,
          response: HttpClientResponse.fromWeb(plain, new Response(null, { status })),
          reason: "StatusCode"
        })
      const request = (reason: "Transport" | "InvalidUrl") =>
        new HttpClientError.RequestError({ request: plain, reason })
      for (const error of [request("Transport"), status(500), status(504), new Cause.TimeoutException()]) {
        assert.strictEqual((yield* simulate(after(error, 1_000, 1_000))).route.cache, "stale")
      }
      for (const error of [request("InvalidUrl"), status(404), status(429), new Error("unknown"), "text"]) {
        assert.strictEqual((yield* simulate(after(error, 1_000, 1_000))).route.cache, "miss")
      }
    }))

  it.effect("the entry and the request both have to allow it", () =>
    Effect.gen(function*() {
      const outage = scripted(failing(outages[2])).client
      const short = ResponseCache.withCache({ ttl: "1 second", staleIfError: "1 second" })
      const long = ResponseCache.withCache({ ttl: "1 second", staleIfError: "1 hour" })
      const none = ResponseCache.withCache({ ttl: "1 second" })
      const statuses = (policies: ReadonlyArray<typeof none>) =>
        Effect.forEach(policies, (policy) =>
          Effect.map(recorded(policy(outage).execute(plain)), ({ route }) => route.cache))
      yield* long(scripted(ok).client).execute(plain)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* statuses([none, short, long]), ["miss", "miss", "stale"])
      yield* short(scripted(ok).client).execute(plain)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* statuses([none, short, long]), ["miss", "miss", "miss"])
    }).pipe(memory))

  it.effect("an answer that is older than the request's own time to live is asked for anew, and stale in an outage", () =>
    Effect.gen(function*() {
      yield* ResponseCache.withCache({ ttl: "1 hour", staleIfError: "1 hour" })(scripted(ok).client).execute(plain)
      yield* TestClock.adjust("2 seconds")
      const short = ResponseCache.withCache({ ttl: "1 second", staleIfError: "10 seconds" })
      const long = ResponseCache.withCache({ ttl: "1 hour" })
      const status = (policy: typeof short, client: HttpClient.HttpClient.With<unknown>) =>
        Effect.map(recorded(policy(client).execute(plain)), ({ route }) => route.cache)
      assert.strictEqual(yield* status(long, scripted(ok).client), "hit")
      assert.strictEqual(yield* status(short, scripted(failing(outages[2])).client), "stale")
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(yield* status(short, scripted(failing(outages[2])).client), "miss")
      assert.strictEqual(yield* status(short, scripted(ok).client), "miss")
    }).pipe(memory))

  it.effect("the first success replaces it", () =>
    Effect.gen(function*() {
      const cached = ResponseCache.withCache({ ttl: "1 second", staleIfError: "1 hour" })
      const answers = scripted<RouterError.RouterError>(ok, failing(outages[0]), (request) =>
        Effect.succeed(HttpClientResponse.fromWeb(request, new Response("new"))))
      const ask = recorded(cached(answers.client).execute(plain))
      yield* ask
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* ask).route.cache, "stale")
      const { exit, route } = yield* ask
      assert.deepStrictEqual([yield* exit, route.cache], ["new", "miss"])
      assert.deepStrictEqual([yield* (yield* ask).exit, answers.startedAt.length], ["new", 3])
    }).pipe(memory))

  it("refuses what is no duration", () => {
    try {
      ResponseCache.withCache({ ttl: "1 second", staleIfError: "soon" as Duration.DurationInput })
      assert.fail("accepted")
    } catch (error) {
      assert.instanceOf(error, RouterError.InvalidRequest)
      assert.strictEqual(error.path, "staleIfError")
    }
  })
})

describe("ResponseCache.withCache: mode", () => {
  /** Numbers its answers, and takes a second for each. */
  const numbered = () => {
    let n = 0
    return scripted((request) =>
      Effect.delay(Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(String(++n)))), "1 second")
    )
  }
  const withMode = (mode: ResponseCache.Mode) => ResponseCache.withCache({ ttl: "1 minute", mode })

  it.live("each mode reads, writes and shares what it may", () =>
    simulate(
      Effect.gen(function*() {
        const { client, startedAt } = numbered()
        const ask = (mode: ResponseCache.Mode) =>
          Effect.flatMap(recorded(withMode(mode)(client).execute(plain)), ({ exit, route }) =>
            Effect.map(exit, (text) => `${text} ${route.cache}`))
        const together = (...modes: ReadonlyArray<ResponseCache.Mode>) =>
          Effect.forEach(modes, ask, { concurrency: "unbounded" })

        assert.deepStrictEqual(yield* together("read-only"), ["1 miss"])
        assert.deepStrictEqual(yield* together("default"), ["2 miss"])
        assert.deepStrictEqual(yield* together("read-only", "default"), ["2 hit", "2 hit"])
        assert.deepStrictEqual(yield* together("no-store"), ["3 bypass"])
        assert.deepStrictEqual(yield* together("default"), ["2 hit"])
        assert.deepStrictEqual(yield* together("force-refresh"), ["4 miss"])
        assert.deepStrictEqual(yield* together("default", "read-only"), ["4 hit", "4 hit"])
        yield* Effect.sleep("1 minute")
        const [one, same, forced, sameForced, ...alone] = yield* together(
          "default",
          "default",
          "force-refresh",
          "force-refresh",
          "read-only",
          "no-store",
          "no-store"
        )
        const texts = [one, forced, ...alone].map((answer) =>
          answer?.split(" ")[0]
        )
        assert.deepStrictEqual(texts.sort(), ["5", "6", "7", "8", "9"])
        assert.deepStrictEqual([same, sameForced], [one, forced].map((answer) => answer?.replace("miss", "shared")))
        assert.deepStrictEqual(alone.map((answer) => answer.split(" ")[1]), ["miss", "bypass", "bypass"])
        assert.strictEqual(startedAt.length, 9)
      }).pipe(memory)
    ))

  it.effect("a forced refresh that fails does not give the stale answer either", () =>
    Effect.gen(function*() {
      const outage = scripted(failing(outages[2])).client
      yield* ResponseCache.withCache({ ttl: "1 second", staleIfError: "1 hour" })(scripted(ok).client).execute(plain)
      yield* TestClock.adjust("1 second")
      const forced = ResponseCache.withCache({ ttl: "1 second", staleIfError: "1 hour", mode: "force-refresh" })
      assert.strictEqual(yield* Effect.flip(forced(outage).execute(plain)), outages[2])
    }).pipe(memory))

  it.live("it may depend on the request", () =>
    simulate(
      Effect.gen(function*() {
        const { client, startedAt } = numbered()
        const cached = ResponseCache.withCache({
          ttl: "1 minute",
          mode: (request) => request.headers["cache-control"] === "no-store" ? "no-store" : "default"
        })(client)
        const noStore = cached.get(url, { headers: { "cache-control": "no-store" } })
        yield* Effect.all([cached.get(url), cached.get(url), noStore, noStore])
        assert.strictEqual(startedAt.length, 3)
      }).pipe(memory)
    ))

  it("refuses what is no mode", () => {
    try {
      withMode("no-cache" as ResponseCache.Mode)
      assert.fail("accepted")
    } catch (error) {
      assert.instanceOf(error, RouterError.InvalidRequest)
      assert.strictEqual(error.path, "mode")
    }
  })

  it.live("calls that are made in another way are not joined, but their answers are used", () =>
    simulate(
      Effect.gen(function*() {
        const { client, startedAt } = numbered()
        const ask = (flight: string) =>
          Effect.map(
            recorded(ResponseCache.withCache({ ttl: "1 minute", flight })(client).execute(plain)),
            ({ route }) => route.cache
          )
        const together = (...flights: ReadonlyArray<string>) =>
          Effect.forEach(flights, ask, { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* together("a", "b", "a"), ["miss", "miss", "shared"])
        assert.deepStrictEqual(yield* together("a", "b", "c"), ["hit", "hit", "hit"])
        assert.strictEqual(startedAt.length, 2)
      }).pipe(memory)
    ))
})
