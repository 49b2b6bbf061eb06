/**
 * Takes credentials out of what a provider answered, before it becomes part of an error.
 */
import * as Redacted from "effect/Redacted"

/** @internal What a secret literal is replaced by. */
export const placeholder = "<redacted>"

/**
 * @internal Secrets shorter than this, in characters, are not looked for: `x` or `-` is what people give a local server
 * that wants no key, and replacing it would only destroy the text.
 */
export const minSecretLength = 4

/** @internal Headers that carry credentials or sessions, whatever their value. */
export const sensitiveHeaders: ReadonlySet<string> = new Set([
  "set-cookie",
  "cookie",
  "authorization",
  "proxy-authorization",
  "x-api-key",
  "api-key",
  "x-goog-api-key"
])

/** A query parameter that carries a credential, as in the `location` of a redirect. */
const sensitiveQuery = /[?&](?:key|api_?key|access_?token|token|sig|signature|x-amz-signature|x-amz-security-token)=/i

/**
 * @internal The texts to look for: each secret as it is, and as JSON writes it. The longest first: one may begin with
 * another.
 */
export const literals = (secrets: ReadonlyArray<Redacted.Redacted<string>>): ReadonlyArray<string> => {
  const found = new Set<string>()
  for (const secret of secrets) {
    const value = Redacted.value(secret)
    if (value.length >= minSecretLength) {
      found.add(value)
      found.add(JSON.stringify(value).slice(1, -1))
    }
  }
  return [...found].sort((a, b) => b.length - a.length)
}

/** @internal */
export const containsSecret = (text: string, literals: ReadonlyArray<string>): boolean =>
  literals.some((literal) => text.includes(literal))

/** The beginning of a secret at the very end of a text that was cut. */
const withoutCutSecret = (text: string, literal: string): string => {
  for (let length = Math.min(literal.length - 1, text.length); length >= minSecretLength; length--) {
    if (text.endsWith(literal.slice(0, length))) {
      return text.slice(0, text.length - length) + placeholder
    }
  }
  return text
}

/** @internal The text with every secret replaced. */
export const scrub = (text: string, literals: ReadonlyArray<string>): string =>
  literals.reduce((text, literal) => withoutCutSecret(text.replaceAll(literal, placeholder), literal), text)

/** @internal The longest beginning of a text that takes at most `bytes` bytes in UTF-8. */
export const truncate = (text: string, bytes: number): string =>
  // a UTF-16 unit takes at most 3 bytes
  text.length * 3 <= bytes ? text : text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(bytes)).read)

/**
 * @internal The headers, names in lower case, without those that carry a credential by their name or in their value.
 */
export const withoutSecrets = (
  headers: Readonly<Record<string, string>>,
  literals: ReadonlyArray<string>
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers)
      .map(([name, value]) => [name.toLowerCase(), value] as const)
      .filter(([name, value]) =>
        !sensitiveHeaders.has(name) && !sensitiveQuery.test(value) && !containsSecret(value, literals)
      )
  )
