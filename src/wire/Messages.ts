/**
 * The messages of a chat request, one schema for each role, told apart by `role`; the parts of a message by `type`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { nullable } from "./Bounds.js"

/**
 * Asks the provider (Anthropic) to cache the prompt up to here. It is not the router's own `cache`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CacheControl = Schema.Struct({
  type: Schema.Literal("ephemeral"),
  /** The provider's default is `"5m"`. */
  ttl: Schema.optional(Schema.Literal("5m", "1h"))
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const TextPart = Schema.Struct({
  type: Schema.Literal("text"),
  text: Schema.String,
  cacheControl: Schema.optional(CacheControl)
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const ImagePart = Schema.Struct({
  type: Schema.Literal("image_url"),
  imageUrl: Schema.Struct({
    /** An `https:` or a `data:` URL. */
    url: Schema.String,
    /** `"low"`, `"high"`, `"auto"`, or what else the provider knows. */
    detail: Schema.optional(Schema.String)
  })
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const AudioPart = Schema.Struct({
  type: Schema.Literal("input_audio"),
  inputAudio: Schema.Struct({
    /** Base64. */
    data: Schema.String,
    /** `"mp3"`, `"wav"`, or what else the provider knows. */
    format: Schema.String
  })
})

/**
 * A document, either as data (`fileData`, base64 or a data URL) or by `uri`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FilePart = Schema.Struct({
  type: Schema.Literal("file"),
  file: Schema.Struct({
    fileData: Schema.optional(Schema.String),
    uri: Schema.optional(Schema.String),
    /** `mimeType` on the wire, too. */
    mimeType: Schema.optional(Schema.String),
    filename: Schema.optional(Schema.String)
  })
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const RefusalPart = Schema.Struct({
  type: Schema.Literal("refusal"),
  refusal: Schema.optional(Schema.String)
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const ReasoningPart = Schema.Struct({
  type: Schema.Literal("reasoning"),
  reasoning: Schema.String,
  signature: Schema.String
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const RedactedReasoningPart = Schema.Struct({
  type: Schema.Literal("redacted_reasoning"),
  data: Schema.String
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const UserPart = Schema.Union(TextPart, ImagePart, AudioPart, FilePart)

/**
 * @since 0.1.0
 * @category models
 */
export type UserPart = typeof UserPart.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const AssistantPart = Schema.Union(TextPart, RefusalPart, ReasoningPart, RedactedReasoningPart)

/**
 * @since 0.1.0
 * @category models
 */
export type AssistantPart = typeof AssistantPart.Type

const textContent = Schema.Union(Schema.String, Schema.Array(TextPart))

/**
 * A call that the assistant made in an earlier turn.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolCall = Schema.Struct({
  id: Schema.String,
  type: Schema.Literal("function"),
  function: Schema.Struct({
    name: Schema.optional(Schema.String),
    /** JSON text as the model wrote it. */
    arguments: Schema.optional(Schema.String)
  }),
  /** Gemini's signature; it has to be sent back with the call. */
  thoughtSignature: Schema.optional(Schema.String)
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const SystemMessage = Schema.Struct({
  role: Schema.Literal("system"),
  content: textContent,
  name: Schema.optional(Schema.String)
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const DeveloperMessage = Schema.Struct({
  role: Schema.Literal("developer"),
  content: textContent,
  name: Schema.optional(Schema.String)
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const UserMessage = Schema.Struct({
  role: Schema.Literal("user"),
  content: Schema.Union(Schema.String, Schema.Array(UserPart)),
  name: Schema.optional(Schema.String)
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const AssistantMessage = Schema.Struct({
  role: Schema.Literal("assistant"),
  content: nullable(Schema.Union(Schema.String, Schema.Array(AssistantPart))),
  refusal: nullable(Schema.String),
  name: Schema.optional(Schema.String),
  /** An earlier spoken answer of the model, by its id. */
  audio: nullable(Schema.Struct({ id: Schema.String })),
  toolCalls: Schema.optional(Schema.Array(ToolCall)),
  reasoningContent: Schema.optional(Schema.String)
})

/**
 * The result of a tool call.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ToolMessage = Schema.Struct({
  role: Schema.Literal("tool"),
  content: textContent,
  /** The `id` of the call that it answers. The member is required, its value may be `null`. */
  toolCallId: Schema.NullOr(Schema.String),
  cacheControl: Schema.optional(CacheControl)
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const Message = Schema.Union(SystemMessage, DeveloperMessage, UserMessage, AssistantMessage, ToolMessage)

/**
 * @since 0.1.0
 * @category models
 */
export type Message = typeof Message.Type
