/**
 * The two answers of a healthy upstream: a chat completion, and the same as a stream of events.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Answer from "./Answer.js"

// fixed, so that two runs of a test see the same bytes
const id = "chatcmpl-scripted"
const created = 1_700_000_000

/**
 * Token counts as they are on the wire.
 *
 * @since 0.1.0
 * @category models
 */
export interface WireUsage {
  readonly prompt_tokens?: number | undefined
  readonly completion_tokens?: number | undefined
  readonly total_tokens?: number | undefined
  readonly [member: string]: unknown
}

/**
 * A tool call as it is on the wire.
 *
 * @since 0.1.0
 * @category models
 */
export interface WireToolCall {
  readonly id: string
  readonly type: "function"
  /** `arguments` is JSON text. */
  readonly function: { readonly name: string; readonly arguments: string }
}

/**
 * @since 0.1.0
 * @category models
 */
export interface CompletionOptions extends Answer.ReplyOptions {
  /** The model that the upstream reports. Default: the one that was asked for. */
  readonly model?: string | undefined
  /** Default: `"tool_calls"` with `toolCalls`, `"stop"` without. */
  readonly finishReason?: string | undefined
  /** Default: not reported. */
  readonly usage?: WireUsage | undefined
  readonly toolCalls?: ReadonlyArray<WireToolCall> | undefined
  /** Members that are added to the body, or replace those of the same name. */
  readonly body?: Readonly<Record<string, unknown>> | undefined
}

/**
 * A 200 with a whole chat completion whose message is `text`.
 *
 * ```ts
 * import * as Testing from "effect-llm-router/Testing"
 *
 * const hello = Testing.completion("Hello", { usage: { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 } })
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const completion = (text: string, options: CompletionOptions = {}): Answer.Reply => {
  const toolCalls = options.toolCalls
  const message = toolCalls === undefined
    ? { role: "assistant", content: text }
    : { role: "assistant", content: text === "" ? null : text, tool_calls: toolCalls }
  const finishReason = options.finishReason ?? (toolCalls === undefined ? "stop" : "tool_calls")
  return Answer.reply(
    {
      headers: { "content-type": "application/json", ...Answer.lowerCaseNames(options.headers ?? {}) },
      delay: options.delay
    },
    (model) => [
      Answer.encode(JSON.stringify({
        id,
        object: "chat.completion",
        created,
        model: options.model ?? model,
        choices: [{ index: 0, message, finish_reason: finishReason }],
        ...(options.usage === undefined ? undefined : { usage: options.usage }),
        ...options.body
      }))
    ]
  )
}

/**
 * Where a stream breaks.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cut {
  /** How many events are sent before: 0 is right after the headers, 1 after the role preamble, 2 after the first text. */
  readonly after: number
  /** `"end"`: a clean end. `"reset"`: the connection breaks. `"stall"`: silence, with the connection open. */
  readonly how: "end" | "reset" | "stall"
}

/**
 * @since 0.1.0
 * @category models
 */
export interface StreamOptions extends Answer.ReplyOptions {
  /** The model that the upstream reports. Default: the one that was asked for. */
  readonly model?: string | undefined
  /** From one event to the next, and from the last one to a reset. Default: none. */
  readonly between?: Duration.DurationInput | undefined
  /** Default: the stream is complete. */
  readonly cut?: Cut | undefined
  /** `null` sends no event that ends the answer. Default: `"stop"`. */
  readonly finishReason?: string | null | undefined
  /** Default: not reported. */
  readonly usage?: WireUsage | undefined
  /** Whether `data: [DONE]` is sent. Default: `true`. */
  readonly done?: boolean | undefined
}

const events = (texts: ReadonlyArray<string>, options: StreamOptions, requested: string): ReadonlyArray<string> => {
  const model = options.model ?? requested
  const chunk = (choices: ReadonlyArray<unknown>, more: { readonly usage?: WireUsage } = {}) =>
    JSON.stringify({ id, object: "chat.completion.chunk", created, model, choices, ...more })
  const choice = (delta: unknown, finishReason: string | null = null) =>
    chunk([{ index: 0, delta, finish_reason: finishReason }])
  return [
    choice({ role: "assistant", content: "" }),
    ...texts.map((content) => choice({ content })),
    ...(options.finishReason === null ? [] : [choice({}, options.finishReason ?? "stop")]),
    ...(options.usage === undefined ? [] : [chunk([], { usage: options.usage })]),
    ...(options.done === false ? [] : ["[DONE]"])
  ]
}

/**
 * A 200 with a stream of server-sent events: the role preamble, one event for each text, the finish reason, the usage if it is
 * given, and `[DONE]`. Each event is one chunk of the body.
 *
 * ```ts
 * import * as Testing from "effect-llm-router/Testing"
 *
 * const slow = Testing.stream(["Hel", "lo"], { delay: "1 second", between: "100 millis" })
 * const broken = Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "reset" } }) // "Hel" arrives
 * ```
 *
 * @since 0.1.0
 * @category constructors
 */
export const stream = (texts: ReadonlyArray<string>, options: StreamOptions = {}): Answer.Reply =>
  Answer.reply(
    {
      headers: { "content-type": "text/event-stream", ...Answer.lowerCaseNames(options.headers ?? {}) },
      delay: options.delay,
      between: options.between,
      end: options.cut === undefined || options.cut.how === "end" ? "complete" : options.cut.how
    },
    (model) =>
      events(texts, options, model)
        .slice(0, options.cut?.after)
        .map((data) => Answer.encode(`data: ${data}\n\n`))
  )
