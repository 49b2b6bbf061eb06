/**
 * The request that a hosted router is sent: all of the caller's, routing included, on the wire.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as RouterDefaults from "../RouterDefaults.js"
import * as RouterError from "../RouterError.js"
import * as ChatRequest from "../wire/ChatRequest.js"
import type * as RequestBody from "../wire/RequestBody.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Body {
  readonly json: RequestBody.JsonObject
  /** Milliseconds for the whole call. */
  readonly totalTimeout: number | undefined
  /** Kept here too: what was handed over there and breaks on its way must not have been handed over here. */
  readonly commit: RouterDefaults.Defaults["commit"]
}

const wellSpelled = (
  request: ChatRequest.ChatRequest
): Either.Either<ChatRequest.ChatRequest, RouterError.InvalidRequest> => {
  const issue = ChatRequest.misspelled(request)
  return issue === undefined ? Either.right(request) : Either.left(new RouterError.InvalidRequest({ issues: [issue] }))
}

/** The published API has the prompt in the envelope only, and takes no request without messages: none are the prompt's. */
const asPublished = (request: ChatRequest.ChatRequest): ChatRequest.ChatRequest => {
  const prompt = request.prompt ?? request.orq?.prompt
  return prompt === undefined
    ? request
    : { ...request, messages: request.messages ?? [], orq: { ...request.orq, prompt } }
}

/** What the request says nothing of, as the defaults have it. */
const withDefaults = (
  request: ChatRequest.ChatRequest,
  defaults: RouterDefaults.Defaults
): ChatRequest.ChatRequest => {
  const { cache, commit, fallbacks, retry, timeout } = ChatRequest.routing(request)
  return {
    ...request,
    ...(retry === undefined && defaults.retry && { retry: defaults.retry }),
    ...(cache === undefined && defaults.cache && { cache: defaults.cache }),
    ...(commit === undefined && defaults.commit && { commit: defaults.commit }),
    ...(fallbacks.length === 0 && defaults.fallbacks && { fallbacks: defaults.fallbacks }),
    // clock by clock
    timeout: RouterDefaults.merge(defaults, { timeout }).timeout
  }
}

/**
 * Checks the request as if it were carried out here, and writes it down.
 *
 * Of the defaults `backoff`, `maxRetryAfter` and `cacheFallbacks` are not in it: the API has no place for them.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  input: ChatRequest.ChatRequest,
  kind: "completion" | "stream",
  defaults: RouterDefaults.Defaults
): Either.Either<Body, RouterError.InvalidRequest> =>
  Either.gen(function*() {
    yield* RouterDefaults.validate(defaults)
    const request = withDefaults(yield* Either.flatMap(ChatRequest.validate(input), wellSpelled), defaults)
    const { streamOptions, ...rest } = asPublished(request)
    return {
      json: ChatRequest.toWire(
        kind === "stream" ? { ...rest, streamOptions, stream: true } : { ...rest, stream: false }
      ),
      totalTimeout: request.timeout?.totalTimeout,
      commit: request.commit
    }
  })
