/**
 * What an operator sees: a span for each call with one for each of its attempts, and metrics.
 *
 * **Spans** are made wherever a tracer is set, with or without this module's Layer, by OpenTelemetry's conventions for generative AI:
 *
 * - A call is `chat {model}` from its beginning until its answer is complete: for a stream that is when it ended, broke, or was left. On it
 *   stand the request (`gen_ai.request.*`, as it was made), the answer (`gen_ai.response.*`), its usage (`gen_ai.usage.*`: only here, and
 *   never for an answer from the cache, so that nothing is counted twice), `error.type` (the `_tag` of the error), `server.*`,
 *   `gen_ai.prompt.name` and `.version`, and what only a router knows: `router.target` (which served), `router.attempts`,
 *   `router.cache.status`, `router.cache.age` (seconds), `router.cost`.
 * - An attempt is a child `chat {model}` with the provider's own name of the model, `router.target`, `router.attempt` (from 1),
 *   `router.wait` (the seconds before it), `http.response.status_code`, and its own answer, error and time.
 * - Events on the call say what it decided, and when: `router.retry`, `router.fallback`, `router.skip`, `router.breaker`, `router.cache`.
 *
 * `gen_ai.response.time_to_first_chunk` is in seconds, and until the content of a stream is handed on: with `commit: "whole"`, all of it.
 *
 * **Metrics** need the Layer. They are `Effect` metrics, by the conventions `gen_ai.client.operation.duration`,
 * `gen_ai.client.operation.time_to_first_chunk` (both of calls that were not answered by the cache, the first one without those that were
 * interrupted) and `gen_ai.client.token.usage`, and beside them `router.calls`, `router.cache`, `router.attempts`, `router.attempt.duration`,
 * `router.attempt.time_to_first_chunk`, `router.retries`, `router.fallbacks`, `router.skips`, `router.cost` and `router.breaker.state`
 * (0 closed, 1 half open, 2 open; set when it changes).
 *
 * Without a tracer and without the Layer nothing is made for any of this. No credential, prompt or completion is in a span or a metric,
 * unless `captureContent` asks for the texts.
 *
 * ```ts
 * import { ChatCompletions, Providers, ResponseCache } from "effect-llm-router"
 * import * as Prices from "effect-llm-router/Prices"
 * import * as Telemetry from "effect-llm-router/Telemetry"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const RouterLive = ChatCompletions.layer.pipe(
 *   Layer.provide([Providers.layerConfig, ResponseCache.layerMemory()]),
 *   Layer.provide(FetchHttpClient.layer),
 *   Layer.provide(Telemetry.layer({ prices: Prices.make({ "openai/*": { input: 2, output: 8 } }) }))
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Prices from "./Prices.js"
import * as Metrics from "./telemetry/Metrics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether metrics are kept. Default `true`. */
  readonly metrics?: boolean | undefined
  /**
   * Whether the spans of calls show what was said: `gen_ai.input.messages`, `gen_ai.system_instructions` and `gen_ai.output.messages`, as
   * JSON texts in the form of the conventions, without the bytes of images, sounds and files. Default `false`.
   */
  readonly captureContent?: boolean | undefined
  /** What turns usage into `router.cost`. Default: the service `Prices`, where there is one. */
  readonly prices?: Prices.Service | undefined
}

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-llm-router/Telemetry")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * What is observed, and the metrics. Built by `make`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly [TypeId]: TypeId
  /** @internal */
  readonly metrics: Metrics.Metrics | undefined
  /** @internal */
  readonly captureContent: boolean
  /** @internal */
  readonly prices: Prices.Service | undefined
}

/**
 * The telemetry around a call, or where that has none, around the Layer of `ChatCompletions`.
 *
 * @since 0.1.0
 * @category context
 */
export class Telemetry extends Context.Reference<Telemetry>()("effect-llm-router/Telemetry", {
  defaultValue: (): Service | undefined => undefined
}) {}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Service> =>
  Effect.map(Effect.serviceOption(Prices.Prices), (prices) => ({
    [TypeId]: TypeId,
    metrics: options.metrics === false ? undefined : Metrics.make(),
    captureContent: options.captureContent === true,
    prices: options.prices ?? Option.getOrUndefined(prices)
  }))

/**
 * Metrics, and further attributes of spans. It may stand around the Layer of `ChatCompletions`, around a program, or around a single call.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options?: Options): Layer.Layer<Telemetry> => Layer.effect(Telemetry, make(options))

/**
 * `layer` with switches from the configuration. The prices are those of the service `Prices`, where there is one.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Omit<Options, "prices">>
): Layer.Layer<Telemetry, ConfigError.ConfigError> =>
  Layer.effect(Telemetry, Effect.flatMap(Config.unwrap(config), make))
