import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"

/** Runs a request on a wrapped client. */
export interface Execute<out E, out R> {
  (request: HttpClientRequest.HttpClientRequest): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>
}

/** A client from what it does with a request. */
export const client = <E, R>(execute: Execute<E, R>): HttpClient.HttpClient.With<E, R> =>
  Object.assign(
    HttpClient.makeWith(
      (request: Effect.Effect<HttpClientRequest.HttpClientRequest>) => Effect.flatMap(request, execute),
      Effect.succeed
    ),
    // what these two come to for a request that is there: layers of clients are many, and each call goes through all of them
    { execute: (request: HttpClientRequest.HttpClientRequest) => Effect.suspend(() => execute(request)) }
  )

/**
 * A client around another one. `HttpClient.transform` and `mapRequest` cannot say this: they compose what comes before a request apart from
 * what comes after it.
 */
export const onion = <E, R, E2, R2>(
  self: HttpClient.HttpClient.With<E, R>,
  f: (
    request: HttpClientRequest.HttpClientRequest,
    execute: Execute<E, R>
  ) => Effect.Effect<HttpClientResponse.HttpClientResponse, E2, R2>
): HttpClient.HttpClient.With<E2, R2> => client((request) => f(request, self.execute))
