import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as Settle from "../../src/wire/Settle.js"
import { chat, closesInTime, drain, grace, inTime, transports } from "../support/live.js"

/** Milliseconds of a call. */
const limit = 150

const json = { "content-type": "application/json" }

/** How far an answer comes before it stops for ever. */
const phases = [
  ["while it waits for headers", Testing.hang, false],
  ["in the middle of a JSON body", Testing.raw({ headers: json, chunks: ["{\"id\":", "\"c\","], end: "stall" }), false],
  ["before the first content of a stream", Testing.stream(["a"], { cut: { after: 1, how: "stall" } }), true],
  ["in the middle of a stream", Testing.stream(["a", "b", "c"], { cut: { after: 3, how: "stall" } }), true],
  ["in a stream that never stops", Testing.stream(Array.from({ length: 500 }, () => "a"), { between: 10 }), true]
] as const

for (const [transport, layer] of transports) {
  describe(`over ${transport}`, () => {
    for (const [phase, answer, streamed] of phases) {
      inTime(`a call timeout ${phase} is a Timeout, and closes the socket`, () =>
        Effect.gen(function*() {
          const server = yield* Testing.serve({ openai: answer })
          const client = (yield* HttpClient.HttpClient).pipe(Settle.settle(), Timeout.withCallTimeout(limit))
          const begun = Date.now()
          const error = yield* Effect.flip(Effect.flatMap(client.execute(chat(server, streamed)), (_) => drain(_)))
          assert.instanceOf(error, RouterError.Timeout)
          // by the caller's clock: the server hears of the request when the machine lets it
          assert.isAtLeast(Date.now() - begun, limit - 1)
          yield* closesInTime(server)
          assert.strictEqual(yield* server.open, 0)
        }).pipe(Effect.provide(layer)))

      it.scopedLive(`a retry after a call timeout ${phase} closes each socket before the next attempt`, () =>
        Effect.gen(function*() {
          const server = yield* Testing.serve({ openai: [answer, answer, Testing.completion("hello")] })
          const client = (yield* HttpClient.HttpClient).pipe(
            Settle.settle(),
            Timeout.withCallTimeout(limit),
            Retry.withRetry({ count: 1, backoff: Schedule.spaced(grace) })
          )
          yield* Effect.exit(Effect.flatMap(client.execute(chat(server, streamed)), (_) => drain(_)))
          yield* server.awaitAborted(0)
          const [first, second] = yield* server.calls
          // what has content was handed over: nothing is retried then
          const committed = phase.endsWith("middle of a stream") || phase.endsWith("stops")
          assert.strictEqual(second === undefined, committed)
          if (second !== undefined) {
            assert.isTrue(first!.abortedAtMillis! <= second.startedAtMillis)
          }
        }).pipe(Effect.provide(layer)))

      inTime(`an interruption ${phase} closes the socket, and no attempt follows`, () =>
        Effect.gen(function*() {
          const server = yield* Testing.serve({ openai: answer })
          const client = (yield* HttpClient.HttpClient).pipe(
            Settle.settle(),
            Timeout.withCallTimeout("1 minute"),
            Retry.withRetry({ count: 3, backoff: Schedule.forever }),
            Timeout.withDeadline("1 minute")
          )
          const reached = yield* Deferred.make<void>()
          const fiber = yield* Effect.fork(
            Effect.flatMap(
              client.execute(chat(server, streamed)),
              (response) => drain(response, Effect.asVoid(Deferred.succeed(reached, undefined)))
            )
          )
          yield* server.awaitCall(0)
          // a phase without parts that can be seen from here: time for what was sent to arrive
          yield* Effect.raceFirst(Deferred.await(reached), Effect.sleep(50))
          const exit = yield* Fiber.interrupt(fiber)
          assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
          yield* closesInTime(server)
          yield* Effect.sleep(grace)
          assert.strictEqual((yield* server.calls).length, 1)
          assert.strictEqual(yield* server.open, 0)
        }).pipe(Effect.provide(layer)))
    }

    inTime("a consumer that is busy does not keep the socket of its stream open", () =>
      Effect.gen(function*() {
        const server = yield* Testing.serve({
          openai: Testing.stream(["a", "b", "c"], { cut: { after: 3, how: "stall" } })
        })
        const client = (yield* HttpClient.HttpClient).pipe(Settle.settle(), Timeout.withCallTimeout(limit))
        const fiber = yield* Effect.fork(
          Effect.flatMap(client.execute(chat(server, true)), (response) => drain(response, Effect.never))
        )
        yield* server.awaitCall(0)
        yield* Effect.sleep(limit)
        yield* closesInTime(server)
        assert.strictEqual((yield* Fiber.poll(fiber))._tag, "None")
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.provide(layer)))

    for (
      const [view, read] of [
        ["text", (response: HttpClientResponse.HttpClientResponse) => response.text],
        ["json", (response: HttpClientResponse.HttpClientResponse) => response.json],
        ["arrayBuffer", (response: HttpClientResponse.HttpClientResponse) => response.arrayBuffer],
        ["stream", (response: HttpClientResponse.HttpClientResponse) => Stream.runDrain(response.stream)]
      ] as const
    ) {
      inTime(`the ${view} of a plain response is limited too`, () =>
        Effect.gen(function*() {
          const server = yield* Testing.serve({ openai: Testing.raw({ headers: json, chunks: ["{"], end: "stall" }) })
          const client = (yield* HttpClient.HttpClient).pipe(Timeout.withCallTimeout(limit))
          const begun = Date.now()
          const response = yield* client.execute(chat(server, false))
          const error = yield* Effect.flip<unknown, unknown, never>(read(response))
          assert.isTrue(error instanceof Error && error.cause instanceof RouterError.Timeout)
          // by the caller's clock: the server hears of the request when the machine lets it
          assert.isAtLeast(Date.now() - begun, limit - 1)
          yield* closesInTime(server)
          const again = yield* Effect.flip<unknown, unknown, never>(read(response))
          assert.isTrue(again instanceof Error && again.cause instanceof RouterError.Timeout)
        }).pipe(Effect.provide(layer)))

      inTime(`the ${view} of a plain response that is read too late is closed`, () =>
        Effect.gen(function*() {
          const server = yield* Testing.serve({ openai: Testing.raw({ headers: json, chunks: ["{"], end: "stall" }) })
          const client = (yield* HttpClient.HttpClient).pipe(Timeout.withCallTimeout(limit))
          const response = yield* client.execute(chat(server, false))
          yield* Effect.sleep(limit + 20)
          assert.strictEqual(yield* server.open, 1)
          const error = yield* Effect.flip<unknown, unknown, never>(read(response))
          assert.isTrue(error instanceof Error && error.cause instanceof RouterError.Timeout)
          yield* closesInTime(server)
        }).pipe(Effect.provide(layer)))
    }

    it.scopedLive("a retry goes on after an error answer, whether its body was read or not, and leaves none open", () =>
      Effect.gen(function*() {
        const endless = Testing.raw({ status: 503, headers: json, chunks: ["busy"], end: "stall" })
        const server = yield* Testing.serve({
          openai: [Testing.status(503), endless, Testing.refuse, Testing.completion("hello")]
        })
        const strict = (yield* HttpClient.HttpClient).pipe(HttpClient.filterStatusOk)
        const client = strict.pipe(Retry.withRetry({ backoff: Schedule.spaced(20) }))
        const response = yield* client.execute(chat(server, false))
        assert.strictEqual(response.status, 200)
        yield* response.text
        yield* server.awaitAborted(1)
        const calls = yield* server.calls
        assert.deepStrictEqual(calls.map((call) => call.aborted), [false, true, false, false])

        const busy = yield* Testing.serve({
          openai: [Testing.status(503), Testing.status(503), Testing.completion("hello")]
        })
        const reading = (yield* HttpClient.HttpClient).pipe(
          HttpClient.tap((response) => response.text),
          HttpClient.filterStatusOk,
          Retry.withRetry({ backoff: Schedule.spaced(20) })
        )
        assert.strictEqual((yield* reading.execute(chat(busy, false))).status, 200)
        assert.strictEqual(yield* busy.open, 0)
      }).pipe(Effect.provide(layer)))

    inTime("a retry without a wait closes the error answers that nobody reads", () =>
      Effect.gen(function*() {
        const endless = Testing.raw({ status: 503, headers: json, chunks: ["busy"], end: "stall" })
        const server = yield* Testing.serve({ openai: [endless, endless, endless, Testing.completion("hello")] })
        const client = (yield* HttpClient.HttpClient).pipe(
          HttpClient.filterStatusOk,
          Retry.withRetry({ backoff: Schedule.forever })
        )
        yield* Effect.flatMap(client.execute(chat(server, false)), (response) => response.text)
        for (const index of [0, 1, 2]) {
          yield* closesInTime(server, index)
        }
      }).pipe(Effect.provide(layer)))
  })
}
