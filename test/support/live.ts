/** What the tests over real sockets share: transports, a request, and the time that a socket may take to close. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { monitorEventLoopDelay } from "node:perf_hooks"
import type * as RouterError from "../../src/RouterError.js"
import type * as Testing from "../../src/Testing.js"
import * as Transport from "../../src/Transport.js"
import * as StreamResponse from "../../src/wire/StreamResponse.js"

export const transports = [
  ["fetch", FetchHttpClient.layer],
  ["undici", NodeHttpClient.layerUndici],
  ["the lean transport", Transport.layerUndici()]
] as const

/** The time that a socket may be open after its call was over, in milliseconds. */
export const grace = 100

/** A chat completion of the provider `openai`. */
export const chat = (server: Testing.LoopbackServer, streamed: boolean) =>
  HttpClientRequest.post(`${server.baseUrl("openai")}/chat/completions`).pipe(
    HttpClientRequest.bodyUnsafeJson({ model: "gpt-4o", messages: [], stream: streamed }),
    HttpClientRequest.accept(streamed ? "text/event-stream" : "application/json")
  )

/** Reads an answer to its end; `onPart` is run with each part of a stream. */
export const drain = (
  response: HttpClientResponse.HttpClientResponse,
  onPart: Effect.Effect<void> = Effect.void
): Effect.Effect<void, RouterError.TargetError | HttpClientError.ResponseError> =>
  StreamResponse.isStreamResponse(response)
    ? Stream.runForEach(response.batches, () => onPart)
    : Effect.asVoid(response.text)

/** The machine was held up: this run says nothing. */
class Late extends Data.TaggedError("Late")<{ readonly millis: number }> {}

/** One of three runs has to be in time: a machine that is busy with other tests may hold any single one up. */
export const inTime = (name: string, test: () => Effect.Effect<unknown, unknown, Scope.Scope>) =>
  it.live(name, () => Effect.retry(Effect.scoped(test()), { times: 2, while: (error) => error instanceof Late }))

/** Fails with `Late` when more than the grace, in milliseconds, has gone by. */
export const withinGrace = (millis: number): Effect.Effect<void, Late> =>
  millis <= grace ? Effect.void : new Late({ millis })

/** How long a socket is waited for, in milliseconds: one that is still open then is not going to close. */
const patience = 5_000

/** That the other side closed the socket of a request in time, counted from now: the milliseconds that it was open. */
export const closesInTime = (server: Testing.LoopbackServer, index = 0) =>
  Effect.gen(function*() {
    const now = Date.now()
    const open = yield* Effect.timeoutFail(server.awaitAborted(index), {
      duration: patience,
      onTimeout: () => new Late({ millis: patience })
    })
    yield* withinGrace(Date.now() - now)
    return open
  })

const isLate = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.failures(exit.cause).pipe(Chunk.some((error) => error instanceof Late))

/** A gap in the traffic is the sum of some turns of the event loop: any of them that lasts so long, in milliseconds, may make it. */
const stallMillis = 15

/**
 * A test of what depends on traffic that comes in time; its clocks are to be in proportion to `millis`.
 *
 * The traffic is of this process: a failure says nothing when the event loop stood still meanwhile. The test is run again with twice
 * the time then, as it is when a socket was late, four times at most: quick on most machines, and right on a busy one.
 */
export const steady = (
  name: string,
  millis: number,
  test: (millis: number) => Effect.Effect<unknown, unknown, Scope.Scope>
) => {
  const run = (millis: number, runs: number): Effect.Effect<unknown, unknown> =>
    Effect.gen(function*() {
      const delays = monitorEventLoopDelay({ resolution: 5 })
      delays.enable()
      // it sees what lies between two of its looks: one before the test, and one after
      yield* Effect.sleep(2 * stallMillis)
      const exit = yield* Effect.exit(Effect.scoped(test(millis)))
      yield* Effect.sleep(stallMillis)
      delays.disable()
      const isBusy = delays.max / 1e6 > stallMillis || isLate(exit)
      return yield* Exit.isFailure(exit) && isBusy && runs > 1 ? run(2 * millis, runs - 1) : exit
    })
  return it.live(name, () => run(millis, 5))
}
