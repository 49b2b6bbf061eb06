/**
 * The errors of the router as those that every model of `@effect/ai` has.
 *
 * No text says more than the message of the router's error, which shows no key, no prompt and no body.
 *
 * @since 0.1.0
 */
import * as AiError from "@effect/ai/AiError"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { RoutedCompletion } from "../ChatCompletions.js"
import * as Route from "../Route.js"
import * as RouterError from "../RouterError.js"
import { UnusableCompletion } from "./UnusableCompletion.js"

/**
 * The `module` of each error.
 *
 * @since 0.1.0
 * @category constants
 */
export const moduleName = "RouterLanguageModel"

/** What an `HttpRequestError` and an `HttpResponseError` show of the request. Its address is the provider's affair, its headers have the key. */
const request: typeof AiError.HttpRequestDetails.Type = {
  method: "POST",
  url: "/chat/completions",
  urlParams: [],
  hash: Option.none(),
  headers: {}
}

interface Described {
  readonly module: string
  readonly method: string
  readonly description: string
  readonly cause: RouterError.RouterError
}

interface Answer {
  readonly status?: number | undefined
  readonly impliedStatus?: number | undefined
  readonly headers?: { readonly [name: string]: string } | undefined
}

/** The class has no field for a cause, so it stands where every JavaScript error has it. */
const refused = (answer: Answer, fallbackStatus: number, { cause, ...described }: Described): AiError.AiError => {
  const status = answer.impliedStatus ?? answer.status
  const error = new AiError.HttpResponseError({
    ...described,
    reason: "StatusCode",
    request,
    response: {
      // an error inside a 200 is none of the status 200
      status: status !== undefined && status >= 400 ? status : fallbackStatus,
      headers: answer.headers ?? {}
    }
  })
  return Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true })
}

const classify = (error: RouterError.RouterError, described: Described): AiError.AiError => {
  switch (error._tag) {
    case "Transport":
    case "Timeout":
    case "DeadlineExceeded":
      return new AiError.HttpRequestError({ ...described, reason: "Transport", request })
    case "RateLimited":
    case "QuotaExhausted":
      return refused(error, 429, described)
    case "Unavailable":
    case "Overloaded":
      return refused(error, 503, described)
    case "Auth":
      return refused(error, 401, described)
    case "NotFound":
      return refused(error, 404, described)
    case "ContextLengthExceeded":
    case "ContentFiltered":
      return refused(error, 400, described)
    case "InvalidRequest":
      return error.issues.length === 0 ? refused(error, 400, described) : new AiError.MalformedInput(described)
    case "TemplateError":
    case "PromptNotFound":
    case "PromptInvalid":
      return new AiError.MalformedInput(described)
    case "BadResponse":
    case "EmptyCompletion":
    case "ResponseTooLarge":
    case "StreamTruncated":
      return new AiError.MalformedOutput(described)
    case "BreakerOpen":
    case "CoolingDown":
    case "ConcurrencyExceeded":
    case "RateLimitExceeded":
    case "PromptUnavailable":
      return new AiError.UnknownError(described)
    case "StreamInterrupted":
      return classify(error.cause, described)
    case "AllTargetsFailed":
      return classify(error.failures[error.failures.length - 1] ?? error.failures[0], described)
  }
}

/**
 * The error of `@effect/ai` for one of the router, which is its `cause`:
 *
 * | error of the router | error |
 * |---|---|
 * | `Transport`, `Timeout`, `DeadlineExceeded` | `HttpRequestError` |
 * | a provider's refusal: `RateLimited`, `QuotaExhausted`, `Unavailable`, `Overloaded`, `Auth`, `NotFound`, `ContextLengthExceeded`, `ContentFiltered`, `InvalidRequest` without issues | `HttpResponseError` with its status |
 * | `InvalidRequest` with issues, `TemplateError`, `PromptNotFound`, `PromptInvalid` | `MalformedInput` |
 * | `BadResponse`, `EmptyCompletion`, `ResponseTooLarge`, `StreamTruncated` | `MalformedOutput` |
 * | nothing was sent: `BreakerOpen`, `CoolingDown`, `ConcurrencyExceeded`, `RateLimitExceeded`, `PromptUnavailable` | `UnknownError` |
 * | `StreamInterrupted` | that of its cause |
 * | `AllTargetsFailed` | that of the target that was tried last |
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromRouterError = (method: string) => (error: RouterError.RouterError): AiError.AiError =>
  classify(error, { module: moduleName, method, description: error.message, cause: error })

/**
 * What is asked cannot be told to a router. Nothing was sent, so the route of its `cause` is empty.
 *
 * @since 0.1.0
 * @category constructors
 */
export const malformedInput = (method: string, description: string): AiError.MalformedInput =>
  new AiError.MalformedInput({
    module: moduleName,
    method,
    description,
    cause: new RouterError.InvalidRequest({ route: Route.empty, issues: [{ path: "", message: description }] })
  })

/**
 * An answer is of no use. `description` is to show none of its text: the `cause` has it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const malformedOutput = (
  method: string,
  description: string,
  completion: RoutedCompletion
): AiError.MalformedOutput =>
  new AiError.MalformedOutput({
    module: moduleName,
    method,
    description,
    // what a router gave is a completion: to check it again could only hide this error
    cause: new UnusableCompletion(
      { reason: description, route: completion.route, completion: Redacted.make(completion) },
      { disableValidation: true }
    )
  })
