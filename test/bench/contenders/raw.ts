/** What a careful program does by hand: `undici.request` and `fetch`, the body read and parsed, the events of a stream split. */
import * as Cockatiel from "cockatiel"
import { TextDecoder } from "node:util"
import { Agent, request } from "undici"
import { type Answer, apiKey, callTimeout, completed, fromPromise, type Make, messages, model } from "./contender.js"

const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" }

const bodyOf = (prompt: string, stream: boolean): string =>
  JSON.stringify({ model, messages: messages(prompt), stream })

interface Completion {
  readonly choices: ReadonlyArray<{ readonly message: { readonly content: string } }>
}

interface Chunk {
  readonly choices: ReadonlyArray<{ readonly delta: { readonly content?: string } }>
}

/** Splits a stream into its events without looking at a byte twice. */
const readEvents = async (parts: AsyncIterable<Uint8Array>): Promise<Answer> => {
  const decoder = new TextDecoder()
  let rest = ""
  let text = ""
  let chunks = 0
  for await (const part of parts) {
    const all = rest + decoder.decode(part, { stream: true })
    let from = 0
    for (let end = all.indexOf("\n\n", from); end >= 0; end = all.indexOf("\n\n", from)) {
      const data = all.slice(from + 6, end)
      from = end + 2
      if (data === "[DONE]") continue
      const delta = (JSON.parse(data) as Chunk).choices[0]?.delta.content
      if (delta) {
        text += delta
        chunks++
      }
    }
    rest = all.slice(from)
  }
  return { text, chunks }
}

const textOf = (body: unknown): Answer => completed((body as Completion).choices[0]!.message.content)

/** Whether a router in between is told of its options by further headers and members. */
export interface Extras {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Readonly<Record<string, unknown>>
}

const raw = (base: string, extras: Extras = {}) => {
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 })
  const url = `${base}/v1/chat/completions`
  const own = { ...headers, ...extras.headers }
  const send = async (prompt: string, stream: boolean) => {
    const body = extras.body === undefined
      ? bodyOf(prompt, stream)
      : JSON.stringify({ model, messages: messages(prompt), stream, ...extras.body })
    const { body: answer, statusCode } = await request(url, { method: "POST", headers: own, body, dispatcher })
    if (statusCode !== 200) throw new Error(`status ${statusCode}: ${await answer.text()}`)
    return answer
  }
  return {
    complete: async (prompt: string) => textOf(await (await send(prompt, false)).json()),
    stream: async (prompt: string) => readEvents(await send(prompt, true)),
    close: () => dispatcher.close()
  }
}

export const makeUndici = async (base: string, extras?: Extras) => {
  const { close, complete, stream } = raw(base, extras)
  return { complete: fromPromise(complete), stream: fromPromise(stream), close }
}

/** Retry, fallback and timeout by `cockatiel`. A stream is out of its sight once its headers are there. */
export const cockatiel: Make = async (base) => {
  const { close, complete } = raw(base)
  const retry = Cockatiel.retry(Cockatiel.handleAll, { maxAttempts: 2, backoff: new Cockatiel.ExponentialBackoff() })
  const timeout = Cockatiel.timeout(callTimeout, Cockatiel.TimeoutStrategy.Aggressive)
  const attempts = Cockatiel.wrap(retry, timeout)
  const call = (prompt: string) => {
    const second = Cockatiel.fallback(Cockatiel.handleAll, () => attempts.execute(() => complete(prompt)))
    return second.execute(() => attempts.execute(() => complete(prompt))) as Promise<Answer>
  }
  return { complete: fromPromise(call), close }
}

export const fetched: Make = async (base) => {
  const url = `${base}/v1/chat/completions`
  const send = async (prompt: string, stream: boolean) => {
    const response = await fetch(url, { method: "POST", headers, body: bodyOf(prompt, stream) })
    if (response.status !== 200) throw new Error(`status ${response.status}`)
    return response
  }
  return {
    complete: fromPromise(async (prompt) => textOf(await (await send(prompt, false)).json())),
    stream: fromPromise(async (prompt) => readEvents((await send(prompt, true)).body!)),
    close: async () => {}
  }
}
