/**
 * The response of a completion that is not streamed: an `HttpClientResponse` with its body in memory that carries the decoded
 * completion, so that nothing above has to parse it again.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { type Content, MemoryResponse } from "../internal/memoryResponse.js"
import type { Completion } from "./Completion.js"

/**
 * @since 0.1.0
 * @category models
 */
export class CompletionResponse extends MemoryResponse {
  constructor(
    request: HttpClientRequest.HttpClientRequest,
    content: Content,
    /**
     * @since 0.1.0
     */
    readonly completion: Completion
  ) {
    super(request, content)
  }
}

/**
 * @since 0.1.0
 * @category guards
 */
export const isCompletionResponse = (
  response: HttpClientResponse.HttpClientResponse
): response is CompletionResponse => response instanceof CompletionResponse
