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

/** The share of each entry, largest weight first scaled to 1 so that no sum overflows. */
const normalised = (entries: ReadonlyArray<Weighted<unknown>>): ReadonlyArray<number> => {
  let largest = 0
  for (let i = 0; i < entries.length; i++) {
    const { weight } = entries[i]!
    if (!Number.isFinite(weight) || weight < 0) {
      throw RouterError.invalidField(`[${i}].weight`, "expected a finite weight of 0 or more")
    }
    largest = Math.max(largest, weight)
  }
  if (largest === 0) {
    throw RouterError.invalidField("", "expected at least one entry with a weight above 0")
  }
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

const draw = (shares: ReadonlyArray<number>): Effect.Effect<number> => {
  let total = 0
  let positive = 0
  for (const share of shares) {
    total += share
    positive += share > 0 ? 1 : 0
  }
  // a draw with one outcome needs no randomness
  return positive === 1
    ? Effect.succeed(indexAt(shares, 0))
    : Effect.map(Random.next, (random) => indexAt(shares, random * total))
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
  const shares = normalised(entries)
  return Effect.map(draw(shares), (index) => entries[index]!.value)
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
  const initial = normalised(entries)
  const count = initial.filter((share) => share > 0).length
  return Effect.gen(function*() {
    const shares = initial.slice()
    const first = yield* draw(shares)
    const picked: Arr.NonEmptyArray<A> = [entries[first]!.value]
    shares[first] = 0
    while (picked.length < count) {
      const index = yield* draw(shares)
      picked.push(entries[index]!.value)
      shares[index] = 0
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
