import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { describe, expect, test } from "tstyche"
import * as Attempts from "../../src/policy/Attempts.js"
import * as Deadline from "../../src/policy/Deadline.js"
import * as Failure from "../../src/policy/Failure.js"
import * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import type * as RouterError from "../../src/RouterError.js"

interface Mine {
  readonly _tag: "Mine"
}

class Needed extends Context.Tag("Needed")<Needed, Duration.Duration>() {}

declare const client: HttpClient.HttpClient
declare const needy: HttpClient.HttpClient.With<Mine, Needed>
declare const slow: HttpClient.HttpClient.With<Cause.TimeoutException>

const schedule = Schedule.addDelayEffect(Schedule.forever, () => Needed)

describe("Retry.withRetry", () => {
  test("adds nothing to any client", () => {
    expect(Retry.withRetry()).type.toBe<HttpPolicy.HttpPolicy>()
    expect(Retry.withRetry({ count: 2 })).type.toBe<HttpPolicy.HttpPolicy>()
    expect(client.pipe(Retry.withRetry())).type.toBe<HttpClient.HttpClient>()
    expect(needy.pipe(Retry.withRetry({ count: 2, onCodes: [429] }))).type.toBe<
      HttpClient.HttpClient.With<Mine, Needed>
    >()
    expect(slow.pipe(Retry.withRetry({ maxRetryAfter: "1 minute" }))).type.toBe<
      HttpClient.HttpClient.With<Cause.TimeoutException>
    >()
  })

  test("adds what its schedule needs", () => {
    expect(Retry.withRetry({ backoff: schedule })).type.toBe<HttpPolicy.HttpPolicy<never, Needed>>()
    expect(client.pipe(Retry.withRetry({ backoff: schedule }))).type.toBe<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError, Needed>
    >()
    expect(Retry.withRetry({ backoff: Schedule.spaced("1 second") })).type.toBe<HttpPolicy.HttpPolicy>()
    expect(Retry.withRetry({ backoff: Retry.backoff })).type.toBe<HttpPolicy.HttpPolicy>()
    expect(Retry.withRetry({ backoff: Retry.fullJitter })).type.toBe<HttpPolicy.HttpPolicy>()
  })

  test("options may be undefined", () => {
    expect(Retry.withRetry).type.toBeCallableWith({
      count: undefined,
      onCodes: undefined,
      backoff: undefined,
      maxRetryAfter: undefined
    })
  })

  test("wrong options do not compile", () => {
    expect(Retry.withRetry).type.not.toBeCallableWith({ count: "2" })
    expect(Retry.withRetry).type.not.toBeCallableWith({ cuont: 2 })
    expect(Retry.withRetry).type.not.toBeCallableWith({ retries: 2 })
    expect(Retry.withRetry).type.not.toBeCallableWith({ on_codes: [429] })
    expect(Retry.withRetry).type.not.toBeCallableWith({ onCodes: 429 })
    expect(Retry.withRetry).type.not.toBeCallableWith({ onCodes: ["429"] })
    expect(Retry.withRetry).type.not.toBeCallableWith({ backoff: "1 second" })
    expect(Retry.withRetry).type.not.toBeCallableWith({ maxRetryAfter: "1 minutte" })
    expect(Retry.withRetry).type.not.toBeCallableWith(2)
  })

  test("a schedule that is made for other errors does not compile", () => {
    const forMine = Schedule.recurWhile((error: Mine) => error._tag === "Mine")
    expect(Retry.withRetry).type.not.toBeCallableWith({ backoff: forMine })
  })

  test("the defaults cannot be changed", () => {
    expect(Retry.defaultOnCodes).type.toBe<ReadonlyArray<number>>()
    expect(Retry.defaultMaxRetryAfter).type.toBe<Duration.Duration>()
  })
})

describe("Timeout", () => {
  test("each clock adds its own error, and nothing else", () => {
    expect(Timeout.withCallTimeout("1 second")).type.toBe<HttpPolicy.HttpPolicy<RouterError.Timeout>>()
    expect(Timeout.withDeadline("1 second")).type.toBe<HttpPolicy.HttpPolicy<RouterError.DeadlineExceeded>>()
    expect(needy.pipe(Timeout.withCallTimeout(1000))).type.toBe<
      HttpClient.HttpClient.With<Mine | RouterError.Timeout, Needed>
    >()
    expect(needy.pipe(Timeout.withDeadline(Duration.infinity))).type.toBe<
      HttpClient.HttpClient.With<Mine | RouterError.DeadlineExceeded, Needed>
    >()
  })

  test("takes any duration and nothing else", () => {
    expect(Timeout.withCallTimeout).type.toBeCallableWith("30 seconds")
    expect(Timeout.withCallTimeout).type.toBeCallableWith(30_000)
    expect(Timeout.withCallTimeout).type.toBeCallableWith(30_000n)
    expect(Timeout.withCallTimeout).type.toBeCallableWith(Duration.minutes(1))
    for (const policy of [Timeout.withCallTimeout, Timeout.withDeadline]) {
      expect(policy).type.not.toBeCallableWith("30")
      expect(policy).type.not.toBeCallableWith("30 secs")
      expect(policy).type.not.toBeCallableWith({ callTimeout: 30_000 })
      expect(policy).type.not.toBeCallableWith(undefined)
      expect(policy).type.not.toBeCallableWith()
    }
  })
})

describe("Attempts.withAttempt", () => {
  test("adds nothing", () => {
    expect(Attempts.withAttempt("openai/gpt-4o")).type.toBe<HttpPolicy.HttpPolicy>()
    expect(needy.pipe(Attempts.withAttempt("openai/gpt-4o"))).type.toBe<HttpClient.HttpClient.With<Mine, Needed>>()
  })

  test("needs a target", () => {
    expect(Attempts.withAttempt).type.not.toBeCallableWith()
    expect(Attempts.withAttempt).type.not.toBeCallableWith({ target: "openai/gpt-4o" })
  })
})

describe("HttpPolicy", () => {
  test("policies of all kinds compose, in either form, and widen by the sum of what they add", () => {
    const retry = Retry.withRetry({ backoff: schedule })
    type Both = HttpPolicy.HttpPolicy<RouterError.Timeout | RouterError.DeadlineExceeded>
    const [call, deadline] = [Timeout.withCallTimeout("1 second"), Timeout.withDeadline("1 minute")]
    expect(HttpPolicy.compose(call, deadline)).type.toBe<Both>()
    expect(HttpPolicy.compose(deadline)(call)).type.toBe<Both>()
    expect(HttpPolicy.compose(call, retry)).type.toBe<HttpPolicy.HttpPolicy<RouterError.Timeout, Needed>>()
    expect(HttpPolicy.compose(HttpPolicy.identity, HttpPolicy.identity)).type.toBe<HttpPolicy.HttpPolicy>()
    expect(needy.pipe(call, retry, deadline)).type.toBe<
      HttpClient.HttpClient.With<Mine | RouterError.Timeout | RouterError.DeadlineExceeded, Needed>
    >()
    expect(client.pipe(call, retry, deadline).get("/")).type.toBe<
      Effect.Effect<
        HttpClientResponse.HttpClientResponse,
        HttpClientError.HttpClientError | RouterError.Timeout | RouterError.DeadlineExceeded,
        Needed
      >
    >()
  })

  test("a policy that adds less stands for one that adds more, and not the other way round", () => {
    expect<HttpPolicy.HttpPolicy<RouterError.Timeout>>().type.toBeAssignableTo<
      HttpPolicy.HttpPolicy<RouterError.TargetError, Needed>
    >()
    expect<HttpPolicy.HttpPolicy<RouterError.Timeout>>().type.not.toBeAssignableTo<HttpPolicy.HttpPolicy>()
    expect<HttpPolicy.HttpPolicy<never, Needed>>().type.not.toBeAssignableTo<HttpPolicy.HttpPolicy>()
  })

  test("a policy is for clients only", () => {
    expect(Retry.withRetry()).type.not.toBeCallableWith(Effect.void)
    expect(HttpPolicy.identity).type.not.toBeCallableWith(fetch)
  })

  test("make: the errors and needs of one's own are those that are named", () => {
    const slowly = HttpPolicy.make(<E, R>(
      request: HttpClientRequest.HttpClientRequest,
      execute: HttpPolicy.Execute<E, R>
    ) => Effect.delay(execute(request), "1 second"))
    expect(slowly).type.toBe<HttpPolicy.HttpPolicy>()
    const limited = HttpPolicy.make<Mine, Needed>((request, execute) =>
      Effect.gen(function*() {
        const millis = yield* Needed
        return millis === Duration.zero ? yield* Effect.fail<Mine>({ _tag: "Mine" }) : yield* execute(request)
      })
    )
    expect(client.pipe(limited)).type.toBe<HttpClient.HttpClient.With<HttpClientError.HttpClientError | Mine, Needed>>()
    expect(HttpPolicy.make<never, never>).type.not.toBeCallableWith(() => Effect.fail<Mine>({ _tag: "Mine" }))
  })

  test("wrap: a policy for one kind of client may also take errors away", () => {
    const calm = HttpPolicy.wrap(needy, (request, execute) => Effect.orDie(execute(request)))
    expect(calm).type.toBe<HttpClient.HttpClient.With<never, Needed>>()
    const calming = HttpPolicy.wrap((request, execute: HttpPolicy.Execute<Mine, Needed>) =>
      Effect.orDie(execute(request))
    )
    expect(needy.pipe(calming)).type.toBe<HttpClient.HttpClient.With<never, Needed>>()
    expect(calming).type.not.toBeCallableWith(slow)
  })
})

describe("Deadline and Failure", () => {
  test("the deadline is there without being provided", () => {
    expect(Deadline.remainingMillis).type.toBe<Effect.Effect<number>>()
    expect<Context.Tag.Service<Deadline.CurrentDeadline>>().type.toBe<number>()
    expect(Deadline.CurrentDeadline).type.toBeAssignableTo<Effect.Effect<number>>()
  })

  test("any error can be looked at", () => {
    expect(Failure.of).type.toBeCallableWith(undefined, 0)
    expect(Failure.of(new Error(), 0)).type.toBe<Failure.Failure>()
    expect(Failure.of).type.not.toBeCallableWith(new Error())
  })
})

declare const policy: HttpPolicy.HttpPolicy<Mine, Needed>

describe("HttpPolicy.provideService", () => {
  test("takes away what the policy needs, and nothing else", () => {
    const provided = HttpPolicy.provideService(policy, Needed, Duration.zero)
    expect(provided).type.toBe<HttpPolicy.HttpPolicy<Mine>>()
    expect(HttpPolicy.provideService(Needed, Duration.zero)(policy)).type.toBe<HttpPolicy.HttpPolicy<Mine>>()
    expect(needy.pipe(provided)).type.toBe<HttpClient.HttpClient.With<Mine, Needed>>()
  })
})
