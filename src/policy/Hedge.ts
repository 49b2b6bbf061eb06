/**
 * Sends a request a second time, to another target, when the first is slow. The first success wins.
 *
 * It buys a shorter tail of the latencies with money: each request that is hedged may be paid for twice. So it is no part of any preset,
 * it is bounded by the budget of the call (see `RetryBudget`), and `after` should be longer than most answers take.
 *
 * ```ts
 * import { Hedge } from "effect-llm-router"
 * import type { HttpClient } from "@effect/platform"
 *
 * declare const primary: HttpClient.HttpClient
 * declare const backup: HttpClient.HttpClient
 *
 * const client = primary.pipe(Hedge.withHedge(backup, { after: "2 seconds" }))
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import { type Execute, onion } from "../internal/onion.js"
import * as Side from "../internal/side.js"
import * as Route from "../Route.js"
import * as RouterError from "../RouterError.js"
import * as Deadline from "./Deadline.js"
import * as Failure from "./Failure.js"
import * as RetryBudget from "./RetryBudget.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * How long the first target is waited for alone. Longer than 0; an infinite one turns hedging off. A time that 95 % of the answers keep
   * to costs 5 % more requests.
   */
  readonly after: Duration.DurationInput
}

type Response = HttpClientResponse.HttpClientResponse

const validated = ({ after }: Options): Duration.Duration => {
  // whatever is no duration is none above 0 either
  const duration = Option.getOrElse(Duration.decodeUnknown(after), () => Duration.zero)
  if (Duration.lessThanOrEqualTo(duration, Duration.zero)) {
    throw RouterError.invalidField("after", "expected a duration above 0 (infinity turns hedging off)")
  }
  return duration
}

/** The time that an attempt needs at least; with less left it is not begun. */
const attemptMillis = 1

const hasTime: Effect.Effect<boolean> = Effect.map(Deadline.remainingMillis, (millis) => millis >= attemptMillis)

/** Whether another target is to be asked at once: the one before it has failed with what that may mend. */
const movesOn = (error: unknown): Effect.Effect<boolean> =>
  Effect.map(Clock.currentTimeMillis, (now) => Failure.of(error, now).fallback)

/** The sides of one request, and what waiting for them takes. The waiting can be interrupted, and nothing else. */
interface Hedge {
  /** Those that were begun. */
  readonly sides: Array<Side.Side<unknown>>
  readonly restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const launch = <E, R>(
  { sides }: Hedge,
  exchange: Effect.Effect<Response, E, R>
): Effect.Effect<Side.Side<E>, never, R> =>
  Effect.tap(Side.launch(exchange), (side) => Effect.sync(() => sides.push(side)))

/** Whoever is interrupted while waiting leaves all sides, and is done when they are. */
const wait = (hedge: Hedge, until: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.onError(hedge.restore(until), () => Side.leaveAll(hedge.sides))

/** Waits until the side has ended, or `after` has passed. */
const waitUntilLate = (hedge: Hedge, side: Side.Side<unknown>, after: Duration.Duration): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.fork(Effect.interruptible(Effect.sleep(after))),
    (timer) => Effect.ensuring(wait(hedge, Side.untilOneEnds([side.fiber, timer])), Fiber.interrupt(timer))
  )

/** Whether the request is to be sent to the backup: the first side is late, or has failed with what another target may mend. */
const isDue = (side: Side.Side<unknown>): Effect.Effect<boolean> =>
  Effect.suspend(() => {
    const outcome = Side.outcomeOf(side)
    const moves = outcome === undefined
      ? Effect.succeed(true)
      : Either.isRight(outcome)
      ? Effect.succeed(false)
      : movesOn(outcome.left)
    return Effect.zipWith(moves, hasTime, (moves, time) => moves && time)
  })

/** What the first side gives, when it stays the only one. */
const alone = <E>(hedge: Hedge, side: Side.Side<E>): Effect.Effect<Response, E> =>
  Effect.zipRight(wait(hedge, Side.untilOneEnds([side.fiber])), Fiber.join(side.fiber))

/** The same, because there is no token for another one: one that has failed was due for it. */
const unpaid = <E>(hedge: Hedge, side: Side.Side<E>): Effect.Effect<Response, E> =>
  Effect.suspend(() =>
    Side.outcomeOf(side) === undefined ? alone(hedge, side) : Effect.mapError(alone(hedge, side), RetryBudget.exhausted)
  )

/** The other side is closed first. What the winner has set for its fiber is set for the caller, as with every race. */
const conclude = (
  winner: Side.Side<unknown>,
  outcome: Effect.Effect<Response>,
  loser: Side.Side<unknown>
): Effect.Effect<Response> =>
  Effect.zipRight(Effect.zipRight(Side.leave(loser), Fiber.inheritAll(winner.fiber)), outcome)

/** The first success of the two, or what the first failed with. The other is closed by then. */
const race = <E>(hedge: Hedge, first: Side.Side<E>, second: Side.Side<unknown>): Effect.Effect<Response, E> =>
  Effect.suspend(() => {
    const [one, two] = [Side.outcomeOf(first), Side.outcomeOf(second)]
    if (one !== undefined && Either.isRight(one)) {
      return conclude(first, one.right, second)
    }
    if (two !== undefined && Either.isRight(two)) {
      return conclude(second, two.right, first)
    }
    if (one !== undefined && two !== undefined) {
      return Effect.zipRight(Side.leave(second), Effect.fail(one.left))
    }
    const running = [first, second].filter((side) => Side.outcomeOf(side) === undefined)
    return Effect.zipRight(
      wait(hedge, Side.untilOneEnds(running.map(({ fiber }) => fiber))),
      race(hedge, first, second)
    )
  })

const run = <E, R, E2, R2>(
  hedge: Hedge,
  primary: Effect.Effect<Response, E, R>,
  backup: Effect.Effect<Response, E2, R2>,
  after: Duration.Duration
): Effect.Effect<Response, E, R | R2> =>
  Effect.gen(function*() {
    const first = yield* launch(hedge, primary)
    yield* waitUntilLate(hedge, first, after)
    if (!(yield* isDue(first))) {
      return yield* alone(hedge, first)
    }
    return yield* RetryBudget.withToken(
      (begin, notSent) =>
        Effect.flatMap(
          launch(
            hedge,
            Effect.zipRight(
              begin,
              Effect.tapError(backup, (error) => RouterError.isNotSent(error) ? notSent : Effect.void)
            )
          ),
          (second) => race(hedge, first, second)
        ),
      unpaid(hedge, first)
    )
  })

/**
 * Sends a request to `backup` too, when the wrapped client has not answered within `after`, or at once when it has failed by then with
 * what another target may mend (see `Failure`). A failure that no other target mends is passed on.
 *
 * The first success is the answer; of a stream, that is its first content. The other exchange is interrupted, and its connection closed,
 * before the answer is handed over. When one fails while the other is under way, the other is waited for. When both fail, the error is
 * that of the wrapped client, and so `backup` adds no errors.
 *
 * Nothing is sent to `backup` when the budget of the call has no token for it, or the deadline has come. A token is given back when what
 * stands inside of `backup` has not sent the request (see `RouterError.isNotSent`). Each side notes its own attempts,
 * where `Attempts.withAttempt` is inside of it. Neither side may be a client of `HttpClient.withScope`, which knows the requests under way
 * by the object that both are given.
 *
 * Its clocks (`Timeout.withClocks`) and its concurrency stand inside of each side.
 *
 * Throws `InvalidRequest` when it is given a client, and `after` is not a duration above 0.
 *
 * @since 0.1.0
 * @category policies
 */
export const withHedge: {
  /**
   * @since 0.1.0
   * @category policies
   */
  <E2, R2>(
    backup: HttpClient.HttpClient.With<E2, R2>,
    options: Options
  ): <E, R>(self: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E, R | R2>
  /**
   * @since 0.1.0
   * @category policies
   */
  <E, R, E2, R2>(
    self: HttpClient.HttpClient.With<E, R>,
    backup: HttpClient.HttpClient.With<E2, R2>,
    options: Options
  ): HttpClient.HttpClient.With<E, R | R2>
} = dual(3, <E, R, E2, R2>(
  self: HttpClient.HttpClient.With<E, R>,
  backup: HttpClient.HttpClient.With<E2, R2>,
  options: Options
): HttpClient.HttpClient.With<E, R | R2> => {
  const after = validated(options)
  if (!Duration.isFinite(after)) {
    return self
  }
  return onion(
    self,
    (request, execute: Execute<E, R>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(Route.CurrentRecorder, (recorder) => {
          const hedge: Hedge = { sides: [], restore }
          const exchange = run(hedge, execute(request), backup.execute(request), after)
          return recorder === undefined
            ? exchange
            : Effect.ensuring(exchange, Effect.sync(() => Side.merge(hedge.sides, recorder)))
        })
      )
  )
})
