/**
 * The calls of the published SDK, for code that is not written with Effect:
 *
 * ```ts
 * import { Orq } from "effect-llm-router/Orq"
 *
 * const orq = new Orq({ apiKey: process.env["ORQ_API_KEY"] ?? "" })
 *
 * export const run = async () => {
 *   const result = await orq.router.chat.completions.create({
 *     model: "openai/gpt-4o",
 *     messages: [{ role: "user", content: "Hello" }],
 *     fallbacks: [{ model: "anthropic/claude-sonnet-4-5" }]
 *   })
 *   return result.choices[0]?.message.content
 * }
 * ```
 *
 * By default the calls go to a hosted router, over `fetch`. With `router` they are carried out in this process:
 *
 * ```ts
 * import { ChatCompletions, Providers, ResponseCache } from "effect-llm-router"
 * import { Orq } from "effect-llm-router/Orq"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const RouterLive = ChatCompletions.layer.pipe(
 *   Layer.provide([Providers.layerConfig, ResponseCache.layerMemory()]),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * export const orq = new Orq({ router: RouterLive })
 * ```
 *
 * A request with `stream: true` gives an `EventStream`, whose events hold the chunks as `data`. To leave the loop closes the connection:
 *
 * ```ts
 * import { Orq } from "effect-llm-router/Orq"
 *
 * export const write = async (orq: Orq) => {
 *   const events = await orq.router.chat.completions.create({
 *     model: "openai/gpt-4o",
 *     messages: [{ role: "user", content: "Hello" }],
 *     stream: true
 *   })
 *   for await (const { data } of events) {
 *     process.stdout.write(data.choices[0]?.delta.content ?? "")
 *   }
 * }
 * ```
 *
 * What differs from the published SDK:
 *
 * - An answer has a member more, its `route`. Its enums are open, members that nobody knows are kept, and what is `null` is absent.
 * - A request is checked against its bounds (`retry.count` from 1 to 5), and not for its types only. Members that nobody knows are sent.
 * - A stream that breaks off throws, and never ends as if it were complete: `partialOf` gives what had come. One that fails before its first
 *   content fails as the call itself.
 * - All errors are of the published classes (`errors`). An error inside a stream has the status that it stands for.
 * - There are no hooks, no `$inspect` and no `debugLogger`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type { RoutedCompletion } from "./ChatCompletions.js"
import * as Core from "./orq/Core.js"
import * as Errors from "./orq/Errors.js"
import type { EventStream } from "./orq/EventStream.js"
import type { RequestOptions } from "./orq/Options.js"
import type { ChatRequest } from "./wire/ChatRequest.js"
import type { Completion } from "./wire/Completion.js"

export {
  /**
   * The client for standalone functions, with the options of `Orq`.
   *
   * @since 0.1.0
   * @category constructors
   */
  OrqCore
} from "./orq/Core.js"

/**
 * The error classes of the published SDK.
 *
 * @since 0.1.0
 * @category errors
 */
export * as errors from "./orq/Errors.js"

export {
  /**
   * The answer says no: a status of 400 or above, or one that nobody expects.
   *
   * @since 0.1.0
   * @category errors
   */
  APIError,
  /**
   * Every error that a call can fail with.
   *
   * @since 0.1.0
   * @category models
   */
  type CallError,
  /**
   * The connection failed.
   *
   * @since 0.1.0
   * @category errors
   */
  ConnectionError,
  /**
   * Errors without an answer.
   *
   * @since 0.1.0
   * @category errors
   */
  HTTPClientError,
  /**
   * An option of the client or of the call is wrong.
   *
   * @since 0.1.0
   * @category errors
   */
  InvalidRequestError,
  /**
   * Errors that an HTTP answer stands behind.
   *
   * @since 0.1.0
   * @category errors
   */
  OrqError,
  /**
   * The caller's signal was aborted, or the client was closed.
   *
   * @since 0.1.0
   * @category errors
   */
  RequestAbortedError,
  /**
   * `timeoutMs` has passed.
   *
   * @since 0.1.0
   * @category errors
   */
  RequestTimeoutError,
  /**
   * The answer says yes, but is no whole completion.
   *
   * @since 0.1.0
   * @category errors
   */
  ResponseValidationError,
  /**
   * The `RouterError` behind an error, with the route of the call.
   *
   * @since 0.1.0
   * @category getters
   */
  routerErrorOf,
  /**
   * The request is wrong, and nothing was sent.
   *
   * @since 0.1.0
   * @category errors
   */
  SDKValidationError,
  /**
   * Everything else.
   *
   * @since 0.1.0
   * @category errors
   */
  UnexpectedClientError
} from "./orq/Errors.js"

export {
  /**
   * One event of a stream: the chunk is its `data`.
   *
   * @since 0.1.0
   * @category models
   */
  type ChunkEvent,
  /**
   * The events of a streamed completion.
   *
   * @since 0.1.0
   * @category models
   */
  type EventStream
} from "./orq/EventStream.js"

export {
  /**
   * The options of a client.
   *
   * @since 0.1.0
   * @category models
   */
  type ClientOptions,
  /**
   * The options of one call.
   *
   * @since 0.1.0
   * @category models
   */
  type RequestOptions,
  /**
   * Whether, and how, a whole HTTP request is repeated.
   *
   * @since 0.1.0
   * @category models
   */
  type RetryConfig,
  /**
   * What makes up a router in this process.
   *
   * @since 0.1.0
   * @category models
   */
  type Router
} from "./orq/Options.js"

/**
 * A request for a stream.
 *
 * @since 0.1.0
 * @category models
 */
export type StreamRequest = ChatRequest & { readonly stream: true }

/**
 * A request for a whole completion.
 *
 * @since 0.1.0
 * @category models
 */
export type CompletionRequest = ChatRequest & { readonly stream?: false | undefined }

/**
 * What a standalone function resolves to. It never rejects.
 *
 * @since 0.1.0
 * @category models
 */
export type Result<A, E = Errors.CallError> =
  | { readonly ok: true; readonly value: A; readonly error?: never }
  | { readonly ok: false; readonly value?: never; readonly error: E }

/**
 * The methods of `orq.router.chat.completions`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Completions {
  /**
   * A completion, or with `stream: true` its chunks. Rejects with one of the classes in `errors`.
   */
  readonly create: {
    (request: StreamRequest, options?: RequestOptions): Promise<EventStream>
    (request: CompletionRequest, options?: RequestOptions): Promise<RoutedCompletion>
    (request: ChatRequest, options?: RequestOptions): Promise<RoutedCompletion | EventStream>
  }
}

/**
 * The client.
 *
 * @since 0.1.0
 * @category constructors
 */
export class Orq extends Core.OrqCore {
  /**
   * @since 0.1.0
   */
  readonly router: { readonly chat: { readonly completions: Completions } } = {
    chat: { completions: { create: createWith(this) } }
  }
}

function createWith(core: Core.OrqCore): Completions["create"] {
  function create(request: StreamRequest, options?: RequestOptions): Promise<EventStream>
  function create(request: CompletionRequest, options?: RequestOptions): Promise<RoutedCompletion>
  function create(request: ChatRequest, options?: RequestOptions): Promise<RoutedCompletion | EventStream>
  async function create(request: ChatRequest, options?: RequestOptions): Promise<RoutedCompletion | EventStream> {
    return Either.getOrThrowWith(await Core.engineOf(core).send(request, options), (error) => error)
  }
  return create
}

/**
 * `orq.router.chat.completions.create` as a function that never rejects:
 *
 * ```ts
 * import { OrqCore, routerChatCompletionsCreate } from "effect-llm-router/Orq"
 *
 * const orq = new OrqCore()
 *
 * export const run = async () => {
 *   const res = await routerChatCompletionsCreate(orq, { model: "openai/gpt-4o", messages: [] })
 *   return res.ok ? res.value.choices : res.error.message
 * }
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export function routerChatCompletionsCreate(
  client: Core.OrqCore,
  request: StreamRequest,
  options?: RequestOptions
): Promise<Result<EventStream>>
/**
 * @since 0.1.0
 * @category constructors
 */
export function routerChatCompletionsCreate(
  client: Core.OrqCore,
  request: CompletionRequest,
  options?: RequestOptions
): Promise<Result<RoutedCompletion>>
/**
 * @since 0.1.0
 * @category constructors
 */
export function routerChatCompletionsCreate(
  client: Core.OrqCore,
  request: ChatRequest,
  options?: RequestOptions
): Promise<Result<RoutedCompletion | EventStream>>
export async function routerChatCompletionsCreate(
  client: Core.OrqCore,
  request: ChatRequest,
  options?: RequestOptions
): Promise<Result<RoutedCompletion | EventStream>> {
  try {
    return Either.match(await Core.engineOf(client).send(request, options), {
      onLeft: (error) => ({ ok: false, error }),
      onRight: (value) => ({ ok: true, value })
    })
  } catch (cause) {
    // the rest never rejects
    return { ok: false, error: new Errors.UnexpectedClientError("client: expected an OrqCore", { cause }) }
  }
}

/**
 * What had come of a stream that broke off: the completion as far as it went. `undefined` for other errors.
 *
 * @since 0.1.0
 * @category getters
 */
export const partialOf = (error: unknown): Completion | undefined => {
  const cause = Errors.routerErrorOf(error)
  return cause?._tag === "StreamInterrupted" ? Redacted.value(cause.partial) : undefined
}
