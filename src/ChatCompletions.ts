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
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { CallScope } from "./internal/callScope.js"
import * as Tracing from "./internal/tracing.js"
import * as ResponseCache from "./policy/ResponseCache.js"
import * as Prompts from "./prompt/Prompts.js"
import * as Providers from "./provider/Providers.js"
import * as Route from "./Route.js"
import * as RouterDefaults from "./RouterDefaults.js"
import * as RouterError from "./RouterError.js"
import * as Delivery from "./service/Delivery.js"
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

/** The defaults where the layer was built, and nearer to the call those around it. Of the same two the same object comes, checked once. */
const currentDefaults = (built: RouterDefaults.Defaults): Effect.Effect<RouterDefaults.Defaults> => {
  const merged = new WeakMap<RouterDefaults.Defaults, RouterDefaults.Defaults>([[built, built]])
  return Effect.map(RouterDefaults.RouterDefaults, (called) => {
    const defaults = merged.get(called) ?? RouterDefaults.merge(built, called)
    merged.set(called, defaults)
    return defaults
  })
}

const attachRoute = (recorder: Route.Recorder) => (error: RouterError.RouterError): RouterError.RouterError =>
  RouterError.withContext(error, { route: Route.snapshot(recorder) })

/** The attempt that served a stream has failed after all. */
const recordInterruption = (recorder: Route.Recorder, error: RouterError.RouterError) =>
  Effect.sync(() => {
    const last = recorder.attempts.pop()
    if (last !== undefined) {
      recorder.attempts.push({ ...last, outcome: error._tag })
    }
  })

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
    const prompts = yield* Effect.serviceOption(Prompts.Prompts)
    const defaults = currentDefaults(yield* RouterDefaults.RouterDefaults)

    const execute = (
      request: ChatRequest,
      kind: "completion" | "stream",
      recorder: Route.Recorder
    ): Effect.Effect<HttpClientResponse.HttpClientResponse, RouterError.RouterError> =>
      Effect.flatMap(defaults, (defaults) =>
        Effect.flatMap(
          Rendering.render(request, { prompts, defaults, recorder }),
          (rendered) => Plan.make(rendered, providers, defaults)
        )).pipe(
          Effect.flatMap((plan) => Pipeline.make(plan, guards, providers.fingerprint).execute(plan[kind])),
          Effect.provideService(ResponseCache.ResponseCache, cache),
          Effect.provideService(Route.CurrentRecorder, recorder)
        )

    return {
      create: (request) =>
        Effect.suspend(() => {
          const recorder = Route.makeRecorder()
          return execute(request, "completion", recorder).pipe(
            Effect.flatMap(Delivery.completion),
            Effect.mapBoth({
              onFailure: attachRoute(recorder),
              onSuccess: (completion) => ({ ...completion, route: Route.snapshot(recorder) })
            }),
            Tracing.withSpan("ChatCompletions.create")
          )
        }),
      stream: (request) =>
        Stream.unwrapScoped(Effect.gen(function*() {
          const recorder = Route.makeRecorder()
          const scope = yield* Effect.scope
          const response = yield* execute(request, "stream", recorder).pipe(
            Effect.provideService(CallScope, scope),
            Effect.mapError(attachRoute(recorder)),
            Tracing.withSpan("ChatCompletions.stream")
          )
          const route = Route.snapshot(recorder)
          return Delivery.chunks(response, route.served).pipe(
            Stream.map((chunk) => ({ ...chunk, route })),
            Stream.tapError((error) => recordInterruption(recorder, error)),
            Stream.mapError(attachRoute(recorder))
          )
        }))
    }
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
