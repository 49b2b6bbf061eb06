/**
 * A chat completion as a caller sees it: camelCase, null is absent, every enum open, unknown members kept.
 *
 * `fromWire` reads the body of an answer. It is written by hand, and is not a `Schema` with renamed members, because the same
 * rules read every chunk of a stream, and there such a decoding takes some twenty times as long as `JSON.parse`.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type * as Types from "effect/Types"
import { readHead, readUsage } from "../internal/readHead.js"
import { readFunction, readSpoken } from "../internal/readSpoken.js"
import type { JsonObject } from "../internal/wire.js"
import { isObject, keep, maxCount, readChoiceMembers, readChoices } from "../internal/wire.js"

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

/**
 * Reads the `usage` object of a body or a chunk: `undefined` unless it is an object. A count that is not a number is absent.
 *
 * @since 0.1.0
 * @category decoding
 */
export const usageFromWire: (json: unknown) => Usage | undefined = readUsage

const readToolCall = (json: JsonObject): ToolCall => {
  const out: Types.Mutable<ToolCall> = { type: "function" }
  for (const member in json) {
    const value = json[member]
    switch (member) {
      case "id":
      case "type":
        if (typeof value === "string") {
          out[member] = value
        }
        break
      case "function":
        if (isObject(value)) {
          out.function = { name: "", arguments: "", ...readFunction(value) }
        }
        break
      default:
        keep(out, member, value)
    }
  }
  return out
}

const readMessage = (json: JsonObject): Message | string => {
  const out: Types.Mutable<Message> = {}
  const reason = readSpoken(out, json, readToolCall)
  // as a stream the others would need an index that is out of range
  return reason ??
    (out.toolCalls !== undefined && out.toolCalls.length > maxCount ? "there are too many tool calls" : out)
}

const readChoice = (json: JsonObject, index: number): Choice | string => {
  const message = isObject(json.message) ? readMessage(json.message) : {}
  if (typeof message === "string") {
    return message
  }
  const out: Types.Mutable<Choice> = { index, message }
  readChoiceMembers(out, json, "message")
  return out
}

/** Where two choices have one index, each gets its place as its index: as a stream, they would be taken for one. */
const distinct = (choices: ReadonlyArray<Choice>): ReadonlyArray<Choice> | string => {
  if (choices.length > maxCount) {
    return "there are too many choices"
  }
  return new Set(choices.map(({ index }) => index)).size === choices.length
    ? choices
    : choices.map((choice, index) => ({ ...choice, index }))
}

/**
 * Reads the body of an answer, as `JSON.parse` gives it.
 *
 * It asks for next to nothing: missing choices are `[]`, a choice without a message has an empty one, `null` is absent, a
 * known member of another type is absent, and unknown members stay under their names on the wire. Where two choices have one
 * index, each has its place as its index. What cannot be a completion (not an object, choices that are no array of objects, an
 * index that is not an integer from 0 to 127, more than 128 choices, or tool calls of one) is a `Left` with a short reason, which
 * repeats nothing of the body.
 *
 * An answer that holds an error is read as well: ask `Chunk.errorOf` first.
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromWire = (json: unknown): Either.Either<Completion, string> => {
  if (!isObject(json)) {
    return Either.left("the completion is not an object")
  }
  const given = readChoices(json.choices, readChoice)
  const choices = typeof given === "string" ? given : distinct(given)
  if (typeof choices === "string") {
    return Either.left(choices)
  }
  const out: Types.Mutable<Completion> = { choices }
  readHead(out, json)
  return Either.right(out)
}
