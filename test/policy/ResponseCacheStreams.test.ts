import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { sealed } from "../../src/internal/cacheSealed.js"
import * as CacheStore from "../../src/policy/CacheStore.js"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Route from "../../src/Route.js"
import * as Testing from "../../src/Testing.js"
import * as Settle from "../../src/wire/Settle.js"
import { isStreamResponse } from "../../src/wire/StreamResponse.js"
import { streamed } from "../support/policies.js"

const policy = ResponseCache.withCache({ ttl: "1 minute" })

/** Reads a stream to its end: what the cache did, and the bytes. */
const read = (cache: ResponseCache.Service) =>
  Effect.gen(function*() {
    const recorder = Route.makeRecorder()
    const client = (yield* HttpClient.HttpClient).pipe(Settle.settle(), policy)
    const response = yield* client.execute(streamed).pipe(
      Effect.provideService(ResponseCache.ResponseCache, cache),
      Effect.provideService(Route.CurrentRecorder, recorder)
    )
    assert.isTrue(isStreamResponse(response))
    const text = yield* response.text
    return {
      status: recorder.cache,
      text,
      content: [...text.matchAll(/"content":"(\w+)"/g)].map(([, _]) => _).join("")
    }
  })

describe("streams in a cache", () => {
  it.scoped("L41: one that ends while another caller is still looking into the store is not asked for again", () =>
    Effect.gen(function*() {
      const store = yield* CacheStore.makeMemory()
      const slow = yield* ResponseCache.make({
        set: store.set,
        // a caller learns after 150 ms what was there when it asked
        get: (key) => Effect.tap(store.get(key), () => Effect.sleep("150 millis"))
      })
      const first = yield* Effect.fork(read(slow))
      // the stream ends after 150 + 2,000 ms
      yield* TestClock.adjust("2100 millis")
      const second = yield* Effect.fork(read(slow))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([(yield* Fiber.join(first)).status, (yield* Fiber.join(second)).status], ["miss", "hit"])
      assert.strictEqual((yield* Fiber.join(second)).content, "Hello")
      assert.strictEqual((yield* Testing.calls).length, 1)
    }).pipe(Effect.provide(Testing.layerTransport({
      p: Testing.stream(["Hel", "lo"], { between: "500 millis" })
    }))))

  it.scoped("L42: bytes that one caller changes are another one's still", () =>
    Effect.gen(function*() {
      const cache = yield* ResponseCache.make(yield* CacheStore.makeMemory())
      const client = (yield* HttpClient.HttpClient).pipe(Settle.settle(), policy)
      const vandal = client.execute(streamed).pipe(
        Effect.provideService(ResponseCache.ResponseCache, cache),
        Effect.flatMap((response) => Stream.runForEach(response.stream, (bytes) => Effect.sync(() => bytes.fill(0))))
      )
      const fibers = yield* Effect.all([Effect.fork(vandal), Effect.fork(read(cache)), Effect.fork(vandal)])
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fibers[2])
      assert.strictEqual((yield* Fiber.join(fibers[1])).content, "Hello")
      assert.strictEqual((yield* Testing.calls).length, 1)
    }).pipe(Effect.provide(Testing.layerTransport({ p: Testing.stream(["Hel", "lo"], { between: "500 millis" }) }))))

  it("L42: what is shared is frozen to its last member", () => {
    const isFrozen = (value: unknown): boolean =>
      typeof value !== "object" || value === null || Object.isFrozen(value) && Object.values(value).every(isFrozen)
    const chunk = {
      choices: [{ index: 0, delta: { content: "a", parts: [{ deep: [{}] }] } }],
      usage: { totalTokens: 1 }
    }
    const batch = sealed({ bytes: new Uint8Array(2), chunks: [chunk], complete: true })
    assert.isTrue(isFrozen(batch.chunks) && Object.isFrozen(batch))
    assert.notStrictEqual(batch.bytes, batch.bytes)
  })
})
