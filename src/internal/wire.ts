/** What the readers of whole bodies and of chunks have in common. */

/** @internal */
export interface JsonObject {
  readonly [member: string]: unknown
}

/** @internal */
export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Copies a member that has no type here. `JSON.parse` makes `__proto__` an ordinary member, but assigning it would replace
 * the prototype of the result, so that name (no provider's) is dropped.
 *
 * @internal
 */
export const keep = (out: { [member: string]: unknown }, member: string, value: unknown): void => {
  if (member !== "__proto__") {
    out[member] = value
  }
}

/** `undefined` if the value is nested too deeply for `JSON.stringify`, which is recursive. */
const jsonText = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

/**
 * The arguments of a tool call are a JSON text; some providers send the object itself. `undefined` where there are none.
 *
 * @internal
 */
export const argumentsText = (value: unknown): string | undefined => {
  if (value === undefined || value === null) {
    return undefined
  }
  return typeof value === "string" ? value : jsonText(value)
}

/**
 * The wire's spelling of each count, and ours, which is read as well.
 *
 * @internal
 */
export const counts = <K extends string>(wire: Readonly<Record<string, K>>): ReadonlyMap<string, K> =>
  new Map([...Object.entries(wire), ...Object.values(wire).map((name): [string, K] => [name, name])])

/**
 * Copies a member of a usage object: a count has to be a number.
 *
 * @internal
 */
export const readCount = <K extends string>(
  out: { [member: string]: unknown } & { [_ in K]?: number | undefined },
  known: ReadonlyMap<string, K>,
  member: string,
  value: unknown
): void => {
  const name: string | undefined = known.get(member)
  if (name === undefined) {
    keep(out, member, value)
  } else if (typeof value === "number") {
    keep(out, name, value)
  }
}

/**
 * Copies all members of an object of counts.
 *
 * @internal
 */
export const readCounts = <
  K extends string,
  A extends { [member: string]: unknown } & { [_ in K]?: number | undefined }
>(
  out: A,
  known: ReadonlyMap<string, K>,
  json: JsonObject
): A => {
  for (const member in json) {
    readCount(out, known, member, json[member])
  }
  return out
}

/**
 * Seconds since the epoch: a number or, with some providers, its digits as a text.
 *
 * @internal
 */
export const readCreated = (out: { created?: number | undefined }, value: unknown): void => {
  if (typeof value === "number") {
    out.created = value
  } else if (typeof value === "string" && /^\d{1,15}$/.test(value)) {
    out.created = Number(value)
  }
}

/** Far above every `n` and every number of parallel calls seen; without a bound one event could ask for 2^32 slots. */
const maxIndex = 127

/** @internal */
export const isIndex = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= maxIndex

/**
 * Reads each choice with its index (where it stands, if it does not say). A string is the reason why that cannot be done.
 *
 * @internal
 */
export const readChoices = <A>(
  choices: unknown,
  read: (choice: JsonObject, index: number) => A | string
): Array<A> | string => {
  const out: Array<A> = []
  if (choices === undefined || choices === null) {
    return out
  }
  if (!Array.isArray(choices)) {
    return "choices is not an array"
  }
  for (let position = 0; position < choices.length; position++) {
    const choice: unknown = choices[position]
    if (!isObject(choice)) {
      return "a choice is not an object"
    }
    const index = choice.index ?? position
    if (!isIndex(index)) {
      return "a choice index is out of range"
    }
    const value = read(choice, index)
    if (typeof value === "string") {
      return value
    }
    out.push(value)
  }
  return out
}

/**
 * Copies all members of a choice but its index and its `body`.
 *
 * @internal
 */
export const readChoiceMembers = (
  out: { finishReason?: string | undefined; logprobs?: unknown; [member: string]: unknown },
  json: JsonObject,
  body: "message" | "delta"
): void => {
  for (const member in json) {
    const value = json[member]
    switch (member) {
      case "index":
      case body:
        break
      case "finish_reason":
      case "finishReason":
        if (typeof value === "string" && value !== "") {
          out.finishReason = value
        }
        break
      case "logprobs":
        if (value !== null) {
          out.logprobs = value
        }
        break
      default:
        keep(out, member, value)
    }
  }
}

/** What a message and a delta have in common. */
interface Spoken {
  role?: string | undefined
  content?: string | undefined
  rawContent?: unknown
  refusal?: string | undefined
  reasoning?: string | undefined
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
const readParts = (out: Spoken, parts: ReadonlyArray<unknown>): void => {
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

const readContent = (out: Spoken, content: unknown): void => {
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
const readReasoning = (out: Spoken, reasoning: unknown): void => {
  if (typeof reasoning === "string" && (out.reasoning === undefined || out.reasoning === "")) {
    out.reasoning = reasoning
  }
}

/**
 * Copies all members of a message or a delta but the tool calls.
 *
 * @internal
 */
export const readSpoken = (out: Spoken, json: JsonObject): void => {
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
}
