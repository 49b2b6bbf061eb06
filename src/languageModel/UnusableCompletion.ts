/**
 * What is the `cause` when the call went well and its answer is of no use.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Route } from "../Route.js"
import { Completion } from "../wire/Completion.js"

/**
 * The router gave an answer, and was paid for it, but no parts of a response can be made of it. The message shows none of its text.
 *
 * @since 0.1.0
 * @category errors
 */
export class UnusableCompletion
  extends Schema.TaggedError<UnusableCompletion>("effect-llm-router/RouterLanguageModel/UnusableCompletion")(
    "UnusableCompletion",
    {
      reason: Schema.String,
      /** What served the call, and what was tried for it. */
      route: Route,
      /** The answer, with its refusal and its tool calls. `Redacted`, because it is the model's text. */
      completion: Schema.RedactedFromSelf(Completion)
    }
  )
{
  override get message(): string {
    return this.reason
  }
  /**
   * The tokens that were paid for, as the provider reports them.
   *
   * @since 0.1.0
   */
  get usage(): Completion["usage"] {
    return Redacted.value(this.completion).usage
  }
  /**
   * What the model said when it refused to answer. It is the model's text.
   *
   * @since 0.1.0
   */
  get refusal(): Redacted.Redacted | undefined {
    const refusal = Redacted.value(this.completion).choices[0]?.message.refusal
    return refusal === undefined ? undefined : Redacted.make(refusal)
  }
}
