import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger, LogLevel, Option, Redacted, Stream, Tracer } from "effect"
import { ChatCompletions, type ChatRequest, RouterError } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { inspect } from "node:util"
import { elapse, scripted } from "./support/router.js"

const secrets = {
  key: "sk-planted-key-0123456789",
  prompt: "the planted prompt",
  variable: "the planted variable",
  completion: "the planted completion",
  cookie: "session=planted-cookie"
}

/** Whatever a secret is mixed into: the answer repeats key, prompt and completion wherever an answer can hold text. */
const planted = Object.values(secrets).join(" | ")
const headers = {
  "set-cookie": secrets.cookie,
  "x-echo": `Bearer ${secrets.key}`,
  "www-authenticate": `Bearer realm="${secrets.key}"`
}

const answers: Record<string, Testing.Answer> = {
  ok: Testing.completion(secrets.completion, { headers }),
  stream: Testing.stream([secrets.completion, "!"], { headers }),
  cut: Testing.stream([secrets.completion, "!"], { headers, cut: { after: 2, how: "reset" } }),
  "mid-error": Testing.raw({
    headers: { "content-type": "text/event-stream", ...headers },
    chunks: [
      `data: {"choices":[{"index":0,"delta":{"content":"${secrets.completion}"}}]}\n\n`,
      `data: {"error":{"message":"${planted}","code":"${secrets.key}","type":"${secrets.prompt}"}}\n\n`
    ],
    between: "1 second"
  }),
  malformed: Testing.raw({ headers: { "content-type": "application/json", ...headers }, body: `{"x": ${planted}` }),
  html: Testing.raw({ headers: { "content-type": "text/html", ...headers }, body: planted }),
  error200: Testing.raw({
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ error: { message: planted, code: secrets.key } })
  }),
  refuse: Testing.refuse,
  hang: Testing.hang,
  ...Object.fromEntries([302, 400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 529].map((status) => [
    String(status),
    Testing.status(status, { message: planted, code: secrets.key, type: secrets.prompt, headers })
  ]))
}

const request = (model: string): ChatRequest.ChatRequest => ({
  model: `planted/${model}`,
  messages: [{ role: "user", content: `${secrets.prompt} {{name}}` }],
  variables: { name: secrets.variable },
  timeout: { callTimeout: 5_000 },
  retry: { count: 1 },
  cache: { type: "exact_match" },
  fallbacks: [{ model: "planted/refuse" }]
})

/** A tracer that keeps everything that it is told. */
const recordingTracer = (spans: Array<unknown>) =>
  Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const record: Record<string, unknown> = { name, attributes, events: [], links, kind }
      spans.push(record)
      return {
        _tag: "Span",
        name,
        spanId: String(spans.length),
        traceId: "trace",
        parent,
        context,
        status: { _tag: "Started", startTime },
        attributes,
        links,
        sampled: true,
        kind,
        end: (_, exit) => void (record.exit = exit),
        attribute: (key, value) => void attributes.set(key, value),
        event: (...event) => void (record.events as Array<unknown>).push(event),
        addLinks: () => {}
      }
    }
  })

/** Everything that a program could print of a value. */
const printed = (value: unknown): string =>
  [
    JSON.stringify(value, (_, member) => typeof member === "bigint" ? String(member) : member),
    String(value),
    inspect(value, { depth: 12, showHidden: true, getters: false })
  ].join("\n")

const assertClean = (where: string, text: string) => {
  for (const [name, secret] of Object.entries(secrets)) {
    assert.isFalse(text.includes(secret), `${where} shows the ${name}`)
  }
}

describe("secrets", () => {
  for (const model of Object.keys(answers)) {
    it.effect(`none is in an error, a log line or a span: ${model}`, () =>
      Effect.gen(function*() {
        const spans: Array<unknown> = []
        const logs: Array<unknown> = []
        const logger = Logger.make((options) => void logs.push(options.message, options.cause, options.annotations))
        const exits = yield* elapse(Effect.all([
          Effect.exit(ChatCompletions.create(request(model))),
          Effect.exit(Stream.runCollect(ChatCompletions.stream(request(model))))
        ])).pipe(
          Effect.withTracer(recordingTracer(spans)),
          Effect.withSpan("parent"),
          Effect.provide(Layer.mergeAll(
            Logger.replace(Logger.defaultLogger, logger),
            Logger.minimumLogLevel(LogLevel.All)
          ))
        )
        for (const cause of exits.flatMap((exit) => Option.toArray(Exit.causeOption<unknown, unknown>(exit)))) {
          assertClean("the error", printed(cause))
          assertClean("the pretty error", Cause.pretty(cause, { renderErrorCause: true }))
          const error = Option.getOrThrow(Cause.failureOption(cause))
          assert.isTrue(RouterError.isRouterError(error))
          assertClean("the failure", printed(error))
        }
        assert.isAbove(spans.length, 1)
        for (const span of spans as Array<{ exit?: Exit.Exit<unknown, unknown> }>) {
          const succeeded = span.exit !== undefined && Exit.isSuccess(span.exit)
          assertClean("a span", printed(succeeded ? { ...span, exit: "success" } : span))
        }
        assertClean("a log", logs.map(printed).join("\n"))
      }).pipe(Effect.provide(scripted(
        Object.fromEntries(Object.entries(answers).map(([name, answer]) => [`planted/${name}`, answer])),
        Redacted.make(secrets.key)
      ))))
  }

  it.effect("what an upstream wrote is there for whoever asks, without the key", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ChatCompletions.create({ ...request("400"), fallbacks: [] }))
      const body = "body" in error && error.body !== undefined ? Redacted.value(error.body) : ""
      assert.include(body, secrets.prompt)
      assert.notInclude(body, secrets.key)
      const streamed = yield* elapse(Effect.flip(Stream.runCollect(ChatCompletions.stream(request("cut")))))
      const partial = streamed._tag === "StreamInterrupted" ? Redacted.value(streamed.partial) : undefined
      assert.strictEqual(partial?.choices[0]?.message.content, secrets.completion)
    }).pipe(Effect.provide(scripted(
      Object.fromEntries(Object.entries(answers).map(([name, answer]) => [`planted/${name}`, answer])),
      Redacted.make(secrets.key)
    ))))

  it("the search finds a secret that is there", () => {
    assert.throws(() => assertClean("a text", printed(new Error(secrets.prompt))))
    assert.throws(() => assertClean("a text", printed({ deep: { in: [secrets.key] } })))
  })
})
