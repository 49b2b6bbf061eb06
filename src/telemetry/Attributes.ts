/**
 * The attributes of spans that say what was asked and what was answered.
 *
 * @since 0.1.0
 */
import type * as Tracer from "effect/Tracer"
import type { Usage } from "../wire/Completion.js"
import type { JsonObject } from "../wire/RequestBody.js"
import * as Names from "./Names.js"
import type { Seen } from "./Seen.js"
import type { Server } from "./Server.js"

/**
 * Sets what is known.
 *
 * @since 0.1.0
 * @category attributes
 */
export const set = (span: Tracer.Span, name: string, value: unknown): void => {
  if (value !== undefined && value !== null) {
    span.attribute(name, value)
  }
}

/**
 * @since 0.1.0
 * @category attributes
 */
export const setServer = (span: Tracer.Span, server: Server | undefined): void => {
  set(span, "server.address", server?.address)
  set(span, "server.port", server?.port)
}

/** The parameters of a request on the wire, and the attributes for them. */
const parameters: ReadonlyArray<readonly [parameter: string, type: "number" | "string", attribute: string]> = [
  ["temperature", "number", "gen_ai.request.temperature"],
  ["top_p", "number", "gen_ai.request.top_p"],
  ["top_k", "number", "gen_ai.request.top_k"],
  ["max_tokens", "number", "gen_ai.request.max_tokens"],
  ["max_completion_tokens", "number", "gen_ai.request.max_tokens"],
  ["seed", "number", "gen_ai.request.seed"],
  ["frequency_penalty", "number", "gen_ai.request.frequency_penalty"],
  ["presence_penalty", "number", "gen_ai.request.presence_penalty"],
  ["reasoning_effort", "string", "gen_ai.request.reasoning.level"]
]

const isText = (value: unknown): value is string => typeof value === "string"

const outputTypes: ReadonlyMap<unknown, string> = new Map([
  ["text", "text"],
  ["json_object", "json"],
  ["json_schema", "json"]
])

const outputType = ({ modalities, response_format: format }: JsonObject): string | undefined =>
  Array.isArray(modalities) && modalities.includes("audio")
    ? "speech"
    : typeof format === "object" && format !== null && "type" in format
    ? outputTypes.get(format.type)
    : undefined

/**
 * What a request asks of a model, in the form that it has on the wire.
 *
 * @since 0.1.0
 * @category attributes
 */
export const setRequest = (span: Tracer.Span, body: JsonObject): void => {
  for (const [parameter, type, attribute] of parameters) {
    const value = body[parameter]
    if (typeof value === type) {
      span.attribute(attribute, value)
    }
  }
  const { n, stop } = body
  if (isText(stop) || Array.isArray(stop)) {
    span.attribute("gen_ai.request.stop_sequences", isText(stop) ? [stop] : stop.filter(isText))
  }
  if (typeof n === "number" && n !== 1) {
    span.attribute("gen_ai.request.choice.count", n)
  }
  set(span, "gen_ai.output.type", outputType(body))
}

/**
 * Who has answered, and how that ended.
 *
 * @since 0.1.0
 * @category attributes
 */
export const setResponse = (span: Tracer.Span, seen: Seen): void => {
  set(span, "gen_ai.response.id", seen.id)
  set(span, "gen_ai.response.model", seen.model)
  const { finishReasons } = seen
  if (finishReasons.length > 0) {
    span.attribute("gen_ai.response.finish_reasons", finishReasons)
  }
}

/**
 * What an answer has used. Cached input tokens are among the input tokens, reasoning tokens among the output tokens.
 *
 * @since 0.1.0
 * @category attributes
 */
export const setUsage = (span: Tracer.Span, usage: Usage): void => {
  set(span, "gen_ai.usage.input_tokens", usage.promptTokens)
  set(span, "gen_ai.usage.output_tokens", usage.completionTokens)
  set(span, "gen_ai.usage.cache_read.input_tokens", usage.promptTokensDetails?.cachedTokens)
  set(span, "gen_ai.usage.cache_write.input_tokens", usage.promptTokensDetails?.cacheCreationTokens)
  set(span, "gen_ai.usage.reasoning.output_tokens", usage.completionTokensDetails?.reasoningTokens)
}

/**
 * The model that was asked for, where the request names one.
 *
 * @since 0.1.0
 * @category getters
 */
export const modelOf = (request: unknown): string | undefined =>
  typeof request === "object" && request !== null && "model" in request ? Names.bounded(request.model) : undefined

/**
 * The conversation that a request is part of: its `orq.thread.id`.
 *
 * @since 0.1.0
 * @category getters
 */
export const conversationOf = (
  { orq }: { readonly orq?: { readonly thread?: { readonly id: string } | undefined } | undefined }
): string | undefined => Names.bounded(orq?.thread?.id)
