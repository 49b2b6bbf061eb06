/**
 * The classification of every answer, as data: which status is which class, which code stands for which status, and the
 * words by which providers say what their status does not.
 *
 * @since 0.1.0
 */
import type * as RouterError from "../RouterError.js"

/**
 * The classes that an answer with an error can have.
 *
 * @since 0.1.0
 * @category models
 */
export type AnswerError =
  | RouterError.Unavailable
  | RouterError.Overloaded
  | RouterError.RateLimited
  | RouterError.QuotaExhausted
  | RouterError.Auth
  | RouterError.NotFound
  | RouterError.InvalidRequest
  | RouterError.ContextLengthExceeded
  | RouterError.ContentFiltered

/**
 * @since 0.1.0
 * @category models
 */
export type Tag = AnswerError["_tag"]

/**
 * One class and how an answer gets it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Row {
  readonly tag: Tag
  /** The statuses that mean this class when the body says nothing else. */
  readonly statuses: ReadonlyArray<number>
  /**
   * The statuses of another class under which a code or wording of this class counts: providers disagree about them.
   */
  readonly refines: ReadonlyArray<number>
  /** The status that the class stands for where none is named: an error inside a 200, known by its wording only. */
  readonly standsFor: number
}

/**
 * The table. A status that is not in it is an `InvalidRequest` (4xx) or `Unavailable` (5xx); every other one that is
 * not a success is a `BadResponse`.
 *
 * @since 0.1.0
 * @category tables
 */
export const rows: ReadonlyArray<Row> = [
  { tag: "ContentFiltered", statuses: [], refines: [400, 403, 413, 422, 451], standsFor: 400 },
  // 429: a request that is larger than the limit per minute never fits (OpenAI, Groq); 500: llama.cpp
  { tag: "ContextLengthExceeded", statuses: [], refines: [400, 413, 422, 429, 500], standsFor: 400 },
  // 400: Anthropic; 403: xAI; 412: Fireworks; 429: OpenAI
  { tag: "QuotaExhausted", statuses: [402], refines: [400, 403, 412, 429], standsFor: 402 },
  // 400: xAI and Gemini for a wrong key
  { tag: "Auth", statuses: [401, 403], refines: [400], standsFor: 401 },
  { tag: "NotFound", statuses: [404], refines: [400], standsFor: 404 },
  // 429: Moonshot; 498: Groq; 503: Gemini, OpenAI
  { tag: "Overloaded", statuses: [529], refines: [429, 498, 500, 502, 503], standsFor: 529 },
  { tag: "RateLimited", statuses: [429], refines: [], standsFor: 429 },
  {
    tag: "Unavailable",
    statuses: [408, 409, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524],
    refines: [],
    standsFor: 503
  },
  { tag: "InvalidRequest", statuses: [400, 405, 413, 415, 422, 501, 505], refines: [], standsFor: 400 }
]

/**
 * Codes and types that providers use, and the status that each stands for where no status is named. They are compared
 * without case, punctuation and a final "error" or "exception": `RateLimitError` is `rate_limit`.
 *
 * @since 0.1.0
 * @category tables
 */
export const codes: ReadonlyArray<
  { readonly tag: Tag; readonly status: number; readonly codes: ReadonlyArray<string> }
> = [
  {
    tag: "ContentFiltered",
    status: 400,
    codes: [
      "content_filter", // OpenAI, Azure
      "content_policy_violation", // OpenAI, LiteLLM
      "ResponsibleAIPolicyViolation", // Azure's inner error
      "moderation_blocked", // OpenAI
      "data_inspection_failed" // Alibaba
    ]
  },
  {
    tag: "ContextLengthExceeded",
    status: 400,
    codes: [
      "context_length_exceeded", // OpenAI, Cerebras
      "context_window_exceeded", // LiteLLM
      "exceed_context_size_error", // llama.cpp
      "too_many_prompt_tokens", // Perplexity
      "model_max_prompt_tokens_exceeded", // GitHub Copilot
      "tokens_limit_reached" // GitHub Models
    ]
  },
  {
    tag: "QuotaExhausted",
    status: 429,
    codes: [
      "insufficient_quota", // OpenAI, Azure
      "insufficient_user_quota", // one-api
      "billing_hard_limit_reached", // OpenAI
      "exceeded_current_quota_error", // Moonshot
      "enforced_spend_limit_reached" // Anthropic
    ]
  },
  {
    tag: "QuotaExhausted",
    status: 402,
    codes: [
      "billing_error", // Anthropic
      "billing_not_active", // OpenAI
      "payment_required",
      "insufficient_credits",
      "insufficient_balance",
      "insufficient_funds",
      "Arrearage", // Alibaba
      "AllocationQuota.FreeTierOnly" // Alibaba
    ]
  },
  {
    tag: "Auth",
    status: 401,
    codes: [
      "invalid_api_key", // OpenAI, Groq, Together, Alibaba
      "incorrect_api_key",
      "API_KEY_INVALID", // Gemini, under 400
      "authentication_error", // Anthropic, DeepSeek
      "invalid_authentication_error", // Moonshot
      "account_deactivated", // OpenAI
      "UNAUTHENTICATED", // Google
      "unauthorized"
    ]
  },
  { tag: "Auth", status: 403, codes: ["permission_error", "permission_denied", "access_denied", "forbidden"] },
  {
    tag: "NotFound",
    status: 404,
    codes: [
      "model_not_found", // OpenAI, Groq, Cerebras
      "model_not_available", // Together
      "invalid_model", // Mistral, under 400
      "DeploymentNotFound", // Azure
      "not_found" // Anthropic, Google
    ]
  },
  {
    tag: "Overloaded",
    status: 529,
    codes: [
      "overloaded_error", // Anthropic
      "engine_overloaded", // Moonshot
      "server_overloaded",
      "model_overloaded",
      "provider_overloaded", // OpenRouter
      "capacity_exceeded" // Groq
    ]
  },
  {
    tag: "RateLimited",
    status: 429,
    codes: [
      "rate_limit_exceeded", // OpenAI, Groq
      "rate_limit_error", // Anthropic, LiteLLM
      "rate_limited", // Mistral
      "RateLimitReached", // Azure
      "rate_limit_reached_error", // Moonshot
      "request_quota_exceeded", // Cerebras
      "token_quota_exceeded", // Cerebras
      "RESOURCE_EXHAUSTED", // Google
      "ThrottlingException", // Bedrock
      "too_many_requests"
    ]
  },
  { tag: "Unavailable", status: 408, codes: ["request_timeout"] },
  { tag: "Unavailable", status: 500, codes: ["server_error", "internal_error", "internal_server_error", "api_error"] },
  { tag: "Unavailable", status: 502, codes: ["bad_gateway"] },
  { tag: "Unavailable", status: 503, codes: ["service_unavailable", "UNAVAILABLE"] },
  { tag: "Unavailable", status: 504, codes: ["timeout", "gateway_timeout", "DEADLINE_EXCEEDED"] },
  {
    tag: "InvalidRequest",
    status: 400,
    codes: [
      "invalid_request_error",
      "invalid_argument", // Google, xAI
      "FAILED_PRECONDITION", // Google
      "bad_request",
      "validation_error",
      "invalid_parameter_error", // Alibaba
      "invalid_value",
      "unsupported_value",
      "unsupported_parameter",
      "tool_use_failed", // Groq
      "json_validate_failed" // Groq
    ]
  },
  { tag: "InvalidRequest", status: 413, codes: ["request_too_large"] }, // Anthropic, Groq: bytes, not tokens
  { tag: "InvalidRequest", status: 422, codes: ["unprocessable_entity"] }
]

/**
 * A way in which a provider puts it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Wording {
  readonly tag: Tag
  readonly pattern: RegExp
  /**
   * Does not count where the answer names a wait, or Google's RESOURCE_EXHAUSTED: then it is a limit per minute or day.
   */
  readonly unlessWait?: boolean
}

/**
 * The known wordings: fixed words in a row and bounded gaps, so that no message makes one slow.
 *
 * @since 0.1.0
 * @category tables
 */
export const wordings: ReadonlyArray<Wording> = [
  { tag: "ContentFiltered", pattern: /\bcontent management policy\b/i }, // Azure
  { tag: "ContentFiltered", pattern: /\bcontent filtering policy\b/i }, // Anthropic
  { tag: "ContentFiltered", pattern: /\bprompt was flagged as potentially violating\b/i }, // OpenAI
  { tag: "ContentFiltered", pattern: /\bas a result of our safety system\b/i }, // OpenAI
  { tag: "ContentFiltered", pattern: /\bcontent exists risk\b/i }, // DeepSeek
  { tag: "ContentFiltered", pattern: /\bmay contain inappropriate content\b/i }, // Alibaba
  { tag: "ContentFiltered", pattern: /\bunsafe or sensitive content\b/i }, // Z.ai
  { tag: "ContentFiltered", pattern: /\bcontent violates usage guidelines\b/i }, // xAI
  { tag: "ContentFiltered", pattern: /\brequires moderation\b.{0,60}\bflagged\b/i }, // OpenRouter
  // OpenAI, vLLM, DeepSeek, OpenRouter, Mistral
  { tag: "ContextLengthExceeded", pattern: /\bmaximum context length\b/i },
  { tag: "ContextLengthExceeded", pattern: /\bmaximum prompt length\b/i }, // xAI
  { tag: "ContextLengthExceeded", pattern: /\bprompt (?:is )?too long\b/i }, // Anthropic, Ollama, Fireworks
  {
    // OpenAI ("the context window"), llama.cpp ("the available context size"), Anthropic ("context limit"), Ollama
    tag: "ContextLengthExceeded",
    pattern: /\bexceed(?:s|ed)? .{0,30}\bcontext (?:size|window|length|limit)\b/i
  },
  // llama.cpp under 500 ("context size has been exceeded"), MiniMax ("context window exceeds limit")
  {
    tag: "ContextLengthExceeded",
    pattern: /\bcontext (?:size|window|length|limit) (?:has been |was |is )?exceed(?:s|ed)\b/i
  },
  { tag: "ContextLengthExceeded", pattern: /\bgreater than the context length\b/i }, // LM Studio
  { tag: "ContextLengthExceeded", pattern: /\binput token count\b.{0,60}\b(?:exceeds|only supports)\b/i }, // Gemini
  { tag: "ContextLengthExceeded", pattern: /\binput tokens exceed the configured limit\b/i }, // OpenAI
  { tag: "ContextLengthExceeded", pattern: /\binput is too long for requested model\b/i }, // Bedrock
  // Groq, Cerebras
  { tag: "ContextLengthExceeded", pattern: /\breduce the length of (?:the|your) (?:messages|prompt|input)\b/i },
  { tag: "ContextLengthExceeded", pattern: /\bexceeded model token limit\b/i }, // Moonshot
  { tag: "ContextLengthExceeded", pattern: /\btokens \+ `?max_new_tokens`? must be\b/i }, // Hugging Face, Together
  { tag: "ContextLengthExceeded", pattern: /\btotal length of all messages is too long\b/i }, // Perplexity
  { tag: "ContextLengthExceeded", pattern: /\bprompt token count of \d{1,12} exceeds\b/i }, // GitHub Copilot
  { tag: "ContextLengthExceeded", pattern: /\brange of input length should be\b/i }, // Alibaba
  { tag: "ContextLengthExceeded", pattern: /\bprompt exceeds max length\b/i }, // Z.ai
  { tag: "ContextLengthExceeded", pattern: /\btokens in the prompt cannot exceed\b/i }, // Cohere
  // OpenAI and Groq under 429 and 413 (larger than the limit per minute), GitHub Models
  { tag: "ContextLengthExceeded", pattern: /\brequest (?:body )?too large for\b.{0,300}\btokens\b/i },
  { tag: "QuotaExhausted", pattern: /\bcredit balance is too low\b/i }, // Anthropic
  { tag: "QuotaExhausted", pattern: /\breached your specified (?:workspace )?API usage limits\b/i }, // Anthropic
  // DeepSeek, OpenRouter
  { tag: "QuotaExhausted", pattern: /\binsufficient (?:account )?(?:balance|credits?|funds|quota)\b/i },
  { tag: "QuotaExhausted", pattern: /\brequires more credits\b/i }, // OpenRouter
  { tag: "QuotaExhausted", pattern: /\bused all available credits\b/i }, // xAI
  { tag: "QuotaExhausted", pattern: /\bspend(?:ing)? (?:limit|cap)\b/i }, // xAI, Fireworks, Gemini
  { tag: "QuotaExhausted", pattern: /\bfailure to pay\b/i }, // Fireworks
  { tag: "QuotaExhausted", pattern: /\bdoesn't have any credits\b/i }, // xAI
  { tag: "QuotaExhausted", pattern: /\byour monthly included credits\b/i }, // Hugging Face
  { tag: "QuotaExhausted", pattern: /\bcredits are depleted\b/i }, // Gemini
  { tag: "QuotaExhausted", pattern: /\b(?:out of|no|no more) credits\b/i }, // OpenRouter, Vercel
  { tag: "QuotaExhausted", pattern: /\bcredit limit exceeded\b/i }, // Together
  { tag: "QuotaExhausted", pattern: /\bbilling hard limit\b/i }, // OpenAI
  { tag: "QuotaExhausted", pattern: /\bcheck your billing details\b/i }, // OpenAI
  { tag: "QuotaExhausted", pattern: /\bpayment (?:is )?required\b/i }, // Pollinations
  { tag: "QuotaExhausted", pattern: /\baccount is in good standing\b/i }, // Alibaba
  { tag: "QuotaExhausted", pattern: /\bfree tier of the model has been exhausted\b/i }, // Alibaba
  // OpenAI and Moonshot; Gemini says it about its limits per minute too
  { tag: "QuotaExhausted", pattern: /\bexceeded your current quota\b.{0,60}\bbilling\b/i, unlessWait: true },
  { tag: "Auth", pattern: /\b(?:incorrect|invalid) API key\b/i }, // xAI under 400
  { tag: "Auth", pattern: /\bAPI key (?:is )?(?:not valid|invalid|expired)\b/i }, // Gemini under 400
  { tag: "Overloaded", pattern: /^overloaded\b/i }, // Anthropic
  {
    // Gemini, OpenAI, Z.ai
    tag: "Overloaded",
    pattern: /\b(?:model|engine|server|service|provider)s? (?:is |are )?(?:currently |temporarily )?overloaded\b/i
  },
  { tag: "Overloaded", pattern: /\bover capacity\b/i }, // Groq
  { tag: "RateLimited", pattern: /\brate limit\b|\btoo many requests\b/i }
]
