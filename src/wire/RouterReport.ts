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
import { isObject, type JsonObject } from "../internal/wire.js"
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

/** The longest text in a report that is taken as it is, in characters: names and messages of this library are shorter. */
const maxTextLength = 512

/** How many things a list in a report can have: targets that failed, fields that are wrong. */
const maxItems = 1000

/** A time until which something lasts, in milliseconds: some 24 days, the longest that a timer can be set to. */
const maxMillis = 2 ** 31 - 1

/** Levels of a report: an error, the failures in it, their issues, a field of one. */
const maxDepth = 6

/** Whoever writes a report may be anybody: what becomes part of an error is short, without line breaks, and a number that can be waited for. */
const bounded = (value: unknown, depth = 0): unknown => {
  if (typeof value === "string") {
    return value.slice(0, maxTextLength).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\ufffd")
  }
  if (typeof value === "number") {
    return Math.min(Math.max(0, value), maxMillis)
  }
  if (typeof value !== "object" || value === null || depth === maxDepth) {
    return typeof value === "boolean" ? value : null
  }
  return Array.isArray(value)
    ? value.slice(0, maxItems).map((item) => bounded(item, depth + 1))
    : Object.fromEntries(
      Object.entries(value).slice(0, maxItems).map(([name, member]) => [name, bounded(member, depth + 1)])
    )
}

const decodeMembers = Schema.decodeUnknownOption(Single)

const decodeSingle = (report: JsonObject): Single | undefined =>
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
  json: unknown
): Single | RouterError.AllTargetsFailed<RouterError.TargetError> | undefined => {
  const report = bounded(json)
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

/** The last instant that a date can be. */
const maxInstant = 8.64e15

/** Times are those of an attempt, and texts those of this library. */
const isPlausible = ({ attempts, cacheAgeMillis = 0 }: Route.Route, text: string): boolean =>
  !/\\u00[01]|\\[nrtbf]/.test(text) &&
  [cacheAgeMillis, ...attempts.flatMap((each) => [each.startedAtMillis, each.durationMillis, each.waitMillis])]
    .every((millis) => millis >= 0 && millis <= maxInstant)

/**
 * The route in a header, or `undefined` when there is none.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeRoute = (header: string | undefined): Route.Route | undefined =>
  header === undefined || header.length > maxRouteLength
    ? undefined
    : Json.parse(header).pipe(
      Either.getRight,
      Option.flatMap(decodeJson),
      Option.filter((route) => isPlausible(route, header)),
      Option.getOrUndefined
    )
