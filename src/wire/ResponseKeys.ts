/**
 * The wire names of the members of completions and chunks that differ from ours, or that hold such members.
 *
 * @since 0.1.0
 */
import type { Chunk } from "./Chunk.js"
import type { Completion } from "./Completion.js"
import * as Keys from "./Keys.js"

const usage = Keys.table({
  promptTokens: "prompt_tokens",
  completionTokens: "completion_tokens",
  totalTokens: "total_tokens",
  promptTokensDetails: [
    "prompt_tokens_details",
    Keys.object(Keys.table({
      cachedTokens: "cached_tokens",
      cacheCreationTokens: "cache_creation_tokens",
      audioTokens: "audio_tokens"
    }))
  ],
  completionTokensDetails: [
    "completion_tokens_details",
    Keys.object(Keys.table({
      reasoningTokens: "reasoning_tokens",
      audioTokens: "audio_tokens",
      acceptedPredictionTokens: "accepted_prediction_tokens",
      rejectedPredictionTokens: "rejected_prediction_tokens"
    }))
  ]
})

const spoken = Keys.object(Keys.table({ toolCalls: "tool_calls" }))

const answer = Keys.table({
  systemFingerprint: "system_fingerprint",
  serviceTier: "service_tier",
  usage: ["usage", Keys.object(usage)],
  choices: [
    "choices",
    Keys.list(Keys.table({ finishReason: "finish_reason", message: ["message", spoken], delta: ["delta", spoken] }))
  ]
})

/**
 * A completion as it is on the wire. Reading it again gives the same completion.
 *
 * @since 0.1.0
 * @category encoding
 */
export const completionToWire = (completion: Completion): { readonly [member: string]: unknown } =>
  Keys.toWire(answer, completion)

/**
 * A chunk as it is on the wire. Reading it again gives the same chunk.
 *
 * @since 0.1.0
 * @category encoding
 */
export const chunkToWire = (chunk: Chunk): { readonly [member: string]: unknown } => Keys.toWire(answer, chunk)
