/**
 * What a call of the language model is made with, besides its prompt and its tools.
 *
 * @since 0.1.0
 */
import type * as ChatRequest from "../wire/ChatRequest.js"

/** What the call itself says, and what has no place in the answer of a language model (other choices than the first, speech). */
type Excluded =
  | "audio"
  | "messages"
  | "modalities"
  | "model"
  | "n"
  | "responseFormat"
  | "stream"
  | "toolChoice"
  | "tools"

/**
 * The members of a chat request that say how the call is routed, and the parameters of the model.
 *
 * @since 0.1.0
 * @category models
 */
export interface Settings extends Partial<Omit<ChatRequest.Whole, Excluded>> {
  /** `provider/model`. */
  readonly model?: string | undefined
  /**
   * Sent as `strict` with the schema of every tool and of the object that is wanted: whether the provider is to hold the model to it to the
   * letter. With `true` OpenAI takes only schemas in which each member is required. Default: not sent.
   */
  readonly strict?: boolean | undefined
}

/** Members that are undefined are left out. */
const given = <A extends object>(members: A): Partial<A> =>
  // what is left of an object with optional members is one of the same kind
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Partial<A>

/**
 * Of two settings the nearer ones win, field by field and of `timeout` clock by clock. A field that is `undefined` is not given.
 *
 * @since 0.1.0
 * @category combinators
 */
export const merge = <A extends Settings>(self: A, nearer: Settings): A => ({
  ...self,
  ...given(nearer),
  ...(nearer.timeout && { timeout: { ...self.timeout, ...given(nearer.timeout) } })
})
