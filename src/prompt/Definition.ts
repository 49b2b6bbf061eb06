/**
 * What a prompt is made of.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { nonEmpty } from "../wire/Bounds.js"
import { Message } from "../wire/Messages.js"
import * as ModelParameters from "../wire/Parameters.js"
import * as RouterOptions from "../wire/RouterOptions.js"

/**
 * The parameters of a model: `temperature`, `tools`, `responseFormat`, … as in a request. Members that nobody knows are kept, and
 * passed to the provider.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Parameters = Schema.Struct(ModelParameters.fields)

/**
 * @since 0.1.0
 * @category models
 */
export interface Parameters extends Schema.Schema.Type<typeof Parameters> {}

/**
 * A prompt without its name: what a request that names it has no field of its own for is taken from here. How a call is routed
 * (`fallbacks`, `retry`, `cache`, …) is not part of it: the request says that, or `RouterDefaults`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Definition = Schema.Struct({
  /** Their texts are templates. May be empty for a prompt of parameters only. */
  messages: Schema.Array(Message),
  /** `provider/model` */
  model: Schema.optional(nonEmpty),
  parameters: Schema.optional(Parameters),
  /** The language of the templates. Default `"text"`. */
  templateEngine: RouterOptions.fields.templateEngine
})

/**
 * @since 0.1.0
 * @category models
 */
export interface Definition extends Schema.Schema.Type<typeof Definition> {}

/**
 * A prompt in one version.
 *
 * @since 0.1.0
 * @category models
 */
export interface Prompt extends Definition {
  readonly id: string
  /** The exact version, also where the newest was asked for. */
  readonly version: string
}
