/**
 * Keeps a target within a number of requests and of tokens a minute, so that a limit that the provider sets is not run into.
 *
 * Each limit is a token bucket: it holds as much as may be used in a minute, every use takes from it, and it fills evenly, by whole units.
 * So in any `m` minutes at most `limit × (1 + m)` is used, one more in memory, where the steps of the filling may fall so, and what answers
 * that were under way before those minutes give back in them. A request that finds too little fails at once with `RateLimitExceeded`, which
 * a fallback acts on, or waits for it where `maxWait` allows that and the deadline of the call too.
 *
 * How many tokens a request will use is not known before its answer is over. They are reserved from an estimate, which is corrected by the
 * usage that the answer reports. An answer that failed gives its tokens back, one that was cut or abandoned keeps the estimate. A request
 * that is not sent counts for nothing: what holds it back inside (see `RouterError.isNotSent`) gives back all that it has taken. One that is
 * abandoned while it waits inside keeps it, for nobody can say here that it was not sent.
 *
 * The buckets are in a store: in the memory of this process (`layerMemory`), or in one that several processes share (`layer` with that of
 * `effect-llm-router/Redis`). A store that fails, or takes longer than 200 milliseconds, holds no request back: what it should have said no
 * to is sent, it is not asked again for a second, and `effect_llm_router_store_failures` counts the failure.
 *
 * @since 0.1.0
 */
import * as RateLimiter from "@effect/experimental/RateLimiter"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { whenOver } from "../internal/over.js"
import { type Bucket, bucket, Buckets, type Taken } from "../internal/rateLimitBucket.js"
import * as Estimate from "../internal/rateLimitEstimate.js"
import { makeMemory } from "../internal/rateLimitMemory.js"
import { Meter } from "../internal/rateLimitUsage.js"
import { guard } from "../internal/storeGuard.js"
import * as RouterError from "../RouterError.js"
import type * as RequestBody from "../wire/RequestBody.js"
import * as Deadline from "./Deadline.js"
import * as HttpPolicy from "./HttpPolicy.js"

/**
 * How many tokens are reserved for an answer whose request does not bound it (`max_completion_tokens`, `max_tokens`): 1,000, a page of text
 * and a half.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultAnswerTokens: number = Estimate.defaultAnswerTokens

/**
 * What the names of the buckets begin with when `namespace` is not given.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultNamespace = "rate-limit"

/**
 * How long a request waits for its turn when `maxWait` is not given, 0: it does not, for another target may serve it at once.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxWait: Duration.Duration = Duration.zero

/**
 * The most that a limit may be, a billion a minute: beyond any provider, and the refill still has its precision.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxLimit = 1e9

/**
 * Whole numbers from 1 to `maxLimit`, or `Infinity`, which is no limit.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Attempts in a minute, those of retries included. Default: no limit. */
  readonly requestsPerMinute?: number | undefined
  /** Tokens in a minute, of prompts and answers together. Default: no limit. */
  readonly tokensPerMinute?: number | undefined
}

/**
 * The limits are those of each target, not of all together.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Limits {
  /** By target (`provider/model`): other limits for some of them. A limit that is not given here is the one above. */
  readonly targets?: Readonly<Record<string, Limits>> | undefined
  /**
   * About how many tokens the prompt and the answer of a request will have. What is reserved is that, rounded up, the limit at most;
   * nothing for what is no positive number. Default: a quarter of the UTF-8 bytes of the body, and for each of its `n` answers
   * `max_completion_tokens`, `max_tokens` or else `defaultAnswerTokens`. Images count with their bytes then, which is far too much.
   */
  readonly estimate?: ((body: RequestBody.JsonObject) => number) | undefined
  /** The longest that a request waits for its turn. Default 0. */
  readonly maxWait?: Duration.DurationInput | undefined
  /** What the names of the buckets begin with, before the name of the target: programs that share it share their limits. Default `rate-limit`. */
  readonly namespace?: string | undefined
}

/**
 * What is left of the limits of a target. It is below 0 where more was used than was reserved, and absent without a limit, or when the store
 * does not answer.
 *
 * @since 0.1.0
 * @category models
 */
export interface Remaining {
  readonly requests?: number | undefined
  readonly tokens?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Runs the exchange of a request with a target within the limits of the target. */
  readonly limit: <E, R>(
    target: string,
    request: HttpClientRequest.HttpClientRequest,
    exchange: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>
  ) => Effect.Effect<HttpClientResponse.HttpClientResponse, E | RouterError.RateLimitExceeded, R>
  /** What is left now, for a page or a probe. */
  readonly remaining: (target: string) => Effect.Effect<Remaining>
}

/**
 * The limits of all targets, and where their state is.
 *
 * @since 0.1.0
 * @category context
 */
export class RateLimit extends Context.Tag("effect-llm-router/RateLimit")<RateLimit, Service>() {}

const validLimit = (path: string, limit: number | undefined): number | undefined => {
  if (limit !== undefined && limit !== Infinity && !(Number.isInteger(limit) && limit >= 1 && limit <= maxLimit)) {
    throw RouterError.invalidField(path, `expected a whole number from 1 to ${maxLimit}`)
  }
  return limit
}

const validLimits = (path: string, limits: Limits): Limits => ({
  requestsPerMinute: validLimit(`${path}requestsPerMinute`, limits.requestsPerMinute),
  tokensPerMinute: validLimit(`${path}tokensPerMinute`, limits.tokensPerMinute)
})

const validWait = (maxWait: Duration.DurationInput): number => {
  const decoded = Duration.decodeUnknown(maxWait)
  // decoding makes 0 of these two
  const nonsense = typeof maxWait === "number" && !(maxWait >= 0)
  if (Option.isNone(decoded) || nonsense) {
    throw RouterError.invalidField("maxWait", "expected a duration of 0 or more")
  }
  return Duration.toMillis(decoded.value)
}

const validated = (options: Options) => ({
  limits: validLimits("", options),
  targets: new Map(
    Object.entries(options.targets ?? {}).map(([name, limits]) => [name, validLimits(`targets.${name}.`, limits)])
  ),
  estimate: options.estimate ?? Estimate.ofBody,
  maxWaitMillis: validWait(options.maxWait ?? defaultMaxWait),
  namespace: options.namespace ?? defaultNamespace
})

type Config = ReturnType<typeof validated>

/** The time that a request needs at least: a wait that leaves less is not begun. */
const attemptMillis = 1

interface TargetBuckets {
  readonly requests: Bucket | undefined
  readonly tokens: Bucket | undefined
}

const bucketsOf = ({ limits, namespace, targets }: Config, target: string): TargetBuckets => {
  const own = targets.get(target)
  const of = (unit: Bucket["unit"], limit = Infinity) =>
    limit === Infinity ? undefined : bucket(`${namespace}:${target}`, unit, limit)
  return {
    requests: of("requests", own?.requestsPerMinute ?? limits.requestsPerMinute),
    tokens: of("tokens", own?.tokensPerMinute ?? limits.tokensPerMinute)
  }
}

const exceeded = ({ limit, unit }: Bucket, wait: number): Effect.Effect<never, RouterError.RateLimitExceeded> =>
  Effect.fail(new RouterError.RateLimitExceeded({ unit, limit, retryAfter: Duration.millis(wait) }))

const isNotSent = (exit: Exit.Exit<unknown, unknown>): boolean =>
  exit._tag === "Failure" && Option.exists(Cause.failureOption(exit.cause), RouterError.isNotSent)

const nothing: Extract<Taken, { admitted: true }> = { admitted: true, wait: 0, held: 0 }

const makeService = (buckets: Buckets, config: Config): Service => {
  const giveBack = (bucket: Bucket | undefined, amount: number) =>
    bucket === undefined ? Effect.void : buckets.giveBack(bucket, amount)
  const left = (bucket: Bucket | undefined) => bucket === undefined ? Effect.succeed(undefined) : buckets.left(bucket)

  return {
    limit: (target, request, exchange) => {
      const { requests, tokens } = bucketsOf(config, target)
      if (requests === undefined && tokens === undefined) {
        return exchange
      }
      return Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const remaining = yield* Deadline.remainingMillis
          const longest = Math.min(config.maxWaitMillis, remaining - attemptMillis)
          const take = (bucket: Bucket | undefined, amount: number): Effect.Effect<Taken> =>
            bucket === undefined ? Effect.succeed(nothing) : restore(buckets.take(bucket, amount, longest))

          const needed = tokens === undefined ? 0 : Estimate.reservation(request, config.estimate, tokens.limit)
          const first = yield* take(requests, 1)
          if (!first.admitted) {
            return yield* exceeded(first.bucket, first.wait)
          }
          const undoFirst = giveBack(requests, first.held)
          const second = yield* Effect.onInterrupt(take(tokens, needed), () => undoFirst)
          if (!second.admitted) {
            return yield* Effect.zipRight(undoFirst, exceeded(second.bucket, second.wait))
          }
          const wait = Math.max(first.wait, second.wait)
          if (wait > 0) {
            const undo = Effect.zipRight(undoFirst, giveBack(tokens, second.held))
            yield* Effect.onInterrupt(restore(Effect.sleep(wait)), () => undo)
          }
          const meter = new Meter()
          return yield* whenOver(
            restore(Effect.map(exchange, (response) => meter.watch(response))),
            (exit) => {
              const correction = giveBack(tokens, second.held - meter.used(exit, second.held))
              return isNotSent(exit) ? Effect.zipRight(undoFirst, correction) : correction
            }
          )
        })
      )
    },
    remaining: (target) => {
      const { requests, tokens } = bucketsOf(config, target)
      return Effect.zipWith(left(requests), left(tokens), (requests, tokens) => ({ requests, tokens }))
    }
  }
}

/**
 * Throws `InvalidRequest` when an option is out of bounds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Service, never, RateLimiter.RateLimiterStore> => {
  const config = validated(options)
  return Effect.map(RateLimiter.RateLimiterStore, (store) => makeService(new Buckets(store, guard()), config))
}

/**
 * Limits whose state is in a store: that of `effect-llm-router/Redis` for several processes, or any other one of `@effect/experimental`.
 *
 * Throws `InvalidRequest` when an option is out of bounds.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<RateLimit, never, RateLimiter.RateLimiterStore> =>
  Layer.effect(RateLimit, make(options))

/**
 * Limits of this process alone, with buckets of their own for each time that the layer is built. Of more than 10,000 buckets, those that are
 * full are forgotten, so that names of targets may come from outside.
 *
 * Throws `InvalidRequest` when an option is out of bounds.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (options: Options): Layer.Layer<RateLimit> => {
  const config = validated(options)
  // what is in memory needs no guard
  return Layer.effect(RateLimit, Effect.map(makeMemory, (store) => makeService(new Buckets(store), config)))
}

/**
 * Sends a request to `target` only where its limits have room for it, or will have within `maxWait`.
 *
 * It stands inside the retry, so that each attempt counts, and outside the timeout, so that the wait does not count as the target's.
 *
 * ```ts
 * import { RateLimit } from "effect-llm-router"
 *
 * const limited = RateLimit.withRateLimit("openai/gpt-4o")
 * const limits = RateLimit.layerMemory({
 *   requestsPerMinute: 500,
 *   targets: { "openai/gpt-4o": { tokensPerMinute: 200_000 } }
 * })
 * ```
 *
 * @since 0.1.0
 * @category policies
 */
export const withRateLimit = (target: string): HttpPolicy.HttpPolicy<RouterError.RateLimitExceeded, RateLimit> =>
  HttpPolicy.make<RouterError.RateLimitExceeded, RateLimit>((request, execute) =>
    Effect.flatMap(RateLimit, ({ limit }) => limit(target, request, execute(request)))
  )
