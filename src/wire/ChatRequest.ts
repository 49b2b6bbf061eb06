/**
 * A chat request: the conversation, the parameters of the model, and how the call is routed.
 *
 * The schema is the request as TypeScript spells it (camelCase) and the one place of all bounds. Renaming to and from
 * the wire goes by tables (`Keys`), because decoding through schemas that rename costs twice as much as all of this.
 *
 * Members that nobody knows are kept and passed to the provider. They have no place in the static type, so that a
 * typing error does not compile.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"
import * as Issues from "../internal/issues.js"
import { guard } from "../internal/schemaGuard.js"
import type { InvalidRequest, Issue } from "../RouterError.js"
import { nonEmpty } from "./Bounds.js"
import * as JsonInput from "./JsonInput.js"
import * as Keys from "./Keys.js"
import { Message } from "./Messages.js"
import * as Parameters from "./Parameters.js"
import * as RequestKeys from "./RequestKeys.js"
import * as RouterOptions from "./RouterOptions.js"
import * as Routing from "./Routing.js"

const options = {
  /** Whether the answer is wanted as a stream. Set by `create` and `stream` themselves. */
  stream: Schema.optional(Schema.Boolean),
  ...RouterOptions.fields,
  ...Parameters.fields
}

const optionalModel = Schema.optional(nonEmpty)
const optionalMessages = Schema.optional(Schema.Array(Message))

const thinksWithin = (request: Schema.Struct.Type<typeof Parameters.fields>) => {
  const maximum = request.maxCompletionTokens ?? request.maxTokens
  return request.thinking?.type !== "enabled" || typeof maximum !== "number" || request.thinking.budgetTokens < maximum
    || { path: ["thinking", "budgetTokens"], message: "expected less than the maximum of completion tokens" }
}

// Without options of their own, so that validation does not spend its time on telling unknown members apart.

const whole = Schema.Struct({
  /** `provider/model`, split at the first slash. Looked up only when it is called. */
  model: nonEmpty,
  /** May be empty where a `prompt` brings messages. */
  messages: Schema.Array(Message),
  ...options
}).pipe(Schema.filter(thinksWithin))

const fromPrompt = Schema.Struct({
  ...options,
  /** Absent: that of the prompt. */
  model: optionalModel,
  /** Absent or empty: those of the prompt. */
  messages: optionalMessages,
  prompt: RouterOptions.PromptReference
}).pipe(Schema.filter(thinksWithin))

const fromEnvelope = Schema.Struct({
  ...options,
  model: optionalModel,
  messages: optionalMessages,
  orq: Schema.Struct({ ...RouterOptions.Envelope.fields, prompt: RouterOptions.PromptReference })
}).pipe(Schema.filter(thinksWithin))

/**
 * The schema of a request, camelCase on both sides. Unknown members are kept.
 *
 * A `ParseError` of this schema shows the values it rejects, prompts included; `validate` never does.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ChatRequest = Schema.Union(whole, fromPrompt, fromEnvelope).annotations({
  identifier: "ChatRequest",
  parseOptions: { onExcessProperty: "preserve" }
})

/**
 * A request that has its model and its messages (which may be none).
 *
 * @since 0.1.0
 * @category models
 */
export interface Whole extends Schema.Schema.Type<typeof whole> {}

/**
 * A request that leaves its model, its messages, or both to a prompt.
 *
 * @since 0.1.0
 * @category models
 */
export interface FromPrompt extends Schema.Schema.Type<typeof fromPrompt> {}

/**
 * The same with the prompt in the deprecated envelope.
 *
 * @since 0.1.0
 * @category models
 */
export interface FromEnvelope extends Schema.Schema.Type<typeof fromEnvelope> {}

/**
 * @since 0.1.0
 * @category models
 */
export type ChatRequest = Whole | FromPrompt | FromEnvelope

type Inspected<A> = Either.Either<A, ReadonlyArray<Issues.Found>>

/** The happy path takes the first look only; what exactly is wrong is asked for when something is. */
const inspector = <A>(schema: Schema.Schema<A>) => {
  const isRequest = guard(schema)
  const explain = ParseResult.validateEither(schema, { errors: "all", exact: true })
  return (input: unknown): Inspected<A> => {
    const json = JsonInput.check(input)
    if (json.found.length === 0 && isRequest(input)) return Either.right(input)
    if (!json.bounded) return Either.left(json.found)
    const explained = explain(input)
    return Either.left(Issues.merge(Either.isLeft(explained) ? Issues.fromParseIssue(explained.left) : [], json.found))
  }
}

const inspectWhole: (input: unknown) => Inspected<Whole> = inspector(whole)
const inspectFromPrompt: (input: unknown) => Inspected<FromPrompt> = inspector(fromPrompt)
const inspectFromEnvelope: (input: unknown) => Inspected<FromEnvelope> = inspector(fromEnvelope)

const namesPrompt = (input: unknown): boolean => Predicate.hasProperty(input, "prompt") && input.prompt !== undefined

/** Only where there is a prompt may something be missing. */
const inspect = (input: unknown): Inspected<ChatRequest> => {
  if (namesPrompt(input)) return inspectFromPrompt(input)
  return Predicate.hasProperty(input, "orq") && namesPrompt(input.orq)
    ? inspectFromEnvelope(input)
    : inspectWhole(input)
}

/**
 * Checks a request in camelCase. The request that comes back is the input itself.
 *
 * The error lists every field that is wrong (at most ten) by its path and by what was expected there. It shows no
 * value.
 *
 * @since 0.1.0
 * @category validation
 */
export const validate = (input: unknown): Either.Either<ChatRequest, InvalidRequest> =>
  Either.mapLeft(inspect(input), Issues.invalidRequest)

/**
 * The same for a request that nothing may be missing in.
 *
 * @since 0.1.0
 * @category validation
 */
export const validateWhole = (input: unknown): Either.Either<Whole, InvalidRequest> =>
  Either.mapLeft(inspectWhole(input), Issues.invalidRequest)

/**
 * Whether nothing is missing in a request: it leaves neither its model nor its messages to a prompt.
 *
 * @since 0.1.0
 * @category guards
 */
export const isWhole = (request: ChatRequest): request is Whole =>
  request.model !== undefined && request.messages !== undefined

/**
 * Reads a request as it is on the wire (snake_case). The paths of the error are spelled like the input.
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromWire = (json: unknown): Either.Either<ChatRequest, InvalidRequest> =>
  Either.mapLeft(inspect(Keys.fromWire(RequestKeys.request, json)), (found) =>
    Issues.invalidRequest(
      found.map(({ message, path }) => ({ path: Keys.pathToWire(RequestKeys.request, path), message }))
    ))

/**
 * The whole request as it is on the wire, for a router that carries it out elsewhere.
 *
 * @since 0.1.0
 * @category encoding
 */
export const toWire = (request: ChatRequest): { readonly [member: string]: unknown } =>
  Keys.toWire(RequestKeys.request, { ...request })

/** What a `Schema` shows of an error is made of our message only, as its own would show the request. */
const parsed = <A>(result: Either.Either<A, InvalidRequest>, ast: AST.AST) =>
  Either.mapLeft(result, (error) => new ParseResult.Type(ast, undefined, error.message))

const Valid = Schema.declare<ChatRequest, ChatRequest, []>([], {
  decode: () => (input, _, ast) => parsed(validate(input), ast),
  encode: () => (input, _, ast) => parsed(validate(input), ast)
}, { identifier: "ChatRequest" })

/**
 * `fromWire` and `toWire` as a schema.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Wire: Schema.Schema<ChatRequest, unknown> = Schema.transformOrFail(Schema.Unknown, Valid, {
  strict: true,
  decode: (json, _, ast) => parsed(fromWire(json), ast),
  encode: (request) => ParseResult.succeed(toWire(request))
})

/**
 * What a request asks of the router: defaults filled, the deprecated envelope folded in.
 *
 * @since 0.1.0
 * @category getters
 */
export const routing: (request: ChatRequest) => Routing.Routing = Routing.resolve

/**
 * The body for a provider, on the wire: the given messages and everything of the request that is neither routing nor
 * set by whoever makes the call (`model`, `stream`).
 *
 * @since 0.1.0
 * @category encoding
 */
export const upstreamBody = (
  request: ChatRequest,
  messages: ReadonlyArray<Message>
): { [member: string]: unknown } => {
  const body = Keys.toWire(RequestKeys.request, { ...request }, RequestKeys.notForUpstream)
  body.messages = Keys.listToWire(RequestKeys.message, messages)
  return body
}

/**
 * What the request asks for that only a hosted router can do. To ignore a guardrail in silence would be unsafe.
 *
 * Labels (`orq.identity`, `orq.contact`, `orq.thread`, `name`) are not among it: they change no answer.
 *
 * @since 0.1.0
 * @category getters
 */
export const unsupported = (request: ChatRequest): Issue | undefined => {
  const path = isNonEmpty(request.guardrails)
    ? "guardrails"
    : isNonEmpty(request.plugins)
    ? "plugins"
    : isNonEmpty(request.orq?.knowledgeBases)
    ? "orq.knowledgeBases"
    : undefined
  return path && { path, message: "expected to be absent, because only a hosted router carries it out" }
}

/**
 * A routing member in the spelling of the wire. Of other members that is one which nobody knows, and it is passed on; routing is not
 * passed on, so it would be lost.
 *
 * @since 0.1.0
 * @category getters
 */
export const misspelled = (request: ChatRequest): Issue | undefined => {
  const path = Keys.findWireName(RequestKeys.router, { ...request })
  return path && {
    path: Issues.formatPath(path),
    message: "expected the camelCase name (`ChatRequest.fromWire` reads snake_case)"
  }
}

const isNonEmpty = (list: ReadonlyArray<unknown> | undefined): boolean => list !== undefined && list.length > 0
