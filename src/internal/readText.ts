import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** @internal */
export interface Body {
  readonly text: string
  /** `false` when the body was longer than the limit; the rest of it was not read and its connection is closed. */
  readonly complete: boolean
}

/** Whether the headers promise a body within the limit. With a content encoding they count other bytes than ours. */
const isWithin = (headers: Readonly<Record<string, string | undefined>>, maxBytes: number): boolean => {
  const length = headers["content-length"]
  return length !== undefined && headers["content-encoding"] === undefined && /^\d+$/.test(length) &&
    Number(length) <= maxBytes
}

/**
 * Reads the whole body of a response as text, but never more than `maxBytes` of it, counted after decompression.
 *
 * @internal
 */
export const readText = (
  response: HttpClientResponse.HttpClientResponse,
  maxBytes: number
): Effect.Effect<Body, HttpClientError.ResponseError> =>
  isWithin(response.headers, maxBytes)
    ? Effect.map(response.text, (text) => ({ text, complete: true }))
    : Effect.suspend(() => {
      const decoder = new TextDecoder()
      let text = ""
      return Stream.runFoldWhile(response.stream, 0, (bytes) => bytes <= maxBytes, (bytes, part) => {
        const within = part.subarray(0, Math.max(0, maxBytes - bytes))
        text += decoder.decode(within, { stream: true })
        return bytes + part.length
      }).pipe(Effect.map((bytes) => ({ text: text + decoder.decode(), complete: bytes <= maxBytes })))
    })
