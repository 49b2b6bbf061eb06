import * as RateLimiter from "@effect/experimental/RateLimiter"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as TestClock from "effect/TestClock"
import { PerTarget } from "../../src/internal/perTarget.js"
import { bucket, Buckets } from "../../src/internal/rateLimitBucket.js"
import { makeMemory } from "../../src/internal/rateLimitMemory.js"

const options = (key: string, tokens: number, allowOverflow = true) => ({
  key,
  tokens,
  allowOverflow,
  limit: 5,
  refillRate: Duration.millis(100)
})

const commands = FastCheck.array(
  FastCheck.record({
    gap: FastCheck.nat({ max: 700 }),
    tokens: FastCheck.integer({ min: -3, max: 6 }),
    allowOverflow: FastCheck.boolean()
  }),
  { maxLength: 30 }
)

describe("The store in memory", () => {
  it.effect("fills by whole units, up to the limit, and takes what is not there only where it may", () =>
    Effect.gen(function*() {
      const { tokenBucket } = yield* makeMemory
      assert.strictEqual(yield* tokenBucket(options("a", 4, false)), 1)
      assert.strictEqual(yield* tokenBucket(options("a", 2, false)), -1)
      assert.strictEqual(yield* tokenBucket(options("a", 3)), -2)
      yield* TestClock.adjust("199 millis")
      assert.strictEqual(yield* tokenBucket(options("a", 0)), -1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* tokenBucket(options("a", 0)), 0)
      assert.strictEqual(yield* tokenBucket(options("a", -9)), 5)
      assert.strictEqual(yield* tokenBucket(options("b", 5, false)), 0)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* tokenBucket(options("b", 0)), 5)
    }))

  it.effect.prop("gives at most what that of @effect/experimental gives, and as much while it is never full", [
    commands
  ], (
    [commands]
  ) =>
    Effect.gen(function*() {
      const mine = yield* makeMemory
      const theirs = yield* RateLimiter.RateLimiterStore
      // never full: with a debt that lasts
      yield* mine.tokenBucket({ ...options("debt", 1_000), limit: 5 })
      yield* theirs.tokenBucket({ ...options("debt", 1_000), limit: 5 })
      for (const { allowOverflow, gap, tokens } of commands) {
        yield* TestClock.adjust(gap)
        const one = options("debt", tokens, allowOverflow)
        assert.strictEqual(yield* mine.tokenBucket(one), yield* theirs.tokenBucket(one))
        const two = options("free", Math.max(0, tokens), true)
        assert.isAtMost(yield* mine.tokenBucket(two), yield* theirs.tokenBucket(two))
      }
    }).pipe(Effect.provide(RateLimiter.layerStoreMemory)))

  it.effect("keeps no more than 10,000 buckets, but those that are in use", () =>
    Effect.gen(function*() {
      const get = vi.spyOn(PerTarget.prototype, "get")
      const buckets = new Buckets(yield* makeMemory)
      const of = (name: string) => bucket(name, "requests", 60)
      yield* buckets.take(of("in use"), 60, 0)
      for (let i = 0; i < 10_500; i++) {
        yield* buckets.left(of(`asked ${i}`))
      }
      const [kept] = get.mock.contexts
      assert.strictEqual(kept instanceof PerTarget ? kept.all.length : undefined, 10_000)
      assert.strictEqual(yield* buckets.left(of("in use")), 0)
    }).pipe(Effect.ensuring(Effect.sync(() => vi.restoreAllMocks()))))
})
