import * as Persistence from "@effect/experimental/Persistence"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as KeyValueStore from "@effect/platform/KeyValueStore"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { failures } from "../../src/internal/storeGuard.js"
import * as CacheStore from "../../src/policy/CacheStore.js"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Route from "../../src/Route.js"
import * as RouterError from "../../src/RouterError.js"
import { plain } from "../support/policies.js"
import { failing, ok, scripted } from "../support/scripted.js"

/** A key-value store whose texts can be looked at and replaced. */
const shared = () => {
  const texts = new Map<string, string>()
  const layer = Persistence.layerKeyValueStore.pipe(
    Layer.provide(Layer.succeed(
      KeyValueStore.KeyValueStore,
      KeyValueStore.makeStringOnly({
        get: (key) => Effect.sync(() => Option.fromNullable(texts.get(key))),
        set: (key, value) => Effect.sync(() => texts.set(key, value)),
        remove: (key) => Effect.sync(() => texts.delete(key)),
        clear: Effect.sync(() => texts.clear()),
        size: Effect.sync(() => texts.size)
      })
    ))
  )
  return { texts, layer }
}

const cached = ResponseCache.withCache({ ttl: "1 minute", staleIfError: "1 minute" })

/** A request of its own process, so to speak: what the cache did, and how long the caller waited. */
const ask = <E = never>(
  cache: ResponseCache.Service,
  client: HttpClient.HttpClient.With<E> = scripted<E>(ok).client,
  policy = cached
) =>
  Effect.gen(function*() {
    const recorder = Route.makeRecorder()
    const start = yield* Clock.currentTimeMillis
    const response = yield* policy(client).execute(plain).pipe(
      Effect.provideService(ResponseCache.ResponseCache, cache),
      Effect.provideService(Route.CurrentRecorder, recorder)
    )
    assert.strictEqual(yield* response.text, "ok")
    return { status: recorder.cache, millis: (yield* Clock.currentTimeMillis) - start, route: Route.snapshot(recorder) }
  })

const status = (cache: ResponseCache.Service) => Effect.map(ask(cache), (asked) => asked.status)

const build = (layer: Layer.Layer<ResponseCache.ResponseCache>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), Context.get(ResponseCache.ResponseCache))

const over = (backing: Layer.Layer<Persistence.BackingPersistence>, options?: ResponseCache.PersistedOptions) =>
  build(ResponseCache.layer(options).pipe(Layer.provide(backing)))

describe("ResponseCache.layer", () => {
  it.scoped("is shared by all that have its store and its namespace in common", () =>
    Effect.gen(function*() {
      const { layer, texts } = shared()
      const one = yield* over(layer)
      const two = yield* over(layer)
      const other = yield* over(layer, { namespace: "other" })
      assert.deepStrictEqual(
        [yield* status(one), yield* status(two), yield* status(other), yield* status(other)],
        ["miss", "hit", "miss", "hit"]
      )
      for (const [key, text] of texts) {
        assert.match(key, /^(response-cache|other)[0-9a-f]{64}$/)
        assert.notInclude(text, "http")
      }
    }))

  it.scoped("L44: an entry is fresh until exactly its time to live, stale in its window, and gone then", () =>
    Effect.gen(function*() {
      const { layer, texts } = shared()
      const cache = yield* over(layer)
      const outage = outageClient()
      yield* status(cache)
      yield* TestClock.adjust("59999 millis")
      assert.deepStrictEqual((yield* ask(cache)).route.cacheAgeMillis, 59_999)
      yield* TestClock.adjust("1 millis")
      const { route } = yield* ask(cache, outage)
      assert.deepStrictEqual([route.cache, route.cacheAgeMillis], ["stale", 60_000])
      yield* TestClock.adjust("59999 millis")
      assert.strictEqual((yield* ask(cache, outage)).status, "stale")
      // also where the store keeps it for longer
      texts.forEach((text, key) => texts.set(key, text.replace(/,\d+\]$/, ",null]")))
      yield* TestClock.adjust("1 millis")
      const patient = ResponseCache.withCache({ ttl: "1 minute", staleIfError: "1 hour" })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(ask(cache, outage, patient))))
      assert.match([...texts.values()].join(), /,null\]$/)
      assert.strictEqual(yield* status(cache), "miss")
    }))

  it.scoped("an infinite time to live is one without an end", () =>
    Effect.gen(function*() {
      const { layer } = shared()
      const cache = yield* over(layer)
      const forever = ResponseCache.withCache({ ttl: Duration.infinity })
      yield* ask(cache, undefined, forever)
      yield* TestClock.adjust("10000 days")
      assert.strictEqual((yield* ask(cache, undefined, forever)).status, "hit")
    }))

  const spoiled: Readonly<Record<string, (text: string) => string>> = {
    "is empty": () => "",
    "is torn": (text) => text.slice(0, -10),
    "is garbage": () => "\u0000\ufffd{",
    "is other JSON": () => "[{\"a\":1},null]",
    "is null": () => "null",
    "is of another version": (text) => text.replace("\"v\":1", "\"v\":0"),
    "has no version": (text) => text.replace("\"v\":1,", ""),
    "has another key": (text) => text.replace(/"key":"./, "\"key\":\"x"),
    "has no body": (text) => text.replace("\"body\"", "\"bodies\""),
    "has a body that is no text": (text) => text.replace("\"ok\"", "7"),
    "has a status that is none": (text) => text.replace("\"status\":200", "\"status\":2e3"),
    "has headers that are none": (text) => text.replace("\"headers\":{", "\"headers\":{\"x\":{},"),
    "has a time that is none": (text) => text.replace("\"storedAtMillis\":0", "\"storedAtMillis\":\"0\""),
    "has a time to live that is none": (text) => text.replace("\"ttlMillis\":60000", "\"ttlMillis\":-1")
  }
  for (const [name, spoil] of Object.entries(spoiled)) {
    it.scoped(`an entry that ${name} is a miss, is replaced, and counts as no failure of the store`, () =>
      Effect.gen(function*() {
        const { layer, texts } = shared()
        const cache = yield* over(layer)
        const before = yield* failed
        yield* status(cache)
        for (const [key, text] of texts) {
          assert.notStrictEqual(spoil(text), text)
          texts.set(key, spoil(text))
        }
        assert.deepStrictEqual([yield* status(cache), yield* status(cache)], ["miss", "hit"])
        assert.deepStrictEqual(yield* failed, before)
      }))
  }

  it.scoped("any text whatsoever under the key is a miss or the entry", () =>
    Effect.gen(function*() {
      const { layer, texts } = shared()
      const cache = yield* over(layer)
      yield* status(cache)
      const [key, text] = [...texts][0]!
      const runtime = yield* Effect.runtime<never>()
      const anything = FastCheck.oneof(
        FastCheck.json(),
        FastCheck.string({ unit: "binary" }),
        FastCheck.tuple(FastCheck.nat({ max: text.length }), FastCheck.string({ maxLength: 3 })).map(
          ([at, piece]) => text.slice(0, at) + piece + text.slice(at + 1)
        )
      )
      yield* Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(anything, async (text) => {
            texts.set(key, text)
            const run = (effect: Effect.Effect<string>) => Effect.runPromise(Effect.provide(effect, runtime))
            assert.include(["hit", "miss"], await run(Effect.orDie(Effect.map(askAny(cache), (_) => _.cache))))
          }),
          { numRuns: 1_000 }
        )
      )
    }))

  it.scoped("an entry of a clock that is ahead is as old as one of this moment", () =>
    Effect.gen(function*() {
      const { layer } = shared()
      const cache = yield* over(layer)
      yield* TestClock.setTime(100_000)
      yield* status(cache)
      yield* TestClock.setTime(50_000)
      assert.strictEqual((yield* ask(cache)).route.cacheAgeMillis, 0)
    }))

  it.scoped("an entry that is more than a minute ahead is a miss, and is replaced", () =>
    Effect.gen(function*() {
      const { layer } = shared()
      const cache = yield* over(layer)
      yield* TestClock.setTime(100_000)
      yield* status(cache)
      yield* TestClock.setTime(40_000)
      assert.strictEqual(yield* status(cache), "hit")
      yield* TestClock.setTime(39_999)
      assert.deepStrictEqual([yield* status(cache), yield* status(cache)], ["miss", "hit"])
      assert.strictEqual((yield* ask(cache)).route.cacheAgeMillis, 0)
      yield* TestClock.setTime(50_000)
      assert.strictEqual((yield* ask(cache)).route.cacheAgeMillis, 10_001)
    }))
})

const outageClient = () => scripted(failing(new RouterError.Unavailable({ status: 503 }))).client

/** A changed letter may change the answer: its text is not looked at. */
const askAny = (cache: ResponseCache.Service) =>
  Effect.gen(function*() {
    const recorder = Route.makeRecorder()
    yield* cached(scripted(ok).client).execute(plain).pipe(
      Effect.provideService(ResponseCache.ResponseCache, cache),
      Effect.provideService(Route.CurrentRecorder, recorder)
    )
    return recorder
  })

const counted = (kind: string) =>
  Effect.map(
    Metric.value(Metric.tagged(Metric.tagged(failures, "store", "response_cache"), "kind", kind)),
    ({ count }) => count
  )

const failed = Effect.all([counted("timeout"), counted("error")])

const never = { get: () => Effect.never, set: () => Effect.never }
const dying = { get: () => Effect.die("a bug"), set: () => Effect.die("a bug") }
const broken = { get: () => Effect.fail("gone"), set: () => Effect.fail("gone") }

/** How long a request waits on the clock of the test. */
const millisOf = <E>(cache: ResponseCache.Service, client?: HttpClient.HttpClient.With<E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(ask(cache, client))
    yield* Effect.yieldNow()
    while (Option.isNone(yield* Fiber.poll(fiber))) {
      yield* TestClock.adjust("100 millis")
    }
    return (yield* Fiber.join(fiber)).millis
  })

describe("a store in trouble", () => {
  it.scoped("that hangs: a request waits for it once, for 200 ms, and the next ones not at all, until a second has gone by", () =>
    Effect.gen(function*() {
      const cache = yield* ResponseCache.make(never)
      const before = yield* counted("timeout")
      const slow = scripted((request) => Effect.delay(ok(request), "3 seconds")).client
      const first = yield* millisOf(cache)
      const second = yield* millisOf(cache)
      assert.deepStrictEqual([first, second], [200, 0])
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(yield* millisOf(cache), 0)
      yield* TestClock.adjust("1 millis")
      // the pause is over, also when the answer comes: neither look nor write is waited for any more
      assert.strictEqual(yield* millisOf(cache, slow), 3_200)
      yield* TestClock.adjust("1 second")
      assert.isAbove((yield* counted("timeout")) - before, 1)
    }))

  it.scoped("that hangs only when it is written: nobody waits, and the entry answers while it is being written", () =>
    Effect.gen(function*() {
      const cache = yield* ResponseCache.make({ get: () => Effect.succeedNone, set: () => Effect.never })
      assert.strictEqual(yield* millisOf(cache), 0)
      assert.strictEqual(yield* status(cache), "hit")
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* status(cache), "miss")
      yield* TestClock.adjust("200 millis")
    }))

  it.scoped("that is slow: a look that is in time counts, and no request looks twice", () =>
    Effect.gen(function*() {
      const store = yield* CacheStore.makeMemory()
      let looks = 0
      const cache = yield* ResponseCache.make({
        get: (key) => Effect.delay(Effect.suspend(() => (looks++, store.get(key))), "199 millis"),
        set: (key, entry, lifetime) => Effect.delay(store.set(key, entry, lifetime), "199 millis")
      })
      const calls = scripted(ok)
      assert.strictEqual(yield* millisOf(cache, calls.client), 199)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* millisOf(cache, calls.client), 199)
      assert.strictEqual(looks, 2)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(calls.startedAt.length, 1)
    }))

  for (const [name, store] of Object.entries({ dying, broken })) {
    it.scoped(`that is ${name}: no request fails or waits`, () =>
      Effect.gen(function*() {
        const cache = yield* ResponseCache.make(store)
        const before = yield* counted("error")
        assert.strictEqual(yield* millisOf(cache), 0)
        assert.strictEqual(yield* status(cache), "miss")
        assert.strictEqual((yield* counted("error")) - before, 2)
      }))
  }

  it.scoped("that is full: what is in it is still read", () =>
    Effect.gen(function*() {
      const store = yield* CacheStore.makeMemory()
      yield* status(yield* ResponseCache.make(store))
      const full = yield* ResponseCache.make({ get: store.get, set: () => Effect.fail("full") })
      yield* full.set("other", { status: 200, headers: {}, body: "", storedAtMillis: 0 }, {
        ttl: Duration.minutes(1),
        staleFor: Duration.zero
      })
      yield* Effect.yieldNow()
      assert.strictEqual(yield* status(full), "hit")
    }))

  it.effect("closing the layer waits for what is being written", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const gate = yield* Deferred.make<void>()
      let written = 0
      const cache = yield* Scope.extend(
        ResponseCache.make({
          get: () => Effect.succeedNone,
          set: () => Effect.zipRight(Deferred.await(gate), Effect.sync(() => written++))
        }),
        scope
      )
      yield* ask(cache)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("100 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(closing)))
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
      assert.strictEqual(written, 1)
    }))
})
