import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import { Definition } from "../prompt/Definition.js"
import * as JsonInput from "../wire/JsonInput.js"
import * as Keys from "../wire/Keys.js"
import * as RequestKeys from "../wire/RequestKeys.js"
import * as Issues from "./issues.js"

type Inspected = Either.Either<Definition, ReadonlyArray<Issues.Found>>

const isDefinition = ParseResult.is(Definition)
const explain = ParseResult.validateEither(Definition, { errors: "all", exact: true })

const structure = (input: unknown): Inspected => {
  const json = JsonInput.check(input)
  if (json.found.length === 0 && isDefinition(input)) return Either.right(input)
  if (!json.bounded) return Either.left(json.found)
  const explained = explain(input)
  return Either.left(Issues.merge(Either.isLeft(explained) ? Issues.fromParseIssue(explained.left) : [], json.found))
}

/** What would be passed to the provider in silence, or set aside in silence. */
const misplaced = ({ parameters = {} }: Definition): ReadonlyArray<Issues.Found> => {
  const routing = Object.keys(parameters).filter((name) => RequestKeys.notForUpstream.has(name))
  if (routing.length > 0) {
    return routing.map((name) => ({
      path: ["parameters", name],
      message: "expected to be absent: parameters are those of the model"
    }))
  }
  const misspelled = Keys.findWireName(RequestKeys.request, { ...parameters })
  return misspelled === undefined
    ? []
    : [{ path: ["parameters", ...misspelled], message: "expected the camelCase name" }]
}

/**
 * The prompt, unchanged, or what is wrong with it.
 *
 * @internal
 */
export const inspect = (input: unknown): Inspected =>
  Either.flatMap(structure(input), (definition) => {
    const found = misplaced(definition)
    return found.length === 0 ? Either.right(definition) : Either.left(found)
  })
