/**
 * What the policies need to know of a failure: may the same target be tried again, may another one serve, how long to wait.
 *
 * The router's own classes carry all of it. The errors of `@effect/platform` (`HttpClient.filterStatusOk`, a broken connection)
 * and Effect's `TimeoutException` are understood too, so that the policies work on any `HttpClient`.
 *
 * @since 0.1.0
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as RouterError from "../RouterError.js"
import * as RetryAfter from "../wire/RetryAfter.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Failure {
  /**
   * The status that is compared with the codes of a retry policy: the answer's own, 504 for a timeout, 502 for a broken
   * connection and for an answer that is no completion. `undefined`: never retried.
   */
  readonly code: number | undefined
  /** Whether another target may serve the request. */
  readonly fallback: boolean
  /** The wait that the answer asks for. */
  readonly retryAfter: Duration.Duration | undefined
  /** What an `x-should-retry` header says; that of a success says nothing. */
  readonly shouldRetry: boolean | undefined
}

/** The code of a broken connection and of an answer that is no completion ("bad gateway"). */
const badGateway = 502

/** The code of an attempt that ran out of time ("gateway timeout"). */
const gatewayTimeout = 504

const unknown: Failure = { code: undefined, fallback: false, retryAfter: undefined, shouldRetry: undefined }

interface Answer {
  readonly status?: number | undefined
  readonly impliedStatus?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly retryAfter?: Duration.Duration | undefined
}

const isSuccess = (status: number | undefined): boolean => status !== undefined && status >= 200 && status < 300

const ofAnswer = (error: Answer, fallback: boolean, fallbackCode?: number): Failure => ({
  code: error.impliedStatus ?? (error.status !== undefined && error.status >= 300 ? error.status : fallbackCode),
  fallback,
  retryAfter: error.retryAfter,
  shouldRetry: error.headers === undefined || isSuccess(error.status)
    ? undefined
    : RetryAfter.shouldRetry(error.headers)
})

/** Waiting does not mend these, whatever status or header they came with. */
const withoutRetry = (fallback: boolean): Failure => ({ ...unknown, fallback })

const ofRouterError = (error: RouterError.RouterError, nowMillis: number): Failure => {
  switch (error._tag) {
    case "Transport":
      return { ...unknown, code: badGateway, fallback: true }
    case "Timeout":
      return { ...unknown, code: gatewayTimeout, fallback: true }
    case "Unavailable":
    case "Overloaded":
    case "RateLimited":
    case "Auth":
    case "NotFound":
      return ofAnswer(error, true)
    case "InvalidRequest":
      return ofAnswer(error, false)
    case "BadResponse":
    case "EmptyCompletion":
    case "StreamTruncated":
      return ofAnswer(error, true, badGateway)
    case "QuotaExhausted":
    case "ContextLengthExceeded":
    case "ResponseTooLarge":
    case "BreakerOpen":
    case "CoolingDown":
    case "ConcurrencyExceeded":
    case "RateLimitExceeded":
      return withoutRetry(true)
    case "ContentFiltered":
    case "DeadlineExceeded":
    case "StreamInterrupted":
    case "TemplateError":
    case "PromptNotFound":
    case "PromptInvalid":
    case "PromptUnavailable":
      return withoutRetry(false)
    case "AllTargetsFailed":
      // a retry around a chain looks at the target that was tried last; a chain around a chain goes on
      return { ...of(error.failures[error.failures.length - 1], nowMillis), fallback: true }
  }
}

const ofPlatformError = (error: HttpClientError.HttpClientError, nowMillis: number): Failure => {
  if (error._tag === "RequestError") {
    return error.reason === "Transport" ? { ...unknown, code: badGateway, fallback: true } : unknown
  }
  if (RouterError.isRouterError(error.cause)) {
    return ofRouterError(error.cause, nowMillis)
  }
  const { headers, status } = error.response
  const code = error.reason === "StatusCode" ? status : badGateway
  return {
    code,
    fallback: !deterministic.has(code),
    retryAfter: RetryAfter.fromHeaders(headers, nowMillis),
    shouldRetry: isSuccess(status) ? undefined : RetryAfter.shouldRetry(headers)
  }
}

/** The statuses that say that the request itself is wrong: no other target will take it either. */
const deterministic: ReadonlySet<number> = new Set([400, 405, 413, 415, 422, 501, 505])

/**
 * Looks at the error that a client failed with. `nowMillis` is the time against which a `Retry-After` date counts. An error that
 * is none of the known ones is neither retried nor failed over.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (error: unknown, nowMillis: number): Failure => {
  if (RouterError.isRouterError(error)) {
    return ofRouterError(error, nowMillis)
  }
  if (HttpClientError.isHttpClientError(error)) {
    return ofPlatformError(error, nowMillis)
  }
  return Cause.isTimeoutException(error) ? { ...unknown, code: gatewayTimeout, fallback: true } : unknown
}
