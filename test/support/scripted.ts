/**
 * What the tests of single policies share: clients that answer from a list, whatever they fail with, and a clock for properties.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"

/** What a client does with a request. */
export type Answer<E = never> = (
  request: HttpClientRequest.HttpClientRequest
) => Effect.Effect<HttpClientResponse.HttpClientResponse, E>

export interface Scripted<E> {
  readonly client: HttpClient.HttpClient.With<E>
  /** When each request came, in milliseconds. */
  readonly startedAt: Array<number>
}

/** A client that answers from the list, in this order; the last answer repeats. */
export const scripted = <E = never>(...answers: ReadonlyArray<Answer<E>>): Scripted<E> => {
  const startedAt: Array<number> = []
  const client = HttpClient.makeWith<never, never, E, never>(
    Effect.flatMap((request) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const answer = answers[Math.min(startedAt.push(now), answers.length) - 1]
        return answer === undefined ? Effect.dieMessage("the script is empty") : answer(request)
      })
    ),
    Effect.succeed
  )
  return { client, startedAt }
}

/** A response with a body in one piece. */
export const ok: Answer = (request) => Effect.succeed(HttpClientResponse.fromWeb(request, new Response("ok")))

export const failing = <E>(error: E): Answer<E> => () => Effect.fail(error)

/** The same answer, later. */
export const after = <E>(duration: Duration.DurationInput, answer: Answer<E>): Answer<E> => (request) =>
  Effect.delay(Effect.suspend(() => answer(request)), duration)

/** The waits before each request but the first. */
export const gaps = (startedAt: ReadonlyArray<number>): ReadonlyArray<number> =>
  startedAt.slice(1).map((millis, index) => millis - startedAt[index]!)

/** Runs an effect while an hour of the test's time passes. */
export const withinTheHour = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(fiber)
  })

/** What an effect ended with and how long it took, in milliseconds of the test's time. */
export const timed = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<readonly [exit: Exit.Exit<A, E>, millis: number], never, R> =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    const exit = yield* Effect.exit(effect)
    return [exit, (yield* Clock.currentTimeMillis) - start] as const
  })

/** An outcome that can be compared and read: the value, the `_tag` of a failure, or how else it ended. */
export const outcome = <A, E extends { readonly _tag: string }>(exit: Exit.Exit<A, E>): A | string =>
  Exit.match(exit, {
    onSuccess: (value) => value,
    onFailure: (cause) => {
      const failure = Cause.failureOption(cause)
      return failure._tag === "Some" ? failure.value._tag : Cause.isInterruptedOnly(cause) ? "interrupted" : "defect"
    }
  })

interface Sleep {
  readonly at: number
  readonly wake: () => void
}

/**
 * A clock that jumps to the next sleep as soon as nothing else is left to do. `TestClock` polls for that in real time, which
 * takes too long for thousands of runs.
 */
export class VirtualClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  /** Every duration that was slept, in milliseconds, also when the sleep was interrupted. */
  readonly slept: Array<number> = []
  /** How far the wall clock is ahead of the monotonic one, in milliseconds. */
  jump = 0
  #now = 0
  #sleeps: ReadonlyArray<Sleep> = []
  #armed = false

  /** How many sleeps are under way. */
  get pending(): number {
    return this.#sleeps.length
  }
  unsafeCurrentTimeMillis(): number {
    return this.#now + this.jump
  }
  unsafeCurrentTimeNanos(): bigint {
    return BigInt(Math.round(this.#now * 1e6))
  }
  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())
  readonly scheduler: Clock.ClockScheduler = {
    unsafeSchedule: (task, duration) => {
      const sleep = this.#add(duration, task)
      return () => this.#remove(sleep)
    }
  }
  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      const sleep = this.#add(duration, () => resume(Effect.void))
      return Effect.sync(() => this.#remove(sleep))
    })
  }

  #add(duration: Duration.Duration, wake: () => void): Sleep {
    const millis = Duration.toMillis(duration)
    const sleep = { at: this.#now + millis, wake }
    this.slept.push(millis)
    this.#sleeps = [...this.#sleeps, sleep]
    this.#arm()
    return sleep
  }
  #remove(sleep: Sleep): boolean {
    const before = this.#sleeps.length
    this.#sleeps = this.#sleeps.filter((other) => other !== sleep)
    return this.#sleeps.length < before
  }
  /** Fibers run in microtasks: when an immediate comes, all of them wait. */
  #arm(): void {
    if (this.#armed) {
      return
    }
    this.#armed = true
    setImmediate(() => {
      this.#armed = false
      const next = this.#sleeps.reduce<Sleep | undefined>(
        (first, sleep) => first === undefined || sleep.at < first.at ? sleep : first,
        undefined
      )
      if (next !== undefined && next.at < Infinity) {
        this.#remove(next)
        this.#now = Math.max(this.#now, next.at)
        next.wake()
        this.#arm()
      }
    })
  }
}

/** Runs an effect in virtual time, which takes none, also under `it.live`. */
export const simulate = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.withClock(effect, new VirtualClock()))
