import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Callers from "./callers.js"
import { type Launch, withLaunch } from "./launch.js"

/** @internal */
export interface Call<A, E, R, Log> {
  /** What the flight writes while it runs, and every caller may read: that of the first caller is used. */
  readonly log: Log
  /** What the flight has beside the context of its first caller. */
  readonly services: Context.Context<never>
  /**
   * Run by the first caller only, with its context and its fiber refs, but in a fiber that belongs to nobody: its deadline and its clocks
   * are those of all that wait.
   */
  readonly run: Effect.Effect<A, E, R>
  /** Told once to each caller when it is done: with the result, with the error, or because it left. */
  readonly onDone: (log: Log, first: boolean) => void
}

/** @internal */
export interface Landed<A> {
  readonly value: A
  /** Whether it is this caller who started the flight. */
  readonly first: boolean
}

/**
 * Calls with the same key at the same time are one call, the flight, and all of its callers get its value, its error or
 * its defect.
 *
 * A caller that is interrupted leaves alone, the first one too. When nobody is left, the flight is interrupted, and the
 * last caller waits for the end of that. A flight is forgotten the moment it ends; nothing that it gave is kept.
 *
 * @internal
 */
export interface SingleFlight<A, Log> {
  readonly join: <E, R>(key: string, call: Call<A, E, R, Log>) => Effect.Effect<Landed<A>, E, R>
}

interface Flight<A, Log> {
  readonly log: Log
  readonly callers: Callers.Callers
  readonly fiber: Fiber.RuntimeFiber<A, unknown>
}

/**
 * Flights run until the scope is closed, which interrupts them.
 *
 * @internal
 */
export const make = <A, Log>(scope: Scope.Scope): Effect.Effect<SingleFlight<A, Log>> => {
  // Everything that reads and writes this table, or the number of callers, does so within one step of one fiber.
  const flights = new Map<string, Flight<A, Log>>()
  let closed = false

  const forget = (key: string, flight: Flight<A, Log>): boolean => flights.get(key) === flight && flights.delete(key)

  const leave = (key: string, flight: Flight<A, Log>): Effect.Effect<unknown> =>
    flight.callers.size === 0 && forget(key, flight) ? Fiber.interrupt(flight.fiber) : Effect.void

  /** It is in the table before it begins. An observer runs even when the fiber is interrupted before its first step. */
  const takeOff = <E, R>(
    key: string,
    { log, run, services }: Call<A, E, R, Log>,
    launch: Launch,
    context: Context.Context<R>
  ): Flight<A, Log> => {
    const callers = new Callers.Callers()
    const flight = {
      log,
      callers,
      fiber: launch(closed ? Effect.interrupt : run, callers.contextOf(context, services))
    }
    flights.set(key, flight)
    flight.fiber.addObserver(() => forget(key, flight))
    return flight
  }

  /**
   * The error of a flight has the type of the first caller's call, and the table cannot know it: a policy is rebuilt
   * for each call, so no object lasts long enough to hold that type. What has the same key is the same call, made
   * through clients of one kind, and that is the promise behind this cast: `ResponseCache.Options.scope` says so to
   * whoever mixes clients.
   */
  const watch = <E>({ fiber }: Flight<A, Log>) => {
    let observer: ((exit: Exit.Exit<A, unknown>) => void) | undefined
    return {
      result: Effect.async<A, E>((resume) => {
        observer = (exit) => resume(exit as Exit.Exit<A, E>)
        fiber.addObserver(observer)
      }),
      end: () => {
        if (observer !== undefined) {
          fiber.removeObserver(observer)
        }
      }
    }
  }

  const join = <E, R>(key: string, call: Call<A, E, R, Log>): Effect.Effect<Landed<A>, E, R> =>
    Effect.uninterruptibleMask((restore) =>
      withLaunch((launch, fiber, context: Context.Context<R>) => {
        const under = flights.get(key)
        const flight = under ?? takeOff(key, call, launch, context)
        const first = under === undefined
        const caller = Callers.current(fiber)
        flight.callers.add(caller)
        const watched = watch<E>(flight)
        return Effect.matchCauseEffect(restore(watched.result), {
          onSuccess: (value) => {
            flight.callers.delete(caller)
            call.onDone(flight.log, first)
            return Effect.succeed<Landed<A>>({ value, first })
          },
          onFailure: (cause) => {
            watched.end()
            flight.callers.delete(caller)
            // the last one who leaves is told of what it has broken off, too
            return Effect.flatMap(leave(key, flight), () => {
              call.onDone(flight.log, first)
              return Effect.failCause(cause)
            })
          }
        })
      }, { deferred: true })
    )

  const close = Effect.suspend(() => {
    closed = true
    return Fiber.interruptAll(Array.from(flights.values(), ({ fiber }) => fiber))
  })

  return Effect.as(Scope.addFinalizer(scope, close), { join })
}
