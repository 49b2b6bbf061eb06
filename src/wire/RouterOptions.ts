/**
 * The members of a chat request that say how it is routed, with the bounds of the published API.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { freeForm, integerBetween, nonEmpty, nullable, numberBetween, numberFrom } from "./Bounds.js"

/**
 * Extra attempts on the same target.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Retry = Schema.Struct({
  /** Attempts in addition to the first, 1 to 5. Default 3. */
  count: Schema.optional(integerBetween(1, 5)),
  /** Which statuses are tried again. Default 429, 500, 502, 503, 504. A timeout is 504, a broken connection 502. */
  onCodes: Schema.optional(
    Schema.Array(integerBetween(100, 599)).pipe(
      Schema.minItems(1, { description: "an array of at least one status code" })
    )
  )
})

/**
 * A target that is tried when those before it failed.
 *
 * @since 0.1.0
 * @category schemas
 */
export const FallbackTarget = Schema.Struct({
  /** `provider/model` */
  model: nonEmpty
})

/**
 * What a call may do with the router's cache.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CacheMode = Schema.Literal("force-refresh", "no-store", "read-only")

/**
 * @since 0.1.0
 * @category schemas
 */
export const Cache = Schema.Struct({
  type: Schema.Literal("exact_match"),
  /** Whole seconds, 1 to 259200 (three days). Default 1800. */
  ttl: Schema.optional(integerBetween(1, 259_200)),
  /** For how long after its `ttl` an answer is used when all targets are out of order: whole seconds, 1 to 259200. Default: it is not. */
  staleIfError: Schema.optional(integerBetween(1, 259_200)),
  /**
   * `"force-refresh"`: an answer is not read from the cache, but stored; `"read-only"`: read, but not stored; `"no-store"`: neither, the
   * call is as if there was no cache. Default: read and stored.
   */
  mode: Schema.optional(CacheMode)
})

/**
 * How many targets a list of a request may name: 1,000, more than there are models of use.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxTargets = 1000

/**
 * One of these targets is drawn for each request instead of the request's `model`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LoadBalancer = Schema.Struct({
  type: Schema.Literal("weight_based"),
  models: Schema.Array(Schema.Struct({
    /** `provider/model` */
    model: nonEmpty,
    /** 0.001 to 1, relative to the sum of all. Default 0.5. */
    weight: Schema.optional(numberBetween(0.001, 1))
  })).pipe(
    Schema.minItems(1, { description: "an array of at least one model" }),
    Schema.maxItems(maxTargets, { description: `an array of at most ${maxTargets} models` })
  )
})

/**
 * The clocks of a call, in milliseconds, at least 1 each. All but the last are for one attempt.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Timeout = Schema.Struct({
  /** Until the answer is complete, its body or stream included. */
  callTimeout: Schema.optional(numberFrom(1)),
  /** Until the answer begins: its headers. */
  firstByteTimeout: Schema.optional(numberFrom(1)),
  /** Until the first content: text, reasoning, a tool call, a refusal. */
  firstContentTimeout: Schema.optional(numberFrom(1)),
  /** Between two reads of anything: comments, which keep a connection alive, count. */
  idleTimeout: Schema.optional(numberFrom(1)),
  /** Between two data events of a stream: comments do not count. */
  progressTimeout: Schema.optional(numberFrom(1)),
  /** For the whole call: queueing, all attempts, the waits between them, and the stream. */
  totalTimeout: Schema.optional(numberFrom(1))
}).pipe(Schema.filter((clocks) =>
  Object.values(clocks).some((clock) => clock !== undefined) || {
    path: ["callTimeout"],
    message: "expected at least one clock: the milliseconds of callTimeout or of another one"
  }
))

/**
 * From when on a stream is handed over and cannot be retried any more: from its first content, the default, or not before it is
 * complete. `"whole"` rescues an answer that breaks at any point, for the price of its first words coming last.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Commit = Schema.Literal("firstContent", "whole")

/**
 * A stored prompt: its messages, its model and its parameters, where the request has none of its own.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PromptReference = Schema.Struct({
  id: nonEmpty,
  /** Absent or `"latest"`: the newest. */
  version: Schema.optional(nonEmpty)
})

/**
 * Only a hosted router carries guardrails out.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Guardrail = Schema.Struct({
  /** `"orq_pii_detection"`, `"orq_secret_detection"`, …, or an evaluator of the workspace. */
  id: nonEmpty,
  executeOn: Schema.Literal("input", "output")
})

/**
 * Only a hosted router carries plugins out.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Plugin = Schema.Union(
  Schema.Struct({
    id: Schema.Literal("pii_redaction"),
    language: Schema.optional(Schema.String),
    regions: Schema.optional(Schema.Array(Schema.String)),
    entities: Schema.optional(Schema.Array(Schema.String)),
    entityThresholds: Schema.optional(Schema.Record({ key: Schema.String, value: numberBetween(0, 1) })),
    threshold: Schema.optional(numberBetween(0, 1)),
    onFailure: Schema.optional(Schema.Literal("block", "passthrough"))
  }),
  Schema.Struct({ id: Schema.Literal("response_healing", "response-healing") }),
  Schema.Struct({
    id: Schema.Literal("trace_scrubbing"),
    mask: Schema.Array(Schema.Literal("all", "system", "input", "output", "metadata", "variables")).pipe(
      Schema.minItems(1, { description: "an array of at least one kind" })
    )
  })
)

const Identity = Schema.Struct({
  id: Schema.String,
  displayName: Schema.optional(Schema.String),
  email: Schema.optional(Schema.String),
  metadata: Schema.optional(Schema.Array(freeForm)),
  logoUrl: Schema.optional(Schema.String),
  tags: Schema.optional(Schema.Array(Schema.String))
})

const KnowledgeBase = Schema.Struct({
  knowledgeId: Schema.String,
  topK: nullable(integerBetween(1, 100)),
  threshold: nullable(numberBetween(0, 1)),
  searchType: nullable(Schema.Literal("vector", "keyword", "hybrid_search")),
  filterBy: Schema.optional(freeForm),
  searchOptions: Schema.optional(Schema.Struct({
    includeVectors: Schema.optional(Schema.Boolean),
    includeMetadata: Schema.optional(Schema.Boolean),
    includeScores: Schema.optional(Schema.Boolean)
  })),
  rerankConfig: Schema.optional(Schema.Struct({
    model: Schema.String,
    threshold: Schema.optional(numberBetween(0, 1)),
    topK: Schema.optional(integerBetween(1, 100))
  })),
  agenticRagConfig: Schema.optional(Schema.Struct({ model: Schema.String })),
  query: Schema.optional(Schema.String)
})

/** The routing members that the deprecated envelope has, too. */
const shared = {
  /** The display name of the call in traces. */
  name: Schema.optional(Schema.String),
  retry: Schema.optional(Retry),
  /** In the order in which they are tried. */
  fallbacks: Schema.optional(
    Schema.Array(FallbackTarget).pipe(
      Schema.maxItems(maxTargets, { description: `an array of at most ${maxTargets} targets` })
    )
  ),
  /** The router's cache of whole answers. */
  cache: Schema.optional(Cache),
  loadBalancer: Schema.optional(LoadBalancer),
  timeout: Schema.optional(Timeout),
  commit: Schema.optional(Commit),
  prompt: Schema.optional(PromptReference)
}

/**
 * The deprecated envelope: each member counts only where the request itself does not have it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Envelope = Schema.Struct({
  ...shared,
  /** The older name of `variables`: a map or a list. */
  inputs: Schema.optional(Schema.Union(
    freeForm,
    Schema.Array(Schema.Struct({
      key: Schema.String,
      value: Schema.optional(Schema.Unknown),
      isPii: Schema.optional(Schema.Boolean)
    }))
  )),
  identity: Schema.optional(Identity),
  contact: Schema.optional(Identity),
  thread: Schema.optional(Schema.Struct({ id: Schema.String, tags: Schema.optional(Schema.Array(Schema.String)) })),
  knowledgeBases: Schema.optional(Schema.Array(KnowledgeBase))
})

/**
 * @since 0.1.0
 * @category schemas
 */
export const fields = {
  ...shared,
  /** When a stream is committed. Default `"firstContent"`. */
  commit: Schema.optional(Commit),
  /** Values for the `{{name}}` placeholders in the texts of the messages, those of the prompt included. */
  variables: Schema.optional(freeForm),
  guardrails: Schema.optional(Schema.Array(Guardrail)),
  plugins: Schema.optional(Schema.Array(Plugin)),
  /** How placeholders are written. Default: as the prompt says, or else `"text"`. */
  templateEngine: Schema.optional(Schema.Literal("text", "jinja", "mustache")),
  /** @deprecated in favour of the members of the request itself */
  orq: Schema.optional(Envelope)
}
