/**
 * What is wrong with a prompt, its template or its variables. Found before any call.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Why a template cannot be rendered:
 *
 * - `missingVariable`: it prints (or computes with) a variable that is not given.
 * - `invalidValue`: a variable has no text (a function, a symbol, a cycle), or the template uses a value as something that
 *   it is not (calls a text, adds a list to a number).
 * - `syntax`: the engine does not understand it.
 * - `unsupported`: it uses what the engine could do but here never does: partials, includes, files.
 * - `unknownEngine`: there is no such engine.
 * - `limit`: it is larger, deeper or more work than a template may be, or its text is longer.
 * - `raised`: the template itself refused its variables (jinja's `raise_exception`).
 *
 * @since 0.1.0
 * @category schemas
 */
export const TemplateReason = Schema.Literal(
  "missingVariable",
  "invalidValue",
  "syntax",
  "unsupported",
  "unknownEngine",
  "limit",
  "raised"
)

/**
 * @since 0.1.0
 * @category models
 */
export type TemplateReason = typeof TemplateReason.Type

const place = {
  /** The variable, as the template names it. At most 64 characters of it. */
  variable: Schema.optional(Schema.String),
  /** The line of the tag in the text of the template, from 1. */
  line: Schema.optional(Schema.Number),
  /** The column where the tag begins, from 1, in UTF-16 units. */
  column: Schema.optional(Schema.Number)
}

/**
 * One thing that is wrong: in which text (`messages[0].content`), and what.
 *
 * @since 0.1.0
 * @category schemas
 */
export const TemplateIssue = Schema.Struct({
  path: Schema.String,
  message: Schema.String,
  reason: TemplateReason,
  ...place
})

/**
 * @since 0.1.0
 * @category models
 */
export type TemplateIssue = typeof TemplateIssue.Type

/**
 * A template that cannot be rendered. The fields tell of the first thing that is wrong, `issues` of all that was found, up
 * to ten. It shows names and positions, never the text of a template or a value.
 *
 * @since 0.1.0
 * @category errors
 */
export class TemplateError
  extends Schema.TaggedError<TemplateError>("effect-llm-router/RouterError/TemplateError")("TemplateError", {
    reason: TemplateReason,
    /** The prompt that the template belongs to, when it comes from a store. */
    promptId: Schema.optional(Schema.String),
    /** The version of that prompt. */
    version: Schema.optional(Schema.String),
    /** The message, from 0. */
    messageIndex: Schema.optional(Schema.Number),
    /** The part of the message's content, from 0, when the content is a list of parts. */
    partIndex: Schema.optional(Schema.Number),
    ...place,
    issues: Schema.Array(TemplateIssue)
  })
{
  override get message(): string {
    const prompt = this.promptId === undefined
      ? ""
      : `prompt ${JSON.stringify(this.promptId)}${this.version === undefined ? "" : ` (version ${this.version})`}: `
    return prompt + this.issues.map(describe).join("; ")
  }
}

const describe = ({ column, line, message, path }: TemplateIssue): string =>
  `${path === "" ? "" : `${path}: `}${message}${line === undefined ? "" : ` (line ${line}, column ${column})`}`
