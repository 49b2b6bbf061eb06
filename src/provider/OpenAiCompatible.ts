/**
 * Providers that speak OpenAI's chat completions: most of them do, under a base URL of their own.
 *
 * @since 0.1.0
 */
import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Endpoint from "../internal/endpoint.js"
import { client } from "../internal/onion.js"
import { sensitiveHeaders } from "../internal/redaction.js"
import * as RouterError from "../RouterError.js"
import * as Server from "../telemetry/Server.js"
import * as RequestBody from "../wire/RequestBody.js"
import * as Hosts from "./Hosts.js"
import type { Provider } from "./Provider.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Where the API begins, e.g. `"http://localhost:8080/v1"`; `/chat/completions` is added. */
  readonly baseUrl: string
  /** Sent as `Authorization: Bearer …`. Absent for hosts that want none. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** Further headers, e.g. an organisation. */
  readonly headers?: Endpoint.HeaderValues | undefined
  /** Whether `[DONE]` ends a stream that has no finish reason: for hosts that never send one. Default `false`. */
  readonly doneTerminates?: boolean | undefined
}

/** How one host is addressed. */
interface Address {
  readonly address: string
  readonly url: (model: string) => string
  readonly headers: Endpoint.HeaderValues
  readonly doneTerminates: boolean
}

/** A path is added to the URL, which would end up in a query; `fetch` takes no credentials in a URL. */
const checkUrl = (path: string, text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (
    url === undefined || !/^https?:$/.test(url.protocol) || url.username + url.password + url.search + url.hash !== ""
  ) {
    throw RouterError.invalidField(path, "expected an http or https URL without credentials, query and fragment")
  }
  return url.href.replace(/\/+$/, "")
}

const fromEndpoint = (endpoint: Address): Provider => {
  const headers = Endpoint.plainHeaders(endpoint.headers)

  /** What the request has of its own, but for credentials: they are those of somebody else. */
  const headersOf = (request: HttpClientRequest.HttpClientRequest): Record<string, string> => {
    const own: Record<string, string> = {}
    for (const [name, value] of Object.entries(request.headers)) {
      if (!sensitiveHeaders.has(name)) {
        own[name] = value
      }
    }
    return Object.assign(own, headers)
  }

  const toUpstream = (model: string, request: HttpClientRequest.HttpClientRequest) =>
    Either.map(
      Either.flatMap(RequestBody.toJson(request), (json) => Endpoint.encode({ ...json, model })),
      (body) =>
        HttpClientRequest.post(endpoint.url(model), {
          headers: headersOf(request),
          body: HttpBody.uint8Array(body, "application/json")
        })
    )

  return {
    identity: [
      endpoint.address,
      ...Object.entries(endpoint.headers).flatMap(([name, value]) => Redacted.isRedacted(value) ? [] : [name, value])
    ],
    secrets: Endpoint.secretsOf(endpoint.headers),
    doneTerminates: endpoint.doneTerminates,
    server: Server.fromUrl(endpoint.address),
    client: (transport) => {
      const send = Endpoint.guarded(transport)
      return (model) => {
        // a retry comes with the same request: encoded once
        const encoded = new WeakMap<object, ReturnType<typeof toUpstream>>()
        return client<HttpClientError.HttpClientError | RouterError.InvalidRequest, never>((request) => {
          const upstream = encoded.get(request) ?? toUpstream(model, request)
          encoded.set(request, upstream)
          return Either.isLeft(upstream) ? Effect.fail(upstream.left) : send(upstream.right)
        })
      }
    }
  }
}

/**
 * Any host with an OpenAI-compatible API.
 *
 * Throws `InvalidRequest` when the base URL is not one or a header cannot be sent; the error names the header, never its value.
 *
 * ```ts
 * import { OpenAiCompatible } from "effect-llm-router"
 *
 * const local = OpenAiCompatible.make({ baseUrl: "http://localhost:8080/v1" })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Provider => {
  const url = `${checkUrl("baseUrl", options.baseUrl)}/chat/completions`
  return withSecret(
    options.apiKey,
    fromEndpoint({
      address: url,
      url: () => url,
      headers: { ...options.headers, ...Endpoint.bearer(options.apiKey) },
      doneTerminates: options.doneTerminates ?? false
    })
  )
}

/** The bare key is a secret too: an answer may repeat it without `Bearer`. */
const withSecret = (apiKey: Redacted.Redacted | undefined, provider: Provider): Provider =>
  apiKey === undefined ? provider : { ...provider, secrets: [...provider.secrets, apiKey] }

/**
 * A host of the table in `Hosts`, by name.
 *
 * ```ts
 * import { OpenAiCompatible } from "effect-llm-router"
 * import { Redacted } from "effect"
 *
 * const groq = OpenAiCompatible.host("groq", { apiKey: Redacted.make("gsk_…") })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const host = (name: Hosts.HostName, options: Partial<Options> = {}): Provider =>
  make({ ...options, baseUrl: options.baseUrl ?? Hosts.hosts[name].baseUrl })

/**
 * The version of Azure's API that is used when none is given: the latest stable one that is known here.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultAzureApiVersion = "2024-10-21"

/**
 * @since 0.1.0
 * @category models
 */
export interface AzureOptions {
  /** E.g. `"https://my-resource.openai.azure.com"`. */
  readonly endpoint: string
  /** Sent as `api-key`. */
  readonly apiKey: Redacted.Redacted
  /** Sent as `api-version`. Default `defaultAzureApiVersion`. */
  readonly apiVersion?: string | undefined
}

/**
 * Azure OpenAI. The model of a request is the name of a deployment.
 *
 * Throws like `make`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const azure = (options: AzureOptions): Provider => {
  const endpoint = checkUrl("endpoint", options.endpoint)
  const version = encodeURIComponent(options.apiVersion ?? defaultAzureApiVersion)
  return fromEndpoint({
    address: endpoint,
    url: (model) =>
      `${endpoint}/openai/deployments/${encodeURIComponent(model)}/chat/completions?api-version=${version}`,
    headers: { "api-key": options.apiKey },
    doneTerminates: false
  })
}
