import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

/** The tracer that is there when nobody set one: what it records goes nowhere. */
const noTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

const isTraced: Effect.Effect<boolean> = Effect.tracerWith((tracer) => Effect.succeed(tracer !== noTracer))

/**
 * A span around an effect, and no work at all when no tracer is set.
 *
 * @internal
 */
export const withSpan =
  (name: string, attributes: Readonly<Record<string, string>> = {}) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(isTraced, (traced) =>
      traced
        ? Effect.useSpan(
          name,
          { kind: "client", captureStackTrace: false, attributes },
          (span) => Effect.withParentSpan(self, span)
        )
        : self)
