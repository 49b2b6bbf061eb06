/** What OpenTelemetry's SDK gets through `@effect/opentelemetry`, over a real socket and through a gateway too. */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { FetchHttpClient } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { SpanKind, SpanStatusCode } from "@opentelemetry/api"
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Effect, Layer, Redacted, Stream } from "effect"
import { ChatCompletions, OpenAiCompatible, Providers, ResponseCache } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { behindGateway } from "./support/hosted.js"
import { messages } from "./support/router.js"

/** The spans that are exported while a program runs, whatever it ends with. */
const exported = <A, E, R>(program: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const exporter = new InMemorySpanExporter()
    const sdk = NodeSdk.layer(() => ({
      resource: { serviceName: "test" },
      spanProcessor: new SimpleSpanProcessor(exporter)
    }))
    // what was exported is gone when the SDK is
    return Effect.provide(Effect.map(Effect.exit(program), () => exporter.getFinishedSpans()), sdk)
  })

const key = Redacted.make("sk-very-secret")

const overSocket = (script: Testing.Script) => {
  const providers = Layer.unwrapEffect(Effect.map(Testing.Server, (server) =>
    Providers.layer({
      openai: OpenAiCompatible.make({ baseUrl: server.baseUrl("openai"), apiKey: key }),
      google: OpenAiCompatible.make({ baseUrl: server.baseUrl("google") })
    })))
  return ChatCompletions.layer.pipe(
    Layer.provide([providers, ResponseCache.layerMemory()]),
    Layer.provide(FetchHttpClient.layer),
    Layer.provideMerge(Testing.layerServer(script))
  )
}

const byName = (spans: ReadonlyArray<ReadableSpan>, name: string): ReadableSpan => {
  const span = spans.find((span) => span.name === name)
  assert.isDefined(span)
  return span!
}

const without = ({ attributes }: ReadableSpan, ...names: ReadonlyArray<string>) =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)))

const usage = { prompt_tokens: 3, completion_tokens: 2 }

describe("through @effect/opentelemetry", () => {
  it.live("a call that is retried and moves on, attribute by attribute", () =>
    Effect.gen(function*() {
      const server = yield* Testing.Server
      const { port } = new URL(server.baseUrl("openai"))
      const place = { "server.address": new URL(server.baseUrl("openai")).hostname, "server.port": Number(port) }
      const spans = yield* exported(ChatCompletions.create({
        model: "openai/gpt-4o",
        messages,
        stop: ["END"],
        fallbacks: [{ model: "google/gemini" }]
      }))
      assert.deepStrictEqual(spans.map(({ name }) => name), ["chat gpt-4o", "chat gemini", "chat openai/gpt-4o"])
      const call = byName(spans, "chat openai/gpt-4o")
      const attempts = [byName(spans, "chat gpt-4o"), byName(spans, "chat gemini")]
      assert.strictEqual(call.parentSpanContext, undefined)
      for (const span of attempts) {
        assert.strictEqual(span.parentSpanContext?.spanId, call.spanContext().spanId)
        assert.strictEqual(span.spanContext().traceId, call.spanContext().traceId)
      }
      for (const span of spans) {
        assert.strictEqual(span.kind, SpanKind.CLIENT)
      }
      assert.deepStrictEqual({ ...call.attributes }, {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "openai/gpt-4o",
        ...place,
        // the bridge writes lists as JSON
        "gen_ai.request.stop_sequences": JSON.stringify(["END"], null, 2),
        "gen_ai.response.id": "chatcmpl-scripted",
        "gen_ai.response.model": "gemini",
        "gen_ai.response.finish_reasons": JSON.stringify(["stop"], null, 2),
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "router.target": "google/gemini",
        "router.attempts": 2,
        "router.cache.status": "off"
      })
      assert.deepStrictEqual({ ...attempts[0]!.attributes }, {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        ...place,
        "router.target": "openai/gpt-4o",
        "router.attempt": 1,
        "router.wait": 0,
        "http.response.status_code": 503,
        "error.type": "Unavailable"
      })
      assert.deepStrictEqual({ ...attempts[1]!.attributes }, {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini",
        ...place,
        "router.target": "google/gemini",
        "router.attempt": 2,
        "router.wait": 0,
        "http.response.status_code": 200,
        "gen_ai.response.id": "chatcmpl-scripted",
        "gen_ai.response.model": "gemini",
        "gen_ai.response.finish_reasons": JSON.stringify(["stop"], null, 2)
      })
      assert.deepStrictEqual(spans.map(({ status }) => status.code), [
        SpanStatusCode.ERROR,
        SpanStatusCode.OK,
        SpanStatusCode.OK
      ])
      assert.deepStrictEqual(call.events.map(({ attributes, name }) => [name, attributes]), [["router.fallback", {
        "router.from": "openai/gpt-4o",
        "router.to": "google/gemini",
        "router.reason": "Unavailable"
      }]])
    }).pipe(Effect.provide(overSocket({
      "openai/gpt-4o": Testing.status(503),
      "google/gemini": Testing.completion("Hi", { usage })
    }))))

  it.live("streams that are complete, broken and left", () =>
    Effect.gen(function*() {
      const stream = ChatCompletions.stream({ model: "openai/gpt-4o", messages })
      const ends = (program: Effect.Effect<unknown, unknown, ChatCompletions.ChatCompletions>) =>
        Effect.map(exported(program), (spans) =>
          ["chat openai/gpt-4o", "chat gpt-4o"].map((name) => {
            const { attributes, status } = byName(spans, name)
            return [status.code, attributes["error.type"], attributes["status.interrupted"]]
          }))
      const { ERROR, OK } = SpanStatusCode
      assert.deepStrictEqual(yield* ends(Stream.runDrain(stream)), [[OK, undefined, undefined], [
        OK,
        undefined,
        undefined
      ]])
      assert.deepStrictEqual(yield* ends(Stream.runDrain(stream)), [
        [ERROR, "StreamInterrupted", undefined],
        [ERROR, "Transport", undefined]
      ])
      assert.deepStrictEqual(yield* ends(Stream.runDrain(Stream.take(stream, 1))), [
        [OK, undefined, true],
        [OK, undefined, true]
      ])
    }).pipe(Effect.provide(overSocket({
      "openai/gpt-4o": [
        Testing.stream(["Hi"], { usage }),
        Testing.stream(["Hi", "you"], { cut: { after: 2, how: "reset" }, between: "20 millis" }),
        Testing.stream(["Hi", "you"], { between: "50 millis" })
      ]
    }))))

  it.live("no key, prompt, completion or text of a provider's error, in exceptions neither", () =>
    Effect.gen(function*() {
      const ask = ChatCompletions.create({
        model: "openai/gpt-4o",
        messages: [{ role: "user", content: "PROMPT-TEXT" }]
      })
      const spans = yield* exported(Effect.zipRight(ask, Effect.exit(ask)))
      assert.strictEqual(spans.length, 4)
      const shown = JSON.stringify(
        spans.map(({ attributes, events, name, status }) => [name, attributes, events, status])
      )
      assert.include(shown, "exception.stacktrace")
      for (const text of ["sk-very-secret", "PROMPT-TEXT", "ANSWER-TEXT"]) {
        assert.notInclude(shown, text)
      }
    }).pipe(Effect.provide(overSocket({
      "openai/gpt-4o": [
        Testing.completion("ANSWER-TEXT"),
        Testing.status(400, { message: "PROMPT-TEXT with sk-very-secret is no ANSWER-TEXT" })
      ]
    }))))
})

describe("a call to a hosted router", () => {
  it.live("has the router's host as its server, and what its report says", () =>
    Effect.gen(function*() {
      const spans = yield* exported(ChatCompletions.create({
        model: "openai/gpt-4o",
        messages,
        temperature: 0.2,
        fallbacks: [{ model: "google/gemini" }]
      }))
      // the spans of the router itself are there as well, in this process: those below are of the caller
      const attempt = spans.find(({ attributes }) =>
        typeof attributes["router.target"] === "string" && !attributes["router.target"].includes("/")
      )
      const call = spans.find((span) => span.spanContext().spanId === attempt?.parentSpanContext?.spanId)
      assert.isDefined(call)
      assert.deepStrictEqual(without(call!, "server.address", "server.port"), {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "openai/gpt-4o",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.response.id": "chatcmpl-scripted",
        "gen_ai.response.model": "gemini",
        "gen_ai.response.finish_reasons": JSON.stringify(["stop"], null, 2),
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 2,
        "router.target": "google/gemini",
        "router.attempts": 2,
        "router.cache.status": "off"
      })
      const { "server.address": address, "server.port": port } = call!.attributes
      assert.deepInclude(attempt?.attributes, {
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "openai/gpt-4o",
        "server.address": address,
        "server.port": port,
        "http.response.status_code": 200
      })
      assert.isString(address)
      assert.isNumber(port)
    }).pipe(Effect.provide(behindGateway(Layer.orDie(overSocket({
      "openai/gpt-4o": Testing.status(503),
      "google/gemini": Testing.completion("Hi", { usage })
    }))))))
})
