/**
 * The names of spans, attributes, events and metrics: those of OpenTelemetry's conventions for generative AI where there is one, and under
 * `router.` what only a router has.
 *
 * Source: the semantic conventions for generative AI clients (spans, metrics), status "development".
 *
 * @since 0.1.0
 */

/**
 * The name that the conventions have for a provider, where it is not the one that comes before the slash of a model id.
 */
const wellKnown: ReadonlyMap<string, string> = new Map([
  ["azure", "azure.ai.openai"],
  ["bedrock", "aws.bedrock"],
  ["gemini", "gcp.gemini"],
  ["google", "gcp.gemini"],
  ["mistral", "mistral_ai"],
  ["moonshot", "moonshot_ai"],
  ["vertex", "gcp.vertex_ai"],
  ["watsonx", "ibm.watsonx.ai"],
  ["xai", "x_ai"]
])

/**
 * @since 0.1.0
 * @category models
 */
export interface Named {
  /** By the conventions: `"openai"`, `"mistral_ai"`, `"gcp.gemini"`, …; any other provider by its own name. */
  readonly provider: string
  /** What the provider calls it. */
  readonly model: string
}

/**
 * How many characters of a text from outside (an id, a model, a finish reason) are shown.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxLength = 256

/**
 * A text from outside, cut to `maxLength`; `undefined` for what is no text.
 *
 * @since 0.1.0
 * @category getters
 */
export const bounded = (text: unknown): string | undefined =>
  typeof text === "string" && text !== "" ? text.slice(0, maxLength) : undefined

/**
 * The provider and the model of a target, `provider/model`; `undefined` for a target that is not one.
 *
 * @since 0.1.0
 * @category getters
 */
export const ofTarget = (target: string | undefined): Named | undefined => {
  const slash = target?.indexOf("/") ?? -1
  if (target === undefined || slash < 1 || slash === target.length - 1) {
    return undefined
  }
  const provider = target.slice(0, Math.min(slash, maxLength))
  return { provider: wellKnown.get(provider) ?? provider, model: target.slice(slash + 1, slash + 1 + maxLength) }
}

/**
 * What an error is called: its `_tag`.
 *
 * @since 0.1.0
 * @category getters
 */
export const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string"
    ? error._tag
    : "failure"

/**
 * The name of a span about a model.
 *
 * @since 0.1.0
 * @category getters
 */
export const spanName = (model: string | undefined): string => model === undefined ? "chat" : `chat ${model}`
