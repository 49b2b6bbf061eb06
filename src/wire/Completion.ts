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
import type { JsonObject } from "../internal/wire.js"
import {
  argumentsText,
  counts,
  isObject,
  keep,
  readChoiceMembers,
  readChoices,
  readCount,
  readCounts,
  readCreated,
  readSpoken
} from "../internal/wire.js"

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

const usageCounts = counts({
  prompt_tokens: "promptTokens",
  completion_tokens: "completionTokens",
  total_tokens: "totalTokens"
})

const promptTokensDetailsCounts = counts({
  cached_tokens: "cachedTokens",
  cache_creation_tokens: "cacheCreationTokens",
  audio_tokens: "audioTokens"
})

const completionTokensDetailsCounts = counts({
  reasoning_tokens: "reasoningTokens",
  audio_tokens: "audioTokens",
  accepted_prediction_tokens: "acceptedPredictionTokens",
  rejected_prediction_tokens: "rejectedPredictionTokens"
})

/**
 * Reads the `usage` object of a body or a chunk: `undefined` unless it is an object. A count that is not a number is absent.
 *
 * @since 0.1.0
 * @category decoding
 */
export const usageFromWire = (json: unknown): Usage | undefined => {
  if (!isObject(json)) {
    return undefined
  }
  const out: Types.Mutable<Usage> = {}
  for (const member in json) {
    const value = json[member]
    switch (member) {
      case "prompt_tokens_details":
      case "promptTokensDetails":
        if (isObject(value)) {
          out.promptTokensDetails = readCounts({}, promptTokensDetailsCounts, value)
        }
        break
      case "completion_tokens_details":
      case "completionTokensDetails":
        if (isObject(value)) {
          out.completionTokensDetails = readCounts({}, completionTokensDetailsCounts, value)
        }
        break
      default:
        readCount(out, usageCounts, member, value)
    }
  }
  return out
}

/** The members that a completion and a chunk have in common. */
type Head = Types.Mutable<Omit<Completion, "choices">>

/**
 * Copies all members of a completion or a chunk but its choices.
 *
 * @internal
 */
export const readHead = (out: Head, json: JsonObject): void => {
  for (const member in json) {
    const value = json[member]
    switch (member) {
      case "choices":
        break
      case "id":
      case "object":
      case "model":
        if (typeof value === "string") {
          out[member] = value
        }
        break
      case "created":
        readCreated(out, value)
        break
      case "usage":
        if (isObject(value)) {
          out.usage = usageFromWire(value)
        }
        break
      case "system_fingerprint":
      case "systemFingerprint":
        if (typeof value === "string") {
          out.systemFingerprint = value
        }
        break
      case "service_tier":
      case "serviceTier":
        if (typeof value === "string") {
          out.serviceTier = value
        }
        break
      default:
        keep(out, member, value)
    }
  }
  // Groq's older streams report it there only.
  if (out.usage === undefined && isObject(json.x_groq) && isObject(json.x_groq.usage)) {
    out.usage = usageFromWire(json.x_groq.usage)
  }
}

const readFunction = (json: JsonObject): ToolCall["function"] => {
  const out: Types.Mutable<NonNullable<ToolCall["function"]>> = { name: "", arguments: "" }
  for (const member in json) {
    const value = json[member]
    if (member === "name") {
      out.name = typeof value === "string" ? value : ""
    } else if (member === "arguments") {
      out.arguments = argumentsText(value) ?? ""
    } else {
      keep(out, member, value)
    }
  }
  return out
}

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
          out.function = readFunction(value)
        }
        break
      default:
        keep(out, member, value)
    }
  }
  return out
}

const readMessage = (json: JsonObject): Message => {
  const out: Types.Mutable<Message> = {}
  readSpoken(out, json)
  const calls = json.tool_calls ?? json.toolCalls
  if (Array.isArray(calls) && calls.length > 0) {
    out.toolCalls = calls.filter(isObject).map(readToolCall)
  }
  return out
}

const readChoice = (json: JsonObject, index: number): Choice => {
  const out: Types.Mutable<Choice> = { index, message: isObject(json.message) ? readMessage(json.message) : {} }
  readChoiceMembers(out, json, "message")
  return out
}

/**
 * Reads the body of an answer, as `JSON.parse` gives it.
 *
 * It asks for next to nothing: missing choices are `[]`, a choice without a message has an empty one, `null` is absent, a
 * known member of another type is absent, and unknown members stay under their names on the wire. What cannot be a completion
 * (not an object, choices that are no array of objects, an index that is not an integer from 0 to 127) is a `Left` with a
 * short reason, which repeats nothing of the body.
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
  const choices = readChoices(json.choices, readChoice)
  if (typeof choices === "string") {
    return Either.left(choices)
  }
  const out: Types.Mutable<Completion> = { choices }
  readHead(out, json)
  return Either.right(out)
}
