import { LanguageModel, Prompt, Tool, Toolkit } from "@effect/ai"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { ChatCompletions, OpenAiCompatible, Providers, ResponseCache } from "effect-llm-router"
import * as RouterLanguageModel from "effect-llm-router/RouterLanguageModel"
import * as Testing from "effect-llm-router/Testing"
import { choice, done, event, events, text } from "./support/policies.js"

const Weather = Tool.make("weather", { parameters: { city: Schema.String }, success: Schema.Number })
const toolkit = Toolkit.make(Weather)

const call = event(choice({
  tool_calls: [{ index: 0, id: "call_1", function: { name: "weather", arguments: "{\"city\":\"Zürich\"}" } }]
}))

const script: Testing.Script = {
  "a/x": Testing.status(503),
  "b/x": [
    events([text("Wait. "), call, event(choice({}, "tool_calls")), done]),
    Testing.completion("21 °C", { usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 } })
  ],
  "c/x": Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "stall" } })
}

/** The language model over providers on real sockets. */
const model = RouterLanguageModel.layer({ model: "a/x", config: { fallbacks: [{ model: "b/x" }] } }).pipe(
  Layer.provide(ChatCompletions.layer),
  Layer.provide([
    Layer.unwrapEffect(Effect.map(Testing.Server, (server) =>
      Providers.layer(Object.fromEntries(
        ["a", "b", "c"].map((name) => [name, OpenAiCompatible.make({ baseUrl: server.baseUrl(name) })])
      )))),
    ResponseCache.layerMemory()
  ]),
  Layer.provide(NodeHttpClient.layerUndici),
  Layer.provideMerge(Testing.layerServer(script))
)

describe("RouterLanguageModel over sockets", () => {
  it.scopedLive("streams a tool call, runs the tool, and answers with its result", () =>
    Effect.gen(function*() {
      const prompt = Prompt.make("Weather?")
      const parts = yield* Effect.map(
        Stream.runCollect(LanguageModel.streamText({ prompt, toolkit })),
        Chunk.toReadonlyArray
      )
      assert.deepStrictEqual(parts.flatMap((part) => part.type === "tool-result" ? [part.result] : []), [21])
      assert.deepStrictEqual(RouterLanguageModel.route(parts)?.attempts.map(({ target }) => target), ["a/x", "b/x"])
      const answer = yield* LanguageModel.generateText({
        prompt: Prompt.merge(prompt, Prompt.fromResponseParts(parts)),
        toolkit
      })
      assert.strictEqual(answer.text, "21 °C")
      assert.strictEqual(answer.usage.totalTokens, 12)
      const calls = yield* Testing.calls
      assert.deepStrictEqual((calls.at(-1)?.body as { readonly messages: unknown }).messages, [
        { role: "user", content: "Weather?" },
        {
          role: "assistant",
          content: "Wait. ",
          tool_calls: [{
            id: "call_1",
            type: "function",
            function: { name: "weather", arguments: "{\"city\":\"Zürich\"}" }
          }]
        },
        { role: "tool", tool_call_id: "call_1", content: "21" }
      ])
    }).pipe(
      Effect.provide(toolkit.toLayer({ weather: () => Effect.succeed(21) })),
      Effect.provide(model)
    ))

  it.scopedLive("leaving a stream closes the socket", () =>
    Effect.gen(function*() {
      const stream = LanguageModel.streamText({ prompt: "Hello" }).pipe(
        Stream.provideService(RouterLanguageModel.Config, { model: "c/x" })
      )
      const fiber = yield* Effect.fork(Stream.runDrain(stream))
      yield* Testing.awaitCall(0)
      yield* Fiber.interrupt(fiber)
      yield* Testing.awaitAborted(0)
      yield* Stream.runDrain(Stream.takeUntil(stream, (part) => part.type === "text-delta"))
      yield* Testing.awaitAborted(1)
      assert.strictEqual(yield* Testing.open, 0)
    }).pipe(Effect.provide(model)))
})
