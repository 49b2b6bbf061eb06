/**
 * One event of a streamed chat completion: camelCase, null is absent, every enum open, unknown members kept.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type * as Types from "effect/Types"
import { readHead } from "../internal/readHead.js"
import { readFunction, readSpoken } from "../internal/readSpoken.js"
import type { JsonObject } from "../internal/wire.js"
import { isIndex, isObject, keep, readChoiceMembers, readChoices } from "../internal/wire.js"
import type { Usage } from "./Completion.js"

/**
 * A piece of a tool call. Pieces with one `index` belong together, and their `arguments` are one JSON text. Some providers
 * send no index, or one index for several calls: `Fold` tells them apart.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolCallDelta {
  readonly index?: number | undefined
  readonly id?: string | undefined
  readonly type?: string | undefined
  readonly function?: {
    readonly name?: string | undefined
    readonly arguments?: string | undefined
    readonly [member: string]: unknown
  } | undefined
  readonly [member: string]: unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Delta {
  readonly role?: string | undefined
  readonly content?: string | undefined
  /** What the provider sent as `content`, where that was not a text (Mistral's parts). */
  readonly rawContent?: unknown
  readonly refusal?: string | undefined
  readonly reasoning?: string | undefined
  readonly toolCalls?: ReadonlyArray<ToolCallDelta> | undefined
  readonly audio?: unknown
  readonly [member: string]: unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ChunkChoice {
  readonly index: number
  readonly delta: Delta
  readonly finishReason?: string | undefined
  readonly logprobs?: unknown
  readonly [member: string]: unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Chunk {
  readonly id?: string | undefined
  readonly object?: string | undefined
  readonly created?: number | undefined
  readonly model?: string | undefined
  readonly choices: ReadonlyArray<ChunkChoice>
  readonly usage?: Usage | undefined
  readonly systemFingerprint?: string | undefined
  readonly serviceTier?: string | undefined
  readonly [member: string]: unknown
}

const outOfRange = "a tool call index is out of range"

/** Continuations repeat `id` as `""` or `null` with some providers: that is absent. */
const readToolCall = (json: JsonObject): ToolCallDelta | string => {
  const out: Types.Mutable<ToolCallDelta> = {}
  for (const member in json) {
    const value = json[member]
    switch (member) {
      case "index":
        if (isIndex(value)) {
          out.index = value
        } else if (value !== null && value !== undefined) {
          return outOfRange
        }
        break
      case "id":
      case "type":
        if (typeof value === "string" && value !== "") {
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

const readDelta = (json: JsonObject): Delta | string => {
  const out: Types.Mutable<Delta> = {}
  return readSpoken(out, json, readToolCall) ?? out
}

const readChoice = (json: JsonObject, index: number): ChunkChoice | string => {
  const delta = isObject(json.delta) ? readDelta(json.delta) : {}
  if (typeof delta === "string") {
    return delta
  }
  const out: Types.Mutable<ChunkChoice> = { index, delta }
  readChoiceMembers(out, json, "delta")
  return out
}

/**
 * Reads one event of a stream, as `JSON.parse` gives it.
 *
 * It asks for next to nothing: missing choices are `[]`, a missing delta is `{}`, `null` is absent, a known member of another
 * type is absent, and unknown members stay under their names on the wire (Perplexity's `message` with the whole text so far
 * is one of them). What cannot be a chunk (not an object, choices that are no array of objects, the index of a choice or a
 * tool call that is not an integer from 0 to 127) is a `Left` with a short reason, which repeats nothing of the event.
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromWire = (json: unknown): Either.Either<Chunk, string> => {
  if (!isObject(json)) {
    return Either.left("the chunk is not an object")
  }
  const choices = readChoices(json.choices, readChoice)
  if (typeof choices === "string") {
    return Either.left(choices)
  }
  const out: Types.Mutable<Chunk> = { choices }
  readHead(out, json)
  return Either.right(out)
}

const errorMember = (json: JsonObject): unknown => {
  const error = json.error
  return typeof error === "string" && error !== "" || typeof error === "object" && error !== null ? error : undefined
}

/**
 * The `error` member of a body or of an event of a stream: an object or a text, at the top or else in one of the choices.
 * `undefined` where there is none.
 *
 * @since 0.1.0
 * @category decoding
 */
export const errorOf = (json: unknown): unknown => {
  if (!isObject(json)) {
    return undefined
  }
  const error = errorMember(json)
  if (error !== undefined || !Array.isArray(json.choices)) {
    return error
  }
  for (const choice of json.choices) {
    const inChoice = isObject(choice) ? errorMember(choice) : undefined
    if (inChoice !== undefined) {
      return inChoice
    }
  }
  return undefined
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== ""

const isToolCallPiece = (call: ToolCallDelta): boolean =>
  isText(call.id) || isText(call.function?.name) || isText(call.function?.arguments)

const hasAudio = (audio: unknown): boolean => isObject(audio) && (isText(audio.data) || isText(audio.transcript))

const isContent = (delta: Delta): boolean =>
  isText(delta.content) || isText(delta.reasoning) || isText(delta.refusal) ||
  delta.toolCalls !== undefined && delta.toolCalls.some(isToolCallPiece) ||
  delta.audio !== undefined && hasAudio(delta.audio) ||
  isObject(delta.function_call) || Array.isArray(delta.images) && delta.images.length > 0

/**
 * Whether the chunk holds a piece of the answer in any choice: text, reasoning, refusal, a piece of a tool call, audio, an
 * image, or a piece of a (deprecated) `function_call`. A role, empty texts, usage or a finish reason are none.
 *
 * @since 0.1.0
 * @category predicates
 */
export const hasContent = (chunk: Chunk): boolean => chunk.choices.some((choice) => isContent(choice.delta))
