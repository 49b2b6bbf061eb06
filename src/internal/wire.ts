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

/**
 * `undefined` if the value is nested too deeply for `JSON.stringify`, which is recursive.
 *
 * @internal
 */
export const jsonText = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

/**
 * How many choices, and how many tool calls of a choice, there can be. Far above every `n` and every number of parallel calls seen;
 * without a bound one event could ask for 2^32 slots.
 *
 * @internal
 */
export const maxCount = 128

/** @internal */
export const isIndex = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value < maxCount

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
