/** All in tokens. */
export interface Rates {
  readonly burst: number
  readonly cap: number
  readonly perSuccess: number
  readonly perSecond: number
}

/** Tokens that are earned by successes and by time. The balance is never below 0 and never above the cap. */
export class TokenBucket {
  private balance: number

  /** `now` is in milliseconds of the monotonic clock, here and below. */
  constructor(private readonly rates: Rates, private updatedAt: number) {
    this.balance = rates.burst
  }

  /** The cap is kept here, so that nobody else has to. */
  balanceAt(now: number): number {
    const earned = (now - this.updatedAt) / 1_000 * this.rates.perSecond
    return Math.min(this.rates.cap, this.balance + earned)
  }

  add(tokens: number, now: number): void {
    this.balance = this.balanceAt(now) + tokens
    this.updatedAt = now
  }

  /** Whether there was a whole token to take. */
  take(now: number): boolean {
    const balance = this.balanceAt(now)
    const has = balance >= 1
    this.balance = has ? balance - 1 : balance
    this.updatedAt = now
    return has
  }
}
