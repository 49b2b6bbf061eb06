/** The published SDK and ours, call for call against one server: what they send, and what comes of it. */
import { assert, describe, it } from "@effect/vitest"
import * as publishedErrors from "@orq-ai/node/models/errors/index.js"
import { Effect } from "effect"
import * as Orq from "effect-llm-router/Orq"
import * as Testing from "effect-llm-router/Testing"
import { rejects } from "../support/sdk.js"
import * as support from "./support.js"

const example: support.Input = {
  messages: [{ role: "user", content: "Hello {{name}}" }],
  model: "Model 3",
  fallbacks: [{ model: "openai/gpt-4o-mini" }],
  retry: { onCodes: [429, 500, 502, 503, 504] },
  cache: { ttl: 3600, type: "exact_match" },
  loadBalancer: { type: "weight_based", models: [{ model: "openai/gpt-4o", weight: 0.7 }] },
  timeout: { callTimeout: 30000 }
}

/** What is on the wire, member by member. */
const flatten = (value: unknown, path = ""): ReadonlyArray<readonly [string, unknown]> => {
  if (typeof value !== "object" || value === null || Object.keys(value).length === 0) {
    return [[path, value]]
  }
  return Object.entries(value).flatMap(([name, member]) => flatten(member, path === "" ? name : `${path}.${name}`))
}

/** What both send for one request. */
const sent = (request: support.Input, options?: support.Options) =>
  Effect.gen(function*() {
    const server = yield* Testing.serve({ "*": Testing.completion("Hi") })
    const client = { apiKey: "a-key", serverURL: server.url }
    for (const call of [support.published, support.method, support.standalone]) {
      yield* support.outcome(() => call(client, request, options))
    }
    const calls = yield* server.calls
    assert.lengthOf(calls, 3)
    return calls
  })

describe("the request", () => {
  it.scopedLive("the published example, field by field", () =>
    Effect.gen(function*() {
      const [published, ...ours] = yield* sent(example)
      for (const own of ours) {
        // the count is the server's default, too: it is sent only by the SDK
        assert.deepStrictEqual(
          new Map(flatten(own.body)),
          new Map(flatten(published!.body).filter(([path]) => path !== "retry.count"))
        )
        assert.deepStrictEqual(
          new Map<string, unknown>([
            ["messages.0.role", "user"],
            ["messages.0.content", "Hello {{name}}"],
            ["model", "Model 3"],
            ["fallbacks.0.model", "openai/gpt-4o-mini"],
            ...[429, 500, 502, 503, 504].map((code, index) => [`retry.on_codes.${index}`, code] as const),
            ["cache.ttl", 3600],
            ["cache.type", "exact_match"],
            ["load_balancer.type", "weight_based"],
            ["load_balancer.models.0.model", "openai/gpt-4o"],
            ["load_balancer.models.0.weight", 0.7],
            ["timeout.call_timeout", 30000],
            ["stream", false]
          ]),
          new Map(flatten(own.body))
        )
        assert.strictEqual(own.method, "POST")
        assert.strictEqual(new URL(own.url).pathname, "/v2/router/chat/completions")
        assert.strictEqual(own.url, published!.url)
        assert.strictEqual(own.headers["authorization"], "Bearer a-key")
        assert.strictEqual(own.headers["content-type"], published!.headers["content-type"])
      }
    }))

  const rest: support.Input = {
    model: "openai/gpt-4o",
    messages: [
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [
          { type: "text", text: "What is it?" },
          { type: "image_url", imageUrl: { url: "https://example.com/a.png", detail: "low" } },
          { type: "file", file: { fileData: "AA==", mimeType: "application/pdf", filename: "a.pdf" } }
        ]
      },
      {
        role: "assistant",
        content: null,
        toolCalls: [{ id: "call_1", type: "function", function: { name: "look", arguments: "{}" } }]
      },
      { role: "tool", content: "a cat", toolCallId: "call_1" }
    ],
    variables: { name: "Ada", snake_case: { camelCase: 1 } },
    metadata: { teamName: "blue" },
    guardrails: [{ id: "orq_pii_detection", executeOn: "input" }],
    plugins: [{ id: "response_healing" }],
    maxCompletionTokens: 100,
    temperature: 0.5,
    topP: 0.9,
    seed: 7,
    stop: ["END"],
    reasoningEffort: "low",
    responseFormat: { type: "json_schema", jsonSchema: { name: "n", schema: { type: "object" }, strict: true } },
    tools: [{ type: "function", function: { name: "look", parameters: { type: "object", properties: {} } } }],
    toolChoice: { type: "function", function: { name: "look" } },
    parallelToolCalls: true,
    orq: { thread: { id: "t" }, identity: { id: "i", displayName: "Ada" } }
  }

  it.scopedLive("everything else: parameters, parts, tools, variables, the envelope", () =>
    Effect.gen(function*() {
      const [published, ...ours] = yield* sent(rest)
      for (const own of ours) {
        assert.deepStrictEqual(own.body, published!.body)
      }
    }))

  it.scopedLive("a stream is asked for in the body", () =>
    Effect.gen(function*() {
      const [published, ...ours] = yield* sent({
        ...example,
        retry: { count: 2 },
        stream: true,
        streamOptions: { includeUsage: true }
      })
      for (const own of ours) {
        assert.deepStrictEqual(own.body, published!.body)
      }
    }))

  it.scopedLive("headers of the caller replace those of the client", () =>
    Effect.gen(function*() {
      const calls = yield* sent(example, {
        headers: { Authorization: "Bearer another", "X-Orq-Identity-Id": "i", contactId: "c" }
      })
      for (const { headers } of calls) {
        assert.strictEqual(headers["authorization"], "Bearer another")
        assert.strictEqual(headers["x-orq-identity-id"], "i")
        assert.strictEqual(headers["x-orq-contact-id"], "c")
        assert.isUndefined(headers["contactid"])
      }
    }))

  it.scopedLive("the path and the query of the server's URL are kept", () =>
    Effect.gen(function*() {
      const server = yield* Testing.serve({ "*": Testing.completion("Hi") })
      for (const call of [support.published, support.method]) {
        const client = { apiKey: "k", serverURL: "http://127.0.0.1:1" }
        yield* support.outcome(() => call(client, example, { serverURL: `${server.url}/base/?q=1` }))
      }
      assert.deepStrictEqual(
        (yield* server.calls).map(({ url }) => url),
        Array(2).fill(`${server.url}/base/v2/router/chat/completions?q=1`)
      )
    }))
})

interface Row {
  readonly answer: Testing.Answers
  /** Made for each call: a signal is of one call. */
  readonly options?: () => support.Options
  readonly stream?: boolean
  /** What ours comes to, where it is not the same. */
  readonly ours?: support.Outcome
  /** How many requests each sends. Default 1. */
  readonly requests?: number
}

const raw = (status: number, body: string, contentType = "application/json") =>
  Testing.raw({ status, headers: { "content-type": contentType }, body })

/** Waits of next to nothing, and at most so many milliseconds of them. */
const backoff = (maxElapsedTime: number) =>
  ({ strategy: "backoff", backoff: { initialInterval: 1, maxInterval: 5, exponent: 1, maxElapsedTime } }) as const

const rows: Readonly<Record<string, Row>> = {
  "a completion": { answer: Testing.completion("Hi", { usage: { prompt_tokens: 1, total_tokens: 2 } }) },
  "a completion in a charset": {
    answer: Testing.completion("Hi", { headers: { "content-type": "application/json; charset=utf-8" } })
  },
  "a stream": { answer: Testing.stream(["Hel", "lo"]), stream: true },
  "a stream with its usage": {
    answer: Testing.stream(["Hel", "lo"], { usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } }),
    stream: true
  },
  "a stream without [DONE]": { answer: Testing.stream(["Hel", "lo"], { done: false }), stream: true },
  "400": { answer: Testing.status(400, { message: "no" }) },
  "401": { answer: Testing.status(401) },
  "404 of a stream": { answer: Testing.status(404), stream: true },
  "413 as text": { answer: raw(413, "too large", "text/plain") },
  "429": { answer: Testing.status(429) },
  "500": { answer: Testing.status(500) },
  "500 as HTML": { answer: raw(500, "<h1>no</h1>", "text/html; charset=utf-8") },
  "500 without a body": { answer: Testing.raw({ status: 500 }) },
  "503 with a long body": { answer: raw(503, JSON.stringify({ error: { message: "x".repeat(20_000) } })) },
  "200 as plain text": { answer: raw(200, "ok", "text/plain") },
  "204": { answer: Testing.raw({ status: 204 }) },
  "no connection": { answer: Testing.refuse },
  "a connection that breaks before the headers": { answer: Testing.reset },
  "no answer in time": { answer: Testing.hang, options: () => ({ timeoutMs: 250 }) },
  "a signal that was aborted": {
    answer: Testing.hang,
    options: () => ({ signal: AbortSignal.abort() }),
    requests: 0
  },
  "a signal of a timeout": { answer: Testing.hang, options: () => ({ signal: AbortSignal.timeout(250) }) },
  "a signal instead of a timeout": {
    answer: Testing.completion("Hi", { delay: "100 millis" }),
    options: () => ({ timeoutMs: 20, signal: new AbortController().signal })
  },
  "repeated until it goes well": {
    answer: [Testing.status(503), Testing.status(429), Testing.completion("Hi")],
    options: () => ({ retries: backoff(5000) }),
    requests: 3
  },
  "not repeated: a status that is not among the codes": {
    answer: [Testing.status(501), Testing.completion("Hi")],
    options: () => ({ retries: backoff(5000) })
  },
  "repeated: a family of statuses": {
    answer: [Testing.status(501), Testing.completion("Hi")],
    options: () => ({ retries: backoff(5000), retryCodes: ["5XX"] }),
    requests: 2
  },
  "not repeated: a connection that breaks": {
    answer: [Testing.reset, Testing.completion("Hi")],
    options: () => ({ retries: backoff(5000) })
  },
  "repeated: a connection that breaks": {
    answer: [Testing.reset, Testing.completion("Hi")],
    options: () => ({ retries: { ...backoff(5000), retryConnectionErrors: true } }),
    requests: 2
  },
  "not repeated at all": {
    answer: [Testing.status(503), Testing.completion("Hi")],
    options: () => ({ retries: { strategy: "none" } })
  },
  // what the SDK lets through, or lets pass
  "another shape": {
    answer: raw(200, "{\"choices\":1}"),
    ours: {
      error: "ResponseValidationError",
      statusCode: 200,
      contentType: "application/json",
      body: "{\"choices\":1}",
      message: "Response validation failed: router: choices is not an array (200)"
    }
  },
  "no JSON": {
    answer: raw(200, "{"),
    ours: {
      error: "ResponseValidationError",
      statusCode: 200,
      contentType: "application/json",
      body: "{",
      message: "Response validation failed: router: the answer is not JSON (200)"
    }
  },
  "an error as a success": {
    answer: raw(200, "{\"error\":{\"code\":\"rate_limit_exceeded\"}}"),
    ours: {
      error: "APIError",
      statusCode: 429,
      contentType: "application/json",
      body: "{\"error\":{\"code\":\"rate_limit_exceeded\"}}",
      message: "API error occurred: Status 429. Body: {\"error\":{\"code\":\"rate_limit_exceeded\"}}"
    }
  },
  "a finish reason that is new": {
    answer: Testing.completion("Hi", { finishReason: "enough" }),
    ours: {
      error: undefined,
      texts: ["Hi"],
      finishReasons: ["enough"]
    }
  },
  "a body that hangs": {
    answer: Testing.raw({
      headers: { "content-type": "application/json" },
      chunks: ["{", "}"],
      between: "10 seconds"
    }),
    options: () => ({ timeoutMs: 500 }),
    ours: { error: "RequestTimeoutError" }
  },
  "a stream that ends too early": {
    answer: Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "end" } }),
    stream: true,
    ours: {
      error: "ResponseValidationError",
      statusCode: 200,
      contentType: "text/event-stream",
      body: "",
      message: "Response validation failed: router: the stream broke after 2 chunks: StreamTruncated"
    }
  },
  "a connection that breaks in a stream": {
    answer: Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "reset" } }),
    stream: true,
    ours: { error: "ConnectionError" }
  },
  "a stream that hangs": {
    answer: Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "stall" } }),
    stream: true,
    options: () => ({ timeoutMs: 500 }),
    ours: { error: "RequestTimeoutError" }
  },
  "an error in a stream": {
    answer: support.events([support.chunk("Hel"), support.event({ error: { code: "rate_limit_exceeded" } })]),
    stream: true,
    ours: {
      error: "APIError",
      statusCode: 429,
      contentType: "text/event-stream",
      body: "{\"error\":{\"code\":\"rate_limit_exceeded\"}}",
      message: "API error occurred: Status 429 Content-Type text/event-stream. " +
        "Body: {\"error\":{\"code\":\"rate_limit_exceeded\"}}"
    }
  }
}

/** Without the members that are undefined, and with a name for the server. */
const known = (outcome: unknown, host = "router"): unknown =>
  JSON.parse(JSON.stringify(outcome).replaceAll(host, "router"))

/** A server for each call: what it answers, and what has arrived. */
const observe = (call: support.Call, { answer, options, stream = false }: Row) =>
  Effect.gen(function*() {
    const server = yield* Testing.serve({ "*": answer })
    const outcome = yield* support.outcome(() =>
      call({ apiKey: "k", serverURL: server.url }, { model: "m", messages: support.messages, stream }, options?.())
    )
    const host = new URL(server.url).host
    return {
      requests: (yield* server.calls).length,
      outcome: known(outcome, host)
    }
  })

describe("the outcome", () => {
  for (const [name, row] of Object.entries(rows)) {
    it.scopedLive(name, () =>
      Effect.gen(function*() {
        const published = yield* observe(support.published, row)
        assert.strictEqual(published.requests, row.requests ?? 1)
        if (row.ours !== undefined) {
          assert.notDeepEqual(known(row.ours), published.outcome)
        }
        for (const [kind, call] of support.ours) {
          const own = yield* observe(call, row)
          assert.deepStrictEqual(own.outcome, known(row.ours ?? published.outcome), kind)
          assert.strictEqual(own.requests, published.requests, kind)
        }
      }))
  }
})

describe("the classes of errors", () => {
  const names = [
    "OrqError",
    "APIError",
    "ResponseValidationError",
    "HTTPClientError",
    "ConnectionError",
    "RequestAbortedError",
    "RequestTimeoutError",
    "InvalidRequestError",
    "UnexpectedClientError"
  ] as const

  it("are one under the other as they are there", () => {
    for (const name of names) {
      for (const parent of names) {
        assert.strictEqual(
          Orq.errors[name].prototype instanceof Orq.errors[parent],
          publishedErrors[name].prototype instanceof publishedErrors[parent],
          `${name} of ${parent}`
        )
      }
    }
  })

  it.scopedLive("an answer that is not valid is a validation error, too", () =>
    Effect.gen(function*() {
      const { url } = yield* Testing.serve({ "*": raw(200, "{\"choices\":1}") })
      for (const [call, errors] of [[support.published, publishedErrors], [support.method, Orq.errors]] as const) {
        const error = yield* rejects(errors.ResponseValidationError, () =>
          call({ apiKey: "k", serverURL: url }, { model: "m", messages: [] }))
        assert.instanceOf(error, errors.SDKValidationError)
        assert.strictEqual(error.rawMessage, "Response validation failed")
        assert.strictEqual(error.statusCode, 200)
      }
    }))

  it.scopedLive("bad input is refused by both, and nothing is sent", () =>
    Effect.gen(function*() {
      const { calls, url } = yield* Testing.serve({ "*": Testing.hang })
      for (const [call, errors] of [[support.published, publishedErrors], [support.method, Orq.errors]] as const) {
        for (const wrong of [{ cache: { ttl: 5 } }, { retry: null }, { messages: [{ role: "function" }] }]) {
          const input: object = { model: "m", messages: [], ...wrong }
          const error = yield* rejects(errors.SDKValidationError, () =>
            call({ apiKey: "k", serverURL: url }, input as support.Input))
          assert.notInstanceOf(error, errors.OrqError)
          assert.strictEqual(error.rawValue, input)
          assert.strictEqual(error.rawMessage, "Input validation failed")
          assert.include(error.message, Object.keys(wrong).join())
        }
      }
      assert.lengthOf(yield* calls, 0)
    }))
})
