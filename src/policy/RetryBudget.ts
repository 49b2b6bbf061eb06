/**
 * Bounds how much of the traffic to a target is repetition, so that retries cannot make of a bad hour an outage.
 *
 * Each target has a bucket of tokens, and whatever sends a request once more (`Retry`, `Hedge`) takes one. Successes fill it, and so does
 * time, slowly; failures do not, so an outage dries it. Nobody waits for a token: when there is none, the error that there is, is the
 * answer, with `retryBudgetExhausted`.
 *
 * From the time when a bucket is made on, the repetitions are at most 0.2 · successes + 10 + seconds. In any later span of time they are at
 * most that with its balance at the beginning, which the cap bounds, in the place of the 10.
 *
 * ```ts
 * import { Retry, RetryBudget } from "effect-llm-router"
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(
 *     HttpClient.filterStatusOk,
 *     Retry.withRetry({ count: 2 }),
 *     RetryBudget.withRetryBudget("localhost") // outside of what it bounds
 *   )
 *   return yield* client.get("http://localhost:3000/status")
 * }).pipe(Effect.provide(Layer.merge(FetchHttpClient.layer, RetryBudget.layer())))
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { nowMillis } from "../internal/monotonic.js"
import { PerTarget } from "../internal/perTarget.js"
import { type Rates, TokenBucket } from "../internal/tokenBucket.js"
import * as RouterError from "../RouterError.js"
import * as HttpPolicy from "./HttpPolicy.js"

/**
 * What a bucket begins with, in tokens: a program that has just started may retry its first failures. gRPC's example of its retry throttle
 * has 10 tokens.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultBurst = 10

/**
 * The most that a bucket holds, in tokens: a good day must not pay for a storm of retries. It is what 500 successes earn.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultCap = 100

/**
 * What a success earns, in tokens: one retry for five successes, the 20 % of Finagle and Envoy.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultTokensPerSuccess = 0.2

/**
 * What a second earns, in tokens, whatever happens: a program with little traffic may retry too. Finagle reserves 10 in a second, for
 * requests that cost less than completions do.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultTokensPerSecond = 1

/**
 * All are finite and not negative. A token is one repetition.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** What a bucket begins with, at most the cap. Default 10. */
  readonly burst?: number | undefined
  /** The most that a bucket holds. Default 100. */
  readonly cap?: number | undefined
  /** What each success earns. Default 0.2. */
  readonly tokensPerSuccess?: number | undefined
  /** What each second earns. Default 1. */
  readonly tokensPerSecond?: number | undefined
}

/**
 * What is left for a target.
 *
 * @since 0.1.0
 * @category models
 */
export interface Balance {
  readonly target: string
  /** In tokens: from 0 to the cap. */
  readonly balance: number
}

/**
 * The buckets of all targets.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Takes a token; whether there was one. */
  readonly withdraw: (target: string) => Effect.Effect<boolean>
  /** Gives a token back that was not used. */
  readonly giveBack: (target: string) => Effect.Effect<void>
  /** Adds what a success earns. */
  readonly deposit: (target: string) => Effect.Effect<void>
  /** The targets that were used so far. */
  readonly snapshot: Effect.Effect<ReadonlyArray<Balance>>
}

/**
 * @since 0.1.0
 * @category context
 */
export class RetryBudget extends Context.Tag("effect-llm-router/RetryBudget")<RetryBudget, Service>() {}

/**
 * The bucket of one target.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bucket {
  /** Takes a token; whether there was one. */
  readonly withdraw: Effect.Effect<boolean>
  /** Gives a token back that was not used. */
  readonly giveBack: Effect.Effect<void>
}

/**
 * The bucket from which the current call pays for repetitions; `undefined`, the default, when they are not bounded.
 *
 * @since 0.1.0
 * @category context
 */
export class CurrentRetryBudget
  extends Context.Reference<CurrentRetryBudget>()("effect-llm-router/RetryBudget/CurrentRetryBudget", {
    defaultValue: (): Bucket | undefined => undefined
  })
{}

const notNegative = (path: keyof Options, value: number): number => {
  if (!Number.isFinite(value) || value < 0) {
    throw RouterError.invalidField(path, "expected a finite number of tokens, 0 or more")
  }
  return value
}

const validated = (options: Options): Rates => {
  const cap = notNegative("cap", options.cap ?? defaultCap)
  const burst = notNegative("burst", options.burst ?? defaultBurst)
  if (burst > cap) {
    throw RouterError.invalidField("burst", "expected at most the cap")
  }
  return {
    burst,
    cap,
    perSuccess: notNegative("tokensPerSuccess", options.tokensPerSuccess ?? defaultTokensPerSuccess),
    perSecond: notNegative("tokensPerSecond", options.tokensPerSecond ?? defaultTokensPerSecond)
  }
}

/**
 * Buckets in the memory of this process. Throws `InvalidRequest` when an option is out of bounds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Service> => {
  const rates = validated(options)
  return Effect.sync((): Service => {
    let latest = 0
    const buckets = new PerTarget(
      () => new TokenBucket(rates, latest),
      // one that is forgotten begins anew with the burst: nobody gains by it
      (bucket) => bucket.balanceAt(latest) >= rates.burst
    )
    const at = <A>(f: (now: number) => A): Effect.Effect<A> =>
      Effect.map(nowMillis, (now) => {
        latest = now
        return f(now)
      })
    return {
      withdraw: (target) => at((now) => buckets.get(target).take(now)),
      giveBack: (target) => at((now) => buckets.get(target).add(1, now)),
      deposit: (target) => at((now) => buckets.get(target).add(rates.perSuccess, now)),
      snapshot: at((now) => buckets.all.map(([target, bucket]) => ({ target, balance: bucket.balanceAt(now) })))
    }
  })
}

/**
 * `make` as a layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<RetryBudget> => Layer.effect(RetryBudget, make(options))

/**
 * What is left for each target that was used so far.
 *
 * @since 0.1.0
 * @category accessors
 */
export const snapshot: Effect.Effect<ReadonlyArray<Balance>, never, RetryBudget> = Effect.flatMap(
  RetryBudget,
  (budget) => budget.snapshot
)

/**
 * Bounds the repetitions inside by the bucket of `target`, and fills it with each success of the whole. It stands outside of the retry. A
 * stream is a success when its first content is there.
 *
 * Of several around each other, the innermost counts for the repetitions inside of it.
 *
 * @since 0.1.0
 * @category policies
 */
export const withRetryBudget = (target: string): HttpPolicy.HttpPolicy<never, RetryBudget> =>
  HttpPolicy.make<never, RetryBudget>((request, execute) =>
    Effect.flatMap(RetryBudget, (budget) =>
      execute(request).pipe(
        Effect.provideService(CurrentRetryBudget, {
          withdraw: budget.withdraw(target),
          giveBack: budget.giveBack(target)
        }),
        Effect.tap(() => budget.deposit(target))
      ))
  )

/**
 * Repeats something if the budget of the call has a token for it, and does the other thing if it has none: for policies of your own. A
 * token is given back when `repeat` ends, however it does, and has not run the `begin` that it is given, and as soon as it runs the
 * `notSent` that it is given too: for a repetition that was begun and then held back (see `RouterError.isNotSent`).
 *
 * @since 0.1.0
 * @category combinators
 */
export const withToken = <A, E, R, A2, E2, R2>(
  repeat: (begin: Effect.Effect<void>, notSent: Effect.Effect<void>) => Effect.Effect<A, E, R>,
  otherwise: Effect.Effect<A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> =>
  Effect.flatMap(CurrentRetryBudget, (bucket): Effect.Effect<A | A2, E | E2, R | R2> => {
    if (bucket === undefined) {
      return repeat(Effect.void, Effect.void)
    }
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(bucket.withdraw, (paid): Effect.Effect<A | A2, E | E2, R | R2> => {
        if (!paid) {
          return restore(otherwise)
        }
        let token: "held" | "used" | "returned" = "held"
        const begin = Effect.sync(() => {
          token = "used"
        })
        const giveBackOnce = Effect.suspend(() => {
          const first = token !== "returned"
          token = "returned"
          return first ? bucket.giveBack : Effect.void
        })
        const notSent = Effect.uninterruptible(giveBackOnce)
        const unused = Effect.suspend(() => token === "held" ? giveBackOnce : Effect.void)
        return Effect.ensuring(restore(repeat(begin, notSent)), unused)
      })
    )
  })

/**
 * The same error, with `retryBudgetExhausted` if it is an error of a single target.
 *
 * @since 0.1.0
 * @category combinators
 */
export const exhausted = <E>(error: E): E =>
  RouterError.isTargetError(error) ? RouterError.withContext(error, { retryBudgetExhausted: true }) : error
