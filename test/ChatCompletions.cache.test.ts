import { assert, describe, it } from "@effect/vitest"
import { Chunk, Data, Effect, Exit, Fiber, Stream, TestClock } from "effect"
import { ChatCompletions, type ChatRequest, RouterDefaults, type RouterError } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { messages, scripted, targets } from "./support/router.js"

const cache = { type: "exact_match", ttl: 60 } as const

const request = (options: Partial<ChatRequest.ChatRequest> = {}): ChatRequest.ChatRequest => ({
  model: "a/x",
  messages,
  cache,
  ...options
})

const collect = (request: ChatRequest.ChatRequest) =>
  Effect.map(Stream.runCollect(ChatCompletions.stream(request)), Chunk.toReadonlyArray)

/** What the cache did, and the text. */
const create = (request: ChatRequest.ChatRequest) =>
  Effect.map(ChatCompletions.create(request), ({ choices, route }) => `${route.cache} ${choices[0]?.message.content}`)

const stream = (request: ChatRequest.ChatRequest) =>
  Effect.map(
    collect(request),
    (chunks) => `${chunks[0]?.route.cache} ${chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")}`
  )

const both = { create, stream }

/** The answer of either kind: a completion, or a stream for whoever asks for one. */
const answers = (...texts: ReadonlyArray<string>) => texts.map((text) => Testing.completion(text))

const chunksOf = (...texts: ReadonlyArray<string>) => texts.map((text) => Testing.stream([text]))

describe("a request that has no exact JSON", () => {
  class Message extends Data.Class<{ readonly role: "user"; readonly content: string }> {}

  it.effect("is sent, and not cached: half of a surrogate pair", () =>
    Effect.gen(function*() {
      const broken = request({ messages: [{ role: "user", content: "half \ud800" }] })
      assert.deepStrictEqual([yield* create(broken), yield* create(broken)], ["bypass 1", "bypass 2"])
    }).pipe(Effect.provide(scripted({ "a/x": answers("1", "2") }))))

  it.effect("instances of classes are what they are written as", () =>
    Effect.gen(function*() {
      const made = request({ messages: [new Message({ role: "user", content: "Hello" })] })
      assert.deepStrictEqual([yield* create(made), yield* create(request())], ["miss 1", "hit 1"])
    }).pipe(Effect.provide(scripted({ "a/x": answers("1", "2") }))))
})

describe("cache.mode", () => {
  for (const [kind, ask] of Object.entries(both)) {
    const script = kind === "create" ? answers : chunksOf
    it.effect(`${kind}: force-refresh, read-only and no-store`, () =>
      Effect.gen(function*() {
        const withMode = (mode?: "force-refresh" | "read-only" | "no-store") =>
          ask(request({ cache: { ...cache, mode } }))
        assert.deepStrictEqual(
          yield* Effect.forEach(
            ["read-only", undefined, "no-store", "read-only", "force-refresh", undefined, "read-only"] as const,
            withMode
          ),
          ["miss 1", "miss 2", "bypass 3", "hit 2", "miss 4", "hit 4", "hit 4"]
        )
      }).pipe(Effect.provide(scripted({ "a/x": script("1", "2", "3", "4", "5") }))))
  }

  it.effect("no-store switches a default cache off", () =>
    Effect.gen(function*() {
      const none = { model: "a/x", messages }
      const off = { ...none, cache: { type: "exact_match", mode: "no-store" } } as const
      assert.deepStrictEqual(
        [yield* create(none), yield* create(off), yield* create(none)],
        ["miss 1", "bypass 2", "hit 1"]
      )
    }).pipe(
      Effect.provideService(RouterDefaults.RouterDefaults, { cache }),
      Effect.provide(scripted({ "a/x": answers("1", "2", "3") }))
    ))

  it.effect("the deprecated envelope has it, too, and bounds are checked", () =>
    Effect.gen(function*() {
      const envelope = { model: "a/x", messages, orq: { cache: { ...cache, mode: "no-store" } } } as const
      assert.strictEqual(yield* create(envelope), "bypass 1")
      const bad: ReadonlyArray<readonly [string, object]> = [
        ["cache.mode", { mode: "no-cache" }],
        ["cache.staleIfError", { staleIfError: 0 }],
        ["cache.staleIfError", { staleIfError: 259_201 }],
        ["cache.staleIfError", { staleIfError: 1.5 }]
      ]
      for (const [path, wrong] of bad) {
        const error = yield* Effect.flip(ChatCompletions.create(request({ cache: { ...cache, ...wrong } })))
        assert.strictEqual(error._tag === "InvalidRequest" ? error.path : error._tag, path)
      }
    }).pipe(Effect.provide(scripted({ "a/x": answers("1", "2") }))))
})

describe("cache.staleIfError", () => {
  const stale = request({ cache: { type: "exact_match", ttl: 1, staleIfError: 10 } })

  for (const [kind, ask] of Object.entries(both)) {
    it.effect(`${kind}: when all targets are out of order, the last answer is given, with what was tried`, () =>
      Effect.gen(function*() {
        const withFallback = { ...stale, fallbacks: [{ model: "b/y" }] }
        assert.strictEqual(yield* create(withFallback), "miss old")
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* ask(withFallback), "stale old")
        const { route } = yield* ChatCompletions.create(withFallback)
        assert.deepStrictEqual(route.attempts.map(({ outcome, target }) => [target, outcome]), [
          ["a/x", "Unavailable"],
          ["b/y", "BadResponse"]
        ])
        assert.deepStrictEqual([route.served, route.cache, route.cacheAgeMillis], ["a/x", "stale", 1_000])
        yield* TestClock.adjust("10 seconds")
        const error = yield* Effect.flip<unknown, RouterError.RouterError, ChatCompletions.ChatCompletions>(
          ask(withFallback)
        )
        assert.strictEqual(error._tag, "AllTargetsFailed")
        assert.strictEqual(error.route?.cache, "miss")
      }).pipe(Effect.provide(scripted({
        "a/x": [Testing.completion("old"), Testing.status(503)],
        "b/y": Testing.raw({ headers: { "content-type": "text/html" }, body: "<html>" })
      }))))

    it.effect(`${kind}: not when one of the targets has refused the request`, () =>
      Effect.gen(function*() {
        const withFallback = { ...stale, fallbacks: [{ model: "b/y" }] }
        yield* create(withFallback)
        yield* TestClock.adjust("1 second")
        const exit = yield* Effect.exit<unknown, RouterError.RouterError, ChatCompletions.ChatCompletions>(
          ask(withFallback)
        )
        assert.isTrue(Exit.isFailure(exit))
      }).pipe(Effect.provide(scripted({
        "a/x": [Testing.completion("old"), Testing.status(503)],
        "b/y": Testing.status(429)
      }))))
  }

  it.effect("a stream that breaks after its first content is not answered with it", () =>
    Effect.gen(function*() {
      yield* create(stale)
      yield* TestClock.adjust("1 second")
      const error = yield* Effect.flip(collect(stale))
      assert.strictEqual(error._tag, "StreamInterrupted")
    }).pipe(Effect.provide(scripted({
      "a/x": [Testing.completion("old"), Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "reset" } })]
    }))))

  it.effect("one that is committed when it is complete is", () =>
    Effect.gen(function*() {
      yield* create(stale)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* stream({ ...stale, commit: "whole" }), "stale old")
    }).pipe(Effect.provide(scripted({
      "a/x": [Testing.completion("old"), Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "reset" } })]
    }))))
})

describe("who joins a call", () => {
  it.effect("has asked for the same commit point, retries and clocks", () =>
    Effect.gen(function*() {
      const requests = [
        request(),
        request({ commit: "firstContent" }),
        request({ commit: "whole" }),
        request({ retry: { count: 1 } }),
        request({ retry: { count: 1, onCodes: [500] } }),
        request({ timeout: { callTimeout: 5_000 } }),
        request({ timeout: { totalTimeout: 5_000 } })
      ]
      const fiber = yield* Effect.fork(Effect.forEach(requests, collect, { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 minute")
      const statuses = (yield* Fiber.join(fiber)).map((chunks) => chunks[0]?.route.cache)
      // only the deadline of the whole call is each caller's own affair
      assert.deepStrictEqual(statuses, ["miss", "shared", "miss", "miss", "miss", "miss", "shared"])
      assert.strictEqual((yield* targets).length, 5)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(["Hel", "lo"], { between: "1 second" }) }))))

  it.effect("`commit: \"whole\"` is kept beside a call that hands on its first content", () =>
    Effect.gen(function*() {
      const first = yield* Effect.fork(Effect.flip(collect(request())))
      yield* TestClock.adjust("1500 millis")
      const whole = yield* Effect.fork(collect(request({ commit: "whole", retry: { count: 1 } })))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(first))._tag, "StreamInterrupted")
      assert.strictEqual(
        (yield* Fiber.join(whole)).map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""),
        "Hello"
      )
    }).pipe(Effect.provide(scripted({
      "a/x": [
        Testing.stream(["Hel", "lo"], { between: "1 second", cut: { after: 3, how: "reset" } }),
        Testing.stream(["Hel", "lo"], { between: "1 second" })
      ]
    }))))
})

describe("L42: what a caller does to an answer reaches nobody else", () => {
  /** Changes whatever can be changed. */
  const vandalize = (value: unknown): void => {
    if (typeof value === "object" && value !== null) {
      for (const member of Object.keys(value)) {
        vandalize(Reflect.get(value, member))
        Reflect.set(value, member, "changed")
      }
    }
  }
  const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }

  it.effect("chunks of a stream", () =>
    Effect.gen(function*() {
      const vandal = Stream.runForEach(ChatCompletions.stream(request()), (chunk) =>
        Effect.sync(() => {
          for (const member of Object.values(chunk)) {
            vandalize(member)
          }
        }))
      const fibers = yield* Effect.all([Effect.fork(vandal), Effect.fork(collect(request())), Effect.fork(vandal)])
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fibers[0])
      const chunks = yield* Fiber.join(fibers[1])
      assert.strictEqual(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "Hello")
      assert.strictEqual(chunks.find((chunk) => chunk.usage !== undefined)?.usage?.totalTokens, 3)
      for (const _ of [1, 2]) {
        const completion = yield* ChatCompletions.create(request())
        assert.deepStrictEqual(
          [completion.route.cache, completion.choices[0]?.message.content, completion.usage?.totalTokens],
          ["hit", "Hello", 3]
        )
        vandalize(completion)
      }
      for (const _ of [1, 2]) {
        const replayed = yield* collect(request())
        assert.strictEqual(replayed.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "Hello")
        replayed.forEach(vandalize)
      }
    }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(["Hel", "lo"], { between: "1 second", usage }) }))))

  it.effect("the attempts of a call that is shared", () =>
    Effect.gen(function*() {
      const asked = yield* Effect.fork(Effect.all([
        ChatCompletions.create(request()),
        ChatCompletions.create(request())
      ], { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 minute")
      const [first, second] = yield* Fiber.join(asked)
      vandalize(first.route.attempts)
      assert.deepStrictEqual(second.route.attempts.map(({ outcome, target }) => [target, outcome]), [[
        "a/x",
        "success"
      ]])
    }).pipe(Effect.provide(scripted({ "a/x": Testing.completion("Hello", { delay: "1 second" }) }))))
})
