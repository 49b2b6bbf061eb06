/** What the readers of messages and of deltas have in common. */
import { isObject, type JsonObject, jsonText, keep } from "./wire.js"

interface Spoken<Call> {
  role?: string | undefined
  content?: string | undefined
  rawContent?: unknown
  refusal?: string | undefined
  reasoning?: string | undefined
  toolCalls?: ReadonlyArray<Call> | undefined
  audio?: unknown
  [member: string]: unknown
}

const textOf = (part: unknown): string | undefined => {
  if (typeof part === "string") {
    return part
  }
  return isObject(part) && typeof part.text === "string" ? part.text : undefined
}

const append = (before: string | undefined, text: string | undefined): string | undefined =>
  before === undefined ? text : text === undefined ? before : before + text

/** Mistral's reasoning models: `[{type:"thinking",thinking:[{type:"text",text}]},{type:"text",text}]`. */
const readParts = (out: Spoken<unknown>, parts: ReadonlyArray<unknown>): void => {
  let reasoning: string | undefined
  for (const part of parts) {
    if (isObject(part) && part.type === "thinking") {
      const thinking: ReadonlyArray<unknown> = Array.isArray(part.thinking) ? part.thinking : [part.thinking]
      for (const piece of thinking) {
        reasoning = append(reasoning, textOf(piece))
      }
    } else {
      out.content = append(out.content, textOf(part))
    }
  }
  readReasoning(out, reasoning)
}

const readContent = (out: Spoken<unknown>, content: unknown): void => {
  if (typeof content === "string") {
    out.content = content
  } else if (Array.isArray(content)) {
    out.rawContent = content
    readParts(out, content)
  } else if (isObject(content)) {
    out.rawContent = content
    out.content = jsonText(content)
  }
}

/** Some providers send the same reasoning under two names: the first text found is the one that counts. */
const readReasoning = (out: Spoken<unknown>, reasoning: unknown): void => {
  if (typeof reasoning === "string" && (out.reasoning === undefined || out.reasoning === "")) {
    out.reasoning = reasoning
  }
}

/** The arguments are a JSON text; some providers send the object itself. `undefined` where there are none. */
const argumentsText = (value: unknown): string | undefined => {
  if (value === undefined || value === null) {
    return undefined
  }
  return typeof value === "string" ? value : jsonText(value)
}

interface FunctionPiece {
  name?: string | undefined
  arguments?: string | undefined
  [member: string]: unknown
}

/**
 * Reads the function of a tool call. An empty name is absent: continuations repeat it so with some providers.
 *
 * @internal
 */
export const readFunction = (json: JsonObject): FunctionPiece => {
  const out: FunctionPiece = {}
  for (const member in json) {
    const value = json[member]
    if (member === "name") {
      if (typeof value === "string" && value !== "") {
        out.name = value
      }
    } else if (member === "arguments") {
      const text = argumentsText(value)
      if (text !== undefined) {
        out.arguments = text
      }
    } else {
      keep(out, member, value)
    }
  }
  return out
}

/** `undefined` where there is none: what is no object is no call, and a list of nothing else is none. */
const readToolCalls = <A>(
  json: JsonObject,
  read: (call: JsonObject) => A | string
): Array<A> | string | undefined => {
  const calls: unknown = json.tool_calls ?? json.toolCalls
  if (!Array.isArray(calls)) {
    return undefined
  }
  const out: Array<A> = []
  for (const call of calls) {
    if (isObject(call)) {
      const value = read(call)
      if (typeof value === "string") {
        return value
      }
      out.push(value)
    }
  }
  return out.length === 0 ? undefined : out
}

/**
 * Copies all members of a message or a delta. A string is the reason why its tool calls cannot be read.
 *
 * @internal
 */
export const readSpoken = <Call>(
  out: Spoken<Call>,
  json: JsonObject,
  readCall: (call: JsonObject) => Call | string
): string | undefined => {
  for (const member in json) {
    const value = json[member]
    switch (member) {
      case "content":
        readContent(out, value)
        break
      case "role":
      case "refusal":
        if (typeof value === "string") {
          out[member] = value
        }
        break
      case "reasoning":
      case "reasoning_content":
        readReasoning(out, value)
        break
      case "audio":
        if (value !== null) {
          out.audio = value
        }
        break
      case "tool_calls":
      case "toolCalls":
      case "rawContent":
        break
      default:
        keep(out, member, value)
    }
  }
  const toolCalls = readToolCalls(json, readCall)
  if (typeof toolCalls === "string") {
    return toolCalls
  }
  if (toolCalls !== undefined) {
    out.toolCalls = toolCalls
  }
  return undefined
}
