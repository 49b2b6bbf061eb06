/**
 * Makes an answer final: what leaves here is a decoded completion or a stream that has reached its commit point, and everything else
 * is a typed error.
 *
 * It stands right above the provider, so that every policy outside sees failures of all kinds in one place: a retry or a timeout
 * covers the body and the beginning of a stream, not just the headers.
 *
 * The commit point of a stream is its first content (text, reasoning, a tool call, a refusal). What comes before it is held back, so
 * until then a failure is an ordinary failure, on which retries and fallbacks can act.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { constVoid } from "effect/Function"
import { asksForStream } from "../internal/accept.js"
import * as Activity from "../internal/activity.js"
import { type Execute, onion } from "../internal/onion.js"
import { readText } from "../internal/readText.js"
import { isObject } from "../internal/wire.js"
import type * as RouterError from "../RouterError.js"
import * as Chunk from "./Chunk.js"
import * as Classify from "./Classify.js"
import * as Commit from "./Commit.js"
import * as Completion from "./Completion.js"
import { CompletionResponse } from "./CompletionResponse.js"
import * as ErrorEnvelope from "./ErrorEnvelope.js"
import * as Json from "./Json.js"
import * as Limits from "./Limits.js"
import * as Problem from "./Problem.js"

/**
 * @since 0.1.0
 * @category models
 */
export type Options = Commit.Options

interface Resolved extends Options {
  readonly limits: Limits.Limits
}

type Response = HttpClientResponse.HttpClientResponse

const isSuccess = (status: number): boolean => status >= 200 && status < 300

const mediaType = (response: Response): string =>
  (response.headers["content-type"] ?? "").split(";", 1)[0]!.trim().toLowerCase()

/** Some providers leave out the type of a stream or call it plain text; JSON and HTML are what they say they are. */
const mayBeEventStream = (response: Response): boolean =>
  ["text/event-stream", "text/plain", "application/octet-stream", ""].includes(mediaType(response))

const rejected = (response: Response, options: Resolved): Effect.Effect<never, RouterError.TargetError> =>
  readText(response, options.limits.errorBodyBytes, constVoid).pipe(
    // a body that broke off is no envelope, be it that it looks like one: its answer is classified by status and headers alone
    Effect.catchAll(() => Effect.succeed({ text: "", complete: false })),
    Effect.zipWith(Clock.currentTimeMillis, (body, nowMillis) =>
      Classify.fromResponse({
        target: options.target,
        secrets: options.secrets,
        status: response.status,
        headers: response.headers,
        body: body.text,
        maxBodyBytes: options.limits.errorBodyBytes,
        nowMillis
      })),
    Effect.flatMap(Effect.fail)
  )

/** The JSON of a success, when it is some and does not hold an error. */
const successJson = (
  response: Response,
  text: string,
  options: Resolved
): Effect.Effect<unknown, RouterError.TargetError> => {
  if (text.trim() === "") {
    return Problem.fail({ _tag: "Empty" }, response, options)
  }
  const json = Json.parse(text, { maxDepth: options.limits.jsonDepth })
  if (Either.isLeft(json)) {
    return Problem.fail(
      json.left.reason === "depth"
        ? { _tag: "TooLarge", limit: "depth", maximum: options.limits.jsonDepth }
        : { _tag: "Malformed", reason: "the answer is not JSON" },
      response,
      options
    )
  }
  return Chunk.errorOf(json.right) === undefined
    ? Effect.succeed(json.right)
    : Problem.fail({ _tag: "Error", json: json.right, text }, response, options)
}

const isNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === "" || Array.isArray(value) && value.length === 0

/** These say themselves why there is nothing. */
const cutShort: ReadonlySet<string | undefined> = new Set(["content_filter", "length"])

const hasAnswer = ({ finishReason, message }: Completion.Choice): boolean =>
  cutShort.has(finishReason) ||
  Object.entries(message).some(([member, value]) => member !== "role" && !isNothing(value))

/** A model may have nothing to say: then its choice ends with a message that is empty, not with none. */
const isSilent = ({ choices }: Completion.Completion, json: unknown): boolean =>
  choices.some(({ finishReason }) => finishReason !== undefined) &&
  isObject(json) && Array.isArray(json["choices"]) &&
  json["choices"].some((choice) => isObject(choice) && isObject(choice["message"]))

const settleCompletion = (
  request: HttpClientRequest.HttpClientRequest,
  response: Response,
  options: Resolved
): Effect.Effect<Response, RouterError.TargetError> =>
  Effect.flatMap(
    readText(response, options.limits.responseBytes, Problem.transport(options)),
    ({ complete, text }) =>
      complete
        ? Effect.flatMap(
          successJson(response, text, options),
          (json) => fromJson(request, response, text, json, options)
        )
        : Problem.fail({ _tag: "TooLarge", limit: "bytes", maximum: options.limits.responseBytes }, response, options)
  )

const fromJson = (
  request: HttpClientRequest.HttpClientRequest,
  response: Response,
  text: string,
  json: unknown,
  options: Resolved
): Effect.Effect<Response, RouterError.TargetError> => {
  const completion = Completion.fromWire(json)
  if (Either.isLeft(completion)) {
    return Problem.fail({ _tag: "Malformed", reason: completion.left }, response, options)
  }
  if (!completion.right.choices.some(hasAnswer) && !isSilent(completion.right, json)) {
    // an error that is not under `error`: some hosts answer so, with a 200
    const problem: Problem.Problem = ErrorEnvelope.parse(json) === undefined
      ? { _tag: "Empty" }
      : { _tag: "Error", json, text }
    return Problem.fail(problem, response, options)
  }
  const { cookies, headers, status } = response
  // not the request of the response: that one has the key in it
  return Effect.succeed(
    new CompletionResponse(request, { status, headers, text: Effect.succeed(text), cookies }, completion.right)
  )
}

/** A stream was asked for and something else came: an error that says so, whatever it holds. */
const settleWithoutStream = (response: Response, options: Resolved): Effect.Effect<never, RouterError.TargetError> =>
  Effect.flatMap(
    readText(response, options.limits.errorBodyBytes, Problem.transport(options)),
    ({ text }) =>
      Problem.fail(
        text.trim() === ""
          ? { _tag: "Empty" }
          : Problem.inText(text) ?? { _tag: "Malformed", reason: "a stream was asked for and the answer is none" },
        response,
        options
      )
  )

const settleResponse = (
  request: HttpClientRequest.HttpClientRequest,
  response: Response,
  options: Resolved
): Effect.Effect<Response, RouterError.TargetError> => {
  if (!isSuccess(response.status)) {
    return rejected(response, options)
  }
  if (!asksForStream(request)) {
    return settleCompletion(request, response, options)
  }
  if (!mayBeEventStream(response)) {
    return settleWithoutStream(response, options)
  }
  return Effect.map(
    Commit.commit(response, options),
    (stream) => stream.withBatches(stream.batches, request)
  )
}

/**
 * Gives only final answers: a `CompletionResponse`, or a `StreamResponse` when the request accepts `text/event-stream`. All that is not
 * one fails with an error of `RouterError`. Throws `InvalidRequest` when a limit is not a number above 0.
 *
 * ```ts
 * import { Retry, Settle } from "effect-llm-router"
 * import type { HttpClient } from "@effect/platform"
 *
 * declare const provider: HttpClient.HttpClient
 *
 * const client = provider.pipe(
 *   Settle.settle({ target: "local/llama" }),
 *   Retry.withRetry({ count: 2 })
 * )
 * ```
 *
 * @since 0.1.0
 * @category policies
 */
export const settle = (input: Options = {}) => {
  const options = { ...input, limits: Limits.make(input.limits) }
  return <E, R>(
    self: HttpClient.HttpClient.With<E, R>
  ): HttpClient.HttpClient.With<Exclude<E, HttpClientError.HttpClientError> | RouterError.TargetError, R> =>
    onion(self, (request, execute: Execute<E, R>) =>
      Effect.matchEffect(execute(request), {
        onSuccess: (response) => Effect.zipRight(Activity.noteHeaders, settleResponse(request, response, options)),
        onFailure: (error) =>
          Effect.fail(
            HttpClientError.isHttpClientError(error)
              ? Problem.transport(options)(error)
              // `Exclude` is this very case distinction, which the compiler cannot follow
              : error as Exclude<E, HttpClientError.HttpClientError>
          )
      }))
}
