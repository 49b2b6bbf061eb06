import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Stream } from "effect"
import { ChatCompletions, Fallback, OpenAiCompatible, Providers, ResponseCache } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import * as Transport from "effect-llm-router/Transport"
import { messages } from "./support/router.js"

const hello = ["Hel", "lo"]

const script: Testing.Script = {
  "a/hang": Testing.hang,
  "a/body": Testing.raw({ headers: { "content-type": "application/json" }, body: `{"choices":[`, end: "stall" }),
  "a/preamble": Testing.stream(hello, { cut: { after: 1, how: "stall" } }),
  "a/middle": Testing.stream(hello, { cut: { after: 2, how: "stall" } }),
  "a/reset": Testing.stream(hello, { cut: { after: 2, how: "reset" } }),
  "a/limited": Testing.status(429, { retryAfter: 30 }),
  "a/ok": Testing.stream(hello),
  "a/json": Testing.completion("Hello"),
  "a/slow": Testing.completion("Hello", { delay: "1 second" })
}

const router = (transport: Layer.Layer<HttpClient.HttpClient>) =>
  ChatCompletions.layer.pipe(
    Layer.provide([
      Layer.unwrapEffect(Effect.map(Testing.Server, (server) =>
        Providers.layer({ a: OpenAiCompatible.make({ baseUrl: server.baseUrl("a") }) }))),
      ResponseCache.layerMemory()
    ]),
    Layer.provide(transport),
    Layer.provideMerge(Testing.layerServer(script))
  )

/** From when the caller leaves until the upstream sees its socket close. */
const maxCloseMillis = 100

/** Leaves the call of a router of its own, and says how long its socket stayed open. */
const closeMillis = <A, E>(
  call: Effect.Effect<A, E, ChatCompletions.ChatCompletions>,
  transport: Layer.Layer<HttpClient.HttpClient>
) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(call)
    yield* Testing.awaitCall(0)
    yield* Effect.sleep("50 millis")
    const left = yield* Clock.currentTimeMillis
    const exit = yield* Fiber.interrupt(fiber)
    assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
    yield* Testing.awaitAborted(0)
    const calls = yield* Testing.calls
    assert.strictEqual(calls.length, 1)
    assert.strictEqual(yield* Testing.open, 0)
    return (calls[0]?.abortedAtMillis ?? Infinity) - left
  }).pipe(Effect.provide(router(transport)))

/** One of three has to be in time: a machine that is busy with other tests may hold any single one up. */
const leave = <A, E>(
  call: Effect.Effect<A, E, ChatCompletions.ChatCompletions>,
  transport: Layer.Layer<HttpClient.HttpClient>
) =>
  Effect.gen(function*() {
    let best = Infinity
    for (let run = 0; run < 3 && best >= maxCloseMillis; run++) {
      best = Math.min(best, yield* closeMillis(call, transport))
    }
    assert.isBelow(best, maxCloseMillis)
  })

for (
  const [name, transport] of [
    ["fetch", FetchHttpClient.layer],
    ["undici", NodeHttpClient.layerUndici],
    ["the lean transport", Transport.layerUndici()],
    ["node:http", NodeHttpClient.layer]
  ] as const
) {
  describe(`over ${name}`, () => {
    const request = (model: string) => ({
      model: `a/${model}`,
      messages,
      retry: { count: 3 },
      fallbacks: [{ model: "a/json" }]
    })

    for (const phase of ["hang", "body"]) {
      it.scopedLive(`create: leaving in the phase "${phase}" closes the socket and starts nothing else`, () =>
        leave(ChatCompletions.create(request(phase)), transport))
    }

    for (const phase of ["hang", "preamble", "middle"]) {
      it.scopedLive(`stream: leaving in the phase "${phase}" closes the socket and starts nothing else`, () =>
        leave(Stream.runDrain(ChatCompletions.stream(request(phase))), transport))
    }

    it.scopedLive("leaving during a wait starts no attempt", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(ChatCompletions.create(request("limited")))
        yield* Testing.awaitCall(0)
        yield* Effect.sleep("100 millis")
        yield* Fiber.interrupt(fiber)
        assert.strictEqual((yield* Testing.calls).length, 1)
      }).pipe(Effect.provide(router(transport))))

    it.scopedLive("leaving a shared call lets the others have it, and the last one closes it", () =>
      Effect.gen(function*() {
        const call = ChatCompletions.create({ model: "a/slow", messages, cache: { type: "exact_match" } })
        const first = yield* Effect.fork(call)
        yield* Testing.awaitCall(0)
        const second = yield* Effect.fork(call)
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(first)
        assert.strictEqual((yield* Fiber.join(second)).route.cache, "shared")
        const other = ChatCompletions.create({ model: "a/hang", messages, cache: { type: "exact_match" } })
        const fibers = yield* Effect.all([Effect.fork(other), Effect.fork(other)])
        yield* Testing.awaitCall(1)
        yield* Fiber.interruptAll(fibers)
        yield* Testing.awaitAborted(1)
        assert.strictEqual((yield* Testing.calls).length, 2)
      }).pipe(Effect.provide(router(transport))))

    it.scopedLive("a consumer that stops closes the socket", () =>
      Effect.gen(function*() {
        yield* Stream.runDrain(Stream.take(ChatCompletions.stream(request("middle")), 2))
        yield* Testing.awaitAborted(0)
      }).pipe(Effect.provide(router(transport))))

    it.scopedLive("a call timeout closes the socket in every phase", () =>
      Effect.gen(function*() {
        const timeout = { callTimeout: 100 }
        const exits = yield* Effect.all([
          Effect.flip(ChatCompletions.create({ model: "a/hang", messages, timeout })),
          Effect.flip(ChatCompletions.create({ model: "a/body", messages, timeout })),
          Effect.flip(Stream.runDrain(ChatCompletions.stream({ model: "a/preamble", messages, timeout }))),
          Effect.flip(Stream.runDrain(ChatCompletions.stream({ model: "a/middle", messages, timeout })))
        ])
        assert.deepStrictEqual(exits.map((error) => error._tag), ["Timeout", "Timeout", "Timeout", "StreamInterrupted"])
        yield* Effect.all([0, 1, 2, 3].map(Testing.awaitAborted))
        assert.strictEqual(yield* Testing.open, 0)
      }).pipe(Effect.provide(router(transport))))

    it.scopedLive("streams text as it comes, and a reset in the middle is an error with the text so far", () =>
      Effect.gen(function*() {
        const read = (model: string) =>
          Stream.runFold(
            ChatCompletions.stream(request(model)),
            "",
            (text, chunk) => text + (chunk.choices[0]?.delta.content ?? "")
          )
        assert.strictEqual(yield* read("ok"), "Hello")
        const error = yield* Effect.flip(read("reset"))
        assert.strictEqual(error._tag === "StreamInterrupted" ? error.cause._tag : error._tag, "Transport")
      }).pipe(Effect.provide(router(transport))))

    it.scopedLive("a fallback of plain clients closes the answer that it leaves", () =>
      Effect.gen(function*() {
        const server = yield* Testing.serve({
          a: Testing.raw({ status: 503, chunks: ["busy"], end: "stall" }),
          b: Testing.completion("Hello")
        })
        const http = (yield* HttpClient.HttpClient).pipe(HttpClient.filterStatusOk)
        const at = (name: string) => HttpClient.mapRequest(http, HttpClientRequest.prependUrl(server.baseUrl(name)))
        const response = yield* at("a").pipe(Fallback.withFallbacks([at("b")])).get("/models")
        yield* response.text
        yield* server.awaitAborted(0)
        assert.strictEqual(yield* server.open, 0)
      }).pipe(Effect.provide(transport)))

    it.scopedLive("many calls keep no socket and no request open", () =>
      Effect.gen(function*() {
        const models = ["json", "ok", "reset", "limited"]
        yield* Effect.forEach(Array.from({ length: 40 }, (_, index) => models[index % models.length]!), (model) =>
          Effect.exit(Stream.runDrain(ChatCompletions.stream({ model: `a/${model}`, messages }))), { concurrency: 8 })
        assert.strictEqual(yield* Testing.open, 0)
      }).pipe(Effect.provide(router(transport))))
  })
}
