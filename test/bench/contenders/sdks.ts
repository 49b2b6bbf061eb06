/** The SDKs that people use today, each with the retries, timeout and fallback that it has. */
import { createOpenAI } from "@ai-sdk/openai"
import { ChatOpenAI } from "@langchain/openai"
import { Orq } from "@orq-ai/node"
import { generateText, streamText } from "ai"
import { createRetryableModel, error } from "ai-retry/language-model"
import OpenAI from "openai"
import {
  type Answer,
  apiKey,
  callTimeout,
  completed,
  fromPromise,
  type Make,
  messages,
  model,
  system
} from "./contender.js"

/** The texts of a stream, those that are empty left out. */
const gather = async <A>(
  chunks: AsyncIterable<A>,
  textOf: (chunk: A) => string | null | undefined
): Promise<Answer> => {
  let text = ""
  let count = 0
  for await (const chunk of chunks) {
    const delta = textOf(chunk)
    if (delta) {
      text += delta
      count++
    }
  }
  return { text, chunks: count }
}

export const openai: Make = async (base) => {
  const client = new OpenAI({ apiKey, baseURL: `${base}/v1`, maxRetries: 2, timeout: callTimeout })
  const complete = async (prompt: string) => {
    const { choices } = await client.chat.completions.create({ model, messages: messages(prompt) })
    return completed(choices[0]!.message.content ?? "")
  }
  const stream = async (prompt: string) =>
    gather(
      await client.chat.completions.create({ model, messages: messages(prompt), stream: true }),
      (chunk) => chunk.choices[0]?.delta.content
    )
  return { complete: fromPromise(complete), stream: fromPromise(stream), close: async () => {} }
}

/** The policies are in the request: the hosted router carries them out. */
export const orq: Make = async (base) => {
  const client = new Orq({ apiKey, serverURL: base, timeoutMs: callTimeout, retryConfig: { strategy: "backoff" } })
  const request = (prompt: string) => ({
    model: `openai/${model}`,
    messages: messages(prompt),
    retry: { count: 2 },
    fallbacks: [{ model: `groq/${model}` }]
  })
  const complete = async (prompt: string) => {
    const answer = await client.router.chat.completions.create({ ...request(prompt), stream: false })
    if (!("choices" in answer)) throw new Error("no completion")
    return completed(answer.choices[0]?.message.content ?? "")
  }
  const stream = async (prompt: string) => {
    const answer = await client.router.chat.completions.create({ ...request(prompt), stream: true })
    if ("choices" in answer) throw new Error("no stream")
    return gather(answer, (chunk) => chunk.data?.choices[0]?.delta.content)
  }
  return { complete: fromPromise(complete), stream: fromPromise(stream), close: async () => {} }
}

export const ai: Make = async (base) => {
  const provider = createOpenAI({ apiKey, baseURL: `${base}/v1` })
  const retryable = createRetryableModel({
    model: provider.chat(model),
    retries: [error.isRetryable(true).retry({ delay: 1_000, backoffFactor: 2 }), provider.chat(`second-${model}`)]
  })
  const options = (prompt: string) => ({
    model: retryable,
    system,
    prompt,
    maxRetries: 0,
    abortSignal: AbortSignal.timeout(callTimeout)
  })
  const complete = async (prompt: string) => completed((await generateText(options(prompt))).text)
  const stream = (prompt: string) => gather(streamText(options(prompt)).textStream, (delta) => delta)
  return { complete: fromPromise(complete), stream: fromPromise(stream), close: async () => {} }
}

export const langchain: Make = async (base) => {
  const chat = (model: string) =>
    new ChatOpenAI({ apiKey, model, maxRetries: 2, timeout: callTimeout, configuration: { baseURL: `${base}/v1` } })
  const chain = chat(model).withFallbacks([chat(`second-${model}`)])
  const complete = async (prompt: string) => completed((await chain.invoke(messages(prompt))).text)
  const stream = async (prompt: string) => gather(await chain.stream(messages(prompt)), (chunk) => chunk.text)
  return { complete: fromPromise(complete), stream: fromPromise(stream), close: async () => {} }
}
