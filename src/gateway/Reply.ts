/**
 * Responses: their headers, and the bodies that are JSON.
 *
 * @since 0.1.0
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type { Route } from "../Route.js"
import * as RouterReport from "../wire/RouterReport.js"
import * as Problem from "./Problem.js"

/**
 * Visible characters, with spaces inside at most. What a header repeats of a request or of an upstream's answer is checked by it again: a line
 * break in it would be another header.
 */
const visible = /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/

const isVisible = (value: string | undefined): value is string => value !== undefined && visible.test(value)

/** Ids that clients and proxies make are shorter. */
const maxIdLength = 128

const word = Effect.map(Random.nextIntBetween(0, 2 ** 31), (bits) => bits.toString(16).padStart(8, "0"))

/**
 * The client's own `x-request-id` if it can be one, or else a new one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const requestId = (given: string | undefined): Effect.Effect<string> =>
  isVisible(given) && given.length <= maxIdLength
    ? Effect.succeed(given)
    : Effect.map(Effect.all([word, word, word, word]), (words) => `req_${words.join("")}`)

/**
 * The route of a call as headers: the target that served (`x-router-model`), how many attempts there were (`x-router-attempts`), what the cache
 * did (`x-router-cache`), and for a client that wants reports all of it.
 *
 * @since 0.1.0
 * @category encoding
 */
export const routeHeaders = (route: Route | undefined, reports: boolean): Record<string, string> => {
  if (route === undefined) {
    return {}
  }
  const { attempts, cache, served } = route
  const whole = reports ? RouterReport.encodeRoute(route) : undefined
  return {
    ...(isVisible(served) ? { "x-router-model": served } : undefined),
    "x-router-attempts": String(attempts.length),
    "x-router-cache": cache,
    ...(whole === undefined ? undefined : { [RouterReport.routeHeader]: whole })
  }
}

const encoder = new TextEncoder()

/**
 * A body in JSON. It is sent as a stream of one piece: the sending of a whole body cannot be interrupted, and on a connection that breaks
 * meanwhile never ends.
 *
 * @since 0.1.0
 * @category constructors
 */
export const json = (
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {}
): HttpServerResponse.HttpServerResponse => {
  const bytes = encoder.encode(JSON.stringify(body))
  return HttpServerResponse.stream(Stream.succeed(bytes), {
    status,
    headers,
    contentType: "application/json",
    contentLength: bytes.length
  })
}

/**
 * The last answer, of a request that is interrupted: nothing that can be interrupted would be sent.
 *
 * @since 0.1.0
 * @category constructors
 */
export const farewell: HttpServerResponse.HttpServerResponse = HttpServerResponse.unsafeJson(
  Problem.toBody(Problem.shuttingDown),
  { status: 503, headers: { ...Problem.shuttingDown.headers, "retry-after": "1" } }
)

/** The longest wait that a client is told, in seconds: a day. Some upstreams name years, and one that is hostile names any number. */
const maxRetryAfterSeconds = 24 * 60 * 60

const toSeconds = (retryAfter: Duration.Duration): number =>
  Math.min(maxRetryAfterSeconds, Math.max(1, Math.ceil(Duration.toSeconds(retryAfter))))

/**
 * The answer that says what is wrong, with a report for a client that wants them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const problem = (problem: Problem.Problem, reports = false): HttpServerResponse.HttpServerResponse => {
  const { headers, retryAfter, route, status } = problem
  return json(status, Problem.toBody(problem, reports), {
    ...routeHeaders(route, reports),
    ...(retryAfter && { "retry-after": String(toSeconds(retryAfter)) }),
    ...(Problem.isFinal(problem) && { "x-should-retry": "false" }),
    ...headers
  })
}
