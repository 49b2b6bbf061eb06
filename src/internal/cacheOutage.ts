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

/**
 * Whether the provider, or the way to it, is out of order: nothing is wrong with the request, and an old answer is better than none. Of
 * several targets it has to be all of them, those that nothing was sent to included.
 *
 * @internal
 */
export const isOutage = (error: unknown): boolean => {
  if (RouterError.isRouterError(error)) {
    return error._tag === "AllTargetsFailed"
      ? error.failures.every((failure) => RouterError.isNotSent(failure) || isOutage(failure))
      : outages.has(error._tag)
  }
  return HttpClientError.isHttpClientError(error) ? isPlatformOutage(error) : Cause.isTimeoutException(error)
}
