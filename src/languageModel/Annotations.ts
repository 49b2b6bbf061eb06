/**
 * What the span of a call says of it: OpenTelemetry's attributes for generative models. No text of a prompt or an answer is among them.
 *
 * @since 0.1.0
 */
import * as Telemetry from "@effect/ai/Telemetry"
import type { Span } from "effect/Tracer"
import type { RoutedCompletion } from "../ChatCompletions.js"
import type * as ChatRequest from "../wire/ChatRequest.js"

/**
 * @since 0.1.0
 * @category annotations
 */
export const annotateRequest = (span: Span, request: ChatRequest.Whole): void =>
  Telemetry.addGenAIAnnotations(span, {
    operation: { name: "chat" },
    request: {
      model: request.model,
      temperature: request.temperature,
      topK: request.topK,
      topP: request.topP,
      maxTokens: request.maxCompletionTokens ?? request.maxTokens,
      stopSequences: typeof request.stop === "string" ? [request.stop] : request.stop,
      frequencyPenalty: request.frequencyPenalty,
      presencePenalty: request.presencePenalty,
      seed: request.seed
    }
  })

/**
 * The system is the name of the provider that served.
 *
 * @since 0.1.0
 * @category annotations
 */
export const annotateResponse = (span: Span, { choices, id, model, route, usage }: RoutedCompletion): void =>
  Telemetry.addGenAIAnnotations(span, {
    system: route.served?.split("/")[0],
    response: { id, model, finishReasons: choices.flatMap(({ finishReason }) => finishReason ?? []) },
    usage: { inputTokens: usage?.promptTokens, outputTokens: usage?.completionTokens }
  })
