import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream, TestClock } from "effect"
import { ChatCompletions, Fallback, Retry } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { messages, scripted } from "./support/router.js"

/** A release, an acquisition, a finalizer: places where nothing can be interrupted, and a call ends all the same when its answer is there. */
const within = <A, E, R>(duration: "0 millis" | "1 second", effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(Effect.uninterruptible(effect))
    yield* TestClock.adjust(duration)
    const ended = yield* Fiber.poll(fiber)
    assert.strictEqual(ended._tag, "Some", "the call has not ended")
    return yield* Fiber.join(fiber)
  })

const clocks = [
  { callTimeout: 60_000 },
  { firstByteTimeout: 60_000 },
  { firstContentTimeout: 60_000 },
  { idleTimeout: 60_000 },
  { progressTimeout: 60_000 },
  { totalTimeout: 60_000 },
  { callTimeout: 60_000, idleTimeout: 60_000, totalTimeout: 60_000 }
]

describe("where nothing can be interrupted", () => {
  for (const timeout of clocks) {
    const name = Object.keys(timeout).join(", ")

    it.effect(`a completion ends with its answer: ${name}`, () =>
      Effect.gen(function*() {
        const completion = yield* within("0 millis", ChatCompletions.create({ model: "a/x", messages, timeout }))
        assert.strictEqual(completion.choices[0]?.message.content, "Hello")
      }).pipe(Effect.provide(scripted({ "a/x": Testing.completion("Hello") }))))

    it.effect(`a stream ends with its last chunk: ${name}`, () =>
      Effect.gen(function*() {
        const chunks = yield* within(
          "0 millis",
          Stream.runCollect(ChatCompletions.stream({ model: "a/x", messages, timeout }))
        )
        assert.strictEqual(chunks.length, 4)
      }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(["Hel", "lo"]) }))))
  }

  for (
    const [name, policy] of [
      ["retry", Retry.withRetry({ count: 1, backoff: Schedule.spaced("10 millis") })],
      [
        "fallback",
        (self: HttpClient.HttpClient) => Fallback.withFallbacks(self, [HttpClient.filterStatusOk(self)])
      ]
    ] as const
  ) {
    it.effect(`a ${name} does not wait for the answer that it leaves`, () =>
      Effect.gen(function*() {
        const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
        const response = yield* within("1 second", policy(client).get(`${Testing.baseUrl("a")}/chat/completions`))
        assert.strictEqual(response.status, 200)
      }).pipe(Effect.provide(Testing.layerTransport({
        a: [Testing.raw({ status: 503, chunks: ["no"], end: "stall" }), Testing.completion("Hello")]
      }))))
  }
})
