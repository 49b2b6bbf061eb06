import type * as Layer from "effect/Layer"
import type * as ManagedRuntime from "effect/ManagedRuntime"
import { describe, expect, test } from "tstyche"
import type * as ChatCompletions from "../../src/ChatCompletions.js"
import * as Orq from "../../src/Orq.js"
import type * as ResponseCache from "../../src/policy/ResponseCache.js"

declare const orq: Orq.Orq

const request = { model: "openai/gpt-4o", messages: [] } as const

type Router = ChatCompletions.ChatCompletions

describe("Orq", () => {
  test("create gives what stream says", () => {
    const { create } = orq.router.chat.completions
    expect(create(request)).type.toBe<Promise<ChatCompletions.RoutedCompletion>>()
    expect(create({ ...request, stream: false })).type.toBe<Promise<ChatCompletions.RoutedCompletion>>()
    expect(create({ ...request, stream: true })).type.toBe<Promise<Orq.EventStream>>()
    expect(create({ ...request, stream: Boolean(1) })).type.toBe<
      Promise<ChatCompletions.RoutedCompletion | Orq.EventStream>
    >()
  })

  test("the published example is a request", () => {
    expect(orq.router.chat.completions.create).type.toBeCallableWith({
      messages: [],
      model: "Model 3",
      fallbacks: [{ model: "openai/gpt-4o-mini" }],
      retry: { onCodes: [429, 500, 502, 503, 504] },
      cache: { ttl: 3600, type: "exact_match" },
      loadBalancer: { type: "weight_based", models: [{ model: "openai/gpt-4o", weight: 0.7 }] },
      timeout: { callTimeout: 30000 }
    })
    expect(orq.router.chat.completions.create).type.not.toBeCallableWith({ messages: [], model: 3 })
    expect(orq.router.chat.completions.create).type.not.toBeCallableWith({ ...request, retry: { count: "3" } })
  })

  test("an event holds its chunk as data", async () => {
    for await (const event of await orq.router.chat.completions.create({ ...request, stream: true })) {
      expect(event.data).type.toBe<ChatCompletions.RoutedChunk>()
    }
  })

  test("options", () => {
    expect(orq.router.chat.completions.create).type.toBeCallableWith(request, {
      timeoutMs: 1000,
      retries: { strategy: "backoff", retryConnectionErrors: true },
      retryCodes: ["5XX"],
      serverURL: new URL("http://localhost"),
      headers: { a: "b" },
      signal: AbortSignal.timeout(1),
      fetchOptions: { headers: [["a", "b"]], cache: "no-store" }
    })
    expect(orq.router.chat.completions.create).type.not.toBeCallableWith(request, { retries: { strategy: "often" } })
    expect(orq.router.chat.completions.create).type.not.toBeCallableWith(request, { fetchOptions: { method: "GET" } })
  })

  test("a router is a Layer that lacks nothing, or a runtime", () => {
    type Options = ConstructorParameters<typeof Orq.Orq>[0]
    expect<{ router: Layer.Layer<Router, Error> }>().type.toBeAssignableTo<Options>()
    expect<{ router: Layer.Layer<Router | ResponseCache.ResponseCache> }>().type.toBeAssignableTo<Options>()
    expect<{ router: ManagedRuntime.ManagedRuntime<Router, Error> }>().type.toBeAssignableTo<Options>()
    expect<{ router: Layer.Layer<Router, never, ResponseCache.ResponseCache> }>().type.not.toBeAssignableTo<Options>()
    expect<{ router: Layer.Layer<ResponseCache.ResponseCache> }>().type.not.toBeAssignableTo<Options>()
  })

  test("the function gives a value or an error", async () => {
    const result = await Orq.routerChatCompletionsCreate(orq, request)
    if (result.ok) {
      expect(result.value).type.toBe<ChatCompletions.RoutedCompletion>()
    } else {
      expect(result.error).type.toBe<Orq.CallError>()
    }
    expect(Orq.routerChatCompletionsCreate(orq, { ...request, stream: true })).type.toBe<
      Promise<Orq.Result<Orq.EventStream>>
    >()
  })

  test("errors are one tree", () => {
    expect<Orq.APIError>().type.toBeAssignableTo<Orq.OrqError>()
    expect<Orq.ResponseValidationError>().type.toBeAssignableTo<Orq.OrqError>()
    expect<Orq.ConnectionError>().type.toBeAssignableTo<Orq.HTTPClientError>()
    expect<Orq.errors.APIError>().type.toBe<Orq.APIError>()
  })
})
