/**
 * From the errors of the router to those of the published SDK.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import * as Problem from "../gateway/Problem.js"
import * as Reply from "../gateway/Reply.js"
import type * as RouterError from "../RouterError.js"
import * as Errors from "./Errors.js"
import * as Exchange from "./Exchange.js"

const occurred = "API error occurred"

const unexpected = "Unexpected Status or Content-Type"

/** The answer that the gateway would give. */
const told = (error: RouterError.RouterError): Errors.APIError => {
  const problem = Problem.ofRouterError(error)
  const { headers, status } = Reply.problem(problem)
  const body = JSON.stringify(Problem.toBody(problem))
  return new Errors.APIError(occurred, {
    response: Exchange.response(status, new Headers(headers), body),
    body,
    cause: error
  })
}

/**
 * An error of a router in this process. No HTTP answer stands behind it: it is the one that the gateway would have given, so that code
 * written for the hosted router finds the same.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofLocal = (error: RouterError.RouterError): Errors.CallError => told(error)

/** What an error in the middle of a stream is about. */
const reasonOf = (error: RouterError.RouterError): RouterError.RouterError =>
  error._tag === "StreamInterrupted" ? error.cause : error

/** The call did not come to an answer, or not to the end of one. */
const withoutAnswer = (error: RouterError.RouterError, request: unknown): Errors.CallError => {
  switch (reasonOf(error)._tag) {
    case "InvalidRequest":
      return new Errors.SDKValidationError("Input validation failed", error, request)
    case "Timeout":
    case "DeadlineExceeded":
      return new Errors.RequestTimeoutError("Request timed out", { cause: error })
    case "Transport":
      return new Errors.ConnectionError("Unable to make request", { cause: error })
    default:
      return new Errors.UnexpectedClientError("Unexpected HTTP client error", { cause: error })
  }
}

/**
 * Whether it is the connection to the router that failed, and not one that the router tells of. Errors have a target: over there it is a
 * `provider/model`, here the router's host or nothing.
 */
const isOurs = (reason: RouterError.RouterError): boolean =>
  (reason._tag === "Transport" || reason._tag === "Timeout" || reason._tag === "DeadlineExceeded") &&
  reason.target?.includes("/") !== true

const isExpectedType = ({ headers }: Exchange.Answer): boolean =>
  /^\s*(?:application\/json|text\/event-stream)\s*(?:;|$)/i.test(headers.get("content-type") ?? "")

const bodyOf = (error: RouterError.RouterError): string | undefined =>
  "body" in error && error.body !== undefined ? Redacted.value(error.body) : undefined

/** What cannot be used, where the router itself does not say that anything failed. */
const unusable: ReadonlySet<RouterError.RouterError["_tag"]> = new Set([
  "BadResponse",
  "EmptyCompletion",
  "ResponseTooLarge",
  "StreamTruncated"
])

/** A success that holds an error: it has the status that the error stands for. */
const inside = (error: RouterError.RouterError, answer: Exchange.Answer, secrets: ReadonlyArray<string>) => {
  const reason = reasonOf(error)
  const problem = Problem.ofRouterError(reason)
  const status = "impliedStatus" in reason && reason.impliedStatus !== undefined ? reason.impliedStatus : problem.status
  const { body, response } = Exchange.toResponse(
    { ...answer, status },
    secrets,
    bodyOf(reason) ?? JSON.stringify(Problem.toBody(problem))
  )
  return new Errors.APIError(occurred, { response, body, cause: error })
}

/**
 * The call that an error is of.
 *
 * @since 0.1.0
 * @category models
 */
export interface Origin {
  readonly request: unknown
  /** The last answer of the call. */
  readonly answer: Exchange.Answer | undefined
  /** What is taken out of the answer. */
  readonly secrets: ReadonlyArray<string>
}

/**
 * An error of a router behind HTTP.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofHosted = (
  error: RouterError.RouterError,
  { answer, request, secrets }: Origin
): Errors.CallError => {
  const reason = reasonOf(error)
  if (answer === undefined || isOurs(reason)) {
    return withoutAnswer(error, request)
  }
  const answered = { ...Exchange.toResponse(answer, secrets), cause: error }
  if (answer.status < 200 || answer.status > 299) {
    return new Errors.APIError(answer.status < 400 ? unexpected : occurred, answered)
  }
  if (!isExpectedType(answer)) {
    return new Errors.APIError(unexpected, answered)
  }
  return unusable.has(reason._tag)
    ? new Errors.ResponseValidationError("Response validation failed", answered)
    : inside(error, answer, secrets)
}
