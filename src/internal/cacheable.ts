import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"

const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "POST"])

/**
 * Whether the answer to a request may be one that was given before. It is the user who asks for the cache, so a POST
 * may.
 *
 * @internal
 */
export const isCacheable = (request: HttpClientRequest.HttpClientRequest): boolean => methods.has(request.method)

const textualType =
  /^(?:text\/(?!event-stream)|application\/(?:[^;]*\+)?(?:json|xml)\b|application\/x-www-form-urlencoded\b)/i

const textualCharset = /^(?:utf-?8|us-ascii)$/i

/**
 * Whether a string can hold the body of a response exactly: not that of a stream, of an image, or of a text in another
 * encoding.
 *
 * @internal
 */
export const isTextual = (headers: Readonly<Record<string, string>>): boolean => {
  const contentType = headers["content-type"] ?? ""
  const charset = /charset="?([^";\s]+)/i.exec(contentType)?.[1]
  return textualType.test(contentType) && (charset === undefined || textualCharset.test(charset))
}
