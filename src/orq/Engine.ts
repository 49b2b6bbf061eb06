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
import * as Stream from "effect/Stream"
import type { RoutedCompletion } from "../ChatCompletions.js"
import { InvalidRequest } from "../RouterError.js"
import * as ChatRequest from "../wire/ChatRequest.js"
import * as Aborts from "./Aborts.js"
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
  /** It never rejects. */
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

/** What a call is made with. */
interface Given {
  readonly request: ChatRequest.ChatRequest
  readonly options: Options.RequestOptions
  readonly signal: AbortSignal | undefined
}

const isTimeout = (reason: unknown): boolean => reason instanceof Error && reason.name === "TimeoutError"

const abortedBy = ({ reason }: AbortSignal): Errors.CallError =>
  isTimeout(reason)
    ? new Errors.RequestTimeoutError("Request timed out", { cause: reason })
    : new Errors.RequestAbortedError("Request aborted by client", { cause: reason })

/** An error that nobody could foresee, as one of the published classes. */
const unexpected = (error: unknown): Errors.CallError =>
  Errors.isCallError(error) ? error : new Errors.UnexpectedClientError("Unexpected error", { cause: error })

const failureOf = (cause: Cause.Cause<unknown>, why: Errors.CallError | undefined): Errors.CallError => {
  if (why !== undefined && Cause.isInterrupted(cause)) {
    return why
  }
  return unexpected(Cause.squash(cause))
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

/** The signal of the options. Code without types may give anything for either. */
const checkedSignal = (options: Options.RequestOptions): AbortSignal | undefined => {
  if (typeof options !== "object" || options === null) {
    throw new Errors.InvalidRequestError("options: expected an object")
  }
  const signal = Options.signalOf(options)
  if (signal !== undefined && !Aborts.isSignal(signal)) {
    throw new Errors.InvalidRequestError("signal: expected an AbortSignal")
  }
  return signal
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = <R>(backend: Backend<R>): Engine => {
  const live = new Set<Running>()
  let closing: Promise<void> | undefined

  const launch = <A>(
    effect: Effect.Effect<A, Errors.CallError>,
    signal: AbortSignal | undefined,
    onEnd: (outcome: Outcome<A>) => void
  ): Running => {
    let why: Errors.CallError | undefined
    const fiber = Effect.runFork(effect)
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
    const forget = signal === undefined ? () => {} : Aborts.onAbort(signal, onAbort)
    onAbort()
    fiber.addObserver((exit) => {
      live.delete(running)
      forget()
      onEnd(Exit.isSuccess(exit) ? Either.right(exit.value) : Either.left(failureOf(exit.cause, why)))
    })
    return running
  }

  const called = <A>(
    options: Options.RequestOptions,
    use: (call: Call<R>) => Effect.Effect<A, Errors.CallError, R>
  ): Effect.Effect<A, Errors.CallError> =>
    backend.around(Effect.flatMap(Effect.suspend(() => backend.call(options)), use), options)

  const whole = ({ options, request, signal }: Given) =>
    new Promise<Outcome<RoutedCompletion>>((resolve) => {
      launch(called(options, ({ create }) => create(request)), signal, resolve)
    })

  /** There is a stream when its first chunk is there: until then the call may fail as any other. */
  const streamed = ({ options, request, signal }: Given) =>
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
      const running = launch(read, signal, (outcome) => {
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

  const refused = ({ request, signal }: Given): Errors.CallError | undefined => {
    const problem = problemOf(request)
    if (problem !== undefined) {
      return new Errors.SDKValidationError("Input validation failed", problem, request)
    }
    if (closing !== undefined) {
      return new Errors.UnexpectedClientError("The client is closed")
    }
    return signal?.aborted === true ? abortedBy(signal) : undefined
  }

  const start = (given: Given): Promise<Outcome<RoutedCompletion | EventStream.EventStream>> => {
    const error = refused(given)
    if (error !== undefined) {
      return Promise.resolve(Either.left(error))
    }
    return given.request.stream === true ? streamed(given) : whole(given)
  }

  return {
    send: async (request, options = {}) => {
      try {
        return await start({ request, options, signal: checkedSignal(options) })
      } catch (error) {
        return Either.left(unexpected(error))
      }
    },
    close: () =>
      closing ??= Promise.all(
        Array.from(live, ({ interrupt }) => interrupt(new Errors.RequestAbortedError("The client was closed")))
      ).then(() => backend.dispose())
  }
}
