import type * as ParseResult from "effect/ParseResult"
import * as AST from "effect/SchemaAST"
import { InvalidRequest, type Issue } from "../RouterError.js"

/**
 * One thing that is wrong: the path of the field, and what was expected there. Never what was found: it may be a
 * prompt.
 *
 * @internal
 */
export interface Found {
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
}

type Path = ReadonlyArray<PropertyKey>

/** @internal How many issues an error lists. More of them would be noise of one cause. */
export const maxIssues = 10

/** How much of a member's name is shown. Names are the caller's, some of them free. */
const maxNameLength = 64

/**
 * What a schema accepts, in words.
 *
 * @internal
 */
export const expected = (ast: AST.AST): string => {
  const description = AST.getDescriptionAnnotation(ast)
  if (description._tag === "Some") return description.value
  switch (ast._tag) {
    case "Literal":
      return JSON.stringify(ast.literal) ?? String(ast.literal)
    case "Union": {
      const members = new Set(ast.types.filter((member) => !AST.isUndefinedKeyword(member)).map(expected))
      return [...members].join(" or ")
    }
    case "Refinement":
    case "Transformation":
      return expected(ast.from)
    case "BooleanKeyword":
      return "true or false"
    case "TypeLiteral":
      return "an object"
    case "TupleType":
      return "an array"
    default:
      return "another value"
  }
}

const toArray = <A>(value: ParseResult.SingleOrNonEmpty<A>): ReadonlyArray<A> => isArray(value) ? value : [value]

const isArray = <A>(value: ParseResult.SingleOrNonEmpty<A>): value is Extract<typeof value, ReadonlyArray<A>> =>
  Array.isArray(value)

const isAbout = (path: Path, found: ReadonlyArray<Found>): boolean =>
  found.every((one) => one.path.length === path.length)

/** Of the members of a union, the one that the value came nearest to: that failed furthest inside. */
const nearest = (ast: AST.AST, path: Path, candidates: ReadonlyArray<ReadonlyArray<Found>>): ReadonlyArray<Found> => {
  let best: ReadonlyArray<Found> | undefined
  let depth = path.length
  for (const found of candidates) {
    const reached = found.reduce((deepest, one) => Math.max(deepest, one.path.length), 0)
    if (reached > depth) {
      best = found
      depth = reached
    }
  }
  return best ?? [{ path, message: `expected ${expected(ast)}` }]
}

/**
 * The issues of a failed schema, by field.
 *
 * @internal
 */
export const fromParseIssue = (issue: ParseResult.ParseIssue, path: Path = []): ReadonlyArray<Found> => {
  switch (issue._tag) {
    case "Pointer":
      return fromParseIssue(issue.issue, [...path, ...toArray<PropertyKey>(issue.path)])
    case "Missing":
      return [{ path, message: `is missing; expected ${expected(issue.ast.type)}` }]
    case "Unexpected":
      return [{ path, message: "is not a known member" }]
    case "Type":
      // a message of a Type issue is one of our own filters'
      return [{ path, message: issue.message ?? `expected ${expected(issue.ast)}` }]
    case "Forbidden":
      return [{ path, message: `expected ${expected(issue.ast)}` }]
    case "Transformation":
      return fromParseIssue(issue.issue, path)
    case "Refinement": {
      const inner = fromParseIssue(issue.issue, path)
      // the whole range, where the inner schema knows only a part of it ("an integer")
      return issue.kind === "From" && isAbout(path, inner)
        ? [{ path, message: `expected ${expected(issue.ast)}` }]
        : inner
    }
    case "Composite": {
      const inner = toArray(issue.issues).map((member) => fromParseIssue(member, path))
      return AST.isUnion(issue.ast) ? nearest(issue.ast, path, inner) : inner.flat()
    }
  }
}

const identifier = new RegExp(`^[A-Za-z_$][\\w$]{0,${maxNameLength - 1}}$`)

/**
 * A path as a caller would write it: `messages[0].content[1].imageUrl.url`.
 *
 * @internal
 */
export const formatPath = (path: Path): string => {
  let text = ""
  for (const segment of path) {
    const name = String(segment)
    if (typeof segment === "number") text += `[${name}]`
    else if (identifier.test(name)) text += text === "" ? name : `.${name}`
    else text += `[${JSON.stringify(name.slice(0, maxNameLength))}]`
  }
  return text
}

/**
 * All of `first`, and those of `second` that are about other fields.
 *
 * @internal
 */
export const merge = (first: ReadonlyArray<Found>, second: ReadonlyArray<Found>): ReadonlyArray<Found> => {
  const fields = new Set(first.map(({ path }) => formatPath(path)))
  return [...first, ...second.filter(({ path }) => !fields.has(formatPath(path)))]
}

/**
 * The error for what was found: each issue once, at most ten.
 *
 * @internal
 */
export const invalidRequest = (found: ReadonlyArray<Found>): InvalidRequest => {
  const issues = new Map<string, Issue>()
  for (const { message, path } of found) {
    if (issues.size === maxIssues) break
    const issue = { path: formatPath(path), message }
    issues.set(`${issue.path}: ${message}`, issue)
  }
  return new InvalidRequest({ issues: [...issues.values()] })
}
