import * as Option from "effect/Option"

/** @internal */
export interface Bounds {
  readonly maxEntries: number
  readonly maxWeight: number
}

/** @internal */
export interface Placement {
  readonly weight: number
  /** Never, when absent. */
  readonly expiresAt: bigint | undefined
  readonly now: bigint
}

interface Slot<V> {
  readonly value: V
  readonly weight: number
  readonly expiresAt: bigint
}

/** Later than any clock. */
const never = 2n ** 127n

/**
 * Least-recently-used entries, bounded in number and in total weight, each with a time to live. It holds no clock:
 * every operation is told the time, in the unit of `expiresAt`, and an entry has expired from that very instant on.
 *
 * @internal
 */
export class Lru<V> {
  /** In the order of their last use: a `Map` iterates in the order of insertion. */
  private readonly slots = new Map<string, Slot<V>>()
  private total = 0
  /** No entry expires before this, so that a full cache is searched for expired ones only when there can be some. */
  private earliestExpiry = never

  constructor(private readonly bounds: Bounds) {}

  get size(): number {
    return this.slots.size
  }

  get weight(): number {
    return this.total
  }

  get(key: string, now: bigint): Option.Option<V> {
    const slot = this.slots.get(key)
    if (slot === undefined) {
      return Option.none()
    }
    this.slots.delete(key)
    if (slot.expiresAt <= now) {
      this.total -= slot.weight
      return Option.none()
    }
    this.slots.set(key, slot)
    return Option.some(slot.value)
  }

  /** Replaces what is there under the key. An entry that exceeds the bounds alone is not kept. */
  set(key: string, value: V, { expiresAt = never, now, weight }: Placement): void {
    this.delete(key)
    if (weight > this.bounds.maxWeight) {
      return
    }
    if (this.isFullFor(weight)) {
      this.deleteExpired(now)
    }
    for (const oldest of this.slots.keys()) {
      if (!this.isFullFor(weight)) {
        break
      }
      this.delete(oldest)
    }
    this.slots.set(key, { value, weight, expiresAt })
    this.total += weight
    this.earliestExpiry = expiresAt < this.earliestExpiry ? expiresAt : this.earliestExpiry
  }

  private isFullFor(weight: number): boolean {
    return this.slots.size >= this.bounds.maxEntries || this.total + weight > this.bounds.maxWeight
  }

  private delete(key: string): void {
    this.total -= this.slots.get(key)?.weight ?? 0
    this.slots.delete(key)
  }

  private deleteExpired(now: bigint): void {
    if (now < this.earliestExpiry) {
      return
    }
    this.earliestExpiry = never
    for (const [key, slot] of this.slots) {
      if (slot.expiresAt <= now) {
        this.delete(key)
      } else if (slot.expiresAt < this.earliestExpiry) {
        this.earliestExpiry = slot.expiresAt
      }
    }
  }
}
