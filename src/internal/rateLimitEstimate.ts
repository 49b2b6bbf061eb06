import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Either from "effect/Either"
import * as RequestBody from "../wire/RequestBody.js"

/** How many tokens an answer is expected to have when its request does not say how many it may have: a page of text and a half. */
export const defaultAnswerTokens = 1_000

/** About what tokenizers make of English text and of JSON; other scripts have fewer bytes of UTF-8 to a token, images far more. */
const bytesPerToken = 4

const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) && value > 0 ? value : undefined

/** What the prompt and the answers may come to, in tokens. */
export const ofBody = (body: RequestBody.JsonObject): number => {
  const answer = count(body.max_completion_tokens) ?? count(body.max_tokens) ?? defaultAnswerTokens
  return Buffer.byteLength(JSON.stringify(body)) / bytesPerToken + answer * (count(body.n) ?? 1)
}

/**
 * What is to be reserved for a request: whole tokens, and no more than the limit, so that a large request can be sent at all. A request
 * without a JSON object, which no provider answers, is one of nothing.
 */
export const reservation = (
  request: HttpClientRequest.HttpClientRequest,
  estimate: (body: RequestBody.JsonObject) => number,
  limit: number
): number => {
  const tokens = estimate(Either.getOrElse(RequestBody.toJson(request), () => ({})))
  // not a number is nothing too
  return tokens > 0 ? Math.min(limit, Math.ceil(tokens)) : 0
}
