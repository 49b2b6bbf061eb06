/** The window slides by a tenth of its length. */
const bucketCount = 10

interface Bucket {
  /** Which one since the beginning of the clock. */
  readonly index: number
  calls: number
  failures: number
}

/** How many calls there were lately, and how many of them failed: counted in ten buckets, the oldest of which is dropped whole. */
export class BreakerWindow {
  private readonly bucketMillis: number
  /** In the order of time. */
  private buckets: ReadonlyArray<Bucket> = []

  constructor(windowMillis: number) {
    this.bucketMillis = windowMillis / bucketCount
  }

  add(failed: boolean, now: number): void {
    const bucket = this.bucket(now)
    bucket.calls += 1
    bucket.failures += failed ? 1 : 0
  }

  count(now: number): { readonly calls: number; readonly failures: number } {
    const oldest = this.indexOf(now) - bucketCount + 1
    let calls = 0
    let failures = 0
    for (const bucket of this.buckets) {
      if (bucket.index >= oldest) {
        calls += bucket.calls
        failures += bucket.failures
      }
    }
    return { calls, failures }
  }

  clear(): void {
    this.buckets = []
  }

  private indexOf(now: number): number {
    return Math.floor(now / this.bucketMillis)
  }

  private bucket(now: number): Bucket {
    const index = this.indexOf(now)
    const last = this.buckets[this.buckets.length - 1]
    if (last?.index === index) {
      return last
    }
    const bucket = { index, calls: 0, failures: 0 }
    this.buckets = [...this.buckets.filter((older) => older.index > index - bucketCount), bucket]
    return bucket
  }
}
