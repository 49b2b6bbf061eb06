import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as CacheStore from "../policy/CacheStore.js"
import * as Route from "../Route.js"
import { isCompletionResponse } from "../wire/CompletionResponse.js"
import * as Activity from "./activity.js"
import { isTextual } from "./cacheable.js"
import type { Access } from "./cacheAccess.js"
import { withClock, withReference } from "./here.js"
import * as MemoryResponse from "./memoryResponse.js"
import { recordedBy } from "./recordedBy.js"
import { WatchedResponse } from "./watchedResponse.js"

/**
 * What a call gave: an entry after all, a response that was read to its end, or one whose body cannot be kept and is
 * still unread.
 *
 * @internal
 */
export type Answer =
  | { readonly _tag: "Stored"; readonly entry: CacheStore.Entry }
  | { readonly _tag: "Read"; readonly response: MemoryResponse.MemoryResponse }
  | { readonly _tag: "Unread"; readonly take: () => Option.Option<HttpClientResponse.HttpClientResponse> }

/**
 * One upstream call, for everybody who waits for it.
 *
 * @internal
 */
export interface Call<E, R> {
  readonly cache: Access
  readonly key: string
  readonly request: HttpClientRequest.HttpClientRequest
  readonly lifetime: CacheStore.Lifetime
  /** Whether what an identical call has stored will do. */
  readonly reads: boolean
  /** Whether the answer is stored. */
  readonly writes: boolean
  readonly storable: (candidate: CacheStore.Candidate) => boolean
  /** Its own, because the first of its callers may be gone before it ends. */
  readonly recorder: Route.Recorder
  readonly execute: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>
}

/** A session belongs to the caller whom it was given to. */
const withoutSession = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> => {
  const { "set-cookie": _, ...rest } = headers
  return rest
}

/**
 * Stores an answer, if it may be stored.
 *
 * @internal
 */
export const save = <E, R>(
  { cache, key, lifetime, recorder, storable, writes }: Call<E, R>,
  answer: Omit<CacheStore.Candidate, "route">
): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (!writes || !storable({ ...answer, route: Route.snapshot(recorder) })) {
      return Effect.void
    }
    return withClock((clock) => {
      const storedAtMillis = clock.unsafeCurrentTimeMillis()
      const { headers, status, text } = answer
      const content = { status, headers: Object.freeze(withoutSession(headers)), body: text, storedAtMillis }
      const { served } = recorder
      return cache.set(key, Object.freeze(served === undefined ? content : { ...content, served }), lifetime)
    })
  })

/** An answer that is not settled is noted by nobody yet. To the clocks around the cache its bytes are content, as without one. */
const noted = (response: HttpClientResponse.HttpClientResponse) =>
  withReference(
    Activity.CurrentActivity,
    (activity) =>
      activity === undefined || response instanceof MemoryResponse.MemoryResponse
        ? Effect.succeed(response)
        : Effect.map(Activity.readClock, (now) => {
          activity.headers(now())
          return new WatchedResponse(
            response,
            Activity.noteReads(response.stream, activity, now, () => Activity.everything)
          )
        })
  )

/**
 * A body that cannot be read is an answer too: its error is for whoever reads the response, as it is without a cache.
 */
const read = <E, R>(call: Call<E, R>, response: HttpClientResponse.HttpClientResponse): Effect.Effect<Answer> =>
  Effect.flatMap(Effect.either(response.text), (text) => {
    const { cookies, headers, status } = response
    const answer: Answer = {
      _tag: "Read",
      response: response instanceof MemoryResponse.MemoryResponse
        ? response
        : new MemoryResponse.MemoryResponse(call.request, { status, headers, cookies, text })
    }
    if (Either.isLeft(text)) {
      return Effect.succeed(answer)
    }
    const completion = isCompletionResponse(response) ? response.completion : undefined
    return Effect.as(save(call, { status, headers, text: text.right, completion }), answer)
  })

/**
 * A response that only one caller can have: the first to ask.
 *
 * @internal
 */
export const takeOnce = (
  response: HttpClientResponse.HttpClientResponse
): () => Option.Option<HttpClientResponse.HttpClientResponse> => {
  let left = Option.some(response)
  return () => {
    const taken = left
    left = Option.none()
    return taken
  }
}

/**
 * For how long what was found is stale, by its own time to live and by that of the request that finds it; `undefined` while it is fresh.
 *
 * @internal
 */
export const staleMillisOf = (
  { ageMillis, staleMillis }: CacheStore.Found,
  ttl: Duration.Duration
): number | undefined => {
  const tooOld = ageMillis - Duration.toMillis(ttl)
  return tooOld >= 0 ? Math.max(tooOld, staleMillis ?? 0) : staleMillis
}

/**
 * What an identical call that ended since the caller looked into the store has stored.
 *
 * @internal
 */
export const latest = <E, R>(
  { cache, key, lifetime, reads }: Call<E, R>
): Effect.Effect<Option.Option<CacheStore.Found>> =>
  reads
    ? Effect.map(cache.latest(key), Option.filter((found) => staleMillisOf(found, lifetime.ttl) === undefined))
    : Effect.succeedNone

/** @internal */
export const run = <E, R>(call: Call<E, R>): Effect.Effect<Answer, E, R> =>
  Effect.flatMap(latest(call), (found) => {
    if (Option.isSome(found)) {
      recordHit(call.recorder, found.value)
      return Effect.succeed<Answer>({ _tag: "Stored", entry: found.value.entry })
    }
    call.recorder.cache = "miss"
    return Effect.flatMap(call.execute, (response): Effect.Effect<Answer> =>
      isTextual(response.headers)
        ? Effect.flatMap(noted(response), (response) => read(call, response))
        : Effect.succeed({ _tag: "Unread", take: takeOnce(response) }))
  })

/**
 * A call that has nothing to do with the cache.
 *
 * @internal
 */
export const bypass = <A, E, R>(
  recorder: Route.Recorder | undefined,
  response: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    if (recorder === undefined) {
      return response
    }
    recorder.cache = "bypass"
    return recordedBy(response, recorder)
  })

const recordEntry = (
  recorder: Route.Recorder | undefined,
  cache: "hit" | "stale",
  { ageMillis, entry }: CacheStore.Found
): void => {
  if (recorder !== undefined) {
    recorder.cache = cache
    recorder.cacheAgeMillis = Math.floor(ageMillis)
    recorder.served = entry.served
  }
}

/** @internal */
export const recordHit = (recorder: Route.Recorder | undefined, found: CacheStore.Found): void =>
  recordEntry(recorder, "hit", found)

/** @internal */
export const recordStale = (recorder: Route.Recorder | undefined, found: CacheStore.Found): void =>
  recordEntry(recorder, "stale", found)

/**
 * What was tried in a call counts for each of its callers: all of them waited for it. They get copies, for a route is theirs.
 *
 * @internal
 */
export const recordCall = (recorder: Route.Recorder | undefined, call: Route.Recorder, first: boolean): void => {
  if (recorder !== undefined) {
    for (const attempt of call.attempts) {
      recorder.attempts.push({ ...attempt })
    }
    for (const skip of call.skipped) {
      recorder.skipped.push({ ...skip })
    }
    recorder.served = call.served
    recorder.cache = first ? call.cache : "shared"
    recorder.cacheAgeMillis = call.cacheAgeMillis
  }
}

/** @internal */
export const fromEntry = (
  request: HttpClientRequest.HttpClientRequest,
  { body, headers, status }: CacheStore.Entry
): HttpClientResponse.HttpClientResponse =>
  MemoryResponse.make(request, { status, headers, text: Effect.succeed(body) })

/**
 * What was given to the first of several callers, for another one: without the session that came with it.
 *
 * @internal
 */
export const forOthers = (
  request: HttpClientRequest.HttpClientRequest,
  { headers, status, text }: HttpClientResponse.HttpClientResponse
): HttpClientResponse.HttpClientResponse =>
  MemoryResponse.make(request, { status, headers: withoutSession(headers), text })
