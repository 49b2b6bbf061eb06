/**
 * Which answer a request gets.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Answer from "./Answer.js"
import type { Arrival, RecordedRequest } from "./CallLog.js"

/**
 * The answers of one target: one for all requests, a list, or a function of the request.
 *
 * A list is consumed in order, one answer for each request, and its last answer repeats. An empty list knows no answer, as if
 * the target were not there.
 *
 * @since 0.1.0
 * @category models
 */
export type Answers = Answer.Answer | ReadonlyArray<Answer.Answer> | ((request: RecordedRequest) => Answer.Answer)

/**
 * The answers of each target.
 *
 * A request to `/<provider>/…` (the first segment of the path) whose JSON body names a `model` has the target
 * `provider/model`. It is looked up as `"provider/model"`, then as `"model"`, then as `"provider"`, then as `"*"`: all requests
 * that end up at one entry share its list. A request that has no entry gets a 404 with the code `model_not_found`, and so does
 * every `HEAD`.
 *
 * @since 0.1.0
 * @category models
 */
export type Script = Readonly<Record<string, Answers>>

/** @internal */
export const unknownTarget: Answer.Answer = Answer.status(404, {
  code: "model_not_found",
  message: "the script has no answer for this target"
})

const keys = (request: RecordedRequest): ReadonlyArray<string> =>
  request.model === undefined
    ? [request.provider, "*"]
    : [request.target, request.model, request.provider, "*"]

/**
 * The script as it is played: each call is one step in the list of its entry.
 *
 * @internal
 */
export const makePlayer = (script: Script): (request: RecordedRequest) => Answer.Answer => {
  const taken = new Map<string, number>()
  return (request) => {
    const key = request.method === "HEAD" ? undefined : keys(request).find((key) => Object.hasOwn(script, key))
    const answers = key === undefined ? undefined : script[key]
    if (key === undefined || answers === undefined) return unknownTarget
    if (typeof answers === "function") return answers(request)
    if ("_tag" in answers) return answers
    const index = taken.get(key) ?? 0
    taken.set(key, index + 1)
    return answers[Math.min(index, answers.length - 1)] ?? unknownTarget
  }
}

const parse = (text: string): unknown => {
  if (text === "") return undefined
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const modelOf = (body: unknown): string | undefined =>
  typeof body === "object" && body !== null && "model" in body && typeof body.model === "string"
    ? body.model
    : undefined

/** @internal */
export const arrival = (
  request: Pick<Arrival, "method" | "headers" | "startedAtMillis"> & { readonly url: URL; readonly body: string }
): Arrival => {
  const body = parse(request.body)
  const provider = request.url.pathname.split("/")[1] ?? ""
  const model = modelOf(body)
  return {
    target: model === undefined ? provider : `${provider}/${model}`,
    provider,
    model,
    url: request.url.href,
    method: request.method,
    headers: request.headers,
    body,
    startedAtMillis: request.startedAtMillis
  }
}

/**
 * When the chunk with this index (after the last one: the reset) is due, on the upstream's own clock.
 *
 * @internal
 */
export const dueAtMillis = (reply: Answer.Reply, headersAtMillis: number, index: number): number =>
  index === 0 ? headersAtMillis : headersAtMillis + index * Duration.toMillis(reply.between)

/** @internal */
export const sleepUntil = (millis: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => now >= millis ? Effect.void : Effect.sleep(millis - now))
