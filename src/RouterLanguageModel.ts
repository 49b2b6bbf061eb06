/**
 * The router as the `LanguageModel` of `@effect/ai`: text, streams, tools, and objects by schema. Programs that are written for
 * `@effect/ai` get retries, fallbacks, load balancing, timeouts and the cache by the choice of a Layer.
 *
 * It stands on the service `ChatCompletions`, whichever Layer that comes from, and needs the optional peer `@effect/ai`.
 *
 * ```ts
 * import { LanguageModel } from "@effect/ai"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 * import { ChatCompletions, Providers, ResponseCache } from "effect-llm-router"
 * import * as RouterLanguageModel from "effect-llm-router/RouterLanguageModel"
 *
 * const program = Effect.gen(function*() {
 *   const response = yield* LanguageModel.generateText({ prompt: "Name three colours." })
 *   return { text: response.text, servedBy: RouterLanguageModel.route(response.content)?.served }
 * })
 *
 * const ModelLive = RouterLanguageModel.layer({
 *   model: "openai/gpt-4o",
 *   config: {
 *     retry: { count: 2 },
 *     fallbacks: [{ model: "groq/llama-3.3-70b-versatile" }],
 *     timeout: { callTimeout: 30_000 }, // milliseconds, for each attempt
 *     temperature: 0.2
 *   }
 * })
 *
 * const RouterLive = ChatCompletions.layer.pipe(
 *   Layer.provide([Providers.layerConfig, ResponseCache.layerMemory()]),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * export const main = program.pipe(
 *   // for this call only, over what the layer says
 *   RouterLanguageModel.withConfigOverride({ cache: { type: "exact_match", ttl: 3600 } }),
 *   Effect.provide(ModelLive.pipe(Layer.provide(RouterLive)))
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as LanguageModel from "@effect/ai/LanguageModel"
import * as AiModel from "@effect/ai/Model"
import type * as Response from "@effect/ai/Response"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as ChatCompletions from "./ChatCompletions.js"
import * as Annotations from "./languageModel/Annotations.js"
import * as Failure from "./languageModel/Failure.js"
import * as Request from "./languageModel/Request.js"
import * as Settings from "./languageModel/Settings.js"
import * as Streamed from "./languageModel/Streamed.js"
import * as Whole from "./languageModel/Whole.js"
import type { Route } from "./Route.js"
import type { CacheControl } from "./wire/Messages.js"

/**
 * What the calls are made with, nearer to the call than the options of the layer: each field that it has replaces theirs, and of `timeout`
 * each clock. It can be set for a whole program or around a single call; of two, the one nearer to the call wins.
 *
 * ```ts
 * import { LanguageModel } from "@effect/ai"
 * import { Stream } from "effect"
 * import * as RouterLanguageModel from "effect-llm-router/RouterLanguageModel"
 *
 * // a stream takes it like any service
 * export const stream = LanguageModel.streamText({ prompt: "Count to ten." }).pipe(
 *   Stream.provideService(RouterLanguageModel.Config, { commit: "whole", maxCompletionTokens: 100 })
 * )
 * ```
 *
 * @since 0.1.0
 * @category context
 */
export class Config extends Context.Reference<Config>()("effect-llm-router/RouterLanguageModel/Config", {
  defaultValue: (): Config.Service => ({})
}) {}

/**
 * @since 0.1.0
 */
export declare namespace Config {
  /**
   * The members of a chat request that say how the call is routed (`retry`, `fallbacks`, `loadBalancer`, `cache`, `timeout`, `commit`, …)
   * and the parameters of the model (`temperature`, `maxCompletionTokens`, …), with the bounds and defaults that they have there.
   *
   * `variables` are put into all texts of a prompt. A stored `prompt` gives its parameters, and its messages to calls with an empty prompt.
   * What is out of bounds fails the call with `MalformedInput`. A stream reports its usage unless `streamOptions` says otherwise.
   *
   * @since 0.1.0
   * @category models
   */
  export interface Service extends Settings.Settings {}
}

declare module "@effect/ai/Prompt" {
  export interface SystemMessageOptions extends ProviderOptions {
    readonly router?: {
      /** Asks Anthropic to cache the prompt up to here. It is not the router's `cache`. */
      readonly cacheControl?: typeof CacheControl.Type | undefined
    } | undefined
  }

  export interface TextPartOptions extends ProviderOptions {
    readonly router?: {
      /** Asks Anthropic to cache the prompt up to here. It is not the router's `cache`. Only in messages of the user. */
      readonly cacheControl?: typeof CacheControl.Type | undefined
    } | undefined
  }

  export interface FilePartOptions extends ProviderOptions {
    readonly router?: {
      /** `"low"`, `"high"`, `"auto"`, or what else the provider knows. Default: the provider's. */
      readonly imageDetail?: string | undefined
    } | undefined
  }

  export interface ReasoningPartOptions extends ProviderOptions {
    readonly router?: {
      /** The `signature` of the response's reasoning. Reasoning without one is sent back as `reasoning_content`. */
      readonly signature?: string | undefined
    } | undefined
  }

  export interface ToolCallPartOptions extends ProviderOptions {
    readonly router?: {
      /** The `thoughtSignature` of the response's tool call. */
      readonly thoughtSignature?: string | undefined
    } | undefined
  }
}

declare module "@effect/ai/Response" {
  export interface ReasoningPartMetadata extends ProviderMetadata {
    readonly router?: {
      /** What some providers want back with the reasoning. */
      readonly signature?: string | undefined
    } | undefined
  }

  export interface ReasoningEndPartMetadata extends ProviderMetadata {
    readonly router?: {
      /** What some providers want back with the reasoning. */
      readonly signature?: string | undefined
    } | undefined
  }

  export interface ToolCallPartMetadata extends ProviderMetadata {
    readonly router?: {
      /** What Gemini wants back with the call. */
      readonly thoughtSignature?: string | undefined
    } | undefined
  }

  export interface FinishPartMetadata extends ProviderMetadata {
    readonly router?: {
      /** What served the call, and what was tried for it. */
      readonly route: Route
      /** The provider's own word for the reason. */
      readonly finishReason?: string | undefined
      /** What the model said when it refused to answer. */
      readonly refusal?: string | undefined
    } | undefined
  }
}

export {
  /**
   * The `cause` of a `MalformedOutput` whose call went well: the answer cannot be used. It has the `route`, the `usage`, and the `refusal` and
   * the whole `completion` as `Redacted`.
   *
   * @since 0.1.0
   * @category errors
   */
  UnusableCompletion
} from "./languageModel/UnusableCompletion.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** `provider/model`. Not called when there is a `loadBalancer`. */
  readonly model: string
  readonly config?: Omit<Config.Service, "model"> | undefined
}

/**
 * The language model over the router.
 *
 * A call fails with the errors of `@effect/ai`. Each that is made here (its `module` is `"RouterLanguageModel"`, or it is one of HTTP) has a
 * `cause` with the route of the call: the router's own error (`RouterError.isRouterError(error.cause)`), or an `UnusableCompletion` where the
 * call went well, and the model refused to give an object or wrote tool calls that cannot be read. What does not match a schema (an object, the
 * parameters of a tool) is found by `@effect/ai`, whose errors know nothing of a route. A stream that breaks fails; it gives out a tool call only when the answer is complete.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<LanguageModel.Service, never, ChatCompletions.ChatCompletions> =>
  Effect.gen(function*() {
    const service = yield* ChatCompletions.ChatCompletions
    const built = Settings.merge({ ...options.config, model: options.model }, yield* Config)

    const requestOf = (options: LanguageModel.ProviderOptions) =>
      Effect.tap(
        Effect.flatMap(Config, (called) => Request.make(options, Settings.merge(built, called))),
        (request) => Annotations.annotateRequest(options.span, request)
      )

    return yield* LanguageModel.make({
      generateText: (options) =>
        requestOf(options).pipe(
          Effect.flatMap((request) =>
            Effect.mapError(service.create(request), Failure.fromRouterError("generateText"))
          ),
          Effect.tap((completion) => Annotations.annotateResponse(options.span, completion)),
          Effect.flatMap((completion) => Whole.parts(completion, options.responseFormat))
        ),
      streamText: (options) =>
        Stream.unwrap(Effect.map(requestOf(options), (request) =>
          Streamed.parts(
            Stream.mapError(service.stream(Request.withUsage(request)), Failure.fromRouterError("streamText")),
            (completion) => Annotations.annotateResponse(options.span, completion)
          )))
    })
  })

/**
 * The language model of a program: see `make`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<LanguageModel.LanguageModel, never, ChatCompletions.ChatCompletions> =>
  Layer.effect(LanguageModel.LanguageModel, make(options))

/**
 * The same as a `Model`, which programs can choose among several of. The name of its provider is `"router"`.
 *
 * @since 0.1.0
 * @category ai models
 */
export const model = (
  model: string,
  config?: Options["config"]
): AiModel.Model<"router", LanguageModel.LanguageModel, ChatCompletions.ChatCompletions> =>
  AiModel.make("router", layer({ model, config }))

/**
 * Runs an effect with these settings over those around it, field by field. For a stream, provide `Config`.
 *
 * @since 0.1.0
 * @category configuration
 */
export const withConfigOverride: {
  /**
   * @since 0.1.0
   * @category configuration
   */
  (overrides: Config.Service): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /**
   * @since 0.1.0
   * @category configuration
   */
  <A, E, R>(self: Effect.Effect<A, E, R>, overrides: Config.Service): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, overrides: Config.Service): Effect.Effect<A, E, R> =>
    Effect.flatMap(Config, (config) => Effect.provideService(self, Config, Settings.merge(config, overrides)))
)

/**
 * The route of a call, by the parts of its response: `response.content`, or what a stream gave. `undefined` when the finish part is not
 * among them, as after a stream that was left early, or when another model made them.
 *
 * @since 0.1.0
 * @category getters
 */
export const route = (parts: Iterable<Response.AnyPart>): Route | undefined => {
  for (const part of parts) {
    if (part.type === "finish") return part.metadata.router?.route
  }
  return undefined
}
