import { createHash } from "node:crypto"

/** Half a surrogate pair has no UTF-8 form, so such a part is written with escapes, and marked. */
const lengthPrefixed = (part: string): string => {
  if (part.isWellFormed()) {
    return `${part.length}:${part}`
  }
  const escaped = JSON.stringify(part)
  return `~${escaped.length}:${escaped}`
}

/**
 * The SHA-256 of a tuple, as 64 hexadecimal digits. Each part is preceded by its length, so two different tuples never become the same
 * text.
 */
export const sha256 = (parts: ReadonlyArray<string>): string =>
  createHash("sha256").update(parts.map(lengthPrefixed).join("")).digest("hex")
