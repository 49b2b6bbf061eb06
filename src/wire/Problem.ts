/**
 * What can be wrong with the content of a successful answer, and the error that it becomes.
 *
 * @since 0.1.0
 */
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Redacted from "effect/Redacted"
import * as RouterError from "../RouterError.js"
import * as Classify from "./Classify.js"
import * as ErrorEnvelope from "./ErrorEnvelope.js"
import * as Json from "./Json.js"

/**
 * Why an answer is none, or a stream cannot go on.
 *
 * @since 0.1.0
 * @category models
 */
export type Problem =
  | { readonly _tag: "Error"; readonly json: unknown; readonly text: string }
  | { readonly _tag: "Malformed"; readonly reason: string }
  | { readonly _tag: "TooLarge"; readonly limit: "bytes" | "eventBytes" | "depth"; readonly maximum: number }
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Truncated" }

/**
 * Whose answer it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Origin {
  /** The `provider/model` that errors name. */
  readonly target?: string | undefined
  /** Texts that no error may show, wherever an answer repeats them. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
}

/**
 * The error that a text is, when it is JSON with one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const inText = (text: string): Problem | undefined => {
  const json = Json.parse(text)
  return Either.isRight(json) && ErrorEnvelope.parse(json.right) !== undefined
    ? { _tag: "Error", json: json.right, text }
    : undefined
}

const toError = (
  problem: Problem,
  response: HttpClientResponse.HttpClientResponse,
  { secrets, target }: Origin,
  nowMillis: number
): RouterError.TargetError => {
  const { headers, status } = response
  const answer = { target, status, headers: Classify.safeHeaders(headers, secrets) }
  switch (problem._tag) {
    case "Error":
      return Classify.fromBody({ target, status, headers, secrets, nowMillis, json: problem.json, body: problem.text })
    case "Malformed":
      return new RouterError.BadResponse({ ...answer, reason: problem.reason })
    case "TooLarge":
      return new RouterError.ResponseTooLarge({ ...answer, limit: problem.limit, maximum: problem.maximum })
    case "Empty":
      return new RouterError.EmptyCompletion(answer)
    case "Truncated":
      return new RouterError.StreamTruncated(answer)
  }
}

/**
 * Fails with the error that the problem is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fail = (
  problem: Problem,
  response: HttpClientResponse.HttpClientResponse,
  origin: Origin
): Effect.Effect<never, RouterError.TargetError> =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMillis) => Effect.fail(toError(problem, response, origin, nowMillis)))

/**
 * The error of a broken connection. A policy below, such as a timeout, can break a body only with an error of the platform, and is
 * the `cause` of that.
 *
 * @since 0.1.0
 * @category constructors
 */
export const transport = ({ target }: Origin) => (error: HttpClientError.HttpClientError): RouterError.TargetError =>
  RouterError.isTargetError(error.cause) ? error.cause : Classify.fromTransport(error, target)
