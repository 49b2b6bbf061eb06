/**
 * Where a `ResponseCache` keeps its entries: the port, and the store in memory.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { foundAt, keep, type Kept } from "../internal/cacheKept.js"
import { withClock } from "../internal/here.js"
import { Lru } from "../internal/lru.js"
import type * as Route from "../Route.js"
import * as RouterError from "../RouterError.js"
import type { Completion } from "../wire/Completion.js"

/**
 * A stored answer. It is frozen, and plain JSON.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Entry = Schema.Struct({
  status: Schema.Int.pipe(Schema.between(100, 599)),
  /** All but `set-cookie`: a session belongs to the caller whom it was given to. */
  headers: Schema.Record({ key: Schema.String, value: Schema.String }),
  body: Schema.String,
  /** The target (`provider/model`) that gave the answer, when a router recorded it. */
  served: Schema.optional(Schema.String),
  /** In milliseconds since the Unix epoch. */
  storedAtMillis: Schema.Finite
})

/**
 * @since 0.1.0
 * @category models
 */
export type Entry = typeof Entry.Type

/**
 * A response that was read to its end and may become an entry.
 *
 * @since 0.1.0
 * @category models
 */
export interface Candidate {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** What the text says, when it is a completion that was decoded on its way here (see `Settle`). */
  readonly completion?: Completion | undefined
  /**
   * What the policies inside the cache recorded for the call, e.g. that a fallback answered. Without attempts when none
   * records.
   */
  readonly route: Route.Route
}

/**
 * How long an entry is of use. It is fresh until exactly `ttl` after it was set, stale for `staleFor` from then on, and gone after that.
 * Reading it extends nothing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lifetime {
  readonly ttl: Duration.Duration
  readonly staleFor: Duration.Duration
}

/**
 * An entry that was found.
 *
 * @since 0.1.0
 * @category models
 */
export interface Found {
  readonly entry: Entry
  /** Since it was set. */
  readonly ageMillis: number
  /** For how long it has been stale; `undefined` while it is fresh. */
  readonly staleMillis: number | undefined
}

/**
 * The port: where entries are kept. A store may fail and may be slow, `ResponseCache` does without it then.
 *
 * @since 0.1.0
 * @category models
 */
export interface Store<out E = never> {
  /** `none` for an entry that is gone, and for what cannot be read as one: it is replaced by the next. */
  readonly get: (key: string) => Effect.Effect<Option.Option<Found>, E>
  readonly set: (key: string, entry: Entry, lifetime: Lifetime) => Effect.Effect<void, E>
}

/**
 * How many entries a store in memory keeps when `maxEntries` is not given: a working set of prompts that takes a few
 * megabytes.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxEntries = 1_000

/**
 * How many bytes the entries of a store in memory may have when `maxBytes` is not given, 64 MiB: the bound for answers
 * that are much larger than usual. An ordinary completion has a few kilobytes.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxBytes = 64 * 1024 * 1024

/**
 * @since 0.1.0
 * @category models
 */
export interface MemoryOptions {
  /** A whole number from 1. Default 1,000. */
  readonly maxEntries?: number | undefined
  /**
   * A whole number from 1. An entry counts two bytes for each UTF-16 code unit of its key, body and headers, the most
   * that a JavaScript string takes. One that is too large alone is not stored. Default 64 MiB.
   */
  readonly maxBytes?: number | undefined
}

/**
 * How many bytes the files of a store may have when `maxBytes` is not given, 256 MiB: some ten thousand completions, and little for a disk.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxFileBytes = 256 * 1024 * 1024

/**
 * @since 0.1.0
 * @category models
 */
export interface FileOptions {
  /** A whole number from 1, of all files together. One that is larger alone is not written. Default 256 MiB. */
  readonly maxBytes?: number | undefined
}

const positiveInteger = (path: string, value: number): number => {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw RouterError.invalidField(path, "expected a whole number, 1 or more")
  }
  return value
}

/** @internal */
export const fileBytes = (options: FileOptions): number =>
  positiveInteger("maxBytes", options.maxBytes ?? defaultMaxFileBytes)

const bytesPerCodeUnit = 2

const byteSize = (key: string, entry: Entry): number => {
  let units = key.length + entry.body.length + (entry.served?.length ?? 0)
  for (const [name, value] of Object.entries(entry.headers)) {
    units += name.length + value.length
  }
  return units * bytesPerCodeUnit
}

/**
 * Entries in the memory of this process, bounded in number and in bytes. What was used least recently goes first. Time
 * is that of the monotonic clock.
 *
 * Throws `InvalidRequest` when an option is not a whole number of 1 or more.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeMemory = (options: MemoryOptions = {}): Effect.Effect<Store> => {
  const maxEntries = positiveInteger("maxEntries", options.maxEntries ?? defaultMaxEntries)
  const maxWeight = positiveInteger("maxBytes", options.maxBytes ?? defaultMaxBytes)
  return Effect.sync((): Store => {
    const entries = new Lru<Kept>({ maxEntries, maxWeight })
    return {
      get: (key) =>
        withClock((clock) => {
          const now = clock.unsafeCurrentTimeNanos()
          return Effect.succeed(Option.map(entries.get(key, now), foundAt(now)))
        }),
      set: (key, entry, lifetime) =>
        withClock((clock) => {
          const now = clock.unsafeCurrentTimeNanos()
          const kept = keep(entry, lifetime, now)
          entries.set(key, kept, { now, weight: byteSize(key, entry), expiresAt: kept.goneAt })
          return Effect.void
        })
    }
  })
}
