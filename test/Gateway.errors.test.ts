import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Redacted } from "effect"
import { RouterError } from "effect-llm-router"
import * as Gateway from "effect-llm-router/Gateway"
import * as Testing from "effect-llm-router/Testing"
import { dying, errorOf, failing, gateway, headers, post, send, start, v1 } from "./support/gateway.js"

const messages = [{ role: "user" as const, content: "Hello" }]
const request = { model: "a/x", messages }

/** What an upstream and this process may know, and a client must not see. */
const inside = {
  target: "a/secret-target",
  body: Redacted.make("sk-secret"),
  code: "sk-secret",
  headers: { "x-a": "sk-secret" }
}

const retryAfter = Duration.millis(2500)

const rateLimited = new RouterError.RateLimited({ ...inside, status: 429, retryAfter })
const auth = new RouterError.Auth({ ...inside, status: 401 })
const unavailable = new RouterError.Unavailable({ ...inside, status: 500 })
const timeout = new RouterError.Timeout({ phase: "call", limit: Duration.seconds(1) })
const contextLength = new RouterError.ContextLengthExceeded({ ...inside, status: 400 })
const notFound = new RouterError.NotFound({ ...inside, status: 404 })
const breakerOpen = new RouterError.BreakerOpen({ retryAfter: Duration.seconds(30) })
const invalid = "invalid_request_error"
const limit = "rate_limit_error"
const server = "server_error"

const all = (...failures: readonly [RouterError.TargetError, ...Array<RouterError.TargetError>]) =>
  RouterError.allTargetsFailed(failures)

type Row = readonly [
  name: string,
  error: RouterError.RouterError,
  status: number,
  type: string,
  code: string,
  param: string | null,
  retryAfter: string | null
]

const table: ReadonlyArray<Row> = [
  [
    "InvalidRequest of the provider",
    new RouterError.InvalidRequest({ ...inside, status: 422 }),
    400,
    invalid,
    "invalid_request",
    null,
    null
  ],
  [
    "a variable that is missing",
    RouterError.invalidField("variables.name", "is missing"),
    400,
    invalid,
    "invalid_request_body",
    "variables.name",
    null
  ],
  [
    "a model without a provider",
    RouterError.invalidField("loadBalancer.models[1].model", "expected"),
    404,
    invalid,
    "model_not_found",
    "load_balancer.models[1].model",
    null
  ],
  [
    "defaults that are wrong",
    RouterError.invalidField("RouterDefaults.fallbacks[0].model", "expected"),
    500,
    server,
    "internal_error",
    null,
    null
  ],
  ["NotFound", notFound, 404, invalid, "model_not_found", "model", null],
  ["ContextLengthExceeded", contextLength, 400, invalid, "context_length_exceeded", "messages", null],
  [
    "ContentFiltered",
    new RouterError.ContentFiltered({ ...inside, status: 400 }),
    400,
    invalid,
    "content_filter",
    "messages",
    null
  ],
  ["RateLimited", rateLimited, 429, limit, "rate_limit_exceeded", null, "3"],
  [
    "RateLimited without a wait",
    new RouterError.RateLimited({ status: 429 }),
    429,
    limit,
    "rate_limit_exceeded",
    null,
    "1"
  ],
  [
    "CoolingDown",
    new RouterError.CoolingDown({ reason: "RateLimited", retryAfter }),
    429,
    limit,
    "rate_limit_exceeded",
    null,
    "3"
  ],
  [
    "RateLimitExceeded",
    new RouterError.RateLimitExceeded({ unit: "tokens", limit: 5, retryAfter }),
    429,
    limit,
    "rate_limit_exceeded",
    null,
    "3"
  ],
  ["BreakerOpen", breakerOpen, 503, server, "service_unavailable", null, "30"],
  [
    "BreakerOpen, a probe under way",
    new RouterError.BreakerOpen({ retryAfter: Duration.zero }),
    503,
    server,
    "service_unavailable",
    null,
    "1"
  ],
  [
    "ConcurrencyExceeded",
    new RouterError.ConcurrencyExceeded({ limit: 3 }),
    503,
    server,
    "service_unavailable",
    null,
    "1"
  ],
  ["Unavailable", unavailable, 503, server, "service_unavailable", null, "1"],
  [
    "Overloaded",
    new RouterError.Overloaded({ ...inside, status: 529, retryAfter }),
    503,
    server,
    "provider_overloaded",
    null,
    "3"
  ],
  ["Timeout", timeout, 504, server, "provider_timeout", null, null],
  [
    "DeadlineExceeded",
    new RouterError.DeadlineExceeded({ limit: Duration.seconds(1) }),
    504,
    server,
    "request_timeout",
    null,
    null
  ],
  ["Auth", auth, 502, server, "provider_refused_key", null, null],
  [
    "QuotaExhausted",
    new RouterError.QuotaExhausted({ ...inside, status: 429 }),
    502,
    server,
    "provider_refused_key",
    null,
    null
  ],
  [
    "Transport",
    new RouterError.Transport({ stage: "connect", code: "ECONNREFUSED" }),
    502,
    server,
    "provider_error",
    null,
    null
  ],
  [
    "BadResponse",
    new RouterError.BadResponse({ ...inside, reason: "sk-secret" }),
    502,
    server,
    "provider_error",
    null,
    null
  ],
  ["EmptyCompletion", new RouterError.EmptyCompletion(inside), 502, server, "provider_error", null, null],
  [
    "ResponseTooLarge",
    new RouterError.ResponseTooLarge({ limit: "bytes", maximum: 1 }),
    502,
    server,
    "provider_error",
    null,
    null
  ],
  ["StreamTruncated", new RouterError.StreamTruncated(inside), 502, server, "provider_error", null, null],
  [
    "StreamInterrupted: its cause",
    new RouterError.StreamInterrupted({ cause: timeout, delivered: 0, partial: Redacted.make({ choices: [] }) }),
    504,
    server,
    "provider_timeout",
    null,
    null
  ],
  [
    "AllTargetsFailed: what may pass, not what is for good",
    all(rateLimited, auth),
    429,
    limit,
    "rate_limit_exceeded",
    null,
    "3"
  ],
  [
    "AllTargetsFailed: an outage, not a stand-in that is too small",
    all(unavailable, contextLength),
    503,
    server,
    "service_unavailable",
    null,
    "1"
  ],
  [
    "AllTargetsFailed: the last that may pass, with the shortest wait",
    all(rateLimited, breakerOpen),
    503,
    server,
    "service_unavailable",
    null,
    "3"
  ],
  [
    "AllTargetsFailed: the last, where none may pass",
    all(auth, notFound),
    404,
    invalid,
    "model_not_found",
    "model",
    null
  ],
  ["AllTargetsFailed: timeouts", all(timeout, timeout), 504, server, "provider_timeout", null, null],
  [
    "PromptNotFound",
    new RouterError.PromptNotFound({ promptId: "p" }),
    404,
    invalid,
    "prompt_not_found",
    "prompt",
    null
  ],
  [
    "PromptUnavailable",
    new RouterError.PromptUnavailable({ promptId: "p", reason: "sk-secret" }),
    503,
    server,
    "service_unavailable",
    null,
    "1"
  ],
  [
    "PromptInvalid",
    new RouterError.PromptInvalid({ promptId: "p", file: "sk-secret", issues: [] }),
    500,
    server,
    "internal_error",
    null,
    null
  ]
]

describe("an error of the router", () => {
  for (const [name, error, status, type, code, param, retryAfter] of table) {
    for (const stream of [false, true]) {
      it.scopedLive(`${name} (stream: ${stream})`, () =>
        Effect.gen(function*() {
          const running = yield* start(failing(error))
          const answered = yield* post(running, { ...request, stream })
          assert.deepStrictEqual(errorOf(answered), { status, type, code, param })
          assert.strictEqual(answered.headers.get("retry-after"), retryAfter)
          assert.strictEqual(answered.headers.get("content-type"), "application/json")
          assert.notInclude(answered.text, "secret")
          assert.notInclude(answered.text, "ECONN")
        }))
    }
  }

  for (const stream of [false, true]) {
    it.scopedLive(`a defect is an internal error, and nothing of it is told (stream: ${stream})`, () =>
      Effect.gen(function*() {
        const running = yield* start(dying)
        const answered = yield* post(running, { ...request, stream })
        assert.deepStrictEqual(errorOf(answered), { status: 500, type: server, param: null, code: "internal_error" })
        assert.notInclude(answered.text, "secret")
      }))
  }
})

describe("a wait that is told", () => {
  for (
    const [name, retryAfter, expected] of [
      ["a day", Duration.days(1), "86400"],
      ["more than a day", Duration.days(2), "86400"],
      ["any number", Duration.seconds(1e300), "86400"],
      ["no end", Duration.infinity, "86400"],
      ["none", Duration.zero, "1"]
    ] as const
  ) {
    it.scopedLive(`${name}: ${expected} seconds`, () =>
      Effect.gen(function*() {
        const running = yield* start(failing(new RouterError.RateLimited({ status: 429, retryAfter })))
        assert.strictEqual((yield* post(running, request)).headers.get("retry-after"), expected)
      }))
  }
})

describe("x-should-retry", () => {
  const wish = (script: Testing.Script, body: object, more?: Readonly<Record<string, string>>) =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      const answered = yield* post(running, { ...request, ...body }, more)
      return [answered.status, answered.headers.get("x-should-retry")]
    })

  it.scopedLive("is false when the gateway has asked again itself, of one target or of several", () =>
    Effect.gen(function*() {
      const retry = { count: 1, on_codes: [503] }
      const down = Testing.status(503)
      assert.deepStrictEqual(yield* wish({ "a/x": down }, { retry }), [503, "false"])
      assert.deepStrictEqual(yield* wish({ "a/x": down }, { retry, stream: true }), [503, "false"])
      const fallbacks = [{ model: "b/y" }]
      assert.deepStrictEqual(yield* wish({ "a/x": down, "b/y": Testing.status(429) }, { fallbacks }), [429, "false"])
    }))

  it.scopedLive("is false for what is for good", () =>
    Effect.gen(function*() {
      for (
        const [answer, body, status] of [
          [Testing.status(401), {}, 502],
          [Testing.status(400), {}, 400],
          [Testing.status(404), {}, 404],
          [Testing.completion("Hello"), { retry: { count: 9 } }, 400],
          [Testing.completion("Hello"), { model: "nobody/x" }, 404]
        ] as const
      ) {
        assert.deepStrictEqual(yield* wish({ "a/x": answer }, body), [status, "false"])
      }
      const forwarded = { "x-forwarded-for": "192.0.2.1" }
      assert.deepStrictEqual(yield* wish({ "a/x": Testing.completion("Hello") }, {}, forwarded), [403, "false"])
    }))

  it.scopedLive("is not there where the client may ask again, nor with an answer", () =>
    Effect.gen(function*() {
      for (
        const [answer, body, status] of [
          [Testing.status(503), {}, 503],
          [Testing.status(429), {}, 429],
          [Testing.reset, {}, 502],
          [Testing.hang, { timeout: { call_timeout: 50 } }, 504]
        ] as const
      ) {
        assert.deepStrictEqual(yield* wish({ "a/x": answer }, body), [status, null])
      }
      const rescued = { "a/x": Testing.status(503), "b/y": Testing.completion("Hello") }
      assert.deepStrictEqual(yield* wish(rescued, { fallbacks: [{ model: "b/y" }] }), [200, null])
    }))
})

describe("a request that is wrong", () => {
  for (
    const [name, body, param, status = 400] of [
      ["a count out of bounds", { ...request, retry: { count: 9 } }, "retry.count"],
      ["a code out of bounds", { ...request, retry: { on_codes: [200, 7] } }, "retry.on_codes[1]"],
      ["a ttl out of bounds", { ...request, cache: { type: "exact_match", ttl: 0 } }, "cache.ttl"],
      ["a weight out of bounds", {
        ...request,
        load_balancer: { type: "weight_based", models: [{ model: "a/x", weight: 2 }] }
      }, "load_balancer.models[0].weight"],
      ["a timeout that is none", { ...request, timeout: { call_timeout: 0 } }, "timeout.call_timeout"],
      ["no messages", { model: "a/x" }, "messages"],
      ["a body that is no object", [1], null],
      ["an empty model", { ...request, model: "" }, "model"],
      [
        "a missing variable",
        { ...request, messages: [{ role: "user", content: "{{name}}" }], variables: {} },
        undefined
      ],
      [
        "what only a hosted router can do",
        { ...request, orq: { knowledge_bases: [{ knowledge_id: "k" }] } },
        "orq.knowledge_bases"
      ],
      ["an unknown provider", { ...request, model: "nobody/x" }, "model", 404],
      ["a model without a provider", { ...request, model: "gpt-4o" }, "model", 404],
      [
        "an unknown provider of a fallback",
        { ...request, fallbacks: [{ model: "nobody/x" }] },
        "fallbacks[0].model",
        404
      ],
      [
        "an unknown provider of a load balancer",
        {
          ...request,
          load_balancer: { type: "weight_based", models: [{ model: "a/x" }, { model: "nobody/x" }] }
        },
        "load_balancer.models[1].model",
        404
      ]
    ] as ReadonlyArray<readonly [string, unknown, string | null | undefined, number?]>
  ) {
    it.scopedLive(`${name}`, () =>
      Effect.gen(function*() {
        const running = yield* gateway({ "a/x": Testing.completion("Hello") })
        const answered = yield* post(running, body)
        const error = errorOf(answered)
        assert.strictEqual(error.status, status, answered.text)
        assert.strictEqual(error.code, status === 404 ? "model_not_found" : "invalid_request_body")
        if (param !== undefined) {
          assert.strictEqual(error.param, param)
        }
        assert.strictEqual((yield* running.upstream.calls).length, 0)
      }))
  }

  it.scopedLive("a body that is no JSON", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") })
      for (const body of ["{", "", "[".repeat(100_000), `{"a":${"[".repeat(200)}${"]".repeat(200)}}`]) {
        const answered = yield* send(running.url + v1, { method: "POST", headers, body })
        assert.strictEqual(errorOf(answered).status, 400)
        assert.strictEqual(errorOf(answered).code, "invalid_json")
      }
      const notUtf8 = new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])
      const answered = yield* send(running.url + v1, { method: "POST", headers, body: notUtf8 })
      assert.strictEqual(errorOf(answered).code, "invalid_json")
      assert.strictEqual((yield* post(running, request)).status, 200)
    }))

  it.scopedLive("a content type that is not JSON, or a compressed body", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") })
      const status = (more: Record<string, string>) => Effect.map(post(running, request, more), (_) => _.status)
      assert.strictEqual(yield* status({ "content-type": "text/plain" }), 415)
      assert.strictEqual(yield* status({ "content-type": "multipart/form-data; boundary=application/json" }), 415)
      assert.strictEqual(yield* status({ "content-encoding": "gzip" }), 415)
      assert.strictEqual(yield* status({ "content-type": "application/json; charset=utf-8" }), 200)
      assert.strictEqual(yield* status({ "content-type": "Application/JSON" }), 200)
      const none = yield* send(running.url + v1, { method: "POST", body: new Uint8Array([1]) })
      assert.strictEqual(errorOf(none).status, 415)
    }))

  for (const declared of [true, false]) {
    it.scopedLive(`a body that is too large (its length declared: ${declared})`, () =>
      Effect.gen(function*() {
        const running = yield* gateway({ "a/x": Testing.completion("Hello") })
        const text = JSON.stringify({ ...request, user: "x".repeat(11 * 1024 * 1024) })
        const body = declared ? text : new Blob([text]).stream()
        const init = { method: "POST", headers, body, duplex: "half" }
        const answered = yield* send(running.url + v1, init)
        assert.deepStrictEqual(errorOf(answered), {
          status: 413,
          type: invalid,
          param: null,
          code: "request_too_large"
        })
        assert.strictEqual((yield* running.upstream.calls).length, 0)
      }))
  }

  it.scopedLive("a body of the largest size is read", () =>
    Effect.gen(function*() {
      const size = JSON.stringify(request).length
      const fits = yield* gateway({ "a/x": Testing.completion("Hello") }, { maxBodyBytes: size })
      assert.strictEqual((yield* post(fits, request)).status, 200)
      const small = yield* gateway({ "a/x": Testing.completion("Hello") }, { maxBodyBytes: size - 1 })
      assert.strictEqual((yield* post(small, request)).status, 413)
    }))

  it.scopedLive("another method, another path", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") })
      const method = yield* send(running.url + v1)
      assert.strictEqual(errorOf(method).status, 405)
      assert.strictEqual(method.headers.get("allow"), "POST, OPTIONS")
      assert.strictEqual((yield* post(running, request, {}, "/health")).headers.get("allow"), "GET, HEAD, OPTIONS")
      const path = yield* post(running, request, {}, "/v1/embeddings")
      assert.strictEqual(errorOf(path).status, 404)
    }))
})

describe("options", () => {
  it("that are out of bounds are found when the layer is made", () => {
    const wrong: ReadonlyArray<readonly [string, () => unknown]> = [
      ["keys[1]", () => Gateway.layer({ keys: [Redacted.make("a"), Redacted.make("b c")] })],
      ["keys[0]", () => Gateway.layer({ keys: [Redacted.make("")] })],
      ["maxBodyBytes", () => Gateway.layer({ maxBodyBytes: 0 })],
      ["maxInFlight", () => Gateway.layer({ maxInFlight: 1.5 })],
      ["drainTimeout", () => Gateway.layer({ drainTimeout: Infinity })],
      ["headersTimeout", () => Gateway.makeServer({ headersTimeout: 0 })],
      ["writeTimeout", () => Gateway.makeServer({ writeTimeout: Infinity })],
      ["maxHeaderBytes", () => Gateway.makeServer({ maxHeaderBytes: -1 })]
    ]
    for (const [path, make] of wrong) {
      try {
        make()
        assert.fail(`${path} was taken`)
      } catch (error) {
        assert.instanceOf(error, RouterError.InvalidRequest)
        assert.strictEqual(error.path, path)
        assert.notInclude(error.message, "b c")
      }
    }
  })
})
