import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Fiber, Layer, Random, Redacted, Stream, TestClock } from "effect"
import { ChatCompletions, type ChatRequest, RouterDefaults, RouterError } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { elapse, messages } from "./support/router.js"

const serverURL = Testing.baseUrl("hosted")
const key = Redacted.make("a-secret-key")
const request: ChatRequest.ChatRequest = { model: "openai/gpt-4o", messages }

/** A hosted router that is no gateway of ours: it knows nothing of reports. */
const hosted = (answers: Testing.Script[string], options: ChatCompletions.RemoteOptions = {}) =>
  ChatCompletions.layerRemote({ serverURL, apiKey: key, ...options }).pipe(
    Layer.provideMerge(Testing.layerTransport({ "hosted": answers }))
  )

const hello = Testing.completion("Hello")
const first = Effect.map(Testing.calls, ([call]) => call!)
const count = Effect.map(Testing.calls, (calls) => calls.length)
const startedAt = Effect.map(Testing.calls, (calls) => calls.map((call) => call.startedAtMillis))
const failure = (asked: ChatRequest.ChatRequest = request) => Effect.flip(elapse(ChatCompletions.create(asked)))

describe("the request to a hosted router", () => {
  it.effect("has all that it was asked for, on the published path and in the spelling of the wire", () =>
    Effect.gen(function*() {
      yield* elapse(ChatCompletions.create({
        model: "openai/gpt-4o",
        messages: [{ role: "user", content: "Hi {{name}}" }],
        variables: { name: "Ada" },
        maxCompletionTokens: 5,
        fallbacks: [{ model: "openai/gpt-4o-mini" }],
        retry: { count: 2, onCodes: [429] },
        cache: { type: "exact_match", ttl: 3600 },
        loadBalancer: { type: "weight_based", models: [{ model: "openai/gpt-4o", weight: 0.7 }] },
        timeout: { callTimeout: 30_000, idleTimeout: undefined },
        guardrails: [{ id: "orq_pii_detection", executeOn: "input" }],
        plugins: [{ id: "response_healing" }],
        orq: { thread: { id: "t" }, identity: { id: "i", displayName: "Ada" } },
        streamOptions: { includeUsage: true }
      }))
      const { body, headers, method, url } = yield* first
      assert.strictEqual(`${method} ${url}`, `POST ${serverURL}/v2/router/chat/completions`)
      assert.strictEqual(headers.authorization, "Bearer a-secret-key")
      assert.strictEqual(headers.accept, "application/json")
      assert.deepStrictEqual(body, {
        model: "openai/gpt-4o",
        messages: [{ role: "user", content: "Hi {{name}}" }],
        variables: { name: "Ada" },
        max_completion_tokens: 5,
        fallbacks: [{ model: "openai/gpt-4o-mini" }],
        retry: { count: 2, on_codes: [429] },
        cache: { type: "exact_match", ttl: 3600 },
        load_balancer: { type: "weight_based", models: [{ model: "openai/gpt-4o", weight: 0.7 }] },
        timeout: { call_timeout: 30_000 },
        guardrails: [{ id: "orq_pii_detection", execute_on: "input" }],
        plugins: [{ id: "response_healing" }],
        orq: { thread: { id: "t" }, identity: { id: "i", display_name: "Ada" } },
        stream: false
      })
    }).pipe(Effect.provide(hosted(hello))))

  it.effect("names a prompt where the published API has it, and has the messages that it demands", () =>
    Effect.gen(function*() {
      yield* elapse(ChatCompletions.create({ prompt: { id: "p", version: "2" }, orq: { thread: { id: "t" } } }))
      const prompt = { id: "p", version: "2" }
      assert.deepStrictEqual((yield* first).body, {
        messages: [],
        prompt,
        orq: { thread: { id: "t" }, prompt },
        stream: false
      })
    }).pipe(Effect.provide(hosted(hello))))

  it.effect("asks for a stream in its body", () =>
    Effect.gen(function*() {
      const chunks = yield* elapse(
        Stream.runCollect(ChatCompletions.stream({ ...request, streamOptions: { includeUsage: true } }))
      )
      assert.strictEqual(Array.from(chunks, (chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "Hello")
      const { body, headers } = yield* first
      assert.deepStrictEqual(body, { ...request, stream: true, stream_options: { include_usage: true } })
      assert.strictEqual(headers.accept, "text/event-stream")
    }).pipe(Effect.provide(hosted(Testing.stream(["Hel", "lo"])))))

  it.effect("takes from the defaults what it says nothing of", () =>
    Effect.gen(function*() {
      yield* elapse(ChatCompletions.create({ ...request, timeout: { callTimeout: 10 }, orq: { retry: { count: 1 } } }))
      const { body } = yield* first
      assert.deepInclude(body, {
        orq: { retry: { count: 1 } },
        fallbacks: [{ model: "b/x" }],
        timeout: { call_timeout: 10, idle_timeout: 7 }
      })
      assert.notProperty(body, "retry")
    }).pipe(
      Effect.provide(RouterDefaults.layer({
        retry: { count: 4 },
        fallbacks: [{ model: "b/x" }],
        timeout: { callTimeout: 99, idleTimeout: 7 }
      })),
      Effect.provide(hosted(hello))
    ))

  it.effect("keeps the path and the query of the URL, has the given headers, and no key where there is none", () =>
    Effect.gen(function*() {
      yield* elapse(ChatCompletions.create(request))
      const { headers, url } = yield* first
      assert.strictEqual(url, "http://scripted.invalid/base/v2/router/chat/completions?q=1")
      assert.strictEqual(headers["x-orq-identity-id"], "me")
      assert.notProperty(headers, "authorization")
    }).pipe(Effect.provide(
      ChatCompletions.layerRemote({
        serverURL: "http://scripted.invalid/base/?q=1",
        headers: { "X-Orq-Identity-Id": "me" }
      }).pipe(Layer.provideMerge(Testing.layerTransport({ "*": hello })))
    )))

  it.effect("is checked before it is sent", () =>
    Effect.gen(function*() {
      const wrong = [
        { ...request, retry: { count: 6 } },
        { ...request, load_balancer: {} },
        { ...request, messages: [{ role: "user", content: 1n }] },
        { ...request, variables: { x: 1n } }
      ]
      for (const each of wrong) {
        // what a program without types sends
        const error = yield* failure(each as unknown as ChatRequest.ChatRequest)
        assert.strictEqual(error._tag, "InvalidRequest")
      }
      assert.strictEqual(yield* count, 0)
    }).pipe(Effect.provide(hosted(hello))))
})

describe("the answer of a hosted router without reports", () => {
  it.effect("is a completion whose route has the request that was made", () =>
    Effect.gen(function*() {
      const completion = yield* elapse(ChatCompletions.create(request))
      assert.strictEqual(completion.choices[0]?.message.content, "Hello")
      assert.strictEqual(completion.route.served, "scripted.invalid")
      assert.deepStrictEqual(completion.route.attempts.map((each) => [each.target, each.outcome, each.status]), [
        ["scripted.invalid", "success", 200]
      ])
      assert.strictEqual(completion.route.cache, "off")
    }).pipe(Effect.provide(hosted(hello))))

  it.effect("is an error by its status, with what the router said, and without the key", () =>
    Effect.gen(function*() {
      const error = yield* failure()
      assert.strictEqual(error._tag, "Auth")
      if (error._tag === "Auth") {
        assert.strictEqual(error.status, 401)
        assert.strictEqual(error.target, "scripted.invalid")
        const body = error.body === undefined ? "" : Redacted.value(error.body)
        assert.include(body, "no such key")
        assert.notInclude(body + JSON.stringify(error), "a-secret-key")
      }
    }).pipe(Effect.provide(hosted(Testing.status(401, { message: "no such key: a-secret-key" })))))

  it.effect("is no completion when the stream is cut: the part that came is in the error", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(elapse(Stream.runDrain(ChatCompletions.stream(request))))
      assert.strictEqual(error._tag, "StreamInterrupted")
      if (error._tag === "StreamInterrupted") {
        assert.strictEqual(Redacted.value(error.partial).choices[0]?.message.content, "Hel")
        assert.strictEqual(error.cause._tag, "StreamTruncated")
      }
    }).pipe(Effect.provide(hosted(Testing.stream(["Hel"], { finishReason: null })))))

  it.effect("is handed over when it is complete, where that was asked for: what is cut may be retried", () =>
    Effect.gen(function*() {
      const chunks = yield* elapse(Stream.runCollect(ChatCompletions.stream({ ...request, commit: "whole" })))
      assert.strictEqual(Array.from(chunks, (chunk) => chunk.choices[0]?.delta.content ?? "").join(""), "Hello")
      assert.strictEqual(yield* count, 2)
    }).pipe(Effect.provide(hosted(
      [Testing.stream(["Hel", "lo"], { cut: { after: 1, how: "reset" } }), Testing.stream(["Hel", "lo"])],
      { retries: { strategy: "backoff", retryConnectionErrors: true } }
    ))))

  it.effect("takes no longer than timeoutMs, and than the time of the whole call", () =>
    Effect.gen(function*() {
      const slow = yield* failure()
      assert.strictEqual(slow._tag === "Timeout" && Duration.toMillis(slow.limit), 2000)
      const late = yield* failure({ ...request, timeout: { totalTimeout: 500 } })
      assert.strictEqual(late._tag, "DeadlineExceeded")
      assert.deepStrictEqual((yield* Testing.calls).map((call) => call.aborted), [true, true])
    }).pipe(Effect.provide(hosted(Testing.hang, { timeoutMs: 2000 }))))

  it.effect("closes the connection of a caller that leaves", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(ChatCompletions.create(request))
      yield* Testing.awaitCall(0)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* first).aborted, true)
    }).pipe(Effect.provide(hosted(Testing.hang))))
})

describe("retries of the request to a hosted router", () => {
  const backoff = { initialInterval: 500, maxInterval: 3000, exponent: 1.5, maxElapsedTime: 10_000 }
  const retries: ChatCompletions.RemoteOptions["retries"] = { strategy: "backoff", backoff }
  const withoutJitter = Effect.withRandom(Random.fixed([0]))

  it.effect("are none by default", () =>
    Effect.gen(function*() {
      yield* failure()
      assert.strictEqual(yield* count, 1)
    }).pipe(Effect.provide(hosted(Testing.status(503)))))

  it.effect("wait 500 · x^1.5 milliseconds, as long as there is time", () =>
    Effect.gen(function*() {
      const error = yield* withoutJitter(failure())
      assert.strictEqual(error._tag, "Unavailable")
      // 0, 500, 1414, 2598, then 3000 at most, until 10 s have passed
      assert.deepStrictEqual(yield* startedAt, [0, 0, 500, 1915, 4514, 7514, 10_514])
      assert.strictEqual(error.route?.attempts.length, 7)
    }).pipe(Effect.provide(hosted(Testing.status(503), { retries }))))

  it.effect("wait for as long as the router asks, and not at all when that is too long", () =>
    Effect.gen(function*() {
      yield* withoutJitter(elapse(ChatCompletions.create(request)))
      assert.deepStrictEqual(yield* startedAt, [0, 2000])
      const error = yield* failure()
      assert.strictEqual(error._tag, "RateLimited")
      assert.strictEqual(yield* count, 3)
    }).pipe(Effect.provide(hosted(
      [Testing.status(429, { retryAfter: 2 }), hello, Testing.status(429, { retryAfter: 4 })],
      { retries }
    ))))

  it.effect("are for the codes that are named, or a family of them", () =>
    Effect.gen(function*() {
      const tries = (status: number, retryCodes?: ReadonlyArray<string>) =>
        Effect.zipRight(failure(), count).pipe(
          Effect.provide(hosted(Testing.status(status), { retries, retryCodes })),
          Effect.map((calls) => calls > 1)
        )
      assert.isFalse(yield* tries(501))
      assert.isTrue(yield* tries(501, ["5XX"]))
      assert.isTrue(yield* tries(404, ["404"]))
      assert.isFalse(yield* tries(503, ["404"]))
    }))

  it.effect("are for broken connections and timeouts only when that is said", () =>
    Effect.gen(function*() {
      const tries = (answer: Testing.Answer, retryConnectionErrors?: boolean) =>
        Effect.zipRight(failure(), count).pipe(
          Effect.provide(hosted(answer, {
            timeoutMs: 100,
            retries: { strategy: "backoff", backoff, retryConnectionErrors }
          })),
          Effect.map((calls) => calls > 1)
        )
      assert.isFalse(yield* tries(Testing.refuse))
      assert.isFalse(yield* tries(Testing.hang))
      assert.isTrue(yield* tries(Testing.refuse, true))
      assert.isTrue(yield* tries(Testing.hang, true))
    }))

  it.effect("note their attempts and waits in the route", () =>
    Effect.gen(function*() {
      const { route } = yield* withoutJitter(elapse(ChatCompletions.create(request)))
      assert.deepStrictEqual(route.attempts.map((each) => [each.outcome, each.waitMillis]), [
        ["Unavailable", 0],
        ["Unavailable", 0],
        ["success", 500]
      ])
    }).pipe(Effect.provide(hosted([Testing.status(503), Testing.status(500), hello], { retries }))))
})

describe("options of a hosted router", () => {
  const path = (options: ChatCompletions.RemoteOptions) =>
    Effect.map(
      Effect.flip(ChatCompletions.makeRemote(options)),
      (error) => error.path
    ).pipe(Effect.provide(Testing.layerTransport({})))

  it.effect("that are out of bounds are named", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* path({ serverURL: "ftp://x" }), "serverURL")
      assert.strictEqual(yield* path({ serverURL: "https://user:secret@x" }), "serverURL")
      assert.strictEqual(yield* path({ timeoutMs: 0 }), "timeoutMs")
      assert.strictEqual(yield* path({ timeoutMs: NaN }), "timeoutMs")
      assert.strictEqual(yield* path({ retryCodes: ["429", "6XX"] }), "retryCodes[1]")
      assert.strictEqual(yield* path({ headers: { "x-a": "b\r\nx-c: d" } }), "headers.x-a")
      assert.strictEqual(yield* path({ apiKey: Redacted.make("a\n") }), "headers.authorization")
      const wrong = { initialInterval: -1, maxInterval: 1, exponent: 1, maxElapsedTime: 1 }
      assert.strictEqual(
        yield* path({ retries: { strategy: "backoff", backoff: wrong } }),
        "retries.backoff.initialInterval"
      )
      assert.throws(() => ChatCompletions.layerRemote({ serverURL: "x" }), RouterError.InvalidRequest)
    }))

  const fromConfig = (variables: ReadonlyArray<readonly [string, string]>) =>
    ChatCompletions.layerRemoteConfig().pipe(
      Layer.provideMerge(Testing.layerTransport({ "*": hello })),
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(variables))))
    )

  it.effect("come from the configuration: the key, and where the router is", () =>
    Effect.gen(function*() {
      const call = (variables: ReadonlyArray<readonly [string, string]>) =>
        Effect.provide(Effect.zipRight(elapse(ChatCompletions.create(request)), first), fromConfig(variables))
      const published = yield* call([["ORQ_API_KEY", "k"]])
      assert.strictEqual(published.url, "https://my.orq.ai/v2/router/chat/completions")
      assert.strictEqual(published.headers.authorization, "Bearer k")
      const own = yield* call([["ORQ_API_KEY", "k"], ["ORQ_SERVER_URL", "http://localhost:8787"]])
      assert.strictEqual(own.url, "http://localhost:8787/v2/router/chat/completions")
      const wrong = yield* Effect.flip(Effect.provide(Effect.void, fromConfig([])))
      assert.strictEqual(wrong._op, "MissingData")
      yield* Effect.flip(Effect.provide(Effect.void, fromConfig([["ORQ_API_KEY", "k"], ["ORQ_SERVER_URL", "x"]])))
      yield* TestClock.adjust(0)
    }))
})
