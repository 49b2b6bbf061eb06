/**
 * How a hosted router is reached.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import * as Endpoint from "../internal/endpoint.js"
import * as RouterError from "../RouterError.js"
import * as Server from "../telemetry/Server.js"
import * as Retries from "./Retries.js"

/**
 * Where the published router is.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultServerURL = "https://my.orq.ai"

/**
 * How many milliseconds one request to a hosted router may take: 600,000, what its description asks for.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultTimeoutMs = 600_000

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Sent as `Authorization: Bearer …`. Absent for a router that wants none. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** Where the router is. A path and a query in it are kept. Default `https://my.orq.ai`. */
  readonly serverURL?: string | undefined
  /** The milliseconds that one request may take, its body or its stream included. Infinity: no limit. Default 600,000. */
  readonly timeoutMs?: number | undefined
  /** Further headers, such as `x-orq-identity-id`. They win over those of the library. */
  readonly headers?: Endpoint.HeaderValues | undefined
  /** Whether the request to the router is sent again when it fails: the router has retries of its own. Default `{ strategy: "none" }`. */
  readonly retries?: Retries.RetryConfig | undefined
  /** The statuses that are retried: `"503"`, or a family, `"5XX"`. Default 429, 500, 502, 503, 504. */
  readonly retryCodes?: ReadonlyArray<string> | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Settings {
  readonly url: string
  /** What errors and attempts call the router. */
  readonly host: string
  /** Where it is, for spans and metrics. */
  readonly server: Server.Server | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  readonly timeoutMs: number
  readonly retries: Retries.Retries
}

type Result<A> = Either.Either<A, RouterError.InvalidRequest>

const path = "/v2/router/chat/completions"

const urlOf = (serverURL: string): Result<URL> => {
  const url = URL.canParse(serverURL) ? new URL(serverURL) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username + url.password + url.hash !== "") {
    return Either.left(
      RouterError.invalidField("serverURL", "expected an http or https URL without credentials and fragment")
    )
  }
  url.pathname = url.pathname.replace(/\/+$/, "") + path
  return Either.right(url)
}

const timeoutOf = (millis: number): Result<number> =>
  millis >= 1
    ? Either.right(millis)
    : Either.left(RouterError.invalidField("timeoutMs", "expected milliseconds, 1 or more"))

const plainHeaders = (headers: Endpoint.HeaderValues): Result<Record<string, string>> =>
  Either.try({
    try: () => Endpoint.plainHeaders(headers),
    catch: (error) =>
      error instanceof RouterError.InvalidRequest ? error : RouterError.invalidField("headers", "cannot be sent")
  })

/** Names are one whatever their case: the later of two wins. */
const lowerCase = (headers: Endpoint.HeaderValues): Endpoint.HeaderValues =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/**
 * The settings of options, or what is wrong with them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Result<Settings> =>
  Either.gen(function*() {
    const url = yield* urlOf(options.serverURL ?? defaultServerURL)
    const headers = { ...Endpoint.bearer(options.apiKey), ...lowerCase(options.headers ?? {}) }
    return {
      url: url.href,
      host: url.host,
      server: Server.fromUrl(url.href),
      headers: yield* plainHeaders(headers),
      secrets: [...(options.apiKey ? [options.apiKey] : []), ...Endpoint.secretsOf(headers)],
      timeoutMs: yield* timeoutOf(options.timeoutMs ?? defaultTimeoutMs),
      retries: yield* Retries.make(options.retries, options.retryCodes)
    }
  })
