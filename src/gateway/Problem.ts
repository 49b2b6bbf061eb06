/**
 * What a client is told when it gets no answer: a status, and the error object of the OpenAI API.
 *
 * Every text is written here. Nothing of an upstream (its body, address, code or headers) and nothing of this process (a stack, a key) gets
 * into one; of the client's own request it names fields, never values.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import { formatPath } from "../internal/issues.js"
import type { Route } from "../Route.js"
import type * as RouterError from "../RouterError.js"
import * as Keys from "../wire/Keys.js"
import * as RequestKeys from "../wire/RequestKeys.js"
import * as RouterReport from "../wire/RouterReport.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Problem {
  readonly status: number
  readonly message: string
  readonly type: string
  /** The path of the field that is wrong, as it is spelled on the wire: `retry.on_codes[0]`. */
  readonly param: string | null
  readonly code: string
  /** When it is worth while to ask again. Sent in whole seconds, one at least and a day at most. */
  readonly retryAfter?: Duration.Duration | undefined
  /** What exactly it is, for a router that is the client (see `ChatCompletions.layerRemote`). */
  readonly report?: RouterReport.Report | undefined
  /** What was tried before. */
  readonly route?: Route | undefined
  /** More headers: `allow`, `connection`. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/**
 * The wait that a 429 or a 503 names when nobody knows a better one: one second, the shortest that the header can say.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultRetryAfter: Duration.Duration = Duration.seconds(1)

/** The `type` and the `code` that go with a status, where nothing more exact is known. */
const kinds = {
  400: { type: "invalid_request_error", code: "invalid_request_body" },
  401: { type: "authentication_error", code: "invalid_api_key" },
  403: { type: "permission_error", code: "loopback_only" },
  404: { type: "invalid_request_error", code: "not_found" },
  405: { type: "invalid_request_error", code: "method_not_allowed" },
  413: { type: "invalid_request_error", code: "request_too_large" },
  415: { type: "invalid_request_error", code: "unsupported_media_type" },
  429: { type: "rate_limit_error", code: "rate_limit_exceeded" },
  500: { type: "server_error", code: "internal_error" },
  502: { type: "server_error", code: "provider_error" },
  503: { type: "server_error", code: "service_unavailable" },
  504: { type: "server_error", code: "provider_timeout" }
} as const

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  status: keyof typeof kinds,
  message: string,
  more: Partial<Omit<Problem, "status" | "message">> = {}
): Problem => ({
  status,
  message,
  ...kinds[status],
  param: null,
  ...more,
  ...(status === 429 || status === 503 ? { retryAfter: more.retryAfter ?? defaultRetryAfter } : undefined)
})

/**
 * Something failed that should not be able to.
 *
 * @since 0.1.0
 * @category constructors
 */
export const internal: Problem = make(500, "the gateway failed")

/**
 * The gateway is being shut down. The connection is closed, so that the next request goes to another one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const shuttingDown: Problem = make(503, "the gateway is shutting down", {
  code: "shutting_down",
  headers: { connection: "close" }
})

/**
 * An answer that ends with a word of the provider's which says that it failed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const brokenAnswer = (route: Route): Problem => make(502, "the provider broke its answer off", { route })

/**
 * Whether the client would ask again in vain: what is wrong is for good, or the gateway has asked again itself. Clients that retry by
 * themselves would multiply its attempts.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFinal = ({ code, route, status }: Problem): boolean =>
  (route?.attempts.length ?? 0) > 1 || code === "provider_refused_key" ||
  status < 500 && status !== 408 && status !== 409 && status !== 429

/** A path as an error writes it, in parts again. */
const parts = /\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|[^.[\]]+/g

const toPath = (text: string): ReadonlyArray<PropertyKey> =>
  Array.from(text.matchAll(parts), ([whole, index, name]) => index === undefined ? name ?? whole : Number(index))

/** Errors of the service spell a path as in TypeScript; a path that is spelled as on the wire stays what it is. */
const toWirePath = (path: string): string => formatPath(Keys.pathToWire(RequestKeys.request, toPath(path)))

/** A field that holds the id of a model. */
const namesModel = (path: string): boolean => /(?:^|\.)model$/.test(path)

/** Where what is wrong is not the request but what fills it up. */
const ofDefaults = (path: string): boolean => path.startsWith("RouterDefaults.")

const issuesToText = (issues: ReadonlyArray<RouterError.Issue>): string =>
  issues.map(({ message, path }) => path === "" ? message : `${path}: ${message}`).join("; ")

/**
 * A request that is wrong, found in its body.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofFields = (issues: ReadonlyArray<RouterError.Issue>, more: Partial<Problem> = {}): Problem => {
  const spelled = issues.map(({ message, path }) => ({ message, path: toWirePath(path) }))
  return make(400, issuesToText(spelled), { param: spelled[0]?.path || null, ...more })
}

const unknownModel = (param: string | null, route: Route | undefined): Problem =>
  make(404, "the model does not exist, or there is no provider of that name", {
    param,
    code: "model_not_found",
    route
  })

const ofInvalidRequest = ({ issues, route }: RouterError.InvalidRequest): Problem => {
  const [first] = issues
  if (first === undefined) {
    return make(400, "the provider refused the request as invalid", { code: "invalid_request", route })
  }
  if (issues.some(({ path }) => ofDefaults(path))) {
    return { ...internal, route }
  }
  // the form of the body was checked before: of a model nothing else can be wrong any more
  return issues.every(({ path }) => namesModel(path))
    ? unknownModel(toWirePath(first.path), route)
    : ofFields(issues, { route })
}

/** What a client can change about a prompt of the store is what fills it: its text is not the client's. */
const ofTemplate = ({ issues, promptId, reason, route }: RouterError.TemplateError): Problem => {
  if (promptId === undefined) {
    return ofFields(issues, { route })
  }
  return reason === "missingVariable" || reason === "invalidValue" || reason === "raised"
    ? ofFields(issues, { route, param: "variables" })
    : { ...internal, route }
}

const soonest = (durations: ReadonlyArray<Duration.Duration | undefined>): Duration.Duration | undefined =>
  durations.reduce((least, one) => least && one ? Duration.min(least, one) : least ?? one, undefined)

/** What may have passed when the client asks again. */
const passes = ({ code, status }: Problem): boolean =>
  status === 429 || status >= 502 && code !== "provider_refused_key"

/**
 * Of several failures the last that may pass by itself is told, with the shortest of the waits: the client can do something with that, and
 * nothing with a prompt that was too long for a stand-in. Where none may pass, the last one is told.
 */
const ofAll = ({ failures, route }: RouterError.AllTargetsFailed<RouterError.TargetError>): Problem => {
  const problems = failures.map(told)
  const passing = problems.filter(passes)
  const last = passing.at(-1) ?? problems.at(-1) ?? internal
  return last.retryAfter === undefined
    ? { ...last, route }
    : { ...last, route, retryAfter: soonest(passing.map(({ retryAfter }) => retryAfter)) }
}

/**
 * What a client is told of an error of the router. The table:
 *
 * | error | status | code |
 * |---|---|---|
 * | `InvalidRequest` (a field) | 400 | `invalid_request_body`, `param` is the path |
 * | `InvalidRequest` (a model without a provider), `NotFound` | 404 | `model_not_found` |
 * | `InvalidRequest` (the provider's word) | 400 | `invalid_request` |
 * | `TemplateError`, `PromptNotFound` | 400, 404 | `invalid_request_body`, `prompt_not_found` |
 * | `TemplateError` (the text of a stored prompt) | 500 | `internal_error` |
 * | `PromptInvalid`, `PromptUnavailable` | 500, 503 | `internal_error`, `service_unavailable` |
 * | `ContextLengthExceeded`, `ContentFiltered` | 400 | `context_length_exceeded`, `content_filter` |
 * | `RateLimited`, `CoolingDown`, `RateLimitExceeded` | 429 | `rate_limit_exceeded` |
 * | `Unavailable`, `BreakerOpen`, `ConcurrencyExceeded` | 503 | `service_unavailable` |
 * | `Overloaded` | 503 | `provider_overloaded` |
 * | `Timeout`, `DeadlineExceeded` | 504 | `provider_timeout`, `request_timeout` |
 * | `Auth`, `QuotaExhausted` (the key of the client is fine) | 502 | `provider_refused_key` |
 * | `Transport`, `BadResponse`, `EmptyCompletion`, `ResponseTooLarge`, `StreamTruncated` | 502 | `provider_error` |
 * | `StreamInterrupted` | that of its cause | |
 * | `AllTargetsFailed` | that of the last failure that may pass by itself, else of the last one | |
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofRouterError = (error: RouterError.RouterError): Problem => {
  const problem = told(error)
  // a report names the class and the place of what is wrong with a prompt; the fields of the gateway's own defaults are no place of the request
  return error._tag === "InvalidRequest" && problem.code === internal.code
    ? problem
    : { ...problem, report: RouterReport.encode(error) }
}

const told = (error: RouterError.RouterError): Problem => {
  const { route } = error
  switch (error._tag) {
    case "InvalidRequest":
      return ofInvalidRequest(error)
    case "TemplateError":
      return ofTemplate(error)
    case "PromptNotFound":
      return make(404, "there is no such prompt, or not in that version", {
        param: "prompt",
        code: "prompt_not_found",
        route
      })
    case "PromptInvalid":
      return { ...internal, route }
    case "PromptUnavailable":
      return make(503, "the prompts cannot be read at the moment", { route })
    case "NotFound":
      return unknownModel("model", route)
    case "ContextLengthExceeded":
      return make(400, "the prompt is longer than the model's context", {
        param: "messages",
        code: "context_length_exceeded",
        route
      })
    case "ContentFiltered":
      return make(400, "the provider's content filter refused the prompt", {
        param: "messages",
        code: "content_filter",
        route
      })
    case "RateLimited":
    case "CoolingDown":
    case "RateLimitExceeded":
      return make(429, "the provider's rate limit is reached", { retryAfter: error.retryAfter, route })
    case "Unavailable":
    case "BreakerOpen":
      return make(503, "the provider is unavailable", { retryAfter: error.retryAfter, route })
    case "Overloaded":
      return make(503, "the provider is overloaded", {
        code: "provider_overloaded",
        retryAfter: error.retryAfter,
        route
      })
    case "ConcurrencyExceeded":
      return make(503, "too many requests to the provider are under way", { route })
    case "Timeout":
      return make(504, "the provider did not answer in time", { route })
    case "DeadlineExceeded":
      return make(504, "the time for the request is over", { code: "request_timeout", route })
    case "Auth":
    case "QuotaExhausted":
      return make(502, "the provider refuses the router", { code: "provider_refused_key", route })
    case "Transport":
      return make(502, "the connection to the provider failed", { route })
    case "BadResponse":
    case "EmptyCompletion":
    case "ResponseTooLarge":
    case "StreamTruncated":
      return make(502, "the provider gave no proper answer", { route })
    case "StreamInterrupted":
      return { ...told(error.cause), route }
    case "AllTargetsFailed":
      return ofAll(error)
  }
}

/**
 * The body of an error answer, and the data of an error in a stream: with a report for a client that wants them.
 *
 * @since 0.1.0
 * @category encoding
 */
export const toBody = ({ code, message, param, report, type }: Problem, reports = false) => ({
  error: { message, type, param, code },
  ...(reports && report && { router: report })
})
