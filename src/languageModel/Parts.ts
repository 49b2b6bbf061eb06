/**
 * What the parts of a whole answer and those of a stream have in common.
 *
 * @since 0.1.0
 */
import type * as AiError from "@effect/ai/AiError"
import type * as Response from "@effect/ai/Response"
import * as Tool from "@effect/ai/Tool"
import * as DateTime from "effect/DateTime"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { RoutedCompletion } from "../ChatCompletions.js"
import { maxCount } from "../internal/wire.js"
import type * as Route from "../Route.js"
import type * as Completion from "../wire/Completion.js"
import * as Json from "../wire/Json.js"
import * as Failure from "./Failure.js"

/**
 * A member that only some providers send, under its name on the wire, when it is a text.
 *
 * @since 0.1.0
 * @category getters
 */
export const textMember = (members: { readonly [name: string]: unknown }, name: string): string | undefined => {
  const value = members[name]
  return typeof value === "string" && value !== "" ? value : undefined
}

/** From here on, in the year 5138, a number of seconds is one of milliseconds: some providers send those. */
const millisFrom = 1e11

/** `0` is what those send that do not know. */
const timestampOf = (created: number | undefined): string | undefined =>
  created === undefined || created <= 0
    ? undefined
    : Option.getOrUndefined(
      Option.map(DateTime.make(created < millisFrom ? created * 1000 : created), DateTime.formatIso)
    )

/**
 * @since 0.1.0
 * @category constructors
 */
export const responseMetadata = (
  head: Pick<Completion.Completion, "created" | "id" | "model">
): Response.ResponseMetadataPartEncoded => ({
  type: "response-metadata",
  id: head.id || undefined,
  modelId: head.model || undefined,
  timestamp: timestampOf(head.created)
})

const finishReasons: ReadonlyMap<string, Response.FinishReason> = new Map([
  ["stop", "stop"],
  ["eos", "stop"], // Together
  ["length", "length"],
  ["tool_calls", "tool-calls"],
  ["tool_call", "tool-calls"], // models that Azure hosts
  ["function_call", "tool-calls"],
  ["content_filter", "content-filter"],
  ["error", "error"]
])

/** Many providers say `"stop"` where the answer is tool calls, OpenAI among them when a tool is forced. */
const finishReasonOf = ({ finishReason = "", message: { toolCalls } }: Completion.Choice): Response.FinishReason => {
  const reason = finishReasons.get(finishReason) ?? "unknown"
  return reason === "stop" && toolCalls !== undefined && toolCalls.length > 0 ? "tool-calls" : reason
}

/** The counts as the provider reports them. */
const usageOf = (usage: Completion.Usage | undefined): Response.FinishPartEncoded["usage"] => ({
  inputTokens: usage?.promptTokens,
  outputTokens: usage?.completionTokens,
  totalTokens: usage?.totalTokens,
  reasoningTokens: usage?.completionTokensDetails?.reasoningTokens,
  cachedInputTokens: usage?.promptTokensDetails?.cachedTokens
})

/**
 * @since 0.1.0
 * @category constructors
 */
export const finish = (
  { usage }: Completion.Completion,
  choice: Completion.Choice,
  route: Route.Route
): Response.FinishPartEncoded => ({
  type: "finish",
  reason: finishReasonOf(choice),
  usage: usageOf(usage),
  metadata: {
    router: {
      route,
      ...(choice.finishReason !== undefined && { finishReason: choice.finishReason }),
      ...(choice.message.refusal && { refusal: choice.message.refusal })
    }
  }
})

/** The answer that parts are made of, and the name of what makes them, for errors. */
interface Origin {
  readonly method: string
  readonly completion: RoutedCompletion
}

/**
 * A JSON text that is safe to work with: bounded in its depth, and without members that would replace a prototype. The error of a parser
 * would repeat the text, so there is none.
 */
const parseJson = (text: string): Option.Option<unknown> =>
  Option.flatMap(
    Option.getRight(Json.parse(text)),
    () => Option.liftThrowable(Tool.unsafeSecureJsonParse)(text)
  )

/** Of a tool without parameters some providers send no arguments at all, or `null`. */
const paramsOf = (text: string): Option.Option<unknown> =>
  text.trim() === "" ? Option.some({}) : Option.map(parseJson(text), (params) => params ?? {})

const toolCall = (
  call: Completion.ToolCall,
  { finishReason, id }: { readonly finishReason: string; readonly id: string },
  { completion, method }: Origin
): Either.Either<Response.ToolCallPartEncoded, AiError.MalformedOutput> => {
  const name = call.function?.name ?? ""
  if (name === "") {
    return Either.left(Failure.malformedOutput(method, "the model called a tool without a name", completion))
  }
  const thoughtSignature = textMember(call, "thought_signature")
  return Option.match(paramsOf(call.function?.arguments ?? ""), {
    onNone: () =>
      Either.left(Failure.malformedOutput(
        method,
        `the arguments that the model gave to the tool ${JSON.stringify(name)} are not valid JSON ` +
          `(the answer ended with "${finishReason}")`,
        completion
      )),
    onSome: (params) =>
      Either.right({
        type: "tool-call",
        id,
        name,
        params,
        ...(thoughtSignature !== undefined && { metadata: { router: { thoughtSignature } } })
      })
  })
}

/**
 * The tool calls of an answer. `ids` are theirs, one for each that has a name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toolCalls = (
  choice: Completion.Choice,
  ids: ReadonlyArray<string | undefined>,
  origin: Origin
): Either.Either<Array<Response.ToolCallPartEncoded>, AiError.MalformedOutput> => {
  const calls = choice.message.toolCalls ?? []
  const finishReason = finishReasonOf(choice)
  return calls.length > maxCount
    ? Either.left(Failure.malformedOutput(origin.method, "the model made too many tool calls", origin.completion))
    : Either.all(calls.map((call, index) => toolCall(call, { finishReason, id: ids[index] ?? "" }, origin)))
}
