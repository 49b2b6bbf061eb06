import * as NodeContext from "@effect/platform-node/NodeContext"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Route from "../../src/Route.js"
import * as RouterError from "../../src/RouterError.js"
import { url } from "../support/policies.js"
import { scripted } from "../support/scripted.js"

const build = (directory: string, maxBytes?: number) =>
  Effect.map(
    Layer.build(Layer.fresh(ResponseCache.layerFileSystem(directory, { maxBytes }))),
    Context.get(ResponseCache.ResponseCache)
  )

const directory = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const files = (directory: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.map(fs.readDirectory(directory), (names) => names.sort()))

/** Asks for a path, with the path as the answer unless another one is given. */
const ask = (
  cache: ResponseCache.Service,
  path: string,
  options: { readonly text?: string; readonly ttl?: Duration.DurationInput; readonly mode?: ResponseCache.Mode } = {}
) =>
  Effect.gen(function*() {
    const recorder = Route.makeRecorder()
    const { client } = scripted((request) =>
      Effect.succeed(HttpClientResponse.fromWeb(request, new Response(options.text ?? path)))
    )
    const cached = ResponseCache.withCache({ ttl: options.ttl ?? "1 minute", mode: options.mode })(client)
    const response = yield* cached.get(`${url}/${path}`).pipe(
      Effect.provideService(ResponseCache.ResponseCache, cache),
      Effect.provideService(Route.CurrentRecorder, recorder)
    )
    return `${recorder.cache} ${yield* response.text}`
  })

/** Writes and sweeps are not waited for. */
const eventually = <A, E, R>(effect: Effect.Effect<A, E, R>, check: (value: A) => boolean) =>
  effect.pipe(
    Effect.filterOrFail(check),
    Effect.retry(Schedule.intersect(Schedule.spaced("5 millis"), Schedule.recurs(1_000)))
  )

const filled = (directory: string, count: number) =>
  eventually(files(directory), (names) => names.length === count && names.every((name) => name.endsWith(".json")))

const live = (name: string, test: Effect.Effect<unknown, unknown, NodeContext.NodeContext | Scope.Scope>) =>
  it.scopedLive(name, () => Effect.provide(test, NodeContext.layer))

describe("ResponseCache.layerFileSystem", () => {
  live(
    "what one process has stored answers the next one, also when it ended with its answer",
    Effect.gen(function*() {
      const path = yield* directory
      const first = yield* Effect.scoped(Effect.flatMap(build(path), (cache) => ask(cache, "a")))
      assert.strictEqual(first, "miss a")
      const names = yield* files(path)
      assert.strictEqual(names.length, 1)
      assert.match(names[0]!, /^[0-9a-f]{64}\.json$/)
      const cache = yield* build(path)
      assert.strictEqual(yield* ask(cache, "a", { text: "other" }), "hit a")
    })
  )

  live(
    "nobody else may read the answers",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* directory}/deep/cache`
      yield* Effect.scoped(Effect.flatMap(build(path), (cache) => ask(cache, "a")))
      const [name] = yield* files(path)
      assert.strictEqual((yield* fs.stat(path)).mode & 0o777, 0o700)
      assert.strictEqual((yield* fs.stat(`${path}/${name}`)).mode & 0o777, 0o600)
    })
  )

  live(
    "whoever reads while two write the same entry gets one of them, whole",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* directory
      const [one, two] = yield* Effect.all([build(path), build(path)])
      const text = (letter: string) => letter.repeat(20_000)
      yield* ask(one, "a", { text: text("1") })
      const [name] = yield* filled(path, 1)
      let reading = true
      const seen = new Set<string>()
      const write = (cache: ResponseCache.Service, letter: string) => {
        let writes = 0
        return Effect.repeat(
          // nobody waits for a write: without a pause they pile up, and on a slow disk each of them takes too long
          Effect.zipRight(ask(cache, "a", { text: text(letter), mode: "force-refresh" }), Effect.sleep("10 millis")),
          // on a busy machine a write may take too long, and those of the next second are left out
          { while: () => ++writes < 100 || seen.size < 2 }
        )
      }
      const read = Effect.whileLoop({
        while: () => reading,
        body: () => fs.readFileString(`${path}/${name}`),
        step: (file) => void seen.add(JSON.parse(file).entry.body)
      })
      const writes = Effect.all([write(one, "1"), write(two, "2")], { concurrency: "unbounded" })
      const stop = Effect.sync(() => {
        reading = false
      })
      yield* Effect.all([Effect.zipRight(writes, stop), read], { concurrency: "unbounded" })
      assert.isTrue(seen.size === 2 && seen.has(text("1")) && seen.has(text("2")))
      yield* filled(path, 1)
    })
  )

  live(
    "a torn, an empty and a foreign file are misses, and are replaced",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* directory
      const cache = yield* build(path)
      yield* ask(cache, "a")
      const [name] = yield* filled(path, 1)
      const text = yield* fs.readFileString(`${path}/${name}`)
      for (const spoiled of [text.slice(0, text.length / 2), "", "{}", "[".repeat(10_000)]) {
        yield* fs.writeFileString(`${path}/${name}`, spoiled)
        assert.strictEqual(yield* ask(cache, "a"), "miss a")
        yield* eventually(fs.readFileString(`${path}/${name}`), (text) => text.endsWith("}}"))
        assert.strictEqual(yield* ask(cache, "a"), "hit a")
      }
    })
  )

  live(
    "no key leads out of the directory, and each has its own entry",
    Effect.gen(function*() {
      const outer = yield* directory
      const path = `${outer}/cache`
      const cache = yield* build(path)
      const hash = "a".repeat(64)
      const keys = [`../escaped`, `/${outer}/escaped`, "sub/../../escaped", "", ".", "x".repeat(300), `${hash}\n`, hash]
      const lifetime = { ttl: Duration.minutes(1), staleFor: Duration.zero }
      const storedAtMillis = Date.now()
      for (const key of keys) {
        yield* cache.set(key, { status: 200, headers: {}, body: key, storedAtMillis }, lifetime)
      }
      const names = yield* filled(path, keys.length)
      assert.include(names, `${hash}.json`)
      assert.isTrue(names.every((name) => /^[0-9a-f]{64}\.json$/.test(name)))
      assert.deepStrictEqual(yield* files(outer), ["cache"])
      const reader = yield* build(path)
      for (const key of keys) {
        assert.strictEqual(Option.getOrUndefined(yield* reader.get(key))?.entry.body, key)
      }
    })
  )

  live(
    "a file that cannot be read is a miss of its own key only",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* directory
      const cache = yield* build(path)
      yield* ask(cache, "a")
      const [name] = yield* filled(path, 1)
      yield* ask(cache, "b")
      yield* filled(path, 2)
      yield* fs.remove(`${path}/${name}`)
      yield* fs.makeDirectory(`${path}/${name}`)
      for (const _ of [1, 2]) {
        assert.strictEqual(yield* ask(cache, "a", { mode: "read-only" }), "miss a")
        assert.strictEqual(yield* ask(cache, "b"), "hit b")
      }
    })
  )

  live(
    "files that cannot be removed do not keep the others, neither expired nor excessive ones",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* directory
      yield* Effect.scoped(Effect.flatMap(build(path), (seed) => ask(seed, "expired")))
      const [expired] = yield* files(path)
      yield* Effect.scoped(Effect.flatMap(build(path), (seed) => ask(seed, "live", { text: "x".repeat(5_000) })))
      // a directory is removed only with what is in it; one of these has expired, the other expires next
      const stuck = ["0", "1"].map((digit) => `${digit.repeat(64)}.json`)
      for (const name of stuck) {
        yield* fs.makeDirectory(`${path}/${name}/full`, { recursive: true })
      }
      const expire = (name: string | undefined, at: Date) => fs.utimes(`${path}/${name}`, at, at)
      yield* expire(expired, new Date(0))
      yield* expire(stuck[0], new Date(0))
      yield* expire(stuck[1], new Date(Date.now() + 30_000))
      // with the new one there is a bit too much, and what cannot be removed makes it no less
      const sizes = yield* Effect.forEach(
        (yield* files(path)).filter((name) => name !== stuck[0] && name !== expired),
        (name) => Effect.map(fs.stat(`${path}/${name}`), (info) => Number(info.size))
      )
      const cache = yield* build(path, sizes.reduce((sum, size) => sum + size, 0))
      yield* ask(cache, "new", { ttl: "1 hour" })
      assert.includeMembers(yield* eventually(files(path), (names) => names.length === 3), stuck)
      assert.strictEqual(yield* ask(cache, "new"), "hit new")
    })
  )

  live(
    "a directory that is removed is made again",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = `${yield* directory}/cache`
      const cache = yield* build(path)
      yield* ask(cache, "a")
      yield* filled(path, 1)
      yield* fs.remove(path, { recursive: true })
      assert.strictEqual(yield* ask(cache, "a"), "miss a")
      yield* filled(path, 1)
      assert.strictEqual(yield* ask(cache, "a"), "hit a")
    })
  )

  live(
    "expired files and abandoned ones are removed, others are left alone",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* directory
      yield* Effect.scoped(Effect.flatMap(build(path), (cache) => ask(cache, "a", { ttl: "1 millis" })))
      yield* Effect.scoped(Effect.flatMap(build(path), (cache) => ask(cache, "b", { ttl: Duration.infinity })))
      const hash = "0".repeat(64)
      for (const name of ["README.md", "other.json", `${hash}.1-1.tmp`, `${hash}.1-2.tmp`]) {
        yield* fs.writeFileString(`${path}/${name}`, "")
      }
      const longAgo = new Date(Date.now() - 120_000)
      for (const name of ["README.md", "other.json", `${hash}.1-1.tmp`]) {
        yield* fs.utimes(`${path}/${name}`, longAgo, longAgo)
      }
      const cache = yield* build(path)
      yield* ask(cache, "c")
      const rest = yield* eventually(
        Effect.map(files(path), (names) => names.filter((name) => !/^[0-9a-f]{64}.json$/.test(name))),
        (rest) => rest.length === 3
      )
      assert.deepStrictEqual(rest, [`${hash}.1-2.tmp`, "README.md", "other.json"])
      // those of the second and the third
      yield* eventually(files(path), (names) => names.length === 5)
      assert.strictEqual(yield* ask(cache, "b"), "hit b")
    })
  )

  live(
    "L43: keeps so many bytes, and an eighth more, and nothing that is larger alone",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* directory
      const maxBytes = 20_000
      const cache = yield* build(path, maxBytes)
      const bytes = Effect.flatMap(files(path), (names) =>
        Effect.map(
          Effect.forEach(names, (name) => Effect.orElseSucceed(fs.stat(`${path}/${name}`), () => undefined)),
          (infos) => infos.reduce((sum, info) => sum + Number(info?.size ?? 0), 0)
        ))
      const write = (path: string, ttl: number) => ask(cache, path, { text: "x".repeat(1_000), ttl })
      for (let n = 0; n < 100; n++) {
        yield* write(String(n), 3_600_000 + n)
        yield* eventually(bytes, (bytes) => bytes <= maxBytes * 1.125)
      }
      // what expires next goes first
      yield* eventually(ask(cache, "0", { mode: "read-only" }), (answer) => answer === "miss 0")
      assert.include(yield* ask(cache, "99"), "hit")
      yield* ask(cache, "large", { text: "x".repeat(maxBytes) })
      assert.strictEqual(
        yield* eventually(ask(cache, "large", { mode: "read-only" }), (_) => _ === "miss large"),
        "miss large"
      )
    })
  )

  live(
    "a directory that cannot be made is an error of the layer",
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* directory}/file`
      yield* fs.writeFileString(file, "")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(build(`${file}/cache`))))
    })
  )

  it("refuses a bound that is not a whole number of 1 or more", () => {
    for (const maxBytes of [0, -1, 1.5, NaN, Infinity]) {
      try {
        ResponseCache.layerFileSystem("cache", { maxBytes })
        assert.fail("accepted")
      } catch (error) {
        assert.instanceOf(error, RouterError.InvalidRequest)
        assert.strictEqual(error.path, "maxBytes")
      }
    }
  })
})
