/** This router, with any of its policies, over any transport. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as ChatCompletions from "../../../src/ChatCompletions.js"
import * as CircuitBreaker from "../../../src/policy/CircuitBreaker.js"
import * as Concurrency from "../../../src/policy/Concurrency.js"
import * as RateLimit from "../../../src/policy/RateLimit.js"
import * as ResponseCache from "../../../src/policy/ResponseCache.js"
import * as RetryBudget from "../../../src/policy/RetryBudget.js"
import * as OpenAiCompatible from "../../../src/provider/OpenAiCompatible.js"
import * as Providers from "../../../src/provider/Providers.js"
import * as Transport from "../../../src/Transport.js"
import type { ChatRequest } from "../../../src/wire/ChatRequest.js"
import { apiKey, callTimeout, completed, fromEffect, type Make, messages, model } from "./contender.js"
import { inMemory } from "./memory.js"
import { layerTracer } from "./tracer.js"

/** What a call asks for, policy by policy. `cache` is a miss: no two calls of the bench ask the same. */
export const asked = {
  retry: { retry: { count: 2 } },
  fallbacks: { fallbacks: [{ model: `second/${model}` }] },
  weighted: {
    loadBalancer: {
      type: "weight_based",
      models: [{ model: `first/${model}`, weight: 0.7 }, { model: `third/${model}`, weight: 0.3 }]
    }
  },
  timeout: { timeout: { callTimeout } },
  cache: { cache: { type: "exact_match", ttl: 3600 } }
} as const satisfies Readonly<Record<string, Partial<ChatRequest>>>

/** What a program turns on by a Layer. The limits are never reached. */
export const given = {
  breaker: CircuitBreaker.layer(),
  budget: RetryBudget.layer(),
  concurrency: Concurrency.layer({ limit: 1_000_000 }),
  rateLimit: RateLimit.layerMemory({ requestsPerMinute: RateLimit.maxLimit }),
  tracer: layerTracer
} as const

export type Policy = keyof typeof asked | keyof typeof given

/** What "all policies on" means. */
export const all: ReadonlyArray<Policy> = ["retry", "fallbacks", "weighted", "timeout", "cache"]

const transports = {
  lean: Transport.layerUndici(),
  undici: NodeHttpClient.layerUndici,
  fetch: FetchHttpClient.layer,
  memory: inMemory
} satisfies Readonly<Record<string, Layer.Layer<HttpClient.HttpClient>>>

export type TransportName = keyof typeof transports

const isGiven = (policy: Policy): policy is keyof typeof given => policy in given

export const providersAt = (base: string, names: ReadonlyArray<string>) =>
  Providers.layer(Object.fromEntries(
    names.map((name) => [name, OpenAiCompatible.make({ baseUrl: `${base}/v1`, apiKey: Redacted.make(apiKey) })])
  ))

/** The router over three providers that are one. */
export const routerAt = (base: string, transport: TransportName, policies: ReadonlyArray<Policy>) => {
  const layers: ReadonlyArray<Layer.Layer<never>> = policies.filter(isGiven).map((policy) => given[policy])
  return layers.reduce<Layer.Layer<ChatCompletions.ChatCompletions>>(
    (router, layer) => Layer.provide(router, layer),
    ChatCompletions.layer.pipe(
      Layer.provide([providersAt(base, ["first", "second", "third"]), ResponseCache.layerMemory()]),
      Layer.provide(transports[transport])
    )
  )
}

/** The request of a call. */
export const requestWith = (policies: ReadonlyArray<Policy>) => {
  const routing: Partial<ChatRequest> = Object.assign(
    {},
    ...policies.map((policy) => isGiven(policy) ? {} : asked[policy])
  )
  return (prompt: string): ChatRequest => ({ model: `first/${model}`, messages: messages(prompt), ...routing })
}

export const router =
  (transport: TransportName, policies: ReadonlyArray<Policy>, { repeated = false } = {}): Make => async (base) => {
    // a tracer is around the calls, not around the making of the router
    const tracer = policies.includes("tracer") ? given.tracer : Layer.empty
    const runtime = ManagedRuntime.make(Layer.merge(routerAt(base, transport, policies), tracer))
    const request = requestWith(policies)
    const same = request("The same each time")
    const complete = (prompt: string) =>
      Effect.map(
        ChatCompletions.create(repeated ? same : request(prompt)),
        (completion) => completed(completion.choices[0]!.message.content ?? "")
      )
    const stream = (prompt: string) =>
      Stream.runFold(ChatCompletions.stream(request(prompt)), { text: "", chunks: 0 }, ({ chunks, text }, chunk) => {
        const delta = chunk.choices[0]?.delta.content ?? ""
        return { text: text + delta, chunks: delta === "" ? chunks : chunks + 1 }
      })
    return { complete: fromEffect(runtime, complete), stream: fromEffect(runtime, stream), close: runtime.dispose }
  }
