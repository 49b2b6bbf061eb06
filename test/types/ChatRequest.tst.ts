import type * as Either from "effect/Either"
import type * as Schema from "effect/Schema"
import { describe, expect, test } from "tstyche"
import type * as RouterError from "../../src/RouterError.js"
import * as ChatRequest from "../../src/wire/ChatRequest.js"

type Request = ChatRequest.ChatRequest

const base = { model: "openai/gpt-4o", messages: [] } as const

const accept = (_request: Request): void => {}

describe("ChatRequest", () => {
  test("the published example is a request", () => {
    expect(accept).type.toBeCallableWith({
      messages: [],
      model: "Model 3",
      fallbacks: [{ model: "openai/gpt-4o-mini" }],
      retry: { onCodes: [429, 500, 502, 503, 504] },
      cache: { ttl: 3600, type: "exact_match" },
      loadBalancer: { type: "weight_based", models: [{ model: "openai/gpt-4o", weight: 0.7 }] },
      timeout: { callTimeout: 30000 }
    })
  })

  test("a request with every kind of message is a request", () => {
    expect(accept).type.toBeCallableWith({
      ...base,
      messages: [
        { role: "system", content: "s" },
        { role: "developer", content: [{ type: "text", text: "d", cacheControl: { type: "ephemeral", ttl: "1h" } }] },
        {
          role: "user",
          name: "Ada",
          content: [
            { type: "text", text: "t" },
            { type: "image_url", imageUrl: { url: "https://example.com/a.png", detail: "low" } },
            { type: "input_audio", inputAudio: { data: "AA==", format: "wav" } },
            { type: "file", file: { fileData: "AA==", mimeType: "application/pdf", filename: "a.pdf" } }
          ]
        },
        {
          role: "assistant",
          content: null,
          toolCalls: [{ id: "1", type: "function", function: { name: "f", arguments: "{}" } }]
        },
        { role: "tool", toolCallId: "1", content: "42" }
      ],
      variables: { name: "Ada", nested: { a: [1] } },
      metadata: { team: "blue" },
      temperature: null,
      stop: ["a"],
      reasoningEffort: "max",
      thinking: { type: "enabled", budgetTokens: 1024 },
      tools: [{ function: { name: "f", parameters: { type: "object" } } }],
      toolChoice: { type: "function", function: { name: "f" } },
      responseFormat: { type: "json_schema", jsonSchema: { name: "n", schema: { type: "object" } } },
      guardrails: [{ id: "orq_pii_detection", executeOn: "input" }],
      plugins: [{ id: "pii_redaction", entityThresholds: { EMAIL: 0.5 } }],
      prompt: { id: "p" },
      orq: { inputs: [{ key: "a", value: 1, isPii: true }], retry: { count: 1 } }
    })
  })

  test("what a prompt gives may be left out, and nothing else may", () => {
    expect(accept).type.toBeCallableWith({ prompt: { id: "p" } })
    expect(accept).type.toBeCallableWith({ prompt: { id: "p", version: "2" }, messages: [], variables: { a: 1 } })
    expect(accept).type.toBeCallableWith({ prompt: { id: "p" }, model: "openai/gpt-4o" })
    expect(accept).type.toBeCallableWith({ orq: { prompt: { id: "p" }, inputs: { a: 1 } } })
    expect(accept).type.not.toBeCallableWith({ model: "openai/gpt-4o" })
    expect(accept).type.not.toBeCallableWith({ orq: { inputs: { a: 1 } } })
    expect(accept).type.not.toBeCallableWith({ prompt: { version: "2" } })
    expect(accept).type.not.toBeCallableWith({ prompt: { id: "p" }, retry: { cuont: 2 } })
    expect(accept).type.not.toBeCallableWith({ prompt: { id: "p" }, retries: { count: 2 } })
  })

  test("members may be undefined", () => {
    expect(accept).type.toBeCallableWith({ ...base, retry: undefined, cache: undefined, temperature: undefined })
  })

  test("a typing error in a member does not compile", () => {
    expect(accept).type.not.toBeCallableWith({ ...base, retries: { count: 2 } })
    expect(accept).type.not.toBeCallableWith({ ...base, retry: { cuont: 2 } })
    expect(accept).type.not.toBeCallableWith({ ...base, retry: { count: 2, on_codes: [429] } })
    expect(accept).type.not.toBeCallableWith({ ...base, timeout: { callTimeuot: 1 } })
    expect(accept).type.not.toBeCallableWith({ ...base, max_tokens: 1 })
  })

  test("a member of another type does not compile", () => {
    expect(accept).type.not.toBeCallableWith({ ...base, retry: { count: "2" } })
    expect(accept).type.not.toBeCallableWith({ ...base, cache: { ttl: 5 } })
    expect(accept).type.not.toBeCallableWith({ ...base, cache: { type: "semantic" } })
    expect(accept).type.not.toBeCallableWith({ ...base, loadBalancer: { models: [{ model: "a/b" }] } })
    expect(accept).type.not.toBeCallableWith({
      ...base,
      loadBalancer: { type: "weight_based", models: [{ model: "a/b", weight: "0.5" }] }
    })
    expect(accept).type.not.toBeCallableWith({ ...base, timeout: { callTimeout: "1 second" } })
    expect(accept).type.not.toBeCallableWith({ ...base, fallbacks: ["a/b"] })
    expect(accept).type.not.toBeCallableWith({ ...base, retry: null })
    expect(accept).type.not.toBeCallableWith({ ...base, reasoningEffort: "extreme" })
    expect(accept).type.not.toBeCallableWith({ messages: [] })
  })

  test("a wrong message does not compile", () => {
    expect(accept).type.not.toBeCallableWith({ ...base, messages: [{ role: "function", content: "x" }] })
    expect(accept).type.not.toBeCallableWith({ ...base, messages: [{ role: "user" }] })
    expect(accept).type.not.toBeCallableWith({ ...base, messages: [{ role: "tool", content: "x" }] })
    expect(accept).type.not.toBeCallableWith({
      ...base,
      messages: [{ role: "system", content: [{ type: "image_url", imageUrl: { url: "https://example.com" } }] }]
    })
    expect(accept).type.not.toBeCallableWith({
      ...base,
      messages: [{ role: "user", content: [{ type: "video", text: "x" }] }]
    })
    expect(accept).type.not.toBeCallableWith({
      ...base,
      messages: [{ role: "user", content: [{ type: "text", txt: "x" }] }]
    })
  })

  test("the schema changes nothing between its sides, and the functions are typed", () => {
    expect<Schema.Schema.Encoded<typeof ChatRequest.ChatRequest>>().type.toBe<
      Schema.Schema.Type<typeof ChatRequest.ChatRequest>
    >()
    expect(ChatRequest.validate(0)).type.toBe<Either.Either<Request, RouterError.InvalidRequest>>()
    expect(ChatRequest.fromWire(0)).type.toBe<Either.Either<Request, RouterError.InvalidRequest>>()
    expect(ChatRequest.Wire).type.toBe<Schema.Schema<Request, unknown>>()
  })
})
