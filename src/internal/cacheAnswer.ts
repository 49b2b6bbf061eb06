import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as CacheStore from "../policy/CacheStore.js"
import type * as ResponseCache from "../policy/ResponseCache.js"
import * as Route from "../Route.js"
import { asksForStream } from "./accept.js"
import * as Activity from "./activity.js"
import * as CachedCall from "./cachedCall.js"
import * as CachedStream from "./cachedStream.js"
import { isOutage } from "./cacheOutage.js"
import { withReference } from "./here.js"
import { nowMillis } from "./monotonic.js"

type Response<E, R> = Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>

/**
 * One request that may be answered from the cache.
 *
 * @internal
 */
export interface Asked<E, R> {
  readonly cache: ResponseCache.Service
  readonly key: string
  readonly flight: string
  readonly mode: ResponseCache.Mode
  readonly lifetime: CacheStore.Lifetime
  readonly storable: (candidate: CacheStore.Candidate) => boolean
  readonly request: HttpClientRequest.HttpClientRequest
  readonly execute: Response<E, R>
  readonly caller: Route.Recorder | undefined
}

/** Joins the call for the same that is under way, or makes it. */
const share = <E, R>(asked: Asked<E, R>): Response<E, R> =>
  withReference(Activity.CurrentActivity, (activity) => {
    const { cache, caller, execute, flight, key, lifetime, mode, request, storable } = asked
    const call: CachedCall.Call<E, R> = {
      cache: cache.access,
      key,
      request,
      lifetime,
      reads: mode !== "force-refresh",
      writes: mode !== "read-only",
      storable,
      recorder: Route.makeRecorder(),
      execute
    }
    // one that waits for a fresh answer does not join a call that may find a stored one, and one that stores none is joined by nobody
    // whose answer is to be stored
    const together = `${key} ${mode} ${flight}`
    if (asksForStream(request)) {
      return CachedStream.share(cache.streams, together, request, call, caller)
    }
    // what no clock watches is not noted, for that takes a stream of a body: so nobody joins it who would have to be told
    const recorder = Context.make(Route.CurrentRecorder, call.recorder)
    const joined = cache.flights.join(activity === undefined ? together : `${together} watched`, {
      log: call.recorder,
      services: activity === undefined ? Context.add(recorder, Activity.CurrentActivity, undefined) : recorder,
      run: CachedCall.run(call),
      onDone: (log, first) => CachedCall.recordCall(caller, log, first)
    })
    return Effect.flatMap(joined, ({ first, value }) => {
      switch (value._tag) {
        case "Stored":
          return Effect.succeed(CachedCall.fromEntry(request, value.entry))
        case "Read":
          return Effect.succeed(first ? value.response : CachedCall.forOthers(request, value.response))
        case "Unread":
          // one caller can have it, the others make a call of their own
          return CachedCall.bypass(
            caller,
            Option.match(value.take(), { onNone: () => execute, onSome: Effect.succeed })
          )
      }
    })
  })

const fromEntry = (request: HttpClientRequest.HttpClientRequest, entry: CacheStore.Entry) =>
  asksForStream(request)
    ? CachedStream.fromEntry(request, entry)
    : Option.some(CachedCall.fromEntry(request, entry))

/** The call, and in an outage what was found, as long as that is within the window: a call may take its time to fail. */
const orStale = <E, R>(
  { caller, lifetime }: Asked<E, R>,
  call: Response<E, R>,
  found: CacheStore.Found,
  staleMillis: number,
  response: HttpClientResponse.HttpClientResponse
): Response<E, R> =>
  Effect.flatMap(nowMillis, (start) =>
    Effect.catchAll(call, (error) =>
      isOutage(error)
        ? Effect.flatMap(nowMillis, (now) => {
          const elapsed = now - start
          if (staleMillis + elapsed >= Duration.toMillis(lifetime.staleFor)) {
            return Effect.fail(error)
          }
          CachedCall.recordStale(caller, { ...found, ageMillis: found.ageMillis + elapsed })
          return Effect.succeed(response)
        })
        : Effect.fail(error)))

/**
 * What is stored, or what a call gives that is shared with all who ask for the same at the same time.
 *
 * @internal
 */
export const answer = <E, R>(asked: Asked<E, R>): Response<E, R> => {
  const { cache: { access }, caller, key, mode, request } = asked
  const call = share(asked)
  if (mode === "force-refresh") {
    return call
  }
  return access.visit(
    key,
    Effect.flatMap(access.get(key), (found) => {
      const response = Option.flatMap(found, ({ entry }) => fromEntry(request, entry))
      if (Option.isNone(found) || Option.isNone(response)) {
        return call
      }
      const staleMillis = CachedCall.staleMillisOf(found.value, asked.lifetime.ttl)
      if (staleMillis !== undefined) {
        return orStale(asked, call, found.value, staleMillis, response.value)
      }
      CachedCall.recordHit(caller, found.value)
      return Effect.succeed(response.value)
    })
  )
}
