import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"

type Test = (value: unknown) => boolean

interface Members {
  readonly [name: PropertyKey]: unknown
}

const isMembers = (value: unknown): value is Members => Predicate.isRecord(value)

const options: AST.ParseOptions = { exact: true }

/** A schema asks an object for each member that it may have, of which a request has a few: this asks for those that are there. */
const ofStruct = ({ propertySignatures }: AST.TypeLiteral): Test => {
  const tests = new Map(propertySignatures.map(({ name, type }) => [name, testOf(type)]))
  const required = propertySignatures.filter(({ isOptional }) => !isOptional).map(({ name }) => name)
  return (value) => {
    if (!isMembers(value) || !required.every((name) => Object.hasOwn(value, name))) {
      return false
    }
    for (const name of Object.keys(value)) {
      const test = tests.get(name)
      if (test !== undefined && !test(value[name])) {
        return false
      }
    }
    return true
  }
}

const ofArray = (element: AST.AST): Test => {
  const test = testOf(element)
  return (value) => Array.isArray(value) && value.every(test)
}

const ofRefinement = (ast: AST.Refinement): Test => {
  const test = testOf(ast.from)
  return (value) => test(value) && Option.isNone(ast.filter(value, options, ast))
}

const ofUnion = ({ types }: AST.Union): Test => {
  const tests = types.map(testOf)
  return (value) => tests.some((test) => test(value))
}

const isAnyRecord = ({ indexSignatures, propertySignatures }: AST.TypeLiteral): boolean =>
  propertySignatures.length === 0 && indexSignatures.length === 1 &&
  indexSignatures.every(({ parameter, type }) => parameter._tag === "StringKeyword" && type._tag === "UnknownKeyword")

/** The schema itself, for what is not worth a test of its own. */
const bySchema = (ast: AST.AST): Test => {
  const is = ParseResult.is(Schema.make(ast))
  return (value) => is(value, options)
}

const testOf = (ast: AST.AST): Test => {
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
      if (ast.indexSignatures.length === 0 && ast.propertySignatures.length > 0) {
        return ofStruct(ast)
      }
      return isAnyRecord(ast) ? isMembers : bySchema(ast)
    default:
      return bySchema(ast)
  }
}

/**
 * `ParseResult.is` for JSON, several times as fast for objects that have few of the members that they may have. Members by symbols are
 * not looked at.
 */
export const guard = <A, I>(schema: Schema.Schema<A, I>): (value: unknown) => value is A => {
  const test = testOf(Schema.typeSchema(schema).ast)
  return (value): value is A => test(value)
}
