/**
 * The route of one call: what served it, every attempt that was made for it, and what the cache did.
 *
 * A `Route` is on every completion and in every error, so that no call has to be repeated to learn what happened to it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"
import type * as Types from "effect/Types"

/**
 * How an attempt ended: `"success"`, `"interrupted"` (the caller left), `"defect"`, or the `_tag` of its error.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = typeof Outcome.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const Outcome = Schema.String

/**
 * One request to one target.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Attempt = Schema.Struct({
  /** `provider/model` */
  target: Schema.String,
  /** When the attempt began, in milliseconds since the Unix epoch. */
  startedAtMillis: Schema.Number,
  /** Until the outcome was known: the whole answer, or the first content of a stream. */
  durationMillis: Schema.Number,
  /** The wait (backoff or `Retry-After`) that preceded this attempt; 0 for the first on a target. */
  waitMillis: Schema.Number,
  outcome: Outcome,
  /** The HTTP status of the answer, where there was one. */
  status: Schema.optional(Schema.Number)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Attempt = typeof Attempt.Type

/**
 * What the cache did for the call: `"off"` (not asked for), `"hit"`, `"miss"` (this call paid for the answer), `"shared"`
 * (the answer of an identical call that was already under way), `"stale"` (an answer that is older than it should be, because the call
 * failed), or `"bypass"` (asked for, but this call cannot be cached).
 *
 * @since 0.1.0
 * @category schemas
 */
export const CacheStatus = Schema.Literal("off", "hit", "miss", "shared", "stale", "bypass")

/**
 * @since 0.1.0
 * @category models
 */
export type CacheStatus = typeof CacheStatus.Type

/**
 * A target that nothing was sent to.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Skip = Schema.Struct({
  /** `provider/model` */
  target: Schema.String,
  /** The `_tag` of the error that says why: `"BreakerOpen"`, `"CoolingDown"`, `"ConcurrencyExceeded"`, `"RateLimitExceeded"`. */
  reason: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export type Skip = typeof Skip.Type

/**
 * The stored prompt that the texts of the call were made of.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Prompt = Schema.Struct({
  id: Schema.String,
  /** The exact version, also where the newest was asked for. */
  version: Schema.String,
  /** The names of the variables that the call gave. Their values are nowhere in a route. */
  variables: Schema.Array(Schema.String)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Prompt = typeof Prompt.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const Route = Schema.Struct({
  /** The target (`provider/model`) whose answer was used; absent when none was. */
  served: Schema.optional(Schema.String),
  /** In the order in which they were begun. Empty for a cache hit. */
  attempts: Schema.Array(Attempt),
  /** The targets that were left out because of their state, in order. */
  skipped: Schema.Array(Skip),
  cache: CacheStatus,
  /** How old an answer from the cache is, in whole milliseconds. Absent when the answer is not from the cache. */
  cacheAgeMillis: Schema.optional(Schema.Number),
  /** Absent when the request named no prompt, or one that was not found. */
  prompt: Schema.optional(Prompt)
})

/**
 * @since 0.1.0
 * @category models
 */
export type Route = typeof Route.Type

/**
 * @since 0.1.0
 * @category constructors
 */
export const empty: Route = { attempts: [], skipped: [], cache: "off" }

/**
 * Where the policies of one call write what they do. It is plain and mutable, because it belongs to one call only; `snapshot`
 * gives the immutable `Route`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recorder {
  readonly attempts: Array<Attempt>
  readonly skipped: Array<Skip>
  /** The wait that a retry has just slept, to be noted by the attempt that follows it. */
  waitMillis: number
  cache: CacheStatus
  cacheAgeMillis: number | undefined
  served: string | undefined
  prompt: Prompt | undefined
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const makeRecorder = (): Recorder => ({
  attempts: [],
  skipped: [],
  waitMillis: 0,
  cache: "off",
  cacheAgeMillis: undefined,
  served: undefined,
  prompt: undefined
})

/**
 * The immutable `Route` of what was recorded so far.
 *
 * @since 0.1.0
 * @category getters
 */
export const snapshot = ({ attempts, cache, cacheAgeMillis, prompt, served, skipped }: Recorder): Route => {
  const route: Types.Mutable<Route> = { attempts: attempts.slice(), skipped: skipped.slice(), cache }
  if (served !== undefined) {
    route.served = served
  }
  if (cacheAgeMillis !== undefined) {
    route.cacheAgeMillis = cacheAgeMillis
  }
  if (prompt !== undefined) {
    route.prompt = prompt
  }
  return route
}

/**
 * The recorder of the current call. Policies write to it when there is one and do nothing otherwise, so they can be used
 * without the `ChatCompletions` service.
 *
 * @since 0.1.0
 * @category context
 */
export class CurrentRecorder extends Context.Reference<CurrentRecorder>()("effect-llm-router/Route/CurrentRecorder", {
  defaultValue: (): Recorder | undefined => undefined
}) {}
