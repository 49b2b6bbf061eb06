/**
 * `{{name}}` placeholders in the texts of messages.
 *
 * @since 0.1.0
 */
import type * as Either from "effect/Either"
import type { TemplateError } from "../error/Prompt.js"
import * as Template from "../internal/templateRender.js"
import { text } from "../internal/templateText.js"
import type { Message } from "../wire/Messages.js"

/**
 * The values of the placeholders, by name.
 *
 * @since 0.1.0
 * @category models
 */
export interface Variables {
  readonly [name: string]: unknown
}

/**
 * Puts the variables into the texts of the messages: string contents and text parts of every role, not URLs, names or
 * tool arguments. It is the engine `text` of `Template`, at once.
 *
 * A placeholder is `{{name}}` with letters (a to z), digits and underscores, case-sensitive, spaces allowed inside the
 * braces. Strings are put in as they are, numbers and booleans as they print, objects and arrays as JSON, `null` as
 * nothing. One pass: what a value contains is never taken for a placeholder.
 *
 * A variable that is not there (or `undefined`) is an error that names it and the text it is missing in; all of them
 * are listed, up to ten.
 *
 * The given array comes back when nothing changes.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (
  messages: ReadonlyArray<Message>,
  variables: Variables
): Either.Either<ReadonlyArray<Message>, TemplateError> =>
  Template.renderMessages(messages, { engine: text, variables })
