/**
 * The options of a client and of a call, as the published SDK names them.
 *
 * @since 0.1.0
 */
import type * as Layer from "effect/Layer"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import type { ChatCompletions } from "../ChatCompletions.js"
import type * as Retries from "../remote/Retries.js"
import * as Settings from "../remote/Settings.js"

/**
 * Whether, and how, a whole HTTP request is repeated. It has nothing to do with the `retry` of a request, which the router obeys.
 *
 * @since 0.1.0
 * @category models
 */
export type RetryConfig = Retries.RetryConfig

/**
 * What makes up a router in this process.
 *
 * @since 0.1.0
 * @category models
 */
export type Router =
  | Layer.Layer<ChatCompletions, unknown>
  | ManagedRuntime.ManagedRuntime<ChatCompletions, unknown>

/**
 * @since 0.1.0
 * @category models
 */
export interface ClientOptions {
  /** The key of the hosted router, or a function that is asked for it at each call. Default: the variable `ORQ_API_KEY`. */
  readonly apiKey?: string | (() => Promise<string>) | undefined
  /** The hosted router. Default: the variable `ORQ_SERVER_URL`, and without it `https://my.orq.ai`. */
  readonly serverURL?: string | undefined
  /** The `user-agent` header. Default: that of the platform. */
  readonly userAgent?: string | undefined
  /** The `retries` of calls that give none. Default `{ strategy: "none" }`. */
  readonly retryConfig?: RetryConfig | undefined
  /** The `timeoutMs` of calls that give none. Default 600,000: ten minutes. */
  readonly timeoutMs?: number | undefined
  /**
   * A router that runs in this process, instead of the hosted one. A Layer is built at the first call and released by `close`; when that fails,
   * the call fails (`The router could not be built`), and the next one builds it anew. A runtime stays its owner's.
   */
  readonly router?: Router | undefined
}

/**
 * The options of one call. Over a router in this process only `signal` and `timeoutMs` are of use: there is no HTTP request to the router.
 *
 * @since 0.1.0
 * @category models
 */
export interface RequestOptions {
  /**
   * The time for one HTTP request, in milliseconds: until the end of the answer, be it a stream. What a function takes that gives the key is
   * part of it. Over a router in this process: for the call, and for the build of the Layer that it waits for. `0` is the default. Not in force together with a `signal`.
   */
  readonly timeoutMs?: number | undefined
  /** Default: the client's `retryConfig`. */
  readonly retries?: RetryConfig | undefined
  /** The statuses that are repeated: `"503"`, or `"5XX"` for a family. Default `["429", "500", "502", "503", "504"]`. */
  readonly retryCodes?: ReadonlyArray<string> | undefined
  /** Default: the client's `serverURL`. Its path and its query are kept. */
  readonly serverURL?: string | URL | undefined
  /** More headers. They replace those that the client sets, `authorization` included. No error shows a credential among them. */
  readonly headers?: HeadersInit | undefined
  /** Ends the call: before it, while it waits for the answer, or in the middle of a stream. The connection is closed. */
  readonly signal?: AbortSignal | null | undefined
  /** What else `fetch` takes; `redirect` is always `"manual"`. The published SDK had the two above in it at first: those above win. */
  readonly fetchOptions?: Omit<RequestInit, "method" | "body"> | undefined
}

/**
 * @since 0.1.0
 * @category getters
 */
export const signalOf = (options: RequestOptions): AbortSignal | undefined =>
  options.signal ?? options.fetchOptions?.signal ?? undefined

/**
 * As in the published SDK a `0` is no timeout of nothing, but none that was given.
 *
 * @since 0.1.0
 * @category getters
 */
export const timeoutOf = (client: ClientOptions, options: RequestOptions): number =>
  options.timeoutMs || client.timeoutMs || Settings.defaultTimeoutMs

/**
 * A variable of the environment, where there is one.
 *
 * @since 0.1.0
 * @category getters
 */
export const variable = (name: string): string | undefined =>
  typeof process === "undefined" ? undefined : process.env[name] || undefined
