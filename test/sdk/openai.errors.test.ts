/** What the official client of OpenAI makes of the gateway's errors, and what the gateway makes of a client that leaves. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Testing from "effect-llm-router/Testing"
import OpenAI from "openai"
import { dying, gateway, start } from "../support/gateway.js"
import { closesInTime, inTime } from "../support/live.js"
import { attempt, choice, chunks, collect, idle, rejects } from "../support/sdk.js"

const messages: Array<OpenAI.ChatCompletionMessageParam> = [{ role: "user", content: "Hello" }]
const request = { model: "a/x", messages }

const keys = [Redacted.make("key")]

const clientOf = ({ url }: { readonly url: string }, options: ConstructorParameters<typeof OpenAI>[0] = {}) =>
  new OpenAI({ apiKey: "key", baseURL: `${url}/v1`, maxRetries: 0, ...options })

const open = (script: Testing.Script) =>
  Effect.map(gateway(script, { keys }), (running) => ({ ...running, client: clientOf(running) }))

type ErrorClass = abstract new(...args: never) => InstanceType<typeof OpenAI.APIError>

type Row = readonly [
  name: string,
  errorClass: ErrorClass,
  expected: readonly [status: number, type: string, code: string, param: string | null],
  body: Readonly<Record<string, unknown>>,
  answer?: Testing.Answer
]

const invalid = "invalid_request_error"

const rows: ReadonlyArray<Row> = [
  ["a field out of bounds", OpenAI.BadRequestError, [400, invalid, "invalid_request_body", "retry.count"], {
    retry: { count: 9 }
  }],
  ["a field in a list", OpenAI.BadRequestError, [400, invalid, "invalid_request_body", "messages[0].role"], {
    messages: [{ role: "nobody", content: "Hello" }]
  }],
  ["a missing variable", OpenAI.BadRequestError, [400, invalid, "invalid_request_body", "messages[0].content"], {
    messages: [{ role: "user", content: "{{name}}" }],
    variables: {}
  }],
  [
    "a prompt that is too long",
    OpenAI.BadRequestError,
    [400, invalid, "context_length_exceeded", "messages"],
    {},
    Testing.status(400, { code: "context_length_exceeded" })
  ],
  ["an unknown provider", OpenAI.NotFoundError, [404, invalid, "model_not_found", "model"], { model: "nobody/x" }],
  [
    "an unknown model",
    OpenAI.NotFoundError,
    [404, invalid, "model_not_found", "model"],
    {},
    Testing.status(404, { code: "model_not_found" })
  ],
  [
    "a limit",
    OpenAI.RateLimitError,
    [429, "rate_limit_error", "rate_limit_exceeded", null],
    {},
    Testing.status(429, { retryAfter: 7 })
  ],
  [
    "a key that the provider refuses",
    OpenAI.InternalServerError,
    [502, "server_error", "provider_refused_key", null],
    {},
    Testing.status(401)
  ],
  [
    "a provider that is down",
    OpenAI.InternalServerError,
    [503, "server_error", "service_unavailable", null],
    {},
    Testing.status(500)
  ],
  [
    "a provider that breaks off",
    OpenAI.InternalServerError,
    [502, "server_error", "provider_error", null],
    {},
    Testing.reset
  ],
  ["a provider that takes too long", OpenAI.InternalServerError, [504, "server_error", "provider_timeout", null], {
    timeout: { call_timeout: 50 }
  }, Testing.hang]
]

describe("an error", () => {
  for (const [name, errorClass, expected, body, answer = Testing.completion("Hello")] of rows) {
    for (const stream of [false, true]) {
      it.scopedLive(`${name} (stream: ${stream})`, () =>
        Effect.gen(function*() {
          const { client } = yield* open({ "a/x": answer })
          const error = yield* rejects(
            errorClass,
            () => client.chat.completions.create({ ...request, ...body, stream })
          )
          assert.deepStrictEqual([error.status, error.type, error.code, error.param], [...expected])
          assert.match(error.requestID ?? "", /^req_/)
          assert.strictEqual(
            error.headers?.get("retry-after") ?? null,
            {
              429: "7",
              503: "1"
            }[expected[0]] ?? null
          )
        }))
    }
  }

  it.scopedLive("a wrong key, and a client of another machine", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") }, { keys })
      const wrong = clientOf(running, { apiKey: "another" })
      const error = yield* rejects(OpenAI.AuthenticationError, () => wrong.chat.completions.create(request))
      assert.deepStrictEqual([error.status, error.type, error.code], [401, "authentication_error", "invalid_api_key"])
      yield* rejects(OpenAI.AuthenticationError, () => wrong.models.list())
      const local = yield* gateway({ "a/x": Testing.completion("Hello") })
      // it is this machine, but no name of it
      const foreign = clientOf({ url: `http://0.0.0.0:${local.port}` })
      const refused = yield* rejects(OpenAI.PermissionDeniedError, () => foreign.chat.completions.create(request))
      assert.deepStrictEqual([refused.status, refused.code], [403, "loopback_only"])
    }))

  it.scopedLive("a body that is too large, a path that is not there, and a bug", () =>
    Effect.gen(function*() {
      const small = yield* gateway({ "a/x": Testing.completion("Hello") }, { maxBodyBytes: 20 })
      const large = yield* rejects(OpenAI.APIError, () => clientOf(small).chat.completions.create(request))
      assert.deepStrictEqual([large.status, large.code], [413, "request_too_large"])
      const path = yield* rejects(
        OpenAI.NotFoundError,
        () => clientOf(small).embeddings.create({ model: "a/x", input: "Hello" })
      )
      assert.strictEqual(path.code, "not_found")
      const broken = yield* start(dying)
      const bug = yield* rejects(OpenAI.InternalServerError, () => clientOf(broken).chat.completions.create(request))
      assert.deepStrictEqual([bug.status, bug.code], [500, "internal_error"])
      assert.notInclude(JSON.stringify(bug) + bug.message, "secret")
    }))

  for (const how of ["reset", "end"] as const) {
    it.scopedLive(`in the middle of a stream (${how}) is thrown after what came before`, () =>
      Effect.gen(function*() {
        const { client } = yield* open({ "a/x": Testing.stream(["Hel", "lo"], { cut: { after: 2, how } }) })
        const texts: Array<string> = []
        const error = yield* rejects(OpenAI.APIError, async () => {
          for await (const { choices } of await client.chat.completions.create({ ...request, stream: true })) {
            texts.push(choices[0]?.delta.content ?? "")
          }
        })
        assert.deepStrictEqual(texts, ["", "Hel"])
        assert.deepStrictEqual([error.code, error.type], ["provider_error", "server_error"])
        const helper = client.chat.completions.stream(request)
        const again = yield* rejects(OpenAI.APIError, () => helper.finalContent())
        assert.strictEqual(again.code, "provider_error")
      }))
  }
})

describe("an answer that failed by the provider's own word", () => {
  const broken = chunks([[choice({ content: "Hel" })], [choice({}, "insufficient_system_resource")]], {
    between: "30 millis"
  })

  it.scopedLive("is thrown, not told as whole", () =>
    Effect.gen(function*() {
      const { client } = yield* open({
        "a/x": [Testing.completion("Hel", { finishReason: "network_error" }), broken]
      })
      const whole = yield* rejects(OpenAI.InternalServerError, () => client.chat.completions.create(request))
      assert.deepStrictEqual([whole.status, whole.code], [502, "provider_error"])
      const streamed = yield* rejects(OpenAI.APIError, () => client.chat.completions.stream(request).finalContent())
      assert.strictEqual(streamed.code, "provider_error")
    }))
})

describe("the client's own retries", () => {
  it.scopedLive("wait as long as the gateway says", () =>
    Effect.gen(function*() {
      const running = yield* open({ "a/x": [Testing.status(429, { retryAfter: 1 }), Testing.completion("Hello")] })
      const begun = performance.now()
      const client = clientOf(running, { maxRetries: 1 })
      const completion = yield* attempt(() => client.chat.completions.create(request))
      assert.strictEqual(completion.choices[0]?.message.content, "Hello")
      assert.isAtLeast(performance.now() - begun, 990)
      assert.strictEqual((yield* running.upstream.calls).length, 2)
    }))

  it.scopedLive("do not multiply those of the gateway", () =>
    Effect.gen(function*() {
      const running = yield* open({ "a/x": Testing.status(503) })
      const client = clientOf(running, { maxRetries: 2 })
      const retry = { count: 1, on_codes: [503] }
      yield* rejects(OpenAI.InternalServerError, () => client.chat.completions.create({ ...request, ...{ retry } }))
      assert.strictEqual((yield* running.upstream.calls).length, 2)
    }))

  it.scopedLive("do not happen for a key that the provider refuses", () =>
    Effect.gen(function*() {
      const running = yield* open({ "a/x": Testing.status(401) })
      const client = clientOf(running, { maxRetries: 2 })
      yield* rejects(OpenAI.InternalServerError, () => client.chat.completions.create(request))
      assert.strictEqual((yield* running.upstream.calls).length, 1)
    }))

  it.scopedLive("do not happen when they are switched off, and never for what is for good", () =>
    Effect.gen(function*() {
      const limited = yield* open({ "a/x": Testing.status(429) })
      yield* rejects(OpenAI.RateLimitError, () => limited.client.chat.completions.create(request))
      assert.strictEqual((yield* limited.upstream.calls).length, 1)
      const wrong = yield* open({ "a/x": Testing.status(400) })
      const client = clientOf(wrong, { maxRetries: 2 })
      yield* rejects(OpenAI.BadRequestError, () => client.chat.completions.create(request))
      assert.strictEqual((yield* wrong.upstream.calls).length, 1)
    }))
})

describe("a client that leaves", () => {
  it.scopedLive("before it asks never asks", () =>
    Effect.gen(function*() {
      const running = yield* open({ "a/x": Testing.completion("Hello") })
      yield* rejects(
        OpenAI.APIUserAbortError,
        () => running.client.chat.completions.create(request, { signal: AbortSignal.abort() })
      )
      assert.strictEqual((yield* running.upstream.calls).length, 0)
    }))

  for (
    const [name, answer, stream] of [
      ["while it waits for a completion", Testing.hang, false],
      ["while it waits for the first chunk", chunks([[choice({ role: "assistant" })]], { end: "stall" }), true]
    ] as const
  ) {
    inTime(`${name} closes the upstream`, () =>
      Effect.gen(function*() {
        const running = yield* open({ "a/x": answer })
        const { client, upstream } = running
        const controller = new AbortController()
        const asked = yield* Effect.fork(rejects(
          OpenAI.APIUserAbortError,
          () => client.chat.completions.create({ ...request, stream }, { signal: controller.signal })
        ))
        yield* upstream.awaitCall(0)
        controller.abort()
        yield* closesInTime(upstream)
        yield* asked
        yield* idle(running)
      }))
  }

  const endless = Testing.stream(Array.from({ length: 1000 }, () => "Hel"), { between: "5 millis" })

  inTime("in the middle of a stream closes the upstream: abort", () =>
    Effect.gen(function*() {
      const running = yield* open({ "a/x": endless })
      const controller = new AbortController()
      yield* attempt(async () => {
        const options = { signal: controller.signal }
        const stream = await running.client.chat.completions.create({ ...request, stream: true }, options)
        let count = 0
        for await (const _ of stream) {
          if (++count === 3) controller.abort()
        }
      })
      yield* closesInTime(running.upstream)
      yield* idle(running)
    }))

  inTime("in the middle of a stream closes the upstream: break", () =>
    Effect.gen(function*() {
      const running = yield* open({ "a/x": endless })
      yield* attempt(async () => {
        for await (const _ of await running.client.chat.completions.create({ ...request, stream: true })) {
          break
        }
      })
      yield* closesInTime(running.upstream)
      yield* idle(running)
    }))

  inTime("whose time is over closes the upstream", () =>
    Effect.gen(function*() {
      const running = yield* open({ "a/x": Testing.hang })
      yield* rejects(
        OpenAI.APIConnectionTimeoutError,
        () => running.client.chat.completions.create(request, { timeout: 100 })
      )
      yield* closesInTime(running.upstream)
      yield* idle(running)
    }))
})

/** The fields of the router, as they are on the wire: the client sends members that it does not know as they are. */
describe("the fields of the router", () => {
  const ask = (client: OpenAI, fields: Readonly<Record<string, unknown>>) =>
    attempt(() => client.chat.completions.create({ ...request, ...fields, stream: false }).withResponse())

  it.scopedLive("retry and fallbacks", () =>
    Effect.gen(function*() {
      const { client, upstream } = yield* open({
        "a/x": Testing.status(503),
        "b/y": Testing.completion("Hello from b")
      })
      const { data, response } = yield* ask(client, {
        retry: { count: 1, on_codes: [503] },
        fallbacks: [{ model: "b/y" }]
      })
      assert.strictEqual(data.choices[0]?.message.content, "Hello from b")
      assert.strictEqual(response.headers.get("x-router-model"), "b/y")
      assert.strictEqual(response.headers.get("x-router-attempts"), "3")
      assert.deepStrictEqual((yield* upstream.calls).map(({ target }) => target), ["a/x", "a/x", "b/y"])
    }))

  it.scopedLive("cache, for completions and streams alike", () =>
    Effect.gen(function*() {
      const { client, upstream } = yield* open({ "a/x": Testing.completion("Hello") })
      const cache = { type: "exact_match", ttl: 60 }
      assert.strictEqual((yield* ask(client, { cache })).response.headers.get("x-router-cache"), "miss")
      const again = yield* ask(client, { cache })
      assert.strictEqual(again.response.headers.get("x-router-cache"), "hit")
      assert.strictEqual(again.data.choices[0]?.message.content, "Hello")
      const streamed = yield* attempt(async () =>
        collect(await client.chat.completions.create({ ...request, ...{ cache }, stream: true }))
      )
      assert.strictEqual(streamed.map(({ choices }) => choices[0]?.delta.content ?? "").join(""), "Hello")
      assert.strictEqual((yield* upstream.calls).length, 1)
    }))

  it.scopedLive("load_balancer, timeout and variables", () =>
    Effect.gen(function*() {
      const { client, upstream } = yield* open({ "b/y": Testing.completion("Hello") })
      const { response } = yield* ask(client, {
        load_balancer: { type: "weight_based", models: [{ model: "b/y", weight: 0.7 }] },
        timeout: { call_timeout: 30_000 },
        variables: { name: "Ada" },
        messages: [{ role: "user", content: "Hello {{name}}" }]
      })
      assert.strictEqual(response.headers.get("x-router-model"), "b/y")
      assert.deepStrictEqual((yield* upstream.calls).map(({ body }) => body), [
        { model: "y", messages: [{ role: "user", content: "Hello Ada" }], stream: false }
      ])
    }))
})
