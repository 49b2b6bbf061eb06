import { AiError, LanguageModel, Model, Prompt, Tool, Toolkit } from "@effect/ai"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option, Random, Redacted, Schema, Tracer } from "effect"
import { ChatCompletions, type ChatRequest, RouterError } from "effect-llm-router"
import * as RouterLanguageModel from "effect-llm-router/RouterLanguageModel"
import * as Testing from "effect-llm-router/Testing"
import { inspect } from "node:util"
import { elapse, scripted, targets } from "./support/router.js"

const usage = {
  prompt_tokens: 9,
  completion_tokens: 4,
  total_tokens: 14,
  prompt_tokens_details: { cached_tokens: 3 },
  completion_tokens_details: { reasoning_tokens: 2 }
}

/** The model `a/x` over a script, unless the options say otherwise. */
const over = (script: Testing.Script, options: Partial<RouterLanguageModel.Options> = {}) =>
  Layer.provideMerge(RouterLanguageModel.layer({ model: "a/x", ...options }), scripted(script))

const ask = LanguageModel.generateText({ prompt: "Hello" })

/** The body of a call, or what a member of it is. */
const sent = (index = 0) => Effect.map(Testing.calls, (calls) => calls[index]?.body as Record<string, unknown>)

const completion = (message: unknown, more: object = {}) =>
  Testing.completion("", { body: { choices: [{ index: 0, message, finish_reason: "stop" }], ...more } })

const toolCall = (name: string, args: string, id = "call_1"): Testing.WireToolCall => ({
  id,
  type: "function",
  function: { name, arguments: args }
})

const Weather = Tool.make("weather", {
  description: "The weather of a city",
  parameters: { city: Schema.String, days: Schema.optional(Schema.Int) },
  success: Schema.Struct({ celsius: Schema.Number, at: Schema.DateFromString })
})

const Now = Tool.make("now", { success: Schema.String })

const toolkit = Toolkit.make(Weather, Now)

/** Handlers that note what they are called with. */
const handlers = (seen: Array<unknown>) =>
  toolkit.toLayer({
    weather: (params) => {
      seen.push(params)
      return Effect.succeed({ celsius: 21, at: new Date(0) })
    },
    now: (params) => {
      seen.push(params)
      return Effect.succeed("noon")
    }
  })

describe("RouterLanguageModel: text", () => {
  it.effect("gives the text, the usage, the reason, the provider's ids, and the route", () =>
    Effect.gen(function*() {
      const response = yield* ask
      assert.strictEqual(response.text, "Hello you")
      assert.strictEqual(response.finishReason, "stop")
      assert.deepStrictEqual({ ...response.usage }, {
        inputTokens: 9,
        outputTokens: 4,
        totalTokens: 14,
        reasoningTokens: 2,
        cachedInputTokens: 3
      })
      const [head] = response.content
      assert.strictEqual(head?.type, "response-metadata")
      if (head?.type === "response-metadata") {
        assert.strictEqual(Option.getOrUndefined(head.id), "chatcmpl-scripted")
        assert.strictEqual(Option.getOrUndefined(head.modelId), "x-2026")
        assert.strictEqual(
          Option.getOrUndefined(Option.map(head.timestamp, DateTime.formatIso)),
          "2023-11-14T22:13:20.000Z"
        )
      }
      assert.strictEqual(RouterLanguageModel.route(response.content)?.served, "a/x")
      assert.deepStrictEqual(yield* sent(), {
        model: "x",
        messages: [{ role: "user", content: "Hello" }],
        stream: false
      })
    }).pipe(Effect.provide(over({ "a/x": Testing.completion("Hello you", { usage, model: "x-2026" }) }))))

  it.effect("gives reasoning, and what the model said when it refused", () =>
    Effect.gen(function*() {
      const thought = yield* ask
      assert.strictEqual(thought.reasoningText, "Hm.")
      assert.strictEqual(thought.text, "Yes")
      assert.strictEqual(thought.reasoning[0]?.metadata.router?.signature, "sig")
      const refused = yield* ask
      assert.strictEqual(refused.text, "")
      const finish = refused.content.find((part) => part.type === "finish")
      assert.strictEqual(finish?.metadata.router?.refusal, "I will not")
    }).pipe(Effect.provide(over({
      "a/x": [
        completion({ role: "assistant", content: "Yes", reasoning_content: "Hm.", reasoning_signature: "sig" }),
        completion({ role: "assistant", content: null, refusal: "I will not" })
      ]
    }))))

  for (
    const [given, reason] of [
      ["stop", "stop"],
      ["eos", "stop"],
      ["length", "length"],
      ["content_filter", "content-filter"],
      ["tool_calls", "tool-calls"],
      ["brand_new", "unknown"],
      ["__proto__", "unknown"]
    ] as const
  ) {
    it.effect(`the finish reason "${given}" is "${reason}"`, () =>
      Effect.gen(function*() {
        const response = yield* ask
        assert.strictEqual(response.finishReason, reason)
        const finish = response.content.find((part) => part.type === "finish")
        assert.strictEqual(finish?.metadata.router?.finishReason, given)
      }).pipe(Effect.provide(over({ "a/x": Testing.completion("Hello", { finishReason: given }) }))))
  }

  for (
    const [name, body] of [
      ["milliseconds", { created: 1_700_000_000_000 }],
      ["a number out of range", { created: 1e300 }],
      ["nulls all over", {
        id: null,
        model: null,
        created: null,
        usage: { prompt_tokens: null, prompt_tokens_details: null }
      }],
      ["empty names", { id: "", model: "" }]
    ] as const
  ) {
    it.effect(`an answer with ${name} is an answer`, () =>
      Effect.gen(function*() {
        const response = yield* ask
        assert.strictEqual(response.text, "Hello")
        const head = response.content[0]
        const timestamp = head?.type === "response-metadata" ? Option.getOrUndefined(head.timestamp) : undefined
        assert.strictEqual(
          timestamp && DateTime.formatIso(timestamp),
          name === "milliseconds" || name === "empty names" ? "2023-11-14T22:13:20.000Z" : undefined
        )
        if (name === "empty names" && head?.type === "response-metadata") {
          assert.isUndefined(Option.getOrUndefined(head.id))
          assert.isUndefined(Option.getOrUndefined(head.modelId))
        }
      }).pipe(Effect.provide(over({ "a/x": Testing.completion("Hello", { body }) }))))
  }

  it.effect("a message with nothing but nulls has no text, and is finished", () =>
    Effect.gen(function*() {
      const response = yield* ask
      assert.deepStrictEqual(response.content.map((part) => part.type), ["response-metadata", "finish"])
      assert.strictEqual(response.text, "")
    }).pipe(Effect.provide(over({
      "a/x": completion({ role: null, content: null, tool_calls: null, reasoning: null, refusal: null, audio: null }, {
        usage: null
      })
    }))))

  it.effect("a retry and a fallback happen below, and are in the route", () =>
    Effect.gen(function*() {
      const response = yield* elapse(ask)
      assert.strictEqual(response.text, "From b")
      assert.deepStrictEqual(yield* targets, ["a/x", "a/x", "b/y"])
      const route = RouterLanguageModel.route(response.content)
      assert.strictEqual(route?.served, "b/y")
      assert.deepStrictEqual(route?.attempts.map(({ outcome }) => outcome), ["Unavailable", "Unavailable", "success"])
    }).pipe(Effect.provide(over({ "a/x": Testing.status(503), "b/y": Testing.completion("From b") }, {
      config: { retry: { count: 1 }, fallbacks: [{ model: "b/y" }] }
    }))))

  it.effect("says in the span what was asked of which model, and no text", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const tracer = yield* Effect.tracer
      yield* ask.pipe(Effect.withTracer(Tracer.make({
        context: (f) => f(),
        span: (...args) => {
          const span = tracer.span(...args)
          spans.push(span)
          return span
        }
      })))
      const span = spans.find(({ name }) => name === "LanguageModel.generateText")
      assert.deepInclude(Object.fromEntries(span?.attributes ?? []), {
        "gen_ai.system": "a",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "a/x",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stop_sequences": ["end"],
        "gen_ai.response.id": "chatcmpl-scripted",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 9
      })
      assert.notInclude(JSON.stringify([...span?.attributes ?? []]), "Hello")
    }).pipe(Effect.provide(over({ "a/x": Testing.completion("Hello", { usage }) }, {
      config: { temperature: 0.5, stop: "end" }
    }))))
})

describe("RouterLanguageModel: settings", () => {
  it.effect("nearer to the call wins, field by field, and of timeout clock by clock", () => {
    const requests: Array<ChatRequest.ChatRequest> = []
    return Effect.gen(function*() {
      const service = yield* ChatCompletions.ChatCompletions
      const model = yield* RouterLanguageModel.make({
        model: "a/x",
        config: { temperature: 1, seed: 7, timeout: { callTimeout: 3000, idleTimeout: 1000 } }
      }).pipe(Effect.provideService(ChatCompletions.ChatCompletions, {
        ...service,
        create: (request) => {
          requests.push(request)
          return service.create(request)
        }
      }))
      yield* model.generateText({ prompt: "Hello" }).pipe(
        RouterLanguageModel.withConfigOverride({ topP: 0.3, timeout: { idleTimeout: 5000 }, seed: undefined }),
        RouterLanguageModel.withConfigOverride({ topP: 0.9, temperature: 0.2, timeout: { firstByteTimeout: 4000 } })
      )
      const [request] = requests
      assert.deepInclude(request, { model: "a/x", temperature: 0.2, topP: 0.3, seed: 7 })
      assert.deepStrictEqual(request?.timeout, { callTimeout: 3000, firstByteTimeout: 4000, idleTimeout: 5000 })
    }).pipe(Effect.provide(scripted({ "a/x": Testing.completion("Hello") })))
  })

  it.effect("a reference that the layer was built under is between the options and the call", () =>
    Effect.gen(function*() {
      yield* ask
      yield* RouterLanguageModel.withConfigOverride(ask, { model: "b/y", temperature: 0.4 })
      assert.deepInclude(yield* sent(0), { model: "z", temperature: 0.9, seed: 1 })
      assert.deepInclude(yield* sent(1), { model: "y", temperature: 0.4, seed: 1 })
      assert.deepStrictEqual(yield* targets, ["c/z", "b/y"])
    }).pipe(Effect.provide(
      RouterLanguageModel.layer({ model: "a/x", config: { temperature: 0.1, seed: 1 } }).pipe(
        Layer.provide(Layer.succeed(RouterLanguageModel.Config, { temperature: 0.9, model: "c/z" })),
        Layer.provideMerge(scripted({
          a: Testing.completion("a"),
          b: Testing.completion("b"),
          c: Testing.completion("c")
        }))
      )
    )))

  it.effect("a cache serves the same prompt again; the override turns it on for one call", () =>
    Effect.gen(function*() {
      const cached = RouterLanguageModel.withConfigOverride(ask, { cache: { type: "exact_match" } })
      yield* cached
      const again = yield* cached
      assert.strictEqual(RouterLanguageModel.route(again.content)?.cache, "hit")
      yield* ask
      assert.strictEqual((yield* targets).length, 2)
    }).pipe(Effect.provide(over({ "a/x": Testing.completion("Hello") }))))

  it.effect("the load balancer draws the model, with the first number of Random", () =>
    Effect.gen(function*() {
      yield* Effect.withRandom(ask, Random.fixed([0.9]))
      assert.deepStrictEqual(yield* targets, ["b/y"])
    }).pipe(Effect.provide(over({ a: Testing.completion("a"), b: Testing.completion("b") }, {
      config: {
        loadBalancer: { type: "weight_based", models: [{ model: "a/x", weight: 0.5 }, { model: "b/y", weight: 0.5 }] }
      }
    }))))

  it.effect("variables are put into the texts of the prompt", () =>
    Effect.gen(function*() {
      yield* LanguageModel.generateText({
        prompt: [{ role: "system", content: "Be {{mood}}." }, { role: "user", content: "Hello {{name}}" }]
      }).pipe(RouterLanguageModel.withConfigOverride({ variables: { mood: "kind", name: "Ada" } }))
      assert.deepInclude(yield* sent(), {
        messages: [{ role: "system", content: "Be kind." }, { role: "user", content: "Hello Ada" }]
      })
    }).pipe(Effect.provide(over({ "a/x": Testing.completion("Hello") }))))

  it.effect("model() is a Model of the provider \"router\"", () =>
    Effect.gen(function*() {
      const layer = yield* RouterLanguageModel.model("b/y", { temperature: 0.3 })
      const [response, provider] = yield* Effect.zip(ask, Model.ProviderName).pipe(Effect.provide(layer))
      assert.strictEqual(response.text, "Hello")
      assert.strictEqual(provider, "router")
      assert.deepInclude(yield* sent(), { model: "y", temperature: 0.3 })
    }).pipe(Effect.provide(scripted({ "b/y": Testing.completion("Hello") }))))
})

describe("RouterLanguageModel: tools", () => {
  it.effect("a tool is told of, called, and its result is sent back", () => {
    const seen: Array<unknown> = []
    return Effect.gen(function*() {
      const first = yield* LanguageModel.generateText({ prompt: "Weather?", toolkit })
      assert.deepStrictEqual(seen, [{ city: "Bern" }])
      assert.strictEqual(first.finishReason, "tool-calls")
      assert.deepStrictEqual(first.toolResults.map(({ encodedResult, id, name }) => [id, name, encodedResult]), [
        ["call_1", "weather", { celsius: 21, at: "1970-01-01T00:00:00.000Z" }]
      ])
      const second = yield* LanguageModel.generateText({
        prompt: Prompt.merge(Prompt.make("Weather?"), Prompt.fromResponseParts(first.content)),
        toolkit,
        toolChoice: "none"
      })
      assert.strictEqual(second.text, "21 degrees")

      const { messages: _, ...body } = yield* sent(0)
      assert.deepStrictEqual(body, {
        model: "x",
        stream: false,
        tool_choice: "auto",
        parallel_tool_calls: false,
        tools: [
          {
            type: "function",
            function: {
              name: "weather",
              description: "The weather of a city",
              parameters: {
                type: "object",
                required: ["city"],
                properties: {
                  city: { type: "string" },
                  days: { type: "integer", description: "an integer", title: "int" }
                },
                additionalProperties: false
              }
            }
          },
          {
            type: "function",
            function: {
              name: "now",
              parameters: { type: "object", required: [], properties: {}, additionalProperties: false }
            }
          }
        ]
      })
      const { messages, tool_choice } = yield* sent(1)
      assert.strictEqual(tool_choice, "none")
      assert.deepStrictEqual(messages, [
        { role: "user", content: "Weather?" },
        {
          role: "assistant",
          content: null,
          tool_calls: [{
            id: "call_1",
            type: "function",
            function: { name: "weather", arguments: "{\"city\":\"Bern\"}" }
          }]
        },
        { role: "tool", tool_call_id: "call_1", content: "{\"celsius\":21,\"at\":\"1970-01-01T00:00:00.000Z\"}" }
      ])
    }).pipe(
      Effect.provide(handlers(seen)),
      Effect.provide(over({
        "a/x": [
          Testing.completion("", { toolCalls: [toolCall("weather", "{\"city\":\"Bern\"}")], finishReason: "stop" }),
          Testing.completion("21 degrees")
        ]
      }, { config: { parallelToolCalls: false } }))
    )
  })

  it.effect("the choice of a tool, of some, and strict schemas", () =>
    Effect.gen(function*() {
      const choose = (toolChoice: LanguageModel.ToolChoice<"weather" | "now">) =>
        LanguageModel.generateText({ prompt: "?", toolkit, toolChoice, disableToolCallResolution: true })
      yield* choose({ tool: "now" })
      yield* choose({ oneOf: ["now"] })
      yield* choose({ mode: "required", oneOf: ["weather"] })
      yield* RouterLanguageModel.withConfigOverride(choose("required"), { strict: true, parallelToolCalls: true })
      const bodies = yield* Effect.all([0, 1, 2, 3].map(sent))
      assert.deepStrictEqual(bodies.map((body) => body.tool_choice), [
        { type: "function", function: { name: "now" } },
        "auto",
        "required",
        "required"
      ])
      const tools = bodies.map((body) => body.tools as ReadonlyArray<{ function: { name: string; strict?: boolean } }>)
      assert.deepStrictEqual(tools.map((all) => all.map((tool) => tool.function.name)), [
        ["weather", "now"],
        ["now"],
        ["weather"],
        ["weather", "now"]
      ])
      assert.deepStrictEqual(tools[3]?.map((tool) => tool.function.strict), [true, true])
      yield* RouterLanguageModel.withConfigOverride(ask, { strict: true, parallelToolCalls: true })
      assert.notProperty(yield* sent(4), "parallel_tool_calls")
      assert.notProperty(yield* sent(4), "strict")
    }).pipe(
      Effect.provide(handlers([])),
      Effect.provide(over({ "a/x": Testing.completion("Hello") }))
    ))

  it.effect("calls without ids get different ones; no arguments, and null, are none", () => {
    const seen: Array<unknown> = []
    return Effect.gen(function*() {
      const response = yield* LanguageModel.generateText({ prompt: "?", toolkit })
      assert.deepStrictEqual(seen, [{}, {}, {}, {}, {}])
      const ids = response.toolCalls.map(({ id }) => id)
      assert.strictEqual(new Set(ids).size, 5)
      assert.isTrue(ids.every((id) => /^[\w-]+$/.test(id)))
      assert.strictEqual(response.toolCalls[3]?.metadata.router?.thoughtSignature, "thought")
    }).pipe(
      Effect.provide(handlers(seen)),
      Effect.provide(over({
        "a/x": completion({
          content: null,
          tool_calls: [
            { id: "", function: { name: "now", arguments: "" } },
            { function: { name: "now", arguments: "null" } },
            { id: null, type: null, function: { name: "now", arguments: null } },
            { id: "call_9", function: { name: "now" }, thought_signature: "thought" },
            { id: "call_9", function: { name: "now" } }
          ]
        })
      }))
    )
  })

  for (
    const [name, args] of [
      ["no JSON", "city: secret-city"],
      ["cut JSON", "{\"city\": \"secret-city"],
      ["JSON that replaces a prototype", "{\"city\":\"secret-city\",\"__proto__\":{\"x\":1}}"],
      ["JSON that is very deep", `{"city":${"[".repeat(100_000)}${"]".repeat(100_000)}}`]
    ] as const
  ) {
    it.effect(`arguments that are ${name} are a typed error, which names the tool`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(LanguageModel.generateText({ prompt: "?", toolkit }))
        assert.instanceOf(error, AiError.MalformedOutput)
        assert.include(error.message, "weather")
        assert.include(error.message, "RouterLanguageModel")
        assert.notInclude(error.message, "secret")
        assert.notInclude(inspect(error, { depth: 9 }), "secret")
        const { cause } = error
        assert.instanceOf(cause, RouterLanguageModel.UnusableCompletion)
        assert.strictEqual((cause as RouterLanguageModel.UnusableCompletion).route.served, "a/x")
      }).pipe(
        Effect.provide(handlers([])),
        Effect.provide(over({
          "a/x": Testing.completion("", { toolCalls: [toolCall("weather", args)], finishReason: "length" })
        }))
      ))
  }

  for (
    const [name, calls] of [
      ["without a name", [{ id: "1", function: { arguments: "{}" } }]],
      ["without a function", [{ id: "1", type: "custom", custom: { name: "x", input: "y" } }]],
      ["of an unknown tool", [{ id: "1", function: { name: "rm", arguments: "{}" } }]],
      ["with other arguments than it takes", [{ id: "1", function: { name: "weather", arguments: "[null]" } }]]
    ] as const
  ) {
    it.effect(`a call ${name} is a typed error`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(LanguageModel.generateText({ prompt: "?", toolkit }))
        assert.strictEqual(error._tag, "MalformedOutput")
      }).pipe(
        Effect.provide(handlers([])),
        Effect.provide(over({ "a/x": completion({ content: null, tool_calls: calls }) }))
      ))
  }

  it.effect("a tool that cannot be told of fails before anything is sent", () =>
    Effect.gen(function*() {
      const Opaque = Tool.make("opaque", { parameters: { it: Schema.instanceOf(Map) } })
      const Search = Tool.providerDefined({
        id: "openai.web_search",
        toolkitName: "Search",
        providerName: "web_search",
        args: {}
      })({})
      const telling = (toolkit: Toolkit.WithHandler<Record<string, Tool.Any>>) =>
        Effect.flip(LanguageModel.generateText({ prompt: "?", toolkit, disableToolCallResolution: true }))
      for (const tool of [Opaque, Search]) {
        const error = yield* telling({ tools: { [tool.name]: tool }, handle: () => Effect.dieMessage("not called") })
        assert.instanceOf(error, AiError.MalformedInput)
        assert.include(error.message, tool.name)
      }
      assert.deepStrictEqual(yield* targets, [])
    }).pipe(Effect.provide(over({ "a/x": Testing.completion("Hello") }))))
})

describe("RouterLanguageModel: objects", () => {
  const Contact = Schema.Struct({ name: Schema.String, born: Schema.optional(Schema.Int) }).annotations({
    description: "A person"
  })
  const contact = LanguageModel.generateObject({ prompt: "Who?", schema: Contact, objectName: "the contact!" })

  it.effect("asks for the schema, and decodes what comes", () =>
    Effect.gen(function*() {
      const response = yield* contact
      assert.deepStrictEqual(response.value, { name: "Ada" })
      assert.strictEqual(RouterLanguageModel.route(response.content)?.served, "a/x")
      assert.deepStrictEqual((yield* sent()).response_format, {
        type: "json_schema",
        json_schema: {
          name: "the_contact_",
          description: "A person",
          strict: false,
          schema: {
            type: "object",
            description: "A person",
            required: ["name"],
            properties: {
              name: { type: "string" },
              born: { type: "integer", description: "an integer", title: "int" }
            },
            additionalProperties: false
          }
        }
      })
    }).pipe(Effect.provide(over({ "a/x": Testing.completion("{\"name\":\"Ada\"}") }, { config: { strict: false } }))))

  it.effect("a schema that refers to itself brings its definitions", () =>
    Effect.gen(function*() {
      interface Tree {
        readonly name: string
        readonly children: ReadonlyArray<Tree>
      }
      const Tree = Schema.Struct({
        name: Schema.String,
        children: Schema.Array(Schema.suspend((): Schema.Schema<Tree> => Tree))
      }).annotations({ identifier: "Tree" })
      const { value } = yield* LanguageModel.generateObject({ prompt: "?", schema: Tree, objectName: "Tree" })
      assert.strictEqual(value.children[0]?.name, "leaf")
      const { json_schema } = (yield* sent()).response_format as { json_schema: { name: string; schema: object } }
      assert.strictEqual(json_schema.name, "Tree")
      assert.include(JSON.stringify(json_schema.schema), "#/$defs/Tree")
      assert.property(json_schema.schema, "$defs")
    }).pipe(Effect.provide(over({
      "a/x": Testing.completion("{\"name\":\"root\",\"children\":[{\"name\":\"leaf\",\"children\":[]}]}")
    }))))

  for (
    const [name, answer] of [
      ["a wrong object", Testing.completion("{\"name\":42}")],
      ["no JSON", Testing.completion("Ada")],
      ["no text", completion({ content: null })],
      ["a refusal", completion({ content: null, refusal: "no" })]
    ] as const
  ) {
    it.effect(`${name} is a typed error`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(contact)
        assert.instanceOf(error, AiError.MalformedOutput)
      }).pipe(Effect.provide(over({ "a/x": answer }))))
  }

  for (
    const [name, answer] of [
      ["no text", completion({ content: null }, { usage })],
      ["a refusal", completion({ content: null, refusal: "a secret no" }, { usage })]
    ] as const
  ) {
    it.effect(`${name}: the cause has the route, what was paid, and what the model said`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(contact)
        const { cause } = error as AiError.MalformedOutput
        if (!(cause instanceof RouterLanguageModel.UnusableCompletion)) return assert.fail("another cause")
        assert.strictEqual(cause.route.served, "a/x")
        assert.strictEqual(cause.usage?.totalTokens, 14)
        assert.strictEqual(
          cause.refusal && Redacted.value(cause.refusal),
          name === "no text" ? undefined : "a secret no"
        )
        for (const text of [error.message, String(error), JSON.stringify(error), inspect(error, { depth: 9 })]) {
          assert.notInclude(text, "secret")
        }
      }).pipe(Effect.provide(over({ "a/x": answer }))))
  }

  it.effect("a schema that is none in JSON fails before anything is sent", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(LanguageModel.generateObject({
        prompt: "?",
        schema: Schema.Struct({ it: Schema.instanceOf(Map) })
      }))
      assert.instanceOf(error, AiError.MalformedInput)
      assert.strictEqual(RouterError.isRouterError(error.cause) && error.cause.route?.attempts.length, 0)
      assert.deepStrictEqual(yield* targets, [])
    }).pipe(Effect.provide(over({ "a/x": Testing.completion("{}") }))))
})

describe("RouterLanguageModel: errors", () => {
  const secret = "the-text-of-the-user"
  const failing = Effect.flip(LanguageModel.generateText({ prompt: secret }))

  const refused = (status: number, body = { error: { message: `no: ${secret}`, code: "a_code" } }) =>
    Testing.status(status, { body })

  for (
    const [name, answer, expected, cause] of [
      ["a refused connection", Testing.refuse, "HttpRequestError", "Transport"],
      ["401", refused(401), "HttpResponseError 401", "Auth"],
      ["404", refused(404), "HttpResponseError 404", "NotFound"],
      ["429", refused(429), "HttpResponseError 429", "RateLimited"],
      ["500", refused(500), "HttpResponseError 500", "Unavailable"],
      ["529", refused(529), "HttpResponseError 529", "Overloaded"],
      ["400", refused(400), "HttpResponseError 400", "InvalidRequest"],
      [
        "an error inside a 200",
        refused(200, { error: { message: secret, code: "rate_limit_exceeded" } }),
        "HttpResponseError 429",
        "RateLimited"
      ],
      [
        "a prompt that is too long, told inside a 200",
        refused(200, { error: { message: secret, code: "context_length_exceeded" } }),
        "HttpResponseError 400",
        "ContextLengthExceeded"
      ],
      [
        "a prompt that is too long",
        refused(400, { error: { message: secret, code: "context_length_exceeded" } }),
        "HttpResponseError 400",
        "ContextLengthExceeded"
      ],
      [
        "HTML",
        Testing.raw({ headers: { "content-type": "text/html" }, body: `<p>${secret}` }),
        "MalformedOutput",
        "BadResponse"
      ],
      [
        "an empty answer",
        Testing.raw({ headers: { "content-type": "application/json" } }),
        "MalformedOutput",
        "EmptyCompletion"
      ]
    ] as const
  ) {
    it.effect(`${name}: ${expected}, with the router's error as cause and without any text`, () =>
      Effect.gen(function*() {
        const error = yield* failing
        assert.isTrue(AiError.isAiError(error))
        const status = error._tag === "HttpResponseError" ? ` ${error.response.status}` : ""
        assert.strictEqual(error._tag + status, expected)
        if (!RouterError.isRouterError(error.cause)) return assert.fail("the cause is no RouterError")
        assert.strictEqual(error.cause._tag, cause)
        assert.strictEqual(error.cause.route?.attempts[0]?.target, "a/x")
        for (const text of [error.message, String(error), JSON.stringify(error), error.cause.message]) {
          assert.notInclude(text, secret)
        }
        assert.include(error.message, "a/x")
      }).pipe(Effect.provide(over({ "a/x": answer }))))
  }

  it.effect("a timeout is an HttpRequestError", () =>
    Effect.gen(function*() {
      const error = yield* elapse(failing)
      assert.strictEqual(error._tag, "HttpRequestError")
      assert.strictEqual(RouterError.isRouterError(error.cause) && error.cause._tag, "Timeout")
    }).pipe(Effect.provide(over({ "a/x": Testing.hang }, { config: { timeout: { callTimeout: 1000 } } }))))

  it.effect("all targets failed: the class of the last one, and all of them in the cause", () =>
    Effect.gen(function*() {
      const error = yield* elapse(failing)
      assert.strictEqual(error._tag === "HttpResponseError" && error.response.status, 503)
      assert.strictEqual(
        RouterError.isRouterError(error.cause) && error.cause._tag === "AllTargetsFailed" &&
          error.cause.failures.length,
        2
      )
    }).pipe(Effect.provide(over({ "a/x": Testing.refuse, "b/y": refused(503) }, {
      config: { fallbacks: [{ model: "b/y" }] }
    }))))

  for (
    const [name, config] of [
      ["a setting that is out of bounds", { temperature: 3 }],
      ["a model that has no provider", { model: "nobody/x" }],
      ["a variable that is missing", { variables: {}, prompt: undefined }],
      ["a prompt without a store", { prompt: { id: "p" } }]
    ] as const
  ) {
    it.effect(`${name} is a MalformedInput, and nothing is sent`, () =>
      Effect.gen(function*() {
        const error = yield* LanguageModel.generateText({ prompt: "{{missing}}" }).pipe(
          RouterLanguageModel.withConfigOverride(config),
          Effect.flip
        )
        assert.strictEqual(error._tag, "MalformedInput")
        assert.isTrue(RouterError.isRouterError(error.cause))
        assert.deepStrictEqual(yield* targets, [])
      }).pipe(Effect.provide(over({ "a/x": Testing.completion("Hello") }))))
  }

  /** The error of a model over a router that fails so. */
  const errorOf = (error: RouterError.RouterError) =>
    Effect.gen(function*() {
      const model = yield* RouterLanguageModel.make({ model: "a/x" }).pipe(
        Effect.provideService(ChatCompletions.ChatCompletions, {
          create: () => Effect.fail(error),
          stream: () => assert.fail("not asked for")
        })
      )
      return yield* Effect.flip(model.generateText({ prompt: "Hello" }))
    })

  it.effect("a call that was not sent is an UnknownError", () =>
    Effect.gen(function*() {
      const error = yield* errorOf(new RouterError.ConcurrencyExceeded({ target: "a/x", limit: 1 }))
      assert.strictEqual(error._tag, "UnknownError")
      assert.strictEqual(RouterError.isRouterError(error.cause) && error.cause._tag, "ConcurrencyExceeded")
      assert.include(error.message, "1 requests are under way")
    }))

  it.effect("a refusal is never of the status 200", () =>
    Effect.gen(function*() {
      const error = yield* errorOf(new RouterError.Overloaded({ target: "a/x", status: 200 }))
      assert.strictEqual(error._tag === "HttpResponseError" && error.response.status, 503)
    }))
})
