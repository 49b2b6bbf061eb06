/**
 * Clocks. `withCallTimeout` limits one attempt, `withDeadline` a whole call; which of the two it is depends only on where it stands in
 * the pipeline and on the error that it gives.
 *
 * Both cover everything up to the last byte: the headers, the body and the stream. When a clock strikes, the upstream request is
 * aborted. The clock is a deadline for everything inside (see `Deadline`), and of nested clocks the nearest counts.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { LimitedResponse } from "../internal/limitedResponse.js"
import { limitStream } from "../internal/limitStream.js"
import { MemoryResponse } from "../internal/memoryResponse.js"
import { nowMillis } from "../internal/monotonic.js"
import * as RouterError from "../RouterError.js"
import * as StreamResponse from "../wire/StreamResponse.js"
import * as Deadline from "./Deadline.js"
import * as HttpPolicy from "./HttpPolicy.js"

type Expired = RouterError.Timeout | RouterError.DeadlineExceeded

/** The rest of the body or stream has to arrive by the deadline too. */
const limitBody = (
  response: HttpClientResponse.HttpClientResponse,
  deadlineMillis: number,
  onTimeout: () => Expired
): HttpClientResponse.HttpClientResponse => {
  if (response instanceof MemoryResponse) {
    return response
  }
  if (StreamResponse.isStreamResponse(response)) {
    return response.withBatches(Stream.unwrap(Effect.map(
      nowMillis,
      (now) => limitStream(response.batches, Math.max(0, deadlineMillis - now), onTimeout)
    )))
  }
  return new LimitedResponse(response, deadlineMillis, onTimeout)
}

const withLimit = <E2 extends Expired>(
  input: Duration.DurationInput,
  makeError: (limit: Duration.Duration) => E2
): HttpPolicy.HttpPolicy<E2> => {
  const millis = Duration.toMillis(input)
  if (!(millis > 0)) {
    throw RouterError.invalidField("duration", "expected a duration above 0 (infinity turns the clock off)")
  }
  if (millis === Infinity) {
    return HttpPolicy.identity
  }
  const limit = Duration.millis(millis)
  const onTimeout = () => makeError(limit)
  return HttpPolicy.make<E2>((request, execute) =>
    Effect.flatMap(Effect.zip(nowMillis, Deadline.CurrentDeadline), ([now, outer]) => {
      const deadline = now + millis
      return execute(request).pipe(
        Effect.provideService(Deadline.CurrentDeadline, Math.min(outer, deadline)),
        Effect.timeoutFail({ duration: limit, onTimeout }),
        Effect.map((response) => limitBody(response, deadline, onTimeout))
      )
    })
  )
}

/**
 * Limits one attempt, body and stream included. Inside a retry each attempt gets the whole duration.
 *
 * Before the response is handed over it fails with `Timeout`; a stream that is under way fails with it in the middle. Infinity is off.
 * Throws `InvalidRequest` when it is built with a duration that is not above 0.
 *
 * ```ts
 * import { Timeout } from "effect-llm-router"
 *
 * const attempt = Timeout.withCallTimeout("30 seconds")
 * ```
 *
 * @since 0.1.0
 * @category policies
 */
export const withCallTimeout = (limit: Duration.DurationInput): HttpPolicy.HttpPolicy<RouterError.Timeout> =>
  withLimit(limit, (limit) => new RouterError.Timeout({ phase: "call", limit }))

/**
 * Limits a whole call: put it outside of retries and fallbacks. Waits that would end after it are not begun, so the last failure is
 * known before the time is up.
 *
 * Fails with `DeadlineExceeded`. Infinity is off. Throws `InvalidRequest` when it is built with a duration that is not above 0.
 *
 * @since 0.1.0
 * @category policies
 */
export const withDeadline = (limit: Duration.DurationInput): HttpPolicy.HttpPolicy<RouterError.DeadlineExceeded> =>
  withLimit(limit, (limit) => new RouterError.DeadlineExceeded({ limit }))
