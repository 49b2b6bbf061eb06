/**
 * What keeps an outage of one provider an outage of one provider, turned on by one Layer.
 *
 * Each of these has a Layer of its own too, and is off without it: `CircuitBreaker` (a target that fails is left alone), `RetryBudget` (no
 * retry storm), `Concurrency` (no queue that grows), `RateLimit` (the limits of an account are kept before the provider refuses).
 *
 * State is kept by the name of a target, `provider/model`: a Layer is for one set of providers. Routers with other keys, such as those of
 * tenants, need Layers of their own (`Layer.fresh`), or the dead key of one takes the target from all.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as CircuitBreaker from "./policy/CircuitBreaker.js"
import * as Concurrency from "./policy/Concurrency.js"
import * as RetryBudget from "./policy/RetryBudget.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: that of `CircuitBreaker`. */
  readonly circuitBreaker?: CircuitBreaker.Options | undefined
  /** Default: that of `RetryBudget`. */
  readonly retryBudget?: RetryBudget.Options | undefined
  /** How many requests may be under way on each target. Default: any number, because how many are good differs from host to host. */
  readonly concurrency?: Concurrency.Options | undefined
}

/**
 * The recommended set: a circuit breaker and a retry budget for each target, and a limit of concurrency if one is given.
 *
 * Throws `InvalidRequest` when an option is out of bounds.
 *
 * ```ts
 * import { ChatCompletions, Providers, Resilience, ResponseCache } from "effect-llm-router"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * // merged, so that a health page can see the state, too
 * const RouterLive = ChatCompletions.layer.pipe(
 *   Layer.provideMerge(Resilience.layer({ concurrency: { limit: 50, queue: 50 } })),
 *   Layer.provide([Providers.layerConfig, ResponseCache.layerMemory()]),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options = {}
): Layer.Layer<CircuitBreaker.CircuitBreaker | RetryBudget.RetryBudget> => {
  const recommended = Layer.merge(
    CircuitBreaker.layer(options.circuitBreaker),
    RetryBudget.layer(options.retryBudget)
  )
  return options.concurrency === undefined
    ? recommended
    : Layer.merge(recommended, Concurrency.layer(options.concurrency))
}

/**
 * How a target is doing: plain JSON, for a health page. What is absent is not turned on, or has no state for the target yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface TargetHealth {
  /** `provider/model` */
  readonly target: string
  readonly circuit?: Omit<CircuitBreaker.TargetState, "target">
  readonly retryBudget?: Omit<RetryBudget.Balance, "target">
  readonly concurrency?: Omit<Concurrency.Load, "target">
}

type States<K extends keyof TargetHealth> = ReadonlyArray<{ readonly target: string } & Required<TargetHealth>[K]>

const collect = <K extends Exclude<keyof TargetHealth, "target">>(
  all: Map<string, TargetHealth>,
  member: K,
  states: States<K>
): void => {
  for (const { target, ...state } of states) {
    all.set(target, { ...all.get(target), target, [member]: state })
  }
}

const statesOf = <S, A>(
  service: Option.Option<S>,
  snapshot: (service: S) => Effect.Effect<ReadonlyArray<A>>
): Effect.Effect<ReadonlyArray<A>> => Option.match(service, { onNone: () => Effect.succeed([]), onSome: snapshot })

/**
 * How the targets are doing that have been used: of the services that are given, and nothing without any. In the order of the target's
 * names.
 *
 * @since 0.1.0
 * @category accessors
 */
export const health: Effect.Effect<ReadonlyArray<TargetHealth>> = Effect.gen(function*() {
  const all = new Map<string, TargetHealth>()
  const breaker = yield* Effect.serviceOption(CircuitBreaker.CircuitBreaker)
  const budget = yield* Effect.serviceOption(RetryBudget.RetryBudget)
  const concurrency = yield* Effect.serviceOption(Concurrency.Concurrency)
  collect(all, "circuit", yield* statesOf(breaker, (service) => service.snapshot))
  collect(all, "retryBudget", yield* statesOf(budget, (service) => service.snapshot))
  collect(all, "concurrency", yield* statesOf(concurrency, (service) => service.snapshot))
  return [...all.values()].sort((a, b) => (a.target < b.target ? -1 : 1))
})
