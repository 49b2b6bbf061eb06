/**
 * The retries of a request to a hosted router, as the published SDK names them. They stand around those that the router makes itself, and
 * multiply with them: by default there are none.
 *
 * Different from the SDK: a wait that an answer asks for is never undercut; one that is longer than `maxInterval` is not begun.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as HttpPolicy from "../policy/HttpPolicy.js"
import * as Retry from "../policy/Retry.js"
import * as RouterError from "../RouterError.js"

/**
 * The waits: `initialInterval · xᵉˣᵖᵒⁿᵉⁿᵗ` for x = 0, 1, 2, …, and up to a second more, but `maxInterval` at most.
 *
 * @since 0.1.0
 * @category models
 */
export interface Backoff {
  /** Milliseconds. */
  readonly initialInterval: number
  /** The longest wait, in milliseconds. */
  readonly maxInterval: number
  readonly exponent: number
  /** For how many milliseconds after the first failure there are new attempts. */
  readonly maxElapsedTime: number
}

/**
 * @since 0.1.0
 * @category models
 */
export type RetryConfig =
  | { readonly strategy: "none" }
  | {
    readonly strategy: "backoff"
    /** Default `defaultBackoff`. */
    readonly backoff?: Backoff | undefined
    /** Whether a request that got no answer (a broken connection, a timeout) is sent again. Default `false`. */
    readonly retryConnectionErrors?: boolean | undefined
  }

/**
 * 500 ms, 60 s, 1.5 and an hour: those of the published SDK.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultBackoff: Backoff = {
  initialInterval: 500,
  maxInterval: 60_000,
  exponent: 1.5,
  maxElapsedTime: 3_600_000
}

/**
 * Those of the published SDK.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultRetryCodes: ReadonlyArray<string> = ["429", "500", "502", "503", "504"]

/** How much is added to each wait at most, in milliseconds. */
const jitterMillis = 1000

/**
 * @since 0.1.0
 * @category models
 */
export type Retries = HttpPolicy.HttpPolicy

type Result<A> = Either.Either<A, RouterError.InvalidRequest>

const fail = (path: string, message: string) => Either.left(RouterError.invalidField(path, message))

/** `"503"` is one code, `"5XX"` a hundred. */
const codesOf = (retryCodes: ReadonlyArray<string>): Result<ReadonlyArray<number>> => {
  const wrong = retryCodes.findIndex((code) => !/^[1-5](?:\d\d|XX)$/i.test(code))
  if (wrong !== -1) {
    return fail(`retryCodes[${wrong}]`, "expected a status from 100 to 599, or a family such as 5XX")
  }
  return Either.right(retryCodes.flatMap((code) => {
    const hundred = Number(code[0]) * 100
    return /XX$/i.test(code) ? Arr.range(hundred, hundred + 99) : [Number(code)]
  }))
}

const backoffOf = (backoff: Backoff): Result<Backoff> => {
  const fields = ["initialInterval", "maxInterval", "exponent", "maxElapsedTime"] as const
  const wrong = fields.find((field) => !(backoff[field] >= 0 && backoff[field] < Infinity))
  return wrong === undefined
    ? Either.right(backoff)
    : fail(`retries.backoff.${wrong}`, "expected a finite number, 0 or more")
}

const isConnectionError = (error: unknown): boolean =>
  error instanceof RouterError.Transport || error instanceof RouterError.Timeout

const statusOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "status" in error ? error.status : undefined

const scheduleOf = (
  { exponent, initialInterval, maxElapsedTime, maxInterval }: Backoff,
  isRetried: (error: unknown) => boolean
): Schedule.Schedule<unknown, unknown> =>
  Schedule.forever.pipe(
    Schedule.modifyDelayEffect((recurrence) =>
      Effect.map(Random.next, (random) =>
        Duration.millis(Math.min(initialInterval * recurrence ** exponent + random * jitterMillis, maxInterval)))
    ),
    Schedule.upTo(Duration.millis(maxElapsedTime)),
    Schedule.whileInput(isRetried)
  )

/**
 * The retries of a configuration, or what is wrong with it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  config: RetryConfig = { strategy: "none" },
  retryCodes: ReadonlyArray<string> = defaultRetryCodes
): Result<Retries> =>
  Either.gen(function*() {
    const codes: ReadonlyArray<unknown> = yield* codesOf(retryCodes)
    if (config.strategy === "none") {
      return HttpPolicy.identity
    }
    if (config.strategy !== "backoff") {
      return yield* fail("retries.strategy", "expected \"none\" or \"backoff\"")
    }
    const { retryConnectionErrors = false } = config
    const backoff = yield* backoffOf(config.backoff ?? defaultBackoff)
    return Retry.withRetry({
      // the schedule says when it is enough: it has the time, and tells an answer from a connection that broke
      count: Number.MAX_SAFE_INTEGER,
      onCodes: Arr.range(100, 599),
      backoff: scheduleOf(
        backoff,
        (error) => isConnectionError(error) ? retryConnectionErrors : codes.includes(statusOf(error))
      ),
      maxRetryAfter: Duration.millis(backoff.maxInterval)
    })
  })
