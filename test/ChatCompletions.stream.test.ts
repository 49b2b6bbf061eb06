import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Redacted, Stream, TestClock } from "effect"
import { ChatCompletions, type ChatRequest, Fold } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { elapse, messages, scripted, targets } from "./support/router.js"

const collect = (request: ChatRequest.ChatRequest) =>
  Effect.map(elapse(Stream.runCollect(ChatCompletions.stream(request))), Chunk.toReadonlyArray)

const text = (chunks: ReadonlyArray<ChatCompletions.RoutedChunk>) =>
  chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")

const failure = (request: ChatRequest.ChatRequest) => Effect.flip(collect(request))

const hello = ["Hel", "lo"]

describe("ChatCompletions.stream", () => {
  it.effect("gives the chunks as they are, each with the route; folded they are the completion", () =>
    Effect.gen(function*() {
      const chunks = yield* collect({ model: "a/x", messages })
      assert.strictEqual(text(chunks), "Hello")
      assert.deepStrictEqual(chunks[0]?.choices[0]?.delta, { role: "assistant", content: "" })
      assert.strictEqual(chunks[1]?.route.served, "a/x")
      const fold = Fold.make()
      chunks.forEach(fold.add)
      assert.strictEqual(fold.completion().choices[0]?.message.content, "Hello")
      assert.strictEqual(fold.completion().choices[0]?.finishReason, "stop")
      assert.strictEqual(fold.completion().usage?.totalTokens, 3)
    }).pipe(Effect.provide(scripted({
      "a/x": Testing.stream(hello, { usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } })
    }))))

  it.effect("asks the provider for a stream, with its options", () =>
    Effect.gen(function*() {
      yield* collect({ model: "a/x", messages, streamOptions: { includeUsage: true } })
      const [call] = yield* Testing.calls
      assert.deepInclude(call?.body, { stream: true, stream_options: { include_usage: true }, model: "x" })
      assert.strictEqual(call?.headers["accept"], "text/event-stream")
    }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(hello) }))))

  for (
    const [name, answer, outcome] of [
      ["a status", Testing.status(503), "Unavailable"],
      ["a reset after the preamble", Testing.stream(hello, { cut: { after: 1, how: "reset" } }), "Transport"],
      ["an end after the preamble", Testing.stream(hello, { cut: { after: 1, how: "end" } }), "StreamTruncated"],
      [
        "an error event",
        Testing.raw({
          headers: { "content-type": "text/event-stream" },
          body: `data: {"error":{"code":429,"message":"slow down"}}\n\n`
        }),
        "RateLimited"
      ],
      [
        "a JSON error",
        Testing.raw({
          headers: { "content-type": "application/json" },
          body: `{"error":{"code":"overloaded_error"}}`
        }),
        "Overloaded"
      ],
      ["HTML", Testing.raw({ headers: { "content-type": "text/html" }, body: "<html>" }), "BadResponse"],
      ["nothing", Testing.raw({ headers: { "content-type": "text/event-stream" }, body: "" }), "EmptyCompletion"],
      [
        "malformed JSON",
        Testing.raw({
          headers: { "content-type": "text/event-stream" },
          body: "data: {\"choices\":[{\n\n"
        }),
        "BadResponse"
      ]
    ] as const
  ) {
    it.effect(`before the first content, ${name} is retried and failed over`, () =>
      Effect.gen(function*() {
        const chunks = yield* collect({
          model: "a/x",
          messages,
          retry: { count: 1, onCodes: [400, 429, 502, 503, 529] },
          fallbacks: [{ model: "b/x" }]
        })
        assert.strictEqual(text(chunks), "Hello")
        assert.deepStrictEqual(chunks[0]?.route.attempts.map((attempt) => attempt.outcome), [
          outcome,
          outcome,
          "success"
        ])
      }).pipe(Effect.provide(scripted({ "a/x": answer, "b/x": Testing.stream(hello) }))))
  }

  it.effect("holds the preamble back until there is content", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const fiber = yield* Effect.fork(Stream.runForEach(
        ChatCompletions.stream({ model: "a/x", messages }),
        (chunk) => Effect.sync(() => seen.push(JSON.stringify(chunk.choices[0]?.delta)))
      ))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(seen.length, 0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(seen.length, 2)
      yield* TestClock.adjust("1 day")
      yield* Fiber.join(fiber)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(hello, { between: "1 second", delay: "1 second" }) }))))

  for (const how of ["reset", "end"] as const) {
    it.effect(`after the first content a ${how} is the end, with the text so far`, () =>
      Effect.gen(function*() {
        const delivered: Array<string> = []
        const request = { model: "a/x", messages, retry: { count: 3 }, fallbacks: [{ model: "b/x" }] }
        const error = yield* elapse(Effect.flip(Stream.runForEach(
          ChatCompletions.stream(request),
          (chunk) => Effect.sync(() => delivered.push(chunk.choices[0]?.delta.content ?? ""))
        )))
        assert.strictEqual(error._tag, "StreamInterrupted")
        if (error._tag === "StreamInterrupted") {
          assert.strictEqual(error.target, "a/x")
          assert.strictEqual(error.cause._tag, how === "reset" ? "Transport" : "StreamTruncated")
          assert.strictEqual(Redacted.value(error.partial).choices[0]?.message.content, "Hel")
          assert.strictEqual(error.delivered, 2)
          assert.deepStrictEqual(error.route?.attempts.map((attempt) => attempt.outcome), ["StreamInterrupted"])
        }
        assert.deepStrictEqual(delivered, ["", "Hel"])
        assert.deepStrictEqual(yield* targets, ["a/x"])
      }).pipe(Effect.provide(scripted({
        "a/x": Testing.stream(hello, { cut: { after: 2, how } }),
        "b/x": Testing.stream(hello)
      }))))
  }

  it.effect("is limited by the call timeout as a whole", () =>
    Effect.gen(function*() {
      const error = yield* failure({ model: "a/x", messages, timeout: { callTimeout: 2500 } })
      assert.strictEqual(error._tag, "StreamInterrupted")
      if (error._tag === "StreamInterrupted") {
        assert.strictEqual(error.cause._tag, "Timeout")
        assert.strictEqual(error.target, "a/x")
        assert.strictEqual(Redacted.value(error.partial).choices[0]?.message.content, "Hel")
      }
      const [call] = yield* Testing.calls
      assert.isTrue(call?.aborted)
    }).pipe(
      Effect.provide(
        scripted({ "a/x": Testing.stream(["Hel", "lo", "!"], { between: "1 second", delay: "1 second" }) })
      )
    ))

  it.effect("a timeout before the first content is failed over", () =>
    Effect.gen(function*() {
      const chunks = yield* collect({
        model: "a/x",
        messages,
        timeout: { callTimeout: 1000 },
        fallbacks: [{ model: "b/x" }]
      })
      assert.strictEqual(text(chunks), "Hello")
      assert.deepStrictEqual(chunks[0]?.route.attempts.map((attempt) => attempt.outcome), ["Timeout", "success"])
    }).pipe(Effect.provide(scripted({
      "a/x": Testing.stream(hello, { cut: { after: 1, how: "stall" } }),
      "b/x": Testing.stream(hello)
    }))))

  it.effect("a consumer that stops closes the upstream", () =>
    Effect.gen(function*() {
      yield* Stream.runDrain(Stream.take(ChatCompletions.stream({ model: "a/x", messages }), 1))
      const [call] = yield* Testing.calls
      assert.isTrue(call?.aborted)
      assert.strictEqual(yield* Testing.open, 0)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(hello, { cut: { after: 2, how: "stall" } }) }))))

  it.effect("an interrupted consumer closes the upstream, also before the first content", () =>
    Effect.gen(function*() {
      for (const model of ["a/x", "b/x", "c/x"]) {
        const fiber = yield* Effect.fork(Stream.runDrain(ChatCompletions.stream({ model, messages })))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Testing.open, 1)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(yield* Testing.open, 0)
      }
    }).pipe(Effect.provide(scripted({
      "a/x": Testing.hang,
      "b/x": Testing.stream(hello, { cut: { after: 1, how: "stall" } }),
      "c/x": Testing.stream(hello, { cut: { after: 2, how: "stall" } })
    }))))

  it.effect("fails on a wrong request before any call", () =>
    Effect.gen(function*() {
      const error = yield* failure({ model: "nobody/x", messages })
      assert.strictEqual(error._tag === "InvalidRequest" ? error.path : error._tag, "model")
      assert.strictEqual((yield* targets).length, 0)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(hello) }))))
})
