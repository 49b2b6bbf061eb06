/**
 * What the errors have in common.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Route } from "../Route.js"

/**
 * The fields of every error.
 *
 * @since 0.1.0
 * @category fields
 */
export const context = {
  /** The target (`provider/model`) that the failed attempt went to. */
  target: Schema.optional(Schema.String),
  /** What was tried in the whole call. Set by `ChatCompletions`. */
  route: Schema.optional(Route),
  /** `true` when a retry was due and the budget of the target had nothing left for it (see `RetryBudget`). */
  retryBudgetExhausted: Schema.optional(Schema.Boolean)
}

/**
 * The fields of an error that a provider answered with.
 *
 * @since 0.1.0
 * @category fields
 */
export const answer = {
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

/**
 * The message of an error: its target, what happened, and the codes that came with it.
 *
 * @since 0.1.0
 * @category fields
 */
export const describe = (self: Described, what: string): string => {
  const details = [self.status, self.impliedStatus === undefined ? undefined : `as ${self.impliedStatus}`, self.code]
    .filter((detail) => detail !== undefined)
  return `${self.target === undefined ? "" : `${self.target}: `}${what}${
    details.length === 0 ? "" : ` (${details.join(", ")})`
  }`
}
