/**
 * Upstreams by script: test what your routing does when a provider is slow, limited, broken or gone, with no network and no
 * waiting.
 *
 * A `Script` says what each target answers. `layerTransport` plays it as the `HttpClient` of the program under test, and
 * `calls` are the requests that it made:
 *
 * ```ts
 * import { HttpClient, HttpClientRequest } from "@effect/platform"
 * import { Effect } from "effect"
 * import * as Testing from "effect-llm-router/Testing"
 *
 * // what is tested: any program over HttpClient
 * const hello = Effect.gen(function*() {
 *   const client = (yield* HttpClient.HttpClient).pipe(HttpClient.filterStatusOk, HttpClient.retry({ times: 1 }))
 *   const request = HttpClientRequest.post(`${Testing.baseUrl("openai")}/chat/completions`).pipe(
 *     HttpClientRequest.bodyUnsafeJson({ model: "gpt-4o", messages: [{ role: "user", content: "Hi" }] })
 *   )
 *   const response = yield* client.execute(request)
 *   return yield* response.json
 * })
 *
 * // it.effect("asks again after a 503", () => test)
 * export const test = Effect.gen(function*() {
 *   yield* hello
 *   const targets = (yield* Testing.calls).map((call) => call.target)
 *   if (targets.join() !== "openai/gpt-4o,openai/gpt-4o") return yield* Effect.dieMessage(`it called ${targets.join()}`)
 * }).pipe(
 *   Effect.provide(Testing.layerTransport({
 *     "openai/gpt-4o": [Testing.status(503), Testing.completion("Hello")], // in this order, the last one repeats
 *     "anthropic": Testing.stream(["Hel", "lo"], { between: "100 millis" }), // every model of this provider
 *     "*": Testing.refuse // and everything else
 *   }))
 * )
 * ```
 *
 * Time belongs to the test: delays, gaps and stalls are sleeps of the calling fiber, so under `it.effect` they take no time until
 * `TestClock.adjust` lets it pass. An answer says what the upstream sends, whether it was asked for a stream or not.
 *
 * `serve` and `layerServer` play the same script over real sockets on 127.0.0.1, for tests of real transports (`it.scopedLive`).
 *
 * @since 0.1.0
 */
export {
  /**
   * @since 0.1.0
   * @category models
   */
  type Answer,
  /**
   * @since 0.1.0
   * @category combinators
   */
  delayed,
  /**
   * @since 0.1.0
   * @category models
   */
  type Disconnect,
  /**
   * @since 0.1.0
   * @category models
   */
  type Ending,
  /**
   * @since 0.1.0
   * @category models
   */
  type Hang,
  /**
   * @since 0.1.0
   * @category constructors
   */
  hang,
  /**
   * @since 0.1.0
   * @category constructors
   */
  raw,
  /**
   * @since 0.1.0
   * @category models
   */
  type RawOptions,
  /**
   * @since 0.1.0
   * @category constructors
   */
  refuse,
  /**
   * @since 0.1.0
   * @category models
   */
  type Reply,
  /**
   * @since 0.1.0
   * @category models
   */
  type ReplyOptions,
  /**
   * @since 0.1.0
   * @category constructors
   */
  reset,
  /**
   * @since 0.1.0
   * @category constructors
   */
  status,
  /**
   * @since 0.1.0
   * @category models
   */
  type StatusOptions
} from "./testing/Answer.js"

export {
  /**
   * @since 0.1.0
   * @category accessors
   */
  awaitAborted,
  /**
   * @since 0.1.0
   * @category accessors
   */
  awaitCall,
  /**
   * @since 0.1.0
   * @category models
   */
  type CallLog,
  /**
   * @since 0.1.0
   * @category context
   */
  Calls,
  /**
   * @since 0.1.0
   * @category accessors
   */
  calls,
  /**
   * @since 0.1.0
   * @category accessors
   */
  open,
  /**
   * @since 0.1.0
   * @category models
   */
  type RecordedRequest
} from "./testing/CallLog.js"

export {
  /**
   * @since 0.1.0
   * @category constructors
   */
  completion,
  /**
   * @since 0.1.0
   * @category models
   */
  type CompletionOptions,
  /**
   * @since 0.1.0
   * @category models
   */
  type Cut,
  /**
   * @since 0.1.0
   * @category constructors
   */
  stream,
  /**
   * @since 0.1.0
   * @category models
   */
  type StreamOptions,
  /**
   * @since 0.1.0
   * @category models
   */
  type WireToolCall,
  /**
   * @since 0.1.0
   * @category models
   */
  type WireUsage
} from "./testing/ChatAnswer.js"

export {
  /**
   * @since 0.1.0
   * @category layers
   */
  layerServer,
  /**
   * @since 0.1.0
   * @category models
   */
  type LoopbackServer,
  /**
   * @since 0.1.0
   * @category constants
   */
  maxRequestBytes,
  /**
   * @since 0.1.0
   * @category constructors
   */
  serve,
  /**
   * @since 0.1.0
   * @category context
   */
  Server,
  /**
   * @since 0.1.0
   * @category errors
   */
  ServerError
} from "./testing/LoopbackServer.js"

export {
  /**
   * @since 0.1.0
   * @category models
   */
  type Answers,
  /**
   * @since 0.1.0
   * @category models
   */
  type Script
} from "./testing/Script.js"

export {
  /**
   * @since 0.1.0
   * @category constructors
   */
  baseUrl,
  /**
   * @since 0.1.0
   * @category layers
   */
  layerTransport,
  /**
   * @since 0.1.0
   * @category constructors
   */
  makeTransport,
  /**
   * @since 0.1.0
   * @category models
   */
  type Transport
} from "./testing/ScriptedTransport.js"
