import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type { Execute } from "./onion.js"

/** A client of its own kind is told apart by this member, for it may come from another copy of the module. */
export const unobserved: unique symbol = Symbol.for("effect-llm-router/internal/unobserved")

/**
 * A client that never follows a redirect, and can make a request without a span and without trace headers by itself. Any other one has to be
 * told so in the context of each request, which costs as much as half of a call.
 */
export interface UnobservedClient extends HttpClient.HttpClient {
  readonly [unobserved]: Execute<HttpClientError.HttpClientError, never>
}

export const isUnobserved = (client: HttpClient.HttpClient): client is UnobservedClient => unobserved in client
