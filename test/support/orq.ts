/** The two ways to call the published SDK, against a gateway. */
import { Orq } from "@orq-ai/node"
import { OrqCore } from "@orq-ai/node/core.js"
import { routerChatCompletionsCreate } from "@orq-ai/node/funcs/routerChatCompletionsCreate.js"
import type { RequestOptions } from "@orq-ai/node/lib/sdks.js"
import type {
  CreateChatCompletionRequestBody,
  CreateChatCompletionResponse,
  CreateChatCompletionResponseBody,
  CreateChatCompletionRouterChatCompletionsResponseBody
} from "@orq-ai/node/models/operations/createchatcompletion.js"
import { Effect, Redacted } from "effect"
import type * as Testing from "effect-llm-router/Testing"
import { gateway, type Running } from "./gateway.js"
import { collect } from "./sdk.js"

export type Request = CreateChatCompletionRequestBody
export type Chunk = CreateChatCompletionRouterChatCompletionsResponseBody

export const messages: Request["messages"] = [{ role: "user", content: "Hello" }]

export type Create = (request: Request, options?: RequestOptions) => Promise<CreateChatCompletionResponse>

export interface Client {
  readonly name: string
  /** What it answers; it rejects with the error of the SDK. */
  readonly make: (running: Pick<Running, "url">, apiKey?: string) => Create
}

export const clients: ReadonlyArray<Client> = [
  {
    name: "orq.router.chat.completions.create",
    make: ({ url }, apiKey = "key") => {
      const orq = new Orq({ apiKey, serverURL: url })
      return (request, options) => orq.router.chat.completions.create(request, options)
    }
  },
  {
    name: "routerChatCompletionsCreate",
    make: ({ url }, apiKey = "key") => {
      const orq = new OrqCore({ apiKey, serverURL: url })
      return async (request, options) => {
        const result = await routerChatCompletionsCreate(orq, request, options)
        if (result.ok) {
          return result.value
        }
        throw result.error
      }
    }
  }
]

/** A gateway with a key, and the client on it. */
export const open = (client: Client, script: Testing.Script) =>
  Effect.map(gateway(script, { keys: [Redacted.make("key")] }), (running) => ({
    ...running,
    create: client.make(running)
  }))

/** An answer that is to be a completion. */
export const asCompletion = (response: CreateChatCompletionResponse): CreateChatCompletionResponseBody => {
  if ("choices" in response) {
    return response
  }
  throw new Error("a stream was not expected")
}

/** An answer that is to be a stream. */
export const asStream = (response: CreateChatCompletionResponse): AsyncIterable<Chunk> => {
  if ("choices" in response) {
    throw new Error("a completion was not expected")
  }
  return response
}

/** The text of a completion. */
export const textOf = (response: CreateChatCompletionResponse): unknown =>
  asCompletion(response).choices[0]?.message.content

/** The texts of a stream, one by one. */
export const textsOf = async (response: CreateChatCompletionResponse): Promise<ReadonlyArray<string>> =>
  (await collect(asStream(response))).map(({ data }) => data?.choices[0]?.delta.content ?? "")
