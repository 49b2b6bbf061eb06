/**
 * Why a request was not sent to a target. Another target may serve it at once; to wait for this one is of no use.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { context, describe } from "./Fields.js"

/**
 * The circuit of the target is open, or its probe is under way: see `CircuitBreaker`.
 *
 * @since 0.1.0
 * @category errors
 */
export class BreakerOpen
  extends Schema.TaggedError<BreakerOpen>("effect-llm-router/RouterError/BreakerOpen")("BreakerOpen", {
    ...context,
    /** Until the next request may go through as a probe: while one is under way, the longest that the others wait for its end. */
    retryAfter: Schema.DurationFromMillis
  })
{
  override get message(): string {
    return describe(this, "the circuit is open")
  }
}

/**
 * The target has said that it will not serve for a while, and is left alone for that time: see `CircuitBreaker`.
 *
 * @since 0.1.0
 * @category errors
 */
export class CoolingDown
  extends Schema.TaggedError<CoolingDown>("effect-llm-router/RouterError/CoolingDown")("CoolingDown", {
    ...context,
    /** The class of the answer that began it: a limit with a wait, a key that was refused, a quota that is used up. */
    reason: Schema.Literal("RateLimited", "Auth", "QuotaExhausted"),
    /** Until it is over. */
    retryAfter: Schema.DurationFromMillis
  })
{
  override get message(): string {
    return describe(this, `cooling down for ${Duration.format(this.retryAfter)} after ${this.reason}`)
  }
}

/**
 * As many requests as are allowed are under way on the target, and the queue for it is full: see `Concurrency`.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConcurrencyExceeded
  extends Schema.TaggedError<ConcurrencyExceeded>("effect-llm-router/RouterError/ConcurrencyExceeded")(
    "ConcurrencyExceeded",
    {
      ...context,
      /** How many may be under way. */
      limit: Schema.Number
    }
  )
{
  override get message(): string {
    return describe(this, `${this.limit} requests are under way`)
  }
}

/**
 * The target's own limit of requests or tokens a minute is reached: see `RateLimit`. What a provider answers with is `RateLimited`.
 *
 * @since 0.1.0
 * @category errors
 */
export class RateLimitExceeded
  extends Schema.TaggedError<RateLimitExceeded>("effect-llm-router/RouterError/RateLimitExceeded")(
    "RateLimitExceeded",
    {
      ...context,
      /** What there is too much of. */
      unit: Schema.Literal("requests", "tokens"),
      /** How many there may be in a minute. */
      limit: Schema.Number,
      /** Until there is room for this request. */
      retryAfter: Schema.DurationFromMillis
    }
  )
{
  override get message(): string {
    return describe(this, `the limit of ${this.limit} ${this.unit} a minute is reached`)
  }
}
