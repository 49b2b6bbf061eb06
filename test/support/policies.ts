/**
 * What the tests of single policies ask for, and the parts that streamed answers are made of.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Testing from "../../src/Testing.js"

export const url = Testing.baseUrl("p")

/** Asks for a completion. */
export const plain = HttpClientRequest.get(url)

export const streamed = HttpClientRequest.accept(plain, "text/event-stream")

export const event = (json: unknown): string => `data: ${typeof json === "string" ? json : JSON.stringify(json)}\n\n`

export const choice = (delta: unknown, finishReason: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason: finishReason }]
})

/** An event without content. */
export const role = event(choice({ role: "assistant", content: "" }))

export const text = (content: string) => event(choice({ content }))

export const finish = event(choice({}, "stop"))

export const done = event("[DONE]")

/** A comment, which keeps a connection alive. */
export const ping = ": ping\n\n"

/** One event a read. */
export const events = (
  chunks: ReadonlyArray<string>,
  options: Omit<Testing.RawOptions, "chunks" | "body"> = {}
) => Testing.raw({ headers: { "content-type": "text/event-stream" }, ...options, chunks })

/** A cache of its own. */
export const withMemory = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, ResponseCache.layerMemory())
