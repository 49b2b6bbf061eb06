/**
 * The members of a chat request that are meant for the model. They are passed to the provider as they are.
 *
 * Where the providers' lists of names grow (voices, audio formats, verbosity), any text is accepted.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { finite, freeForm, integer, integerBetween, integerFrom, nonEmpty, nullable, numberBetween } from "./Bounds.js"
import { CacheControl } from "./Messages.js"

/** How many pairs `metadata` may have, and how many characters its keys and values. */
const metadataLimits = { pairs: 16, key: 64, value: 512 } as const

/**
 * Labels that the provider stores with the completion: at most 16 pairs, keys of at most 64 and values of at most 512
 * characters.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Metadata = Schema.Record({
  key: Schema.String,
  value: Schema.String.pipe(
    Schema.maxLength(metadataLimits.value, { description: `a string of at most ${metadataLimits.value} characters` })
  )
}).pipe(Schema.filter((metadata) => {
  const keys = Object.keys(metadata)
  return keys.length <= metadataLimits.pairs && keys.every((key) => key.length <= metadataLimits.key)
}, { description: `at most ${metadataLimits.pairs} pairs with keys of at most ${metadataLimits.key} characters` }))

/**
 * @since 0.1.0
 * @category schemas
 */
export const ResponseFormat = Schema.Union(
  Schema.Struct({ type: Schema.Literal("text") }),
  Schema.Struct({ type: Schema.Literal("json_object") }),
  Schema.Struct({
    type: Schema.Literal("json_schema"),
    jsonSchema: Schema.Struct({
      name: Schema.String.pipe(Schema.pattern(/^[a-zA-Z0-9_-]{1,64}$/, {
        description: "a name of 1 to 64 letters, digits, underscores or dashes"
      })),
      description: Schema.optional(Schema.String),
      /** A JSON schema, passed as it is. */
      schema: Schema.optional(freeForm),
      strict: Schema.optional(Schema.NullOr(Schema.Boolean))
    })
  })
)

/**
 * How much of an answer a model may spend on reasoning. `budgetTokens` is below the maximum of the completion.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Thinking = Schema.Union(
  Schema.Struct({ type: Schema.Literal("disabled") }),
  Schema.Struct({
    type: Schema.Literal("enabled"),
    budgetTokens: integerFrom(1024),
    thinkingLevel: Schema.optional(Schema.Literal("minimal", "low", "medium", "high"))
  }),
  Schema.Struct({ type: Schema.Literal("adaptive") })
)

/**
 * @since 0.1.0
 * @category schemas
 */
export const Tool = Schema.Struct({
  type: Schema.optional(Schema.Literal("function")),
  function: Schema.Struct({
    name: nonEmpty,
    description: Schema.optional(Schema.String),
    /** A JSON schema of the arguments, passed as it is. */
    parameters: Schema.optional(freeForm),
    strict: Schema.optional(Schema.NullOr(Schema.Boolean))
  })
})

/**
 * @since 0.1.0
 * @category models
 */
export type Tool = typeof Tool.Type

/**
 * @since 0.1.0
 * @category schemas
 */
export const ToolChoice = Schema.Union(
  Schema.Literal("none", "auto", "required"),
  Schema.Struct({
    type: Schema.optional(Schema.Literal("function")),
    function: Schema.Struct({ name: nonEmpty })
  })
)

/**
 * @since 0.1.0
 * @category schemas
 */
export const ReasoningEffort = Schema.Literal("none", "minimal", "low", "medium", "high", "xhigh", "max")

/**
 * @since 0.1.0
 * @category schemas
 */
export const fields = {
  metadata: Schema.optional(Metadata),
  /** Needed when `modalities` has `"audio"`. */
  audio: nullable(Schema.Struct({ voice: Schema.String, format: Schema.String })),
  frequencyPenalty: nullable(numberBetween(-2, 2)),
  presencePenalty: nullable(numberBetween(-2, 2)),
  /** @deprecated in favour of `maxCompletionTokens` */
  maxTokens: nullable(integer),
  maxCompletionTokens: nullable(integerFrom(1)),
  logprobs: nullable(Schema.Boolean),
  /** Needs `logprobs: true`. */
  topLogprobs: nullable(integerBetween(0, 20)),
  n: nullable(integerFrom(1)),
  responseFormat: Schema.optional(ResponseFormat),
  reasoningEffort: Schema.optional(ReasoningEffort),
  verbosity: Schema.optional(Schema.String),
  seed: nullable(finite),
  /** One text or at most four. */
  stop: nullable(Schema.Union(
    Schema.String,
    Schema.Array(Schema.String).pipe(Schema.maxItems(4, { description: "an array of at most 4 strings" }))
  )),
  streamOptions: nullable(Schema.Struct({ includeUsage: Schema.optional(Schema.Boolean) })),
  thinking: Schema.optional(Thinking),
  temperature: nullable(numberBetween(0, 2)),
  topP: nullable(numberBetween(0, 1)),
  topK: nullable(finite),
  tools: Schema.optional(Schema.Array(Tool)),
  toolChoice: Schema.optional(ToolChoice),
  parallelToolCalls: Schema.optional(Schema.Boolean),
  modalities: nullable(Schema.Array(Schema.Literal("text", "audio"))),
  /** A hint for the provider's own prompt cache. It is not the router's `cache`. */
  promptCacheKey: Schema.optional(Schema.String),
  /** Asks Anthropic to cache the whole prompt. It is not the router's `cache`. */
  cacheControl: Schema.optional(CacheControl)
}
