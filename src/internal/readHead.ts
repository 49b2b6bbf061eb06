/** What completions and chunks have around their choices. */
import type * as Types from "effect/Types"
import type { Completion, Usage } from "../wire/Completion.js"
import { isObject, type JsonObject, keep } from "./wire.js"

/** The wire's spelling of each count, and ours, which is read as well. */
const counts = <K extends string>(wire: Readonly<Record<string, K>>): ReadonlyMap<string, K> =>
  new Map([...Object.entries(wire), ...Object.values(wire).map((name): [string, K] => [name, name])])

/** Copies a member of a usage object: a count has to be a number. */
const readCount = <K extends string>(
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

/** Copies all members of an object of counts. */
const readCounts = <
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

/** Seconds since the epoch: a number or, with some providers, its digits as a text. */
const readCreated = (out: { created?: number | undefined }, value: unknown): void => {
  if (typeof value === "number") {
    out.created = value
  } else if (typeof value === "string" && /^\d{1,15}$/.test(value)) {
    out.created = Number(value)
  }
}

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
 * Reads a usage object: `undefined` unless it is one. A count that is not a number is absent.
 *
 * @internal
 */
export const readUsage = (json: unknown): Usage | undefined => {
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
          out.usage = readUsage(value)
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
    out.usage = readUsage(json.x_groq.usage)
  }
}
