/**
 * What goes wrong between here and a provider: connections, clocks, and answers that are none.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { answer, context, describe } from "./Fields.js"

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
