import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as CacheStore from "../../src/policy/CacheStore.js"

const entry = (body: string): CacheStore.Entry => ({ status: 200, headers: {}, body, storedAtMillis: 0 })

const lifetime = (ttl: Duration.DurationInput, staleFor: Duration.DurationInput = 0): CacheStore.Lifetime => ({
  ttl: Duration.decode(ttl),
  staleFor: Duration.decode(staleFor)
})

const look = (store: CacheStore.Store, key: string) =>
  Effect.map(
    store.get(key),
    (found) =>
      Option.getOrUndefined(Option.map(found, ({ ageMillis, entry, staleMillis }) => ({
        body: entry.body,
        ageMillis,
        staleMillis
      })))
  )

describe("CacheStore.makeMemory", () => {
  it.effect("L44: an entry is fresh until exactly its time to live, then stale, then gone", () =>
    Effect.gen(function*() {
      const store = yield* CacheStore.makeMemory()
      yield* store.set("a", entry("a"), lifetime("10 millis", "5 millis"))
      const at = (ageMillis: number, staleMillis?: number) => ({ body: "a", ageMillis, staleMillis })
      assert.deepStrictEqual(yield* look(store, "a"), at(0))
      yield* TestClock.adjust("9 millis")
      assert.deepStrictEqual(yield* look(store, "a"), at(9))
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* look(store, "a"), at(10, 0))
      yield* TestClock.adjust("4 millis")
      assert.deepStrictEqual(yield* look(store, "a"), at(14, 4))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* look(store, "a"), undefined)
    }))

  it.effect("what is to be kept for ever is", () =>
    Effect.gen(function*() {
      const store = yield* CacheStore.makeMemory()
      yield* store.set("fresh", entry("fresh"), lifetime(Duration.infinity, "1 second"))
      yield* store.set("stale", entry("stale"), lifetime("1 second", Duration.infinity))
      yield* TestClock.adjust("10000 days")
      assert.strictEqual((yield* look(store, "fresh"))?.staleMillis, undefined)
      assert.strictEqual((yield* look(store, "fresh"))?.body, "fresh")
      assert.strictEqual((yield* look(store, "stale"))?.staleMillis, 10_000 * 86_400_000 - 1_000)
    }))

  it.prop(
    "L44: whatever is written and however time passes, the last entry under a key is found for as long as it lives",
    [FastCheck.array(
      FastCheck.record({
        key: FastCheck.constantFrom("a", "b"),
        set: FastCheck.boolean(),
        ttl: FastCheck.integer({ min: 1, max: 5 }),
        staleFor: FastCheck.integer({ min: 0, max: 5 }),
        after: FastCheck.integer({ min: 0, max: 4 })
      }),
      { maxLength: 30 }
    )],
    ([steps]) => {
      const time = { now: 0 }
      const run = <A>(effect: Effect.Effect<A>) => Effect.runSync(Effect.withClock(effect, clockAt(time)))
      const store = run(CacheStore.makeMemory())
      const model = new Map<string, { body: string; at: number; ttl: number; staleFor: number }>()
      for (const [n, { after, key, set, staleFor, ttl }] of steps.entries()) {
        time.now += after
        if (set) {
          model.set(key, { body: String(n), at: time.now, ttl, staleFor })
          run(store.set(key, entry(String(n)), lifetime(ttl, staleFor)))
        }
        const expected = model.get(key)
        const age = time.now - (expected?.at ?? 0)
        assert.deepStrictEqual(
          run(look(store, key)),
          expected === undefined || age >= expected.ttl + expected.staleFor ? undefined : {
            body: expected.body,
            ageMillis: age,
            staleMillis: age < expected.ttl ? undefined : age - expected.ttl
          }
        )
      }
    },
    { fastCheck: { numRuns: 2_000 } }
  )
})

/** A clock that is set by hand, in milliseconds. */
const clockAt = (time: { readonly now: number }): Clock.Clock => ({
  ...Clock.make(),
  unsafeCurrentTimeMillis: () => time.now,
  unsafeCurrentTimeNanos: () => BigInt(time.now) * 1_000_000n,
  currentTimeMillis: Effect.sync(() => time.now),
  currentTimeNanos: Effect.sync(() => BigInt(time.now) * 1_000_000n)
})
