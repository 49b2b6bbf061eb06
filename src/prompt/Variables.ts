/**
 * `{{name}}` placeholders in the texts of messages.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { type Found, invalidRequest } from "../internal/issues.js"
import type { InvalidRequest } from "../RouterError.js"
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

// No character is in two neighbouring classes, so a failed match never has two ways to be tried: linear.
const placeholder = /\{\{ *([A-Za-z0-9_]+) *\}\}/g

/** How much of a name an error shows: a prompt can hold a very long one. */
const maxNameLength = 64

const problem = (name: string, what: string): string => `the variable "${name.slice(0, maxNameLength)}" ${what}`

/** The text of a value, or what is wrong with it. */
const textOf = (variables: Variables, name: string): Either.Either<string, string> => {
  // own members only: `{{constructor}}` is not a variable
  const value = Object.hasOwn(variables, name) ? variables[name] : undefined
  switch (typeof value) {
    case "undefined":
      return Either.left(problem(name, "is missing"))
    case "string":
      return Either.right(value)
    case "number":
    case "boolean":
      return Either.right(String(value))
    case "object":
      return value === null ? Either.right("") : jsonOf(value, name)
    default:
      return Either.left(problem(name, "is not a JSON value"))
  }
}

const jsonOf = (value: object, name: string): Either.Either<string, string> =>
  Either.try({ try: () => JSON.stringify(value), catch: () => problem(name, "is not a JSON value") })

interface Renderer {
  readonly text: (text: string, path: Found["path"]) => string
  readonly found: ReadonlyArray<Found>
}

const makeRenderer = (variables: Variables): Renderer => {
  const found: Array<Found> = []
  const texts = new Map<string, Either.Either<string, string>>()
  const lookup = (name: string): Either.Either<string, string> => {
    const known = texts.get(name)
    if (known !== undefined) return known
    const text = textOf(variables, name)
    texts.set(name, text)
    return text
  }
  return {
    found,
    text: (text, path) =>
      !text.includes("{{") ? text : text.replace(placeholder, (written: string, name: string) => {
        const value = lookup(name)
        if (Either.isRight(value)) return value.right
        found.push({ path, message: value.left })
        return written
      })
  }
}

type Part = Extract<NonNullable<Message["content"]>, ReadonlyArray<unknown>>[number]

const renderParts = <P extends Part>(
  parts: ReadonlyArray<P>,
  index: number,
  renderer: Renderer
): ReadonlyArray<P> => {
  let out: Array<P> | undefined
  for (const [i, part] of parts.entries()) {
    if (part.type !== "text") continue
    const text = renderer.text(part.text, ["messages", index, "content", i, "text"])
    if (text !== part.text) {
      out ??= parts.slice()
      out[i] = { ...part, text }
    }
  }
  return out ?? parts
}

const renderMessage = (message: Message, index: number, renderer: Renderer): Message => {
  const render = <P extends Part>(content: string | ReadonlyArray<P>): string | ReadonlyArray<P> =>
    typeof content === "string"
      ? renderer.text(content, ["messages", index, "content"])
      : renderParts(content, index, renderer)
  switch (message.role) {
    case "user": {
      const content = render(message.content)
      return content === message.content ? message : { ...message, content }
    }
    case "assistant": {
      if (message.content === undefined || message.content === null) return message
      const content = render(message.content)
      return content === message.content ? message : { ...message, content }
    }
    default: {
      const content = render(message.content)
      return content === message.content ? message : { ...message, content }
    }
  }
}

/**
 * Puts the variables into the texts of the messages: string contents and text parts of every role, not URLs, names or
 * tool arguments.
 *
 * A placeholder is `{{name}}` with letters (a to z), digits and underscores, case-sensitive, spaces allowed inside the
 * braces. Strings are put in as they are, numbers and booleans as they print, objects and arrays as JSON, `null` as
 * nothing. One pass: what a value contains is never taken for a placeholder.
 *
 * A variable that is not there (or `undefined`) is an error that names it and the text it is missing in; all of them
 * are listed, up to ten. Without `variables` nothing is a placeholder, and the texts pass as they are.
 *
 * The given array comes back when nothing changes.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (
  messages: ReadonlyArray<Message>,
  variables: Variables | undefined
): Either.Either<ReadonlyArray<Message>, InvalidRequest> => {
  if (variables === undefined) return Either.right(messages)
  const renderer = makeRenderer(variables)
  let out: Array<Message> | undefined
  for (const [index, message] of messages.entries()) {
    const rendered = renderMessage(message, index, renderer)
    if (rendered !== message) {
      out ??= messages.slice()
      out[index] = rendered
    }
  }
  return renderer.found.length > 0 ? Either.left(invalidRequest(renderer.found)) : Either.right(out ?? messages)
}
