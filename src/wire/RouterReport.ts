/**
 * What a router behind a connection tells the one in front of it: the class of an error with what the class holds, and the route.
 *
 * The published API has a status, a message and a code for an error, and no route at all. To a client that asks for it (`x-router-report`) a
 * gateway of this library says more: a member `router` in the body of an error, and a header `x-router-route`. `ChatCompletions.layerRemote`
 * asks. Both say what this library itself decided: nothing that a provider or a store wrote, no header and no text of a prompt.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { isObject } from "../internal/wire.js"
import * as Route from "../Route.js"
import * as RouterError from "../RouterError.js"
import * as Json from "./Json.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly [member: string]: unknown
  readonly _tag: string
}

/** The errors that say nothing of other ones. */
const Single = Schema.Union(
  RouterError.Transport,
  RouterError.Timeout,
  RouterError.DeadlineExceeded,
  RouterError.Unavailable,
  RouterError.Overloaded,
  RouterError.RateLimited,
  RouterError.QuotaExhausted,
  RouterError.Auth,
  RouterError.NotFound,
  RouterError.InvalidRequest,
  RouterError.ContextLengthExceeded,
  RouterError.ContentFiltered,
  RouterError.BadResponse,
  RouterError.EmptyCompletion,
  RouterError.ResponseTooLarge,
  RouterError.StreamTruncated,
  RouterError.BreakerOpen,
  RouterError.CoolingDown,
  RouterError.ConcurrencyExceeded,
  RouterError.RateLimitExceeded,
  RouterError.TemplateError,
  RouterError.PromptNotFound,
  RouterError.PromptInvalid,
  RouterError.PromptUnavailable
)

type Single = typeof Single.Type

/** What a provider wrote, and what is said elsewhere. */
const hidden: ReadonlySet<string> = new Set(["headers", "body", "code", "route"])

/** What went wrong in detail is for those who keep the other side. */
const shown = (error: Single): Single => {
  switch (error._tag) {
    case "BadResponse":
      return new RouterError.BadResponse({ ...error, reason: "the answer is no completion" })
    case "PromptInvalid":
      return new RouterError.PromptInvalid({ promptId: error.promptId, version: error.version, issues: [] })
    case "PromptUnavailable":
      return new RouterError.PromptUnavailable({ ...error, reason: "Unavailable" })
    default:
      return error
  }
}

const encodeMembers = Schema.encodeOption(Single)

const encodeSingle = (error: Single): Report => ({
  ...Object.fromEntries(
    Object.entries(Option.getOrElse(encodeMembers(shown(error)), () => ({})))
      .filter(([name, value]) => value !== undefined && !hidden.has(name))
  ),
  _tag: error._tag
})

/**
 * An error as the other side may know it.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (error: RouterError.RouterError): Report => {
  switch (error._tag) {
    case "AllTargetsFailed":
      return { _tag: error._tag, failures: error.failures.map(encode) }
    case "StreamInterrupted":
      return { _tag: error._tag, cause: encode(error.cause) }
    default:
      return encodeSingle(error)
  }
}

const decodeMembers = Schema.decodeUnknownOption(Single)

const decodeSingle = (report: { readonly [member: string]: unknown }): Single | undefined =>
  Option.getOrUndefined(decodeMembers(
    Object.fromEntries(Object.entries(report).filter(([name]) => !hidden.has(name)))
  ))

const decodeAll = (
  failures: ReadonlyArray<unknown>
): RouterError.AllTargetsFailed<RouterError.TargetError> | undefined => {
  const errors = failures.flatMap((failure): ReadonlyArray<RouterError.TargetError> => {
    const error = isObject(failure) ? decodeSingle(failure) : undefined
    return RouterError.isTargetError(error) ? [error] : []
  })
  return Arr.isNonEmptyReadonlyArray(errors) && errors.length === failures.length
    ? RouterError.allTargetsFailed(errors)
    : undefined
}

/**
 * The error that a report is, or `undefined` when it is none. Of a stream that was interrupted it is what interrupted it: the part of the
 * answer that came is known to whoever reads it.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (
  report: unknown
): Single | RouterError.AllTargetsFailed<RouterError.TargetError> | undefined => {
  if (!isObject(report)) {
    return undefined
  }
  if (report["_tag"] === "StreamInterrupted") {
    return isObject(report["cause"]) ? decodeSingle(report["cause"]) : undefined
  }
  return report["_tag"] === "AllTargetsFailed" && Array.isArray(report["failures"])
    ? decodeAll(report["failures"])
    : decodeSingle(report)
}

/**
 * The header of a request whose client wants reports: any value.
 *
 * @since 0.1.0
 * @category constants
 */
export const requestHeader = "x-router-report"

/**
 * The header of the route in an answer.
 *
 * @since 0.1.0
 * @category constants
 */
export const routeHeader = "x-router-route"

/**
 * The longest route that is sent, in characters: 4 KiB, some 25 attempts. Servers and proxies refuse headers of more than 8 or 16 KiB in all.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxRouteLength = 4096

/**
 * A route as the value of a header, or `undefined` when it is too long for one.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeRoute = (route: Route.Route): string | undefined => {
  // a header is visible ASCII: names of variables may be more
  const text = JSON.stringify(route).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
  )
  return text.length > maxRouteLength ? undefined : text
}

const decodeJson = Schema.decodeUnknownOption(Route.Route)

/**
 * The route in a header, or `undefined` when there is none.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeRoute = (header: string | undefined): Route.Route | undefined =>
  header === undefined || header.length > maxRouteLength
    ? undefined
    : Option.getOrUndefined(Option.flatMap(Either.getRight(Json.parse(header)), decodeJson))
