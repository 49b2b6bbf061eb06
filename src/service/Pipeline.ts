/**
 * The default order of the policies, in one place.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { cachedBy } from "../internal/cachedBy.js"
import { client, onion } from "../internal/onion.js"
import { recordedBy } from "../internal/recordedBy.js"
import * as Attempts from "../policy/Attempts.js"
import type * as CacheStore from "../policy/CacheStore.js"
import * as Fallback from "../policy/Fallback.js"
import * as HttpPolicy from "../policy/HttpPolicy.js"
import * as LoadBalancer from "../policy/LoadBalancer.js"
import type * as ResponseCache from "../policy/ResponseCache.js"
import * as Retry from "../policy/Retry.js"
import * as Timeout from "../policy/Timeout.js"
import type * as Providers from "../provider/Providers.js"
import type * as Route from "../Route.js"
import type * as RouterError from "../RouterError.js"
import * as Settle from "../wire/Settle.js"
import type * as Guards from "./Guards.js"
import type * as Plan from "./Plan.js"
import type * as Policies from "./Policies.js"

/** A policy that was not asked for is no policy. */
const whenSet = <A, E, R>(
  options: A | undefined,
  policy: (options: A) => HttpPolicy.HttpPolicy<E, R>
): HttpPolicy.HttpPolicy<E, R> => options === undefined ? HttpPolicy.identity : policy(options)

/** One target, with its answers made final and the policies that each target has for itself. */
const targetClient = (policies: Policies.Policies, guards: Guards.Guards, target: Providers.Target, force: boolean) =>
  target.client.pipe(
    Settle.settle({ ...policies.settle, ...target.settle }),
    Timeout.withClocks(policies.clocks),
    Attempts.withAttempt(target.id, target.server),
    guards.limits(target.id, force),
    whenSet(policies.retry, Retry.withRetry),
    guards.budget(target.id)
  )

type TargetClient = ReturnType<typeof targetClient>

/** How many clients of targets are kept. */
const maxClients = 1_000

/** The client of a target with some policies, made when it is first called. */
const makeClients = (guards: Guards.Guards) => {
  let size = 0
  let clients = new WeakMap<Policies.Policies, Map<Providers.Target, TargetClient>>()

  const forget = () => {
    size = 0
    clients = new WeakMap()
  }

  const keep = (policies: Policies.Policies, target: Providers.Target, client: TargetClient): TargetClient => {
    if (size >= maxClients) {
      forget()
    }
    size++
    const known = clients.get(policies) ?? new Map<Providers.Target, TargetClient>()
    clients.set(policies, known.set(target, client))
    return client
  }

  return (policies: Policies.Policies, target: Providers.Target, force: boolean): TargetClient =>
    // that one is forced is a matter of one call
    force
      ? targetClient(policies, guards, target, true)
      : clients.get(policies)?.get(target) ?? keep(policies, target, targetClient(policies, guards, target, false))
}

type Clients = ReturnType<typeof makeClients>

const isSameTarget = (a: Providers.Target, b: Providers.Target): boolean => a.id === b.id

/** A request may list thousands of targets. */
const distinct = (targets: Iterable<Providers.Target>): ReadonlyArray<Providers.Target> => {
  const byId = new Map<string, Providers.Target>()
  for (const target of targets) {
    if (!byId.has(target.id)) {
      byId.set(target.id, target)
    }
  }
  return Array.from(byId.values())
}

/** The fallbacks, each once, and without the one that is called first. */
const othersThan = (head: Providers.Target, { fallbacks }: Plan.Plan): ReadonlyArray<Providers.Target> =>
  distinct(fallbacks).filter((target) => !isSameTarget(target, head))

interface Draw {
  readonly head: Providers.Target
  /** The target that is called although its circuit is open. */
  readonly forced: Providers.Target | undefined
}

/**
 * Which targets come into question when none is eligible: those that are down before those that have asked for a wait. One that has
 * refused the credentials is not tried again before its time, for it will not have changed its mind.
 */
const lastResorts: ReadonlyArray<Guards.Standing> = ["down", "waiting"]

/**
 * The first target: drawn among those that would be sent a request now. The last one that is left is never left out: where none of several
 * is eligible, one of them is called all the same.
 *
 * The others are looked at only where the one that was drawn first is not eligible, so that many targets cost no more than one. To draw
 * once more among the eligible ones gives each of them its share.
 */
const draw = (plan: Plan.Plan, { standing }: Guards.Guards): Effect.Effect<Draw> => {
  const byWeight = Effect.map(LoadBalancer.pick(plan.heads), (head): Draw => ({ head, forced: undefined }))
  return standing === undefined || plan.heads.length + plan.fallbacks.length === 1
    ? byWeight
    : Effect.flatMap(
      byWeight,
      (drawn) =>
        Effect.flatMap(
          standing(drawn.head.id),
          (found) => found === "eligible" ? Effect.succeed(drawn) : drawAgain(plan, standing, drawn)
        )
    )
}

const drawAgain = (
  plan: Plan.Plan,
  standing: NonNullable<Guards.Guards["standing"]>,
  drawn: Draw
): Effect.Effect<Draw> => {
  const all = distinct([...plan.heads.map(({ value }) => value), ...plan.fallbacks])
  if (all.length === 1) {
    return Effect.succeed(drawn)
  }
  return Effect.flatMap(Effect.forEach(all, (target) => standing(target.id)), (standings) => {
    const best = ["eligible" as const, ...lastResorts].find((each) => standings.includes(each))
    if (best === undefined) {
      return Effect.succeed(drawn)
    }
    const chosen = all.filter((_, index) => standings[index] === best)
    const isChosen = (target: Providers.Target) => chosen.some((each) => isSameTarget(each, target))
    return Effect.map(
      LoadBalancer.pickEligible(plan.heads, (target) => Effect.succeed(isChosen(target))),
      (head): Draw => ({
        head,
        forced: best === "eligible" ? undefined : [head, ...othersThan(head, plan)].find(isChosen)
      })
    )
  })
}

/** The drawn head and the fallbacks, each target once. */
const chain = (plan: Plan.Plan, guards: Guards.Guards, clients: Clients) =>
  client((request) =>
    Effect.flatMap(draw(plan, guards), ({ forced, head }) =>
      Fallback.flatChain(
        head,
        () => othersThan(head, plan),
        (target) => clients(plan.policies, target, forced !== undefined && isSameTarget(forced, target))
      ).execute(request))
  )

const finished: ReadonlySet<string | undefined> = new Set(["stop", "tool_calls", "function_call"])

/** Whether the target that was to answer first did. */
const isOfFirst = ({ attempts, served, skipped }: CacheStore.Candidate["route"]): boolean =>
  skipped.length === 0 && attempts.every((attempt) => attempt.target === served)

/** An answer that was cut short, filtered, or given by a stand-in is not what the next caller wants. */
const isStorable = (cacheFallbacks: boolean) => ({ completion, route }: CacheStore.Candidate): boolean =>
  completion?.choices.every((choice) => finished.has(choice.finishReason)) === true &&
  (cacheFallbacks || isOfFirst(route))

/**
 * Each policy stands around those above it. The deadline is outermost, so that a caller that waits for the call of another one keeps its
 * own. `scope` tells apart what the same request to other providers is answered with.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (guards: Guards.Guards, cache: ResponseCache.Service, scope: string) => {
  const clients = makeClients(guards)

  const cached = (wanted: Plan.Cache, { storeFallbacks, flight }: Policies.Policies) =>
    cachedBy({
      lifetime: {
        ttl: Duration.seconds(wanted.ttl),
        staleFor: Duration.seconds(wanted.staleIfError ?? 0)
      },
      modeOf: () => wanted.mode ?? "default",
      contentOf: () => Effect.succeed(Option.fromNullable(wanted.key)),
      scope,
      flight,
      storable: isStorable(storeFallbacks)
    })

  return (plan: Plan.Plan, recorder: Route.Recorder): HttpClient.HttpClient.With<RouterError.RouterError> =>
    onion(chain(plan, guards, clients), (request, execute) =>
      plan.cache === undefined
        ? recordedBy(execute(request), recorder)
        : cached(plan.cache, plan.policies)({ cache, caller: recorder, request, execute: execute(request) })).pipe(
        whenSet(plan.totalTimeout, Timeout.withDeadline)
      )
}
