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
import * as Persistence from "@effect/experimental/Persistence"
import type * as PlatformError from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constant, flow } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Access from "../internal/cacheAccess.js"
import * as internal from "../internal/cachedBy.js"
import type * as CachedCall from "../internal/cachedCall.js"
import type * as CachedStream from "../internal/cachedStream.js"
import * as Files from "../internal/cacheFiles.js"
import * as Persisted from "../internal/cachePersisted.js"
import { withReference } from "../internal/here.js"
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
 * `get` and `set` never fail: a store that fails or takes longer than 200 milliseconds has no entries, and is not asked again for a second.
 * `set` does not wait for a store beyond this process.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service extends CacheStore.Store {
  readonly [TypeId]: TypeId
  /** @internal */
  readonly access: Access.Access
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

const makeService = (access: Access.Access): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    return {
      [TypeId]: TypeId,
      get: access.get,
      set: access.set,
      access,
      flights: yield* SingleFlight.make<CachedCall.Answer, Route.Recorder>(scope),
      streams: SharedStream.make(scope)
    }
  })

/**
 * The service over any store. No call fails for its store, or waits for it longer than 200 milliseconds in all; each access that failed or
 * took too long counts in the metric `effect_llm_router_store_failures`, with the tag `store: response_cache`. Closing the scope interrupts
 * the calls that are under way, and waits as long for entries that are being written.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <E>(store: CacheStore.Store<E>): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.flatMap(Access.guarded(store), makeService)

/**
 * A cache in the memory of this process: at most 1,000 entries and 64 MiB, if not told otherwise.
 *
 * Throws `InvalidRequest` when an option is not a whole number of 1 or more.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (options?: CacheStore.MemoryOptions): Layer.Layer<ResponseCache> => {
  const store = CacheStore.makeMemory(options)
  return Layer.scoped(ResponseCache, Effect.flatMap(store, (store) => makeService(Access.direct(store))))
}

/**
 * What the entries are kept under when `namespace` is not given.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultNamespace = "response-cache"

/**
 * @since 0.1.0
 * @category models
 */
export interface PersistedOptions {
  /** A name for the entries within the store: programs that have it in common share them. Default `response-cache`. */
  readonly namespace?: string | undefined
}

/**
 * A cache in a store that outlives this process or is shared by several: that of `effect-llm-router/Redis`, or any other
 * `BackingPersistence`. Answers are kept as JSON texts, under keys that are hashes. What is there and is no entry of this version is a miss,
 * and replaced. Times are those of the wall clock.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: PersistedOptions = {}
): Layer.Layer<ResponseCache, never, Persistence.BackingPersistence> =>
  Layer.scoped(
    ResponseCache,
    Effect.gen(function*() {
      const backing = yield* Persistence.BackingPersistence
      const store = yield* backing.make(options.namespace ?? defaultNamespace)
      return yield* make(Persisted.make(Persisted.fromPersistence(store)))
    })
  )

/**
 * A cache in the files of a directory, which is made if it is not there, and may be shared by several processes and be removed at any time.
 * Only the user who runs the program may read them. Expired files are removed, once in a minute at most, and while there are more bytes than
 * `maxBytes`, those that expire next; between two of these times each process that shares the directory may add an eighth more. What is
 * no entry of this version is a miss, and replaced. Times are those of the wall clock.
 *
 * It fails when the directory cannot be made. Throws `InvalidRequest` when `maxBytes` is not a whole number of 1 or more.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFileSystem = (
  directory: string,
  options: CacheStore.FileOptions = {}
): Layer.Layer<ResponseCache, PlatformError.PlatformError, FileSystem.FileSystem | Path.Path> => {
  const maxBytes = CacheStore.fileBytes(options)
  return Layer.scoped(
    ResponseCache,
    Effect.flatMap(Files.make(directory, maxBytes), (files) => make(Persisted.make(files)))
  )
}

/**
 * What a request may do with the cache: `"default"` reads and writes; `"force-refresh"` does not read, it makes a call and stores the answer
 * for the others; `"read-only"` reads and does not write; `"no-store"` does neither, and shares no call either.
 *
 * @since 0.1.0
 * @category models
 */
export type Mode = "default" | "force-refresh" | "read-only" | "no-store"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options<out E = never, out R = never> {
  /**
   * How long an answer is used, from when it was stored: the shorter one of its own time to live and that of the request that finds it.
   * Longer than 0; an infinite one is not limited by time.
   */
  readonly ttl: Duration.DurationInput
  /**
   * How long after its `ttl` an answer is still used when the call fails because of an outage: the connection, a clock, a 5xx, an answer that
   * is none, an open circuit; of several targets all of them. Nothing else is answered with it: not a 4xx, the deadline of the call, or a
   * stream that broke after its first content. Both the entry and the request that finds it have to allow it. Default: not at all.
   */
  readonly staleIfError?: Duration.DurationInput | undefined
  /**
   * Default `"default"`. When a function gives anything that is no `Mode`, the request passes through like one of `"no-store"`: what was meant
   * to be kept out of the cache is not stored for a typing error.
   */
  readonly mode?: Mode | ((request: HttpClientRequest.HttpClientRequest) => Mode) | undefined
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
  /**
   * A name for how a call is made: its clocks, its retries. It is no part of what is stored, but identical requests are one call only where
   * it is the same, for a caller that joins a call gets it as it is made. A completion that clocks watch from around the cache is a call of
   * its own beside one that none does. Default `""`.
   */
  readonly flight?: string | undefined
  /** Which responses are stored. Default: every 2xx. */
  readonly storable?: ((candidate: CacheStore.Candidate) => boolean) | undefined
}

/**
 * The request headers that tell callers apart. Their values are part of every key.
 *
 * @since 0.1.0
 * @category defaults
 */
export const credentialHeaders: ReadonlyArray<string> = internal.credentialHeaders

const isSuccess = ({ status }: CacheStore.Candidate): boolean => status >= 200 && status < 300

const validDuration = (
  path: string,
  input: Duration.DurationInput,
  isValid: (duration: Duration.Duration) => boolean,
  expected: string
): Duration.Duration =>
  Option.getOrThrowWith(
    Option.filter(Duration.decodeUnknown(input), isValid),
    () => RouterError.invalidField(path, `expected a duration${expected}`)
  )

const isPositive = Duration.greaterThan(Duration.zero)

const modes: ReadonlySet<unknown> = new Set<Mode>(["default", "force-refresh", "read-only", "no-store"])

const validMode = (mode: Mode): Mode => {
  if (!modes.has(mode)) {
    throw RouterError.invalidField("mode", "expected \"default\", \"force-refresh\", \"read-only\" or \"no-store\"")
  }
  return mode
}

/** What a function gives is seen at the call only, where it must not fail, nor store what was perhaps not to be stored. */
const orNoStore = (mode: Mode): Mode => modes.has(mode) ? mode : "no-store"

/**
 * Answers a request from the cache when an identical one was answered within `ttl`; otherwise it makes the call, and
 * stores what `storable` allows. Identical requests at the same time are one call; each of their callers may leave
 * without harm to the others, and the call is interrupted when the last one has left.
 *
 * Failures are never stored: the callers that wait share one, once. With `staleIfError`, an outage is answered with the last answer, if
 * that is not too old. A call runs with the context, the client and the options of the first caller. Responses come from memory and can be
 * read any number of times.
 *
 * A stream of chat chunks (see `Settle`) is handed on while it is collected, and stored as a completion when it was complete, so
 * that one entry serves those who ask for a stream and those who do not. Callers that ask for the same stream at the same
 * time read one upstream, each from its start and at its own pace; its chunks are frozen.
 *
 * What passes through: requests other than GET, HEAD and POST, requests without a key, those of the mode `"no-store"`, and responses whose
 * body is not a text (other event streams, images). The `cache-control` of a response is not consulted.
 *
 * Where there is a `Route.CurrentRecorder`, it learns whether the call was a `"hit"`, a `"miss"`, `"shared"`, `"stale"` or a
 * `"bypass"`, and how old an answer from the cache is.
 *
 * Throws `InvalidRequest` when `ttl` is not a duration longer than 0, `staleIfError` is no duration, or `mode` is none.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withCache = <E2 = never, R2 = never>(
  options: Options<E2, R2>
): HttpPolicy.HttpPolicy<E2, R2 | ResponseCache> => {
  const { flight = "", key, mode = "default", scope = "", storable = isSuccess } = options
  const cached = internal.cachedBy<E2, R2>({
    lifetime: {
      ttl: validDuration("ttl", options.ttl, isPositive, " longer than 0"),
      staleFor: validDuration("staleIfError", options.staleIfError ?? Duration.zero, () => true, "")
    },
    modeOf: typeof mode === "function" ? flow(mode, orNoStore) : constant(validMode(mode)),
    contentOf: key ?? ((request) => Effect.succeed(CacheKey.ofRequest(request))),
    scope,
    flight,
    storable
  })
  return HttpPolicy.make<E2, R2 | ResponseCache>((request, execute) =>
    withReference(
      Route.CurrentRecorder,
      (caller) =>
        Effect.flatMap(ResponseCache, (cache) => cached({ cache, caller, request, execute: execute(request) }))
    )
  )
}
