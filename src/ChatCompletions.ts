/**
 * The router: one call takes a chat request together with how it is to be routed, and gives a completion or a typed error.
 *
 * ```ts
 * import { ChatCompletions, Providers, ResponseCache } from "effect-llm-router"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const program = ChatCompletions.create({
 *   model: "openai/gpt-4o",
 *   messages: [{ role: "user", content: "Say hello to {{name}}" }],
 *   variables: { name: "Ada" },
 *   retry: { count: 2 },
 *   fallbacks: [{ model: "groq/llama-3.3-70b-versatile" }],
 *   timeout: { callTimeout: 30_000 } // milliseconds, for each attempt
 * })
 *
 * const RouterLive = ChatCompletions.layer.pipe(
 *   Layer.provide([Providers.layerConfig, ResponseCache.layerMemory()]),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * export const main = Effect.provide(program, RouterLive)
 * ```
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as ResponseCache from "./policy/ResponseCache.js"
import * as Prompts from "./prompt/Prompts.js"
import * as Providers from "./provider/Providers.js"
import * as Remote from "./remote/Remote.js"
import * as Settings from "./remote/Settings.js"
import type * as Route from "./Route.js"
import * as RouterDefaults from "./RouterDefaults.js"
import type * as RouterError from "./RouterError.js"
import * as Calls from "./service/Calls.js"
import * as Guards from "./service/Guards.js"
import * as Pipeline from "./service/Pipeline.js"
import * as Plan from "./service/Plan.js"
import * as Rendering from "./service/Rendering.js"
import type { ChatRequest } from "./wire/ChatRequest.js"
import type { Chunk } from "./wire/Chunk.js"
import type { Completion } from "./wire/Completion.js"

/**
 * A completion, and how it was come by.
 *
 * @since 0.1.0
 * @category models
 */
export type RoutedCompletion = Completion & { readonly route: Route.Route }

/**
 * A chunk of a streamed completion. `route` is the same for all chunks of a stream: what was tried until its first content, and what
 * serves it.
 *
 * @since 0.1.0
 * @category models
 */
export type RoutedChunk = Chunk & { readonly route: Route.Route }

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The whole completion. It fails with an error that holds the route. A request that is wrong fails with `InvalidRequest` before any
   * connection is opened, and so it does for its prompt and its variables: with `TemplateError` when a variable is missing or a template
   * is wrong, with `PromptNotFound`, `PromptInvalid` or `PromptUnavailable`.
   */
  readonly create: (request: ChatRequest) => Effect.Effect<RoutedCompletion, RouterError.RouterError>
  /**
   * The completion as it is written. Until the first content a failure is retried and failed over like that of `create`; after it the
   * stream fails with `StreamInterrupted`, which holds the text so far. It ends only when the answer is complete. A consumer that
   * stops closes the connection.
   */
  readonly stream: (request: ChatRequest) => Stream.Stream<RoutedChunk, RouterError.RouterError>
}

/**
 * @since 0.1.0
 * @category context
 */
export class ChatCompletions extends Context.Tag("effect-llm-router/ChatCompletions")<ChatCompletions, Service>() {}

/**
 * The service that carries out the routing in this process.
 *
 * `CircuitBreaker`, `RetryBudget`, `Concurrency` and `RateLimit` are in force where their Layers are given (see `Resilience`), and prompts
 * are found where there is a Layer of `Prompts`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make: Effect.Effect<Service, never, Providers.Providers | ResponseCache.ResponseCache> = Effect.gen(
  function*() {
    const providers = yield* Providers.Providers
    const cache = yield* ResponseCache.ResponseCache
    const guards = yield* Guards.make
    const pipeline = Pipeline.make(guards, cache, providers.fingerprint)
    const prompts = yield* Effect.serviceOption(Prompts.Prompts)
    const defaults = Calls.currentDefaults(yield* RouterDefaults.RouterDefaults)
    return yield* Calls.make((request, kind, recorder) =>
      Effect.flatMap(defaults, (defaults) =>
        Effect.flatMap(
          Rendering.render(request, { prompts, defaults, recorder }),
          (rendered) =>
            Effect.flatMap(
              Plan.make(rendered, kind, providers, defaults),
              (plan) => pipeline(plan, recorder).execute(plan.request)
            )
        ))
    )
  }
)

/**
 * The router in this process: over any providers, with any store for the cache, and with the state of each target that is given to it (see
 * `Resilience`):
 *
 * ```ts
 * import { ChatCompletions, Providers, Resilience, ResponseCache } from "effect-llm-router"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const RouterLive = ChatCompletions.layer.pipe(
 *   Layer.provide([Providers.layerConfig, ResponseCache.layerMemory(), Resilience.layer()]),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<ChatCompletions, never, Providers.Providers | ResponseCache.ResponseCache> = Layer
  .effect(ChatCompletions, make)

/**
 * How a hosted router is reached: see `layerRemote`.
 *
 * @since 0.1.0
 * @category models
 */
export interface RemoteOptions extends Settings.Options {}

/**
 * The service that leaves the routing to a hosted router. It fails when an option is out of bounds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeRemote = (
  options: RemoteOptions = {}
): Effect.Effect<Service, RouterError.InvalidRequest, HttpClient.HttpClient> =>
  Effect.flatMap(Settings.make(options), Remote.make)

/**
 * The same service where a hosted router runs the policies: by default the published one.
 *
 * ```ts
 * import { FetchHttpClient } from "@effect/platform"
 * import { ChatCompletions } from "effect-llm-router"
 * import { Layer, Redacted } from "effect"
 *
 * const HostedLive = ChatCompletions.layerRemote({
 *   apiKey: Redacted.make("a key"),
 *   timeoutMs: 120_000, // milliseconds, for one request to the router
 *   retries: { strategy: "backoff" } // none by default: the router has its own
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 * ```
 *
 * The whole request goes there, guardrails and plugins included, with those of `RouterDefaults` that the request has none of (but `backoff`,
 * `maxRetryAfter` and `cacheFallbacks`). It is checked here first, and so is every answer: a stream is committed by its first content and ends
 * when it is complete, and `timeout.totalTimeout` is kept here too. Breakers, budgets and limits are the router's own affair.
 *
 * Errors are of the same classes, and name the router's host as their target. A `Gateway` of this library tells also which class an error had
 * over there, and its route; of another router the route has the requests that were made to it, and nothing of its cache.
 *
 * Throws `InvalidRequest` when an option is out of bounds.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerRemote = (
  options: RemoteOptions = {}
): Layer.Layer<ChatCompletions, never, HttpClient.HttpClient> =>
  Layer.effect(ChatCompletions, Remote.make(Either.getOrThrowWith(Settings.make(options), (error) => error)))

/**
 * `layerRemote` with the key in the variable `ORQ_API_KEY`, and in `ORQ_SERVER_URL` where the router is, if it is not the published one.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerRemoteConfig = (
  options: Omit<RemoteOptions, "apiKey" | "serverURL"> = {}
): Layer.Layer<ChatCompletions, ConfigError.ConfigError, HttpClient.HttpClient> =>
  Layer.unwrapEffect(Config.mapAttempt(remoteConfig, (config) => layerRemote({ ...options, ...config })))

const remoteConfig = Config.all({
  apiKey: Config.redacted("ORQ_API_KEY"),
  serverURL: Config.withDefault(Config.string("ORQ_SERVER_URL"), Settings.defaultServerURL)
})

/**
 * The whole completion of a request: see `Service.create`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const create = (
  request: ChatRequest
): Effect.Effect<RoutedCompletion, RouterError.RouterError, ChatCompletions> =>
  Effect.flatMap(ChatCompletions, (service) => service.create(request))

/**
 * The chunks of a request's completion: see `Service.stream`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const stream = (
  request: ChatRequest
): Stream.Stream<RoutedChunk, RouterError.RouterError, ChatCompletions> =>
  Stream.unwrap(Effect.map(ChatCompletions, (service) => service.stream(request)))
