/**
 * Clocks. `withCallTimeout` limits one attempt, `withDeadline` a whole call; which of the two it is depends only on where it stands in
 * the pipeline and on the error that it gives. `withClocks` adds those that watch how an answer comes in.
 *
 * Both of these cover everything up to the last byte: the headers, the body and the stream. When a clock strikes, the upstream request is
 * aborted. The clock is a deadline for everything inside (see `Deadline`), and of nested clocks the nearest counts.
 *
 * @since 0.1.0
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Activity from "../internal/activity.js"
import { withClock } from "../internal/here.js"
import { LimitedResponse } from "../internal/limitedResponse.js"
import { guardStream, limitStream } from "../internal/limitStream.js"
import { MemoryResponse } from "../internal/memoryResponse.js"
import { nowMillis, unsafeNowMillis } from "../internal/monotonic.js"
import { untilStrike } from "../internal/watchdog.js"
import { WatchedResponse } from "../internal/watchedResponse.js"
import { within } from "../internal/within.js"
import * as RouterError from "../RouterError.js"
import * as Chunk from "../wire/Chunk.js"
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

const positiveMillis = (name: string, input: Duration.DurationInput): number => {
  // whatever is no duration is none above 0 either
  const millis = Option.match(Duration.decodeUnknown(input), { onNone: () => 0, onSome: Duration.toMillis })
  if (millis <= 0) {
    throw RouterError.invalidField(name, "expected a duration above 0 (infinity turns the clock off)")
  }
  return millis
}

const withLimit = <E2 extends Expired>(
  input: Duration.DurationInput,
  makeError: (limit: Duration.Duration) => E2
): HttpPolicy.HttpPolicy<E2> => {
  const millis = positiveMillis("duration", input)
  if (millis === Infinity) {
    return HttpPolicy.identity
  }
  const limit = Duration.millis(millis)
  const onTimeout = () => makeError(limit)
  return HttpPolicy.make<E2>(<E, R>(request: HttpClientRequest.HttpClientRequest, execute: HttpPolicy.Execute<E, R>) =>
    withClock((clock) => {
      const deadline = unsafeNowMillis(clock) + millis
      return Effect.map(
        within(execute(request), { millis, onTimeout }, Deadline.nearer<R>(deadline)),
        (response) => limitBody(response, deadline, onTimeout)
      )
    })
  )
}

/**
 * The clocks of one attempt. All are optional, and off when they are infinite.
 *
 * @since 0.1.0
 * @category models
 */
export interface Clocks {
  /** Until the answer is complete, its body or stream included. */
  readonly call?: Duration.DurationInput | undefined
  /** Until the answer begins: its headers. */
  readonly firstByte?: Duration.DurationInput | undefined
  /**
   * Until the first content: text, reasoning, a tool call, a refusal. Of a response that is not settled (see `Settle`) it is the first
   * byte of the body.
   */
  readonly firstContent?: Duration.DurationInput | undefined
  /** Between two reads of anything: comments, which keep a connection alive, count. */
  readonly idle?: Duration.DurationInput | undefined
  /** Between two data events of a stream: comments do not count. */
  readonly progress?: Duration.DurationInput | undefined
}

const clockMillis = (name: keyof Clocks, input: Duration.DurationInput | undefined): number =>
  input === undefined ? Infinity : positiveMillis(name, input)

/** An attempt whose time was up has none again, whatever else is read of it. */
const once = (strike: Effect.Effect<RouterError.Timeout>): Effect.Effect<RouterError.Timeout> => {
  let struck: RouterError.Timeout | undefined
  return Effect.suspend(() =>
    struck === undefined
      ? Effect.tap(strike, (timeout) => {
        struck = timeout
      })
      : Effect.succeed(struck)
  )
}

const look = (batches: Iterable<StreamResponse.Batch>): Activity.Seen => {
  const parts = Array.from(batches, (batch) => batch.chunks)
  return {
    isData: parts.some((chunks) => chunks.length > 0),
    isContent: parts.some((chunks) => chunks.some(Chunk.hasContent))
  }
}

/** The body is watched as the beginning was. */
const watchBody = (
  response: HttpClientResponse.HttpClientResponse,
  activity: Activity.Activity,
  now: () => number,
  strike: Effect.Effect<RouterError.Timeout>
): HttpClientResponse.HttpClientResponse => {
  if (response instanceof MemoryResponse) {
    return response
  }
  if (StreamResponse.isStreamResponse(response)) {
    // noted here too: what a cache in between replays, or reads for several callers, is not noted where it is read
    return response.withBatches(
      guardStream(response.batches, strike, (pull) => Activity.noting(activity, now)(pull, look))
    )
  }
  const strikeBody = Effect.map(
    strike,
    (cause) => new HttpClientError.ResponseError({ request: response.request, response, reason: "Decode", cause })
  )
  return new WatchedResponse(response, guardStream(response.stream, strikeBody, Activity.notingBytes(activity, now)))
}

/**
 * Limits one attempt by several clocks, with one watchdog for all of them: a stream of any number of chunks sets no timer for a chunk.
 *
 * The clocks between reads stand still while the consumer is busy and nobody waits for the upstream. Before the response is handed
 * over it fails with `Timeout`, whose `phase` is the clock; a stream that is under way fails with it in the middle. The upstream is
 * aborted. Throws `InvalidRequest` when it is built with a duration that is not above 0.
 *
 * ```ts
 * import { Timeout } from "effect-llm-router"
 *
 * const attempt = Timeout.withClocks({ firstByte: "15 seconds", firstContent: "2 minutes", idle: "30 seconds" })
 * ```
 *
 * @since 0.1.0
 * @category policies
 */
export const withClocks = (input: Clocks): HttpPolicy.HttpPolicy<RouterError.Timeout> => {
  const clocks = {
    call: clockMillis("call", input.call),
    firstByte: clockMillis("firstByte", input.firstByte),
    firstContent: clockMillis("firstContent", input.firstContent),
    idle: clockMillis("idle", input.idle),
    progress: clockMillis("progress", input.progress)
  }
  const { call, ...others } = clocks
  if (Object.values(others).every((millis) => millis === Infinity)) {
    return call === Infinity ? HttpPolicy.identity : withCallTimeout(call)
  }
  return HttpPolicy.make<RouterError.Timeout>((request, execute) =>
    Effect.flatMap(
      Effect.all([Activity.readClock, Activity.CurrentActivity, Deadline.CurrentDeadline]),
      ([now, outerActivity, outerDeadline]) => {
        const start = now()
        const activity = new Activity.Activity(outerActivity)
        const strike = once(untilStrike(clocks, activity, start, now))
        return execute(request).pipe(
          Effect.provideService(Activity.CurrentActivity, activity),
          Effect.provideService(Deadline.CurrentDeadline, Math.min(outerDeadline, start + call)),
          // both can be interrupted by the race, even where nothing else may interrupt them: as in `Effect.timeout`
          Effect.interruptible,
          Effect.raceFirst(Effect.interruptible(Effect.flatMap(strike, Effect.fail))),
          Effect.map((response) => {
            activity.headers(now())
            return watchBody(response, activity, now, strike)
          })
        )
      }
    )
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
 * Limits the time until an answer begins: `withClocks({ firstByte })`.
 *
 * @since 0.1.0
 * @category policies
 */
export const withFirstByteTimeout = (limit: Duration.DurationInput): HttpPolicy.HttpPolicy<RouterError.Timeout> =>
  withClocks({ firstByte: limit })

/**
 * Limits the time until the first content: `withClocks({ firstContent })`.
 *
 * @since 0.1.0
 * @category policies
 */
export const withFirstContentTimeout = (limit: Duration.DurationInput): HttpPolicy.HttpPolicy<RouterError.Timeout> =>
  withClocks({ firstContent: limit })

/**
 * Limits the time between two reads of anything: `withClocks({ idle })`.
 *
 * @since 0.1.0
 * @category policies
 */
export const withIdleTimeout = (limit: Duration.DurationInput): HttpPolicy.HttpPolicy<RouterError.Timeout> =>
  withClocks({ idle: limit })

/**
 * Limits the time between two data events of a stream: `withClocks({ progress })`.
 *
 * @since 0.1.0
 * @category policies
 */
export const withProgressTimeout = (limit: Duration.DurationInput): HttpPolicy.HttpPolicy<RouterError.Timeout> =>
  withClocks({ progress: limit })

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
