import * as Persistence from "@effect/experimental/Persistence"
import * as RateLimiter from "@effect/experimental/RateLimiter"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Inspectable from "effect/Inspectable"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { watchLag } from "../scripts/interrupts-lag.js"
import * as Redis from "../src/Redis.js"
import * as RouterError from "../src/RouterError.js"
import * as Support from "./support/redis.js"

const lag = watchLag()

/** What an effect ended with, and how many milliseconds it took, without those in which this process stood still. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const start = performance.now()
    const exit = yield* Effect.exit(effect)
    const end = performance.now()
    return [exit, end - start - lag.lostMillis(start, end)] as const
  })

/** Milliseconds: every access and every closing ends by itself within 250, the rest is for the machine. */
const soon = 500

/** Every line that was written to the console meanwhile. */
const captured = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const names = ["log", "info", "warn", "error", "debug"] as const
    const originals = names.map((name) => [name, console[name]] as const)
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        for (const name of names) {
          console[name] = (...args: ReadonlyArray<unknown>) => void lines.push(args.map(String).join(" "))
        }
      }),
      () =>
        Effect.sync(() => {
          for (const [name, original] of originals) {
            console[name] = original
          }
        })
    )
    yield* effect
    return lines
  })

const keyOf = { refillRate: Duration.seconds(1), limit: 10, allowOverflow: false } as const

/** The services of a layer that is closed by hand. */
const open = (url: Redacted.Redacted) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(Redis.layer({ url }), scope)
    const store = yield* Scope.extend(Context.get(context, Persistence.BackingPersistence).make("test"), scope)
    return { store, limiter: Context.get(context, RateLimiter.RateLimiterStore), close: Scope.close(scope, Exit.void) }
  })

/** Neither the password, the address, nor what the command was about. */
const noSecrets = (exit: Exit.Exit<unknown, unknown>) => {
  if (Exit.isFailure(exit)) {
    const shown = [
      Cause.pretty(exit.cause, { renderErrorCause: true }),
      Inspectable.toStringUnknown(exit),
      JSON.stringify(exit)
    ].join("\n")
    for (const secret of [Support.secret, "127.0.0.1", "a key", "a value"]) {
      assert.notInclude(shown, secret)
    }
  }
}

describe("Redis.layer", () => {
  it("takes only URLs of Redis, and does not repeat them", () => {
    for (const url of ["", "hunter2", "http://hunter2.test", "redis://hunter2:x:y", "/tmp/hunter2.sock"]) {
      try {
        Redis.layer({ url: Redacted.make(url) })
        assert.fail("accepted")
      } catch (error) {
        assert.instanceOf(error, RouterError.InvalidRequest)
        assert.deepStrictEqual(error.issues.map(({ path }) => path), ["url"])
        assert.notInclude(error.message, "hunter2")
      }
    }
  })

  it.effect("a configured URL is checked in the same way", () =>
    Effect.gen(function*() {
      const withUrl = (url?: string) =>
        Effect.flip(Effect.scoped(Layer.build(Redis.layerConfig()))).pipe(
          Effect.withConfigProvider(ConfigProvider.fromMap(new Map(url === undefined ? [] : [["REDIS_URL", url]])))
        )
      assert.include(String(yield* withUrl()), "REDIS_URL")
      const error = String(yield* withUrl("http://hunter2.test"))
      assert.include(error, "redis://")
      assert.notInclude(error, "hunter2")
    }))
})

Support.describeRedis("Redis", () => {
  it.scopedLive("entries: get, getMany, set, setMany, remove, clear, and their time to live", () =>
    Effect.gen(function*() {
      const { url } = yield* Support.start
      const { close, store } = yield* open(url)
      const get = (key: string) => Effect.map(store.get(key), Option.getOrUndefined)
      assert.strictEqual(yield* get("a"), undefined)
      yield* store.set("a", { text: "ü", list: [1, null] }, Option.none())
      assert.deepStrictEqual(yield* get("a"), { text: "ü", list: [1, null] })
      yield* store.setMany([["b", 1, Option.none()], ["c", 2, Option.some(Duration.millis(0.5))]])
      yield* Effect.sleep("20 millis")
      assert.deepStrictEqual((yield* store.getMany(["a", "b", "c"])).map(Option.isSome), [true, true, false])
      assert.deepStrictEqual(yield* store.getMany([]), [])
      yield* store.remove("a")
      assert.strictEqual(yield* get("a"), undefined)

      const redis = yield* Support.client(url)
      yield* Effect.promise(() =>
        redis.mset({ "effect-llm-router:entries:tes": "1", "effect-llm-router:entries:testing:x": "1" })
      )
      yield* store.clear
      assert.deepStrictEqual(
        (yield* Effect.promise(() => redis.keys("*"))).sort(),
        ["effect-llm-router:entries:tes", "effect-llm-router:entries:testing:x"]
      )
      yield* close
    }))

  it.scopedLive("clearing means the names of a store literally", () =>
    Effect.gen(function*() {
      const { url } = yield* Support.start
      const context = yield* Layer.build(Redis.layer({ url, prefix: "p*[x]?\\" }))
      const store = yield* Context.get(context, Persistence.BackingPersistence).make("s")
      const redis = yield* Support.client(url)
      yield* store.set("a", 1, Option.none())
      yield* Effect.promise(() => redis.set("pabcxd\\entries:s:a", "1"))
      yield* store.clear
      assert.deepStrictEqual(yield* Effect.promise(() => redis.keys("*")), ["pabcxd\\entries:s:a"])
    }))

  it.scopedLive("what is not an entry is absent, and can be replaced", () =>
    Effect.gen(function*() {
      const { url } = yield* Support.start
      const { close, store } = yield* open(url)
      const redis = yield* Support.client(url)
      yield* Effect.promise(() => redis.set("effect-llm-router:entries:test:text", "not {json"))
      yield* Effect.promise(() => redis.rpush("effect-llm-router:entries:test:list", "x"))
      for (const key of ["text", "list"]) {
        assert.strictEqual(Option.isNone(yield* store.get(key)), true)
        yield* store.set(key, key, Option.none())
        assert.strictEqual(Option.getOrUndefined(yield* store.get(key)), key)
      }
      yield* close
    }))

  it.scopedLive("a bucket: refused, overdrawn, given back up to its limit, refilled, and gone when it is full", () =>
    Effect.gen(function*() {
      const { url } = yield* Support.start
      const { close, limiter } = yield* open(url)
      const redis = yield* Support.client(url)
      const take = (tokens: number, allowOverflow = false) =>
        limiter.tokenBucket({ ...keyOf, key: "k", tokens, allowOverflow })
      assert.strictEqual(yield* take(4), 6)
      assert.strictEqual(yield* take(7), -1)
      assert.strictEqual(yield* take(6), 0)
      assert.strictEqual(yield* take(3, true), -3)
      assert.strictEqual(yield* take(1, true), -4)
      assert.strictEqual(yield* take(-50), 10)
      assert.strictEqual(yield* take(10), 0)
      const ttl = yield* Effect.promise(() => redis.pttl("effect-llm-router:limits:k"))
      assert.isTrue(ttl > 9_000 && ttl <= 11_000, `${ttl}`)

      // ten tokens in 70 ms: a refill that is no whole number of milliseconds
      const quick = (tokens: number) =>
        limiter.tokenBucket({
          key: "q",
          tokens,
          limit: 10,
          refillRate: Duration.nanos(6_999_999n),
          allowOverflow: false
        })
      assert.strictEqual(yield* quick(10), 0)
      yield* Effect.sleep("35 millis")
      assert.isAtLeast(yield* quick(0), 5)
      yield* Effect.sleep("150 millis")
      assert.strictEqual(yield* Effect.promise(() => redis.exists("effect-llm-router:limits:q")), 0)

      yield* Effect.promise(() => redis.set("effect-llm-router:limits:odd", "text"))
      assert.strictEqual(yield* limiter.tokenBucket({ ...keyOf, key: "odd", tokens: 1 }), 9)
      yield* close
    }))

  it.scopedLive("a bucket that is spoiled is a full one, and is repaired", () =>
    Effect.gen(function*() {
      const { url } = yield* Support.start
      const { close, limiter } = yield* open(url)
      const redis = yield* Support.client(url)
      const now = String(Date.now())
      const bucket = "effect-llm-router:limits:k"
      const take = limiter.tokenBucket({ ...keyOf, key: "k", tokens: 1, refillRate: Duration.hours(1) })
      const spoiled: ReadonlyArray<Record<string, string>> = [
        { tokens: "5", at: "nan" },
        { tokens: "5", at: "-inf" },
        { tokens: "5", at: "soon" },
        { tokens: "nan", at: now },
        { tokens: "-inf", at: now },
        { tokens: "inf", at: now },
        { tokens: "-1e300", at: now },
        { tokens: "1e300", at: now },
        { tokens: "-1e300", at: "nan" },
        { tokens: "", at: "" },
        { at: now }
      ]
      for (const fields of spoiled) {
        yield* Effect.promise(() => redis.del(bucket))
        yield* Effect.promise(() => redis.hset(bucket, fields))
        const shown = JSON.stringify(fields)
        assert.deepStrictEqual([yield* take, yield* take], [9, 8], shown)
        const [tokens, at] = yield* Effect.promise(() => redis.hmget(bucket, "tokens", "at"))
        assert.strictEqual(tokens, "8", shown)
        assert.isBelow(Math.abs(Number(at) - Date.now()), 60_000, shown)
      }

      // one that was written by a clock that was ahead keeps its tokens
      yield* Effect.promise(() => redis.hset(bucket, { tokens: "5", at: "1e14" }))
      assert.strictEqual(yield* take, 4)
      // the deepest debt that is believed is answered, however slow the refill
      yield* Effect.promise(() => redis.hset(bucket, { tokens: "-1e12", at: now }))
      const slow = limiter.tokenBucket({ ...keyOf, key: "k", tokens: 1, refillRate: Duration.days(365) })
      assert.strictEqual(yield* slow, -1e12 - 1)
      yield* close
    }))

  it.scopedLive("a fixed window, also with a refill that is no whole number of milliseconds", () =>
    Effect.gen(function*() {
      const { url } = yield* Support.start
      const { close, limiter } = yield* open(url)
      const take = (tokens: number) =>
        limiter.fixedWindow({ key: "k", tokens, limit: 7, refillRate: Duration.unsafeDivide(Duration.minutes(1), 7) })
      const [count, ttl] = yield* take(3)
      assert.strictEqual(count, 3)
      assert.isTrue(ttl > 25_000 && ttl <= 25_715, `${ttl}`)
      assert.strictEqual((yield* take(4))[0], 7)
      assert.strictEqual((yield* take(1))[0], 8)
      assert.strictEqual((yield* take(1))[0], 8)
      yield* close
    }))

  const trouble = {
    "is not there": Effect.map(Support.absent, (url) => ({ url, cause: Effect.void })),
    "is killed": Effect.map(Support.start, ({ kill, url }) => ({ url, cause: kill })),
    "hangs": Effect.map(Support.start, ({ hang, url }) => ({ url, cause: hang })),
    "hangs from the beginning": Effect.map(
      Effect.tap(Support.start, ({ hang }) => hang),
      ({ url }) => ({ url, cause: Effect.void })
    ),
    "has another password": Effect.map(Support.start, ({ url }) => ({
      url: Redacted.make(Redacted.value(url).replace("hunter2", "hunter22")),
      cause: Effect.void
    }))
  }
  for (const [name, make] of Object.entries(trouble)) {
    it.scopedLive(
      `a server that ${name}: the layer is built and closed, accesses fail soon, nothing is printed or shown`,
      () =>
        Effect.gen(function*() {
          const server = yield* make
          const lines = yield* captured(Effect.gen(function*() {
            const [opened, openMillis] = yield* timed(open(server.url))
            assert.isBelow(openMillis, soon)
            const { close, limiter, store } = yield* opened
            yield* server.cause
            for (let i = 0; i < 3; i++) {
              const accesses: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
                store.get("a key"),
                store.set("a key", "a value", Option.none()),
                store.clear,
                limiter.tokenBucket({ ...keyOf, key: "a key", tokens: 1 })
              ]
              const results = yield* Effect.forEach(accesses, timed, { concurrency: "unbounded" })
              for (const [exit, millis] of results) {
                assert.isTrue(Exit.isFailure(exit) && Cause.isFailType(exit.cause))
                noSecrets(exit)
                assert.isBelow(millis, soon)
              }
            }
            // long enough for some attempts to connect
            yield* Effect.sleep("500 millis")
            const [closed, closeMillis] = yield* timed(close)
            assert.isTrue(Exit.isSuccess(closed))
            assert.isBelow(closeMillis, soon)
            yield* Effect.sleep("300 millis")
          }))
          assert.deepStrictEqual(lines, [])
        }),
      30_000
    )
  }

  it.scopedLive("nothing waits for the next attempt to connect, and nothing is sent when nobody waits for it any more", () =>
    Effect.gen(function*() {
      const server = yield* Support.start
      const { close, store } = yield* open(server.url)
      yield* server.kill
      yield* Effect.sleep("500 millis")
      const [exit, millis] = yield* timed(Effect.exit(Effect.all([
        Effect.flip(store.set("late", 1, Option.none())),
        Effect.flip(store.get("late")),
        Effect.flip(store.get("late"))
      ])))
      assert.isTrue(Exit.isSuccess(Exit.flatten(exit)))
      assert.isBelow(millis, 100)
      yield* close
    }))

  it.scopedLive("a refusal of the server is an error that shows nothing", () =>
    Effect.gen(function*() {
      const { url } = yield* Support.start
      const { close, store } = yield* open(url)
      const redis = yield* Support.client(url)
      yield* Effect.promise(() => redis.config("SET", "maxmemory", "1"))
      const exit = yield* Effect.exit(store.set("a key", "a value", Option.none()))
      assert.isTrue(Exit.isFailure(exit))
      noSecrets(exit)
      assert.include(Cause.pretty(Exit.isFailure(exit) ? exit.cause : Cause.empty, { renderErrorCause: true }), "OOM")
      yield* close
    }))

  it.scopedLive("a server that comes back is used again", () =>
    Effect.gen(function*() {
      const server = yield* Support.start
      const { close, store } = yield* open(server.url)
      yield* store.set("a", 1, Option.none())
      yield* server.hang
      assert.isTrue(Exit.isFailure(yield* Effect.exit(store.get("a"))))
      yield* server.resume
      // it is left alone for a second
      assert.strictEqual(
        Option.getOrUndefined(
          yield* Effect.retry(store.get("a"), { times: 100, schedule: Schedule.spaced("50 millis") })
        ),
        1
      )
      yield* server.kill
      assert.isTrue(Exit.isFailure(yield* Effect.exit(store.get("a"))))
      yield* server.restart
      const again = Effect.retry(store.get("a"), { while: () => Effect.delay(Effect.succeed(true), "50 millis") })
      assert.strictEqual(Option.isNone(yield* Effect.timeout(again, "5 seconds")), true)
      yield* close
    }), 30_000)
})
