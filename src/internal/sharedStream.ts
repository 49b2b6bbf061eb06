import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Callers from "./callers.js"

/** A stream that is being read, with all that was read of it. */
interface Source<A, E> {
  readonly read: Array<A>
  /** How it ended: well, with an error, or because the reader was interrupted. */
  ended: Option.Option<Effect.Effect<never, Option.Option<E>>>
  /** Those who wait for more than was read, each once however often it was interrupted and asked again. */
  waiting: Set<() => void>
  /** Told when somebody begins to wait; there while the reader waits for that. */
  onDemand: (() => void) | undefined
}

interface Flight<Head, A, Log> {
  readonly log: Log
  readonly opened: Deferred.Deferred<Exit.Exit<{ readonly head: Head; readonly source: Source<A, unknown> }, unknown>>
  readonly callers: Callers.Callers
  abort: Effect.Effect<void>
  /** Ends the stream of those who read it, unless it has ended. */
  close: (cause: Cause.Cause<never>) => void
  /** It has been read to its end, or has failed: there is nothing to close, and what is left to do is not for its callers to stop. */
  ended: boolean
}

/** @internal */
export interface Call<Head, A, E, SE, R, Log> {
  /** What the flight writes while the stream is opened, and every caller may read: that of the first caller is used. */
  readonly log: Log
  /** Opens the stream, for the first caller only, in a scope that belongs to no caller. */
  readonly open: (
    scope: Scope.Scope
  ) => Effect.Effect<{ readonly head: Head; readonly stream: Stream.Stream<A, SE> }, E, R>
  /** Told of each element once, when it is read. */
  readonly onElement: (element: A) => void
  /** Run once, when the stream has ended well, before the flight is forgotten. */
  readonly onComplete: Effect.Effect<void, never, R>
}

/** @internal */
export interface Joined<Head, A, E, SE, Log> {
  /** Whether it is this caller who opens the stream. */
  readonly first: boolean
  readonly log: Log
  /** Waits until the stream is open. */
  readonly opened: Effect.Effect<{
    readonly head: Head
    /** From its start. With its end the caller has left. */
    readonly stream: Stream.Stream<A, SE>
  }, E>
  /** For every caller that does not come to the end of the stream, an error of `opened` included. Once is enough. */
  readonly leave: Effect.Effect<void>
}

/**
 * Calls with the same key at the same time read one stream: each of its callers gets it from its start and at its own pace.
 *
 * It is read on demand, at the pace of the fastest; what was read is kept for the others until the flight is over. A caller that leaves
 * leaves alone; when nobody is left the stream is closed.
 *
 * @internal
 */
export interface SharedStreams<Head, A, Log> {
  /** Does not wait for anything, so that it can be one step with whatever makes sure that the caller leaves. */
  readonly join: <E, SE, R>(
    key: string,
    call: Call<Head, A, E, SE, R, Log>
  ) => Effect.Effect<Joined<Head, A, E, SE, Log>, never, R>
}

/** There is more in `read`, or `ended` is set. */
const advance = <A, E>(source: Source<A, E>): void => {
  const { waiting } = source
  source.waiting = new Set()
  waiting.forEach((wake) => wake())
}

const end = <A, E>(source: Source<A, E>, how: Effect.Effect<never, Option.Option<E>>): void => {
  if (Option.isNone(source.ended)) {
    source.ended = Option.some(how)
    advance(source)
  }
}

const makeSource = <A, E>(): Source<A, E> => ({
  read: [],
  ended: Option.none(),
  waiting: new Set(),
  onDemand: undefined
})

/** One reader waits at a time; one that is interrupted waits for nothing any more, and a call of it does nothing. */
const untilDemand = <A, E>(source: Source<A, E>): Effect.Effect<void> =>
  Effect.suspend(() =>
    source.waiting.size > 0
      ? Effect.void
      : Effect.async<void>((resume) => {
        source.onDemand = () => {
          source.onDemand = undefined
          resume(Effect.void)
        }
      })
  )

/** Reads one element (or chunk of them) for each demand, until the end. */
const serve = <A, E>(
  source: Source<A, E>,
  pull: Effect.Effect<Iterable<A>, Option.Option<E>>,
  onElement: (element: A) => void
): Effect.Effect<Option.Option<E>> => {
  const serve: Effect.Effect<never, Option.Option<E>> = Effect.flatMap(
    Effect.zipRight(untilDemand(source), pull),
    (elements) => {
      for (const element of elements) {
        onElement(element)
        source.read.push(element)
      }
      advance(source)
      return serve
    }
  )
  return Effect.flip(serve)
}

/** What one caller reads: its own place in what was read, and demand when it is at the end of that. */
const replay = <A, E>(source: Source<A, E>): Stream.Stream<A, E> =>
  Stream.suspend(() => {
    let place = 0
    let resumeLast = () => {}
    const wake = () => resumeLast()
    // called, too, when nobody waits any more: that does nothing
    const progress = Effect.async<void>((resume) => {
      resumeLast = () => resume(Effect.void)
      source.waiting.add(wake)
      source.onDemand?.()
    })
    const next: Effect.Effect<A, Option.Option<E>> = Effect.suspend(() => {
      if (place < source.read.length) {
        return Effect.succeed(source.read[place++]!)
      }
      if (Option.isSome(source.ended)) {
        return source.ended.value
      }
      return Effect.zipRight(progress, next)
    })
    return Stream.repeatEffectOption(next)
  })

/**
 * Streams are read in `scope`: closing it closes them.
 *
 * @internal
 */
export const make = <Head, A, Log>(scope: Scope.Scope): SharedStreams<Head, A, Log> => {
  // everything that reads and writes this table, or the number of callers, does so within one step of one fiber
  const flights = new Map<string, Flight<Head, A, Log>>()

  const forget = (key: string, flight: Flight<Head, A, Log>): void => {
    if (flights.get(key) === flight) {
      flights.delete(key)
    }
  }

  /** The stream is closed before anybody is told of its end. */
  const fly = <E, SE, R>(flight: Flight<Head, A, Log>, call: Call<Head, A, E, SE, R, Log>) =>
    Effect.flatMap(
      Effect.scopedWith((own) =>
        Effect.flatMap(call.open(own), ({ head, stream }) =>
          Effect.flatMap(Scope.extend(Stream.toPull(stream), own), (pull) => {
            const source = makeSource<A, SE>()
            flight.close = (cause) =>
              end(source, Effect.failCause(cause))
            flight.callers.open()
            Deferred.unsafeDone(flight.opened, Effect.succeed(Exit.succeed({ head, source })))
            return Effect.map(serve(source, pull, call.onElement), (reason) => ({ source, reason }))
          }))
      ),
      ({ reason, source }) => {
        flight.ended = true
        end(source, Effect.fail(reason))
        return Option.isNone(reason) ? call.onComplete : Effect.void
      }
    )

  /** An observer, not a finalizer of the flight: it runs even when the fiber is interrupted before its first step. */
  const launch = <E, SE, R>(key: string, flight: Flight<Head, A, Log>, call: Call<Head, A, E, SE, R, Log>) =>
    fly(flight, call).pipe(
      Effect.mapInputContext((context: Context.Context<R>) => flight.callers.contextOf(context)),
      Effect.interruptible,
      Effect.forkIn(scope),
      Effect.map((fiber) => {
        flight.abort = Effect.asVoid(Fiber.interrupt(fiber))
        fiber.addObserver((exit) => {
          forget(key, flight)
          // an error is that of opening, so nobody reads: what ends readers here is an interruption or a defect
          flight.close(Exit.isFailure(exit) ? Cause.flatMap(exit.cause, () => Cause.empty) : Cause.empty)
          // nothing is done by it once the stream was opened
          Deferred.unsafeDone(flight.opened, Effect.succeed(Exit.zipRight(exit, Exit.interrupt(fiber.id()))))
        })
      })
    )

  const leave = (key: string, flight: Flight<Head, A, Log>, caller: Callers.Caller): Effect.Effect<void> =>
    Effect.suspend(() => {
      flight.callers.delete(caller)
      if (flight.callers.size > 0 || flight.ended) {
        return Effect.void
      }
      forget(key, flight)
      return flight.abort
    })

  /** Its types are those of the first caller's call, as in `singleFlight`, and the promise behind this cast is the same. */
  const joined = <E, SE>(flight: Flight<Head, A, Log>) =>
    Effect.flatMap(
      Deferred.await(flight.opened),
      (exit) => exit as Exit.Exit<{ readonly head: Head; readonly source: Source<A, SE> }, E>
    )

  const join = <E, SE, R>(
    key: string,
    call: Call<Head, A, E, SE, R, Log>
  ): Effect.Effect<Joined<Head, A, E, SE, Log>, never, R> =>
    Effect.uninterruptible(Effect.withFiberRuntime((fiber) => {
      const caller = Callers.current(fiber)
      const known = flights.get(key)
      const flight: Flight<Head, A, Log> = known ?? {
        log: call.log,
        opened: Deferred.unsafeMake(FiberId.none),
        callers: new Callers.Callers(),
        abort: Effect.void,
        close: () => {},
        ended: false
      }
      flight.callers.add(caller)
      let present = true
      const leaveOnce = Effect.suspend(() => {
        const left = present
        present = false
        return left ? leave(key, flight, caller) : Effect.void
      })
      const opened = Effect.map(joined<E, SE>(flight), ({ head, source }) => ({
        head,
        stream: Stream.ensuring(replay(source), leaveOnce)
      }))
      const here = { first: known === undefined, log: flight.log, opened, leave: leaveOnce }
      if (known !== undefined) {
        return Effect.succeed(here)
      }
      flights.set(key, flight)
      return Effect.as(launch(key, flight, call), here)
    }))

  return { join }
}
