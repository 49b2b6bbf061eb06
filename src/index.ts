/**
 * An Effect-native router for LLM chat completions.
 *
 * @since 0.1.0
 */
/**
 * @since 0.1.0
 */
export * as ChatCompletions from "./ChatCompletions.js"
/**
 * @since 0.1.0
 */
export * as ChatRequest from "./wire/ChatRequest.js"
/**
 * @since 0.1.0
 */
export * as Chunk from "./wire/Chunk.js"
/**
 * @since 0.1.0
 */
export * as Completion from "./wire/Completion.js"
/**
 * @since 0.1.0
 */
export * as Attempts from "./policy/Attempts.js"
/**
 * @since 0.1.0
 */
export * as Deadline from "./policy/Deadline.js"
/**
 * @since 0.1.0
 */
export * as Failure from "./policy/Failure.js"
/**
 * @since 0.1.0
 */
export * as Fallback from "./policy/Fallback.js"
/**
 * @since 0.1.0
 */
export * as Fold from "./wire/Fold.js"
/**
 * @since 0.1.0
 */
export * as Hosts from "./provider/Hosts.js"
/**
 * @since 0.1.0
 */
export * as HttpPolicy from "./policy/HttpPolicy.js"
/**
 * @since 0.1.0
 */
export * as Limits from "./wire/Limits.js"
/**
 * @since 0.1.0
 */
export * as LoadBalancer from "./policy/LoadBalancer.js"
/**
 * @since 0.1.0
 */
export * as OpenAiCompatible from "./provider/OpenAiCompatible.js"
/**
 * @since 0.1.0
 */
export * as Provider from "./provider/Provider.js"
/**
 * @since 0.1.0
 */
export * as Providers from "./provider/Providers.js"
/**
 * @since 0.1.0
 */
export * as CacheKey from "./policy/CacheKey.js"
/**
 * @since 0.1.0
 */
export * as CacheStore from "./policy/CacheStore.js"
/**
 * @since 0.1.0
 */
export * as ResponseCache from "./policy/ResponseCache.js"
/**
 * @since 0.1.0
 */
export * as Retry from "./policy/Retry.js"
/**
 * @since 0.1.0
 */
export * as Route from "./Route.js"
/**
 * @since 0.1.0
 */
export * as RouterDefaults from "./RouterDefaults.js"
/**
 * @since 0.1.0
 */
export * as RouterError from "./RouterError.js"
/**
 * @since 0.1.0
 */
export * as Settle from "./wire/Settle.js"
/**
 * @since 0.1.0
 */
export * as Sse from "./wire/Sse.js"
/**
 * @since 0.1.0
 */
export * as StreamResponse from "./wire/StreamResponse.js"
/**
 * @since 0.1.0
 */
export * as CompletionResponse from "./wire/CompletionResponse.js"
/**
 * @since 0.1.0
 */
export * as Timeout from "./policy/Timeout.js"
/**
 * @since 0.1.0
 */
export * as Prompts from "./prompt/Prompts.js"
/**
 * @since 0.1.0
 */
export * as Template from "./prompt/Template.js"
/**
 * @since 0.1.0
 */
export * as Variables from "./prompt/Variables.js"
/**
 * @since 0.1.0
 */
export * as CircuitBreaker from "./policy/CircuitBreaker.js"
/**
 * @since 0.1.0
 */
export * as Concurrency from "./policy/Concurrency.js"
/**
 * @since 0.1.0
 */
export * as RetryBudget from "./policy/RetryBudget.js"
/**
 * @since 0.1.0
 */
export * as RateLimit from "./policy/RateLimit.js"
/**
 * @since 0.1.0
 */
export * as Hedge from "./policy/Hedge.js"
/**
 * @since 0.1.0
 */
export * as Resilience from "./Resilience.js"
/**
 * @since 0.1.0
 */
export * as Telemetry from "./Telemetry.js"
/**
 * @since 0.1.0
 */
export * as Prices from "./Prices.js"
