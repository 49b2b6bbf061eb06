import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Stream, TestClock } from "effect"
import { ChatCompletions, type ChatRequest, Fold } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { messages, scripted, targets } from "./support/router.js"

const request: ChatRequest.ChatRequest = { model: "a/x", messages, cache: { type: "exact_match", ttl: 60 } }

const hello = ["Hel", "lo"]

const collect = (request: ChatRequest.ChatRequest) =>
  Effect.map(Stream.runCollect(ChatCompletions.stream(request)), Chunk.toReadonlyArray)

const status = (chunks: ReadonlyArray<ChatCompletions.RoutedChunk>) => chunks[0]?.route.cache

const folded = (chunks: ReadonlyArray<ChatCompletions.RoutedChunk>) => {
  const fold = Fold.make()
  chunks.forEach((chunk) => fold.add({ ...chunk, route: undefined }))
  return fold.completion()
}

/** Everything that an answer can hold. */
const rich = {
  id: "rich",
  created: 1700000000,
  model: "x",
  choices: [
    {
      index: 0,
      message: {
        role: "assistant",
        content: "Hello",
        reasoning: "hm",
        refusal: "no",
        tool_calls: [
          { id: "1", type: "function", function: { name: "f", arguments: "{\"a\":1}" } },
          { id: "2", type: "function", function: { name: "g", arguments: "{}" } }
        ],
        annotations: [{ kept: true }]
      },
      finish_reason: "tool_calls"
    },
    { index: 1, message: { role: "assistant", content: "Other" }, finish_reason: "stop" }
  ],
  usage: {
    prompt_tokens: 1,
    completion_tokens: 2,
    total_tokens: 3,
    completion_tokens_details: { reasoning_tokens: 1 }
  },
  citations: ["kept"]
}

describe("streams and the cache", () => {
  it.effect("a stored completion is replayed as a stream, with all that it holds", () =>
    Effect.gen(function*() {
      const { route: _, ...completion } = yield* ChatCompletions.create(request)
      const chunks = yield* collect(request)
      assert.strictEqual(status(chunks), "hit")
      assert.strictEqual(chunks[0]?.route.served, "a/x")
      const again = folded(chunks)
      assert.deepStrictEqual(again, { ...completion, object: "chat.completion" })
      assert.strictEqual((yield* targets).length, 1)
    }).pipe(Effect.provide(scripted({
      "a/x": Testing.raw({ headers: { "content-type": "application/json" }, body: JSON.stringify(rich) })
    }))))

  it.effect("a stream that was complete answers the next stream and the next completion", () =>
    Effect.gen(function*() {
      const first = yield* collect(request)
      const second = yield* collect(request)
      const { route, ...completion } = yield* ChatCompletions.create(request)
      assert.deepStrictEqual([status(first), status(second), route.cache], ["miss", "hit", "hit"])
      assert.deepStrictEqual(folded(second), folded(first))
      assert.deepStrictEqual(completion, folded(first))
      assert.strictEqual(completion.usage?.totalTokens, 3)
      assert.strictEqual((yield* targets).length, 1)
    }).pipe(Effect.provide(scripted({
      "a/x": Testing.stream(hello, { usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } })
    }))))

  for (
    const [name, answer] of [
      ["cut", Testing.stream(hello, { cut: { after: 2, how: "reset" } })],
      ["truncated", Testing.stream(hello, { finishReason: null })],
      ["too short", Testing.stream(hello, { finishReason: "length" })]
    ] as const
  ) {
    it.effect(`a stream that is ${name} is not stored`, () =>
      Effect.gen(function*() {
        yield* Effect.exit(collect(request))
        yield* Effect.exit(collect(request))
        assert.strictEqual((yield* targets).length, 2)
      }).pipe(Effect.provide(scripted({ "a/x": answer }))))
  }

  it.effect("a stream that its consumer left is not stored, and closed", () =>
    Effect.gen(function*() {
      yield* Stream.runDrain(Stream.take(ChatCompletions.stream(request), 1))
      assert.strictEqual(yield* Testing.open, 0)
      assert.strictEqual(status(yield* collect(request)), "miss")
    }).pipe(Effect.provide(scripted({
      "a/x": [Testing.stream(hello, { cut: { after: 2, how: "stall" } }), Testing.stream(hello)]
    }))))

  it.effect("a miss is handed on as it comes", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const fiber = yield* Effect.fork(Stream.runForEach(ChatCompletions.stream(request), (chunk) =>
        Effect.sync(() =>
          seen.push(chunk.choices[0]?.delta.content ?? "")
        )))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["", "Hel"])
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(hello, { between: "1 second" }) }))))

  it.effect("identical streams share one upstream, each from its start and at its own pace", () =>
    Effect.gen(function*() {
      const read = Effect.map(
        collect(request),
        (chunks) => [status(chunks), folded(chunks).choices[0]?.message.content]
      )
      const slow = ChatCompletions.stream(request).pipe(
        Stream.mapEffect((chunk) => Effect.as(Effect.sleep("10 seconds"), chunk)),
        Stream.runCollect,
        Effect.map((chunks) => [status([...chunks]), folded([...chunks]).choices[0]?.message.content])
      )
      const first = yield* Effect.fork(read)
      const second = yield* Effect.fork(slow)
      yield* TestClock.adjust("1500 millis")
      const late = yield* Effect.fork(read)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(first), ["miss", "Hello"])
      assert.deepStrictEqual(yield* Fiber.join(second), ["shared", "Hello"])
      assert.deepStrictEqual(yield* Fiber.join(late), ["shared", "Hello"])
      assert.strictEqual((yield* targets).length, 1)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(hello, { between: "1 second" }) }))))

  it.effect("the first caller may leave, the last one closes the upstream", () =>
    Effect.gen(function*() {
      const stream = Stream.runDrain(ChatCompletions.stream(request))
      const fibers = yield* Effect.all([Effect.fork(stream), Effect.fork(stream), Effect.fork(stream)])
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fibers[0])
      assert.strictEqual(yield* Testing.open, 1)
      yield* Fiber.interrupt(fibers[1])
      assert.strictEqual(yield* Testing.open, 1)
      yield* Fiber.interrupt(fibers[2])
      assert.strictEqual(yield* Testing.open, 0)
      const [call] = yield* Testing.calls
      assert.isTrue(call?.aborted)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(hello, { cut: { after: 2, how: "stall" } }) }))))

  it.effect("leaving before the first content closes the upstream too", () =>
    Effect.gen(function*() {
      const stream = Stream.runDrain(ChatCompletions.stream(request))
      const fibers = yield* Effect.all([Effect.fork(stream), Effect.fork(stream)])
      yield* TestClock.adjust("1 second")
      yield* Fiber.interruptAll(fibers)
      assert.strictEqual(yield* Testing.open, 0)
      assert.strictEqual((yield* targets).length, 1)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.hang }))))

  it.effect("a failure is shared once: before the first content as an error, after it with the text so far", () =>
    Effect.gen(function*() {
      for (const [model, tag] of [["a/x", "Unavailable"], ["b/x", "StreamInterrupted"]] as const) {
        const before = (yield* targets).length
        const failing = Effect.flip(collect({ ...request, model }))
        const fibers = yield* Effect.all([Effect.fork(failing), Effect.fork(failing)])
        yield* TestClock.adjust("10 seconds")
        const errors = yield* Effect.all(fibers.map(Fiber.join))
        assert.deepStrictEqual(errors.map((error) => error._tag), [tag, tag])
        assert.deepStrictEqual(errors.map((error) => error.route?.cache), ["miss", "shared"])
        assert.strictEqual((yield* targets).length - before, 1)
      }
    }).pipe(Effect.provide(scripted({
      "a/x": Testing.status(500, { delay: "1 second" }),
      "b/x": Testing.stream(hello, { between: "1 second", cut: { after: 2, how: "reset" } })
    }))))

  it.effect("is read on demand: a consumer that stops asking stops the upstream", () =>
    Effect.gen(function*() {
      const pull = yield* Stream.toPull(ChatCompletions.stream(request))
      const first = yield* Effect.fork(pull)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(first)
      // all of the answer has been there for long, and is not read
      assert.strictEqual(yield* Testing.open, 1)
      yield* Effect.flip(Effect.forever(pull))
      assert.strictEqual(yield* Testing.open, 0)
    }).pipe(
      Effect.scoped,
      Effect.provide(scripted({ "a/x": Testing.stream(["a", "b", "c"], { between: "1 second" }) }))
    ))
})
