/**
 * The policies of requests that name none. What a request names itself wins, field by field, and of `timeout` clock by clock.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Retry from "./policy/Retry.js"
import * as RouterError from "./RouterError.js"
import * as ChatRequest from "./wire/ChatRequest.js"
import * as Limits from "./wire/Limits.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Defaults
  extends Pick<ChatRequest.ChatRequest, "cache" | "commit" | "fallbacks" | "retry" | "timeout">
{
  /** The waits between retries. Default `Retry.backoff`: 1, 2, 4, 8, 16 s ± 25 %. */
  readonly backoff?: Schedule.Schedule<unknown, unknown> | undefined
  /** The longest wait asked for by a provider that is waited for before the next target is tried. Default 60 seconds. */
  readonly maxRetryAfter?: Duration.DurationInput | undefined
  /** How much of an answer is read. Default `Limits.defaults`, limit by limit. */
  readonly limits?: Partial<Limits.Limits> | undefined
  /** Whether the cache keeps an answer that was given by another target than the first. Default `false`. */
  readonly cacheFallbacks?: boolean | undefined
}

/**
 * The defaults that are in force. It can be set for a whole program or around a single call; of two, the one nearer to the call
 * wins (see `merge`). A call under defaults that are out of bounds fails with `InvalidRequest`.
 *
 * @since 0.1.0
 * @category context
 */
export class RouterDefaults extends Context.Reference<RouterDefaults>()("effect-llm-router/RouterDefaults", {
  defaultValue: (): Defaults => ({})
}) {}

type Issues = ReadonlyArray<RouterError.Issue>

/** What is wrong with a field, as that says which throws `InvalidRequest` for it. */
const issuesOf = (field: keyof Defaults, make: () => unknown): Issues => {
  try {
    make()
    return []
  } catch (error) {
    return error instanceof RouterError.InvalidRequest ? error.issues : [{ path: field, message: "is not valid" }]
  }
}

/** Bounds are those of a request's own fields, of the policies and of the limits. */
const issues = ({ backoff, cacheFallbacks, limits, maxRetryAfter, ...defaults }: Defaults): Issues => {
  const { cache, commit, fallbacks, retry, timeout } = defaults
  const request = ChatRequest.validate({ model: "-", messages: [], cache, commit, fallbacks, retry, timeout })
  return [
    ...(Either.isLeft(request) ? request.left.issues : []),
    ...issuesOf("limits", () => Limits.make(limits)),
    ...issuesOf("maxRetryAfter", () => Retry.withRetry({ maxRetryAfter })),
    ...(backoff === undefined || Schedule.isSchedule(backoff)
      ? []
      : [{ path: "backoff", message: "expected a schedule" }]),
    ...(cacheFallbacks === undefined || typeof cacheFallbacks === "boolean"
      ? []
      : [{ path: "cacheFallbacks", message: "expected true or false" }])
  ]
}

const known = new WeakSet<Defaults>()

/**
 * Checks defaults, those of an object only once. What a `backoff` does is its own affair.
 *
 * @since 0.1.0
 * @category validation
 */
export const validate = (defaults: Defaults): Either.Either<Defaults, RouterError.InvalidRequest> => {
  if (!known.has(defaults)) {
    const found = issues(defaults)
    if (found.length > 0) {
      return Either.left(new RouterError.InvalidRequest({ issues: found }))
    }
    known.add(defaults)
  }
  return Either.right(defaults)
}

/** Members that are undefined are left out. */
const given = <A extends object>(members: A): Partial<A> =>
  // what is left of an object with optional members is one of the same kind
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<A>

/**
 * Of two defaults the nearer ones win, field by field and of `timeout` clock by clock. A field that is `undefined` is not given.
 *
 * @since 0.1.0
 * @category combinators
 */
export const merge: {
  /**
   * @since 0.1.0
   * @category combinators
   */
  (nearer: Defaults): (self: Defaults) => Defaults
  /**
   * @since 0.1.0
   * @category combinators
   */
  (self: Defaults, nearer: Defaults): Defaults
} = dual(2, (self: Defaults, nearer: Defaults): Defaults => ({
  ...self,
  ...given(nearer),
  ...(nearer.timeout && { timeout: { ...self.timeout, ...given(nearer.timeout) } })
}))

const validated = (defaults: Defaults): Defaults => Either.getOrThrowWith(validate(defaults), (error) => error)

/**
 * Throws `InvalidRequest` when a default is out of the bounds that a request's own field has.
 *
 * ```ts
 * import { RouterDefaults } from "effect-llm-router"
 *
 * const defaults = RouterDefaults.layer({
 *   retry: { count: 2 },
 *   timeout: { callTimeout: 30_000 }, // milliseconds
 *   fallbacks: [{ model: "groq/llama-3.3-70b-versatile" }]
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (defaults: Defaults): Layer.Layer<RouterDefaults> =>
  Layer.succeed(RouterDefaults, validated(defaults))

/**
 * Fails with a `ConfigError` when a default is out of bounds.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Defaults>
): Layer.Layer<RouterDefaults, ConfigError.ConfigError> =>
  Layer.effect(RouterDefaults, Config.mapAttempt(Config.unwrap(config), validated))
