/**
 * The error classes of the published SDK, with its names, its members and its messages:
 *
 * ```text
 * Error
 * ├─ OrqError                   there is an answer: statusCode, body, headers, contentType, rawResponse
 * │  ├─ APIError                the answer says no
 * │  └─ ResponseValidationError the answer says yes, and is no completion
 * ├─ HTTPClientError            there is no answer
 * │  ├─ ConnectionError · RequestAbortedError · RequestTimeoutError · InvalidRequestError · UnexpectedClientError
 * └─ SDKValidationError         the request is wrong, and was not sent
 * ```
 *
 * `cause` is the `RouterError`, where there is one. What the SDK lets through as a `SyntaxError`, a `ZodError` or a `DOMException` is one of
 * these classes here.
 *
 * @since 0.1.0
 */
import { isRouterError, type RouterError } from "../RouterError.js"

/** Only errors of this library are known to say nothing that is secret. */
const withCause = (message: string, cause: unknown): string =>
  isRouterError(cause) ? `${message}: ${cause.message}` : message

const causeOptions = (cause: unknown): ErrorOptions | undefined => cause === undefined ? undefined : { cause }

/**
 * The answer that an error is about.
 *
 * @since 0.1.0
 * @category models
 */
export interface Answered {
  /** Its body may have been read. */
  readonly response: Response
  /** The body as text. */
  readonly body: string
  readonly cause?: unknown
}

/**
 * Errors that an HTTP answer stands behind.
 *
 * @since 0.1.0
 * @category errors
 */
export class OrqError extends Error {
  override name = "OrqError"
  /**
   * The HTTP status.
   *
   * @since 0.1.0
   */
  readonly statusCode: number
  /**
   * The body of the answer, as text: at most its first 64 KiB. Providers may repeat the prompt in it.
   *
   * @since 0.1.0
   */
  readonly body: string
  /**
   * @since 0.1.0
   */
  readonly headers: Headers
  /**
   * The `content-type`, or `""`.
   *
   * @since 0.1.0
   */
  readonly contentType: string
  /**
   * The answer, made again of its status, headers and body.
   *
   * @since 0.1.0
   */
  readonly rawResponse: Response

  constructor(message: string, { body, cause, response }: Answered) {
    super(message, causeOptions(cause))
    this.statusCode = response.status
    this.body = body
    this.headers = response.headers
    this.contentType = response.headers.get("content-type") ?? ""
    this.rawResponse = response
  }
}

/** How much of a body a message shows, in characters: as the published SDK. */
const maxShownLength = 10_000

/** A body longer than this begins on a line of its own, in characters: as the published SDK. */
const maxInlineLength = 100

const quoted = (text: string): string => text === "" ? "\"\"" : text

const describeAnswer = (message: string, { body, response }: Answered): string => {
  const contentType = quoted(response.headers.get("content-type") ?? "")
  const type = contentType.includes(" ") ? `"${contentType}"` : contentType
  const status = `Status ${response.status}${contentType === "application/json" ? "" : ` Content-Type ${type}`}`
  const text = quoted(body)
  const shown = text.length > maxShownLength
    ? `${text.slice(0, maxShownLength)}...and ${text.length - maxShownLength} more chars`
    : text
  return `${message}: ${status}${text.length > maxInlineLength ? "\n" : ". "}Body: ${shown}`.trim()
}

/**
 * The answer says no: a status of 400 or above, or one that nobody expects. The message shows the body, as the published SDK does.
 *
 * @since 0.1.0
 * @category errors
 */
export class APIError extends OrqError {
  override name = "APIError"

  constructor(message: string, answered: Answered) {
    super(describeAnswer(message, answered), answered)
  }
}

const define = (error: Error, name: string, value: unknown): void => {
  Object.defineProperty(error, name, { value, enumerable: false, configurable: true, writable: true })
}

const prettyOf = (error: Error & { readonly rawMessage: unknown }): string => {
  const { cause } = error
  if (!isRouterError(cause) || cause._tag !== "InvalidRequest" || cause.issues.length === 0) {
    return String(error)
  }
  return [error.rawMessage, ...cause.issues.map(({ message, path }) => `  ${path || "<root>"}: ${message}`)].join("\n")
}

/**
 * The answer says yes, but is no whole completion: another shape, an error inside, no choices, a stream that ends too early.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResponseValidationError extends OrqError {
  override name = "ResponseValidationError"
  /**
   * What was not valid: the body. Not enumerable, so that a log does not show it.
   *
   * @since 0.1.0
   */
  declare readonly rawValue: unknown
  /**
   * The message without what exactly is wrong.
   *
   * @since 0.1.0
   */
  readonly rawMessage: unknown

  constructor(message: string, answered: Answered) {
    super(withCause(message, answered.cause), answered)
    define(this, "rawValue", answered.body)
    this.rawMessage = message
  }

  /**
   * @since 0.1.0
   */
  pretty(): string {
    return prettyOf(this)
  }
}

/**
 * The request is wrong, and nothing was sent. The message names each field that is wrong, by its path and what is expected there.
 *
 * As with the published SDK, a `ResponseValidationError` is an instance of it, too.
 *
 * @since 0.1.0
 * @category errors
 */
export class SDKValidationError extends Error {
  override name = "SDKValidationError"
  /**
   * The request. Not enumerable, so that a log does not show it.
   *
   * @since 0.1.0
   */
  declare readonly rawValue: unknown
  /**
   * The message without what exactly is wrong.
   *
   * @since 0.1.0
   */
  readonly rawMessage: unknown

  /**
   * @since 0.1.0
   */
  static override [Symbol.hasInstance](instance: unknown): instance is SDKValidationError {
    return instance instanceof Error && "rawValue" in instance && "rawMessage" in instance &&
      "pretty" in instance && typeof instance.pretty === "function"
  }

  constructor(message: string, cause: unknown, rawValue: unknown) {
    super(withCause(message, cause), causeOptions(cause))
    define(this, "rawValue", rawValue)
    this.rawMessage = message
  }

  /**
   * The message with each field on a line of its own.
   *
   * @since 0.1.0
   */
  pretty(): string {
    return prettyOf(this)
  }
}

/**
 * Errors without an answer.
 *
 * @since 0.1.0
 * @category errors
 */
export class HTTPClientError extends Error {
  override name: string = "HTTPClientError"

  constructor(message: string, options: { readonly cause?: unknown } = {}) {
    super(withCause(message, options.cause), causeOptions(options.cause))
  }
}

/**
 * The connection failed: refused, reset, DNS, TLS, or broken while the answer came.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionError extends HTTPClientError {
  override readonly name = "ConnectionError"
}

/**
 * The caller's signal was aborted, or the client was closed. `cause` is the reason of the signal.
 *
 * @since 0.1.0
 * @category errors
 */
export class RequestAbortedError extends HTTPClientError {
  override readonly name = "RequestAbortedError"
}

/**
 * `timeoutMs` has passed, or the caller's signal is one of `AbortSignal.timeout`.
 *
 * @since 0.1.0
 * @category errors
 */
export class RequestTimeoutError extends HTTPClientError {
  override readonly name = "RequestTimeoutError"
}

/**
 * An option of the client or of the call is wrong.
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidRequestError extends HTTPClientError {
  override readonly name = "InvalidRequestError"
}

/**
 * Everything else: the function that gives the key failed, the Layer of the router could not be built, the client is closed.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnexpectedClientError extends HTTPClientError {
  override readonly name = "UnexpectedClientError"
}

/**
 * Every error that a call can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type CallError =
  | OrqError
  | ResponseValidationError
  | ConnectionError
  | RequestAbortedError
  | RequestTimeoutError
  | InvalidRequestError
  | UnexpectedClientError
  | SDKValidationError

/**
 * @since 0.1.0
 * @category guards
 */
export const isCallError = (u: unknown): u is CallError =>
  u instanceof OrqError || u instanceof HTTPClientError || u instanceof SDKValidationError

/**
 * The error of the router behind an error of these classes, with the route of the call.
 *
 * @since 0.1.0
 * @category getters
 */
export const routerErrorOf = (error: unknown): RouterError | undefined => {
  const cause = isCallError(error) ? error.cause : undefined
  return isRouterError(cause) ? cause : undefined
}
