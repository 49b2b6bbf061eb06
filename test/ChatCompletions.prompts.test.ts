import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream, TestClock } from "effect"
import { ChatCompletions, type ChatRequest, Prompts, RouterError } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { elapse, isHosted, messages, scripted } from "./support/router.js"

const definitions = {
  greeting: {
    "1": { model: "a/small", messages: [{ role: "user", content: "Hello {{name}}" }] },
    "2": {
      model: "a/large",
      templateEngine: "mustache",
      parameters: { temperature: 0.2, maxCompletionTokens: 50, stop: ["x"], topP: 0.5 },
      messages: [
        { role: "system", content: "Be {{#tone}}{{.}}{{/tone}}{{^tone}}brief{{/tone}}." },
        { role: "user", content: [{ type: "text", text: "Hello {{user.name}}" }] }
      ]
    }
  },
  bare: { messages: [{ role: "user", content: "Hello {{name}}" }] },
  settings: { model: "a/small", parameters: { temperature: 1 }, messages: [] },
  broken: { model: "a/large", templateEngine: "jinja", messages: [{ role: "system", content: "a\n{% if %}" }] }
} as const

const script = { "a/large": Testing.completion("Hello"), "a/small": Testing.completion("Hello") }

/** The router with the prompts; its calls are recorded. */
const router = scripted(script).pipe(Layer.provide(Prompts.layerMemory(definitions)))

/** What is sent upstream for a request. */
const sent = (request: ChatRequest.ChatRequest) =>
  Effect.gen(function*() {
    const { route } = yield* ChatCompletions.create(request)
    const [call] = yield* Testing.calls
    return { body: call?.body, target: call?.target, route }
  }).pipe(Effect.provide(router))

/** How a request fails, by both ways; that nothing was called is checked. */
const failure = (request: ChatRequest.ChatRequest) =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(ChatCompletions.create(request))
    const streamed = yield* Effect.flip(Stream.runCollect(ChatCompletions.stream(request)))
    assert.deepStrictEqual(streamed, error)
    assert.isTrue(RouterError.isRouterError(error))
    assert.deepStrictEqual(yield* Testing.calls, [])
    return error
  })

const details = (request: ChatRequest.ChatRequest) =>
  Effect.map(failure(request), (error) => [error._tag, error.message]).pipe(Effect.provide(router))

describe("a request with a prompt", () => {
  it.effect("is made of the prompt alone", () =>
    Effect.gen(function*() {
      const variables = { user: { name: "Ada" } }
      const { body, route, target } = yield* sent({ prompt: { id: "greeting" }, variables })
      assert.deepStrictEqual(body, {
        model: "large",
        stream: false,
        temperature: 0.2,
        max_completion_tokens: 50,
        stop: ["x"],
        top_p: 0.5,
        messages: [
          { role: "system", content: "Be brief." },
          { role: "user", content: [{ type: "text", text: "Hello Ada" }] }
        ]
      })
      assert.strictEqual(target, "a/large")
      assert.deepStrictEqual(route.prompt, { id: "greeting", version: "2", variables: ["user"] })
      for (
        const request of [
          { prompt: { id: "greeting", version: "latest" }, messages: [], variables },
          { prompt: { id: "greeting", version: "2" }, model: undefined, temperature: undefined, variables },
          { orq: { prompt: { id: "greeting" }, inputs: [{ key: "user", value: { name: "Ada" } }] }, messages: [] },
          { prompt: { id: "greeting" }, orq: { prompt: { id: "none" } }, variables }
        ]
      ) {
        assert.deepStrictEqual((yield* sent(request)).body, body)
      }
    }))

  it.effect("is streamed in the same way", () =>
    Effect.gen(function*() {
      const chunks = yield* Stream.runCollect(
        ChatCompletions.stream({ prompt: { id: "greeting", version: "1" }, variables: { name: "Ada" } })
      )
      const [call] = yield* Testing.calls
      assert.deepStrictEqual(call?.body, {
        model: "small",
        stream: true,
        messages: [{ role: "user", content: "Hello Ada" }]
      })
      for (const { route } of chunks) {
        assert.deepStrictEqual(route.prompt, { id: "greeting", version: "1", variables: ["name"] })
      }
    }).pipe(Effect.provide(
      scripted({ "a/small": Testing.stream(["Hel", "lo"]) }).pipe(Layer.provide(Prompts.layerMemory(definitions)))
    )))

  it.effect("has its own fields before those of the prompt, one by one", () =>
    Effect.gen(function*() {
      const { body } = yield* sent({
        prompt: { id: "greeting" },
        model: "a/small",
        messages: [{ role: "user", content: "Bye {{user.name}}" }],
        temperature: null,
        maxTokens: 7,
        seed: 1,
        // a member that nobody knows, in the spelling of the wire
        ...{ top_p: 0.9 },
        variables: { user: { name: "Ada" } }
      })
      assert.deepStrictEqual(body, {
        model: "small",
        stream: false,
        temperature: null,
        max_tokens: 7,
        stop: ["x"],
        top_p: 0.9,
        seed: 1,
        // the engine is that of the prompt
        messages: [{ role: "user", content: "Bye Ada" }]
      })
    }))

  it.effect("has its own engine before that of the prompt, and text where neither names one", () =>
    Effect.gen(function*() {
      const engine = { prompt: { id: "bare" }, model: "a/large", variables: { name: "Ada" } }
      assert.deepInclude((yield* sent(engine)).body, { messages: [{ role: "user", content: "Hello Ada" }] })
      const { body } = yield* sent({
        prompt: { id: "greeting" },
        templateEngine: "jinja",
        messages: [{ role: "user", content: "{% for n in names %}{{ n | upper }}{% endfor %}" }],
        variables: { names: ["a", "b"] }
      })
      assert.deepInclude(body, { messages: [{ role: "user", content: "AB" }] })
    }))

  it.effect("may use the parameters only; its own messages are templates only where it says so", () =>
    Effect.gen(function*() {
      const { body, route } = yield* sent({
        prompt: { id: "settings" },
        messages: [{ role: "user", content: "{{x}}" }]
      })
      assert.deepStrictEqual(body, {
        model: "small",
        stream: false,
        temperature: 1,
        messages: [{ role: "user", content: "{{x}}" }]
      })
      assert.deepStrictEqual(route.prompt, { id: "settings", version: "1", variables: [] })
    }))

  it.effect("is routed by the request and by the defaults", () =>
    Effect.gen(function*() {
      const { route } = yield* ChatCompletions.create({
        prompt: { id: "greeting", version: "1" },
        variables: { name: "Ada" },
        retry: { count: 1 },
        fallbacks: [{ model: "b/x" }]
      })
      assert.deepStrictEqual(route.attempts.map(({ target }) => target), ["a/small", "a/small", "b/x"])
      assert.deepStrictEqual(route.prompt, { id: "greeting", version: "1", variables: ["name"] })
    }).pipe(
      elapse,
      Effect.provide(
        scripted({ "a/small": Testing.status(503), "b/x": Testing.completion("Hello") }).pipe(
          Layer.provide(Prompts.layerMemory(definitions))
        )
      )
    ))
})

describe("a plain request", () => {
  it.effect("may name an engine", () =>
    Effect.gen(function*() {
      const { body, route } = yield* sent({
        model: "a/large",
        messages: [{ role: "user", content: "{{#a}}{{b}}{{/a}}" }],
        templateEngine: "mustache",
        variables: { a: { b: "c" } }
      })
      assert.deepInclude(body, { messages: [{ role: "user", content: "c" }] })
      assert.isUndefined(route.prompt)
    }))

  it.effect("is sent as it is without variables and without an engine", () =>
    Effect.gen(function*() {
      const own = [{ role: "user" as const, content: "{{name}}" }]
      assert.deepInclude((yield* sent({ model: "a/large", messages: own })).body, { messages: own })
    }))

  it.effect("fails for a missing variable in the same way, whichever engine it names", () =>
    Effect.gen(function*() {
      for (const templateEngine of ["text", "mustache", "jinja", undefined] as const) {
        const error = yield* failure({
          model: "a/large",
          messages: [...messages, { role: "user", content: "the text\n {{name}}" }],
          templateEngine,
          variables: {}
        })
        assert.instanceOf(error, RouterError.TemplateError)
        const { column, line, messageIndex, path, promptId, reason, route, variable } = error
        assert.deepStrictEqual([reason, variable, path, messageIndex, line, column, promptId], [
          "missingVariable",
          "name",
          "messages[1].content",
          1,
          2,
          2,
          undefined
        ])
        assert.deepStrictEqual(route?.attempts, [])
        assert.notInclude(error.message, "the text")
      }
    }).pipe(Effect.provide(router)))
})

describe("what is wrong with a prompt is found before any call", () => {
  it.effect("a missing variable, with the prompt and its place", () =>
    Effect.gen(function*() {
      const error = yield* failure({ prompt: { id: "greeting" }, variables: { tone: "kind", secret: "value" } })
      assert.instanceOf(error, RouterError.TemplateError)
      assert.deepInclude({ ...error }, {
        reason: "missingVariable",
        promptId: "greeting",
        version: "2",
        messageIndex: 1,
        partIndex: 0,
        variable: "user.name",
        line: 1,
        column: 7
      })
      assert.deepStrictEqual(error.route?.prompt, { id: "greeting", version: "2", variables: ["tone", "secret"] })
      assert.notInclude(JSON.stringify(error), "value")
      assert.strictEqual(
        error.message,
        "prompt \"greeting\" (version 2): messages[1].content[0].text: the variable \"user.name\" is missing"
          + " (line 1, column 7)"
      )
      assert.include(yield* details({ prompt: { id: "bare" }, model: "a/large" }), "TemplateError")
    }).pipe(Effect.provide(router)))

  it.effect("a syntax error, with its place", () =>
    Effect.gen(function*() {
      const error = yield* failure({ prompt: { id: "broken" } })
      assert.instanceOf(error, RouterError.TemplateError)
      const { line, messageIndex, promptId, reason, version } = error
      assert.deepStrictEqual([reason, promptId, version, messageIndex, line], ["syntax", "broken", "1", 0, 2])
    }).pipe(Effect.provide(router)))

  it.effect("an unknown prompt, version or engine, and a model that neither names", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* details({ prompt: { id: "none" } }), [
        "PromptNotFound",
        "there is no prompt \"none\""
      ])
      assert.deepStrictEqual(yield* details({ prompt: { id: "greeting", version: "3" } }), [
        "PromptNotFound",
        "there is no version \"3\" of a prompt \"greeting\""
      ])
      assert.deepStrictEqual(yield* details(JSON.parse("{\"prompt\":{\"id\":\"bare\"},\"templateEngine\":\"erb\"}")), [
        "InvalidRequest",
        "templateEngine: expected \"text\" or \"jinja\" or \"mustache\""
      ])
      assert.deepStrictEqual(yield* details({ prompt: { id: "bare" }, variables: { name: "Ada" } }), [
        "InvalidRequest",
        "model: is missing in the request and in the prompt"
      ])
    }))

  it.effect("a request and a prompt that do not fit together", () =>
    Effect.gen(function*() {
      assert.include(
        (yield* details({
          prompt: { id: "greeting" },
          variables: { user: { name: "" } },
          thinking: { type: "enabled", budgetTokens: 1024 }
        }))[1],
        "thinking.budgetTokens"
      )
      assert.include(
        (yield* details({ prompt: { id: "greeting", version: "1" }, model: "nobody/x", variables: { name: "" } }))[1],
        "model"
      )
    }))

  it.effect("a request with a prompt where there is no store", () =>
    Effect.gen(function*() {
      for (const request of [{ prompt: { id: "p" } }, { orq: { prompt: { id: "p" } } }]) {
        const error = yield* failure(request)
        assert.instanceOf(error, RouterError.InvalidRequest)
        assert.strictEqual(error.path, "prompt")
        assert.include(error.message, "there is no prompt store")
      }
    }).pipe(Effect.provide(scripted(script))))

  it.effect("is told by the types", () =>
    Effect.gen(function*() {
      const tag = yield* ChatCompletions.create({ prompt: { id: "none" } }).pipe(
        Effect.as("served"),
        Effect.catchTags({
          PromptNotFound: ({ promptId }) => Effect.succeed(`no ${promptId}`),
          TemplateError: ({ variable }) => Effect.succeed(variable)
        })
      )
      assert.strictEqual(tag, "no none")
    }).pipe(Effect.provide(router)))
})

const prompt: Prompts.Prompt = { id: "p", version: "1", model: "a/large", messages: [] }

/** A store of one's own. */
const own = (get: Prompts.Service["get"]) =>
  scripted(script).pipe(Layer.provide(Layer.succeed(Prompts.Prompts, { get })))

describe("a store of one's own", () => {
  it.effect("is asked for the exact version, or for none", () => {
    const asked: Array<readonly [string, string | undefined]> = []
    const store = own((id, version) => {
      asked.push([id, version])
      return Effect.succeed({ id, version: version ?? "7", model: "a/large", messages: [] })
    })
    return Effect.gen(function*() {
      for (const version of [undefined, "latest", "3"]) {
        const { route } = yield* ChatCompletions.create({ prompt: { id: "p", version } })
        assert.strictEqual(route.prompt?.version, version === "3" ? "3" : "7")
      }
      assert.deepStrictEqual(asked, [["p", undefined], ["p", undefined], ["p", "3"]])
    }).pipe(Effect.provide(store))
  })

  it.effect("may give what is no prompt, or fail", () =>
    Effect.gen(function*() {
      const wrong = { id: "p", version: "1", model: "a/large", messages: [], parameters: { temperature: 3 } }
      const invalid = yield* Effect.provide(failure({ prompt: { id: "p" } }), own(() => Effect.succeed(wrong)))
      // the client of a gateway hears what class of failure it is, and no details of its store
      const detail = isHosted ? "" : "parameters.temperature: expected a number from 0 to 2 or null"
      assert.strictEqual(invalid._tag, "PromptInvalid")
      assert.strictEqual(invalid.message, `prompt "p" (version 1): ${detail}`)
      const down = yield* Effect.provide(
        failure({ prompt: { id: "p" }, retry: { count: 5 }, fallbacks: [{ model: "a/small" }] }),
        own((promptId) => Effect.fail(new RouterError.PromptUnavailable({ promptId, reason: "ECONNREFUSED" })))
      )
      assert.strictEqual(
        down.message,
        `prompt "p": the store is not available (${isHosted ? "Unavailable" : "ECONNREFUSED"})`
      )
    }))

  it.effect("may throw, die or give nothing: the error shows nothing of it", () =>
    Effect.gen(function*() {
      const nothing: Prompts.Prompt = JSON.parse("null")
      const stores: ReadonlyArray<Prompts.Service["get"]> = [
        () => {
          throw new Error("postgres://user:secret@host")
        },
        () => Effect.die(new Error("postgres://user:secret@host")),
        () => Effect.succeed(nothing),
        () => Effect.succeed({ id: "another", version: "1", model: "a/large", messages: [] })
      ]
      for (const get of stores) {
        const error = yield* Effect.provide(failure({ prompt: { id: "p" } }), own(get))
        assert.strictEqual(error._tag, "PromptUnavailable")
        assert.notInclude(error.message, "secret")
      }
    }))

  it.effect("may change what it gave: a prompt never says how it is routed", () => {
    const prompt = { id: "p", version: "1", model: "a/large", messages: [], parameters: { temperature: 1 } }
    return Effect.gen(function*() {
      yield* ChatCompletions.create({ prompt: { id: "p" } })
      Object.assign(prompt.parameters, { cache: { type: "exact_match" } })
      const { route } = yield* ChatCompletions.create({ prompt: { id: "p" } })
      assert.strictEqual(route.cache, "off")
    }).pipe(Effect.provide(own(() => Effect.succeed(prompt))))
  })

  it.effect("takes part in the deadline of the call, even where it cannot be interrupted", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.flip(
        ChatCompletions.create({ prompt: { id: "p" }, timeout: { totalTimeout: 50 } })
      ))
      yield* TestClock.adjust("50 millis")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "DeadlineExceeded")
    }).pipe(Effect.provide(own(() => Effect.uninterruptible(Effect.as(Effect.sleep("1 hour"), prompt))))))

  it.effect("takes part in the deadline of the call", () =>
    Effect.gen(function*() {
      const request = { prompt: { id: "p" }, timeout: { totalTimeout: 1000 } }
      const hangs = yield* ChatCompletions.create(request).pipe(
        Effect.flip,
        Effect.timed,
        elapse,
        Effect.provide(own(() => Effect.never))
      )
      assert.strictEqual(hangs[1]._tag, "DeadlineExceeded")
      const slow = scripted({ "a/large": Testing.completion("Hello", { delay: "600 millis" }) }).pipe(
        Layer.provide(Layer.succeed(Prompts.Prompts, {
          get: (id) => Effect.delay(Effect.succeed({ id, version: "1", model: "a/large", messages: [] }), "600 millis")
        }))
      )
      const both = yield* ChatCompletions.create(request).pipe(Effect.flip, elapse, Effect.provide(slow))
      assert.strictEqual(both._tag, "DeadlineExceeded")
      const enough = { ...request, timeout: { totalTimeout: 1300 } }
      yield* ChatCompletions.create(enough).pipe(elapse, Effect.provide(slow))
    }))
})

describe("the cache", () => {
  const cache = { type: "exact_match" } as const

  const statuses = (...requests: ReadonlyArray<ChatRequest.ChatRequest>) =>
    Effect.map(
      Effect.forEach(requests, (request) => ChatCompletions.create({ ...request, cache })),
      (completions) => completions.map(({ route }) => route.cache)
    ).pipe(Effect.provide(router))

  it.effect("knows a request by what it renders to", () =>
    Effect.gen(function*() {
      const first = { prompt: { id: "greeting", version: "1" }, variables: { name: "Ada" } }
      assert.deepStrictEqual(
        yield* statuses(
          first,
          first,
          { ...first, variables: { name: "Ada", unused: 1 } },
          { prompt: { id: "bare" }, model: "a/small", variables: { name: "Ada" } },
          { model: "a/small", messages: [{ role: "user", content: "Hello Ada" }] },
          { ...first, variables: { name: "Grace" } },
          { ...first, temperature: 0 },
          { prompt: { id: "greeting", version: "2" }, variables: { user: { name: "Ada" } } }
        ),
        ["miss", "hit", "hit", "hit", "hit", "miss", "miss", "miss"]
      )
    }))

  it.effect("gives each call the prompt of its own in its route", () =>
    Effect.gen(function*() {
      yield* ChatCompletions.create({ prompt: { id: "greeting", version: "1" }, variables: { name: "A" }, cache })
      const { route } = yield* ChatCompletions.create({
        prompt: { id: "bare" },
        model: "a/small",
        variables: { name: "A" },
        cache
      })
      assert.deepInclude(route, { cache: "hit", prompt: { id: "bare", version: "1", variables: ["name"] } })
    }).pipe(Effect.provide(router)))
})
