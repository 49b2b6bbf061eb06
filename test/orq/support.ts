/** Ours and the published SDK on one server, and what a call comes to, in a form in which the two can be compared. */
import { OrqCore as PublishedCore } from "@orq-ai/node/core.js"
import { routerChatCompletionsCreate as publishedCreate } from "@orq-ai/node/funcs/routerChatCompletionsCreate.js"
import { Effect } from "effect"
import {
  type ClientOptions,
  Orq,
  OrqCore,
  type RequestOptions,
  routerChatCompletionsCreate
} from "effect-llm-router/Orq"
import * as Testing from "effect-llm-router/Testing"
import { collect } from "../support/sdk.js"

/** A request as both take it. */
export type Input = Parameters<typeof publishedCreate>[1] & Parameters<typeof routerChatCompletionsCreate>[1]

export type Options = Pick<RequestOptions, "timeoutMs" | "retries" | "headers" | "signal" | "serverURL"> & {
  readonly retryCodes?: Array<string>
}

/** A call of a client that is made for it. */
export type Call = (client: ClientOptions, request: Input, options?: Options) => Promise<unknown>

export interface Outcome {
  /** The class of the error, or `undefined`. */
  readonly error: string | undefined
  readonly statusCode?: unknown
  readonly contentType?: unknown
  readonly body?: unknown
  readonly message?: string
  /** The texts of a completion, or of the chunks of a stream. */
  readonly texts?: ReadonlyArray<unknown>
  readonly finishReasons?: ReadonlyArray<unknown>
  readonly usage?: unknown
}

interface Choice {
  readonly finishReason?: unknown
  readonly message?: { readonly content?: unknown }
  readonly delta?: { readonly content?: unknown }
}

const isObject = (u: unknown): u is Record<string, unknown> => typeof u === "object" && u !== null

const choicesOf = (value: unknown): ReadonlyArray<Choice> =>
  isObject(value) && Array.isArray(value.choices) ? value.choices : []

const isEvents = (value: unknown): value is AsyncIterable<{ readonly data: unknown }> =>
  isObject(value) && Symbol.asyncIterator in value

const summary = async (value: unknown): Promise<Outcome> => {
  const all = isEvents(value) ? (await collect(value)).map(({ data }) => data) : [value]
  const choices = all.flatMap(choicesOf)
  const usages = all.flatMap((one) => isObject(one) && one.usage !== undefined ? [one.usage] : [])
  return {
    error: undefined,
    texts: choices.map(({ delta, message }) => message?.content ?? delta?.content).filter((text) => text !== undefined),
    finishReasons: choices.map(({ finishReason }) => finishReason).filter((reason) => typeof reason === "string"),
    usage: usages.at(-1)
  }
}

const failure = (error: unknown): Outcome => {
  if (!(error instanceof Error)) {
    return { error: String(error) }
  }
  const answered = "statusCode" in error
    ? {
      statusCode: error.statusCode,
      contentType: "contentType" in error ? error.contentType : undefined,
      body: "body" in error ? error.body : undefined,
      message: error.message
    }
    : {}
  return { error: error.name, ...answered }
}

/** What a call comes to; a stream is read to its end. */
export const outcome = (run: () => Promise<unknown>): Effect.Effect<Outcome> =>
  Effect.promise(async () => {
    try {
      return await summary(await run())
    } catch (error) {
      return failure(error)
    }
  })

interface Unwrappable {
  readonly ok: boolean
  readonly value?: unknown
  readonly error?: unknown
}

const unwrap = (result: Unwrappable): unknown => {
  if (result.ok) {
    return result.value
  }
  throw result.error
}

/** The published SDK. A fresh client a call: they have no state. */
export const published: Call = async (client, request, options) => {
  const { apiKey, serverURL, timeoutMs } = client
  return unwrap(await publishedCreate(new PublishedCore({ apiKey, serverURL, timeoutMs }), request, options))
}

export const standalone: Call = async (client, request, options) =>
  unwrap(await routerChatCompletionsCreate(new OrqCore(client), request, options))

export const method: Call = (client, request, options) =>
  new Orq(client).router.chat.completions.create(request, options)

/** The two ways to call ours. */
export const ours = [["create", method], ["standalone", standalone]] as const

export const messages: Input["messages"] = [{ role: "user", content: "Hello" }]

/** An event of a stream, as it is on the wire. */
export const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`

/** A chunk of a stream, on the wire. */
export const chunk = (content: string, finish_reason: string | null = null) =>
  event({
    id: "c",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index: 0, delta: { content }, finish_reason }]
  })

/** A stream of events as a server would send it, piece by piece. */
export const events = (
  chunks: ReadonlyArray<string>,
  options: Omit<Testing.RawOptions, "chunks" | "headers" | "body"> = {}
) => Testing.raw({ ...options, headers: { "content-type": "text/event-stream" }, chunks })
