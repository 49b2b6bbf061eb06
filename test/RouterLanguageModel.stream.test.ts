import { AiError, LanguageModel, Tool, Toolkit } from "@effect/ai"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Exit, FastCheck, Fiber, Layer, Random, Redacted, Schema, Stream, TestClock } from "effect"
import { RouterError } from "effect-llm-router"
import * as RouterLanguageModel from "effect-llm-router/RouterLanguageModel"
import * as Testing from "effect-llm-router/Testing"
import { choice, done, event, events, finish, role, text } from "./support/policies.js"
import { elapse, scripted, targets } from "./support/router.js"

const over = (script: Testing.Script, config: RouterLanguageModel.Options["config"] = {}) =>
  Layer.provideMerge(RouterLanguageModel.layer({ model: "a/x", config }), scripted(script))

const collect = <A, E, R>(stream: Stream.Stream<A, E, R>) =>
  elapse(Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray))

const tell = LanguageModel.streamText({ prompt: "Hello" })

type Part = { readonly type: string; readonly [member: string]: unknown }

/** A part in a few words: its type, and what it says. */
const words = (part: Part): string =>
  [part.type, part.name, part.delta, part.params === undefined ? undefined : JSON.stringify(part.params)]
    .filter((word) => word !== undefined)
    .join(" ")

const withoutMetadata = (parts: ReadonlyArray<unknown>) =>
  (parts as ReadonlyArray<Part>).filter(({ type }) => type !== "response-metadata")

const callPiece = (index: number | undefined, piece: object) =>
  event(choice({ tool_calls: [{ ...(index !== undefined && { index }), ...piece }] }))

const Weather = Tool.make("weather", { parameters: { city: Schema.String }, success: Schema.Number })
const Now = Tool.make("now", { success: Schema.String })
const toolkit = Toolkit.make(Weather, Now)

const handlers = (seen: Array<string>) =>
  toolkit.toLayer({
    weather: ({ city }) => Effect.sync(() => seen.push(city)),
    now: () => Effect.sync(() => (seen.push("now"), "noon"))
  })

const ask = LanguageModel.streamText({ prompt: "?", toolkit })

describe("RouterLanguageModel: streams", () => {
  it.effect("gives the text as it comes, its beginning and its end, the usage and the route", () =>
    Effect.gen(function*() {
      const parts = yield* collect(tell)
      assert.deepStrictEqual(parts.map((part) => words(part as never)), [
        "response-metadata",
        "text-start",
        "text-delta Hel",
        "text-delta lo",
        "text-end",
        "finish"
      ])
      const ids = parts.flatMap((part) => part.type.startsWith("text-") ? [(part as { id?: string }).id] : [])
      assert.strictEqual(new Set(ids).size, 1)
      const last = parts[parts.length - 1]
      if (last?.type !== "finish") return assert.fail("no finish part")
      assert.strictEqual(last.reason, "stop")
      assert.strictEqual(last.usage.totalTokens, 3)
      assert.strictEqual(RouterLanguageModel.route(parts)?.served, "a/x")
      const [call] = yield* Testing.calls
      assert.deepInclude(call?.body, { stream: true, stream_options: { include_usage: true } })
    }).pipe(Effect.provide(over({
      "a/x": Testing.stream(["Hel", "lo"], { usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } })
    }))))

  it.effect("each part is there when it was written", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const fiber = yield* Effect.fork(Stream.runForEach(tell, (part) => Effect.sync(() => seen.push(part.type))))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["response-metadata", "text-start", "text-delta"])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(seen.length, 4)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
    }).pipe(Effect.provide(over({ "a/x": Testing.stream(["Hel", "lo"], { between: "1 second" }) }))))

  it.effect("reasoning and text follow each other, and the model's refusal is in the finish part", () =>
    Effect.gen(function*() {
      const parts = yield* collect(tell)
      assert.deepStrictEqual(withoutMetadata(parts).map(words), [
        "reasoning-start",
        "reasoning-delta Hm",
        "reasoning-delta .",
        "reasoning-end",
        "text-start",
        "text-delta Yes",
        "text-end",
        "reasoning-start",
        "reasoning-delta No",
        "reasoning-end",
        "finish"
      ])
      const ends = parts.flatMap((part) => part.type === "reasoning-end" ? [part.metadata.router?.signature] : [])
      assert.deepStrictEqual(ends, ["sig", "sig"])
      const last = parts[parts.length - 1]
      assert.strictEqual(last?.type === "finish" && last.metadata.router?.refusal, "I will not")
      assert.strictEqual(last?.type === "finish" && last.reason, "unknown")
    }).pipe(Effect.provide(over({
      "a/x": events([
        role,
        event(choice({ reasoning: "Hm" })),
        event(choice({ reasoning_content: ".", reasoning_signature: "sig" })),
        event(choice({ content: "Yes", reasoning: null, refusal: null, tool_calls: null })),
        event(choice({ reasoning: "No", content: "" })),
        event(choice({ refusal: "I will" })),
        event(choice({ refusal: " not" })),
        event(choice({}, "whatever")),
        done
      ])
    }))))

  it.effect("the ids of the provider are taken where they are; nulls, and other choices, are nothing", () =>
    Effect.gen(function*() {
      const parts = yield* collect(tell)
      const heads = parts.flatMap((part) => part.type === "response-metadata" ? [part] : [])
      assert.strictEqual(heads.length, 1)
      assert.deepInclude(JSON.parse(JSON.stringify(heads[0])), {
        id: { _id: "Option", _tag: "Some", value: "real" },
        modelId: { _id: "Option", _tag: "Some", value: "x-1" }
      })
      assert.strictEqual(withoutMetadata(parts).map(({ delta }) => delta ?? "").join(""), "Hello")
    }).pipe(Effect.provide(over({
      "a/x": events([
        event({ id: "", model: "", created: 0, choices: [], usage: null }),
        event({ id: "real", model: "x-1", created: null, ...choice({ content: "Hel", role: null }) }),
        event({ id: "other", choices: [{ index: 1, delta: { content: "no" }, finish_reason: "stop" }] }),
        text("lo"),
        finish,
        event({ choices: [], usage: { prompt_tokens: null, completion_tokens_details: null } }),
        done
      ])
    }))))

  it.effect("a retry and a fallback happen below, and nothing is told twice", () =>
    Effect.gen(function*() {
      const parts = yield* collect(tell)
      assert.deepStrictEqual(parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : []), ["Hel", "lo"])
      assert.deepStrictEqual(yield* targets, ["a/x", "a/x", "b/y"])
      assert.strictEqual(RouterLanguageModel.route(parts)?.attempts.length, 3)
    }).pipe(Effect.provide(over({
      "a/x": Testing.stream(["Hel", "lo"], { cut: { after: 1, how: "reset" } }),
      "b/y": Testing.stream(["Hel", "lo"])
    }, { retry: { count: 1, onCodes: [502] }, fallbacks: [{ model: "b/y" }] }))))

  it.effect("takes its settings from the reference; the load balancer has the first number of Random", () =>
    Effect.gen(function*() {
      yield* collect(tell.pipe(Stream.provideService(RouterLanguageModel.Config, {
        temperature: 0.7,
        streamOptions: { includeUsage: false },
        loadBalancer: { type: "weight_based", models: [{ model: "a/x", weight: 0.5 }, { model: "b/y", weight: 0.5 }] }
      }))).pipe(Effect.withRandom(Random.fixed([0.9, 0, 0, 0])))
      const [call] = yield* Testing.calls
      assert.strictEqual(call?.target, "b/y")
      assert.deepInclude(call?.body, { temperature: 0.7, seed: 3, stream_options: { include_usage: false } })
    }).pipe(Effect.provide(over({ a: Testing.stream(["a"]), b: Testing.stream(["b"]) }, { seed: 3 }))))
})

describe("RouterLanguageModel: streams that break", () => {
  for (
    const [name, answer, expected, delivered] of [
      ["a reset", Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "reset" } }), "HttpRequestError", "Hel"],
      ["an end", Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "end" } }), "MalformedOutput", "Hel"],
      ["silence", Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "stall" } }), "HttpRequestError", "Hel"],
      [
        "an error event",
        events([role, text("Hel"), event({ error: { code: 503, message: "secret" } })]),
        "HttpResponseError",
        "Hel"
      ],
      ["a missing finish reason", Testing.stream(["Hel", "lo"], { finishReason: null }), "MalformedOutput", "Hello"]
    ] as const
  ) {
    it.effect(`${name} in the middle is an error, with the text so far in its cause`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const error = yield* elapse(Effect.flip(Stream.runForEach(tell, (part) =>
          Effect.sync(() =>
            seen.push(part.type === "text-delta" ? part.delta : part.type)
          ))))
        assert.strictEqual(error._tag, expected)
        assert.notInclude(seen, "finish")
        assert.notInclude(seen, "text-end")
        assert.notInclude(error.message + String(error), "secret")
        if (!RouterError.isRouterError(error.cause) || error.cause._tag !== "StreamInterrupted") {
          return assert.fail("the cause is no StreamInterrupted")
        }
        assert.strictEqual(Redacted.value(error.cause.partial).choices[0]?.message.content, delivered)
        assert.strictEqual(error.cause.route?.served, "a/x")
      }).pipe(Effect.provide(over({ "a/x": answer }, { timeout: { idleTimeout: 1000 } }))))
  }

  it.effect("a stream that is cut within a call runs no tool", () => {
    const seen: Array<string> = []
    return Effect.gen(function*() {
      const error = yield* elapse(Effect.flip(Stream.runDrain(ask)))
      assert.strictEqual((error as AiError.AiError)._tag, "HttpRequestError")
      assert.deepStrictEqual(seen, [])
    }).pipe(
      Effect.provide(handlers(seen)),
      Effect.provide(over({
        "a/x": events([callPiece(0, { id: "1", function: { name: "weather", arguments: "{\"city\":\"Bern\"}" } })], {
          end: "reset"
        })
      }))
    )
  })

  for (const [name, stream] of [["", tell], [" with tools", ask]] as const) {
    it.effect(`leaving a stream${name} closes the upstream`, () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Stream.runDrain(stream))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Testing.open, 1)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(yield* Testing.open, 0)
        const left = yield* Stream.runHead(stream).pipe(Effect.fork, Effect.zipLeft(TestClock.adjust("1 second")))
        yield* Fiber.join(left)
        yield* Testing.awaitAborted(1)
        assert.strictEqual(yield* Testing.open, 0)
      }).pipe(
        Effect.provide(handlers([])),
        Effect.provide(over({ "a/x": Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "stall" } }) }))
      ))
  }

  it.effect("a prompt that cannot be sent fails before anything is", () =>
    Effect.gen(function*() {
      const stream = LanguageModel.streamText({
        prompt: [{ role: "assistant", content: [{ type: "file", mediaType: "image/png", data: "AQID" }] }]
      })
      const error = yield* Effect.flip(Stream.runDrain(stream))
      assert.instanceOf(error, AiError.MalformedInput)
      assert.deepStrictEqual(yield* targets, [])
    }).pipe(Effect.provide(over({ "a/x": Testing.stream(["Hello"]) }))))
})

describe("RouterLanguageModel: tools in streams", () => {
  it.effect("parallel calls in pieces, one between the other's: announced as they come, run when all is there", () => {
    const seen: Array<string> = []
    return Effect.gen(function*() {
      const parts = yield* collect(ask)
      assert.deepStrictEqual(withoutMetadata(parts).map(words), [
        "text-start",
        "text-delta Let me see.",
        "tool-params-start weather",
        "tool-params-delta {\"city\":",
        "tool-params-start now",
        "tool-params-delta \"Bern\"}",
        "text-end",
        "tool-params-end",
        "tool-call weather {\"city\":\"Bern\"}",
        "tool-params-end",
        "tool-call now {}",
        "finish",
        "tool-result weather",
        "tool-result now"
      ])
      assert.deepStrictEqual(seen, ["Bern", "now"])
      const idsOf = (type: string) =>
        parts.flatMap((part) => part.type === type ? [(part as unknown as { id: string }).id] : [])
      for (const type of ["tool-params-start", "tool-params-end", "tool-call", "tool-result"]) {
        assert.deepStrictEqual(idsOf(type), ["call_1", "call_2"])
      }
      assert.deepStrictEqual(idsOf("tool-params-delta"), ["call_1", "call_1"])
      const last = parts.find((part) => part.type === "finish")
      assert.strictEqual(last?.type === "finish" && last.reason, "tool-calls")
    }).pipe(
      Effect.provide(handlers(seen)),
      Effect.provide(over({
        "a/x": events([
          role,
          text("Let me see."),
          callPiece(0, { id: "call_1", type: "function", function: { name: "weather", arguments: "" } }),
          callPiece(0, { id: "", function: { name: null, arguments: "{\"city\":" } }),
          callPiece(1, { id: "call_2", type: "function", function: { name: "now", arguments: null } }),
          callPiece(0, { id: null, function: { arguments: "\"Bern\"}" } }),
          event(choice({}, "stop")),
          done
        ])
      }))
    )
  })

  it.effect("whole calls without an index or an id get ids of their own; arguments may come before the name", () => {
    const seen: Array<string> = []
    return Effect.gen(function*() {
      const parts = yield* collect(ask)
      const calls = parts.flatMap((part) => part.type === "tool-call" ? [part] : [])
      assert.deepStrictEqual(calls.map(({ params }) => params), [{ city: "Bern" }, { city: "Basel" }])
      assert.strictEqual(new Set(calls.map(({ id }) => id)).size, 2)
      assert.isTrue(calls.every(({ id }) => /^[\w-]+$/.test(id)))
      assert.deepStrictEqual(withoutMetadata(parts).slice(0, 4).map(words), [
        "tool-params-start weather",
        "tool-params-delta {\"city\":\"Bern\"}",
        "tool-params-start weather",
        "tool-params-delta {\"city\":\"Basel\"}"
      ])
      assert.deepStrictEqual(seen, ["Bern", "Basel"])
    }).pipe(
      Effect.provide(handlers(seen)),
      Effect.provide(over({
        "a/x": events([
          callPiece(undefined, { function: { arguments: "{\"city\":" } }),
          callPiece(undefined, { function: { name: "weather", arguments: "\"Bern\"}" } }),
          callPiece(undefined, { function: { name: "weather", arguments: "{\"city\":\"Basel\"}" } }),
          event(choice({}, "tool_calls")),
          done
        ])
      }))
    )
  })

  for (
    const [name, piece] of [
      ["that are no JSON", { id: "1", function: { name: "weather", arguments: "secret" } }],
      ["of a tool without a name", { id: "1", function: { arguments: "{}" } }],
      ["of other types", { id: "1", function: { name: "weather", arguments: "{\"city\":null}" } }]
    ] as const
  ) {
    it.effect(`arguments ${name} are a typed error after the text`, () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const exit = yield* elapse(
          Effect.exit(Stream.runForEach(ask, (part) => Effect.sync(() => seen.push(words(part as never)))))
        )
        assert.include(seen, "text-delta Let me see.")
        assert.notInclude(seen, "finish")
        const error = Exit.isFailure(exit) && exit.cause._tag === "Fail" ? exit.cause.error : undefined
        assert.instanceOf(error, AiError.MalformedOutput)
        if (name === "that are no JSON") {
          assert.include(error?.message, "weather")
          assert.notInclude(error?.message, "secret")
        }
        if (name !== "of other types") {
          const { cause } = error as AiError.MalformedOutput
          assert.instanceOf(cause, RouterLanguageModel.UnusableCompletion)
          assert.strictEqual((cause as RouterLanguageModel.UnusableCompletion).route.served, "a/x")
        }
      }).pipe(
        Effect.provide(handlers([])),
        Effect.provide(over({
          "a/x": events([role, text("Let me see."), callPiece(0, piece), event(choice({}, "length")), done])
        }))
      ))
  }

  /** What a provider may send, however strange. */
  const pieces = FastCheck.array(
    FastCheck.record({
      index: FastCheck.constantFrom(undefined, 0, 1),
      id: FastCheck.constantFrom(undefined, "", "call_1", "call_2"),
      name: FastCheck.constantFrom(undefined, "", "weather", "now"),
      arguments: FastCheck.constantFrom(undefined, "", "{}", "{\"city\":\"Bern\"}", "{\"city\":", "\"Bern\"}")
    }),
    { minLength: 1, maxLength: 6 }
  )

  it.effect.prop(
    "the calls that were announced are those that are made, with the arguments that were told",
    { pieces },
    ({ pieces }) =>
      Effect.gen(function*() {
        const announced = new Map<string, { name: unknown; text: string }>()
        const exit = yield* Effect.exit(Stream.runForEach(
          LanguageModel.streamText({ prompt: "?", toolkit, disableToolCallResolution: true }),
          (part) =>
            Effect.sync(() => {
              if (part.type === "tool-params-start") announced.set(part.id, { name: part.name, text: "" })
              if (part.type === "tool-params-delta") announced.get(part.id)!.text += part.delta
              if (part.type !== "tool-call") return
              const call = announced.get(part.id)
              assert.strictEqual(call?.name, part.name)
              assert.deepStrictEqual(JSON.parse(call?.text || "{}"), part.params)
            })
        ))
        assert.isTrue(Exit.isSuccess(exit) || exit.cause._tag === "Fail")
      }).pipe(
        Effect.provide(handlers([])),
        Effect.provide(over({
          "a/x": events([
            text("-"),
            ...pieces.map(({ arguments: args, id, index, name }) =>
              callPiece(index, { id, function: { name, arguments: args } })
            ),
            event(choice({}, "tool_calls")),
            done
          ])
        }))
      )
  )

  it.effect("a call that is named after the next one is still the first", () =>
    Effect.gen(function*() {
      const parts = yield* collect(ask)
      assert.deepStrictEqual(
        parts.flatMap((part) => part.type === "tool-call" ? [[part.id, part.name]] : []),
        [["call_1", "now"], ["call_2", "weather"]]
      )
    }).pipe(
      Effect.provide(handlers([])),
      Effect.provide(over({
        "a/x": events([
          callPiece(0, { id: "call_1" }),
          callPiece(1, { id: "call_2", function: { name: "weather", arguments: "{\"city\":\"Bern\"}" } }),
          callPiece(0, { function: { name: "now" } }),
          event(choice({}, "tool_calls")),
          done
        ])
      }))
    ))

  it.effect("two calls of one id are told apart", () => {
    const seen: Array<string> = []
    return Effect.gen(function*() {
      const parts = yield* collect(ask)
      const ids = parts.flatMap((part) => part.type === "tool-call" ? [part.id] : [])
      assert.strictEqual(ids[0], "call_1")
      assert.strictEqual(new Set(ids).size, 2)
      assert.deepStrictEqual(seen, ["Bern", "Basel"])
    }).pipe(
      Effect.provide(handlers(seen)),
      Effect.provide(over({
        "a/x": events([
          callPiece(0, { id: "call_1", function: { name: "weather", arguments: "{\"city\":\"Bern\"}" } }),
          callPiece(1, { id: "call_1", function: { name: "weather", arguments: "{\"city\":\"Basel\"}" } }),
          event(choice({}, "tool_calls")),
          done
        ])
      }))
    )
  })

  it.effect("so many calls that nobody can have meant them are a typed error", () =>
    Effect.gen(function*() {
      const error = yield* elapse(Effect.flip(Stream.runDrain(ask)))
      assert.instanceOf(error, AiError.MalformedOutput)
    }).pipe(
      Effect.provide(handlers([])),
      Effect.provide(over({
        "a/x": events([
          ...Array.from({ length: 129 }, (_, i) => callPiece(undefined, { id: `c${i}`, function: { name: "now" } })),
          event(choice({}, "tool_calls")),
          done
        ])
      }))
    ))
})
