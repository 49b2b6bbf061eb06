/**
 * From a completion to the parts of a response.
 *
 * @since 0.1.0
 */
import type * as AiError from "@effect/ai/AiError"
import * as IdGenerator from "@effect/ai/IdGenerator"
import type * as LanguageModel from "@effect/ai/LanguageModel"
import type * as Response from "@effect/ai/Response"
import * as Effect from "effect/Effect"
import type { RoutedCompletion } from "../ChatCompletions.js"
import type * as Completion from "../wire/Completion.js"
import * as Failure from "./Failure.js"
import * as Parts from "./Parts.js"

const spokenParts = ({ message }: Completion.Choice): Array<Response.PartEncoded> => {
  const signature = Parts.textMember(message, "reasoning_signature")
  return [
    ...(message.reasoning
      ? [{
        type: "reasoning" as const,
        text: message.reasoning,
        ...(signature !== undefined && { metadata: { router: { signature } } })
      }]
      : []),
    ...(message.content ? [{ type: "text" as const, text: message.content }] : [])
  ]
}

/** A provider's own id, or one of ours where it gives none, or one that another call has. */
const idsOf = ({ message: { toolCalls = [] } }: Completion.Choice) =>
  Effect.flatMap(IdGenerator.IdGenerator, (ids) => {
    const taken = new Set([""])
    return Effect.forEach(toolCalls, ({ id }) => {
      if (id === undefined || taken.has(id)) return ids.generateId()
      taken.add(id)
      return Effect.succeed(id)
    })
  })

/** An answer without a choice says nothing. The router gives none such; the end of the stream of one is told the same way. */
const nothing: Completion.Choice = { index: 0, message: {} }

/** What `@effect/ai` says of an answer without a text, where an object is asked for, knows nothing of the call that was paid. */
const withoutObject = ({ message: { content, refusal } }: Completion.Choice): string | undefined => {
  if (content) return undefined
  return refusal ? "the model refused to answer" : "the model gave no text where an object was asked for"
}

/**
 * The parts of the first choice. An answer without text has no text part; where an object is asked for, it is an error.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parts = (
  completion: RoutedCompletion,
  responseFormat: LanguageModel.ProviderOptions["responseFormat"]
): Effect.Effect<Array<Response.PartEncoded>, AiError.MalformedOutput, IdGenerator.IdGenerator> =>
  Effect.gen(function*() {
    const choice = completion.choices[0] ?? nothing
    const problem = responseFormat.type === "json" ? withoutObject(choice) : undefined
    if (problem !== undefined) {
      return yield* Failure.malformedOutput("generateObject", problem, completion)
    }
    const calls = yield* Parts.toolCalls(choice, yield* idsOf(choice), { method: "generateText", completion })
    return [
      Parts.responseMetadata(completion),
      ...spokenParts(choice),
      ...calls,
      Parts.finish(completion, choice, completion.route)
    ]
  })
