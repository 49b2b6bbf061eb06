/**
 * The wire names of the members of completions and chunks that differ from ours, or that hold such members.
 *
 * @since 0.1.0
 */
import type { Chunk, Delta } from "./Chunk.js"
import type { Completion, Message } from "./Completion.js"
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

/** `body` is where a choice holds its content; the other one is then a member that nobody knows, and is left alone. */
const answer = (body: "message" | "delta"): Keys.Table =>
  Keys.table({
    systemFingerprint: "system_fingerprint",
    serviceTier: "service_tier",
    usage: ["usage", Keys.object(usage)],
    choices: ["choices", Keys.list(Keys.table({ finishReason: "finish_reason", [body]: [body, spoken] }))]
  })

const completionTable = answer("message")
const chunkTable = answer("delta")

/** Content that was no text goes as it came. It is the last member: the reasoning in it counts only where there is no other. */
const withRawContent = (spoken: Message | Delta): Keys.Members => {
  const { content: _, rawContent, ...others } = spoken
  return rawContent === undefined ? spoken : { ...others, content: rawContent }
}

/**
 * A completion as it is on the wire. Reading it again gives the same completion.
 *
 * @since 0.1.0
 * @category encoding
 */
export const completionToWire = (completion: Completion): { readonly [member: string]: unknown } =>
  Keys.toWire(completionTable, {
    ...completion,
    choices: completion.choices.map((choice) => ({ ...choice, message: withRawContent(choice.message) }))
  })

/**
 * A chunk as it is on the wire. Reading it again gives the same chunk.
 *
 * @since 0.1.0
 * @category encoding
 */
export const chunkToWire = (chunk: Chunk): { readonly [member: string]: unknown } =>
  Keys.toWire(chunkTable, {
    ...chunk,
    choices: chunk.choices.map((choice) => ({ ...choice, delta: withRawContent(choice.delta) }))
  })
