/**
 * The default order of the policies, in one place.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { client } from "../internal/onion.js"
import * as Attempts from "../policy/Attempts.js"
import type * as CacheStore from "../policy/CacheStore.js"
import * as Fallback from "../policy/Fallback.js"
import * as HttpPolicy from "../policy/HttpPolicy.js"
import * as LoadBalancer from "../policy/LoadBalancer.js"
import * as ResponseCache from "../policy/ResponseCache.js"
import * as Retry from "../policy/Retry.js"
import * as Timeout from "../policy/Timeout.js"
import type * as Providers from "../provider/Providers.js"
import type * as RouterError from "../RouterError.js"
import * as Settle from "../wire/Settle.js"
import * as Delivery from "./Delivery.js"
import type * as Guards from "./Guards.js"
import type * as Plan from "./Plan.js"

/** A policy that was not asked for is no policy. */
const whenSet = <A, E, R>(
  options: A | undefined,
  policy: (options: A) => HttpPolicy.HttpPolicy<E, R>
): HttpPolicy.HttpPolicy<E, R> => options === undefined ? HttpPolicy.identity : policy(options)

/** One target, with its answers made final and the policies that each target has for itself. */
const targetClient = (plan: Plan.Plan, guards: Guards.Guards, target: Providers.Target, force: boolean) =>
  target.client.pipe(
    Settle.settle({ ...plan.settle, ...target.settle }),
    Timeout.withClocks(plan.clocks),
    Attempts.withAttempt(target.id),
    guards.limits(target.id, force),
    whenSet(plan.retry, Retry.withRetry),
    guards.budget(target.id)
  )

const isSameTarget = (a: Providers.Target, b: Providers.Target): boolean => a.id === b.id

const targetsFrom = (head: Providers.Target, plan: Plan.Plan): Arr.NonEmptyArray<Providers.Target> =>
  Arr.dedupeWith([head, ...plan.fallbacks], isSameTarget)

interface Draw {
  readonly head: Providers.Target
  /** Whether it is called although it is known to be down. */
  readonly force: boolean
}

/**
 * The first target: drawn among those that would be sent a request now. The last one that is left is never left out: where none of several
 * is eligible, the one that is drawn is called all the same.
 */
const draw = (plan: Plan.Plan, { isEligible }: Guards.Guards): Effect.Effect<Draw> => {
  if (isEligible === undefined) {
    return Effect.map(LoadBalancer.pick(plan.heads), (head) => ({ head, force: false }))
  }
  const eligible = (target: Providers.Target) => isEligible(target.id)
  return Effect.flatMap(LoadBalancer.pickEligible(plan.heads, eligible), (head) => {
    const all = Arr.dedupeWith([...plan.heads.map(({ value }) => value), ...plan.fallbacks], isSameTarget)
    return all.length === 1
      ? Effect.succeed({ head, force: false })
      : Effect.map(Effect.exists(all, eligible), (any) => ({ head, force: !any }))
  })
}

/** The drawn head and the fallbacks, each target once. */
const chain = (plan: Plan.Plan, guards: Guards.Guards) =>
  client((request) =>
    Effect.flatMap(draw(plan, guards), ({ force, head }) => {
      const clients = Arr.map(targetsFrom(head, plan), (target, index) =>
        targetClient(plan, guards, target, force && index === 0))
      return Fallback.chain(clients).execute(request)
    })
  )

const finished: ReadonlySet<string | undefined> = new Set(["stop", "tool_calls", "function_call"])

/** Whether the target that was to answer first did. */
const isOfFirst = ({ attempts, served, skipped }: CacheStore.Candidate["route"]): boolean =>
  skipped.length === 0 && attempts.every((attempt) => attempt.target === served)

/** An answer that was cut short, filtered, or given by a stand-in is not what the next caller wants. */
const isStorable = (cacheFallbacks: boolean) => ({ route, text }: CacheStore.Candidate): boolean =>
  Delivery.fromText(text)?.choices.every((choice) => finished.has(choice.finishReason)) === true &&
  (cacheFallbacks || isOfFirst(route))

/**
 * Each policy stands around those above it. The deadline is outermost, so that a caller that waits for the call of another one keeps its
 * own. `scope` tells apart what the same request to other providers is answered with.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  plan: Plan.Plan,
  guards: Guards.Guards,
  scope: string
): HttpClient.HttpClient.With<RouterError.RouterError, ResponseCache.ResponseCache> =>
  chain(plan, guards).pipe(
    whenSet(plan.cache, ({ flight, key, mode, staleIfError, storeFallbacks, ttl }) =>
      ResponseCache.withCache({
        ttl: `${ttl} seconds`,
        staleIfError: staleIfError === undefined ? undefined : `${staleIfError} seconds`,
        mode,
        flight,
        key: () => Effect.succeed(Option.fromNullable(key)),
        scope,
        storable: isStorable(storeFallbacks)
      })),
    whenSet(plan.totalTimeout, Timeout.withDeadline)
  )
