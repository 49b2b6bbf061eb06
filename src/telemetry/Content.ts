/**
 * What was said, in the JSON form of the conventions. The bytes of images, sounds and files are left out.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Completion, Message } from "../wire/Completion.js"
import * as Json from "../wire/Json.js"
import type { JsonObject } from "../wire/RequestBody.js"
import { unfinished } from "./Seen.js"

interface Part {
  readonly type: string
  readonly [member: string]: unknown
}

const isObject = (u: unknown): u is JsonObject => typeof u === "object" && u !== null && !Array.isArray(u)

const listOf = (u: unknown): ReadonlyArray<unknown> => Array.isArray(u) ? u : []

const text = (content: unknown): ReadonlyArray<Part> =>
  typeof content === "string" && content !== "" ? [{ type: "text", content }] : []

const blob = (modality: string, mimeType: string | undefined): Part => ({
  type: "blob",
  modality,
  mime_type: mimeType ?? null,
  content: ""
})

/** A `data:` URL has the bytes in it: of that, its type. */
const located = (modality: string, uri: unknown): ReadonlyArray<Part> =>
  typeof uri !== "string"
    ? []
    : uri.startsWith("data:")
    ? [blob(modality, /^data:([^;,]+)/.exec(uri)?.[1])]
    : [{ type: "uri", modality, uri }]

const member = (part: JsonObject, name: string): JsonObject => {
  const value = part[name]
  return isObject(value) ? value : {}
}

const partOf = (part: unknown): ReadonlyArray<Part> => {
  if (!isObject(part) || typeof part["type"] !== "string") {
    return []
  }
  switch (part["type"]) {
    case "text":
      return text(part["text"])
    case "image_url":
      return located("image", member(part, "image_url")["url"])
    case "input_audio": {
      const { format } = member(part, "input_audio")
      return [blob("audio", typeof format === "string" ? `audio/${format}` : undefined)]
    }
    case "file": {
      const { file_data: data, file_id: id } = member(part, "file")
      return typeof id === "string" ? [{ type: "file", modality: "document", file_id: id }] : located("document", data)
    }
    case "reasoning":
      return typeof part["reasoning"] === "string" ? [{ type: "reasoning", content: part["reasoning"] }] : []
    case "refusal":
      return typeof part["refusal"] === "string" ? [{ type: "refusal", content: part["refusal"] }] : []
    default:
      return [{ type: part["type"] }]
  }
}

const partsOf = (content: unknown): ReadonlyArray<Part> =>
  Array.isArray(content) ? content.flatMap(partOf) : text(content)

/** Arguments are JSON where the model wrote JSON. */
const toolCall = (call: unknown): ReadonlyArray<Part> => {
  if (!isObject(call)) {
    return []
  }
  const { arguments: given, name } = member(call, "function")
  const parsed = typeof given === "string" ? Either.getOrElse(Json.parse(given), () => given) : null
  return [{ type: "tool_call", id: call["id"] ?? null, name: name ?? "", arguments: parsed }]
}

const inputMessage = (message: JsonObject) => ({
  role: message["role"],
  parts: message["role"] === "tool"
    ? [{ type: "tool_call_response", id: message["tool_call_id"] ?? null, response: message["content"] }]
    : [
      ...(typeof message["reasoning_content"] === "string"
        ? [{ type: "reasoning", content: message["reasoning_content"] }]
        : []),
      ...partsOf(message["content"]),
      ...listOf(message["tool_calls"]).flatMap(toolCall)
    ]
})

/**
 * The messages of a request, in the form that it has on the wire.
 *
 * @since 0.1.0
 * @category encoding
 */
export const input = (body: JsonObject): string =>
  JSON.stringify(listOf(body["messages"]).filter(isObject).map(inputMessage))

const instructing: ReadonlySet<unknown> = new Set(["system", "developer"])

/**
 * The system messages among them, which the wire has no place of their own for; `undefined` when there are none.
 *
 * @since 0.1.0
 * @category encoding
 */
export const instructions = (body: JsonObject): string | undefined => {
  const parts = listOf(body["messages"]).filter(isObject)
    .filter(({ role }) => instructing.has(role))
    .flatMap(({ content }) => partsOf(content))
  return parts.length === 0 ? undefined : JSON.stringify(parts)
}

/** The conventions have one reason for a call of a tool, the providers two. */
const finishReason = (reason: string | undefined): string =>
  reason === "tool_calls" || reason === "function_call" ? "tool_call" : reason ?? unfinished

const outputParts = (message: Message): ReadonlyArray<Part> => [
  ...(message.reasoning ? [{ type: "reasoning", content: message.reasoning }] : []),
  ...text(message.content),
  ...(message.refusal ? [{ type: "refusal", content: message.refusal }] : []),
  ...(message.toolCalls ?? []).flatMap(toolCall)
]

/**
 * A message for each choice of a completion.
 *
 * @since 0.1.0
 * @category encoding
 */
export const output = ({ choices }: Completion): string =>
  JSON.stringify(choices.map((choice) => ({
    role: choice.message.role ?? "assistant",
    parts: outputParts(choice.message),
    finish_reason: finishReason(choice.finishReason)
  })))
