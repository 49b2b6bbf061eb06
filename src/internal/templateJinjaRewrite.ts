import { limit } from "./templateFailure.js"
import type { Token } from "./templateJinjaLibrary.js"
import { maxDepth } from "./templateLimits.js"

const token = (type: string, value: string): Token => ({ type, value })

const pipe = token("Pipe", "|")
const open = token("OpenParen", "(")
const close = token("CloseParen", ")")

const opening = new Set(["OpenParen", "OpenSquareBracket", "OpenCurlyBracket"])
const closing = new Set(["CloseParen", "CloseSquareBracket", "CloseCurlyBracket"])
const ending = new Set(["Identifier", "NumericLiteral", "StringLiteral", ...closing])
const beginning = new Set(["Identifier", "NumericLiteral", "StringLiteral", "OpenSquareBracket", "OpenCurlyBracket"])

/** What an expression goes on with, and no argument of a test. */
const words = new Set(["and", "elif", "else", "for", "if", "in", "is", "not", "or", "set"])

const isWord = ({ type, value }: Token): boolean => type === "Identifier" && words.has(value)

/** After the bracket that closes each one, by its index: each is looked for once. */
const closesOf = (tokens: ReadonlyArray<Token>): ReadonlyMap<number, number> => {
  const closes = new Map<number, number>()
  let open: Array<number> = []
  for (const [index, { type }] of tokens.entries()) {
    if (opening.has(type)) open.push(index)
    else if (type === "CloseExpression" || type === "CloseStatement") open = []
    else if (closing.has(type)) {
      const start = open.pop()
      if (start !== undefined) closes.set(start, index + 1)
    }
  }
  return closes
}

interface Test {
  readonly name: string
  /** Where its arguments are. */
  readonly start: number
  readonly stop: number
  /** After all of it. */
  readonly end: number
}

class Rewriter {
  readonly out: Array<Token> = []
  private readonly closes: ReadonlyMap<number, number>

  constructor(private readonly tokens: ReadonlyArray<Token>) {
    this.closes = closesOf(tokens)
  }

  private isA(index: number, type: string, value?: string): boolean {
    const token = this.tokens[index]
    return token?.type === type && (value === undefined || token.value === value)
  }

  /** After a value with its members and calls: `a.b[0](c)`. */
  private afterValue(index: number): number | undefined {
    let end = opening.has(this.tokens[index]!.type) ? this.closes.get(index) : index + 1
    while (end !== undefined) {
      if (this.isA(end, "Dot")) end += 2
      else if (this.isA(end, "OpenSquareBracket") || this.isA(end, "OpenParen")) end = this.closes.get(end)
      else break
    }
    return end
  }

  private argumentsAt(index: number): Omit<Test, "name"> | undefined {
    const next = this.tokens[index]
    if (next?.type === "OpenParen") {
      const end = this.closes.get(index)
      return end === undefined ? undefined : { start: index + 1, stop: end - 1, end }
    }
    if (next === undefined || !beginning.has(next.type) || isWord(next)) {
      return { start: index, stop: index, end: index }
    }
    const end = this.afterValue(index)
    return end === undefined ? undefined : { start: index, stop: end, end }
  }

  /** The test that begins with the `is` at the index. */
  private testAt(index: number): Test | undefined {
    if (!this.isA(index, "Identifier", "is")) return undefined
    const before = this.tokens[index - 1]
    if (before === undefined || !ending.has(before.type) || isWord(before)) return undefined
    const isNot = this.isA(index + 1, "Identifier", "not")
    const name = this.tokens[isNot ? index + 2 : index + 1]
    if (name?.type !== "Identifier") return undefined
    const found = this.argumentsAt(index + (isNot ? 3 : 2))
    return found && { name: `${isNot ? "is not" : "is"} ${name.value}`, ...found }
  }

  private isStatement(index: number, name: string): boolean {
    return this.isA(index - 1, "OpenStatement") && this.isA(index, "Identifier", name)
  }

  rewrite(start: number, stop: number, depth: number): void {
    if (depth > maxDepth) throw limit(`the template is nested deeper than ${maxDepth}`)
    let isWith = false
    for (let i = start; i < stop; i++) {
      const test = this.testAt(i)
      if (test !== undefined) {
        this.out.push(pipe, token("Identifier", test.name), open)
        this.rewrite(test.start, test.stop, depth + 1)
        this.out.push(close)
        i = test.end - 1
      } else if (this.isStatement(i, "with")) {
        this.out.push(token("Identifier", "filter"), token("Identifier", "with"), open)
        isWith = true
      } else if (this.isStatement(i, "endwith")) {
        this.out.push(token("Identifier", "endfilter"))
      } else {
        if (isWith && this.isA(i, "CloseStatement")) {
          this.out.push(close)
          isWith = false
        }
        this.out.push(this.tokens[i]!)
      }
    }
  }
}

/**
 * Puts what the library's grammar does not have in terms of what it has: a test becomes a filter, which binds as strongly and
 * takes arguments (`x is divisibleby(3)`, `x is in [1, 2]`), and `with` a filter of a block.
 *
 * @internal
 */
export const rewrite = (tokens: ReadonlyArray<Token>): ReadonlyArray<Token> => {
  const rewriter = new Rewriter(tokens)
  rewriter.rewrite(0, tokens.length, 0)
  return rewriter.out
}
