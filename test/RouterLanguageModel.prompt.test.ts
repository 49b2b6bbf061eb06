import { AiError, LanguageModel, Prompt, Response } from "@effect/ai"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Prompts } from "effect-llm-router"
import * as RouterLanguageModel from "effect-llm-router/RouterLanguageModel"
import * as Testing from "effect-llm-router/Testing"
import { scripted } from "./support/router.js"

const model = Layer.provideMerge(
  RouterLanguageModel.layer({ model: "a/x" }),
  scripted({ "a/x": Testing.completion("Hello") })
)

/** The messages that go out for a prompt. */
const messagesFor = (prompt: Prompt.RawInput) =>
  Effect.gen(function*() {
    yield* LanguageModel.generateText({ prompt })
    const [call] = yield* Testing.calls
    return (call?.body as { readonly messages: unknown }).messages
  }).pipe(Effect.provide(model))

const bytes = new Uint8Array([1, 2, 3])
const call = { type: "tool-call", id: "call_1", name: "weather", params: { city: "Bern" } } as const
const result = (value: unknown) => ({
  type: "tool-result" as const,
  id: "call_1",
  name: "weather",
  isFailure: false,
  result: value,
  providerExecuted: false
})
const wireCall = {
  id: "call_1",
  type: "function",
  function: { name: "weather", arguments: "{\"city\":\"Bern\"}" }
}

const files: ReadonlyArray<readonly [name: string, part: Prompt.FilePartEncoded, sent: unknown]> = [
  [
    "an image as bytes, of no certain type",
    { type: "file", mediaType: "image/*", data: bytes },
    { type: "image_url", image_url: { url: "data:image/jpeg;base64,AQID" } }
  ],
  [
    "an image as base64, with its detail",
    { type: "file", mediaType: "image/png", data: "AQID", options: { router: { imageDetail: "low" } } },
    { type: "image_url", image_url: { url: "data:image/png;base64,AQID", detail: "low" } }
  ],
  [
    "an image as a data URL",
    { type: "file", mediaType: "image/png", data: "data:image/png;base64,AQID" },
    { type: "image_url", image_url: { url: "data:image/png;base64,AQID" } }
  ],
  [
    "an image by its address",
    { type: "file", mediaType: "image/png", data: new URL("https://example.com/a.png") },
    { type: "image_url", image_url: { url: "https://example.com/a.png" } }
  ],
  [
    "audio",
    { type: "file", mediaType: "audio/mpeg", data: bytes },
    { type: "input_audio", input_audio: { data: "AQID", format: "mp3" } }
  ],
  [
    "audio as a data URL",
    { type: "file", mediaType: "audio/wav; codecs=1", data: "data:audio/wav;base64,AQID" },
    { type: "input_audio", input_audio: { data: "AQID", format: "wav" } }
  ],
  [
    "a document as bytes",
    { type: "file", mediaType: "application/pdf", data: bytes },
    { type: "file", file: { file_data: "data:application/pdf;base64,AQID", filename: "part-1.pdf" } }
  ],
  [
    "a document with a name",
    { type: "file", mediaType: "application/pdf", data: "AQID", fileName: "report.pdf" },
    { type: "file", file: { file_data: "data:application/pdf;base64,AQID", filename: "report.pdf" } }
  ],
  [
    "a document by its address",
    { type: "file", mediaType: "application/pdf", data: new URL("https://example.com/a.pdf") },
    { type: "file", file: { uri: "https://example.com/a.pdf", mimeType: "application/pdf" } }
  ]
]

const conversations: ReadonlyArray<readonly [name: string, prompt: Prompt.RawInput, sent: unknown]> = [
  ["a text", "Hello", [{ role: "user", content: "Hello" }]],
  [
    "texts of the system and the user",
    [{ role: "system", content: "Be kind." }, {
      role: "user",
      content: [{ type: "text", text: "a" }, { type: "text", text: "b" }]
    }],
    [{ role: "system", content: "Be kind." }, {
      role: "user",
      content: [{ type: "text", text: "a" }, { type: "text", text: "b" }]
    }]
  ],
  [
    "marks for a provider's own cache",
    [
      { role: "system", content: "Be kind.", options: { router: { cacheControl: { type: "ephemeral" } } } },
      {
        role: "user",
        content: [{
          type: "text",
          text: "a",
          options: { router: { cacheControl: { type: "ephemeral", ttl: "1h" } } }
        }]
      }
    ],
    [
      {
        role: "system",
        content: [{ type: "text", text: "Be kind.", cache_control: { type: "ephemeral" } }]
      },
      { role: "user", content: [{ type: "text", text: "a", cache_control: { type: "ephemeral", ttl: "1h" } }] }
    ]
  ],
  [
    "texts of the assistant are one",
    [{ role: "assistant", content: [{ type: "text", text: "Hel" }, { type: "text", text: "lo" }] }],
    [{ role: "assistant", content: "Hello" }]
  ],
  [
    "reasoning and a call, with what Gemini wants back",
    [{
      role: "assistant",
      content: [
        { type: "reasoning", text: "Hm. " },
        { type: "reasoning", text: "Weather." },
        { ...call, options: { router: { thoughtSignature: "thought" } } }
      ]
    }],
    [{
      role: "assistant",
      content: null,
      reasoning_content: "Hm. Weather.",
      tool_calls: [{ ...wireCall, thought_signature: "thought" }]
    }]
  ],
  [
    "signed reasoning",
    [{
      role: "assistant",
      content: [
        { type: "reasoning", text: "Hm.", options: { router: { signature: "sig" } } },
        { type: "text", text: "Yes" }
      ]
    }],
    [{
      role: "assistant",
      content: [{ type: "reasoning", reasoning: "Hm.", signature: "sig" }, { type: "text", text: "Yes" }]
    }]
  ],
  [
    "signed reasoning before a call",
    [{
      role: "assistant",
      content: [{ type: "reasoning", text: "Hm.", options: { router: { signature: "sig" } } }, call]
    }],
    [{
      role: "assistant",
      content: [{ type: "reasoning", reasoning: "Hm.", signature: "sig" }],
      tool_calls: [wireCall]
    }]
  ],
  [
    "results: JSON, a text as it is, and nothing",
    [{ role: "tool", content: [result({ celsius: 21 }), result("21 °C"), result(undefined)] }],
    [
      { role: "tool", tool_call_id: "call_1", content: "{\"celsius\":21}" },
      { role: "tool", tool_call_id: "call_1", content: "21 °C" },
      { role: "tool", tool_call_id: "call_1", content: "null" }
    ]
  ],
  [
    "a result in the assistant's message comes after it, and what a provider did itself does not come at all",
    [
      {
        role: "assistant",
        content: [
          { ...call, id: "srv_1", name: "search", providerExecuted: true },
          { ...result("found"), id: "srv_1", name: "search", providerExecuted: true },
          call,
          result("21 °C")
        ]
      },
      { role: "assistant", content: [{ ...call, id: "srv_2", name: "search", providerExecuted: true }] }
    ],
    [
      { role: "assistant", content: null, tool_calls: [wireCall] },
      { role: "tool", tool_call_id: "call_1", content: "21 °C" }
    ]
  ],
  [
    "parameters that are missing",
    [{ role: "assistant", content: [{ ...call, params: undefined }] }],
    [{
      role: "assistant",
      content: null,
      tool_calls: [{ ...wireCall, function: { name: "weather", arguments: "{}" } }]
    }]
  ]
]

const deep = (depth: number): unknown => {
  let value: unknown = []
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

const impossible: ReadonlyArray<readonly [name: string, prompt: Prompt.RawInput, place: string]> = [
  [
    "a file of the assistant",
    [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello" },
      { role: "assistant", content: [{ type: "file", mediaType: "image/png", data: bytes }] }
    ],
    "prompt.content[2]"
  ],
  [
    "audio by its address",
    [{
      role: "user",
      content: [{ type: "text", text: "a" }, {
        type: "file",
        mediaType: "audio/wav",
        data: new URL("https://example.com/the-secret.wav")
      }]
    }],
    "prompt.content[0][1]"
  ],
  [
    "parameters that are no JSON",
    [{ role: "assistant", content: [{ ...call, params: { secret: 1n } }] }],
    "the tool \"weather\""
  ],
  [
    "a result that is too deep",
    [{ role: "tool", content: [result({ secret: deep(100_000) })] }],
    "the tool \"weather\""
  ],
  [
    "a result that holds itself",
    [{
      role: "tool",
      content: [result((() => {
        const secret: Record<string, unknown> = {}
        secret.secret = secret
        return secret
      })())]
    }],
    "the tool \"weather\""
  ],
  [
    "a detail that is none",
    [{
      role: "user",
      content: [{
        type: "file",
        mediaType: "image/png",
        data: bytes,
        options: { router: { imageDetail: 42 as never } }
      }]
    }],
    "messages[0].content"
  ]
]

describe("RouterLanguageModel: prompts", () => {
  for (const [name, prompt, expected] of conversations) {
    it.effect(name, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* messagesFor(prompt), expected)
      }))
  }

  for (const [name, part, expected] of files) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const messages = yield* messagesFor([{ role: "user", content: [{ type: "text", text: "Look" }, part] }])
        assert.deepStrictEqual(messages, [{ role: "user", content: [{ type: "text", text: "Look" }, expected] }])
      }))
  }

  for (const [name, prompt, place] of impossible) {
    it.effect(`${name} is a MalformedInput, and nothing is sent`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(LanguageModel.generateText({ prompt }))
        assert.instanceOf(error, AiError.MalformedInput)
        assert.include((error as AiError.MalformedInput).description, place)
        assert.notInclude(error.message, "secret")
        assert.strictEqual((yield* Testing.calls).length, 0)
      }).pipe(Effect.provide(model)))
  }

  it.effect("an empty prompt leaves the messages to the stored one", () =>
    Effect.gen(function*() {
      const { content } = yield* LanguageModel.generateText({ prompt: Prompt.empty }).pipe(
        RouterLanguageModel.withConfigOverride({ prompt: { id: "greeting" }, variables: { name: "Ada" } })
      )
      assert.deepStrictEqual(RouterLanguageModel.route(content)?.prompt, {
        id: "greeting",
        version: "1",
        variables: ["name"]
      })
      const [sent] = yield* Testing.calls
      assert.deepInclude(sent?.body, { messages: [{ role: "user", content: "Greet Ada" }], temperature: 0.5 })
    }).pipe(Effect.provide(
      RouterLanguageModel.layer({ model: "a/x" }).pipe(
        Layer.provideMerge(
          scripted({ "a/x": Testing.completion("Hello") }).pipe(
            Layer.provide(Prompts.layerMemory({
              greeting: { messages: [{ role: "user", content: "Greet {{name}}" }], parameters: { temperature: 0.5 } }
            }))
          )
        )
      )
    )))

  it.effect("a response becomes a prompt, and that the messages it came from", () =>
    Effect.gen(function*() {
      const messages = yield* messagesFor(Prompt.fromResponseParts([
        Response.reasoningPart({ text: "Hm." }),
        Response.textPart({ text: "Yes" })
      ]))
      assert.deepStrictEqual(messages, [{ role: "assistant", content: "Yes", reasoning_content: "Hm." }])
    }))
})
