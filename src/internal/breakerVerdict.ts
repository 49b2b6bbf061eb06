import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as RouterError from "../RouterError.js"
import * as ErrorTable from "../wire/ErrorTable.js"
import * as RetryAfter from "../wire/RetryAfter.js"

/** Why a target is left alone for a while. */
export type CooldownReason = RouterError.CoolingDown["reason"]

/**
 * What the end of a call says about its target: that it works, that it does not, or nothing. `Refused`: it works, but not for us and not
 * now.
 */
export type Verdict =
  | { readonly _tag: "Success" }
  | { readonly _tag: "Failure" }
  | { readonly _tag: "Ignored" }
  | {
    readonly _tag: "Refused"
    readonly reason: CooldownReason
    /** The wait that the answer asks for. */
    readonly hintMillis: number | undefined
  }

export const success: Verdict = { _tag: "Success" }
export const failure: Verdict = { _tag: "Failure" }
export const ignored: Verdict = { _tag: "Ignored" }

const refused = (reason: CooldownReason, retryAfter: Duration.Duration | undefined): Verdict => ({
  _tag: "Refused",
  reason,
  hintMillis: retryAfter === undefined ? undefined : Duration.toMillis(retryAfter)
})

const ofRouterError = (error: RouterError.RouterError, wallMillis: number): Verdict => {
  switch (error._tag) {
    case "Transport":
    case "Timeout":
    case "Unavailable":
    case "Overloaded":
    case "BadResponse":
    case "EmptyCompletion":
    case "ResponseTooLarge":
    case "StreamTruncated":
      return failure
    case "NotFound":
    case "ContextLengthExceeded":
    case "ContentFiltered":
      return success
    case "InvalidRequest":
      // without a status it was found here, and the target was not asked
      return (error.impliedStatus ?? error.status) === undefined ? ignored : success
    case "RateLimited":
    case "Auth":
    case "QuotaExhausted":
      return refused(error._tag, error.retryAfter)
    case "DeadlineExceeded":
    case "BreakerOpen":
    case "CoolingDown":
    case "ConcurrencyExceeded":
    case "RateLimitExceeded":
    case "TemplateError":
    case "PromptNotFound":
    case "PromptInvalid":
    case "PromptUnavailable":
      return ignored
    case "StreamInterrupted":
      return ofRouterError(error.cause, wallMillis)
    case "AllTargetsFailed":
      // a chain as a target is as good as the last one of it
      return ofError(error.failures[error.failures.length - 1], wallMillis)
  }
}

const tagByStatus: ReadonlyMap<number, ErrorTable.Tag> = new Map(
  ErrorTable.rows.flatMap((row) => row.statuses.map((status) => [status, row.tag] as const))
)

/** Of an answer that nobody has read: its status is all there is. */
const ofStatus = (
  { headers, status }: HttpClientResponse.HttpClientResponse,
  wallMillis: number
): Verdict => {
  const tag = tagByStatus.get(status)
  switch (tag) {
    case "RateLimited":
    case "Auth":
    case "QuotaExhausted":
      return refused(tag, RetryAfter.fromHeaders(headers, wallMillis))
    case "Unavailable":
    case "Overloaded":
      return failure
    case undefined:
      return status >= 500 ? failure : success
    default:
      return success
  }
}

const ofPlatformError = (error: HttpClientError.HttpClientError, wallMillis: number): Verdict => {
  if (error._tag === "RequestError") {
    return error.reason === "Transport" ? failure : ignored
  }
  if (error.reason === "StatusCode") {
    // a redirect that was not followed is no answer
    return error.response.status < 400 ? failure : ofStatus(error.response, wallMillis)
  }
  return RouterError.isRouterError(error.cause) ? ofRouterError(error.cause, wallMillis) : failure
}

const ofError = (error: unknown, wallMillis: number): Verdict => {
  if (RouterError.isRouterError(error)) {
    return ofRouterError(error, wallMillis)
  }
  if (HttpClientError.isHttpClientError(error)) {
    return ofPlatformError(error, wallMillis)
  }
  return Cause.isTimeoutException(error) ? failure : ignored
}

/**
 * Judges how a call ended. Interruptions, defects and errors of unknown classes say nothing about a target. `wallMillis` is the time against
 * which a `Retry-After` date counts.
 */
export const of = (
  exit: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>,
  wallMillis: number
): Verdict =>
  Exit.isSuccess(exit)
    ? ofStatus(exit.value, wallMillis)
    : Option.match(Cause.failureOption(exit.cause), {
      onNone: () => ignored,
      onSome: (error) => ofError(error, wallMillis)
    })
