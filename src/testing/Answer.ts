/**
 * What an upstream does with one request: a reply, a broken connection, or nothing at all.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import { dual } from "effect/Function"

/**
 * How the body of a reply ends: `"complete"` as HTTP says, `"reset"` with a connection that breaks, `"stall"` not at all.
 *
 * @since 0.1.0
 * @category models
 */
export type Ending = "complete" | "reset" | "stall"

/**
 * A response, byte for byte.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reply {
  readonly _tag: "Reply"
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The chunks of the body, in the order and with the boundaries in which they are sent, given the requested model. */
  readonly body: (model: string) => ReadonlyArray<Uint8Array>
  /** From the request to the headers. */
  readonly delay: Duration.Duration
  /**
   * From one chunk to the next, and from the last one to a reset. The first chunk comes with the headers. The upstream keeps
   * to its own clock: a chunk that is read late was there on time.
   */
  readonly between: Duration.Duration
  readonly end: Ending
}

/**
 * The connection breaks before any header: it is refused, or accepted and reset.
 *
 * @since 0.1.0
 * @category models
 */
export interface Disconnect {
  readonly _tag: "Disconnect"
  readonly code: "ECONNREFUSED" | "ECONNRESET"
  readonly delay: Duration.Duration
}

/**
 * The request is accepted and never answered.
 *
 * @since 0.1.0
 * @category models
 */
export interface Hang {
  readonly _tag: "Hang"
}

/**
 * @since 0.1.0
 * @category models
 */
export type Answer = Reply | Disconnect | Hang

/**
 * What every reply can be given.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReplyOptions {
  /** Added to the headers that the constructor sets; the same name replaces. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** From the request to the headers. Default: none. */
  readonly delay?: Duration.DurationInput | undefined
}

/**
 * A reply that is written out: `body` is one chunk, `chunks` are several. Strings are sent as UTF-8. Nothing is added, so name
 * the `content-type` in `headers`. Default: an empty 200.
 *
 * @since 0.1.0
 * @category models
 */
export interface RawOptions extends ReplyOptions {
  readonly status?: number | undefined
  readonly body?: string | Uint8Array | undefined
  readonly chunks?: ReadonlyArray<string | Uint8Array> | undefined
  /** From one chunk to the next, and from the last one to a reset. Default: none. */
  readonly between?: Duration.DurationInput | undefined
  /** Default: `"complete"`. */
  readonly end?: Ending | undefined
}

const encoder = new TextEncoder()

/** @internal */
export const encode = (text: string | Uint8Array): Uint8Array => typeof text === "string" ? encoder.encode(text) : text

/** @internal */
export const reply = (
  options: Omit<RawOptions, "body" | "chunks">,
  body: (model: string) => ReadonlyArray<Uint8Array>
): Reply => ({
  _tag: "Reply",
  status: options.status ?? 200,
  headers: lowerCaseNames(options.headers ?? {}),
  body,
  delay: Duration.decode(options.delay ?? Duration.zero),
  between: Duration.decode(options.between ?? Duration.zero),
  end: options.end ?? "complete"
})

/** @internal */
export const lowerCaseNames = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/**
 * A reply that is exactly what you write, for everything that the other constructors are too well-behaved for.
 *
 * ```ts
 * import * as Testing from "effect-llm-router/Testing"
 *
 * const html = Testing.raw({ headers: { "content-type": "text/html" }, body: "<h1>Bad gateway</h1>" })
 * const torn = Testing.raw({ headers: { "content-type": "text/event-stream" }, chunks: ["data: {\"cho"], end: "reset" })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const raw = (options: RawOptions): Reply => {
  const chunks = (options.chunks ?? (options.body === undefined ? [] : [options.body])).map(encode)
  return reply(options, () => chunks)
}

/**
 * What an error reply can say. All of it is optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface StatusOptions extends ReplyOptions {
  /** `error.code`. Default: `null`. */
  readonly code?: string | undefined
  /** `error.message`. Default: `"scripted <status>"`. */
  readonly message?: string | undefined
  /** `error.type`. Default: the general one for the status, e.g. `"server_error"`. */
  readonly type?: string | undefined
  /** The `retry-after` header, in seconds. Default: no such header. */
  readonly retryAfter?: number | undefined
  /** Replaces the whole body: a string is sent as it is, everything else as JSON. */
  readonly body?: unknown
}

const errorType = (status: number): string =>
  status === 429 ? "rate_limit_error" : status >= 500 ? "server_error" : "invalid_request_error"

/**
 * A reply with an error in the form of the OpenAI API: `{ "error": { "message", "type", "param", "code" } }`.
 *
 * ```ts
 * import * as Testing from "effect-llm-router/Testing"
 *
 * const limited = Testing.status(429, { code: "rate_limit_exceeded", retryAfter: 7 })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const status = (status: number, options: StatusOptions = {}): Reply => {
  const error = {
    message: options.message ?? `scripted ${status}`,
    type: options.type ?? errorType(status),
    param: null,
    code: options.code ?? null
  }
  const body = options.body ?? { error }
  return raw({
    status,
    headers: {
      "content-type": "application/json",
      ...(options.retryAfter === undefined ? undefined : { "retry-after": String(options.retryAfter) }),
      ...lowerCaseNames(options.headers ?? {})
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
    delay: options.delay
  })
}

/**
 * No connection: the scripted transport fails with the code `ECONNREFUSED`. A loopback server is there already, so it can only
 * reset the connection (`ECONNRESET`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const refuse: Disconnect = { _tag: "Disconnect", code: "ECONNREFUSED", delay: Duration.zero }

/**
 * The connection is reset after the request was sent and before any header: nobody knows whether it was executed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const reset: Disconnect = { _tag: "Disconnect", code: "ECONNRESET", delay: Duration.zero }

/**
 * The request is accepted and never answered. It ends when the caller leaves.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hang: Hang = { _tag: "Hang" }

/**
 * The same answer, `duration` later.
 *
 * @since 0.1.0
 * @category combinators
 */
export const delayed: {
  /**
   * @since 0.1.0
   * @category combinators
   */
  (duration: Duration.DurationInput): <A extends Answer>(answer: A) => A
  /**
   * @since 0.1.0
   * @category combinators
   */
  <A extends Answer>(answer: A, duration: Duration.DurationInput): A
} = dual(
  2,
  <A extends Answer>(answer: A, duration: Duration.DurationInput): A =>
    answer._tag === "Hang" ? answer : { ...answer, delay: Duration.sum(answer.delay, duration) }
)
