import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as yaml from "yaml"
import type { Definition } from "../prompt/Definition.js"
import type { Issue } from "../RouterError.js"
import { formatPath, type Found } from "./issues.js"
import { inspect } from "./promptIssues.js"
import * as PromptYaml from "./promptYaml.js"

/**
 * Why a text is no prompt file. It shows no text of it.
 *
 * @internal
 */
export interface Unreadable {
  readonly issues: ReadonlyArray<Issue>
  readonly line?: number | undefined
  readonly column?: number | undefined
}

type Result<A> = Either.Either<A, Unreadable>

type Yaml = typeof yaml

const wrong = (line: number, message: string, column?: number): Either.Either<never, Unreadable> =>
  Either.left({ issues: [{ path: "", message }], line, column })

const fence = /^---[ \t]*$/

/** What looks like a heading: whether it is one, or a text, has to be written down. */
const marked = /^(\\*)# *(system|developer|user|assistant|end)[ \t]*$/i
const heading = /^# (system|developer|user|assistant|end)[ \t]*$/

interface Split {
  /** The lines between the fences; `undefined` when there are none. */
  readonly front: string | undefined
  /** The line that the front matter begins in, from 1. */
  readonly frontLine: number
  readonly lines: ReadonlyArray<string>
  /** The line that the body begins in, from 1. */
  readonly bodyLine: number
}

const split = (text: string): Result<Split> => {
  const lines = text.split(/\r?\n/)
  if (!fence.test(lines[0]!)) return Either.right({ front: undefined, frontLine: 1, lines, bodyLine: 1 })
  const end = lines.findIndex((line, index) => index > 0 && fence.test(line))
  return end === -1
    ? wrong(1, "the front matter that begins here is not closed by a line `---`")
    : Either.right({
      front: lines.slice(1, end).join("\n"),
      frontLine: 2,
      lines: lines.slice(end + 1),
      bodyLine: end + 2
    })
}

type Role = "system" | "developer" | "user" | "assistant"
type TextMessage = { readonly role: Role; readonly content: string }

/** One empty line below a heading and one above the next are not part of the text. */
const textOf = (lines: ReadonlyArray<string>): string => {
  const from = lines[0] === "" ? 1 : 0
  const to = lines.length > from && lines.at(-1) === "" ? lines.length - 1 : lines.length
  return lines.slice(from, to).join("\n")
}

const isRole = (word: string): word is Role => word !== "end"

const bodyOf = ({ bodyLine, lines }: Split): Result<ReadonlyArray<TextMessage>> => {
  const messages: Array<TextMessage> = []
  let open: { readonly role: Role; readonly lines: Array<string> } | undefined
  const close = () => {
    if (open !== undefined) messages.push({ role: open.role, content: textOf(open.lines) })
    open = undefined
  }
  for (const [index, line] of lines.entries()) {
    const word = heading.exec(line)?.[1]
    const escaped = marked.exec(line)?.[1]
    if (word !== undefined) {
      close()
      if (!isRole(word)) {
        // without the end of its line it may be the beginning of a longer one
        if (index === lines.length - 1) break
        const after = lines.findIndex((line, later) => later > index && line.trim() !== "")
        return after === -1 ? Either.right(messages) : wrong(bodyLine + after, "expected nothing after `# end`")
      }
      open = { role: word, lines: [] }
    } else if (escaped === "") {
      return wrong(bodyLine + index, "expected a heading such as `# user`, or `\\` before it where it is a text")
    } else if (open !== undefined) {
      open.lines.push(escaped === undefined ? line : line.slice(1))
    } else if (line.trim() !== "") {
      return wrong(
        bodyLine + index,
        "expected a heading: `# system`, `# developer`, `# user`, `# assistant` or `# end`"
      )
    }
  }
  return wrong(
    bodyLine + lines.length - 1,
    "the file is cut: expected `# end` as its last line, and the end of that line"
  )
}

const known: ReadonlySet<string> = new Set(["description", "model", "templateEngine", "parameters", "messages"])

interface Front {
  readonly members: { readonly [member: string]: unknown }
  /** Where a member stands in the file. */
  readonly place: (path: ReadonlyArray<PropertyKey>) => { readonly line: number; readonly column: number } | undefined
}

const noFront: Front = { members: {}, place: () => undefined }

const isMembers = (value: unknown): value is Front["members"] =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const frontOf = (yaml: Yaml, { front, frontLine }: Split): Result<Front> => {
  if (front === undefined) return Either.right(noFront)
  const read = Either.mapLeft(
    PromptYaml.read(yaml, front),
    ({ at, message }): Unreadable => ({
      issues: [{ path: "", message }],
      line: frontLine + (at?.line ?? 0),
      column: at && at.column + 1
    })
  )
  return Either.flatMap(read, ({ place, value }): Result<Front> => {
    if (value === null) return Either.right(noFront)
    if (!isMembers(value)) return wrong(frontLine, "expected the front matter to be a map")
    return Either.right({
      members: value,
      place: (path) => {
        const at = place(path)
        return at && { line: frontLine + at.line, column: at.column + 1 }
      }
    })
  })
}

const described = ({ members }: Front): ReadonlyArray<Found> => [
  ...Object.keys(members).filter((name) => !known.has(name)).map((name) => ({
    path: [name],
    message: "is not a known member: expected description, model, templateEngine, parameters or messages"
  })),
  ...(members.description === undefined || typeof members.description === "string"
    ? []
    : [{ path: ["description"], message: "expected a text" }])
]

/** How many issues an error lists. */
const maxIssues = 10

const definitionOf = (front: Front, body: ReadonlyArray<TextMessage>): Result<Definition> => {
  const { description: _, messages, ...members } = front.members
  if (messages !== undefined && body.length > 0) {
    return Either.left({
      issues: [{ path: "messages", message: "expected messages in the front matter or below it, not both" }],
      ...front.place(["messages"])
    })
  }
  const found = described(front)
  return Either.mapLeft(
    found.length === 0 ? inspect({ ...members, messages: messages ?? body }) : Either.left(found),
    (found) => ({
      issues: found.slice(0, maxIssues).map(({ message, path }) => ({ path: formatPath(path), message })),
      ...front.place(found[0]?.path ?? [])
    })
  )
}

const parseWith = (yaml: Yaml, text: string): Result<Definition> =>
  Either.gen(function*() {
    const parts = yield* split(text)
    const body = yield* bodyOf(parts)
    const front = yield* frontOf(yaml, parts)
    return yield* definitionOf(front, body)
  })

// takes 60 ms to load
const library = Effect.promise(() => import("yaml"))

/**
 * Reads a prompt file: see `Prompts.layerFileSystem` for what one looks like.
 *
 * @internal
 */
export const parse = (text: string): Effect.Effect<Definition, Unreadable> =>
  Effect.flatMap(library, (yaml) => parseWith(yaml, text))
