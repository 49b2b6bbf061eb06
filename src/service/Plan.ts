/**
 * What a request asks for, made ready: with its targets resolved and the defaults filled in. All that can be wrong with a request is
 * found by now, before any socket is opened.
 *
 * @since 0.1.0
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Either from "effect/Either"
import * as Issues from "../internal/issues.js"
import * as CacheKey from "../policy/CacheKey.js"
import type * as LoadBalancer from "../policy/LoadBalancer.js"
import type * as ResponseCache from "../policy/ResponseCache.js"
import type * as Providers from "../provider/Providers.js"
import * as RouterDefaults from "../RouterDefaults.js"
import * as RouterError from "../RouterError.js"
import * as ChatRequest from "../wire/ChatRequest.js"
import * as RequestBody from "../wire/RequestBody.js"
import * as Routing from "../wire/Routing.js"
import * as Policies from "./Policies.js"
import type * as Rendering from "./Rendering.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Plan {
  /** As a provider's client takes it. */
  readonly request: HttpClientRequest.HttpClientRequest
  /** One of these is drawn as the first target. */
  readonly heads: ReadonlyArray<LoadBalancer.Weighted<Providers.Target>>
  /** The targets after the first, in order. */
  readonly fallbacks: ReadonlyArray<Providers.Target>
  readonly policies: Policies.Policies
  /** Milliseconds for the whole call. */
  readonly totalTimeout: number | undefined
  readonly cache: Cache | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Cache {
  /** Seconds. */
  readonly ttl: number
  /** Seconds for which an older answer stands in when the call fails because of an outage. */
  readonly staleIfError: number | undefined
  readonly mode: ResponseCache.Mode | undefined
  /** What makes two requests the same; `undefined` for one that is not to be cached. */
  readonly key: string | undefined
}

type Result<A> = Either.Either<A, RouterError.InvalidRequest>

interface Named {
  readonly model: string
  /** The field that the model stands in. */
  readonly path: string
}

/** Resolves every target, and reports each that cannot be, up to as many as are of use. */
const resolveAll = (
  models: ReadonlyArray<Named>,
  providers: Providers.Service
): Result<ReadonlyArray<Providers.Target>> => {
  const targets: Array<Providers.Target> = []
  let issues: ReadonlyArray<RouterError.Issue> = []
  for (const { model, path } of models) {
    const target = providers.resolve(model, path)
    if (Either.isRight(target)) {
      targets.push(target.right)
    } else {
      issues = [...issues, ...target.left.issues]
      if (issues.length >= Issues.maxIssues) {
        break
      }
    }
  }
  return issues.length === 0 ? Either.right(targets) : Either.left(new RouterError.InvalidRequest({ issues }))
}

/** The models of which one is drawn, with their weights: the one of the request, unless there is a load balancer. */
const headsOf = (
  request: ChatRequest.Whole,
  { loadBalancer }: Routing.Routing
): ReadonlyArray<Named & { readonly weight: number }> => {
  const path = request.loadBalancer === undefined ? "orq.loadBalancer" : "loadBalancer"
  return loadBalancer === undefined
    ? [{ model: request.model, path: "model", weight: 1 }]
    : loadBalancer.map((entry, index) => ({ ...entry, path: `${path}.models[${index}].model` }))
}

const fallbacksOf = (
  request: ChatRequest.Whole,
  { fallbacks }: Routing.Routing,
  defaults: RouterDefaults.Defaults
): ReadonlyArray<Named> => {
  const own = (request.fallbacks ?? []).length > 0 ? "fallbacks" : "orq.fallbacks"
  return fallbacks.length > 0
    ? fallbacks.map((model, index) => ({ model, path: `${own}[${index}].model` }))
    : (defaults.fallbacks ?? []).map(({ model }, index) => ({
      model,
      path: `RouterDefaults.fallbacks[${index}].model`
    }))
}

/**
 * Everything that the answer depends on, and nothing of how it is to be had. A request may hold what has no exact JSON (half of a surrogate
 * pair): it can be sent, and is not cached.
 */
const cacheKey = (
  model: string,
  { loadBalancer }: Routing.Routing,
  fallbacks: ReadonlyArray<Named>,
  storeFallbacks: boolean,
  body: RequestBody.JsonObject
): string | undefined =>
  Either.getOrUndefined(CacheKey.canonical({
    targets: loadBalancer ?? model,
    fallbacks: fallbacks.map(({ model }) => model),
    // where one may be stored, an answer may be that of a stand-in
    storeFallbacks,
    body
  }))

/**
 * @since 0.1.0
 * @category models
 */
export type Kind = "completion" | "stream"

const accepts = { completion: "application/json", stream: "text/event-stream" } as const

const httpRequest = (kind: Kind, body: RequestBody.JsonObject): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.post("/chat/completions", {
    headers: { accept: accepts[kind] },
    body: RequestBody.fromJson(body)
  })

/** The body without what only says how it is to be answered: a stream and a completion are the same answer. */
const apart = ({ stream_options: streamOptions, ...body }: RequestBody.JsonObject) => ({ body, streamOptions })

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  { messages, request, routing }: Rendering.Rendered,
  kind: Kind,
  providers: Providers.Service,
  defaults: RouterDefaults.Defaults
): Result<Plan> => {
  const valid = RouterDefaults.validate(defaults)
  if (Either.isLeft(valid)) {
    return Either.left(valid.left)
  }
  const heads = headsOf(request, routing)
  const fallbacks = fallbacksOf(request, routing, defaults)
  return Either.map(resolveAll([...heads, ...fallbacks], providers), (targets): Plan => {
    const { body, streamOptions } = apart(ChatRequest.upstreamBody(request, messages))
    const policies = Policies.of(routing, defaults)
    const cache = routing.cache ?? defaults.cache
    return {
      request: httpRequest(
        kind,
        kind === "completion"
          ? { ...body, stream: false }
          : { ...body, stream: true, ...(streamOptions !== undefined && { stream_options: streamOptions }) }
      ),
      heads: heads.map(({ weight }, index) => ({ weight, value: targets[index]! })),
      fallbacks: targets.slice(heads.length),
      policies,
      totalTimeout: routing.timeout?.totalTimeout ?? defaults.timeout?.totalTimeout,
      cache: cache && {
        ttl: cache.ttl ?? Routing.defaultCacheTtl,
        staleIfError: cache.staleIfError,
        mode: cache.mode,
        key: cacheKey(request.model, routing, fallbacks, policies.storeFallbacks, body)
      }
    }
  })
}
