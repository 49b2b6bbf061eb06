/**
 * Weighted random selection. Weights are relative: they are normalised by their sum. All randomness comes from Effect's `Random`
 * service, so a test or a replay can fix it.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { client } from "../internal/onion.js"
import * as RouterError from "../RouterError.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Weighted<out A> {
  /** Finite and not negative. A weight of 0 is never picked. */
  readonly weight: number
  readonly value: A
}

const check = (entries: ReadonlyArray<Weighted<unknown>>): void => {
  entries.forEach(({ weight }, index) => {
    if (!Number.isFinite(weight) || weight < 0) {
      throw RouterError.invalidField(`[${index}].weight`, "expected a finite weight of 0 or more")
    }
  })
  if (!entries.some(({ weight }) => weight > 0)) {
    throw RouterError.invalidField("", "expected at least one entry with a weight above 0")
  }
}

/** The weights with the largest scaled to 1, so that no sum overflows. */
const toShares = (entries: ReadonlyArray<Weighted<unknown>>): ReadonlyArray<number> => {
  const largest = entries.reduce((largest, { weight }) => Math.max(largest, weight), 0)
  return entries.map(({ weight }) => weight / largest)
}

/** The index that `point`, between 0 and the sum of the shares, falls on. The last one with a share absorbs rounding. */
const indexAt = (shares: ReadonlyArray<number>, point: number): number => {
  let cumulative = 0
  let last = 0
  for (let i = 0; i < shares.length; i++) {
    const share = shares[i]!
    if (share > 0) {
      cumulative += share
      last = i
      if (point < cumulative) {
        return i
      }
    }
  }
  return last
}

const draw = <A>(shares: ReadonlyArray<number>, at: (index: number) => A): Effect.Effect<A> => {
  let total = 0
  let positive = 0
  for (const share of shares) {
    total += share
    positive += share > 0 ? 1 : 0
  }
  // a draw with one outcome needs no randomness
  return positive === 1
    ? Effect.sync(() => at(indexAt(shares, 0)))
    : Effect.map(Random.next, (random) => at(indexAt(shares, random * total)))
}

/**
 * Draws one value, each with the probability of its weight among all.
 *
 * Throws `InvalidRequest`, with the index of the entry as its path, when a weight is negative or not finite, and when no weight is
 * above 0.
 *
 * ```ts
 * import { LoadBalancer } from "effect-llm-router"
 *
 * const model = LoadBalancer.pick([
 *   { weight: 0.7, value: "openai/gpt-4o" },
 *   { weight: 0.3, value: "groq/llama-3.3-70b-versatile" }
 * ])
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const pick = <A>(entries: ReadonlyArray<Weighted<A>>): Effect.Effect<A> => {
  check(entries)
  const shares = toShares(entries)
  return draw(shares, (index) => entries[index]!.value)
}

/**
 * Draws among the values that are eligible at that moment, with their weights relative to each other. When none with a weight above 0 is,
 * all are: to try a target that is thought to be down is better than to try none.
 *
 * Throws like `pick`.
 *
 * ```ts
 * import { CircuitBreaker, LoadBalancer } from "effect-llm-router"
 * import { Effect } from "effect"
 *
 * const model = Effect.gen(function*() {
 *   const breaker = yield* CircuitBreaker.CircuitBreaker
 *   return yield* LoadBalancer.pickEligible([
 *     { weight: 0.7, value: "openai/gpt-4o" },
 *     { weight: 0.3, value: "groq/llama-3.3-70b-versatile" }
 *   ], breaker.isEligible)
 * })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const pickEligible = <A>(
  entries: ReadonlyArray<Weighted<A>>,
  isEligible: (value: A) => Effect.Effect<boolean>
): Effect.Effect<A> => {
  const fromAll = pick(entries)
  const candidates = entries.filter(({ weight }) => weight > 0)
  return Effect.flatMap(
    Effect.filter(candidates, ({ value }) => isEligible(value)),
    (eligible) => eligible.length === 0 || eligible.length === candidates.length ? fromAll : pick(eligible)
  )
}

/**
 * Draws all values with a weight above 0, one after the other and each once: the order in which to try them when one fails.
 *
 * Throws like `pick`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const order = <A>(entries: ReadonlyArray<Weighted<A>>): Effect.Effect<Arr.NonEmptyArray<A>> => {
  check(entries)
  const candidates = entries.filter(({ weight }) => weight > 0)
  return Effect.gen(function*() {
    const left = candidates.slice()
    // scaled anew each time: beside a large weight the small ones may have no share at all
    const next = Effect.suspend(() => draw(toShares(left), (index) => left.splice(index, 1)[0]!.value))
    const picked: Arr.NonEmptyArray<A> = [yield* next]
    while (left.length > 0) {
      picked.push(yield* next)
    }
    return picked
  })
}

/**
 * A client that sends each request to one of several clients, drawn anew for every request.
 *
 * Put a retry outside of it to draw again after a failure. Throws like `pick`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const weighted = <E, R>(
  entries: ReadonlyArray<Weighted<HttpClient.HttpClient.With<E, R>>>
): HttpClient.HttpClient.With<E, R> => {
  const picked = pick(entries)
  return client((request) => Effect.flatMap(picked, (target) => target.execute(request)))
}
