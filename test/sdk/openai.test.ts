/** The official client of OpenAI against the gateway. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Testing from "effect-llm-router/Testing"
import OpenAI from "openai"
import { ContentFilterFinishReasonError, LengthFinishReasonError } from "openai/error"
import { gateway } from "../support/gateway.js"
import { attempt, collect, rejects, twoToolCalls } from "../support/sdk.js"

const messages: Array<OpenAI.ChatCompletionMessageParam> = [{ role: "user", content: "Hello" }]
const usage = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 }

const open = (script: Testing.Script) =>
  Effect.map(gateway(script, { keys: [Redacted.make("key")], models: ["a/x", "b/y/z"] }), (running) => ({
    ...running,
    client: new OpenAI({ apiKey: "key", baseURL: `${running.url}/v1`, maxRetries: 0 })
  }))

const weather = {
  name: "weather",
  description: "of a city",
  parameters: { type: "object" as const, properties: { city: { type: "string" as const } }, required: ["city"] }
}

const call = {
  id: "call_1",
  type: "function",
  function: { name: "weather", arguments: "{\"city\":\"Zürich\"}" }
} as const

describe("create", () => {
  it.scopedLive("gives a completion, its id and its headers", () =>
    Effect.gen(function*() {
      const { client, upstream } = yield* open({ "a/x": Testing.completion("Hello, Ada", { usage }) })
      const { data, request_id, response } = yield* attempt(() =>
        client.chat.completions.create({ model: "a/x", messages, temperature: 0.5, seed: 7 }).withResponse()
      )
      assert.deepStrictEqual({ ...data }, {
        id: "chatcmpl-scripted",
        object: "chat.completion",
        created: 1_700_000_000,
        model: "x",
        choices: [{ index: 0, message: { role: "assistant", content: "Hello, Ada" }, finish_reason: "stop" }],
        usage
      } as object)
      assert.match(request_id ?? "", /^req_[0-9a-f]{32}$/)
      assert.strictEqual(response.headers.get("x-router-model"), "a/x")
      const [sent] = yield* upstream.calls
      assert.deepStrictEqual(sent?.body, { model: "x", messages, temperature: 0.5, seed: 7, stream: false })
      assert.isUndefined(sent?.headers.authorization)
    }))
})

describe("a stream", () => {
  it.scopedLive("is iterated, and has its usage when it is asked for", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ "a/x": Testing.stream(["Hel", "lo"], { usage }) })
      const read = (include_usage: boolean) =>
        attempt(async () =>
          collect(
            await client.chat.completions.create({
              model: "a/x",
              messages,
              stream: true,
              stream_options: { include_usage }
            })
          )
        )
      const chunks = yield* read(true)
      assert.strictEqual(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join(""), "Hello")
      assert.strictEqual(chunks.at(-2)?.choices[0]?.finish_reason, "stop")
      assert.deepStrictEqual(chunks.at(-1)?.usage, usage)
      assert.isUndefined((yield* read(false)).find((chunk) => chunk.usage))
    }))

  it.scopedLive("is put together by the client's helper", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ "a/x": Testing.stream(["Hel", "lo"], { usage }) })
      const stream = client.chat.completions.stream({ model: "a/x", messages, stream_options: { include_usage: true } })
      assert.strictEqual(yield* attempt(() => stream.finalContent()), "Hello")
      const completion = yield* attempt(() => stream.finalChatCompletion())
      assert.strictEqual(completion.choices[0]?.finish_reason, "stop")
      assert.deepStrictEqual(completion.usage, usage)
    }))
})

describe("tools", () => {
  it.scopedLive("are called, and their results are sent back", () =>
    Effect.gen(function*() {
      const { client, upstream } = yield* open({
        "a/x": [Testing.completion("", { toolCalls: [call] }), Testing.completion("Sunny")]
      })
      const asked: Array<unknown> = []
      const runner = client.chat.completions.runTools({
        model: "a/x",
        messages,
        tools: [{
          type: "function",
          function: {
            ...weather,
            parse: (text: string) => JSON.parse(text) as object,
            function: (input: object) => {
              asked.push(input)
              return "sun"
            }
          }
        }]
      })
      assert.strictEqual(yield* attempt(() => runner.finalContent()), "Sunny")
      assert.deepStrictEqual(asked, [{ city: "Zürich" }])
      const [, second] = yield* upstream.calls
      assert.deepStrictEqual((second?.body as { readonly messages: unknown }).messages, [
        ...messages,
        // the members that the client adds to what it got are not ours to take away
        {
          role: "assistant",
          content: null,
          parsed: null,
          tool_calls: [{ ...call, function: { ...call.function, parsed_arguments: null } }]
        },
        { role: "tool", tool_call_id: "call_1", content: "sun" }
      ])
    }))

  it.scopedLive("that are called in a stream have their arguments whole", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ "a/x": twoToolCalls })
      const stream = client.chat.completions.stream({
        model: "a/x",
        messages,
        tools: [{ type: "function", function: weather }]
      })
      const { message } = (yield* attempt(() => stream.finalChatCompletion())).choices[0]!
      assert.deepStrictEqual(
        message.tool_calls?.map((one) =>
          one.type === "function" && [one.id, one.function.name, one.function.arguments]
        ),
        [["call_1", "weather", "{\"city\":\"Zürich\"}"], ["call_2", "time", "{\"zone\":\"CET\"}"]]
      )
    }))

  it.scopedLive("are run over streams", () =>
    Effect.gen(function*() {
      const { client, upstream } = yield* open({ "a/x": [twoToolCalls, Testing.stream(["Sun", "ny"])] })
      const run = { parse: (text: string) => JSON.parse(text) as object, function: () => "sun", parameters: {} }
      const runner = client.chat.completions.runTools({
        model: "a/x",
        messages,
        stream: true,
        tools: ["weather", "time"].map((name) => ({
          type: "function" as const,
          function: { ...run, name, description: name }
        }))
      })
      assert.strictEqual(yield* attempt(() => runner.finalContent()), "Sunny")
      const [, second] = yield* upstream.calls
      assert.deepStrictEqual(
        (second?.body as { readonly messages: ReadonlyArray<{ readonly role: string }> }).messages.map((_) => _.role),
        ["user", "assistant", "tool", "tool"]
      )
    }))
})

describe("structured output", () => {
  const response_format = {
    type: "json_schema",
    json_schema: {
      name: "city",
      strict: true,
      schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
    }
  } as const

  it.scopedLive("is parsed", () =>
    Effect.gen(function*() {
      const { client, upstream } = yield* open({ "a/x": Testing.completion("{\"city\":\"Zürich\"}") })
      const completion = yield* attempt(() =>
        client.chat.completions.parse({ model: "a/x", messages, response_format })
      )
      assert.deepStrictEqual(completion.choices[0]?.message.parsed, { city: "Zürich" } as object)
      const [sent] = yield* upstream.calls
      assert.deepStrictEqual(
        (sent?.body as { readonly response_format: unknown }).response_format,
        response_format
      )
    }))

  it.scopedLive("that was cut off, or filtered, is an error of the client", () =>
    Effect.gen(function*() {
      const { client } = yield* open({
        "a/x": Testing.completion("{\"ci", { finishReason: "length" }),
        "b/y": Testing.completion("", { finishReason: "content_filter" })
      })
      yield* rejects(
        LengthFinishReasonError,
        () => client.chat.completions.parse({ model: "a/x", messages, response_format })
      )
      yield* rejects(
        ContentFilterFinishReasonError,
        () => client.chat.completions.parse({ model: "b/y", messages, response_format })
      )
    }))
})

describe("models", () => {
  it.scopedLive("are listed, and retrieved one by one", () =>
    Effect.gen(function*() {
      const { client } = yield* open({ "a/x": Testing.hang })
      const models = yield* attempt(() => collect(client.models.list()))
      assert.deepStrictEqual(models.map(({ id, owned_by }) => [id, owned_by]), [["a/x", "a"], ["b/y/z", "b"]])
      const model = yield* attempt(() => client.models.retrieve("b/y/z"))
      assert.deepStrictEqual({ ...model }, { ...models[1]! })
      const error = yield* rejects(OpenAI.NotFoundError, () => client.models.retrieve("b/y"))
      assert.strictEqual(error.code, "model_not_found")
    }))
})
