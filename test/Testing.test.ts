import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Testing from "../src/Testing.js"

const requestTo = (baseUrl: string, model = "gpt-4o") =>
  HttpClientRequest.post(`${baseUrl}/chat/completions`).pipe(
    HttpClientRequest.bodyUnsafeJson({ model, messages: [{ role: "user", content: "Hi" }] })
  )

const ask = (provider: string, model?: string) =>
  Effect.flatMap(HttpClient.HttpClient, (client) => client.execute(requestTo(Testing.baseUrl(provider), model)))

const status = (provider: string, model?: string) => Effect.map(ask(provider, model), (response) => response.status)

/** The text of each chunk of the body, and when it came. */
const timeline = (provider: string) =>
  Effect.map(ask(provider), (response) =>
    response.stream.pipe(
      Stream.decodeText(),
      Stream.mapEffect((text) => Effect.map(Clock.currentTimeMillis, (millis) => [millis, deltaOf(text)] as const))
    ))

const Event = Schema.parseJson(Schema.Struct({
  choices: Schema.Array(Schema.Struct({ delta: Schema.Struct({ content: Schema.optional(Schema.String) }) }))
}))

const deltaOf = (event: string): string => {
  const data = event.slice("data: ".length).trim()
  return data === "[DONE]" ? data : Schema.decodeSync(Event)(data).choices[0]?.delta.content ?? "-"
}

/** How a body or a request failed, as far as a policy can tell. */
const failureOf = (error: HttpClientError.HttpClientError) => [error._tag, error.reason, codeOf(error.cause)]

const codeOf = (cause: unknown): unknown =>
  typeof cause !== "object" || cause === null
    ? undefined
    : "code" in cause
    ? cause.code
    : "cause" in cause
    ? codeOf(cause.cause)
    : undefined

const aborted = Effect.map(Testing.calls, (calls) => calls.map((call) => call.aborted))

describe("Testing answers", () => {
  const bodyOf = (answer: Testing.Answer) =>
    Effect.flatMap(ask("openai"), (response) => response.json).pipe(
      Effect.provide(Testing.layerTransport({ "*": answer }))
    )

  it.effect("completion is a well-formed chat completion of the model that was asked for", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* bodyOf(Testing.completion("Hello")), {
        id: "chatcmpl-scripted",
        object: "chat.completion",
        created: 1_700_000_000,
        model: "gpt-4o",
        choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }]
      })
    }))

  it.effect("completion takes a model, usage, tool calls and members of its own", () =>
    Effect.gen(function*() {
      const call = { id: "call_1", type: "function", function: { name: "now", arguments: "{}" } } as const
      const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
      const body = yield* bodyOf(
        Testing.completion("", { model: "gpt-4o-2024-08-06", usage, toolCalls: [call], body: { id: "mine", extra: 1 } })
      )
      assert.deepStrictEqual(body, {
        id: "mine",
        object: "chat.completion",
        created: 1_700_000_000,
        model: "gpt-4o-2024-08-06",
        choices: [{
          index: 0,
          message: { role: "assistant", content: null, tool_calls: [call] },
          finish_reason: "tool_calls"
        }],
        usage,
        extra: 1
      })
    }))

  it.effect("status is an error in the form of the OpenAI API, with its headers", () =>
    Effect.gen(function*() {
      const response = yield* ask("openai")
      assert.strictEqual(response.status, 429)
      assert.strictEqual(response.headers["retry-after"], "7")
      assert.strictEqual(response.headers["x-request-id"], "r1")
      assert.deepStrictEqual(yield* response.json, {
        error: { message: "slow down", type: "tokens", param: null, code: "rate_limit_exceeded" }
      })
    }).pipe(Effect.provide(Testing.layerTransport({
      "*": Testing.status(429, {
        code: "rate_limit_exceeded",
        message: "slow down",
        type: "tokens",
        retryAfter: 7,
        headers: { "X-Request-Id": "r1" }
      })
    }))))

  it.effect("status sends a body of your own as text or as JSON", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Effect.flatMap(ask("html"), (_) => _.text), "<h1>Bad gateway</h1>")
      assert.deepStrictEqual(yield* Effect.flatMap(ask("json"), (_) => _.json), { detail: "no" })
    }).pipe(Effect.provide(Testing.layerTransport({
      html: Testing.status(502, { body: "<h1>Bad gateway</h1>", headers: { "content-type": "text/html" } }),
      json: Testing.status(422, { body: { detail: "no" } })
    }))))

  it.effect("stream is a preamble, the texts, the finish reason, the usage and [DONE]", () =>
    Effect.gen(function*() {
      const text = yield* Effect.flatMap(ask("openai"), (_) => _.text)
      const common = `"id":"chatcmpl-scripted","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o"`
      assert.deepStrictEqual(text.split("\n\n"), [
        `data: {${common},"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`,
        `data: {${common},"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}`,
        `data: {${common},"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}`,
        `data: {${common},"choices":[],"usage":{"total_tokens":5}}`,
        "data: [DONE]",
        ""
      ])
    }).pipe(Effect.provide(Testing.layerTransport({
      "*": Testing.stream(["Hello"], { finishReason: "length", usage: { total_tokens: 5 } })
    }))))

  it.effect("stream leaves out what it is told to, and ends cleanly where it is cut", () =>
    Effect.gen(function*() {
      const deltas = (provider: string) =>
        Effect.flatMap(timeline(provider), (events) => Stream.runCollect(Stream.map(events, ([, delta]) => delta)))
      assert.deepStrictEqual(Chunk.toArray(yield* deltas("open")), ["", "Hel", "lo"])
      assert.deepStrictEqual(Chunk.toArray(yield* deltas("cut")), ["", "Hel"])
    }).pipe(Effect.provide(Testing.layerTransport({
      open: Testing.stream(["Hel", "lo"], { finishReason: null, done: false }),
      cut: Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "end" } })
    }))))
})

describe("Testing scripts", () => {
  it.effect("a request is looked up by target, model, provider and *", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* status("openai", "gpt-4o"), 501)
      assert.strictEqual(yield* status("azure", "gpt-4o"), 502)
      assert.strictEqual(yield* status("openai", "o3"), 503)
      assert.strictEqual(yield* status("openrouter", "meta/llama"), 504)
      assert.strictEqual(yield* status("groq", "llama"), 505)
    }).pipe(Effect.provide(Testing.layerTransport({
      "openai/gpt-4o": Testing.status(501),
      "gpt-4o": Testing.status(502),
      "openai": Testing.status(503),
      "openrouter/meta/llama": Testing.status(504),
      "*": Testing.status(505)
    }))))

  it.effect("a target that is not there, a name of Object.prototype, an empty list and HEAD are a 404", () =>
    Effect.gen(function*() {
      const response = yield* ask("openai", "gpt-5")
      assert.strictEqual(response.status, 404)
      assert.deepInclude(yield* response.json, {
        error: {
          message: "the script has no answer for this target",
          type: "invalid_request_error",
          param: null,
          code: "model_not_found"
        }
      })
      assert.strictEqual(yield* status("constructor", "toString"), 404)
      assert.strictEqual(yield* status("empty"), 404)
      const client = yield* HttpClient.HttpClient
      assert.strictEqual((yield* client.head(Testing.baseUrl("anthropic"))).status, 404)
      assert.strictEqual((yield* client.get(Testing.baseUrl("anthropic"))).status, 200)
    }).pipe(Effect.provide(Testing.layerTransport({
      "openai/gpt-4o": Testing.completion("Hello"),
      "anthropic": Testing.completion("Hello"),
      "empty": []
    }))))

  it.effect("a list is consumed in order and its last answer repeats, apart from every other list", () =>
    Effect.gen(function*() {
      const statuses = yield* Effect.forEach(["a", "a", "b", "a", "a"], (provider) => status(provider))
      assert.deepStrictEqual(statuses, [503, 429, 502, 200, 200])
    }).pipe(Effect.provide(Testing.layerTransport({
      a: [Testing.status(503), Testing.status(429), Testing.completion("Hello")],
      b: [Testing.status(502), Testing.status(500)]
    }))))

  it.effect("a function answers the request that it sees", () =>
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const request = (key: string) =>
        HttpClientRequest.setHeader(requestTo(Testing.baseUrl("openai")), "Authorization", key)
      assert.strictEqual((yield* client.execute(request("Bearer good"))).status, 200)
      assert.strictEqual((yield* client.execute(request("Bearer bad"))).status, 401)
    }).pipe(Effect.provide(Testing.layerTransport({
      openai: ({ headers }) =>
        headers["authorization"] === "Bearer good" ? Testing.completion("Hello") : Testing.status(401)
    }))))
})

describe("Testing.makeTransport", () => {
  it.effect("records what the upstream saw", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({ "*": Testing.completion("Hello") })
      yield* TestClock.adjust("3 seconds")
      const request = requestTo(Testing.baseUrl("openai")).pipe(HttpClientRequest.setUrlParam("v", "1"))
      yield* Effect.flatMap(client.execute(request), (_) => _.text)
      yield* Effect.flatMap(client.post(`${Testing.baseUrl("groq")}/x`), (_) => _.text)
      const [first, second] = yield* calls
      const { headers, ...rest } = first!
      assert.strictEqual(headers["content-type"], "application/json")
      assert.deepStrictEqual(rest, {
        target: "openai/gpt-4o",
        provider: "openai",
        model: "gpt-4o",
        url: "http://scripted.invalid/openai/v1/chat/completions?v=1",
        method: "POST",
        body: { model: "gpt-4o", messages: [{ role: "user", content: "Hi" }] },
        startedAtMillis: 3000,
        aborted: false,
        abortedAtMillis: undefined
      })
      assert.strictEqual(second?.target, "groq")
      assert.strictEqual(second?.body, undefined)
    }))

  it.effect("waits exactly as long as the script says", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.flatMap(timeline("slow"), Stream.runCollect))
      yield* TestClock.adjust("1999 millis")
      assert.isTrue((yield* Fiber.poll(fiber))._tag === "None")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(Chunk.toArray(yield* Fiber.join(fiber)), [
        [2000, ""],
        [2100, "Hel"],
        [2200, "lo"],
        [2300, "-"],
        [2400, "[DONE]"]
      ])
    }).pipe(Effect.provide(Testing.layerTransport({
      slow: Testing.delayed(
        Testing.stream(["Hel", "lo"], { delay: "500 millis", between: "100 millis" }),
        "1500 millis"
      )
    }))))

  it.effect("keeps to the upstream's clock when the reader is slow", () =>
    Effect.gen(function*() {
      const read = Effect.flatMap(timeline("openai"), (events) =>
        Stream.runCollect(Stream.tap(events, ([, delta]) =>
          delta === "" ? Effect.sleep("250 millis") : Effect.void)))
      const fiber = yield* Effect.fork(read)
      yield* TestClock.adjust("1 minute")
      const times = Chunk.toArray(yield* Fiber.join(fiber)).map(([millis]) =>
        millis
      )
      assert.deepStrictEqual(times, [0, 250, 250, 300])
    }).pipe(Effect.provide(Testing.layerTransport({
      openai: Testing.stream(["Hel", "lo"], { between: "100 millis", done: false })
    }))))

  it.effect("a reset comes one gap after the last chunk, and fails the body", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const fiber = yield* timeline("openai").pipe(
        Effect.flatMap(Stream.runForEach(([, delta]) => Effect.sync(() => seen.push(delta)))),
        Effect.flip,
        Effect.flatMap((error) => Effect.map(Clock.currentTimeMillis, (millis) => [millis, failureOf(error)])),
        Effect.fork
      )
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [200, ["ResponseError", "Decode", "ECONNRESET"]])
      assert.deepStrictEqual(seen, ["", "Hel"])
      assert.strictEqual(yield* Testing.open, 0)
      assert.deepStrictEqual(yield* aborted, [false])
    }).pipe(Effect.provide(Testing.layerTransport({
      openai: Testing.stream(["Hel", "lo"], { between: "100 millis", cut: { after: 2, how: "reset" } })
    }))))

  it.effect("refuse and reset fail the request as a transport does", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(failureOf(yield* Effect.flip(ask("gone"))), ["RequestError", "Transport", "ECONNREFUSED"])
      const fiber = yield* Effect.fork(Effect.flip(ask("broken")))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(failureOf(yield* Fiber.join(fiber)), ["RequestError", "Transport", "ECONNRESET"])
      assert.strictEqual(yield* Testing.open, 0)
      assert.deepStrictEqual(yield* aborted, [false, false])
    }).pipe(Effect.provide(Testing.layerTransport({
      gone: Testing.refuse,
      broken: Testing.delayed(Testing.reset, "1 second")
    }))))

  for (
    const [name, answer] of [
      ["a request that hangs", Testing.hang],
      ["a delayed request", Testing.completion("late", { delay: "1 hour" })],
      ["a stalled body", Testing.stream(["Hel"], { cut: { after: 1, how: "stall" } })],
      ["a gap between two chunks", Testing.stream(["Hel"], { between: "1 hour" })]
    ] as const
  ) {
    it.effect(`interruption ends ${name}`, () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.fork(Effect.flatMap(ask("openai"), (_) => _.text))
        assert.strictEqual((yield* Testing.awaitCall(0)).target, "openai/gpt-4o")
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(yield* Testing.open, 1)
        const exit = yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.isInterrupted(exit))
        assert.strictEqual(yield* Testing.open, 0)
        assert.strictEqual(yield* Testing.awaitAborted(0), 5000)
        assert.deepStrictEqual(yield* aborted, [true])
      }).pipe(Effect.provide(Testing.layerTransport({ openai: answer }))))
  }

  it.effect("a body that is not read to its end is aborted, one that is complete is not", () =>
    Effect.gen(function*() {
      const take = (n: number) =>
        Effect.flatMap(timeline("openai"), (events) => Stream.runDrain(Stream.take(events, n)))
      yield* take(2)
      yield* take(4)
      assert.deepStrictEqual(yield* aborted, [true, false])
      assert.strictEqual(yield* Testing.open, 0)
      const exit = yield* Effect.exit(Testing.awaitAborted(1))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
    }).pipe(Effect.provide(Testing.layerTransport({ openai: Testing.stream(["Hel"]) }))))

  it.effect("a body that nobody reads stays open, one without bytes does not", () =>
    Effect.gen(function*() {
      yield* ask("empty")
      assert.strictEqual(yield* Testing.open, 0)
      yield* ask("error")
      assert.strictEqual(yield* Testing.open, 1)
    }).pipe(Effect.provide(Testing.layerTransport({
      empty: Testing.raw({ status: 204 }),
      error: Testing.status(503)
    }))))

  it.effect("the end of a request's scope ends the request", () =>
    Effect.gen(function*() {
      const client = HttpClient.withScope(yield* HttpClient.HttpClient)
      const response = yield* Effect.scoped(client.execute(requestTo(Testing.baseUrl("openai"))))
      assert.deepStrictEqual(yield* aborted, [true])
      assert.deepStrictEqual(failureOf(yield* Effect.flip(response.text)), ["ResponseError", "Decode", "ABORT_ERR"])
    }).pipe(Effect.provide(Testing.layerTransport({ openai: Testing.completion("Hello") }))))

  for (
    const [name, answer, tag] of [
      ["a request that hangs", Testing.hang, "RequestError"],
      ["a delayed request", Testing.completion("late", { delay: "1 hour" }), "RequestError"],
      ["a stalled body", Testing.stream(["Hel"], { cut: { after: 1, how: "stall" } }), "ResponseError"],
      ["a gap between two chunks", Testing.stream(["Hel"], { between: "1 hour" }), "ResponseError"]
    ] as const
  ) {
    it.effect(`the end of a request's scope fails ${name} in another fiber`, () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const client = HttpClient.withScope(yield* HttpClient.HttpClient)
        const fiber = yield* client.execute(requestTo(Testing.baseUrl("openai"))).pipe(
          Scope.extend(scope),
          Effect.flatMap((response) => response.text),
          Effect.flip,
          Effect.fork
        )
        yield* TestClock.adjust("5 seconds")
        yield* Scope.close(scope, Exit.void)
        const error = yield* Fiber.join(fiber)
        assert.deepStrictEqual([error._tag, codeOf(error.cause)], [tag, "ABORT_ERR"])
        assert.strictEqual(yield* Testing.awaitAborted(0), 5000)
      }).pipe(Effect.provide(Testing.layerTransport({ openai: answer }))))
  }

  it.effect("bytes and chunk boundaries are those of the script", () =>
    Effect.gen(function*() {
      const response = yield* ask("openai")
      const chunks = yield* Stream.runCollect(response.stream)
      assert.deepStrictEqual(Chunk.toArray(chunks), [
        Uint8Array.of(0xe2, 0x82),
        Uint8Array.of(0xac),
        Uint8Array.of(),
        Uint8Array.of(0x61)
      ])
      assert.strictEqual(yield* Effect.flatMap(ask("openai"), (_) => _.text), "€a")
    }).pipe(Effect.provide(Testing.layerTransport({
      openai: Testing.raw({ chunks: [Uint8Array.of(0xe2, 0x82), Uint8Array.of(0xac), "", "a"] })
    }))))

  it.effect("text, json and arrayBuffer can be asked for again, a stream cannot", () =>
    Effect.gen(function*() {
      const response = yield* ask("openai")
      assert.strictEqual(yield* response.text, "{\"a\":1}")
      assert.deepStrictEqual(yield* response.json, { a: 1 })
      assert.strictEqual((yield* response.arrayBuffer).byteLength, 7)
      const error = yield* Effect.flip(Stream.runDrain(response.stream))
      assert.deepStrictEqual(failureOf(error), ["ResponseError", "Decode", undefined])
      assert.strictEqual((yield* Effect.flip(Effect.flatMap(ask("text"), (_) => _.json))).reason, "Decode")
    }).pipe(Effect.provide(Testing.layerTransport({
      openai: Testing.raw({ body: "{\"a\":1}" }),
      text: Testing.raw({ body: "{" })
    }))))

  it.effect("many fibers at once each get their own answer", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: 50 }, (_, index) => `m${index}`),
          (model) => Effect.flatMap(ask("openai", model), (_) => _.text),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(yield* Testing.open, 50)
      yield* TestClock.adjust("1 millis")
      const texts = yield* Fiber.join(fiber)
      assert.deepStrictEqual(texts, Array.from({ length: 50 }, (_, index) => `m${index}`))
      assert.strictEqual(yield* Testing.open, 0)
    }).pipe(Effect.provide(Testing.layerTransport({
      openai: ({ model }) => Testing.raw({ body: model, delay: "1 second" })
    }))))
})

describe("Testing.serve", () => {
  const askServer = (server: Testing.LoopbackServer) =>
    Effect.flatMap(HttpClient.HttpClient, (client) => client.execute(requestTo(server.baseUrl("openai"))))

  for (
    const [name, layer] of [
      ["fetch", FetchHttpClient.layer],
      ["undici", NodeHttpClient.layerUndici]
    ] as const
  ) {
    describe(name, () => {
      it.scopedLive("answers and records", () =>
        Effect.gen(function*() {
          const server = yield* Testing.serve({ openai: [Testing.status(503), Testing.completion("Hello")] })
          const first = yield* askServer(server)
          assert.strictEqual(first.status, 503)
          yield* first.text
          const second = yield* askServer(server)
          assert.deepInclude(yield* second.json, { model: "gpt-4o", object: "chat.completion" })
          assert.strictEqual(second.headers["content-type"], "application/json")
          const calls = yield* server.calls
          assert.deepStrictEqual(calls.map((call) => [call.target, call.method, call.url, call.aborted]), [
            ["openai/gpt-4o", "POST", `${server.url}/openai/v1/chat/completions`, false],
            ["openai/gpt-4o", "POST", `${server.url}/openai/v1/chat/completions`, false]
          ])
          assert.deepStrictEqual(calls[1]?.body, { model: "gpt-4o", messages: [{ role: "user", content: "Hi" }] })
          assert.strictEqual(yield* server.open, 0)
        }).pipe(Effect.provide(layer)))

      it.scopedLive("streams with gaps", () =>
        Effect.gen(function*() {
          const server = yield* Testing.serve({ "*": Testing.stream(["Hel", "lo"], { between: "40 millis" }) })
          const startedAtMillis = yield* Clock.currentTimeMillis
          const response = yield* askServer(server)
          const reads = yield* Effect.map(Stream.runCollect(Stream.decodeText(response.stream)), Chunk.toArray)
          const elapsed = (yield* Clock.currentTimeMillis) - startedAtMillis
          assert.deepStrictEqual(reads.join("").trim().split("\n\n").map(deltaOf), ["", "Hel", "lo", "-", "[DONE]"])
          // a busy machine may find two of them in one read, but never all, and it is never early
          assert.isAbove(reads.length, 1)
          assert.isAtLeast(elapsed, 155, "four gaps of 40 ms")
        }).pipe(Effect.provide(layer)))

      it.scopedLive("resets in the middle of a body, after what was sent has arrived", () =>
        Effect.gen(function*() {
          const server = yield* Testing.serve({
            "*": Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "reset" } })
          })
          const response = yield* askServer(server)
          let text = ""
          const error = yield* response.stream.pipe(
            Stream.decodeText(),
            Stream.runForEach((chunk) => Effect.sync(() => text += chunk)),
            Effect.flip
          )
          assert.deepStrictEqual(failureOf(error), ["ResponseError", "Decode", "ECONNRESET"])
          assert.deepStrictEqual(text.trim().split("\n\n").map(deltaOf), ["", "Hel"])
          assert.strictEqual(yield* server.open, 0)
          assert.isFalse((yield* server.awaitCall(0)).aborted)
        }).pipe(Effect.provide(layer)))

      it.scopedLive("refuses", () =>
        Effect.gen(function*() {
          const server = yield* Testing.serve({ "*": Testing.refuse })
          const error = yield* Effect.flip(askServer(server))
          assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "Transport"])
        }).pipe(Effect.provide(layer)))

      for (
        const [what, answer] of [
          ["a request that hangs", Testing.hang],
          ["a stalled body", Testing.stream(["Hel"], { cut: { after: 2, how: "stall" } })],
          ["a delayed answer", Testing.completion("late", { delay: "1 minute" })]
        ] as const
      ) {
        it.scopedLive(`sees the caller leave ${what}`, () =>
          Effect.gen(function*() {
            const server = yield* Testing.serve({ "*": answer })
            const leave = (index: number) =>
              Effect.gen(function*() {
                const fiber = yield* Effect.fork(Effect.flatMap(askServer(server), (_) => _.text))
                yield* server.awaitCall(index)
                assert.strictEqual(yield* server.open, 1)
                const [duration] = yield* Effect.timed(
                  Effect.zipRight(Fiber.interrupt(fiber), server.awaitAborted(index))
                )
                assert.strictEqual(yield* server.open, 0)
                assert.isTrue((yield* server.awaitCall(index)).aborted)
                return Duration.toMillis(duration)
              })
            // the best of three: a busy machine may pause the test, not hurry the sockets
            const millis = yield* Effect.forEach([0, 1, 2], leave)
            assert.isBelow(Math.min(...millis), 100)
          }).pipe(Effect.provide(layer)))
      }
    })
  }

  it.scopedLive("answers unknown targets, HEAD, oversized bodies and scripts that throw", () =>
    Effect.gen(function*() {
      const server = yield* Testing.Server
      const client = yield* HttpClient.HttpClient
      const statusOf = (request: HttpClientRequest.HttpClientRequest) =>
        Effect.flatMap(client.execute(request), (response) => Effect.as(response.text, response.status))
      assert.strictEqual(yield* statusOf(requestTo(server.baseUrl("groq"))), 404)
      assert.strictEqual(yield* statusOf(HttpClientRequest.head(server.baseUrl("openai"))), 404)
      assert.strictEqual(yield* statusOf(requestTo(server.baseUrl("thrower"))), 500)
      const large = (bytes: number) =>
        statusOf(HttpClientRequest.bodyUint8Array(
          HttpClientRequest.post(server.baseUrl("openai")),
          new Uint8Array(bytes)
        ))
      assert.strictEqual(yield* large(Testing.maxRequestBytes), 200)
      assert.strictEqual(yield* large(Testing.maxRequestBytes + 1), 413)
      assert.strictEqual((yield* Testing.calls).length, 5)
      assert.strictEqual(yield* Testing.open, 0)
    }).pipe(
      Effect.provide([
        NodeHttpClient.layerUndici,
        Testing.layerServer({
          openai: Testing.completion("Hello"),
          thrower: () => {
            throw new Error("mistake in a script")
          }
        })
      ])
    ))

  it.scopedLive("the timers of a request end with it", () =>
    Effect.gen(function*() {
      const requests = 20
      const timers = Effect.sync(() => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length)
      const server = yield* Testing.serve({ "*": Testing.completion("late", { delay: "1 minute" }) })
      const before = yield* timers
      const fiber = yield* Effect.fork(
        Effect.replicateEffect(askServer(server), requests, { concurrency: "unbounded" })
      )
      yield* server.awaitCall(requests - 1)
      yield* Fiber.interrupt(fiber)
      yield* Effect.forEach(Array.from({ length: requests }, (_, index) => index), server.awaitAborted)
      assert.isBelow((yield* timers) - before, requests)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))

  it.scopedLive("closes everything at once with its scope", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.scoped(Effect.gen(function*() {
        const server = yield* Testing.serve({ "*": Testing.hang })
        const fiber = yield* Effect.forkDaemon(Effect.flip(askServer(server)))
        yield* server.awaitCall(0)
        return fiber
      }))
      assert.strictEqual((yield* Fiber.join(fiber)).reason, "Transport")
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))

  it.scoped("keeps real time under a TestClock", () =>
    Effect.gen(function*() {
      const server = yield* Testing.serve({ "*": Testing.completion("Hello", { delay: "20 millis" }) })
      assert.strictEqual((yield* askServer(server)).status, 200)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
})
