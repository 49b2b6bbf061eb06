import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as CacheKey from "../policy/CacheKey.js"
import type * as CacheStore from "../policy/CacheStore.js"
import type * as ResponseCache from "../policy/ResponseCache.js"
import type * as Route from "../Route.js"
import { isCacheable } from "./cacheable.js"
import { answer } from "./cacheAnswer.js"
import * as CachedCall from "./cachedCall.js"

/** `ResponseCache.Options`, checked and with their defaults. */
export interface Settings<out E, out R> {
  readonly lifetime: CacheStore.Lifetime
  readonly modeOf: (request: HttpClientRequest.HttpClientRequest) => ResponseCache.Mode
  readonly contentOf: (request: HttpClientRequest.HttpClientRequest) => Effect.Effect<Option.Option<string>, E, R>
  readonly scope: string
  readonly flight: string
  readonly storable: (candidate: CacheStore.Candidate) => boolean
}

interface Called<E, R> {
  readonly cache: ResponseCache.Service
  /** The record of the call. */
  readonly caller: Route.Recorder | undefined
  readonly request: HttpClientRequest.HttpClientRequest
  /** Makes the call, wherever it is run: in a context of its own, with a record of its own. */
  readonly execute: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>
}

/** See `ResponseCache.credentialHeaders`. */
export const credentialHeaders: ReadonlyArray<string> = [
  "authorization",
  "proxy-authorization",
  "cookie",
  "api-key",
  "x-api-key",
  "x-goog-api-key",
  "openai-organization",
  "openai-project"
]

/**
 * Changes with the meaning of a key or an entry, so that a lasting store never answers with those of another version.
 */
const keyVersion = "effect-llm-router/1"

const finalKey = (scope: string, request: HttpClientRequest.HttpClientRequest, content: string): string =>
  CacheKey.hash([keyVersion, scope, ...credentialHeaders.map((name) => request.headers[name] ?? ""), content])

/** `ResponseCache.withCache` for whoever has the cache and the record of the call at hand: a hit needs no change of the context then. */
export const cachedBy = <E2, R2>({ contentOf, flight, lifetime, modeOf, scope, storable }: Settings<E2, R2>) =>
<E, R>(
  { cache, caller, execute, request }: Called<E, R>
): Effect.Effect<HttpClientResponse.HttpClientResponse, E | E2, R | R2> => {
  const mode = modeOf(request)
  return mode === "no-store" || !isCacheable(request)
    ? CachedCall.bypass(caller, execute)
    : Effect.flatMap(contentOf(request), (content) =>
      Option.isNone(content)
        ? CachedCall.bypass(caller, execute)
        : answer({
          cache,
          key: finalKey(scope, request, content.value),
          flight,
          mode,
          lifetime,
          storable,
          request,
          execute,
          caller
        }))
}
