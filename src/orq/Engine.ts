/**
 * Runs calls: from an Effect to a promise, with an `AbortSignal` for its interruption.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { RoutedCompletion } from "../ChatCompletions.js"
import { InvalidRequest } from "../RouterError.js"
import * as ChatRequest from "../wire/ChatRequest.js"
import type { Backend, Call } from "./Backend.js"
import * as Errors from "./Errors.js"
import * as EventStream from "./EventStream.js"
import * as Options from "./Options.js"

/**
 * What a call comes to.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome<A> = Either.Either<A, Errors.CallError>

/**
 * @since 0.1.0
 * @category models
 */
export interface Engine {
  readonly send: (
    request: ChatRequest.ChatRequest,
    options?: Options.RequestOptions
  ) => Promise<Outcome<RoutedCompletion | EventStream.EventStream>>
  readonly close: () => Promise<void>
}

/** A call under way. */
interface Running {
  /** Resolves when it has ended, and its connection is closed. */
  readonly interrupt: (why: Errors.CallError) => Promise<void>
}

const isTimeout = (reason: unknown): boolean => reason instanceof Error && reason.name === "TimeoutError"

const abortedBy = ({ reason }: AbortSignal): Errors.CallError =>
  isTimeout(reason)
    ? new Errors.RequestTimeoutError("Request timed out", { cause: reason })
    : new Errors.RequestAbortedError("Request aborted by client", { cause: reason })

const failureOf = (cause: Cause.Cause<unknown>, why: Errors.CallError | undefined): Errors.CallError => {
  if (why !== undefined && Cause.isInterrupted(cause)) {
    return why
  }
  const error = Option.getOrElse(Cause.failureOption(cause), () => Cause.squash(cause))
  return Errors.isCallError(error) ? error : new Errors.UnexpectedClientError("Unexpected error", { cause: error })
}

/** Nobody listens to a stream that is closed. */
const stopped = () => new Errors.RequestAbortedError("The stream was cancelled")

/** What is wrong with the request, before anything is done for it. */
const problemOf = (request: ChatRequest.ChatRequest): InvalidRequest | undefined => {
  const valid = ChatRequest.validate(request)
  if (Either.isLeft(valid)) {
    return valid.left
  }
  const issue = ChatRequest.misspelled(valid.right)
  return issue && new InvalidRequest({ issues: [issue] })
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = <R>(backend: Backend<R>): Engine => {
  const live = new Set<Running>()
  let closing: Promise<void> | undefined

  const launch = <A>(
    effect: Effect.Effect<A, Errors.CallError, R>,
    signal: AbortSignal | undefined,
    onEnd: (outcome: Outcome<A>) => void
  ): Running => {
    let why: Errors.CallError | undefined
    const fiber = backend.fork(effect)
    const running: Running = {
      interrupt: (reason) =>
        new Promise((resolve) => {
          why ??= reason
          fiber.addObserver(() => resolve())
          fiber.unsafeInterruptAsFork(FiberId.none)
        })
    }
    const onAbort = () => {
      if (signal?.aborted === true) {
        void running.interrupt(abortedBy(signal))
      }
    }
    live.add(running)
    signal?.addEventListener("abort", onAbort)
    onAbort()
    fiber.addObserver((exit) => {
      live.delete(running)
      signal?.removeEventListener("abort", onAbort)
      onEnd(Exit.isSuccess(exit) ? Either.right(exit.value) : Either.left(failureOf(exit.cause, why)))
    })
    return running
  }

  const called = <A>(
    options: Options.RequestOptions,
    use: (call: Call<R>) => Effect.Effect<A, Errors.CallError, R>
  ): Effect.Effect<A, Errors.CallError, R> =>
    backend.around(Effect.flatMap(Effect.suspend(() => backend.call(options)), use), options)

  const whole = (request: ChatRequest.ChatRequest, options: Options.RequestOptions) =>
    new Promise<Outcome<RoutedCompletion>>((resolve) => {
      launch(called(options, ({ create }) => create(request)), Options.signalOf(options), resolve)
    })

  /** There is a stream when its first chunk is there: until then the call may fail as any other. */
  const streamed = (request: ChatRequest.ChatRequest, options: Options.RequestOptions) =>
    new Promise<Outcome<EventStream.EventStream>>((resolve) => {
      const pipe = EventStream.make(() => running.interrupt(stopped()))
      let isOpen = false
      const open = () => {
        isOpen = true
        resolve(Either.right(pipe.events))
      }
      const read = called(
        options,
        ({ stream }) =>
          Stream.runForEach(stream(request), (chunk) => Effect.zipRight(Effect.sync(open), pipe.write(chunk)))
      )
      const running = launch(read, Options.signalOf(options), (outcome) => {
        if (Either.isRight(outcome)) {
          open()
          pipe.close()
        } else if (isOpen) {
          pipe.fail(outcome.left)
        } else {
          resolve(Either.left(outcome.left))
        }
      })
    })

  const refused = (request: ChatRequest.ChatRequest, signal: AbortSignal | undefined): Errors.CallError | undefined => {
    const problem = problemOf(request)
    if (problem !== undefined) {
      return new Errors.SDKValidationError("Input validation failed", problem, request)
    }
    if (closing !== undefined) {
      return new Errors.UnexpectedClientError("The client is closed")
    }
    return signal?.aborted === true ? abortedBy(signal) : undefined
  }

  return {
    send: (request, options = {}) => {
      const error = refused(request, Options.signalOf(options))
      if (error !== undefined) {
        return Promise.resolve(Either.left(error))
      }
      return request.stream === true ? streamed(request, options) : whole(request, options)
    },
    close: () =>
      closing ??= Promise.all(
        Array.from(live, ({ interrupt }) => interrupt(new Errors.RequestAbortedError("The client was closed")))
      ).then(() => backend.dispose())
  }
}
