/**
 * Bounds how many requests are under way on a target at the same time.
 *
 * A request beyond the limit is refused at once, so that another target can serve it, or waits in a queue of bounded length, first come,
 * first served. A request is under way until its exchange is over: a stream, until its end.
 *
 * ```ts
 * import { Concurrency } from "effect-llm-router"
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(Concurrency.withConcurrency("local/llama"))
 *   return yield* client.get("http://localhost:3000/status")
 * }).pipe(Effect.provide(Layer.merge(
 *   FetchHttpClient.layer,
 *   Concurrency.layer({ limit: 100, targets: { "local/llama": { limit: 4, queue: 16 } } })
 * )))
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { whenOver } from "../internal/over.js"
import * as Permits from "../internal/permits.js"
import { PerTarget } from "../internal/perTarget.js"
import * as RouterError from "../RouterError.js"
import * as Deadline from "./Deadline.js"
import * as HttpPolicy from "./HttpPolicy.js"

/**
 * How many may wait for a target when `queue` is not given: none. A request that waits is late; another target may not be. Polly and
 * Resilience4j have the same default.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultQueue = 0

/**
 * @since 0.1.0
 * @category models
 */
export interface Limit {
  /** How many requests may be under way, a whole number from 1. */
  readonly limit: number
  /** How many requests may wait until one of those is over, a whole number from 0. Default 0. */
  readonly queue?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends Limit {
  /** Other limits for single targets. An entry replaces both numbers. */
  readonly targets?: Readonly<Record<string, Limit>> | undefined
}

/**
 * What is going on at a target.
 *
 * @since 0.1.0
 * @category models
 */
export interface Load {
  readonly target: string
  /** How many requests are under way. */
  readonly inFlight: number
  /** How many wait. */
  readonly queued: number
  /** How many may be under way. */
  readonly limit: number
}

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-llm-router/Concurrency")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * The permits of all targets. Built by `make`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly [TypeId]: TypeId
  /** The targets that were used so far. */
  readonly snapshot: Effect.Effect<ReadonlyArray<Load>>
  /** @internal */
  readonly permits: (target: string) => Permits.Permits
}

/**
 * @since 0.1.0
 * @category context
 */
export class Concurrency extends Context.Tag("effect-llm-router/Concurrency")<Concurrency, Service>() {}

const wholeNumber = (path: string, value: number, least: number): number => {
  if (!Number.isSafeInteger(value) || value < least) {
    throw RouterError.invalidField(path, `expected a whole number, ${least} or more`)
  }
  return value
}

const validated = (path: string, { limit, queue }: Limit): Required<Limit> => ({
  limit: wholeNumber(`${path}limit`, limit, 1),
  queue: wholeNumber(`${path}queue`, queue ?? defaultQueue, 0)
})

/**
 * Permits in the memory of this process. Throws `InvalidRequest` when a number is out of bounds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Service> => {
  const limits = new Map(
    Object.entries(options.targets ?? {}).map(([target, limit]) =>
      [target, validated(`targets[${JSON.stringify(target)}].`, limit)] as const
    )
  )
  const others = validated("", options)
  return Effect.sync((): Service => {
    const all = new PerTarget(
      (target) => {
        const { limit, queue } = limits.get(target) ?? others
        return new Permits.Permits(limit, queue)
      },
      (permits) => permits.inFlight === 0
    )
    return {
      [TypeId]: TypeId,
      snapshot: Effect.sync(() =>
        all.all.map(([target, { inFlight, limit, queued }]) => ({ target, inFlight, queued, limit }))
      ),
      permits: (target) => all.get(target)
    }
  })
}

/**
 * `make` as a layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options): Layer.Layer<Concurrency> => Layer.effect(Concurrency, make(options))

/**
 * What is going on at each target that was used so far.
 *
 * @since 0.1.0
 * @category accessors
 */
export const snapshot: Effect.Effect<ReadonlyArray<Load>, never, Concurrency> = Effect.flatMap(
  Concurrency,
  (concurrency) => concurrency.snapshot
)

/** The time that an attempt needs at least. */
const attemptMillis = 1

/** Whoever has waited may have no time left to use the permit. */
const isInTime: Effect.Effect<boolean> = Effect.map(Deadline.remainingMillis, (millis) => millis >= attemptMillis)

/**
 * Sends a request to `target` only while fewer than the limit are under way there. It stands inside of the retry and of the circuit
 * breaker, next to the attempt: it is attempts that are counted.
 *
 * Beyond the limit it waits in the queue, and fails with `ConcurrencyExceeded` when that is full, or when the deadline of the call has come
 * with its turn. Whoever is interrupted while waiting leaves the queue at once.
 *
 * The permit is given back when the exchange is over, however it ends: for a `StreamResponse` that is the end of the stream, or the end of
 * its call when nobody reads it. A response whose body is still to be read counts as over.
 *
 * @since 0.1.0
 * @category policies
 */
export const withConcurrency = (
  target: string
): HttpPolicy.HttpPolicy<RouterError.ConcurrencyExceeded, Concurrency> =>
  HttpPolicy.make<RouterError.ConcurrencyExceeded, Concurrency>((request, execute) =>
    Effect.flatMap(Concurrency, (concurrency) =>
      Effect.uninterruptibleMask((restore) => {
        const permits = concurrency.permits(target)
        const refuse = Effect.suspend(() => Effect.fail(new RouterError.ConcurrencyExceeded({ limit: permits.limit })))
        const release = Effect.sync(() => permits.release())
        const send = whenOver(restore(execute(request)), () => release)
        return Effect.flatMap(permits.take(restore), (taken) =>
          taken === "free"
            ? send
            : taken === "refused"
            ? refuse
            : Effect.if(isInTime, { onTrue: () => send, onFalse: () => Effect.zipRight(release, refuse) }))
      }))
  )
