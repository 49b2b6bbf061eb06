import type { HttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import {
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Predicate,
  Redacted,
  Scope,
  Stream,
  TestClock,
  Tracer
} from "effect"
import {
  ChatCompletions,
  HttpPolicy,
  OpenAiCompatible,
  Prompts,
  type Provider,
  Providers,
  Resilience,
  ResponseCache
} from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import * as Prices from "../src/Prices.js"
import * as Telemetry from "../src/Telemetry.js"
import { CurrentObservation } from "../src/telemetry/Observation.js"
import { elapse, messages, scripted } from "./support/router.js"
import { keeping, type Kept } from "./support/telemetry.js"

const usage = {
  prompt_tokens: 12,
  completion_tokens: 7,
  total_tokens: 19,
  prompt_tokens_details: { cached_tokens: 4 },
  completion_tokens_details: { reasoning_tokens: 3 }
}

const ask = ChatCompletions.create({ model: "openai/gpt-4o", messages })

/** The spans of an effect, whatever it ends with. */
const spansOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const { kept, tracer } = yield* keeping
    yield* Effect.exit(elapse(Effect.withTracer(effect, tracer)))
    return kept()
  })

const at = (spans: ReadonlyArray<Kept>, index: number): Kept => {
  const span = spans[index]
  assert.isDefined(span)
  return span!
}

const router = (script: Testing.Script, telemetry: Layer.Layer<Telemetry.Telemetry>) =>
  Layer.provideMerge(scripted(script), telemetry)

const server = { "server.address": "scripted.invalid", "server.port": 80 }

describe("the spans of a completion", () => {
  it.effect("are one for the call and one for its attempt, attribute by attribute", () =>
    Effect.gen(function*() {
      const [call, attempt, ...others] = yield* spansOf(ChatCompletions.create({
        model: "openai/gpt-4o",
        messages,
        temperature: 0.5,
        topP: 0.9,
        topK: 40,
        maxCompletionTokens: 100,
        seed: 42,
        stop: ["END"],
        n: 1,
        frequencyPenalty: 0.1,
        presencePenalty: -0.1,
        reasoningEffort: "low",
        responseFormat: { type: "json_object" },
        orq: { thread: { id: "thread-1" } }
      }))
      assert.deepStrictEqual(others, [])
      assert.deepStrictEqual(call, {
        name: "chat openai/gpt-4o",
        kind: "client",
        parent: undefined,
        start: 0,
        end: 200,
        status: "success",
        events: [],
        attributes: {
          "gen_ai.operation.name": "chat",
          "gen_ai.provider.name": "openai",
          "gen_ai.request.model": "openai/gpt-4o",
          ...server,
          "gen_ai.request.temperature": 0.5,
          "gen_ai.request.top_p": 0.9,
          "gen_ai.request.top_k": 40,
          "gen_ai.request.max_tokens": 100,
          "gen_ai.request.seed": 42,
          "gen_ai.request.frequency_penalty": 0.1,
          "gen_ai.request.presence_penalty": -0.1,
          "gen_ai.request.reasoning.level": "low",
          "gen_ai.request.stop_sequences": ["END"],
          "gen_ai.output.type": "json",
          "gen_ai.conversation.id": "thread-1",
          "gen_ai.response.id": "chatcmpl-scripted",
          "gen_ai.response.model": "gpt-4o-2024",
          "gen_ai.response.finish_reasons": ["length"],
          "gen_ai.usage.input_tokens": 12,
          "gen_ai.usage.output_tokens": 7,
          "gen_ai.usage.cache_read.input_tokens": 4,
          "gen_ai.usage.reasoning.output_tokens": 3,
          "router.target": "openai/gpt-4o",
          "router.attempts": 1,
          "router.cache.status": "off"
        }
      })
      assert.deepStrictEqual(attempt, {
        name: "chat gpt-4o",
        kind: "client",
        parent: "chat openai/gpt-4o",
        start: 0,
        end: 200,
        status: "success",
        events: [],
        attributes: {
          "gen_ai.operation.name": "chat",
          "gen_ai.provider.name": "openai",
          "gen_ai.request.model": "gpt-4o",
          ...server,
          "router.target": "openai/gpt-4o",
          "router.attempt": 1,
          "router.wait": 0,
          "gen_ai.response.id": "chatcmpl-scripted",
          "gen_ai.response.model": "gpt-4o-2024",
          "gen_ai.response.finish_reasons": ["length"],
          "http.response.status_code": 200
        }
      })
    }).pipe(Effect.provide(scripted({
      "openai/gpt-4o": Testing.completion("Hi", {
        model: "gpt-4o-2024",
        finishReason: "length",
        usage,
        delay: "200 millis"
      })
    }))))

  it.effect("say what was retried, left out and moved on from, and when", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(
        ChatCompletions.create({
          model: "mistral/large",
          messages,
          n: 2,
          retry: { count: 1, onCodes: [503] },
          fallbacks: [{ model: "acme/a/b" }]
        }).pipe(Effect.withSpan("the program"))
      )
      assert.deepStrictEqual(
        spans.map((_) => [_.name, _.parent, _.start, _.end, _.status]),
        [
          ["the program", undefined, 0, 1900, "success"],
          ["chat mistral/large", "the program", 0, 1900, "success"],
          ["chat large", "chat mistral/large", 0, 300, "Unavailable"],
          ["chat large", "chat mistral/large", 1300, 1600, "Unavailable"],
          ["chat a/b", "chat mistral/large", 1600, 1900, "success"]
        ]
      )
      const call = at(spans, 1)
      assert.deepStrictEqual(call.events, [
        {
          name: "router.retry",
          at: 300,
          attributes: { "router.target": "mistral/large", "router.reason": "Unavailable", "router.wait": 1 }
        },
        {
          name: "router.fallback",
          at: 1600,
          attributes: { "router.from": "mistral/large", "router.to": "acme/a/b", "router.reason": "Unavailable" }
        }
      ])
      assert.deepInclude(call.attributes, {
        "gen_ai.provider.name": "acme",
        "gen_ai.request.model": "mistral/large",
        "gen_ai.request.choice.count": 2,
        "router.target": "acme/a/b",
        "router.attempts": 3
      })
      assert.deepInclude(at(spans, 3).attributes, {
        "gen_ai.provider.name": "mistral_ai",
        "router.attempt": 2,
        "router.wait": 1,
        "http.response.status_code": 503,
        "error.type": "Unavailable"
      })
      assert.deepInclude(at(spans, 4).attributes, {
        "gen_ai.request.model": "a/b",
        "router.attempt": 3,
        "router.wait": 0
      })
      assert.notProperty(at(spans, 4).attributes, "error.type")
    }).pipe(
      Effect.withRandomFixed([0.5]),
      Effect.provide(scripted({
        "mistral/large": Testing.delayed(Testing.status(503), "300 millis"),
        "acme/a/b": Testing.completion("Hi", { delay: "300 millis" })
      }))
    ))

  it.effect("end with the error that the caller gets", () =>
    Effect.gen(function*() {
      const [call, attempt] = yield* spansOf(ask)
      assert.deepStrictEqual([call?.status, attempt?.status], ["Auth", "Auth"])
      assert.deepInclude(call?.attributes, { "error.type": "Auth", "gen_ai.provider.name": "openai", ...server })
      assert.notProperty(call?.attributes, "router.target")
      assert.deepInclude(attempt?.attributes, { "error.type": "Auth", "http.response.status_code": 401 })
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": Testing.status(401) }))))

  it.effect("stand for several failures of one call", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(
        ChatCompletions.create({ model: "openai/gpt-4o", messages, fallbacks: [{ model: "b/y" }] })
      )
      assert.deepStrictEqual(spans.map(({ status }) => status), ["AllTargetsFailed", "Unavailable", "Transport"])
      assert.strictEqual(at(spans, 0).attributes["error.type"], "AllTargetsFailed")
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": Testing.status(500), "b/y": Testing.reset }))))

  it.effect("of a request that is wrong are the one of the call, with nothing of the request but a model that is a text", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<any> = [{ model: "nowhere", messages }, { model: 5, messages: "secret" }, null]
      const spans = yield* spansOf(Effect.forEach(wrong, (request) => Effect.exit(ChatCompletions.create(request))))
      assert.deepStrictEqual(
        spans.map((_) => [_.name, _.status]),
        [["chat nowhere", "InvalidRequest"], ["chat", "InvalidRequest"], ["chat", "InvalidRequest"]]
      )
      assert.deepStrictEqual(at(spans, 1).attributes, {
        "gen_ai.operation.name": "chat",
        "error.type": "InvalidRequest",
        "router.attempts": 0,
        "router.cache.status": "off"
      })
    }).pipe(Effect.provide(scripted({}))))

  it.effect("of a call that is interrupted end with it", () =>
    Effect.gen(function*() {
      const { kept, tracer } = yield* keeping
      const fiber = yield* Effect.fork(Effect.withTracer(ask, tracer))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(fiber)
      const spans = kept()
      assert.deepStrictEqual(spans.map((_) => [_.end, _.status]), [[2000, "interrupted"], [2000, "interrupted"]])
      spans.forEach((span) => assert.notProperty(span.attributes, "error.type"))
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": Testing.hang }))))

  it.effect("of a call whose wait for a retry is interrupted tell of no retry", () =>
    Effect.gen(function*() {
      const { kept, tracer } = yield* keeping
      const call = ChatCompletions.create({ model: "openai/gpt-4o", messages, retry: { count: 1 } })
      const fiber = yield* Effect.fork(Effect.withTracer(call, tracer))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(kept().map((_) => [_.end, _.status]), [[100, "interrupted"], [0, "Unavailable"]])
      assert.deepStrictEqual(kept()[0]?.events, [])
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": Testing.status(503) }))))
})

describe("the spans of answers from the cache", () => {
  const cached = ChatCompletions.create({ model: "openai/gpt-4o", messages, cache: { type: "exact_match", ttl: 60 } })

  it.effect("have no usage and no cost: nothing was used", () =>
    Effect.gen(function*() {
      const [miss, attempt, hit, ...others] = yield* spansOf(
        Effect.zipRight(cached, Effect.delay(cached, "3 seconds"))
      )
      assert.deepStrictEqual(others, [])
      assert.strictEqual(attempt?.name, "chat gpt-4o")
      assert.deepInclude(miss?.attributes, {
        "router.cache.status": "miss",
        "gen_ai.usage.input_tokens": 12,
        "router.cost": (8 * 2 + 4 * 1 + 7 * 8) / 1e6
      })
      assert.deepStrictEqual(miss?.events, [
        { name: "router.cache", at: 0, attributes: { "router.cache.status": "miss" } }
      ])
      assert.deepStrictEqual(hit?.events, [
        { name: "router.cache", at: 3000, attributes: { "router.cache.status": "hit", "router.cache.age": 3 } }
      ])
      assert.deepStrictEqual(hit?.attributes, {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "openai/gpt-4o",
        "gen_ai.response.id": "chatcmpl-scripted",
        "gen_ai.response.model": "gpt-4o",
        "gen_ai.response.finish_reasons": ["stop"],
        "router.target": "openai/gpt-4o",
        "router.attempts": 0,
        "router.cache.status": "hit",
        "router.cache.age": 3
      })
    }).pipe(Effect.provide(router(
      { "openai/gpt-4o": Testing.completion("Hi", { usage }) },
      Telemetry.layer({ prices: Prices.make({ "openai/gpt-4o": { input: 2, output: 8, cachedInput: 1 } }) })
    ))))

  it.effect("of identical calls at once: one has made the attempt", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(Effect.all([cached, cached], { concurrency: 2 }))
      const calls = spans.filter(({ parent }) => parent === undefined)
      assert.deepStrictEqual(calls.map((_) => _.attributes["router.cache.status"]).sort(), ["miss", "shared"])
      assert.strictEqual(spans.length - calls.length, 1)
      assert.strictEqual(calls.filter((_) => "gen_ai.usage.input_tokens" in _.attributes).length, 1)
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": Testing.completion("Hi", { usage, delay: "1 second" }) }))))

  it.effect("an old answer that stands in for an outage is a miss first, and then stale", () =>
    Effect.gen(function*() {
      const staleIfError = ChatCompletions.create({
        model: "openai/gpt-4o",
        messages,
        cache: { type: "exact_match", ttl: 1, staleIfError: 60 }
      })
      const spans = yield* spansOf(Effect.zipRight(staleIfError, Effect.delay(staleIfError, "5 seconds")))
      const stale = at(spans, 2)
      assert.deepStrictEqual(
        stale.events.map((_) => [_.name, _.attributes["router.cache.status"]]),
        [["router.cache", "miss"], ["router.cache", "stale"]]
      )
      assert.deepInclude(stale.attributes, { "router.cache.status": "stale", "router.attempts": 1 })
      assert.notProperty(stale.attributes, "gen_ai.usage.input_tokens")
    }).pipe(Effect.provide(scripted({
      "openai/gpt-4o": [Testing.completion("Hi", { usage }), Testing.status(503)]
    }))))
})

describe("the spans of a stream", () => {
  const streamed = ChatCompletions.stream({ model: "openai/gpt-4o", messages })
  const slow = Testing.stream(["Hel", "lo"], { usage, delay: "500 millis", between: "100 millis" })

  it.effect("last until it is complete, not until its first content", () =>
    Effect.gen(function*() {
      const [call, attempt] = yield* spansOf(Stream.runDrain(streamed))
      // the headers with the role, two texts, the finish, the usage, [DONE]
      assert.deepStrictEqual([call?.start, call?.end, call?.status], [0, 1000, "success"])
      assert.deepStrictEqual([attempt?.start, attempt?.end, attempt?.status], [0, 1000, "success"])
      assert.deepInclude(call?.attributes, {
        "gen_ai.request.stream": true,
        "gen_ai.response.time_to_first_chunk": 0.6,
        "gen_ai.response.id": "chatcmpl-scripted",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 7
      })
      assert.deepInclude(attempt?.attributes, {
        "gen_ai.response.time_to_first_chunk": 0.6,
        "gen_ai.response.finish_reasons": ["stop"],
        "http.response.status_code": 200
      })
      assert.notProperty(attempt?.attributes, "gen_ai.usage.input_tokens")
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": slow }))))

  it.effect("end with the error when it breaks, and say so of its choice", () =>
    Effect.gen(function*() {
      const [call, attempt] = yield* spansOf(Stream.runDrain(streamed))
      assert.deepStrictEqual([call?.end, call?.status], [300, "StreamInterrupted"])
      assert.deepStrictEqual([attempt?.end, attempt?.status], [300, "Transport"])
      assert.deepInclude(call?.attributes, {
        "error.type": "StreamInterrupted",
        "gen_ai.response.finish_reasons": ["error"],
        "router.target": "openai/gpt-4o"
      })
      assert.deepInclude(attempt?.attributes, { "error.type": "Transport", "http.response.status_code": 200 })
    }).pipe(Effect.provide(scripted({
      "openai/gpt-4o": Testing.stream(["Hel", "lo"], { between: "100 millis", cut: { after: 3, how: "reset" } })
    }))))

  it.effect("end when its reader leaves, as interrupted", () =>
    Effect.gen(function*() {
      const [call, attempt] = yield* spansOf(Stream.runDrain(Stream.take(streamed, 2)))
      assert.deepStrictEqual([call?.end, call?.status], [600, "interrupted"])
      assert.deepStrictEqual([attempt?.end, attempt?.status], [600, "interrupted"])
      assert.notProperty(call?.attributes, "error.type")
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": slow }))))

  it.effect("a reader that has the whole answer has left nothing", () =>
    Effect.gen(function*() {
      const [call, attempt] = yield* spansOf(
        Stream.runDrain(Stream.takeUntil(streamed, (chunk) => chunk.choices[0]?.finishReason === "stop"))
      )
      assert.deepStrictEqual([call?.end, call?.status, attempt?.status], [800, "success", "success"])
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": slow }))))

  it.effect("end with an interruption before the first content, and in the midst of it", () =>
    Effect.gen(function*() {
      for (const millis of [200, 650]) {
        const { kept, tracer } = yield* keeping
        const fiber = yield* Effect.fork(Effect.withTracer(Stream.runDrain(streamed), tracer))
        yield* TestClock.adjust(millis)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(kept().map(({ status }) => status), ["interrupted", "interrupted"])
      }
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": slow }))))

  it.effect("that nobody comes to read end when the scope does", () =>
    Effect.gen(function*() {
      const { kept, tracer } = yield* keeping
      const scope = yield* Scope.make()
      const ready = yield* Deferred.make<void>()
      // pulled once, and then forgotten
      const fiber = yield* Stream.toPull(streamed).pipe(
        Effect.flatMap((pull) => Effect.zipRight(pull, Deferred.succeed(ready, undefined))),
        Scope.extend(scope),
        Effect.withTracer(tracer),
        Effect.fork
      )
      yield* TestClock.adjust("600 millis")
      yield* Deferred.await(ready)
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(kept().map(({ status }) => status), [undefined, undefined])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(kept().map(({ status }) => status), ["interrupted", "interrupted"])
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": slow }))))

  it.effect("fail over before the first content like those of a completion", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(Stream.runDrain(ChatCompletions.stream({
        model: "openai/gpt-4o",
        messages,
        fallbacks: [{ model: "b/y" }]
      })))
      assert.deepStrictEqual(spans.map(({ status }) => status), ["success", "Transport", "success"])
      assert.deepStrictEqual(at(spans, 0).events.map(({ name }) => name), ["router.fallback"])
    }).pipe(Effect.provide(scripted({
      "openai/gpt-4o": Testing.stream(["Hi"], { cut: { after: 1, how: "reset" } }),
      "b/y": Testing.stream(["Hi"])
    }))))

  it.effect("that never has content end with the error", () =>
    Effect.gen(function*() {
      const [call, attempt] = yield* spansOf(Stream.runDrain(streamed))
      assert.deepStrictEqual([call?.status, attempt?.status], ["Auth", "Auth"])
      assert.strictEqual(call?.attributes["error.type"], "Auth")
      assert.notProperty(call?.attributes, "gen_ai.response.time_to_first_chunk")
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": Testing.status(401) }))))

  it.effect("from the cache have no usage", () =>
    Effect.gen(function*() {
      const cached = ChatCompletions.stream({ model: "openai/gpt-4o", messages, cache: { type: "exact_match" } })
      const spans = yield* spansOf(Effect.zipRight(Stream.runDrain(cached), Stream.runDrain(cached)))
      const hit = at(spans, 2)
      assert.deepInclude(hit.attributes, { "router.cache.status": "hit", "gen_ai.response.finish_reasons": ["stop"] })
      assert.notProperty(hit.attributes, "gen_ai.usage.input_tokens")
      assert.strictEqual(hit.status, "success")
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": Testing.stream(["Hi"], { usage }) }))))
})

describe("the spans of calls with state", () => {
  it.effect("tell of circuits that change, and of what they hold back", () =>
    Effect.gen(function*() {
      const withFallback = ChatCompletions.create({ model: "openai/gpt-4o", messages, fallbacks: [{ model: "b/y" }] })
      const spans = yield* spansOf(Effect.all([
        withFallback,
        ask,
        Effect.delay(ask, "1 minute")
      ].map((_) => Effect.exit(_))))
      const events = spans.filter(({ parent }) => parent === undefined).map((span) =>
        span.events.map(({ at, attributes, name }) => [name, at, ...Object.values(attributes)])
      )
      assert.deepStrictEqual(events, [
        [
          ["router.breaker", 0, "openai/gpt-4o", "open"],
          ["router.fallback", 0, "openai/gpt-4o", "b/y", "Unavailable"]
        ],
        [["router.skip", 0, "openai/gpt-4o", "BreakerOpen"]],
        [
          ["router.breaker", 60_000, "openai/gpt-4o", "halfOpen"],
          ["router.breaker", 60_000, "openai/gpt-4o", "closed"]
        ]
      ])
    }).pipe(Effect.provide(
      Layer.provide(
        ChatCompletions.layer,
        Layer.mergeAll(
          Providers.layer({
            openai: OpenAiCompatible.make({ baseUrl: Testing.baseUrl("openai") }),
            b: OpenAiCompatible.make({ baseUrl: Testing.baseUrl("b") })
          }),
          ResponseCache.layerMemory(),
          Resilience.layer({ circuitBreaker: { consecutiveFailures: 1, openFor: "5 seconds" } })
        )
      ).pipe(Layer.provide(Testing.layerTransport({
        "openai/gpt-4o": [Testing.status(503), Testing.completion("Hi")],
        "b/y": Testing.completion("Hi")
      })))
    )))

  it.effect("name the prompt of the call, and the model and the parameters that it brings", () =>
    Effect.gen(function*() {
      const [call] = yield* spansOf(ChatCompletions.create({ prompt: { id: "greet" }, variables: { name: "Ada" } }))
      assert.strictEqual(call?.name, "chat")
      assert.deepInclude(call?.attributes, {
        "gen_ai.request.model": "openai/gpt-4o",
        "gen_ai.request.temperature": 0.3,
        "gen_ai.prompt.name": "greet",
        "gen_ai.prompt.version": "2"
      })
    }).pipe(Effect.provide(
      Layer.provide(
        ChatCompletions.layer,
        Layer.mergeAll(
          Providers.layer({ openai: OpenAiCompatible.make({ baseUrl: Testing.baseUrl("openai") }) }),
          ResponseCache.layerMemory(),
          Prompts.layerMemory({
            greet: {
              "2": {
                model: "openai/gpt-4o",
                messages: [{ role: "user", content: "Say hello to {{name}}" }],
                parameters: { temperature: 0.3 }
              }
            }
          })
        )
      ).pipe(Layer.provide(Testing.layerTransport({ "openai/gpt-4o": Testing.completion("Hi") })))
    )))
})

describe("content", () => {
  const talk = ChatCompletions.create({
    model: "openai/gpt-4o",
    variables: { name: "Ada" },
    messages: [
      { role: "system", content: "Be brief" },
      {
        role: "user",
        content: [
          { type: "text", text: "I am {{name}}" },
          { type: "image_url", imageUrl: { url: "https://example.com/a.png" } },
          { type: "image_url", imageUrl: { url: "data:image/png;base64,SECRETBYTES" } },
          { type: "input_audio", inputAudio: { data: "SECRETBYTES", format: "wav" } }
        ]
      },
      {
        role: "assistant",
        toolCalls: [{ id: "c1", type: "function", function: { name: "look", arguments: "{\"a\":1}" } }]
      },
      { role: "tool", toolCallId: "c1", content: "seen" }
    ]
  })
  const answer = Testing.completion("On it", {
    toolCalls: [{ id: "c2", type: "function", function: { name: "look", arguments: "no json" } }]
  })
  const json = (span: Kept | undefined, name: string): unknown => JSON.parse(String(span?.attributes[name]))

  it.effect("is on the span of the call, as it was sent, when it is asked for", () =>
    Effect.gen(function*() {
      const [call, attempt] = yield* spansOf(talk)
      assert.deepStrictEqual(json(call, "gen_ai.system_instructions"), [{ type: "text", content: "Be brief" }])
      assert.deepStrictEqual(json(call, "gen_ai.input.messages"), [
        { role: "system", parts: [{ type: "text", content: "Be brief" }] },
        {
          role: "user",
          parts: [
            { type: "text", content: "I am Ada" },
            { type: "uri", modality: "image", uri: "https://example.com/a.png" },
            { type: "blob", modality: "image", mime_type: "image/png", content: "" },
            { type: "blob", modality: "audio", mime_type: "audio/wav", content: "" }
          ]
        },
        { role: "assistant", parts: [{ type: "tool_call", id: "c1", name: "look", arguments: { a: 1 } }] },
        { role: "tool", parts: [{ type: "tool_call_response", id: "c1", response: "seen" }] }
      ])
      assert.deepStrictEqual(json(call, "gen_ai.output.messages"), [{
        role: "assistant",
        parts: [
          { type: "text", content: "On it" },
          { type: "tool_call", id: "c2", name: "look", arguments: "no json" }
        ],
        finish_reason: "tool_call"
      }])
      assert.isFalse(Object.keys(attempt?.attributes ?? {}).some((name) => name.includes("messages")))
    }).pipe(Effect.provide(router({ "openai/gpt-4o": answer }, Telemetry.layer({ captureContent: true })))))

  it.effect("of a stream is put together, as far as it came", () =>
    Effect.gen(function*() {
      const [call] = yield* spansOf(Stream.runDrain(ChatCompletions.stream({ model: "openai/gpt-4o", messages })))
      assert.deepStrictEqual(json(call, "gen_ai.output.messages"), [{
        role: "assistant",
        parts: [{ type: "text", content: "Hello" }],
        finish_reason: "error"
      }])
    }).pipe(Effect.provide(router(
      { "openai/gpt-4o": Testing.stream(["Hel", "lo"], { cut: { after: 3, how: "reset" } }) },
      Telemetry.layer({ captureContent: true, metrics: false })
    ))))

  it.effect("is nowhere otherwise", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(talk)
      const shown = JSON.stringify(spans)
      for (const text of ["Be brief", "Ada", "On it", "SECRETBYTES", "seen"]) {
        assert.notInclude(shown, text)
      }
    }).pipe(Effect.provide(router({ "openai/gpt-4o": answer }, Telemetry.layer()))))
})

describe("where nobody observes", () => {
  const peculiar = OpenAiCompatible.make({ baseUrl: Testing.baseUrl("p") })

  /** A provider of one's own that is nowhere, and looks around before it sends anything. */
  const looking = (found: (observation: unknown, span: unknown) => void) => ({
    ...peculiar,
    server: undefined,
    client: (transport: HttpClient.HttpClient) =>
      peculiar.client(
        HttpPolicy.wrap(transport, (request, execute) =>
          Effect.flatMap(Effect.zip(CurrentObservation, Effect.option(Effect.currentSpan)), ([observation, span]) => {
            found(observation, Option.getOrUndefined(span))
            return execute(request)
          }))
      )
  })

  const over = (provider: Provider.Provider) =>
    ChatCompletions.layer.pipe(
      Layer.provide([Providers.layer({ p: provider }), ResponseCache.layerMemory()]),
      Layer.provide(Testing.layerTransport({ "p/x": Testing.status(503), "p/y": Testing.completion("Hi") }))
    )

  const manyAttempts = ChatCompletions.create({
    model: "p/x",
    messages,
    retry: { count: 2 },
    fallbacks: [{ model: "p/y" }]
  })

  it.effect("there is no observation and no span, and that is asked once in a call", () =>
    Effect.gen(function*() {
      let asked = 0
      const found: Array<unknown> = []
      const switchedOff: Telemetry.Service = {
        ...(yield* Telemetry.make({ metrics: false })),
        get metrics() {
          asked++
          return undefined
        }
      }
      const { route } = yield* elapse(manyAttempts).pipe(
        Effect.provide(over(looking((...both) => found.push(...both)))),
        Effect.provideService(Telemetry.Telemetry, switchedOff)
      )
      assert.strictEqual(route.attempts.length, 4)
      assert.deepStrictEqual([asked, found], [1, Array.from({ length: 8 }, () => undefined)])
    }))

  it.effect("a provider that is nowhere has no server; what it does is inside of the attempt", () =>
    Effect.gen(function*() {
      const names: Array<unknown> = []
      const [call, attempt] = yield* spansOf(manyAttempts).pipe(
        Effect.provide(over(looking((_, span) => names.push(Predicate.hasProperty(span, "name") && span.name))))
      )
      assert.deepStrictEqual(names, ["chat x", "chat x", "chat x", "chat y"])
      assert.notProperty(call?.attributes, "server.address")
      assert.notProperty(attempt?.attributes, "server.address")
    }))

  it.effect("a tracer that is switched off gets nothing", () =>
    Effect.gen(function*() {
      const { kept, tracer } = yield* keeping
      yield* ask.pipe(Effect.withTracer(tracer), Effect.withTracerEnabled(false))
      assert.deepStrictEqual(kept(), [])
    }).pipe(Effect.provide(scripted({ "openai/gpt-4o": Testing.completion("Hi") }))))
})

describe("secrets", () => {
  it.effect("are in no span: no key, no prompt, no completion, no text of an error", () =>
    Effect.gen(function*() {
      const key = Redacted.make("sk-very-secret")
      const { kept, tracer } = yield* keeping
      const exits: Array<unknown> = []
      const showing = Tracer.make({
        ...tracer,
        span: (...options) => {
          const span = tracer.span(...options)
          const end = span.end.bind(span)
          span.end = (at, exit) => {
            exits.push(String(exit), JSON.stringify(exit))
            end(at, exit)
          }
          return span
        }
      })
      yield* elapse(Effect.forEach(
        ["p/ok", "p/echo", "p/cut"],
        (model) => {
          const request = {
            model,
            messages: [{ role: "user" as const, content: "{{word}} PROMPT-TEXT" }],
            variables: { word: "VARIABLE-TEXT" },
            orq: { thread: { id: "t" } }
          }
          return Effect.zipRight(
            Effect.exit(ChatCompletions.create(request)),
            Effect.exit(Stream.runDrain(ChatCompletions.stream(request)))
          )
        }
      )).pipe(
        Effect.withTracer(showing),
        Effect.provide(scripted({
          "p/ok": [Testing.completion("ANSWER-TEXT"), Testing.stream(["ANSWER-TEXT"])],
          "p/echo": Testing.status(400, { message: "sk-very-secret said PROMPT-TEXT ANSWER-TEXT" }),
          "p/cut": Testing.stream(["ANSWER-TEXT"], { cut: { after: 2, how: "reset" } })
        }, key))
      )
      assert.strictEqual(kept().filter(({ parent }) => parent === undefined).length, 6)
      const shown = JSON.stringify(kept()) + exits.join()
      for (const text of ["sk-very-secret", "PROMPT-TEXT", "ANSWER-TEXT", "VARIABLE-TEXT"]) {
        assert.notInclude(shown, text)
      }
    }))

  it.effect("a text of a provider is shown in a bounded length", () =>
    Effect.gen(function*() {
      const [call] = yield* spansOf(ask)
      for (const name of ["gen_ai.response.id", "gen_ai.response.model"]) {
        assert.strictEqual(String(call?.attributes[name]).length, 256)
      }
      assert.deepStrictEqual(call?.attributes["gen_ai.response.finish_reasons"], ["f".repeat(256)])
    }).pipe(Effect.provide(scripted({
      "openai/gpt-4o": Testing.completion("Hi", {
        model: "m".repeat(5000),
        finishReason: "f".repeat(5000),
        body: { id: "i".repeat(5000) }
      })
    }))))
})
