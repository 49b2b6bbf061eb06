import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import * as Callers from "./callers.js"

/** @internal */
export interface Call<A, E, R, Log> {
  /** What the flight writes while it runs, and every caller may read: that of the first caller is used. */
  readonly log: Log
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
  readonly landed: Deferred.Deferred<Exit.Exit<A, unknown>>
  readonly callers: Callers.Callers
  abort: Effect.Effect<unknown>
}

/**
 * Flights run in `scope`: closing it interrupts them.
 *
 * @internal
 */
export const make = <A, Log>(scope: Scope.Scope): SingleFlight<A, Log> => {
  // Everything that reads and writes this table, or the number of callers, does so within one step of one fiber.
  const flights = new Map<string, Flight<A, Log>>()

  const forget = (key: string, flight: Flight<A, Log>): boolean => flights.get(key) === flight && flights.delete(key)

  /** An observer, not a finalizer of the flight: it runs even when the fiber is interrupted before its first step. */
  const launch = <E, R>(
    key: string,
    flight: Flight<A, Log>,
    run: Effect.Effect<A, E, R>
  ): Effect.Effect<void, never, R> =>
    Effect.map(Effect.forkIn(Effect.interruptible(flight.callers.serve(run)), scope), (fiber) => {
      flight.abort = Fiber.interrupt(fiber)
      fiber.addObserver((exit) => {
        forget(key, flight)
        Deferred.unsafeDone(flight.landed, Effect.succeed(exit))
      })
    })

  const leave = (key: string, flight: Flight<A, Log>): Effect.Effect<unknown> =>
    Effect.suspend(() => flight.callers.size === 0 && forget(key, flight) ? flight.abort : Effect.void)

  /**
   * The error of a flight has the type of the first caller's call, and the table cannot know it: a policy is rebuilt
   * for each call, so no object lasts long enough to hold that type. What has the same key is the same call, made
   * through clients of one kind, and that is the promise behind this cast: `ResponseCache.Options.scope` says so to
   * whoever mixes clients.
   */
  const result = <E>(flight: Flight<A, Log>): Effect.Effect<A, E> =>
    Effect.flatMap(Deferred.await(flight.landed), (exit) => exit as Exit.Exit<A, E>)

  const join = <E, R>(key: string, call: Call<A, E, R, Log>): Effect.Effect<Landed<A>, E, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Callers.current, (caller) => {
        const wait = (flight: Flight<A, Log>, first: boolean) => {
          flight.callers.add(caller)
          return restore(result<E>(flight)).pipe(
            Effect.ensuring(Effect.sync(() => flight.callers.delete(caller))),
            Effect.onInterrupt(() => leave(key, flight)),
            Effect.ensuring(Effect.sync(() => call.onDone(flight.log, first))),
            Effect.map((value): Landed<A> => ({ value, first }))
          )
        }
        const current = flights.get(key)
        if (current !== undefined) {
          return wait(current, false)
        }
        const flight: Flight<A, Log> = {
          log: call.log,
          landed: Deferred.unsafeMake(FiberId.none),
          callers: new Callers.Callers(),
          abort: Effect.void
        }
        flights.set(key, flight)
        const waiting = wait(flight, true)
        return Effect.zipRight(launch(key, flight, call.run), waiting)
      })
    )

  return { join }
}
