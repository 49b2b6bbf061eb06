import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { nowMillis } from "./monotonic.js"
import { PerTarget } from "./perTarget.js"
import type { Store } from "./rateLimitBucket.js"

/** A bucket by what is missing in it, so that a full one knows nothing: neither its limit, nor since when. */
class MemoryBucket {
  private missing = 0
  private refillMillis = 0
  /** When the last whole unit came back. */
  private filledAt = 0

  /** What is left after taking `tokens`, or would be: without `allowOverflow` nothing is taken that is not there. */
  take({ allowOverflow, limit, refillRate, tokens }: Parameters<Store["tokenBucket"]>[0], now: number): number {
    this.refillMillis = Duration.toMillis(refillRate)
    this.fill(now)
    const missing = Math.max(0, this.missing + tokens)
    if (allowOverflow || missing <= limit) {
      this.missing = missing
    }
    return limit - missing
  }

  isFull(now: number): boolean {
    this.fill(now)
    return this.missing === 0
  }

  private fill(now: number): void {
    const units = this.missing === 0 ? 0 : Math.floor((now - this.filledAt) / this.refillMillis)
    this.missing = Math.max(0, this.missing - units)
    this.filledAt = this.missing === 0 ? now : this.filledAt + units * this.refillMillis
  }
}

/**
 * Buckets in the memory of this process, by the monotonic clock: they do not stop when the time of day is set back. Of many, those that are
 * full are dropped, and are as good as new ones.
 */
export const makeMemory: Effect.Effect<Store> = Effect.sync(() => {
  let latest = 0
  const buckets = new PerTarget(() => new MemoryBucket(), (bucket) => bucket.isFull(latest))
  return {
    tokenBucket: (options) =>
      Effect.map(nowMillis, (now) => {
        latest = now
        return buckets.get(options.key).take(options, now)
      })
  }
})
