import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { isStreamResponse, type StreamResponse } from "../wire/StreamResponse.js"
import { CallScope } from "./callScope.js"

/** How an exchange with a target ended. A consumer that leaves is an interruption. */
export interface Over {
  (exit: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>): Effect.Effect<void>
}

const left = Exit.interrupt(FiberId.none)

const watchStream = (response: StreamResponse, over: Over): Effect.Effect<StreamResponse> =>
  Effect.gen(function*() {
    let pending = true
    let ended: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown> = left
    const once = (exit: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>) =>
      Effect.suspend(() => {
        const first = pending
        pending = false
        return first ? over(exit) : Effect.void
      })
    const scope = yield* CallScope
    if (scope !== undefined) {
      // a stream that nobody comes to read ends with its call
      yield* Scope.addFinalizer(scope, once(left))
    }
    const end = Stream.execute(Effect.sync(() => {
      ended = Exit.succeed(response)
    }))
    // one who has the whole answer and does not wait for the end of the connection has left nothing
    const noted = Stream.map(response.batches, (batch) => {
      if (batch.complete) {
        ended = Exit.succeed(response)
      }
      return batch
    })
    return response.withBatches(Stream.ensuring(
      Stream.concat(
        Stream.tapErrorCause(noted, (cause) =>
          Effect.sync(() => {
            ended = Exit.failCause(cause)
          })),
        end
      ),
      // not by what the consumer ends with: that may be a failure of its own
      Effect.suspend(() => once(ended))
    ))
  })

/**
 * Tells `over`, exactly once, how an exchange ended: with a failure or an interruption, with a response that was read to its end, or
 * with a stream of chunks, at the end of that.
 */
export const whenOver = <E, R>(
  exchange: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>,
  over: Over
): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.matchCauseEffect(restore(exchange), {
      onFailure: (cause) => Effect.zipRight(over(Exit.failCause(cause)), Effect.failCause(cause)),
      onSuccess: (response): Effect.Effect<HttpClientResponse.HttpClientResponse> =>
        isStreamResponse(response)
          ? watchStream(response, over)
          : Effect.as(over(Exit.succeed(response)), response)
    })
  )
