/** What all senders of requests with credentials do: check what goes into a header, keep credentials to themselves, write the body. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as RouterError from "../RouterError.js"
import type * as RequestBody from "../wire/RequestBody.js"
import type { Execute } from "./onion.js"
import { isUnobserved, unobserved } from "./unobserved.js"

/** The headers of each request; those that are `Redacted` are credentials. */
export type HeaderValues = Readonly<Record<string, string | Redacted.Redacted>>

/** Anything else in a header value is an attempt to add another header, or a key that was copied with its line end. */
const headerText = /^[\x20-\x7e]+$/

const headerName = /^[!#$%&'*+.^_`|~\w-]+$/

/** The headers as they are sent. Throws `InvalidRequest` for one that cannot be: it names the header, never the value. */
export const plainHeaders = (headers: HeaderValues): Record<string, string> => {
  const plain: Record<string, string> = {}
  for (const [name, given] of Object.entries(headers)) {
    const value = Redacted.isRedacted(given) ? Redacted.value(given) : given
    if (!headerName.test(name)) {
      throw RouterError.invalidField("headers", "expected names that are valid in HTTP")
    }
    if (!headerText.test(value)) {
      throw RouterError.invalidField(`headers.${name}`, "expected visible ASCII characters, without line breaks")
    }
    plain[name] = value
  }
  return plain
}

/** The values that no error may show. */
export const secretsOf = (headers: HeaderValues): ReadonlyArray<Redacted.Redacted> =>
  Object.values(headers).filter((value) => Redacted.isRedacted(value))

/**
 * Trace headers are not for third parties (without a client span none are sent; the router has spans of its own), and no redirect
 * takes a key to another origin.
 */
export const guarded = (transport: HttpClient.HttpClient): Execute<HttpClientError.HttpClientError, never> => {
  if (isUnobserved(transport)) {
    return transport[unobserved]
  }
  const silent = HttpClient.withTracerDisabledWhen(transport, () => true)
  return (request) =>
    Effect.contextWithEffect((context: Context.Context<never>) =>
      Effect.provideService(silent.execute(request), FetchHttpClient.RequestInit, {
        ...Option.getOrUndefined(Context.getOption(context, FetchHttpClient.RequestInit)),
        redirect: "manual"
      })
    )
}

/** The JSON as it is sent. */
export const encode = (json: RequestBody.JsonObject): Either.Either<Uint8Array, RouterError.InvalidRequest> =>
  Either.try({
    try: () => new TextEncoder().encode(JSON.stringify(json)),
    // a bigint, a cycle, a nesting without end; the reason may quote what is in it
    catch: () => RouterError.invalidField("", "expected a body that can be written as JSON")
  })

/** The header of a bearer token; none without one. */
export const bearer = (apiKey: Redacted.Redacted | undefined): HeaderValues =>
  apiKey === undefined ? {} : { authorization: Redacted.make(`Bearer ${Redacted.value(apiKey)}`) }
