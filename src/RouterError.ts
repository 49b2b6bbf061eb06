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

/**
 * What goes wrong between here and a provider.
 *
 * @since 0.1.0
 * @category errors
 */
export {
  BadResponse,
  DeadlineExceeded,
  EmptyCompletion,
  ResponseTooLarge,
  StreamTruncated,
  Timeout,
  Transport
} from "./error/Broken.js"

/**
 * What a provider says no with, and what is wrong with a request.
 *
 * @since 0.1.0
 * @category errors
 */
export {
  Auth,
  ContentFiltered,
  ContextLengthExceeded,
  invalidField,
  InvalidRequest,
  Issue,
  NotFound,
  Overloaded,
  QuotaExhausted,
  RateLimited,
  Unavailable
} from "./error/Refused.js"

/**
 * Why a request was not sent.
 *
 * @since 0.1.0
 * @category errors
 */
export { BreakerOpen, ConcurrencyExceeded, CoolingDown, RateLimitExceeded } from "./error/NotSent.js"

/**
 * What is wrong with a prompt, its template or its variables. Found before any call.
 *
 * @since 0.1.0
 * @category errors
 */
export {
  PromptInvalid,
  PromptNotFound,
  PromptUnavailable,
  TemplateError,
  TemplateIssue,
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
