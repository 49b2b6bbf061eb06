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
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { Route } from "./Route.js"
import { Completion } from "./wire/Completion.js"

const context = {
  /** The target (`provider/model`) that the failed attempt went to. */
  target: Schema.optional(Schema.String),
  /** What was tried in the whole call. Set by `ChatCompletions`. */
  route: Schema.optional(Route)
}

const answer = {
  ...context,
  /** The HTTP status as received. */
  status: Schema.optional(Schema.Number),
  /** The response headers, without those that carry secrets. */
  headers: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String })),
  /** At most the first 64 KiB of the response body. `Redacted`, because providers echo prompts and keys in it. */
  body: Schema.optional(Schema.RedactedFromSelf(Schema.String)),
  /** The provider's own error code or type, e.g. `"insufficient_quota"`. */
  code: Schema.optional(Schema.String),
  /** The status that an error inside a 200 stands for. */
  impliedStatus: Schema.optional(Schema.Number),
  /** How long the provider asks to wait (`retry-after-ms`, `Retry-After`). */
  retryAfter: Schema.optional(Schema.DurationFromMillis)
}

interface Described {
  readonly target?: string | undefined
  readonly status?: number | undefined
  readonly impliedStatus?: number | undefined
  readonly code?: string | undefined
}

const describe = (self: Described, what: string): string => {
  const details = [self.status, self.impliedStatus === undefined ? undefined : `as ${self.impliedStatus}`, self.code]
    .filter((detail) => detail !== undefined)
  return `${self.target === undefined ? "" : `${self.target}: `}${what}${
    details.length === 0 ? "" : ` (${details.join(", ")})`
  }`
}

/**
 * The connection failed: refused, reset, DNS, TLS, or an end before the headers.
 *
 * `stage` is `"connect"` when the request cannot have reached the provider, `"exchange"` when it may have been executed
 * (and billed). Matches the code 502.
 *
 * @since 0.1.0
 * @category errors
 */
export class Transport extends Schema.TaggedError<Transport>("effect-llm-router/RouterError/Transport")("Transport", {
  ...context,
  stage: Schema.Literal("connect", "exchange"),
  /** The system's or the client's error code, e.g. `"ECONNREFUSED"`. */
  code: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return describe(this, this.stage === "connect" ? "could not connect" : "the connection broke")
  }
}

/**
 * An attempt took longer than its clock allows. Matches the code 504.
 *
 * @since 0.1.0
 * @category errors
 */
export class Timeout extends Schema.TaggedError<Timeout>("effect-llm-router/RouterError/Timeout")("Timeout", {
  ...context,
  /**
   * Which clock: `"call"` the whole attempt, body and stream included; `"firstByte"` until the headers; `"firstContent"` until the first
   * content; `"idle"` between two reads of anything; `"progress"` between two data events.
   */
  phase: Schema.Literal("call", "firstByte", "firstContent", "idle", "progress"),
  /** What the clock was set to. */
  limit: Schema.DurationFromMillis
}) {
  override get message(): string {
    return describe(this, `the ${this.phase} timeout of ${Duration.format(this.limit)} has passed`)
  }
}

/**
 * The deadline of the whole call passed.
 *
 * @since 0.1.0
 * @category errors
 */
export class DeadlineExceeded
  extends Schema.TaggedError<DeadlineExceeded>("effect-llm-router/RouterError/DeadlineExceeded")("DeadlineExceeded", {
    ...context,
    /** What the deadline was set to, from the start of the call. */
    limit: Schema.DurationFromMillis
  })
{
  override get message(): string {
    return describe(this, "the deadline of the call passed")
  }
}

/**
 * The provider failed for a reason of its own: 408, 409, 425, 500, 502, 503, 504, 520–524.
 *
 * @since 0.1.0
 * @category errors
 */
export class Unavailable
  extends Schema.TaggedError<Unavailable>("effect-llm-router/RouterError/Unavailable")("Unavailable", answer)
{
  override get message(): string {
    return describe(this, "the provider is unavailable")
  }
}

/**
 * The provider has no capacity at the moment: 529, or an overload that it names in its answer.
 *
 * @since 0.1.0
 * @category errors
 */
export class Overloaded
  extends Schema.TaggedError<Overloaded>("effect-llm-router/RouterError/Overloaded")("Overloaded", answer)
{
  override get message(): string {
    return describe(this, "the provider is overloaded")
  }
}

/**
 * 429: too many requests or tokens. `retryAfter` is the wait that the provider asks for, when it names one.
 *
 * @since 0.1.0
 * @category errors
 */
export class RateLimited
  extends Schema.TaggedError<RateLimited>("effect-llm-router/RouterError/RateLimited")("RateLimited", answer)
{
  override get message(): string {
    return describe(this, "rate limited")
  }
}

/**
 * The account has no quota or credit left. Waiting does not help, another provider does.
 *
 * @since 0.1.0
 * @category errors
 */
export class QuotaExhausted
  extends Schema.TaggedError<QuotaExhausted>("effect-llm-router/RouterError/QuotaExhausted")("QuotaExhausted", answer)
{
  override get message(): string {
    return describe(this, "the quota is exhausted")
  }
}

/**
 * 401 or 403: the key is wrong, expired, or lacks the permission.
 *
 * @since 0.1.0
 * @category errors
 */
export class Auth extends Schema.TaggedError<Auth>("effect-llm-router/RouterError/Auth")("Auth", answer) {
  override get message(): string {
    return describe(this, "the credentials were refused")
  }
}

/**
 * 404: the provider does not know the model (or the path).
 *
 * @since 0.1.0
 * @category errors
 */
export class NotFound
  extends Schema.TaggedError<NotFound>("effect-llm-router/RouterError/NotFound")("NotFound", answer)
{
  override get message(): string {
    return describe(this, "the model was not found")
  }
}

/**
 * One thing that is wrong with a request: where (`retry.count`, `messages[0].content`) and what was expected there.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Issue = Schema.Struct({ path: Schema.String, message: Schema.String })

/**
 * @since 0.1.0
 * @category models
 */
export type Issue = typeof Issue.Type

/**
 * The request is wrong. Found here before any socket is opened (`issues` names each field, `status` is absent), or by the
 * provider (400, 405, 413, 415, 422, 501, 505).
 *
 * @since 0.1.0
 * @category errors
 */
export class InvalidRequest
  extends Schema.TaggedError<InvalidRequest>("effect-llm-router/RouterError/InvalidRequest")("InvalidRequest", {
    ...answer,
    issues: Schema.optionalWith(Schema.Array(Issue), { default: () => [] })
  })
{
  /**
   * The path of the first field that is wrong, when it was found before the call.
   *
   * @since 0.1.0
   */
  get path(): string | undefined {
    return this.issues[0]?.path
  }
  override get message(): string {
    return this.issues.length === 0
      ? describe(this, "the provider rejected the request")
      : this.issues.map((issue) => issue.path === "" ? issue.message : `${issue.path}: ${issue.message}`).join("; ")
  }
}

/**
 * An `InvalidRequest` about one field, found before any call.
 *
 * @since 0.1.0
 * @category constructors
 */
export const invalidField = (path: string, message: string): InvalidRequest =>
  new InvalidRequest({ issues: [{ path, message }] })

/**
 * The prompt does not fit into the model's context. Never retried; a fallback with a larger context may serve it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContextLengthExceeded
  extends Schema.TaggedError<ContextLengthExceeded>("effect-llm-router/RouterError/ContextLengthExceeded")(
    "ContextLengthExceeded",
    answer
  )
{
  override get message(): string {
    return describe(this, "the prompt is longer than the model's context")
  }
}

/**
 * The provider's content filter refused the prompt. Neither retried nor failed over.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContentFiltered
  extends Schema.TaggedError<ContentFiltered>("effect-llm-router/RouterError/ContentFiltered")(
    "ContentFiltered",
    answer
  )
{
  override get message(): string {
    return describe(this, "the content filter refused the prompt")
  }
}

/**
 * What came back is not a chat completion: not JSON, HTML, a redirect, a malformed event. Matches the code 502.
 *
 * @since 0.1.0
 * @category errors
 */
export class BadResponse
  extends Schema.TaggedError<BadResponse>("effect-llm-router/RouterError/BadResponse")("BadResponse", {
    ...answer,
    reason: Schema.String
  })
{
  override get message(): string {
    return describe(this, this.reason)
  }
}

/**
 * A success without an answer: no body, no choices, a choice without a message. Matches the code 502.
 *
 * @since 0.1.0
 * @category errors
 */
export class EmptyCompletion
  extends Schema.TaggedError<EmptyCompletion>("effect-llm-router/RouterError/EmptyCompletion")(
    "EmptyCompletion",
    answer
  )
{
  override get message(): string {
    return describe(this, "the completion is empty")
  }
}

/**
 * The answer is larger or nested deeper than the limits allow. Never retried on the same target.
 *
 * @since 0.1.0
 * @category errors
 */
export class ResponseTooLarge
  extends Schema.TaggedError<ResponseTooLarge>("effect-llm-router/RouterError/ResponseTooLarge")("ResponseTooLarge", {
    ...answer,
    /** Which limit was crossed. */
    limit: Schema.Literal("bytes", "eventBytes", "depth"),
    maximum: Schema.Number
  })
{
  override get message(): string {
    return describe(this, `the answer exceeds ${this.maximum} ${this.limit}`)
  }
}

/**
 * A stream ended before its first content was delivered: cut, or without a finish reason. Matches the code 502.
 *
 * @since 0.1.0
 * @category errors
 */
export class StreamTruncated
  extends Schema.TaggedError<StreamTruncated>("effect-llm-router/RouterError/StreamTruncated")(
    "StreamTruncated",
    answer
  )
{
  override get message(): string {
    return describe(this, "the stream ended before the answer was complete")
  }
}

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
 * Every error that a single target can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type TargetError = InterruptionCause | EmptyCompletion | StreamInterrupted

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
 * Every error that a call can fail with.
 *
 * @since 0.1.0
 * @category models
 */
export type RouterError = TargetError | AllTargetsFailed<TargetError>

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
  AllTargetsFailed
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
export const isTargetError = (u: unknown): u is TargetError => isRouterError(u) && u._tag !== "AllTargetsFailed"

/**
 * The same error with what only the call around it knows. The given one is left as it is, for it may be shared.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withContext = <E extends RouterError>(
  error: E,
  context: { readonly target?: string; readonly route?: Route }
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
