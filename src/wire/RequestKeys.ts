/**
 * The wire names of the members of a chat request that differ from ours, or that hold such members.
 *
 * @since 0.1.0
 */
import { list, object, table } from "./Keys.js"

const cacheControl = table({})

// The tables of the parts of all types are one, as no name means two things; so are those of the messages of all roles.
const part = table({
  imageUrl: ["image_url", object(table({}))],
  inputAudio: ["input_audio", object(table({}))],
  // `mimeType` is camelCase on the wire
  file: ["file", object(table({ fileData: "file_data" }))],
  cacheControl: ["cache_control", object(cacheControl)]
})

/**
 * @since 0.1.0
 * @category tables
 */
export const message = table({
  content: ["content", list(part)],
  audio: ["audio", object(table({}))],
  toolCalls: [
    "tool_calls",
    list(table({
      function: ["function", object(table({}))],
      thoughtSignature: "thought_signature"
    }))
  ],
  toolCallId: "tool_call_id",
  reasoningContent: "reasoning_content",
  cacheControl: ["cache_control", object(cacheControl)]
})

const identity = table({ displayName: "display_name", logoUrl: "logo_url" })

const routing = {
  retry: ["retry", object(table({ onCodes: "on_codes" }))],
  fallbacks: ["fallbacks", list(table({}))],
  cache: ["cache", object(table({ staleIfError: "stale_if_error" }))],
  loadBalancer: ["load_balancer", object(table({ models: ["models", list(table({}))] }))],
  timeout: [
    "timeout",
    object(table({
      callTimeout: "call_timeout",
      firstByteTimeout: "first_byte_timeout",
      firstContentTimeout: "first_content_timeout",
      idleTimeout: "idle_timeout",
      progressTimeout: "progress_timeout",
      totalTimeout: "total_timeout"
    }))
  ],
  prompt: ["prompt", object(table({}))]
} as const

const envelope = table({
  ...routing,
  // a list has members of ours; as a map it is free-form
  inputs: ["inputs", list(table({ isPii: "is_pii" }))],
  identity: ["identity", object(identity)],
  contact: ["contact", object(identity)],
  thread: ["thread", object(table({}))],
  knowledgeBases: [
    "knowledge_bases",
    list(table({
      knowledgeId: "knowledge_id",
      topK: "top_k",
      searchType: "search_type",
      filterBy: "filter_by",
      searchOptions: [
        "search_options",
        object(table({
          includeVectors: "include_vectors",
          includeMetadata: "include_metadata",
          includeScores: "include_scores"
        }))
      ],
      rerankConfig: ["rerank_config", object(table({ topK: "top_k" }))],
      agenticRagConfig: ["agentic_rag_config", object(table({}))]
    }))
  ]
})

const instructions = {
  ...routing,
  guardrails: ["guardrails", list(table({ executeOn: "execute_on" }))],
  plugins: ["plugins", list(table({ entityThresholds: "entity_thresholds", onFailure: "on_failure" }))],
  templateEngine: "template_engine",
  orq: ["orq", object(envelope)]
} as const

/**
 * The members that are for the router only.
 *
 * @since 0.1.0
 * @category tables
 */
export const router = table(instructions)

/**
 * @since 0.1.0
 * @category tables
 */
export const request = table({
  ...instructions,
  messages: ["messages", list(message)],
  audio: ["audio", object(table({}))],
  frequencyPenalty: "frequency_penalty",
  presencePenalty: "presence_penalty",
  maxTokens: "max_tokens",
  maxCompletionTokens: "max_completion_tokens",
  topLogprobs: "top_logprobs",
  responseFormat: ["response_format", object(table({ jsonSchema: ["json_schema", object(table({}))] }))],
  reasoningEffort: "reasoning_effort",
  streamOptions: ["stream_options", object(table({ includeUsage: "include_usage" }))],
  thinking: ["thinking", object(table({ budgetTokens: "budget_tokens", thinkingLevel: "thinking_level" }))],
  topP: "top_p",
  topK: "top_k",
  tools: ["tools", list(table({ function: ["function", object(table({}))] }))],
  toolChoice: ["tool_choice", object(table({ function: ["function", object(table({}))] }))],
  parallelToolCalls: "parallel_tool_calls",
  promptCacheKey: "prompt_cache_key",
  cacheControl: ["cache_control", object(cacheControl)]
})

/**
 * What of a request is not for the provider, in both spellings: the routing members, and what whoever makes the call
 * sets itself (`model`, `messages`, `stream`).
 *
 * @since 0.1.0
 * @category tables
 */
export const notForUpstream: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "stream",
  "name",
  "retry",
  "fallbacks",
  "cache",
  "loadBalancer",
  "load_balancer",
  "timeout",
  "commit",
  "prompt",
  "variables",
  "guardrails",
  "plugins",
  "templateEngine",
  "template_engine",
  "orq"
])
