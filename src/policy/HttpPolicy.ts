/**
 * A policy is a function from an `HttpClient` to an `HttpClient`.
 *
 * Retries, timeouts, fallbacks, caches: each wraps a client and gives back a client, widens the errors and requirements of
 * what it wraps by what it adds, and leaves the order to whoever composes it:
 *
 * ```ts
 * import { Retry, Timeout } from "effect-llm-router"
 * import { FetchHttpClient, HttpClient } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(
 *     HttpClient.filterStatusOk,
 *     Timeout.withCallTimeout("2 seconds"), // inside: the clock of one attempt
 *     Retry.withRetry({ count: 2 })
 *   )
 *   return yield* client.get("http://localhost:3000/status")
 * }).pipe(Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as internal from "../internal/onion.js"

/**
 * Wraps a client. `E2` and `R2` are what it adds to the errors and requirements of any client.
 *
 * @since 0.1.0
 * @category models
 */
export interface HttpPolicy<out E2 = never, out R2 = never> {
  <E, R>(self: HttpClient.HttpClient.With<E, R>): HttpClient.HttpClient.With<E | E2, R | R2>
}

/**
 * Runs a request on the wrapped client. Each run is one more request.
 *
 * @since 0.1.0
 * @category models
 */
export type Execute<E, R> = internal.Execute<E, R>

/**
 * One layer of the onion: everything the wrapped client does happens inside `f`, and nothing else does.
 *
 * `HttpClient.transform` and `HttpClient.mapRequest` are no substitute: they compose what comes before a request and what
 * comes after it separately, so a `mapRequest` piped on the outside of a retry still runs for every attempt.
 *
 * @since 0.1.0
 * @category constructors
 */
export const wrap: {
  /**
   * @since 0.1.0
   * @category constructors
   */
  <E, R, E2, R2>(
    f: (
      request: HttpClientRequest.HttpClientRequest,
      execute: Execute<E, R>
    ) => Effect.Effect<HttpClientResponse.HttpClientResponse, E2, R2>
  ): (self: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E2, R2>
  /**
   * @since 0.1.0
   * @category constructors
   */
  <E, R, E2, R2>(
    self: HttpClient.HttpClient.With<E, R>,
    f: (
      request: HttpClientRequest.HttpClientRequest,
      execute: Execute<E, R>
    ) => Effect.Effect<HttpClientResponse.HttpClientResponse, E2, R2>
  ): HttpClient.HttpClient.With<E2, R2>
} = dual(2, internal.onion)

/**
 * A policy from what it does with one request. This is all that a policy of your own needs:
 *
 * ```ts
 * import { HttpPolicy } from "effect-llm-router"
 * import { Effect } from "effect"
 *
 * // says how long each call took
 * const withDurationLog = HttpPolicy.make((request, execute) =>
 *   Effect.timed(execute(request)).pipe(
 *     Effect.tap(([duration]) => Effect.log(`${request.url} took ${duration}`)),
 *     Effect.map(([, response]) => response)
 *   )
 * )
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <E2 = never, R2 = never>(
  f: <E, R>(
    request: HttpClientRequest.HttpClientRequest,
    execute: Execute<E, R>
  ) => Effect.Effect<HttpClientResponse.HttpClientResponse, E | E2, R | R2>
): HttpPolicy<E2, R2> =>
<E, R>(self: HttpClient.HttpClient.With<E, R>) => wrap(self, (request, execute: Execute<E, R>) => f(request, execute))

/**
 * The policy that changes nothing: neutral on both sides of `compose`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const identity: HttpPolicy = (self) => self

/**
 * Two policies as one. `inner` is nearer to the transport: `compose(inner, outer)(client)` is `outer(inner(client))`, the order
 * of `client.pipe(inner, outer)`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const compose: {
  /**
   * @since 0.1.0
   * @category combinators
   */
  <E3, R3>(outer: HttpPolicy<E3, R3>): <E2, R2>(inner: HttpPolicy<E2, R2>) => HttpPolicy<E2 | E3, R2 | R3>
  /**
   * @since 0.1.0
   * @category combinators
   */
  <E2, R2, E3, R3>(inner: HttpPolicy<E2, R2>, outer: HttpPolicy<E3, R3>): HttpPolicy<E2 | E3, R2 | R3>
} = dual(2, <E2, R2, E3, R3>(
  inner: HttpPolicy<E2, R2>,
  outer: HttpPolicy<E3, R3>
): HttpPolicy<E2 | E3, R2 | R3> =>
<E, R>(self: HttpClient.HttpClient.With<E, R>) => outer(inner(self)))

/**
 * Gives a policy a service that it needs. All that happens inside of it sees that service, too.
 *
 * ```ts
 * import { Concurrency, HttpPolicy } from "effect-llm-router"
 * import { Effect } from "effect"
 *
 * // all clients that are wrapped with this value share 20 requests under way
 * const twenty = Effect.map(Concurrency.make({ limit: 20 }), (service) =>
 *   HttpPolicy.provideService(Concurrency.withConcurrency("openai"), Concurrency.Concurrency, service))
 * ```
 *
 * @since 0.1.0
 * @category combinators
 */
export const provideService: {
  /**
   * @since 0.1.0
   * @category combinators
   */
  <I, S>(
    tag: Context.Tag<I, S>,
    service: S
  ): <E2, R2>(policy: HttpPolicy<E2, R2>) => HttpPolicy<E2, Exclude<R2, I>>
  /**
   * @since 0.1.0
   * @category combinators
   */
  <E2, R2, I, S>(policy: HttpPolicy<E2, R2>, tag: Context.Tag<I, S>, service: S): HttpPolicy<E2, Exclude<R2, I>>
} = dual(
  3,
  <E2, R2, I, S>(policy: HttpPolicy<E2, R2>, tag: Context.Tag<I, S>, service: S): HttpPolicy<E2, Exclude<R2, I>> =>
  <E, R>(self: HttpClient.HttpClient.With<E, R>) =>
    wrap(
      policy(self),
      (request, execute: Execute<E | E2, R | R2>) => Effect.provideService(execute(request), tag, service)
    )
)
