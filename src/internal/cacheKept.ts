import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type * as CacheStore from "../policy/CacheStore.js"

/**
 * An entry in the memory of this process, with times in nanoseconds of the monotonic clock: never, where one is absent.
 *
 * @internal
 */
export interface Kept {
  readonly entry: CacheStore.Entry
  readonly setAt: bigint
  readonly staleAt: bigint | undefined
  readonly goneAt: bigint | undefined
}

const later = (from: bigint | undefined, by: Duration.Duration): bigint | undefined => {
  const nanos = Option.getOrUndefined(Duration.toNanos(by))
  return from === undefined || nanos === undefined ? undefined : from + nanos
}

/** @internal */
export const keep = (entry: CacheStore.Entry, { staleFor, ttl }: CacheStore.Lifetime, now: bigint): Kept => {
  const staleAt = later(now, ttl)
  return { entry, setAt: now, staleAt, goneAt: later(staleAt, staleFor) }
}

const millisBetween = (from: bigint, to: bigint): number => Number(to - from) / 1e6

/** @internal */
export const foundAt = (now: bigint) => ({ entry, setAt, staleAt }: Kept): CacheStore.Found => ({
  entry,
  ageMillis: millisBetween(setAt, now),
  staleMillis: staleAt === undefined || now < staleAt ? undefined : millisBetween(staleAt, now)
})
