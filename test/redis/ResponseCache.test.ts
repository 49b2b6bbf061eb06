import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { watchLag } from "../../scripts/interrupts-lag.js"
import { defaultLimit } from "../../src/internal/storeGuard.js"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Redis from "../../src/Redis.js"
import * as Route from "../../src/Route.js"
import * as RouterError from "../../src/RouterError.js"
import * as Support from "../support/redis.js"
import { failing, scripted } from "../support/scripted.js"

const lag = watchLag()

const url = "http://scripted.invalid"

/** For timers and the machine, in milliseconds, beside the time that the event loop stood still. */
const slack = 100

const build = (redis: Redacted.Redacted, namespace?: string) =>
  Effect.map(
    Layer.build(Layer.fresh(ResponseCache.layer({ namespace }).pipe(Layer.provide(Redis.layer({ url: redis }))))),
    Context.get(ResponseCache.ResponseCache)
  )

/** Asks for a path; the answer is the path, with so many bytes behind it. It says what the cache did and how long the caller waited. */
const ask = (cache: ResponseCache.Service, path: string, bytes = 0) =>
  Effect.gen(function*() {
    const recorder = Route.makeRecorder()
    const { client } = scripted((request) =>
      Effect.succeed(HttpClientResponse.fromWeb(request, new Response(path + "x".repeat(bytes))))
    )
    const start = performance.now()
    const response = yield* ResponseCache.withCache({ ttl: "1 minute" })(client).get(`${url}/${path}`).pipe(
      Effect.provideService(ResponseCache.ResponseCache, cache),
      Effect.provideService(Route.CurrentRecorder, recorder)
    )
    const end = performance.now()
    assert.strictEqual(yield* response.text, path + "x".repeat(bytes))
    const millis = end - start - lag.lostMillis(start, end)
    assert.isBelow(millis, Duration.toMillis(defaultLimit) + slack)
    return recorder.cache
  })

/** Entries are written while the answers are read. */
const becomes = (cache: ResponseCache.Service, path: string, status: Route.CacheStatus) =>
  ask(cache, path).pipe(
    Effect.filterOrFail((found) => found === status),
    Effect.retry(Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(200)))
  )

const script = fileURLToPath(new URL("cacher.ts", import.meta.url))

/** What the answers are in another process. */
const inProcess = (redis: Redacted.Redacted, name: string, paths: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, ["--import", "tsx", script, Redacted.value(redis), name, ...paths], {
          stdio: ["ignore", "pipe", "inherit"]
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    return yield* Effect.async<ReadonlyArray<string>>((resume) => {
      child.stdout.once("data", (text: Buffer) => resume(Effect.succeed(text.toString().trim().split(" "))))
    })
  })

Support.describeRedis("ResponseCache in Redis", () => {
  it.scopedLive("processes share it", () =>
    Effect.gen(function*() {
      const server = yield* Support.start
      assert.deepStrictEqual(yield* inProcess(server.url, "first", ["a", "b"]), ["first", "first"])
      assert.deepStrictEqual(yield* inProcess(server.url, "second", ["b", "c"]), ["first", "second"])
      const cache = yield* build(server.url)
      const redis = yield* Support.client(server.url)
      const keys = yield* Effect.promise(() => redis.keys("*"))
      assert.strictEqual(keys.length, 3)
      for (const key of keys) {
        assert.match(key, /^effect-llm-router:entries:response-cache:[0-9a-f]{64}$/)
        const ttl = yield* Effect.promise(() => redis.pttl(key))
        assert.isTrue(ttl > 0 && ttl <= 60_000)
      }
      assert.strictEqual(yield* ask(yield* build(server.url, "other"), "a"), "miss")
      assert.strictEqual(yield* ask(cache, "d"), "miss")
    }), 60_000)

  const trouble = {
    "is killed": (server: Support.RedisServer) => [server.kill, server.restart] as const,
    "hangs": (server: Support.RedisServer) => [server.hang, server.resume] as const
  }
  for (const [name, signals] of Object.entries(trouble)) {
    it.scopedLive(
      `a server that ${name} meanwhile: no request fails or waits longer than the limit, and it is used again`,
      () =>
        Effect.gen(function*() {
          const server = yield* Support.start
          const [begin, end] = signals(server)
          const cache = yield* build(server.url)
          yield* ask(cache, "a")
          yield* becomes(cache, "a", "hit")
          yield* begin
          for (let n = 0; n < 60; n++) {
            const paths = Array.from({ length: 5 }, (_, i) => `${n} ${i}`)
            yield* Effect.forEach(["a", ...paths], (path) => ask(cache, path), { concurrency: "unbounded" })
            yield* Effect.sleep("30 millis")
          }
          assert.strictEqual(yield* ask(cache, "a"), "miss")
          yield* end
          yield* becomes(cache, "a", "hit")
        }),
      60_000
    )
  }

  it.scopedLive("a server that is not there: no request fails or waits longer than the limit", () =>
    Effect.gen(function*() {
      const cache = yield* build(yield* Support.absent)
      for (let n = 0; n < 20; n++) {
        assert.strictEqual(yield* ask(cache, String(n)), "miss")
      }
    }))

  it.scopedLive("entries that are none are misses, and are replaced", () =>
    Effect.gen(function*() {
      const server = yield* Support.start
      const redis = yield* Support.client(server.url)
      const cache = yield* build(server.url)
      yield* ask(cache, "a")
      yield* becomes(cache, "a", "hit")
      const [key] = yield* Effect.promise(() => redis.keys("*"))
      const text = yield* Effect.promise(() => redis.get(key!))
      const spoiled: Record<string, () => Promise<unknown>> = {
        garbage: () => redis.set(key!, Buffer.from([0xff, 0x00, 0x7b])),
        torn: () => redis.set(key!, text!.slice(0, -5)),
        "another version": () => redis.set(key!, text!.replace("\"v\":1", "\"v\":2")),
        "another body": () => redis.set(key!, text!.replace("\"body\":\"a", "\"body\":\"b")),
        "another shape": () => redis.set(key!, JSON.stringify({ v: 1, key: "a", entry: [] })),
        list: () => redis.del(key!).then(() => redis.rpush(key!, "a"))
      }
      for (const [name, spoil] of Object.entries(spoiled)) {
        yield* Effect.promise(spoil)
        assert.strictEqual(yield* ask(cache, "a"), "miss", name)
        // a hit may come from a write that is under way
        yield* Effect.tryPromise(() => redis.get(key!)).pipe(
          Effect.filterOrFail((text) => text?.includes("\"body\":\"a\"") === true && text.includes("\"v\":1")),
          Effect.retry({ times: 200, schedule: Schedule.spaced("25 millis") })
        )
        assert.strictEqual(yield* ask(cache, "a"), "hit", name)
      }
    }))

  it.scopedLive("a server that evicts: no request fails, and what is left is used", () =>
    Effect.gen(function*() {
      const server = yield* Support.start
      const redis = yield* Support.client(server.url)
      yield* Effect.promise(() => redis.config("SET", "maxmemory-policy", "allkeys-lru"))
      const used = Number(/used_memory:(\d+)/.exec(yield* Effect.promise(() => redis.info("memory")))?.[1])
      yield* Effect.promise(() => redis.config("SET", "maxmemory", String(used + 1_000_000)))
      const cache = yield* build(server.url)
      const paths = Array.from({ length: 300 }, (_, n) => String(n))
      yield* Effect.forEach(paths, (path) => ask(cache, path, 10_000), { concurrency: 10 })
      const kept = yield* Effect.promise(() => redis.dbsize())
      assert.isTrue(kept > 0 && kept < 200, `${kept}`)
      const again = yield* Effect.forEach(paths.slice().reverse(), (path) => ask(cache, path, 10_000))
      assert.isTrue(again.includes("hit") && again.includes("miss"))
    }), 60_000)

  it.scopedLive("a server that is full: no request fails, and what is in it is read", () =>
    Effect.gen(function*() {
      const server = yield* Support.start
      const redis = yield* Support.client(server.url)
      const cache = yield* build(server.url)
      yield* ask(cache, "a")
      yield* becomes(cache, "a", "hit")
      yield* Effect.promise(() => redis.config("SET", "maxmemory", "1"))
      for (let n = 0; n < 20; n++) {
        assert.strictEqual(yield* ask(cache, `b${n}`), "miss")
        yield* Effect.sleep("5 millis")
        assert.strictEqual(yield* ask(cache, "a"), "hit")
      }
    }))

  it.scopedLive("a stale entry is there for its window, and gone from the server then", () =>
    Effect.gen(function*() {
      const server = yield* Support.start
      const redis = yield* Support.client(server.url)
      const cache = yield* build(server.url)
      const cached = ResponseCache.withCache({ ttl: "50 millis", staleIfError: "1 second" })
      const recorder = Route.makeRecorder()
      const run = <E>(client: ReturnType<typeof scripted<E>>["client"]) =>
        cached(client).get(url).pipe(
          Effect.provideService(ResponseCache.ResponseCache, cache),
          Effect.provideService(Route.CurrentRecorder, recorder)
        )
      yield* run(scripted((request) => Effect.succeed(HttpClientResponse.fromWeb(request, new Response("old")))).client)
      yield* Effect.sleep("100 millis")
      const outage = scripted(failing(new RouterError.Unavailable({ status: 503 }))).client
      assert.strictEqual(yield* (yield* run(outage)).text, "old")
      assert.strictEqual(recorder.cache, "stale")
      yield* Effect.sleep("1 second")
      assert.strictEqual((yield* Effect.flip(run(outage)))._tag, "Unavailable")
      assert.strictEqual(yield* Effect.promise(() => redis.dbsize()), 0)
    }))
})
