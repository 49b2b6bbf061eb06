/**
 * From what `@effect/ai` asks of a model to a chat request.
 *
 * @since 0.1.0
 */
import type * as AiError from "@effect/ai/AiError"
import type * as LanguageModel from "@effect/ai/LanguageModel"
import * as Tool from "@effect/ai/Tool"
import * as Either from "effect/Either"
import type * as AST from "effect/SchemaAST"
import type * as ChatRequest from "../wire/ChatRequest.js"
import type * as Parameters from "../wire/Parameters.js"
import * as Failure from "./Failure.js"
import * as Messages from "./Messages.js"
import type { Settings } from "./Settings.js"

type Result<A> = Either.Either<A, AiError.MalformedInput>

type ToolFields = Pick<ChatRequest.Whole, "parallelToolCalls" | "toolChoice" | "tools">

/** A schema may have no JSON schema (a type that was declared without one): making it throws then. */
const jsonSchema = (ast: AST.AST, method: string, what: string): Result<{ readonly [name: string]: unknown }> =>
  Either.try({
    try: () => ({ ...Tool.getJsonSchemaFromSchemaAst(ast) }),
    catch: () => Failure.malformedInput(method, `${what} has a part that cannot be written as a JSON schema`)
  })

const toolOf = (tool: Tool.Any, strict: boolean | undefined): Result<Parameters.Tool> => {
  if (Tool.isProviderDefined(tool)) {
    return Either.left(
      Failure.malformedInput("prepareTools", `the tool "${tool.name}" is one of a provider's own, which is unsupported`)
    )
  }
  const { ast } = tool.parametersSchema
  return Either.map(jsonSchema(ast, "prepareTools", `the schema of the tool "${tool.name}"`), (parameters) => ({
    type: "function",
    function: {
      name: tool.name,
      description: tool.description ?? Tool.getDescriptionFromSchemaAst(ast),
      parameters,
      strict
    }
  }))
}

/** What `oneOf` leaves out is not among the tools any more. */
const toolChoiceOf = (choice: LanguageModel.ProviderOptions["toolChoice"]): typeof Parameters.ToolChoice.Type => {
  if (typeof choice === "string") return choice
  return "tool" in choice ? { type: "function", function: { name: choice.tool } } : choice.mode ?? "auto"
}

/** Without tools neither of the other two may be sent. */
const toolFields = ({ toolChoice, tools }: LanguageModel.ProviderOptions, settings: Settings): Result<ToolFields> =>
  Either.map(Either.all(tools.map((tool) => toolOf(tool, settings.strict))), (all) =>
    all.length === 0
      ? { parallelToolCalls: undefined }
      : { parallelToolCalls: settings.parallelToolCalls, toolChoice: toolChoiceOf(toolChoice), tools: all })

/** The longest name that a response format may have, in characters. */
const maxNameLength = 64

/** A schema's identifier may be any text. */
const nameOf = (text: string): string => text.replace(/[^a-zA-Z0-9_-]/g, "_").slice(0, maxNameLength) || "object"

const responseFormatOf = (
  { responseFormat }: LanguageModel.ProviderOptions,
  { strict }: Settings
): Result<ChatRequest.Whole["responseFormat"]> => {
  if (responseFormat.type === "text") return Either.right(undefined)
  const { objectName, schema: { ast } } = responseFormat
  return Either.map(jsonSchema(ast, "prepareResponseFormat", "the schema of the object"), (schema) => ({
    type: "json_schema",
    jsonSchema: { name: nameOf(objectName), description: Tool.getDescriptionFromSchemaAst(ast), schema, strict }
  }))
}

/**
 * The request for a call.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: LanguageModel.ProviderOptions,
  settings: Settings & { readonly model: string }
): Result<ChatRequest.Whole> =>
  Either.gen(function*() {
    const messages = yield* Messages.fromPrompt(options.prompt)
    const tools = yield* toolFields(options, settings)
    const responseFormat = yield* responseFormatOf(options, settings)
    const { strict: _, ...fields } = settings
    return { ...fields, messages, ...tools, responseFormat }
  })

/**
 * The same request for a stream, with the usage reported at its end, unless the settings say otherwise.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withUsage = (request: ChatRequest.Whole): ChatRequest.Whole =>
  request.streamOptions === undefined ? { ...request, streamOptions: { includeUsage: true } } : request
