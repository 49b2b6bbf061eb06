import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import type * as yaml from "yaml"

type Yaml = typeof yaml

/** From 0. */
interface Position {
  readonly line: number
  readonly column: number
}

/**
 * Why a text is no plain YAML. It shows no text of it.
 *
 * @internal
 */
export interface Wrong {
  readonly message: string
  readonly at?: Position | undefined
}

/** @internal */
export interface Plain {
  readonly value: unknown
  /** Where a member stands, or the nearest thing around it. */
  readonly place: (path: ReadonlyArray<PropertyKey>) => Position | undefined
}

/** What is wrong at an offset. */
interface Found {
  readonly message: string
  readonly offset: number
}

/** In UTF-16 units: a schema of a page is far below. */
const maxLength = 64 * 1024

/**
 * The library takes 5 to 10 microseconds for a piece (a name, a colon, a run of spaces), so that these are 100 milliseconds at
 * most. They are 40 KB of tools as people write them.
 */
const maxPieces = 16 * 1024

/** The library compares each key of a map with all others: these are 5 milliseconds. */
const maxKeys = 1_000

/** The library calls itself for what is inside of a thing. Where its stack ends, it may end the process. */
const maxDepth = 100

const forbidden: Readonly<Record<string, string>> = { tag: "a tag", anchor: "an anchor", alias: "an alias" }

const among = (tokens: ReadonlyArray<yaml.CST.Token> = []): Found | undefined => {
  for (const { offset, type } of tokens) {
    const what = forbidden[type]
    if (what !== undefined) return { message: `expected plain YAML: ${what} is not supported`, offset }
  }
  return undefined
}

const isMap = (token: yaml.CST.BlockMap | yaml.CST.BlockSequence | yaml.CST.FlowCollection): boolean =>
  token.type === "flow-collection" ? token.start.source === "{" : token.type === "block-map"

const inside = (token: yaml.CST.Token | null | undefined, depth: number): Found | undefined => {
  if (token === undefined || token === null) return undefined
  if (depth > maxDepth) return { message: `expected at most ${maxDepth} levels`, offset: token.offset }
  switch (token.type) {
    case "document":
      return among(token.start) ?? inside(token.value, depth)
    case "block-scalar":
      return among(token.props)
    case "block-map":
    case "block-seq":
    case "flow-collection":
      if (token.items.length > maxKeys && isMap(token)) {
        return { message: `expected at most ${maxKeys} members of a map`, offset: token.offset }
      }
      for (const { key, sep, start, value } of token.items) {
        const found = among(start) ?? inside(key, depth + 1) ?? among(sep) ?? inside(value, depth + 1)
        if (found !== undefined) return found
      }
      return undefined
    default:
      return among([token])
  }
}

/** The pieces as a tree, or `undefined` when there are too many of them. */
const treesOf = (
  { Lexer, Parser }: Yaml,
  text: string,
  onNewLine: (offset: number) => void
): ReadonlyArray<yaml.CST.Token> | undefined => {
  const parser = new Parser(onNewLine)
  const trees: Array<yaml.CST.Token> = []
  let pieces = 0
  for (const piece of new Lexer().lex(text)) {
    if (++pieces > maxPieces) return undefined
    for (const tree of parser.next(piece)) trees.push(tree)
  }
  for (const tree of parser.end()) trees.push(tree)
  return trees
}

/** The offset of what stands at a path, or of the nearest thing around it. */
const offsetAt = (document: yaml.Document.Parsed, path: ReadonlyArray<PropertyKey>): number | undefined => {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true)
    if (Predicate.hasProperty(node, "range") && Array.isArray(node.range)) return Number(node.range[0])
  }
  return undefined
}

/**
 * Reads one YAML 1.2 document without tags, anchors, aliases and duplicate keys: what stands there is what is meant. What the
 * library takes long for, or has no end of, is found before it is given to it.
 *
 * @internal
 */
export const read = (yaml: Yaml, text: string): Either.Either<Plain, Wrong> => {
  if (text.length > maxLength) {
    return Either.left({ message: `expected at most ${maxLength} characters of front matter` })
  }
  const lines = new yaml.LineCounter()
  lines.addNewLine(0)
  const at = (offset: number): Position => {
    const { col, line } = lines.linePos(offset)
    return { line: line - 1, column: col - 1 }
  }
  const trees = treesOf(yaml, text, lines.addNewLine)
  if (trees === undefined) {
    return Either.left({ message: `expected at most ${maxPieces} words and signs of front matter` })
  }
  for (const tree of trees) {
    const found = inside(tree, 0)
    if (found !== undefined) return Either.left({ message: found.message, at: at(found.offset) })
  }
  const composer = new yaml.Composer({
    version: "1.2",
    schema: "core",
    stringKeys: true,
    merge: false,
    // it would search the text for the line of each error
    prettyErrors: false
  })
  const [document, second] = composer.compose(trees, true, text.length)
  if (document === undefined) return Either.right({ value: null, place: () => undefined })
  const [problem] = [...document.errors, ...document.warnings]
  if (problem !== undefined) {
    return Either.left({
      message: `the front matter is not plain YAML (${problem.code})`,
      at: at(problem.pos[0])
    })
  }
  if (second !== undefined) {
    return Either.left({ message: "expected one YAML document", at: at(second.range[0]) })
  }
  return Either.right({
    value: document.toJS(),
    place: (path) => {
      const offset = offsetAt(document, path)
      return offset === undefined ? undefined : at(offset)
    }
  })
}
