/**
 * The policies that a request asks for, with the defaults filled in: what has to be the same for two calls to be made in the same way.
 *
 * @since 0.1.0
 */
import type * as Retry from "../policy/Retry.js"
import type * as Timeout from "../policy/Timeout.js"
import type * as RouterDefaults from "../RouterDefaults.js"
import type * as Routing from "../wire/Routing.js"
import type * as Settle from "../wire/Settle.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Policies {
  readonly retry: Retry.Options | undefined
  /** The clocks of one attempt, in milliseconds. */
  readonly clocks: Timeout.Clocks
  /** How an answer is made final. */
  readonly settle: Settle.Options
  /** Whether an answer of another target than the first is stored. */
  readonly storeFallbacks: boolean
  /** What a caller that joins the call of another one would have to do without: its own commit point, retries, clocks, what it stores. */
  readonly flight: string
}

/** How many sets of policies are remembered for the same defaults: those that a program is written with. */
const maxKnown = 100

const known = new WeakMap<RouterDefaults.Defaults, Map<string, Policies>>()

const knownFor = (defaults: RouterDefaults.Defaults): Map<string, Policies> => {
  const all = known.get(defaults) ?? new Map<string, Policies>()
  known.set(defaults, all)
  return all
}

type Clocks = NonNullable<Routing.Routing["timeout"]>

const none: Clocks = {}

/** Clock by clock, the request's own before the default. */
const clocksOf = (own: Clocks, defaults: Clocks): Timeout.Clocks => ({
  call: own.callTimeout ?? defaults.callTimeout,
  firstByte: own.firstByteTimeout ?? defaults.firstByteTimeout,
  firstContent: own.firstContentTimeout ?? defaults.firstContentTimeout,
  idle: own.idleTimeout ?? defaults.idleTimeout,
  progress: own.progressTimeout ?? defaults.progressTimeout
})

/**
 * The same object for the same policies, so that what was made of them can be found again. The backoff and the longest wait are those of the
 * defaults in any case.
 *
 * @since 0.1.0
 * @category constructors
 */
export const of = (routing: Routing.Routing, defaults: RouterDefaults.Defaults): Policies => {
  const { backoff, cacheFallbacks: storeFallbacks = false, limits, maxRetryAfter } = defaults
  const retry = routing.retry ?? defaults.retry
  const clocks = clocksOf(routing.timeout ?? none, defaults.timeout ?? none)
  const commit = routing.commit ?? defaults.commit ?? "firstContent"
  const { call, firstByte, firstContent, idle, progress } = clocks
  const flight =
    `${commit} ${retry?.count} ${retry?.onCodes} ${call} ${firstByte} ${firstContent} ${idle} ${progress} ${storeFallbacks}`
  const all = knownFor(defaults)
  const found = all.get(flight)
  if (found !== undefined) {
    return found
  }
  if (all.size >= maxKnown) {
    all.clear()
  }
  const policies: Policies = {
    retry: retry && { ...retry, backoff, maxRetryAfter },
    clocks,
    settle: { commit, limits },
    storeFallbacks,
    flight
  }
  all.set(flight, policies)
  return policies
}
