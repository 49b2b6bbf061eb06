/**
 * Leaves a target alone that fails, or that has said that it will not serve for a while.
 *
 * A circuit is closed while its target works. It opens after 5 failures in a row, or when half of the calls of the last 30 seconds failed
 * and there were at least 10; requests then fail at once with `BreakerOpen`, and another target can serve them. When its time is over, one
 * request goes through as a probe: its success closes the circuit, its failure opens it again for twice as long, up to a minute. A probe that
 * has not ended after a minute changes nothing any more once the next request has gone through in its place.
 *
 * A failure is what a working target does not do: a broken connection, a timeout, a 5xx, an answer that is none, a stream that is cut. A
 * 4xx is a success, because the target answered. Interruptions, the deadline of the call, defects and errors of classes that are not known
 * say nothing.
 *
 * Beside the circuit there is a cooldown, for which requests fail with `CoolingDown`: after a 429 for the wait that it asks for, and after
 * refused credentials or a used-up quota, so that a dead key is not tried again with each request.
 *
 * The states live in the `CircuitBreaker` service, so all policies that are given one layer share them:
 *
 * ```ts
 * import { CircuitBreaker } from "effect-llm-router"
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(CircuitBreaker.withCircuitBreaker("status page"))
 *   return yield* client.get("http://localhost:3000/status")
 * }).pipe(Effect.provide(Layer.merge(FetchHttpClient.layer, CircuitBreaker.layer({ openFor: "10 seconds" }))))
 * ```
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Breaker from "../internal/breaker.js"
import { failFast, guard } from "../internal/breakerCall.js"
import * as Settings from "../internal/breakerSettings.js"
import { nowMillis } from "../internal/monotonic.js"
import { PerTarget } from "../internal/perTarget.js"
import * as RouterError from "../RouterError.js"
import * as HttpPolicy from "./HttpPolicy.js"

/**
 * The time over which calls and failures are counted, in ten buckets: long enough for 10 calls to be a sample, short enough to
 * forget an outage that is over.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultWindow: Duration.Duration = Duration.seconds(30)

/**
 * How many calls the window must have before their ratio counts: one failure of two is no outage.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMinimumCalls = 10

/**
 * The share of failures that opens a circuit: what Hystrix, Resilience4j and opossum use.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultFailureRatio = 0.5

/**
 * How many failures in a row open a circuit whatever the window says, so that a target with little traffic is not waited for: what
 * Envoy and Finagle use.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultConsecutiveFailures = 5

/**
 * How long a circuit is open at first: Finagle's and Polly's value.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultOpenFor: Duration.Duration = Duration.seconds(5)

/**
 * How long a circuit is open at most: a target that is back is found within a minute, and one that is not gets a request a minute.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxOpenFor: Duration.Duration = Duration.seconds(60)

/**
 * How long a target is left alone that refused the credentials or whose quota is used up, when its answer names no wait: a person has to
 * act, so seconds are too short, and a minute after that the key is in use again.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultAccountCooldown: Duration.Duration = Duration.seconds(60)

/**
 * The longest cooldown, whatever wait an answer asks for: some name the end of the day, and no answer is to take a target out for that
 * long. Envoy's bound too.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxCooldown: Duration.Duration = Duration.seconds(300)

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The time over which calls and failures are counted. Longer than 0. Default 30 seconds. */
  readonly window?: Duration.DurationInput | undefined
  /** The calls in the window from which on their ratio counts: 1 or more, `Infinity` for never. Default 10. */
  readonly minimumCalls?: number | undefined
  /** The share of failures in the window that opens the circuit: more than 0, at most 1. Default 0.5. */
  readonly failureRatio?: number | undefined
  /** The failures in a row that open the circuit: 1 or more, `Infinity` for never. Default 5. */
  readonly consecutiveFailures?: number | undefined
  /**
   * The time for which the circuit is open, of which a random half is left out so that clients do not return in step: between 2.5 and 5
   * seconds by default. It doubles each time the circuit opens again, until that has stayed closed for as long as it was open. Longer
   * than 0. Default 5 seconds.
   */
  readonly openFor?: Duration.DurationInput | undefined
  /** The bound of that doubling, and how long others wait for the end of a probe at most. Default 60 seconds, or `openFor` where that is longer. */
  readonly maxOpenFor?: Duration.DurationInput | undefined
  /** The cooldown after `Auth` and `QuotaExhausted` that name no wait. 0 for none. Default 60 seconds. */
  readonly accountCooldown?: Duration.DurationInput | undefined
  /** The longest cooldown. 0 for none at all. Default 300 seconds. */
  readonly maxCooldown?: Duration.DurationInput | undefined
}

/**
 * How a target is doing: plain JSON, for a health page.
 *
 * @since 0.1.0
 * @category models
 */
export interface TargetState {
  readonly target: string
  /** `"halfOpen"`: the time is over, and the next request is the probe, or it is under way. */
  readonly state: "closed" | "open" | "halfOpen"
  /** The calls that ended within the window, interrupted and refused ones left out. */
  readonly calls: number
  /** How many of them failed. */
  readonly failures: number
  /** The failures since the last success. */
  readonly consecutiveFailures: number
  /** The milliseconds until the next request may be sent: 0 when it may be now; while a probe is under way, until another may be one. */
  readonly retryAfterMillis: number
  /** Absent when there is none. */
  readonly cooldown?: {
    /** The class of the answer that began it. */
    readonly reason: "RateLimited" | "Auth" | "QuotaExhausted"
    readonly remainingMillis: number
  } | undefined
}

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-llm-router/CircuitBreaker")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * The states of all targets. Built by `make`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly [TypeId]: TypeId
  /**
   * Whether a request to this target would be sent now: its circuit is closed, or a probe is due and not yet under way, and it is not cooling
   * down. A target that was never used is eligible.
   */
  readonly isEligible: (target: string) => Effect.Effect<boolean>
  /** Every target that was used, the one used last at the end. */
  readonly snapshot: Effect.Effect<ReadonlyArray<TargetState>>
  /** @internal */
  readonly breakerOf: (target: string, now: number) => Breaker.Breaker
}

/**
 * @since 0.1.0
 * @category context
 */
export class CircuitBreaker extends Context.Tag("effect-llm-router/CircuitBreaker")<CircuitBreaker, Service>() {}

const settingsOf = (options: Options): Breaker.Settings => {
  const openFor = Settings.positiveMillis("openFor", options.openFor ?? defaultOpenFor)
  const maxOpenFor = options.maxOpenFor === undefined
    ? Math.max(openFor, Duration.toMillis(defaultMaxOpenFor))
    : Settings.positiveMillis("maxOpenFor", options.maxOpenFor)
  if (maxOpenFor < openFor) {
    throw RouterError.invalidField("maxOpenFor", "expected a duration that is not shorter than openFor")
  }
  return {
    window: Settings.positiveMillis("window", options.window ?? defaultWindow),
    minimumCalls: Settings.count("minimumCalls", options.minimumCalls ?? defaultMinimumCalls),
    failureRatio: Settings.ratio("failureRatio", options.failureRatio ?? defaultFailureRatio),
    consecutiveFailures: Settings.count(
      "consecutiveFailures",
      options.consecutiveFailures ?? defaultConsecutiveFailures
    ),
    openFor,
    maxOpenFor,
    accountCooldown: Settings.millis("accountCooldown", options.accountCooldown ?? defaultAccountCooldown),
    maxCooldown: Settings.millis("maxCooldown", options.maxCooldown ?? defaultMaxCooldown)
  }
}

/**
 * New states, in which every circuit is closed. They keep to the monotonic clock: a jump of the wall clock changes nothing.
 *
 * Throws `InvalidRequest` when an option is out of bounds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Service> => {
  const settings = settingsOf(options)
  return Effect.sync((): Service => {
    let lastUse = 0
    const breakers = new PerTarget(() => new Breaker.Breaker(settings), (breaker) => breaker.isIdle(lastUse))
    return {
      [TypeId]: TypeId,
      isEligible: (target) => Effect.map(nowMillis, (now) => breakers.peek(target)?.refusal(now) === undefined),
      snapshot: Effect.map(nowMillis, (now) =>
        breakers.all.map(([target, breaker]) => {
          const { cooldown, ...view } = breaker.view(now)
          return { target, ...view, ...(cooldown === undefined ? undefined : { cooldown }) }
        })),
      breakerOf: (target, now) => {
        lastUse = now
        return breakers.get(target)
      }
    }
  })
}

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<CircuitBreaker> => Layer.effect(CircuitBreaker, make(options))

/**
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Options>
): Layer.Layer<CircuitBreaker, ConfigError.ConfigError> =>
  Layer.effect(CircuitBreaker, Effect.flatMap(Config.unwrap(config), make))

/**
 * @since 0.1.0
 * @category models
 */
export interface PolicyOptions {
  /**
   * Sends the request whatever the state is: for when no target is left that would take it. On a circuit that is open, or during its probe, a
   * failure of it changes nothing, and its success closes the circuit as that of a probe does. It neither ends a cooldown nor is refused for
   * one. Default `false`.
   */
  readonly evenIfOpen?: boolean | undefined
}

/**
 * Sends a request only while the circuit of `target` is closed, or as its one probe, and not during a cooldown. It stands inside the
 * retry, so that each attempt counts, and outside everything that makes an answer final (see `Settle`); it works on any client.
 *
 * A stream of chat chunks counts when it ends, once: its clean end as a success, a cut as a failure, and not at all when its consumer
 * leaves. That of a probe closes the circuit as soon as it begins. Only what began in a circuit counts for it: calls from before it opened
 * change nothing when they end.
 *
 * A wait that was asked for is over exactly when it has passed, so a retry that waits for it is sent. Of two cooldowns, the one that ends
 * later is in force.
 *
 * @since 0.1.0
 * @category policies
 */
export const withCircuitBreaker = (
  target: string,
  options: PolicyOptions = {}
): HttpPolicy.HttpPolicy<RouterError.BreakerOpen | RouterError.CoolingDown, CircuitBreaker> => {
  const evenIfOpen = options.evenIfOpen ?? false
  return HttpPolicy.make<RouterError.BreakerOpen | RouterError.CoolingDown, CircuitBreaker>((request, execute) =>
    Effect.flatMap(CircuitBreaker, (breakers) => guard(execute(request), breakers.breakerOf, target, evenIfOpen))
  )
}

/**
 * Fails at once where a request to `target` would not be sent now. It stands around a queue (see `Concurrency`) inside of which
 * `withCircuitBreaker` stands: nobody waits for a target that is left alone, and nobody who has waited is sent to one that failed meanwhile.
 *
 * @since 0.1.0
 * @category policies
 */
export const withFailFast = (
  target: string
): HttpPolicy.HttpPolicy<RouterError.BreakerOpen | RouterError.CoolingDown, CircuitBreaker> =>
  HttpPolicy.make<RouterError.BreakerOpen | RouterError.CoolingDown, CircuitBreaker>((request, execute) =>
    Effect.flatMap(CircuitBreaker, (breakers) => failFast(execute(request), breakers, target))
  )
