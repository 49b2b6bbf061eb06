/**
 * A call as a span, with all its attempts below it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { isTraced } from "../internal/tracing.js"
import type * as Route from "../Route.js"
import { type Service, Telemetry } from "../Telemetry.js"
import type * as ChatRequest from "../wire/ChatRequest.js"
import type { Chunk } from "../wire/Chunk.js"
import type { Completion } from "../wire/Completion.js"
import * as Attributes from "./Attributes.js"
import { CallReport } from "./CallReport.js"
import * as Names from "./Names.js"
import { CurrentObservation, Observation, type Observer } from "./Observation.js"

/**
 * Who observes the calls of a fiber: `undefined` when nobody does. `built` is the telemetry where the service was made.
 *
 * @since 0.1.0
 * @category constructors
 */
export const observerOf = <A, E>(
  fiber: Fiber.RuntimeFiber<A, E>,
  built: Service | undefined
): Observer | undefined => {
  const traced = isTraced(fiber)
  const telemetry = Context.get(fiber.currentContext, Telemetry) ?? built
  return traced || telemetry?.metrics !== undefined
    ? {
      traced,
      telemetry,
      labels: fiber.getFiberRef(FiberRef.currentMetricLabels),
      clock: Context.get(fiber.currentDefaultServices, Clock.Clock),
      timed: fiber.getFiberRef(FiberRef.currentTracerTimingEnabled)
    }
    : undefined
}

const none = Effect.succeed(undefined)

const start = (
  observer: Observer,
  request: ChatRequest.ChatRequest,
  kind: "completion" | "stream",
  recorder: Route.Recorder
): Effect.Effect<CallReport> => {
  const span = Effect.suspend(() =>
    Effect.makeSpan(Names.spanName(Attributes.modelOf(request)), {
      kind: "client",
      captureStackTrace: false,
      attributes: { "gen_ai.operation.name": "chat" }
    })
  )
  return Effect.map(
    observer.traced ? span : none,
    (span) => new CallReport(new Observation(observer, request, kind, span), recorder)
  )
}

/** Makes a call known to what happens inside of it. */
const within = <A, E, R>(call: Effect.Effect<A, E, R>, observation: Observation): Effect.Effect<A, E, R> =>
  Effect.mapInputContext(call, (context: Context.Context<R>) => {
    const known = Context.add(context, CurrentObservation, observation)
    return observation.span === undefined ? known : Context.add(known, Tracer.ParentSpan, observation.span)
  })

/**
 * @since 0.1.0
 * @category combinators
 */
export const completion = <A extends Completion, E, R>(
  call: Effect.Effect<A, E, R>,
  observer: Observer,
  request: ChatRequest.ChatRequest,
  recorder: Route.Recorder
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      start(observer, request, "completion", recorder),
      (observed) =>
        Effect.onExit(within(restore(call), observed.observation), (exit) =>
          Effect.sync(() => {
            if (Exit.isSuccess(exit)) {
              observed.answered(exit.value)
            }
            observed.end(exit)
          }))
    )
  )

/** What becomes of a stream after its first content. */
const watched = <A extends Chunk, E, R>(
  chunks: Stream.Stream<A, E, R>,
  observed: CallReport
): Stream.Stream<A, E, R> =>
  Stream.suspend(() => {
    const end = Stream.execute(Effect.sync(() => {
      observed.outcome = Exit.void
    }))
    const noted = Stream.mapChunks(chunks, (some) => {
      for (const chunk of some) {
        observed.received(chunk)
      }
      // one who has the whole answer and does not wait for the end of the connection has left nothing
      observed.outcome = observed.seen.complete ? Exit.void : observed.outcome
      return some
    })
    return noted.pipe(
      Stream.tapErrorCause((cause) =>
        Effect.sync(() => {
          observed.outcome = Exit.failCause(cause)
        })
      ),
      Stream.concat(end),
      Stream.ensuring(Effect.sync(() => observed.end(observed.outcome)))
    )
  })

/**
 * @since 0.1.0
 * @category combinators
 */
export const stream = <A extends Chunk, E, R, R2>(
  call: Effect.Effect<Stream.Stream<A, E, R>, E, R2>,
  observer: Observer,
  request: ChatRequest.ChatRequest,
  recorder: Route.Recorder
): Effect.Effect<Stream.Stream<A, E, R>, E, R2 | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.zip(Effect.scope, start(observer, request, "stream", recorder)),
      ([scope, observed]) =>
        // a stream that nobody comes to read ends with its call
        Scope.addFinalizer(scope, Effect.sync(() => observed.end(observed.outcome))).pipe(
          Effect.zipRight(within(restore(call), observed.observation)),
          Effect.onError((cause) => Effect.sync(() => observed.end(Exit.failCause(cause)))),
          Effect.map((chunks) => {
            observed.begun()
            return watched(chunks, observed)
          })
        )
    )
  )
