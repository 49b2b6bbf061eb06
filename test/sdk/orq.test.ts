/** The published SDK against the gateway: answers. */
import { assert, describe, it } from "@effect/vitest"
import { Orq } from "@orq-ai/node"
import { OrqCore } from "@orq-ai/node/core.js"
import { routerChatCompletionsCreate } from "@orq-ai/node/funcs/routerChatCompletionsCreate.js"
import { Effect } from "effect"
import * as Testing from "effect-llm-router/Testing"
import { gateway } from "../support/gateway.js"
import { asCompletion, asStream, clients, messages, open, textOf, textsOf } from "../support/orq.js"
import { attempt, collect, twoToolCalls } from "../support/sdk.js"

const usage = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 }

describe("the published example", () => {
  const script = { "openai/gpt-4o": Testing.status(503), "openai/gpt-4o-mini": Testing.completion("Hello") }

  /** Its request, as it stands there. */
  const request = {
    messages: [],
    model: "Model 3",
    fallbacks: [{ model: "openai/gpt-4o-mini" }],
    retry: { onCodes: [429, 500, 502, 504] },
    cache: { ttl: 3600, type: "exact_match" as const },
    loadBalancer: { type: "weight_based" as const, models: [{ model: "openai/gpt-4o", weight: 0.7 }] },
    timeout: { callTimeout: 30_000 }
  }

  const targets = ["openai/gpt-4o", "openai/gpt-4o-mini"]

  it.scopedLive("as a method", () =>
    Effect.gen(function*() {
      const { upstream, url } = yield* gateway(script)
      const orq = new Orq({ apiKey: "key", serverURL: url })
      const result = yield* attempt(() => orq.router.chat.completions.create(request))
      assert.strictEqual(textOf(result), "Hello")
      assert.deepStrictEqual((yield* upstream.calls).map(({ target }) => target), targets)
    }))

  it.scopedLive("as a standalone function", () =>
    Effect.gen(function*() {
      const { upstream, url } = yield* gateway(script)
      const orq = new OrqCore({ apiKey: "key", serverURL: url })
      const result = yield* attempt(() => routerChatCompletionsCreate(orq, request))
      if (!result.ok) {
        throw result.error
      }
      assert.strictEqual(textOf(result.value), "Hello")
      assert.deepStrictEqual((yield* upstream.calls).map(({ target }) => target), targets)
    }))
})

for (const client of clients) {
  describe(client.name, () => {
    it.scopedLive("gives a completion in its own spelling", () =>
      Effect.gen(function*() {
        const { create, upstream } = yield* open(client, { "a/x": Testing.completion("Hello", { usage }) })
        const completion = asCompletion(
          yield* attempt(() => create({ model: "a/x", messages, maxTokens: 5, metadata: { team: "a" } }))
        )
        assert.deepStrictEqual({ ...completion }, {
          id: "chatcmpl-scripted",
          object: "chat.completion",
          created: 1_700_000_000,
          model: "x",
          choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finishReason: "stop" }],
          usage: { promptTokens: 9, completionTokens: 2, totalTokens: 11 }
        } as object)
        const [call] = yield* upstream.calls
        assert.deepStrictEqual(call?.body, {
          model: "x",
          messages,
          max_tokens: 5,
          metadata: { team: "a" },
          stream: false
        })
      }))

    it.scopedLive("gives a stream, with its usage last", () =>
      Effect.gen(function*() {
        const { create } = yield* open(client, { "a/x": Testing.stream(["Hel", "lo"], { usage }) })
        const ask = () => create({ model: "a/x", messages, stream: true, streamOptions: { includeUsage: true } })
        const chunks = (yield* attempt(async () => collect(asStream(await ask())))).map(({ data }) => data)
        assert.deepStrictEqual(chunks.map((chunk) => chunk?.choices[0]?.delta.content), [
          "",
          "Hel",
          "lo",
          undefined,
          undefined
        ])
        assert.strictEqual(chunks.at(-2)?.choices[0]?.finishReason, "stop")
        assert.strictEqual(chunks.at(-1)?.usage?.totalTokens, 11)
      }))

    it.scopedLive("calls tools, and sends their results", () =>
      Effect.gen(function*() {
        const toolCall = {
          id: "call_1",
          type: "function",
          function: { name: "weather", arguments: "{\"city\":\"Zürich\"}" }
        } as const
        const { create, upstream } = yield* open(client, {
          "a/x": [Testing.completion("", { toolCalls: [toolCall] }), Testing.completion("Sunny")]
        })
        const tools = [{
          type: "function" as const,
          function: { name: "weather", parameters: { type: "object" as const, properties: {} } }
        }]
        const first = asCompletion(yield* attempt(() => create({ model: "a/x", messages, tools })))
        const [choice] = first.choices
        assert.strictEqual(choice?.finishReason, "tool_calls")
        assert.deepStrictEqual(choice?.message.toolCalls?.map(({ function: f, id }) => [id, f?.name, f?.arguments]), [
          ["call_1", "weather", toolCall.function.arguments]
        ])
        const second = yield* attempt(() =>
          create({
            model: "a/x",
            tools,
            messages: [
              ...messages,
              { role: "assistant", content: null, toolCalls: [toolCall] },
              { role: "tool", toolCallId: "call_1", content: "sun" }
            ]
          })
        )
        assert.strictEqual(textOf(second), "Sunny")
        const [, sent] = yield* upstream.calls
        assert.deepStrictEqual((sent?.body as { readonly messages: unknown }).messages, [
          ...messages,
          { role: "assistant", content: null, tool_calls: [toolCall] },
          { role: "tool", tool_call_id: "call_1", content: "sun" }
        ])
      }))

    it.scopedLive("reads the calls of tools in a stream", () =>
      Effect.gen(function*() {
        const { create } = yield* open(client, { "a/x": twoToolCalls })
        const chunks = yield* attempt(async () =>
          collect(asStream(await create({ model: "a/x", messages, stream: true })))
        )
        const texts = ["", ""]
        for (const { data } of chunks) {
          for (const { function: f, index } of data?.choices[0]?.delta.toolCalls ?? []) {
            texts[index ?? 0] += f?.arguments ?? ""
          }
        }
        assert.deepStrictEqual(texts, ["{\"city\":\"Zürich\"}", "{\"zone\":\"CET\"}"])
        assert.strictEqual(chunks.at(-1)?.data?.choices[0]?.finishReason, "tool_calls")
      }))

    it.scopedLive("gets structured output", () =>
      Effect.gen(function*() {
        const { create, upstream } = yield* open(client, { "a/x": Testing.completion("{\"city\":\"Zürich\"}") })
        const jsonSchema = { name: "city", schema: { type: "object" } }
        const completion = yield* attempt(() =>
          create({ model: "a/x", messages, responseFormat: { type: "json_schema", jsonSchema } })
        )
        assert.strictEqual(textOf(completion), "{\"city\":\"Zürich\"}")
        const [call] = yield* upstream.calls
        assert.deepStrictEqual((call?.body as { readonly response_format: unknown }).response_format, {
          type: "json_schema",
          json_schema: { ...jsonSchema, strict: false }
        })
      }))
  })
}

/** What a provider says that the schema of the SDK does not know: it would refuse the whole answer. */
describe("an answer that is not as the published API has it", () => {
  const raw = (...choices: ReadonlyArray<unknown>) =>
    Testing.raw({ headers: { "content-type": "application/json" }, body: JSON.stringify({ choices }) })
  const events = (...chunks: ReadonlyArray<unknown>) =>
    Testing.raw({
      headers: { "content-type": "text/event-stream" },
      chunks: chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)
    })
  const said = { content: "Hello" }

  const rows: ReadonlyArray<readonly [name: string, answer: Testing.Answer, finishReason: string]> = [
    ["without an id, a role, an index", raw({ message: said, finish_reason: "stop" }), "stop"],
    ["with `end_turn`", raw({ message: said, finish_reason: "end_turn" }), "stop"],
    ["with `eos`", raw({ message: said, finish_reason: "eos" }), "stop"],
    ["with `max_tokens`", raw({ message: said, finish_reason: "max_tokens" }), "length"],
    ["with `STOP`", raw({ message: said, finish_reason: "STOP" }), "stop"]
  ]
  for (const client of clients) {
    for (const [name, answer, finishReason] of rows) {
      it.scopedLive(`${name}: ${client.name}`, () =>
        Effect.gen(function*() {
          const { create } = yield* open(client, { "a/x": answer })
          const completion = asCompletion(yield* attempt(() => create({ model: "a/x", messages })))
          assert.strictEqual(completion.choices[0]?.message.content, "Hello")
          assert.strictEqual(completion.choices[0]?.finishReason, finishReason)
        }))
    }

    it.scopedLive(`in a stream: ${client.name}`, () =>
      Effect.gen(function*() {
        const { create } = yield* open(client, {
          "a/x": events({ choices: [{ delta: said }] }, { choices: [{ delta: {}, finish_reason: "end_turn" }] })
        })
        const texts = yield* attempt(async () => textsOf(await create({ model: "a/x", messages, stream: true })))
        assert.strictEqual(texts.join(""), "Hello")
      }))
  }
})
