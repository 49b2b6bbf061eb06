import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Testing from "effect-llm-router/Testing"
import { dataOf, errorOf, gateway, json, post, send, v1, v2 } from "./support/gateway.js"

const messages = [{ role: "user", content: "Hello" }]

describe("a completion", () => {
  for (const path of [v1, v2]) {
    it.scopedLive(`${path} answers as JSON, with the route in its headers`, () =>
      Effect.gen(function*() {
        const running = yield* gateway({ "a/x": Testing.completion("Hello", { usage: { prompt_tokens: 9 } }) })
        const answered = yield* post(
          running,
          { model: "a/x", messages, max_tokens: 5 },
          { "x-request-id": "mine" },
          path
        )
        assert.strictEqual(answered.status, 200)
        assert.strictEqual(answered.headers.get("content-type"), "application/json")
        assert.strictEqual(answered.headers.get("x-router-model"), "a/x")
        assert.strictEqual(answered.headers.get("x-router-attempts"), "1")
        assert.strictEqual(answered.headers.get("x-router-cache"), "off")
        assert.strictEqual(answered.headers.get("x-request-id"), "mine")
        assert.deepStrictEqual(json(answered), {
          id: "chatcmpl-scripted",
          object: "chat.completion",
          created: 1_700_000_000,
          model: "x",
          choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
          usage: { prompt_tokens: 9 }
        })
        const [call] = yield* running.upstream.calls
        assert.deepStrictEqual(call?.body, { model: "x", messages, max_tokens: 5, stream: false })
      }))
  }

  it.scopedLive("is routed by the members of its body", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.status(503), "b/y": Testing.completion("Hello") })
      const request = {
        model: "a/x",
        messages: [{ role: "user", content: "Hello {{name}}" }],
        variables: { name: "Ada" },
        fallbacks: [{ model: "b/y" }],
        cache: { type: "exact_match", ttl: 60 }
      }
      const first = yield* post(running, request, {}, v2)
      assert.strictEqual(first.headers.get("x-router-model"), "b/y")
      assert.strictEqual(first.headers.get("x-router-attempts"), "2")
      assert.strictEqual(first.headers.get("x-router-cache"), "miss")
      const calls = yield* running.upstream.calls
      assert.deepStrictEqual((calls[1]?.body as { readonly messages: unknown }).messages, [
        { role: "user", content: "Hello Ada" }
      ])
    }))

  it.scopedLive("comes from the cache", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") })
      const request = { model: "a/x", messages, cache: { type: "exact_match" } }
      yield* post(running, request)
      const second = yield* post(running, request)
      assert.strictEqual(second.headers.get("x-router-cache"), "hit")
      assert.strictEqual((yield* running.upstream.calls).length, 1)
    }))

  it.scopedLive("has the members that strict clients need, whatever the provider left out", () =>
    Effect.gen(function*() {
      const running = yield* gateway({
        "a/x": Testing.raw({
          headers: { "content-type": "application/json" },
          chunks: [JSON.stringify({ choices: [{ message: { tool_calls: [{ id: "1", function: { name: "f" } }] } }] })]
        })
      })
      const answered = yield* post(running, { model: "a/x", messages }, { "x-request-id": "mine" })
      const { choices, created, ...head } = json(answered) as { readonly choices: unknown; readonly created: unknown }
      assert.deepStrictEqual(head, { id: "chatcmpl-mine", object: "chat.completion", model: "a/x" } as object)
      assert.isTrue(Number.isInteger(created))
      assert.deepStrictEqual(choices, [{
        index: 0,
        message: {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "" } }]
        },
        finish_reason: null
      }])
    }))

  it.scopedLive("is JSON or events by its body, whatever the client says it accepts", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello"), "a/y": Testing.stream(["Hello"]) })
      const asJson = yield* post(running, { model: "a/x", messages }, { accept: "text/event-stream" })
      assert.strictEqual(asJson.headers.get("content-type"), "application/json")
      const asEvents = yield* post(running, { model: "a/y", messages, stream: true }, {
        accept: "application/json;q=1, text/event-stream;q=0"
      })
      assert.strictEqual(asEvents.headers.get("content-type"), "text/event-stream; charset=utf-8")
    }))

  it.scopedLive("gets an id of its own, and never one that is no id", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") })
      const first = yield* post(running, { model: "a/x", messages })
      assert.match(first.headers.get("x-request-id") ?? "", /^req_[0-9a-f]{32}$/)
      const second = yield* post(running, { model: "a/x", messages }, { "x-request-id": "x".repeat(129) })
      assert.match(second.headers.get("x-request-id") ?? "", /^req_[0-9a-f]{32}$/)
      assert.notStrictEqual(first.headers.get("x-request-id"), second.headers.get("x-request-id"))
      const third = yield* post(running, { model: "a/x", messages }, { "x-request-id": "é" })
      assert.match(third.headers.get("x-request-id") ?? "", /^req_/)
    }))

  it.scopedLive("ends when the time is over that its client has for it", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.hang })
      const answered = yield* post(running, { model: "a/x", messages, timeout: { call_timeout: 60_000 } }, {
        "x-request-timeout-ms": "50"
      })
      assert.deepStrictEqual(errorOf(answered), {
        status: 504,
        type: "server_error",
        param: null,
        code: "request_timeout"
      })
      const nonsense = yield* post(running, { model: "a/x", messages }, { "x-request-timeout-ms": "soon" })
      assert.deepStrictEqual(errorOf(nonsense), {
        status: 400,
        type: "invalid_request_error",
        param: null,
        code: "invalid_header"
      })
    }))
})

describe("a stream", () => {
  const head = { id: "chatcmpl-scripted", object: "chat.completion.chunk", created: 1_700_000_000, model: "x" }
  const chunk = (delta: unknown, finish_reason: string | null = null) => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason }]
  })
  const spoken = [chunk({ role: "assistant", content: "" }), chunk({ content: "Hel" }), chunk({ content: "lo" })]

  for (const path of [v1, v2]) {
    it.scopedLive(`${path} is events, and [DONE]`, () =>
      Effect.gen(function*() {
        const running = yield* gateway({ "a/x": Testing.stream(["Hel", "lo"]) })
        const answered = yield* post(running, { model: "a/x", messages, stream: true }, {}, path)
        assert.strictEqual(answered.status, 200)
        assert.strictEqual(answered.headers.get("x-router-model"), "a/x")
        assert.strictEqual(answered.headers.get("cache-control"), "no-cache, no-transform")
        const data = dataOf(answered.text)
        assert.strictEqual(data.at(-1), "[DONE]")
        assert.deepStrictEqual(data.slice(0, -1).map((one) => JSON.parse(one) as unknown), [
          ...spoken,
          chunk({}, "stop")
        ])
        assert.strictEqual(answered.text, data.map((one) => `data: ${one}\n\n`).join(""))
      }))
  }

  const usage = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 }
  for (
    const [name, options, expected] of [
      ["is left out unless it is asked for", undefined, []],
      ["comes last when it is asked for", { include_usage: true }, [{ ...head, choices: [], usage }]]
    ] as const
  ) {
    it.scopedLive(`the usage ${name}`, () =>
      Effect.gen(function*() {
        const running = yield* gateway({ "a/x": Testing.stream(["Hel", "lo"], { usage }) })
        const answered = yield* post(running, { model: "a/x", messages, stream: true, stream_options: options })
        const chunks = dataOf(answered.text).slice(0, -1).map((one) => JSON.parse(one) as unknown)
        assert.deepStrictEqual(chunks.slice(4), [...expected])
        const [call] = yield* running.upstream.calls
        assert.deepStrictEqual((call?.body as { readonly stream_options: unknown }).stream_options, options)
      }))
  }

  it.scopedLive("that fails before its first content is an error with a status", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.status(429, { retryAfter: 7 }) })
      const answered = yield* post(running, { model: "a/x", messages, stream: true })
      assert.strictEqual(answered.headers.get("content-type"), "application/json")
      assert.strictEqual(answered.headers.get("retry-after"), "7")
      assert.strictEqual(answered.headers.get("x-router-attempts"), "1")
      assert.strictEqual(errorOf(answered).status, 429)
    }))

  it.scopedLive("that is rescued before its first content says by whom", () =>
    Effect.gen(function*() {
      const running = yield* gateway({
        "a/x": Testing.stream(["Hel"], { cut: { after: 1, how: "reset" } }),
        "b/y": Testing.stream(["Hello"])
      })
      const answered = yield* post(running, { model: "a/x", messages, stream: true, fallbacks: [{ model: "b/y" }] })
      assert.strictEqual(answered.headers.get("x-router-model"), "b/y")
      assert.strictEqual(answered.headers.get("x-router-attempts"), "2")
    }))

  it.scopedLive("that breaks ends with an error event, and without [DONE]", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "reset" } }) })
      const answered = yield* post(running, { model: "a/x", messages, stream: true })
      assert.strictEqual(answered.status, 200)
      const data = dataOf(answered.text).map((one) => JSON.parse(one) as unknown)
      assert.deepStrictEqual(data.slice(0, 2), spoken.slice(0, 2))
      const { error } = data[2] as { readonly error: { readonly code: string; readonly type: string } }
      assert.strictEqual(error.type, "server_error")
      assert.strictEqual(error.code, "provider_error")
      assert.strictEqual(data.length, 3)
    }))
})

describe("pages", () => {
  it.scopedLive("the models are those of the options, and the providers those of the router", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.hang, "b/y": Testing.hang }, { models: ["a/x", "b/y/z"] })
      const answered = yield* send(`${running.url}/v1/models`)
      const { data, ...rest } = json(answered) as { readonly data: ReadonlyArray<{ readonly created: number }> }
      assert.deepStrictEqual(rest, { object: "list", providers: ["a", "b"] } as object)
      assert.deepStrictEqual(data.map(({ created: _, ...model }) => model), [
        { id: "a/x", object: "model", owned_by: "a" },
        { id: "b/y/z", object: "model", owned_by: "b" }
      ] as Array<object>)
    }))

  it.scopedLive("the health shows the targets and their state", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.status(401) })
      yield* post(running, { model: "a/x", messages })
      const answered = yield* send(`${running.url}/health`)
      assert.strictEqual(answered.status, 200)
      const health = json(answered) as {
        readonly status: string
        readonly inFlight: number
        readonly targets: ReadonlyArray<{ readonly target: string; readonly circuit: unknown }>
      }
      assert.strictEqual(health.status, "ok")
      assert.strictEqual(health.inFlight, 0)
      assert.deepStrictEqual(health.targets.map(({ target }) => target), ["a/x"])
      assert.isDefined(health.targets[0]?.circuit)
    }))
})
