import type * as Persistence from "@effect/experimental/Persistence"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as CacheStore from "../policy/CacheStore.js"
import { sha256 } from "./hash.js"

/**
 * Where JSON values are kept beyond this process.
 *
 * @internal
 */
export interface Backing<out E> {
  readonly get: (key: string) => Effect.Effect<Option.Option<unknown>, E>
  readonly set: (key: string, value: unknown, ttl: Option.Option<Duration.Duration>) => Effect.Effect<void, E>
}

/** Changes with the shape or the meaning of what is stored: what another version wrote is a miss. */
const version = 1

/**
 * How far in the future an entry may have been stored, in milliseconds: the clocks of machines differ by seconds. One that is further ahead
 * was written by a clock that was wrong, or has been spoiled, and would be of use until its time has come.
 */
const maxAheadMillis = 60_000

const Millis = Schema.NonNegative.pipe(Schema.finite())

const Stored = Schema.Struct({
  v: Schema.Literal(version),
  /** An entry that got under another key, by whatever accident, answers nobody. */
  key: Schema.String,
  /** Absent: for ever. */
  ttlMillis: Schema.optional(Millis),
  staleForMillis: Schema.optional(Millis),
  /** Of the body: half of an answer, or another one, is none. */
  sum: Schema.String,
  entry: CacheStore.Entry
})

const sumOf = ({ body, status }: CacheStore.Entry): string => sha256([String(status), body])

const decode = Schema.decodeUnknownOption(Stored)

const finiteMillis = (duration: Duration.Duration): number | undefined =>
  Duration.isFinite(duration) ? Duration.toMillis(duration) : undefined

/** Time is that of the wall clock, the only one that processes share. The clock of the writer may be a bit ahead of that of the reader. */
const found = (key: string, now: number) => (value: unknown): Option.Option<CacheStore.Found> =>
  Option.flatMap(decode(value), ({ entry, key: storedUnder, staleForMillis = Infinity, sum, ttlMillis = Infinity }) => {
    const ageMillis = Math.max(0, now - entry.storedAtMillis)
    const isAhead = entry.storedAtMillis - now > maxAheadMillis
    return storedUnder !== key || sum !== sumOf(entry) || isAhead || ageMillis >= ttlMillis + staleForMillis
      ? Option.none()
      : Option.some({ entry, ageMillis, staleMillis: ageMillis < ttlMillis ? undefined : ageMillis - ttlMillis })
  })

/**
 * The text under the key is no JSON, say the stores of `@effect/experimental` with an error. It is an answer of the store all the same.
 */
const isUnreadable = (error: Persistence.PersistenceError): boolean =>
  error.reason === "ParseError" || error.cause instanceof SyntaxError

/** @internal */
export const fromPersistence = (
  store: Persistence.BackingPersistenceStore
): Backing<Persistence.PersistenceError> => ({
  get: (key) => Effect.catchIf(store.get(key), isUnreadable, () => Effect.succeedNone),
  set: store.set
})

/**
 * A store of entries that say themselves until when they are of use, so that it need not be known how exact the backing is about it.
 *
 * @internal
 */
export const make = <E>(backing: Backing<E>): CacheStore.Store<E> => ({
  get: (key) =>
    Effect.zipWith(backing.get(key), Clock.currentTimeMillis, (value, now) => Option.flatMap(value, found(key, now))),
  set: (key, entry, { staleFor, ttl }) => {
    const total = Duration.sum(ttl, staleFor)
    return backing.set(
      key,
      {
        v: version,
        key,
        ttlMillis: finiteMillis(ttl),
        staleForMillis: finiteMillis(staleFor),
        sum: sumOf(entry),
        entry
      },
      Duration.isFinite(total) ? Option.some(total) : Option.none()
    )
  }
})
