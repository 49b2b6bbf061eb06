/**
 * A chat completion as a caller sees it: camelCase, null is absent, every enum open, unknown members kept.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const unknownMembers = { key: Schema.String, value: Schema.Unknown }

/**
 * @since 0.1.0
 * @category schemas
 */
export const ToolCall = Schema.Struct({
  /** Providers differ in form; some send none. */
  id: Schema.optional(Schema.String),
  /** `"function"` where the provider does not say. */
  type: Schema.String,
  function: Schema.optional(Schema.Struct({
    name: Schema.String,
    /** JSON text as the model wrote it: not necessarily valid. */
    arguments: Schema.String
  }, unknownMembers))
}, unknownMembers)

/**
 * @since 0.1.0
 * @category models
 */
export type ToolCall = typeof ToolCall.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const Message = Schema.Struct({
  role: Schema.optional(Schema.String),
  /** The text of the answer. */
  content: Schema.optional(Schema.String),
  /** What the provider sent as `content`, where that was not a text (Mistral's parts, Cloudflare's parsed object). */
  rawContent: Schema.optional(Schema.Unknown),
  refusal: Schema.optional(Schema.String),
  /** The model's reasoning (`reasoning` or `reasoning_content` on the wire, or the thinking parts of `content`). */
  reasoning: Schema.optional(Schema.String),
  toolCalls: Schema.optional(Schema.Array(ToolCall)),
  audio: Schema.optional(Schema.Unknown)
}, unknownMembers)

/**
 * @since 0.1.0
 * @category models
 */
export type Message = typeof Message.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const Choice = Schema.Struct({
  index: Schema.Number,
  message: Message,
  /** `"stop"`, `"length"`, `"tool_calls"`, `"content_filter"`, or whatever the provider says. */
  finishReason: Schema.optional(Schema.String),
  logprobs: Schema.optional(Schema.Unknown)
}, unknownMembers)

/**
 * @since 0.1.0
 * @category models
 */
export type Choice = typeof Choice.Type

/**
 * Token counts as the provider reports them. `totalTokens` is not always the sum of the other two.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Usage = Schema.Struct({
  promptTokens: Schema.optional(Schema.Number),
  completionTokens: Schema.optional(Schema.Number),
  totalTokens: Schema.optional(Schema.Number),
  promptTokensDetails: Schema.optional(Schema.Struct({
    cachedTokens: Schema.optional(Schema.Number),
    cacheCreationTokens: Schema.optional(Schema.Number),
    audioTokens: Schema.optional(Schema.Number)
  }, unknownMembers)),
  completionTokensDetails: Schema.optional(Schema.Struct({
    reasoningTokens: Schema.optional(Schema.Number),
    audioTokens: Schema.optional(Schema.Number),
    acceptedPredictionTokens: Schema.optional(Schema.Number),
    rejectedPredictionTokens: Schema.optional(Schema.Number)
  }, unknownMembers))
}, unknownMembers)

/**
 * @since 0.1.0
 * @category models
 */
export type Usage = typeof Usage.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const Completion = Schema.Struct({
  id: Schema.optional(Schema.String),
  object: Schema.optional(Schema.String),
  /** Seconds since the Unix epoch (some providers send milliseconds). */
  created: Schema.optional(Schema.Number),
  /** The model that the provider reports; it is often more specific than the one asked for. */
  model: Schema.optional(Schema.String),
  choices: Schema.Array(Choice),
  usage: Schema.optional(Usage),
  systemFingerprint: Schema.optional(Schema.String),
  serviceTier: Schema.optional(Schema.String)
}, unknownMembers)

/**
 * @since 0.1.0
 * @category models
 */
export type Completion = typeof Completion.Type
