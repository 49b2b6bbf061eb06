/**
 * What a scripted upstream saw: every request that reached it, and how each of them ended.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"

/**
 * A request as the upstream saw it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedRequest {
  /** `provider/model`, or the provider alone when the body names no model. */
  readonly target: string
  /** The first segment of the path. */
  readonly provider: string
  /** The `model` of the JSON body. */
  readonly model: string | undefined
  readonly url: string
  readonly method: string
  /** Names are in lower case. Credentials are there as they were sent. */
  readonly headers: Readonly<Record<string, string>>
  /** The parsed JSON; the text, where it is no JSON; `undefined`, where there is none. */
  readonly body: unknown
  readonly startedAtMillis: number
  /** Whether the caller left before it had the whole answer. */
  readonly aborted: boolean
  /** When it did. */
  readonly abortedAtMillis: number | undefined
}

/**
 * What there is to ask an upstream. Requests are numbered from 0, in the order of their arrival.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallLog {
  /** All requests so far. */
  readonly calls: Effect.Effect<ReadonlyArray<RecordedRequest>>
  /** How many of them are still open: the answer was neither read to its end, nor did it break, nor did the caller leave. */
  readonly open: Effect.Effect<number>
  /** Waits for the request to arrive. */
  readonly awaitCall: (index: number) => Effect.Effect<RecordedRequest>
  /**
   * Waits until the caller has left the request; the milliseconds from its arrival until then. Dies when the request ends in
   * any other way.
   */
  readonly awaitAborted: (index: number) => Effect.Effect<number>
}

/**
 * The log of the scripted upstream, given by `layerTransport` and by `layerServer`.
 *
 * @since 0.1.0
 * @category context
 */
export class Calls extends Context.Tag("effect-llm-router/Testing/Calls")<Calls, CallLog>() {}

/**
 * All requests so far, in the order of their arrival.
 *
 * @since 0.1.0
 * @category accessors
 */
export const calls: Effect.Effect<ReadonlyArray<RecordedRequest>, never, Calls> = Effect.flatMap(Calls, (_) => _.calls)

/**
 * How many requests are still open: the answer was neither read to its end, nor did it break, nor did the caller leave.
 *
 * @since 0.1.0
 * @category accessors
 */
export const open: Effect.Effect<number, never, Calls> = Effect.flatMap(Calls, (_) => _.open)

/**
 * Waits for the request with this number (the first is 0) to arrive.
 *
 * @since 0.1.0
 * @category accessors
 */
export const awaitCall = (index: number): Effect.Effect<RecordedRequest, never, Calls> =>
  Effect.flatMap(Calls, (_) => _.awaitCall(index))

/**
 * Waits until the caller has left the request with this number (the first is 0); the milliseconds from its arrival until then.
 *
 * @since 0.1.0
 * @category accessors
 */
export const awaitAborted = (index: number): Effect.Effect<number, never, Calls> =>
  Effect.flatMap(Calls, (_) => _.awaitAborted(index))

/** @internal */
export type Arrival = Omit<RecordedRequest, "aborted" | "abortedAtMillis">

/**
 * One request under way. The first of `finish` and `abort` counts.
 *
 * @internal
 */
export class Call {
  readonly ended = Deferred.unsafeMake<void>(FiberId.none)
  #ended = false
  #abortedAtMillis: number | undefined

  constructor(readonly arrival: Arrival, readonly clock: Clock.Clock, readonly onEnd: () => void) {}

  finish(): void {
    if (this.#ended) return
    this.#ended = true
    this.onEnd()
    Deferred.unsafeDone(this.ended, Exit.void)
  }

  abort(): void {
    if (this.#ended) return
    this.#abortedAtMillis = this.clock.unsafeCurrentTimeMillis()
    this.finish()
  }

  get aborted(): boolean {
    return this.#abortedAtMillis !== undefined
  }

  get request(): RecordedRequest {
    const abortedAtMillis = this.#abortedAtMillis
    return { ...this.arrival, aborted: this.aborted, abortedAtMillis }
  }
}

/** @internal */
export interface Ledger {
  readonly log: CallLog
  readonly begin: (arrival: Arrival, clock: Clock.Clock) => Call
}

/** @internal */
export const makeLedger = Effect.sync((): Ledger => {
  const calls: Array<Call> = []
  const arrivals: Array<Deferred.Deferred<Call>> = []
  let open = 0

  const arrival = (index: number) => arrivals[index] ??= Deferred.unsafeMake<Call>(FiberId.none)
  const call = (index: number) => Effect.suspend(() => Deferred.await(arrival(index)))

  return {
    begin: (arrived, clock) => {
      const call = new Call(arrived, clock, () => open--)
      open++
      const index = calls.push(call) - 1
      Deferred.unsafeDone(arrival(index), Exit.succeed(call))
      return call
    },
    log: {
      calls: Effect.sync(() => calls.map((call) => call.request)),
      open: Effect.sync(() => open),
      awaitCall: (index) => Effect.map(call(index), (call) => call.request),
      awaitAborted: (index) =>
        Effect.flatMap(call(index), (call) =>
          Effect.zipRight(
            Deferred.await(call.ended),
            Effect.suspend(() => {
              const { abortedAtMillis, startedAtMillis } = call.request
              return abortedAtMillis === undefined
                ? Effect.dieMessage(`request ${index} ended, and the caller had not left it`)
                : Effect.succeed(abortedAtMillis - startedAtMillis)
            })
          ))
    }
  }
})
