/**
 * What a provider says no with.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { answer, describe } from "./Fields.js"

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
