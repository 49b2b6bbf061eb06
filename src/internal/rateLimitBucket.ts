import type * as RateLimiter from "@effect/experimental/RateLimiter"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import type { StoreGuard } from "./storeGuard.js"

/** What is needed of a store. */
export type Store = Pick<typeof RateLimiter.RateLimiterStore.Service, "tokenBucket">

const nanosPerMinute = 60e9

/** A bucket that holds what may be used in a minute at most, and gets it back evenly in a minute. */
export interface Bucket {
  readonly key: string
  readonly unit: "requests" | "tokens"
  readonly limit: number
  readonly refillRate: Duration.Duration
}

export const bucket = (key: string, unit: Bucket["unit"], limit: number): Bucket => ({
  key: `${key}:${unit}`,
  unit,
  limit,
  // rounded up: it never gets back more than the limit
  refillRate: Duration.nanos(BigInt(Math.ceil(nanosPerMinute / limit)))
})

/** The store did not say: what is asked of it then is taken for granted. */
const unknown = Infinity

/** What came of taking something: how long to wait for it, in milliseconds, and how much has to be given back if it is not used. */
export type Taken =
  | { readonly admitted: true; readonly wait: number; readonly held: number }
  | { readonly admitted: false; readonly wait: number; readonly bucket: Bucket }

/** For a store without trouble: what it fails with is a defect. */
const unguarded: StoreGuard = (access) => Effect.orDie(access)

/** The buckets of a store. Where one with a guard does not say, everything is admitted. */
export class Buckets {
  constructor(private readonly store: Store, private readonly guard: StoreGuard = unguarded) {}

  /** Takes from a bucket what it has, or will have within `longest` milliseconds. */
  take(bucket: Bucket, amount: number, longest: number): Effect.Effect<Taken> {
    return Effect.flatMap(this.change(bucket, amount, false), (left) => {
      const wait = waitFor(bucket, left)
      if (wait === 0) {
        return Effect.succeed({ admitted: true, wait, held: left === unknown ? 0 : amount })
      }
      return wait > longest
        ? Effect.succeed({ admitted: false, wait, bucket })
        : this.takeAhead(bucket, amount, longest)
    })
  }

  /** Nobody waits for the store. In memory it is done at once. */
  giveBack(bucket: Bucket, amount: number): Effect.Effect<void> {
    return amount === 0 ? Effect.void : inBackground(
      // a store may let a bucket overflow
      Effect.flatMap(
        this.change(bucket, -amount, true),
        (left) => left > bucket.limit && left !== unknown ? this.change(bucket, left - bucket.limit, true) : Effect.void
      )
    )
  }

  /** `undefined` when the store does not say. */
  left(bucket: Bucket): Effect.Effect<number | undefined> {
    return Effect.map(this.change(bucket, 0, true), (left) => left === unknown ? undefined : left)
  }

  /** What the bucket does not have yet is taken too: whoever comes later waits for longer. */
  private takeAhead(bucket: Bucket, amount: number, longest: number): Effect.Effect<Taken> {
    return Effect.flatMap(this.change(bucket, amount, true), (left): Effect.Effect<Taken> => {
      const wait = waitFor(bucket, left)
      const held = left === unknown ? 0 : amount
      return wait > longest
        ? Effect.as(this.giveBack(bucket, held), { admitted: false, wait, bucket })
        : Effect.succeed({ admitted: true, wait, held })
    })
  }

  private change({ key, limit, refillRate }: Bucket, tokens: number, allowOverflow: boolean): Effect.Effect<number> {
    return this.guard(this.store.tokenBucket({ key, limit, refillRate, tokens, allowOverflow }), unknown, "rate_limit")
  }
}

/** Until there is what is missing, in whole milliseconds, which is all that a timer knows. */
const waitFor = (bucket: Bucket, left: number): number =>
  left >= 0 ? 0 : Math.ceil(-left * Duration.toMillis(bucket.refillRate))

const inBackground = (effect: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.map(Effect.runtime<never>(), (runtime) => void Runtime.runFork(runtime)(effect))
