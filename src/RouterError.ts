/**
 * Everything that can go wrong with a call, one class for each kind of failure.
 *
 * The class, not the HTTP status, decides what the policies do: see the module `Failure`.
 *
 * No error shows a credential, a prompt or a completion: what an upstream answered and what a stream had delivered are held
 * as `Redacted`, and a message is made of the target, the status and the provider's error code only.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Schema from "effect/Schema"
import {
  BadResponse,
  DeadlineExceeded,
  EmptyCompletion,
  ResponseTooLarge,
  StreamTruncated,
  Timeout,
  Transport
} from "./error/Broken.js"
import { context, describe } from "./error/Fields.js"
import { BreakerOpen, ConcurrencyExceeded, CoolingDown, RateLimitExceeded } from "./error/NotSent.js"
import { PromptInvalid, PromptNotFound, PromptUnavailable, TemplateError } from "./error/Prompt.js"
import {
  Auth,
  ContentFiltered,
  ContextLengthExceeded,
  InvalidRequest,
  NotFound,
  Overloaded,
  QuotaExhausted,
  RateLimited,
  Unavailable
} from "./error/Refused.js"
import type { Route } from "./Route.js"
import { Completion } from "./wire/Completion.js"

export {
  /**
   * What came back is not a chat completion: not JSON, HTML, a redirect, a malformed event. Matches the code 502.
   *
   * @since 0.1.0
   * @category errors
   */
  BadResponse,
  /**
   * The deadline of the whole call passed.
   *
   * @since 0.1.0
   * @category errors
   */
  DeadlineExceeded,
  /**
   * A success without an answer: no body, no choices, a choice without a message. Matches the code 502.
   *
   * @since 0.1.0
   * @category errors
   */
  EmptyCompletion,
  /**
   * The answer is larger or nested deeper than the limits allow. Never retried on the same target.
   *
   * @since 0.1.0
   * @category errors
   */
  ResponseTooLarge,
  /**
   * A stream ended before its first content was delivered: cut, or without a finish reason. Matches the code 502.
   *
   * @since 0.1.0
   * @category errors
   */
  StreamTruncated,
  /**
   * An attempt took longer than its clock allows. Matches the code 504.
   *
   * @since 0.1.0
   * @category errors
   */
  Timeout,
  /**
   * The connection failed: refused, reset, DNS, TLS, or an end before the headers.
   *
   * @since 0.1.0
   * @category errors
   */
  Transport
} from "./error/Broken.js"

export {
  /**
   * 401 or 403: the key is wrong, expired, or lacks the permission.
   *
   * @since 0.1.0
   * @category errors
   */
  Auth,
  /**
   * The provider's content filter refused the prompt. Neither retried nor failed over.
   *
   * @since 0.1.0
   * @category errors
   */
  ContentFiltered,
  /**
   * The prompt does not fit into the model's context. Never retried; a fallback with a larger context may serve it.
   *
   * @since 0.1.0
   * @category errors
   */
  ContextLengthExceeded,
  /**
   * An `InvalidRequest` about one field, found before any call.
   *
   * @since 0.1.0
   * @category constructors
   */
  invalidField,
  /**
   * The request is wrong. Found here before any socket is opened (`issues` names each field, `status` is absent), or by the
   * provider (400, 405, 413, 415, 422, 501, 505).
   *
   * @since 0.1.0
   * @category errors
   */
  InvalidRequest,
  /**
   * One thing that is wrong with a request: where (`retry.count`, `messages[0].content`) and what was expected there.
   *
   * @since 0.1.0
   * @category schemas
   */
  Issue,
  /**
   * 404: the provider does not know the model (or the path).
   *
   * @since 0.1.0
   * @category errors
   */
  NotFound,
  /**
   * The provider has no capacity at the moment: 529, or an overload that it names in its answer.
   *
   * @since 0.1.0
   * @category errors
   */
  Overloaded,
  /**
   * The account has no quota or credit left. Waiting does not help, another provider does.
   *
   * @since 0.1.0
   * @category errors
   */
  QuotaExhausted,
  /**
   * 429: too many requests or tokens. `retryAfter` is the wait that the provider asks for, when it names one.
   *
   * @since 0.1.0
   * @category errors
   */
  RateLimited,
  /**
   * The provider failed for a reason of its own: 408, 409, 425, 500, 502, 503, 504, 520–524.
   *
   * @since 0.1.0
   * @category errors
   */
  Unavailable
} from "./error/Refused.js"

export {
  /**
   * The circuit of the target is open, or its probe is under way: see `CircuitBreaker`.
   *
   * @since 0.1.0
   * @category errors
   */
  BreakerOpen,
  /**
   * As many requests as are allowed are under way on the target, and the queue for it is full: see `Concurrency`.
   *
   * @since 0.1.0
   * @category errors
   */
  ConcurrencyExceeded,
  /**
   * The target has said that it will not serve for a while, and is left alone for that time: see `CircuitBreaker`.
   *
   * @since 0.1.0
   * @category errors
   */
  CoolingDown,
  /**
   * The target's own limit of requests or tokens a minute is reached: see `RateLimit`. What a provider answers with is `RateLimited`.
   *
   * @since 0.1.0
   * @category errors
   */
  RateLimitExceeded
} from "./error/NotSent.js"

export {
  /**
   * The store has the prompt, and it is none: a field that is wrong, a file that does not keep to the format or that is cut.
   *
   * @since 0.1.0
   * @category errors
   */
  PromptInvalid,
  /**
   * The store has no such prompt, or not in that version.
   *
   * @since 0.1.0
   * @category errors
   */
  PromptNotFound,
  /**
   * The store could not be asked: a directory that may not be read, a database that does not answer.
   *
   * @since 0.1.0
   * @category errors
   */
  PromptUnavailable,
  /**
   * A template that cannot be rendered. The fields tell of the first thing that is wrong, `issues` of all that was found, up
   * to ten. It shows names and positions, never the text of a template or a value.
   *
   * @since 0.1.0
   * @category errors
   */
  TemplateError,
  /**
   * One thing that is wrong: in which text (`messages[0].content`), and what.
   *
   * @since 0.1.0
   * @category schemas
   */
  TemplateIssue,
  /**
   * Why a template cannot be rendered:
   *
   * @since 0.1.0
   * @category schemas
   */
  TemplateReason
} from "./error/Prompt.js"

/**
 * Why a stream broke after its first content was delivered.
 *
 * @since 0.1.0
 * @category models
 */
export type InterruptionCause =
  | Transport
  | Timeout
  | DeadlineExceeded
  | Unavailable
  | Overloaded
  | RateLimited
  | QuotaExhausted
  | Auth
  | NotFound
  | InvalidRequest
  | ContextLengthExceeded
  | ContentFiltered
  | BadResponse
  | EmptyCompletion
  | ResponseTooLarge
  | StreamTruncated

const InterruptionCause = Schema.Union(
  Transport,
  Timeout,
  DeadlineExceeded,
  Unavailable,
  Overloaded,
  RateLimited,
  QuotaExhausted,
  Auth,
  NotFound,
  InvalidRequest,
  ContextLengthExceeded,
  ContentFiltered,
  BadResponse,
  EmptyCompletion,
  ResponseTooLarge,
  StreamTruncated
)

/**
 * A stream broke after content had been delivered. Nothing is retried then: the caller has the first part, `partial` holds
 * all of it, and `cause` says what happened.
 *
 * @since 0.1.0
 * @category errors
 */
export class StreamInterrupted
  extends Schema.TaggedError<StreamInterrupted>("effect-llm-router/RouterError/StreamInterrupted")(
    "StreamInterrupted",
    {
      ...context,
      cause: InterruptionCause,
      /** How many chunks had been delivered. */
      delivered: Schema.Number,
      /** The completion as far as it came, usage included if it was reported. `Redacted`, because it is the model's text. */
      partial: Schema.RedactedFromSelf(Completion)
    }
  )
{
  override get message(): string {
    return describe(this, `the stream broke after ${this.delivered} chunks: ${this.cause._tag}`)
  }
}

/**
 * What keeps a request from being sent to a target.
 *
 * @since 0.1.0
 * @category models
 */
export type NotSent = BreakerOpen | CoolingDown | ConcurrencyExceeded | RateLimitExceeded

/**
 * Every error that a single target can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type TargetError = InterruptionCause | StreamInterrupted | NotSent

/**
 * Every target of a fallback chain failed. `failures` holds the error of each, in the order in which they were tried.
 *
 * @since 0.1.0
 * @category errors
 */
export class AllTargetsFailed<out E = unknown> extends Data.TaggedError("AllTargetsFailed")<{
  readonly failures: Arr.NonEmptyReadonlyArray<unknown>
  readonly route?: Route | undefined
}> {
  /**
   * @since 0.1.0
   */
  declare readonly failures: Arr.NonEmptyReadonlyArray<E>

  override get message(): string {
    return `all ${this.failures.length} targets failed: ${
      this.failures.map((failure) => failure instanceof Error ? failure.message : String(failure)).join("; ")
    }`
  }
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const allTargetsFailed = <E>(failures: Arr.NonEmptyReadonlyArray<E>): AllTargetsFailed<E> =>
  new AllTargetsFailed<E>({ failures })

/**
 * Why the texts of a request could not be made. Nothing was sent to any target.
 *
 * @since 0.1.0
 * @category models
 */
export type PromptError = TemplateError | PromptNotFound | PromptInvalid | PromptUnavailable

/**
 * Every error that a call can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type RouterError = TargetError | AllTargetsFailed<TargetError> | PromptError

const classes: ReadonlySet<unknown> = new Set<unknown>([
  Transport,
  Timeout,
  DeadlineExceeded,
  Unavailable,
  Overloaded,
  RateLimited,
  QuotaExhausted,
  Auth,
  NotFound,
  InvalidRequest,
  ContextLengthExceeded,
  ContentFiltered,
  BadResponse,
  EmptyCompletion,
  ResponseTooLarge,
  StreamTruncated,
  StreamInterrupted,
  BreakerOpen,
  CoolingDown,
  ConcurrencyExceeded,
  RateLimitExceeded,
  AllTargetsFailed,
  TemplateError,
  PromptNotFound,
  PromptInvalid,
  PromptUnavailable
])

/**
 * @since 0.1.0
 * @category guards
 */
export const isRouterError = (u: unknown): u is RouterError => u instanceof Error && classes.has(u.constructor)

/**
 * @since 0.1.0
 * @category guards
 */
export const isTargetError = (u: unknown): u is TargetError =>
  isRouterError(u) && u._tag !== "AllTargetsFailed" && !isPromptError(u)

/**
 * Whether it is the prompt, a template or a variable.
 *
 * @since 0.1.0
 * @category guards
 */
export const isPromptError = (u: unknown): u is PromptError =>
  u instanceof TemplateError || u instanceof PromptNotFound || u instanceof PromptInvalid ||
  u instanceof PromptUnavailable

/**
 * Whether the request was not sent at all.
 *
 * @since 0.1.0
 * @category guards
 */
export const isNotSent = (u: unknown): u is NotSent =>
  u instanceof BreakerOpen || u instanceof CoolingDown || u instanceof ConcurrencyExceeded ||
  u instanceof RateLimitExceeded

/**
 * The same error with what only the call around it knows. The given one is left as it is, for it may be shared.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withContext = <E extends RouterError>(
  error: E,
  context: { readonly target?: string; readonly route?: Route; readonly retryBudgetExhausted?: boolean }
): E => {
  // every class is constructed from its fields, which the compiler does not know of `constructor`
  const constructor = error.constructor as new(fields: object, options: { readonly disableValidation: boolean }) => E
  // an error's `cause` is not enumerable
  const cause = error.cause === undefined ? undefined : { cause: error.cause }
  const copy = new constructor({ ...error, ...cause, ...context }, { disableValidation: true })
  if (error.stack !== undefined) {
    copy.stack = error.stack
  }
  return copy
}
