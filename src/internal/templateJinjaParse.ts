import { Failure, syntax, unsupported } from "./templateFailure.js"
import { guard } from "./templateGuard.js"
import type { Library, Node, Token } from "./templateJinjaLibrary.js"
import { rewrite } from "./templateJinjaRewrite.js"
import { scan, type Tag } from "./templateJinjaTags.js"

/** As the chat templates of model cards are rendered everywhere. */
const whitespace = { lstrip_blocks: true, trim_blocks: true }

/** What the grammar itself looks for. All other identifiers go into the tree as they are. */
const keywords = new Set([
  "and",
  "break",
  "call",
  "continue",
  "elif",
  "else",
  "endcall",
  "endfilter",
  "endfor",
  "endif",
  "endmacro",
  "endset",
  "filter",
  "for",
  "if",
  "in",
  "is",
  "macro",
  "not",
  "or",
  "set"
])

/** Statements of Jinja that read other templates, run code, or that the library does not know. */
const refused = new Set([
  "autoescape",
  "block",
  "debug",
  "do",
  "extends",
  "filter",
  "from",
  "import",
  "include",
  "pluralize",
  "trans"
])

/** Separates a name from the number of its tag. No name has it. */
const separator = "\u0000"

/**
 * A tree in which a name carries its tag, and the text between the tags is told from the texts inside of them.
 *
 * @internal
 */
export interface Parsed {
  readonly program: Node
  readonly nameOf: (marked: string) => Marked
  /** The text of a node that is text between tags, `undefined` when it is a text inside of one. */
  readonly isText: (marked: string) => boolean
  readonly textOf: (marked: string) => string
}

/** @internal */
export interface Marked {
  readonly name: string
  readonly offset: number | undefined
}

const opens = (token: Token): boolean =>
  token.type === "OpenExpression" || token.type === "OpenStatement" || token.type === "Comment"

/** The offset of the tag that each token stands in. */
const offsetsOf = (tokens: ReadonlyArray<Token>, tags: ReadonlyArray<Tag>): ReadonlyArray<number | undefined> => {
  let tag = -1
  return tokens.map((token) => {
    if (opens(token)) tag++
    return tags[Math.max(tag, 0)]?.offset
  })
}

/** A raw block, as the library is shown it: its text is put in afterwards, between two comments that do what its tags do. */
const withoutRaw = (text: string, tags: ReadonlyArray<Tag>): string => {
  let out = ""
  let done = 0
  for (const { end, offset, raw } of tags) {
    if (raw === undefined) continue
    out += `${text.slice(done, offset)}{#${raw.before ? "-" : ""}#}{{""}}{# ${raw.after ? "-" : ""}#}`
    done = end
  }
  return out + text.slice(done)
}

const repeated = (tags: ReadonlyArray<Tag>, times: number): ReadonlyArray<Tag> =>
  tags.flatMap((tag) => tag.raw === undefined ? [tag] : Array.from({ length: times }, () => tag))

const withRaw = (tokens: ReadonlyArray<Token>, tags: ReadonlyArray<Tag>): ReadonlyArray<Token> => {
  const shown = repeated(tags, 3)
  const out: Array<Token> = []
  let tag = -1
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!
    if (opens(token)) tag++
    const raw = token.type === "OpenExpression" ? shown[tag]?.raw : undefined
    if (raw === undefined) {
      out.push(token)
    } else {
      out.push({ type: "Text", value: raw.text })
      i += 2
    }
  }
  return out
}

const isStatement = (tokens: ReadonlyArray<Token>, index: number): boolean =>
  tokens[index]?.type === "OpenStatement" && tokens[index + 1]?.type === "Identifier"

const refuseStatements = (tokens: ReadonlyArray<Token>, offsets: ReadonlyArray<number | undefined>): void => {
  for (const index of tokens.keys()) {
    const name = isStatement(tokens, index) ? tokens[index + 1]!.value : ""
    if (refused.has(name)) throw unsupported(`the statement "${name}"`, offsets[index])
  }
}

/** Neighbouring texts inside a tag are one text, so that each has one mark. */
const joinLiterals = (tokens: ReadonlyArray<Token>): ReadonlyArray<Token> => {
  const out: Array<Token> = []
  for (const token of tokens) {
    const last = out.at(-1)
    if (token.type === "StringLiteral" && last?.type === "StringLiteral") {
      out[out.length - 1] = { type: last.type, value: last.value + token.value }
    } else {
      out.push(token)
    }
  }
  return out
}

const mark = (token: Token, offset: number | undefined): Token => {
  switch (token.type) {
    case "Text":
      return { type: "Text", value: `t${token.value}` }
    case "StringLiteral":
      return { type: "StringLiteral", value: `s${token.value}` }
    case "Identifier":
      return keywords.has(token.value)
        ? token
        : { type: "Identifier", value: `${token.value}${separator}${offset ?? ""}` }
    default:
      return token
  }
}

const tokenize = ({ tokenize }: Library, text: string, tags: ReadonlyArray<Tag>): ReadonlyArray<Token> => {
  try {
    return tokenize(withoutRaw(text, tags), whitespace)
  } catch {
    const wrong = tags.find(({ end, offset, raw }) => {
      if (raw !== undefined) return false
      try {
        tokenize(text.slice(offset, end), whitespace)
        return false
      } catch {
        return true
      }
    })
    throw syntax("a tag has a character that means nothing there", wrong?.offset)
  }
}

/** The furthest token that the parser looks at. */
const furthest = ({ parse }: Library, tokens: ReadonlyArray<Token>): number => {
  let index = 0
  const watched = new Proxy(tokens, {
    get: (target, key, receiver) => {
      if (typeof key === "string" && /^\d+$/.test(key)) index = Math.max(index, Number(key))
      return Reflect.get(target, key, receiver)
    }
  })
  try {
    parse(watched)
  } catch {
    return Math.min(index, tokens.length - 1)
  }
  return index
}

/**
 * Throws a `Failure`.
 *
 * @internal
 */
export const parse = (library: Library, text: string): Parsed => {
  guard(text)
  const tags = scan(text)
  const written = joinLiterals(withRaw(tokenize(library, text, tags), tags))
  refuseStatements(written, offsetsOf(written, repeated(tags, 2)))
  const tokens = rewrite(written)
  const offsets = offsetsOf(tokens, repeated(tags, 2))
  const marked = tokens.map((token, index) => mark(token, offsets[index]))
  let program: Node
  try {
    program = library.parse(marked)
  } catch (error) {
    if (error instanceof RangeError) throw new Failure({ reason: "limit", message: "the template is nested too deep" })
    throw syntax("a tag is not as jinja writes it, or a block is not closed", offsets[furthest(library, marked)])
  }
  return {
    program,
    nameOf: (marked) => {
      const [name, offset] = marked.split(separator)
      return { name: name!, offset: offset === undefined || offset === "" ? undefined : Number(offset) }
    },
    isText: (marked) => marked.startsWith("t"),
    textOf: (marked) => marked.slice(1)
  }
}
