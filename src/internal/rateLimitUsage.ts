import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as RouterError from "../RouterError.js"
import type { Usage } from "../wire/Completion.js"
import { isCompletionResponse } from "../wire/CompletionResponse.js"
import { isStreamResponse } from "../wire/StreamResponse.js"

const tokensOf = (usage: Usage): number | undefined => {
  const { completionTokens, promptTokens, totalTokens } = usage
  const tokens = totalTokens ??
    (promptTokens === undefined && completionTokens === undefined
      ? undefined
      : (promptTokens ?? 0) + (completionTokens ?? 0))
  return tokens !== undefined && tokens >= 0 && tokens < Infinity ? Math.ceil(tokens) : undefined
}

/** Errors of an answer that the provider was at work on. */
const isCut = (error: unknown): boolean =>
  error instanceof RouterError.Timeout || error instanceof RouterError.DeadlineExceeded ||
  error instanceof RouterError.ResponseTooLarge || error instanceof RouterError.StreamTruncated ||
  error instanceof RouterError.StreamInterrupted

/** What an exchange has used: what it reports, and else what can be said from how it ended. */
export class Meter {
  private reported: number | undefined
  private streaming = false

  /** Passes the answer on, and reads its usage as it comes by: the latest counts, for some providers report it with every chunk. */
  watch(response: HttpClientResponse.HttpClientResponse): HttpClientResponse.HttpClientResponse {
    if (isCompletionResponse(response)) {
      this.note(response.completion.usage)
    }
    if (!isStreamResponse(response)) {
      return response
    }
    this.streaming = true
    return response.withBatches(Stream.map(response.batches, (batch) => {
      for (const { usage } of batch.chunks) {
        this.note(usage)
      }
      return batch
    }))
  }

  /** In tokens: nothing for an answer that failed, and what was `reserved` for one that was cut or says nothing. */
  used(exit: Exit.Exit<unknown, unknown>, reserved: number): number {
    if (this.reported !== undefined) {
      return this.reported
    }
    const failure = exit._tag === "Failure" ? Cause.failureOption(exit.cause) : Option.none()
    return Option.isNone(failure) || this.streaming || isCut(failure.value) ? reserved : 0
  }

  private note(usage: Usage | undefined): void {
    this.reported = (usage === undefined ? undefined : tokensOf(usage)) ?? this.reported
  }
}
