/**
 * An exact-match cache of whole answers, with one upstream call for any number of identical requests at the same time.
 *
 * The entries and the calls under way live in the `ResponseCache` service, so all policies that are given one layer
 * share them:
 *
 * ```ts
 * import { ResponseCache } from "effect-llm-router"
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(ResponseCache.withCache({ ttl: "1 hour" }))
 *   yield* client.get("http://localhost:3000/models")
 *   return yield* client.get("http://localhost:3000/models") // from memory
 * }).pipe(Effect.provide(Layer.merge(FetchHttpClient.layer, ResponseCache.layerMemory())))
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { asksForStream } from "../internal/accept.js"
import { isCacheable } from "../internal/cacheable.js"
import * as CachedCall from "../internal/cachedCall.js"
import * as CachedStream from "../internal/cachedStream.js"
import * as SharedStream from "../internal/sharedStream.js"
import * as SingleFlight from "../internal/singleFlight.js"
import * as Route from "../Route.js"
import * as RouterError from "../RouterError.js"
import * as CacheKey from "./CacheKey.js"
import * as CacheStore from "./CacheStore.js"
import * as HttpPolicy from "./HttpPolicy.js"

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-llm-router/ResponseCache")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * A store and the calls that are under way. Built by `make`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends CacheStore.Store {
  readonly [TypeId]: TypeId
  /** @internal */
  readonly flights: SingleFlight.SingleFlight<CachedCall.Answer, Route.Recorder>
  /** @internal */
  readonly streams: CachedStream.Streams
}

/**
 * @since 0.1.0
 * @category context
 */
export class ResponseCache extends Context.Tag("effect-llm-router/ResponseCache")<ResponseCache, Service>() {}

/**
 * The service over any store. Closing the scope interrupts the calls that are under way.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (store: CacheStore.Store): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => ({
    [TypeId]: TypeId,
    get: store.get,
    set: store.set,
    flights: SingleFlight.make(scope),
    streams: SharedStream.make(scope)
  }))

/**
 * A cache in the memory of this process: at most 1,000 entries and 64 MiB, if not told otherwise.
 *
 * Throws `InvalidRequest` when an option is not a whole number of 1 or more.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (options?: CacheStore.MemoryOptions): Layer.Layer<ResponseCache> =>
  Layer.scoped(ResponseCache, Effect.flatMap(CacheStore.makeMemory(options), make))

/**
 * @since 0.1.0
 * @category models
 */
export interface Options<out E = never, out R = never> {
  /** How long an answer is used, from when it was stored. Longer than 0; an infinite one is not limited by time. */
  readonly ttl: Duration.DurationInput
  /**
   * What makes two requests the same, and `none` for one that is not to be cached. Default `CacheKey.ofRequest`. The
   * credentials in the request and `scope` are added to it, and only a hash of all is stored.
   */
  readonly key?:
    | ((request: HttpClientRequest.HttpClientRequest) => Effect.Effect<Option.Option<string>, E, R>)
    | undefined
  /**
   * A name for what cannot be seen in the request: a tenant, or the providers behind the client. Only requests of one
   * scope share answers. They share failures too, so clients with different types of errors need different scopes.
   * Default `""`.
   */
  readonly scope?: string | undefined
  /** Which responses are stored. Default: every 2xx. */
  readonly storable?: ((candidate: CacheStore.Candidate) => boolean) | undefined
}

/**
 * The request headers that tell callers apart. Their values are part of every key.
 *
 * @since 0.1.0
 * @category defaults
 */
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

const isSuccess = ({ status }: CacheStore.Candidate): boolean => status >= 200 && status < 300

const validTtl = (input: Duration.DurationInput): Duration.Duration => {
  const ttl = Duration.decodeUnknown(input)
  if (Option.isNone(ttl) || !Duration.greaterThan(ttl.value, Duration.zero)) {
    throw RouterError.invalidField("ttl", "expected a duration longer than 0")
  }
  return ttl.value
}

/**
 * Answers a request from the cache when an identical one was answered within `ttl`; otherwise it makes the call, and
 * stores what `storable` allows. Identical requests at the same time are one call; each of their callers may leave
 * without harm to the others, and the call is interrupted when the last one has left.
 *
 * Failures are never stored: the callers that wait share one, once. A call runs with the context, the client and the
 * options of the first caller. Responses come from memory and can be read any number of times.
 *
 * A stream of chat chunks (see `Settle`) is handed on while it is collected, and stored as a completion when it was complete, so
 * that one entry serves those who ask for a stream and those who do not. Callers that ask for the same stream at the same
 * time read one upstream, each from its start and at its own pace.
 *
 * What passes through: requests other than GET, HEAD and POST, requests without a key, and responses whose body is not a
 * text (other event streams, images). The `cache-control` of a response is not consulted.
 *
 * Where there is a `Route.CurrentRecorder`, it learns whether the call was a `"hit"`, a `"miss"`, `"shared"` or a
 * `"bypass"`.
 *
 * Throws `InvalidRequest` when `ttl` is not a duration longer than 0.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withCache = <E2 = never, R2 = never>(
  options: Options<E2, R2>
): HttpPolicy.HttpPolicy<E2, R2 | ResponseCache> => {
  const ttl = validTtl(options.ttl)
  const { scope = "", storable = isSuccess } = options
  const contentOf = options.key ?? ((request) => Effect.succeed(CacheKey.ofRequest(request)))

  const share = <E, R>(
    cache: Service,
    key: string,
    request: HttpClientRequest.HttpClientRequest,
    execute: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>,
    caller: Route.Recorder | undefined
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> =>
    Effect.suspend(() => {
      const call = { store: cache, key, ttl, storable, recorder: Route.makeRecorder(), execute }
      if (asksForStream(request)) {
        return CachedStream.share(cache.streams, request, call, caller)
      }
      const flight = cache.flights.join(key, {
        log: call.recorder,
        run: CachedCall.run(call),
        onDone: (log, first) => CachedCall.recordCall(caller, log, first)
      })
      return Effect.flatMap(flight, ({ first, value }) => {
        switch (value._tag) {
          case "Stored":
            return Effect.succeed(CachedCall.fromEntry(request, value.entry))
          case "Read":
            return Effect.succeed(CachedCall.fromContent(request, value.content, first))
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

  return HttpPolicy.make<E2, R2 | ResponseCache>((request, execute) =>
    Effect.flatMap(Route.CurrentRecorder, (caller) => {
      const call = execute(request)
      if (!isCacheable(request)) {
        return CachedCall.bypass(caller, call)
      }
      return Effect.flatMap(contentOf(request), (content) => {
        if (Option.isNone(content)) {
          return CachedCall.bypass(caller, call)
        }
        return Effect.flatMap(ResponseCache, (cache) => {
          const key = finalKey(scope, request, content.value)
          return Effect.flatMap(cache.get(key), (found) => {
            const hit = Option.flatMap(found, (entry) => fromEntry(request, entry))
            if (Option.isNone(found) || Option.isNone(hit)) {
              return share(cache, key, request, call, caller)
            }
            CachedCall.recordHit(caller, found.value)
            return Effect.succeed(hit.value)
          })
        })
      })
    })
  )
}
