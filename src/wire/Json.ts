/**
 * JSON from the network: parsed without throwing, and never deeper than a limit.
 *
 * `JSON.parse` reads a million nested arrays without complaint, but `JSON.stringify`, a schema or any other recursive function
 * then overflows the stack on them. So the depth is checked on the text, by a loop, before anything is parsed.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { endOfString } from "../internal/jsonString.js"

/**
 * Why a text was not read: `"syntax"` (it is not JSON) or `"depth"` (it is nested deeper than the limit). It holds nothing of
 * the text.
 *
 * @since 0.1.0
 * @category models
 */
export interface JsonError {
  readonly _tag: "JsonError"
  readonly reason: "syntax" | "depth"
}

/**
 * How deep arrays and objects may be nested: 128, the limit of the OpenAI clients. Real answers stay below 20.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultMaxDepth = 128

const syntaxError: JsonError = { _tag: "JsonError", reason: "syntax" }
const depthError: JsonError = { _tag: "JsonError", reason: "depth" }

/** `"`, `[`, `]`, `{`, `}` */
const quote = 34
const openBracket = 91
const closeBracket = 93
const openBrace = 123
const closeBrace = 125

const isDeeperThan = (text: string, maxDepth: number): boolean => {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === quote) {
      i = endOfString(text, i)
    } else if (code === openBrace || code === openBracket) {
      depth++
      if (depth > maxDepth) {
        return true
      }
    } else if (code === closeBrace || code === closeBracket) {
      depth--
    }
  }
  return false
}

/** How often `text` holds the one-character string `needle`, counted until `limit` is passed. */
const countUpTo = (text: string, needle: string, limit: number): number => {
  let count = 0
  for (let i = text.indexOf(needle); i !== -1 && count <= limit; i = text.indexOf(needle, i + 1)) {
    count++
  }
  return count
}

/** Most texts hold too few brackets to be deep: counting them is several times faster than following them. */
const mayBeDeeperThan = (text: string, maxDepth: number): boolean => {
  if (text.length <= maxDepth) {
    return false
  }
  const braces = countUpTo(text, "{", maxDepth)
  return braces > maxDepth || braces + countUpTo(text, "[", maxDepth - braces) > maxDepth
}

/**
 * Parses a JSON text. `maxDepth` is how many arrays and objects may be open at once (default 128).
 *
 * Never throws, and the error repeats nothing of the text.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (
  text: string,
  options?: { readonly maxDepth?: number | undefined }
): Either.Either<unknown, JsonError> => {
  const maxDepth = options?.maxDepth ?? defaultMaxDepth
  if (mayBeDeeperThan(text, maxDepth) && isDeeperThan(text, maxDepth)) {
    return Either.left(depthError)
  }
  try {
    return Either.right(JSON.parse(text))
  } catch {
    return Either.left(syntaxError)
  }
}
