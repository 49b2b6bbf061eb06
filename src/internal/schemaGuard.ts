import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"

type Test = (value: unknown) => boolean

interface Members {
  readonly [name: PropertyKey]: unknown
}

const isMembers = (value: unknown): value is Members => Predicate.isRecord(value)

/** As `ParseResult.is` has it. */
const options: AST.ParseOptions = { exact: true }

/** Not `Object.keys`: a member that is not enumerable is one, too. */
const namesOf = (value: Members): ReadonlyArray<string> => Object.getOwnPropertyNames(value)

/** A schema asks an object for each member that it may have, of which a request has a few: this asks for those that are there. */
const ofStruct = ({ propertySignatures }: AST.TypeLiteral): Test => {
  const tests = new Map<PropertyKey, Test>(propertySignatures.map(({ name, type }) => [name, testOf(type)]))
  const required = propertySignatures.filter(({ isOptional }) => !isOptional).map(({ name }) => name)
  return (value) => {
    if (!isMembers(value)) {
      return false
    }
    for (const name of required) {
      if (!Object.hasOwn(value, name)) {
        return false
      }
    }
    for (const name of namesOf(value)) {
      const test = tests.get(name)
      if (test !== undefined && !test(value[name])) {
        return false
      }
    }
    return true
  }
}

/** By the index: to a schema the holes of a sparse list are elements. */
const ofArray = (element: AST.AST): Test => {
  const test = testOf(element)
  return (value) => {
    if (!Array.isArray(value)) {
      return false
    }
    for (let i = 0; i < value.length; i++) {
      if (!test(value[i])) {
        return false
      }
    }
    return true
  }
}

const ofUnion = ({ types }: AST.Union): Test => {
  const tests = types.map(testOf)
  return (value) => tests.some((test) => test(value))
}

const structOf = (ast: AST.AST): AST.TypeLiteral | undefined =>
  ast._tag === "Refinement" ? structOf(ast.from) : ast._tag === "TypeLiteral" ? ast : undefined

/** What a filter is given: to it there are no members that the schema does not know. */
const inputOf = (ast: AST.AST): (value: unknown) => unknown => {
  const known = new Set<PropertyKey>(structOf(ast)?.propertySignatures.map(({ name }) => name))
  return (value) =>
    known.size > 0 && isMembers(value)
      ? Object.fromEntries(namesOf(value).filter((name) => known.has(name)).map((name) => [name, value[name]]))
      : value
}

const ofRefinement = (ast: AST.Refinement): Test => {
  const test = testOf(ast.from)
  const input = inputOf(ast.from)
  return (value) => test(value) && Option.isNone(ast.filter(input(value), options, ast))
}

/** The schema itself, for what is not worth a test of its own. */
const bySchema = (ast: AST.AST): Test => {
  const is = ParseResult.is(Schema.make(ast))
  return (value) => is(value)
}

const ofTypeLiteral = (ast: AST.TypeLiteral): Test => {
  const { indexSignatures: [index, ...others], propertySignatures } = ast
  if (index === undefined) {
    return propertySignatures.length > 0 && propertySignatures.every(({ name }) => typeof name === "string")
      ? ofStruct(ast)
      : bySchema(ast)
  }
  const isFreeForm = propertySignatures.length === 0 && others.length === 0 &&
    AST.isStringKeyword(index.parameter) && AST.isUnknownKeyword(index.type)
  return isFreeForm ? isMembers : bySchema(ast)
}

const ofTag = (ast: AST.AST): Test => {
  switch (ast._tag) {
    case "StringKeyword":
      return Predicate.isString
    case "NumberKeyword":
      return Predicate.isNumber
    case "BooleanKeyword":
      return Predicate.isBoolean
    case "UndefinedKeyword":
      return Predicate.isUndefined
    case "UnknownKeyword":
      return () => true
    case "Literal":
      return (value) => value === ast.literal
    case "Union":
      return ofUnion(ast)
    case "Refinement":
      return ofRefinement(ast)
    case "TupleType":
      return ast.elements.length === 0 && ast.rest.length === 1 ? ofArray(ast.rest[0]!.type) : bySchema(ast)
    case "TypeLiteral":
      return ofTypeLiteral(ast)
    default:
      return bySchema(ast)
  }
}

const testOf = (ast: AST.AST): Test =>
  Option.isSome(AST.getParseOptionsAnnotation(ast)) || Option.isSome(AST.getDecodingFallbackAnnotation(ast))
    ? bySchema(ast)
    : ofTag(ast)

/**
 * `ParseResult.is`, several times as fast for objects that have few of the members that they may have: it says of every value what that says,
 * as long as no filter of a struct looks at unknown members of what is inside its own.
 */
export const guard = <A, I>(schema: Schema.Schema<A, I>): (value: unknown) => value is A => {
  const test = testOf(Schema.typeSchema(schema).ast)
  return (value): value is A => test(value)
}
