import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"

/** The tracer that is there when nobody set one: what it records goes nowhere. */
const noTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

/**
 * Whether somebody gets the spans of a fiber.
 *
 * @internal
 */
export const isTraced = <A, E>({ currentTracer }: Fiber.RuntimeFiber<A, E>): boolean => currentTracer !== noTracer

/**
 * A span around an effect. It is for a fiber that `isTraced`.
 *
 * @internal
 */
export const withSpan =
  (name: string, attributes: Readonly<Record<string, string>> = {}) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.useSpan(
      name,
      { kind: "client", captureStackTrace: false, attributes },
      (span) => Effect.withParentSpan(self, span)
    )
