/** The client of `@effect/platform` as it is, and its events read by `@effect/experimental`, as its documentation shows. */
import * as Sse from "@effect/experimental/Sse"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import * as Transport from "../../../src/Transport.js"
import { apiKey, completed, fromEffect, type Make, messages, model } from "./contender.js"

const over = (transport: Layer.Layer<HttpClient.HttpClient>): Make => async (base) => {
  const runtime = ManagedRuntime.make(transport)
  const send = (prompt: string, stream: boolean) =>
    HttpClientRequest.post(`${base}/v1/chat/completions`).pipe(
      HttpClientRequest.bearerToken(apiKey),
      HttpClientRequest.bodyUnsafeJson({ model, messages: messages(prompt), stream }),
      HttpClient.execute
    )
  const complete = (prompt: string) =>
    Effect.map(Effect.flatMap(send(prompt, false), (response) => response.json), (body) => {
      const { choices } = body as {
        readonly choices: ReadonlyArray<{ readonly message: { readonly content: string } }>
      }
      return completed(choices[0]!.message.content)
    })
  const deltaOf = ({ data }: Sse.Event): string => {
    if (data === "[DONE]") return ""
    const { choices } = JSON.parse(data) as {
      readonly choices: ReadonlyArray<{ readonly delta: { readonly content?: string } }>
    }
    return choices[0]?.delta.content ?? ""
  }
  const stream = (prompt: string) =>
    Effect.flatMap(send(prompt, true), (response) =>
      response.stream.pipe(
        Stream.decodeText(),
        Stream.pipeThroughChannel(Sse.makeChannel()),
        Stream.map(deltaOf),
        Stream.runFold({ text: "", chunks: 0 }, ({ chunks, text }, delta) => ({
          text: text + delta,
          chunks: delta === "" ? chunks : chunks + 1
        }))
      ))
  return { complete: fromEffect(runtime, complete), stream: fromEffect(runtime, stream), close: runtime.dispose }
}

export const undici: Make = over(NodeHttpClient.layerUndici)
export const fetched: Make = over(FetchHttpClient.layer)
export const lean: Make = over(Transport.layerUndici())
