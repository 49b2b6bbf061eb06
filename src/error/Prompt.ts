/**
 * What is wrong with a prompt, its template or its variables. Found before any call.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Route } from "../Route.js"
import { Issue } from "./Refused.js"

/**
 * Why a template cannot be rendered:
 *
 * - `missingVariable`: it prints (or computes with) a variable that is not given.
 * - `invalidValue`: a variable has no text (a function, a symbol, `NaN`, an instance of a class, a cycle), or the template
 *   uses a value as something that it is not (calls a text, adds a list to a number).
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

/** What was tried in the call that failed. Set by `ChatCompletions`. */
const route = Schema.optional(Route)

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
    issues: Schema.Array(TemplateIssue),
    route
  })
{
  /**
   * The text that the first thing is wrong in: `messages[0].content`.
   *
   * @since 0.1.0
   */
  get path(): string | undefined {
    return this.issues[0]?.path
  }
  override get message(): string {
    const prompt = this.promptId === undefined ? "" : `${promptName(this.promptId, this.version)}: `
    return prompt + this.issues.map(describe).join("; ")
  }
}

/** How much of an id or a version a message shows: they are the caller's, and of any length. */
const maxNameLength = 200

const quoted = (name: string): string => JSON.stringify(name.slice(0, maxNameLength))

const promptName = (id: string, version: string | undefined): string =>
  `prompt ${quoted(id)}${version === undefined ? "" : ` (version ${version.slice(0, maxNameLength)})`}`

const describe = ({ column, line, message, path }: TemplateIssue): string =>
  `${path === "" ? "" : `${path}: `}${message}${line === undefined ? "" : ` (line ${line}, column ${column})`}`

const which = {
  promptId: Schema.String,
  /** The version that was asked for, or that is meant; absent for the newest. */
  version: Schema.optional(Schema.String)
}

/**
 * The store has no such prompt, or not in that version.
 *
 * @since 0.1.0
 * @category errors
 */
export class PromptNotFound
  extends Schema.TaggedError<PromptNotFound>("effect-llm-router/RouterError/PromptNotFound")("PromptNotFound", {
    ...which,
    route
  })
{
  override get message(): string {
    return this.version === undefined
      ? `there is no prompt ${quoted(this.promptId)}`
      : `there is no version ${quoted(this.version)} of a prompt ${quoted(this.promptId)}`
  }
}

/**
 * The store has the prompt, and it is none: a field that is wrong, a file that does not keep to the format or that is cut.
 *
 * `issues` names the fields and what was expected there, never what was found.
 *
 * @since 0.1.0
 * @category errors
 */
export class PromptInvalid
  extends Schema.TaggedError<PromptInvalid>("effect-llm-router/RouterError/PromptInvalid")("PromptInvalid", {
    ...which,
    /** The file, relative to the directory of the store. */
    file: Schema.optional(Schema.String),
    /** Where the first thing is wrong in the file: the line, from 1. */
    line: Schema.optional(Schema.Number),
    /** The column, from 1, where it is known. */
    column: Schema.optional(Schema.Number),
    issues: Schema.Array(Issue),
    route
  })
{
  override get message(): string {
    const { column, file, line } = this
    const position = [line === undefined ? [] : `line ${line}`, column === undefined ? [] : `column ${column}`].flat()
    const where = [file === undefined ? [] : file, position.length === 0 ? [] : position.join(", ")].flat()
    const issues = this.issues.map(({ message, path }) => path === "" ? message : `${path}: ${message}`)
    return `${promptName(this.promptId, this.version)}: ${where.map((part) => `${part}: `).join("")}${
      issues.join("; ")
    }`
  }
}

/**
 * The store could not be asked: a directory that may not be read, a database that does not answer.
 *
 * @since 0.1.0
 * @category errors
 */
export class PromptUnavailable
  extends Schema.TaggedError<PromptUnavailable>("effect-llm-router/RouterError/PromptUnavailable")(
    "PromptUnavailable",
    {
      ...which,
      /** A short code, such as `"PermissionDenied"`. It is shown: no text of a prompt, and no address with a password. */
      reason: Schema.String,
      route
    }
  )
{
  override get message(): string {
    return `${promptName(this.promptId, this.version)}: the store is not available (${this.reason})`
  }
}
