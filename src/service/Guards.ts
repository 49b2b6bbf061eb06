/**
 * The policies whose state a program has turned on, by a Layer for each: of a target only, and none without its Layer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { pipe } from "effect/Function"
import * as Option from "effect/Option"
import { nowMillis } from "../internal/monotonic.js"
import * as Attempts from "../policy/Attempts.js"
import * as CircuitBreaker from "../policy/CircuitBreaker.js"
import * as Concurrency from "../policy/Concurrency.js"
import * as HttpPolicy from "../policy/HttpPolicy.js"
import * as RateLimit from "../policy/RateLimit.js"
import * as RetryBudget from "../policy/RetryBudget.js"
import type * as RouterError from "../RouterError.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Guards {
  /** What holds requests to a target back: it stands inside the retry. `force` sends one although the circuit is open. */
  readonly limits: (target: string, force: boolean) => HttpPolicy.HttpPolicy<RouterError.NotSent>
  /** What bounds the retries of a target: it stands outside them. */
  readonly budget: (target: string) => HttpPolicy.HttpPolicy
  /** How a target stands; `undefined` where nothing is known of any. */
  readonly standing: ((target: string) => Effect.Effect<Standing>) | undefined
}

/**
 * `eligible`: a request would be sent now. `down`: its circuit is open. `waiting`: it has asked for a wait. `barred`: it has refused the
 * credentials, or the quota is used up.
 *
 * @since 0.1.0
 * @category models
 */
export type Standing = "eligible" | "down" | "waiting" | "barred"

const standingOf = (service: CircuitBreaker.Service) => (target: string): Effect.Effect<Standing> =>
  Effect.zipWith(service.isEligible(target), nowMillis, (eligible, now): Standing => {
    const refusal = eligible ? undefined : service.breakerOf(target, now).refusal(now)
    return refusal === undefined
      ? "eligible"
      : refusal._tag === "BreakerOpen"
      ? "down"
      : refusal.reason === "RateLimited"
      ? "waiting"
      : "barred"
  })

const without = () => HttpPolicy.identity

/**
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Guards> = Effect.gen(function*() {
  const breaker = yield* Effect.serviceOption(CircuitBreaker.CircuitBreaker)
  const concurrency = yield* Effect.serviceOption(Concurrency.Concurrency)
  const rateLimit = yield* Effect.serviceOption(RateLimit.RateLimit)
  const retryBudget = yield* Effect.serviceOption(RetryBudget.RetryBudget)

  const withBreaker = Option.match(breaker, {
    onNone: () => without,
    onSome: (service) => (target: string, evenIfOpen: boolean) =>
      HttpPolicy.provideService(
        CircuitBreaker.withCircuitBreaker(target, { evenIfOpen }),
        CircuitBreaker.CircuitBreaker,
        service
      )
  })
  const withFailFast = Option.match(breaker, {
    onNone: () => without,
    onSome: (service) => (target: string, evenIfOpen: boolean) =>
      evenIfOpen
        ? HttpPolicy.identity
        : HttpPolicy.provideService(CircuitBreaker.withFailFast(target), CircuitBreaker.CircuitBreaker, service)
  })
  const withConcurrency = Option.match(concurrency, {
    onNone: () => without,
    onSome: (service) => (target: string) =>
      HttpPolicy.provideService(Concurrency.withConcurrency(target), Concurrency.Concurrency, service)
  })
  const withRateLimit = Option.match(rateLimit, {
    onNone: () => without,
    onSome: (service) => (target: string) =>
      HttpPolicy.provideService(RateLimit.withRateLimit(target), RateLimit.RateLimit, service)
  })
  const isLimited = Option.isSome(concurrency) || Option.isSome(rateLimit)

  /** Around a queue the circuit is asked twice: before the wait, and by whoever is sent. */
  const withLimits = (target: string, force: boolean): HttpPolicy.HttpPolicy<RouterError.NotSent> =>
    isLimited
      ? pipe(
        withBreaker(target, force),
        HttpPolicy.compose(withConcurrency(target)),
        HttpPolicy.compose(withRateLimit(target)),
        HttpPolicy.compose(withFailFast(target, force))
      )
      : withBreaker(target, force)

  return {
    limits: (target, force) =>
      isLimited || Option.isSome(breaker)
        ? HttpPolicy.compose(withLimits(target, force), Attempts.withSkips(target))
        : HttpPolicy.identity,
    budget: Option.match(retryBudget, {
      onNone: () => without,
      onSome: (service) => (target: string) =>
        HttpPolicy.provideService(RetryBudget.withRetryBudget(target), RetryBudget.RetryBudget, service)
    }),
    standing: Option.getOrUndefined(Option.map(breaker, standingOf))
  }
})
