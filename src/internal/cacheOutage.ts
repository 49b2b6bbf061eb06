import * as HttpClientError from "@effect/platform/HttpClientError"
import * as Cause from "effect/Cause"
import * as RouterError from "../RouterError.js"

const outages: ReadonlySet<RouterError.RouterError["_tag"]> = new Set([
  "Transport",
  "Timeout",
  "Unavailable",
  "Overloaded",
  "BadResponse",
  "EmptyCompletion",
  "StreamTruncated",
  "BreakerOpen"
])

/** The statuses that RFC 5861 allows a stale answer for. */
const statuses: ReadonlySet<number> = new Set([500, 502, 503, 504])

const isPlatformOutage = (error: HttpClientError.HttpClientError): boolean => {
  if (error._tag === "RequestError") {
    return error.reason === "Transport"
  }
  return RouterError.isRouterError(error.cause)
    ? isOutage(error.cause)
    : error.reason !== "StatusCode" || statuses.has(error.response.status)
}

/** A target that nothing was sent to is out of reach, too, beside one that is out of order; but a refused account is no outage. */
const isOutOfReach = (error: unknown): boolean =>
  RouterError.isNotSent(error) && !(error._tag === "CoolingDown" && error.reason !== "RateLimited")

/**
 * Whether the provider, or the way to it, is out of order: nothing is wrong with the request, and an old answer is better than none. Of
 * several targets, one has to be out of order and the others out of reach at least.
 *
 * @internal
 */
export const isOutage = (error: unknown): boolean => {
  if (RouterError.isRouterError(error)) {
    return error._tag === "AllTargetsFailed"
      ? error.failures.some(isOutage) && error.failures.every((failure) => isOutOfReach(failure) || isOutage(failure))
      : outages.has(error._tag)
  }
  return HttpClientError.isHttpClientError(error) ? isPlatformOutage(error) : Cause.isTimeoutException(error)
}
