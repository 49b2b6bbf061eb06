import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import * as RouterError from "../../src/RouterError.js"
import * as Classify from "../../src/wire/Classify.js"
import * as ErrorTable from "../../src/wire/ErrorTable.js"

const respond = (status: number, body: unknown = "", headers: Record<string, string> = {}) =>
  Classify.fromResponse({
    target: "acme/model-1",
    status,
    headers,
    body: typeof body === "string" ? body : JSON.stringify(body),
    nowMillis: 0
  })

const inside = (json: unknown, headers: Record<string, string> = {}) =>
  Classify.fromBody({ target: "acme/model-1", status: 200, headers, body: JSON.stringify(json), json, nowMillis: 0 })

const openAi = (message: string, code: unknown = null, type = "invalid_request_error") => ({
  error: { message, type, param: null, code }
})

const waitOf = (error: { readonly retryAfter?: Duration.Duration | undefined }): number | undefined =>
  error.retryAfter === undefined ? undefined : Duration.toMillis(error.retryAfter)

describe("the status alone", () => {
  const byStatus: ReadonlyArray<readonly [tag: string, statuses: ReadonlyArray<number>]> = [
    ["Unavailable", [408, 409, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524]],
    ["Overloaded", [529]],
    ["RateLimited", [429]],
    ["QuotaExhausted", [402]],
    ["Auth", [401, 403]],
    ["NotFound", [404]],
    ["InvalidRequest", [400, 405, 413, 415, 422, 501, 505]],
    ["BadResponse", [300, 301, 302, 303, 304, 307, 308]],
    ["InvalidRequest", [406, 410, 418, 451, 498]],
    ["Unavailable", [506, 507, 511, 525, 530, 599]],
    ["BadResponse", [0, 100, 199, 600, 999]]
  ]
  for (const [tag, statuses] of byStatus) {
    for (const status of statuses) {
      for (
        const body of ["", "<html><h1>insufficient_quota</h1></html>", "{\"error\":{\"mess", "{}", {
          error: { message: "?" }
        }]
      ) {
        it(`${status} is ${tag} with ${JSON.stringify(body)}`, () => {
          const error = respond(status, body)
          assert.strictEqual(error._tag, tag)
          assert.strictEqual(error.status, status)
          assert.strictEqual(error.target, "acme/model-1")
          assert.strictEqual(error.impliedStatus, undefined)
        })
      }
    }
  }

  it("every class that the table names is one of RouterError", () => {
    for (const { statuses, tag } of ErrorTable.rows) {
      for (const status of statuses) {
        const error = respond(status)
        assert.isTrue(RouterError.isRouterError(error))
        assert.strictEqual(error._tag, tag)
      }
    }
  })

  it("no status has two classes", () => {
    const statuses = ErrorTable.rows.flatMap((row) => row.statuses)
    assert.strictEqual(new Set(statuses).size, statuses.length)
  })
})

describe("the body refines the status", () => {
  const cases: ReadonlyArray<readonly [name: string, status: number, body: unknown, tag: string]> = [
    ["OpenAI: a code", 400, openAi("…", "context_length_exceeded"), "ContextLengthExceeded"],
    [
      "vLLM: words only",
      400,
      {
        object: "error",
        message: "This model's maximum context length is 8192 tokens.",
        type: "BadRequestError",
        code: 400
      },
      "ContextLengthExceeded"
    ],
    ["Anthropic", 400, openAi("prompt is too long: 3333404 tokens > 200000 maximum"), "ContextLengthExceeded"],
    [
      "Anthropic, with max_tokens",
      400,
      openAi("input length and `max_tokens` exceed context limit: 1 + 2 > 2"),
      "ContextLengthExceeded"
    ],
    ["Ollama", 400, openAi("prompt too long; exceeded max context length by 12 tokens"), "ContextLengthExceeded"],
    ["llama.cpp 400", 400, openAi("request exceeds", 400, "exceed_context_size_error"), "ContextLengthExceeded"],
    ["llama.cpp 500", 500, openAi("Context size has been exceeded.", 500, "server_error"), "ContextLengthExceeded"],
    [
      "Perplexity",
      400,
      openAi("The total length is too long.", 400, "too_many_prompt_tokens"),
      "ContextLengthExceeded"
    ],
    ["Gemini", 400, [{
      error: { code: 400, message: "The input token count (9) exceeds the maximum", status: "INVALID_ARGUMENT" }
    }], "ContextLengthExceeded"],
    [
      "xAI",
      400,
      { code: "invalid-argument", error: "This model's maximum prompt length is 131072 but …" },
      "ContextLengthExceeded"
    ],
    [
      "OpenRouter",
      400,
      openAi("This endpoint's maximum context length is 163840 tokens.", 400),
      "ContextLengthExceeded"
    ],
    ["behind OpenRouter", 400, {
      error: {
        message: "Provider returned error",
        code: 400,
        metadata: { raw: JSON.stringify(openAi("prompt is too long")) }
      }
    }, "ContextLengthExceeded"],
    [
      "GitHub Models",
      413,
      openAi("Request body too large for gpt-4o model. Max size: 8000 tokens.", "tokens_limit_reached"),
      "ContextLengthExceeded"
    ],
    [
      "Groq 413",
      413,
      openAi(
        "Request too large for model `m` in organization `o` on tokens per minute (TPM): Limit 6000, Requested 9000",
        "rate_limit_exceeded",
        "tokens"
      ),
      "ContextLengthExceeded"
    ],
    [
      "OpenAI 429 that never fits",
      429,
      openAi(
        "Request too large for gpt-4o in organization o on tokens per min (TPM): Limit 30000, Requested 45000.",
        "rate_limit_exceeded",
        "tokens"
      ),
      "ContextLengthExceeded"
    ],
    [
      "429 larger than its limit, in other words",
      429,
      openAi("Rate limit reached on TPM: Limit 6000, Used 5, Requested 9000"),
      "ContextLengthExceeded"
    ],
    [
      "429 that fits later",
      429,
      openAi("Rate limit reached on TPM: Limit 6000, Used 5900, Requested 900. Please try again in 6ms."),
      "RateLimited"
    ],
    ["too many bytes", 413, openAi("Request exceeds the maximum size", null, "request_too_large"), "InvalidRequest"],
    ["OpenAI's filter", 400, openAi("Rejected", "content_policy_violation"), "ContentFiltered"],
    ["Azure's filter", 400, {
      error: {
        message: "The response was filtered",
        code: "content_filter",
        status: 400,
        innererror: { code: "ResponsibleAIPolicyViolation", content_filter_result: { hate: { filtered: true } } }
      }
    }, "ContentFiltered"],
    ["Azure's inner error only", 400, {
      error: { message: "…", code: "400", innererror: { code: "ResponsibleAIPolicyViolation" } }
    }, "ContentFiltered"],
    ["DeepSeek's filter", 400, openAi("Content Exists Risk", "invalid_request_error"), "ContentFiltered"],
    [
      "Alibaba's filter",
      400,
      openAi("Input data may contain inappropriate content.", "data_inspection_failed"),
      "ContentFiltered"
    ],
    [
      "OpenRouter's moderation",
      403,
      openAi("x requires moderation on y. Your input was flagged for \"z\".", 403),
      "ContentFiltered"
    ],
    [
      "Hugging Face 402",
      402,
      { error: "You have exceeded your monthly included credits for Inference Providers." },
      "QuotaExhausted"
    ],
    ["DeepSeek 402", 402, openAi("Insufficient Balance", "invalid_request_error"), "QuotaExhausted"],
    [
      "Fireworks 412",
      412,
      { error: "Account x is suspended, possibly due to reaching the monthly spending limit" },
      "QuotaExhausted"
    ],
    ["412 about something else", 412, { error: "precondition failed" }, "InvalidRequest"],
    [
      "OpenAI 429",
      429,
      openAi("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
      "QuotaExhausted"
    ],
    ["OpenAI 429, words only", 429, {
      error: "You exceeded your current quota, please check your plan and billing details."
    }, "QuotaExhausted"],
    ["Moonshot 429", 429, openAi("suspended", null, "exceeded_current_quota_error"), "QuotaExhausted"],
    ["xAI 429", 429, {
      code: "Some resource has been exhausted",
      error: "Your team has either used all available credits or …"
    }, "QuotaExhausted"],
    ["xAI 403", 403, {
      code: "The caller does not have permission",
      error: "Your newly created team doesn't have any credits or licenses yet."
    }, "QuotaExhausted"],
    ["Anthropic 400", 400, openAi("Your credit balance is too low to access the Anthropic API."), "QuotaExhausted"],
    [
      "Anthropic's own limit",
      400,
      openAi("You have reached your specified API usage limits. You will regain access on …"),
      "QuotaExhausted"
    ],
    [
      "Alibaba 400",
      400,
      openAi("Access denied, please make sure your account is in good standing.", "Arrearage"),
      "QuotaExhausted"
    ],
    ["Gemini per minute", 429, [{
      error: {
        code: 429,
        message: "You exceeded your current quota, please check your plan and billing details. Please retry in 20.3s.",
        status: "RESOURCE_EXHAUSTED"
      }
    }], "RateLimited"],
    ["Gemini out of money", 429, [{
      error: { code: 429, message: "Your prepayment credits are depleted.", status: "RESOURCE_EXHAUSTED" }
    }], "QuotaExhausted"],
    [
      "OpenRouter's free models per day",
      429,
      openAi("Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 requests", 429),
      "RateLimited"
    ],
    ["Mistral 429", 429, {
      object: "error",
      message: "Service tier capacity exceeded",
      type: "invalid_request_error",
      code: "3505"
    }, "RateLimited"],
    ["xAI 400 for a key", 400, { code: "invalid-argument", error: "Incorrect API key provided: ab***yz." }, "Auth"],
    [
      "Gemini 400 for a key",
      400,
      [{ error: { code: 400, message: "API key not valid.", status: "INVALID_ARGUMENT" } }],
      "Auth"
    ],
    ["DeepSeek 401", 401, openAi("Authentication Fails", "invalid_request_error", "authentication_error"), "Auth"],
    ["Mistral's model under 400", 400, {
      object: "error",
      message: "Invalid model: x",
      type: "invalid_model",
      code: "1500"
    }, "NotFound"],
    ["Moonshot's overload under 429", 429, openAi("The engine is busy", null, "engine_overloaded_error"), "Overloaded"],
    ["Gemini's overload under 503", 503, [{
      error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" }
    }], "Overloaded"],
    ["Anthropic's overload", 529, openAi("Overloaded", null, "overloaded_error"), "Overloaded"],
    ["a plain 500", 500, openAi("The server had an error", null, "server_error"), "Unavailable"],
    [
      "words of another class do not move a 401",
      401,
      openAi("Your prompt is too long, rate limit, overloaded"),
      "Auth"
    ],
    ["words of another class do not move a 404", 404, openAi("insufficient balance"), "NotFound"],
    [
      "the prompt's own words after the first 4 KiB do not count",
      400,
      openAi(`Invalid: ${"x".repeat(5000)} prompt is too long`),
      "InvalidRequest"
    ]
  ]
  for (const [name, status, body, tag] of cases) {
    it(`${name}: ${tag}`, () => {
      assert.strictEqual(respond(status, body)._tag, tag)
    })
  }
})

describe("the wait", () => {
  it("is the header's, else the one in the text, for a rate limit", () => {
    const body = openAi("Rate limit reached. Please try again in 9m38.016s.", "rate_limit_exceeded")
    assert.strictEqual(waitOf(respond(429, body)), 578_016)
    assert.strictEqual(waitOf(respond(429, body, { "retry-after": "2" })), 2000)
    assert.strictEqual(waitOf(respond(429, body, { "retry-after": "soon" })), 578_016)
    assert.strictEqual(waitOf(respond(429, openAi("Please retry after 86400 seconds.", "429"))), 86_400_000)
    assert.strictEqual(waitOf(respond(429)), undefined)
  })

  it("is Google's RetryInfo", () => {
    const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "20s" }]
    assert.strictEqual(waitOf(respond(429, [{ error: { code: 429, message: "Quota", details } }])), 20_000)
  })

  it("of other classes is the header's only", () => {
    assert.strictEqual(waitOf(respond(503, openAi("try again in 5s"), { "Retry-After": "7" })), 7000)
    assert.strictEqual(waitOf(respond(503, openAi("try again in 5s"))), undefined)
  })
})

describe("an error inside a success", () => {
  const cases: ReadonlyArray<readonly [json: unknown, tag: string, impliedStatus: number]> = [
    [{ error: { code: 502, message: "Provider returned error" } }, "Unavailable", 502],
    [{ error: { message: "Provider returned error", code: 400 } }, "InvalidRequest", 400],
    [{ id: "1", choices: [{ index: 0, error: { code: 502, message: "Lost" } }] }, "Unavailable", 502],
    [{ code: "429", message: "slow down" }, "RateLimited", 429],
    [openAi("…", "rate_limit_exceeded", "tokens"), "RateLimited", 429],
    [openAi("…", "insufficient_quota"), "QuotaExhausted", 429],
    [openAi("…", "invalid_api_key"), "Auth", 401],
    [openAi("…", "model_not_found"), "NotFound", 404],
    [openAi("…", "context_length_exceeded"), "ContextLengthExceeded", 400],
    [openAi("…", "content_filter"), "ContentFiltered", 400],
    [{ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, "Overloaded", 529],
    [{ type: "overloaded_error" }, "Overloaded", 529],
    [openAi("…"), "InvalidRequest", 400],
    [openAi("…", null, "server_error"), "Unavailable", 500],
    [openAi("…", null, "Internal Server Error"), "Unavailable", 500],
    [openAi("…", null, "RateLimitError"), "RateLimited", 429],
    [openAi("…", "invalid_request_error", "authentication_error"), "Auth", 401],
    [
      { message: "Tool", type: "invalid_request_error", code: "tool_use_failed", status_code: 400 },
      "InvalidRequest",
      400
    ],
    [{ error: { message: "filtered", code: "content_filter", status: 400 } }, "ContentFiltered", 400],
    [
      openAi("Request too large for m: Limit 6, Requested 9 tokens", "rate_limit_exceeded"),
      "ContextLengthExceeded",
      429
    ],
    [{ error: "prompt is too long" }, "ContextLengthExceeded", 400],
    ["Rate limit exceeded", "RateLimited", 429],
    [{ error: "credit balance is too low" }, "QuotaExhausted", 402],
    [{ error: { message: "who knows", code: "E_1" } }, "Unavailable", 503],
    [{ error: { message: "odd", code: 200 } }, "Unavailable", 503],
    [{}, "Unavailable", 503],
    [null, "Unavailable", 503]
  ]
  for (const [json, tag, impliedStatus] of cases) {
    it(`${JSON.stringify(json)} is ${tag} as ${impliedStatus}`, () => {
      const error = inside(json)
      assert.strictEqual(error._tag, tag)
      assert.strictEqual(error.impliedStatus, impliedStatus)
      assert.strictEqual(error.status, 200)
    })
  }

  it("has the wait of its text", () => {
    assert.strictEqual(waitOf(inside(openAi("Please try again in 6ms", "rate_limit_exceeded"))), 6)
  })
})

describe("the provider's code", () => {
  const cases: ReadonlyArray<readonly [body: unknown, code: string | undefined]> = [
    [openAi("…", "unsupported_value"), "unsupported_value"],
    [openAi("…"), "invalid_request_error"],
    [{ object: "error", message: "…", type: "x", code: "3051" }, "3051"],
    [{ message: "…", type: "Bad Request", code: 400 }, undefined],
    [{ message: "…", type: "BadRequestError", code: 400 }, "BadRequestError"],
    [{ error: { message: "…", code: "AllocationQuota.FreeTierOnly" } }, "AllocationQuota.FreeTierOnly"],
    [{ code: "Client specified an invalid argument", error: "…" }, undefined],
    [{ error: { message: "…", code: "x".repeat(65) } }, undefined],
    [{ error: { message: "…", code: "a\u001b[31m" } }, undefined]
  ]
  for (const [body, code] of cases) {
    it(`of ${JSON.stringify(body)} is ${code}`, () => {
      assert.strictEqual(respond(400, body).code, code)
    })
  }

  it("is in the message, and the provider's words are not", () => {
    const error = respond(400, openAi("Your words: purple elephant", "unsupported_value"))
    assert.strictEqual(error.message, "acme/model-1: the provider rejected the request (400, unsupported_value)")
  })
})

/** All the ways in which an error is shown. */
const shown = (error: Error): string =>
  [
    JSON.stringify(error),
    String(error),
    error.message,
    error.stack ?? "",
    inspect(error, { depth: 10, showHidden: true }),
    Cause.pretty(Cause.fail(error), { renderErrorCause: true }),
    JSON.stringify(Cause.fail(error)),
    inspect(Cause.die(error), { depth: 10 })
  ].join("\n")

describe("secrets", () => {
  const key = "sk-live-0123456789\"quoted\\key"
  const inJson = JSON.stringify(key).slice(1, -1)
  const secrets = [Redacted.make(key), Redacted.make("sk-live"), Redacted.make("x"), Redacted.make("")]
  const prompt = "a purple elephant"
  const headers = {
    "Set-Cookie": "session=1",
    cookie: "a=1",
    Authorization: "Bearer other",
    "proxy-authorization": "Basic other",
    "x-api-key": "other",
    "api-key": "other",
    "x-goog-api-key": "other",
    "x-echo": `Bearer ${key}`,
    location: "https://example.com/v1?key=other",
    "X-Request-Id": "r-1"
  }
  const body =
    `{"error":{"message":"Incorrect API key provided: ${inJson}. ${prompt}","code":"sk-live_bad","type":"invalid_api_key"}}`
  const answer = { target: "acme/model-1", status: 401, headers, body, nowMillis: 0, secrets }

  it("are in no header, body or code of an error", () => {
    const error = Classify.fromResponse(answer)
    assert.deepStrictEqual(error.headers, { "x-request-id": "r-1" })
    assert.strictEqual(error.code, "invalid_api_key")
    assert.strictEqual(
      Redacted.value(error.body!),
      `{"error":{"message":"Incorrect API key provided: <redacted>. ${prompt}","code":"<redacted>_bad","type":"invalid_api_key"}}`
    )
    assert.deepStrictEqual(Classify.safeHeaders(headers, secrets), { "x-request-id": "r-1" })
  })

  it("are not shown, and neither are the provider's words", () => {
    for (
      const error of [
        Classify.fromResponse(answer),
        Classify.fromBody({ ...answer, status: 200, json: JSON.parse(body) })
      ]
    ) {
      const text = shown(error)
      for (const hidden of [key, inJson, "sk-live", prompt, "other", "session=1", "Incorrect API key"]) {
        assert.isFalse(text.includes(hidden), `shows ${hidden}`)
      }
      assert.isTrue(text.includes("invalid_api_key"))
    }
  })

  it("are not left at the end of a cut body", () => {
    const cut = `the key is ${key.slice(0, 12)}`
    const error = Classify.fromResponse({ ...answer, body: cut })
    assert.strictEqual(Redacted.value(error.body!), "the key is <redacted>")
  })

  it.prop(
    "are nowhere, wherever a provider repeats them",
    [
      FastCheck.stringMatching(/^[\x21-\x7e]{8,40}$/),
      FastCheck.constantFrom(200, 302, 400, 401, 403, 429, 500),
      FastCheck.nat(4)
    ],
    ([secret, status, place]) => {
      FastCheck.pre(!"<redacted>".includes(secret))
      const texts = Array.from({ length: 5 }, (_, index) => index === place ? `${secret}` : "plain")
      const json = {
        error: {
          message: `m ${texts[0]}`,
          code: texts[1],
          type: texts[2],
          metadata: { raw: texts[3] },
          param: texts[4]
        }
      }
      const input = {
        status,
        headers: { "x-a": `${secret}!`, "x-b": "plain" },
        body: JSON.stringify(json),
        nowMillis: 0,
        secrets: [Redacted.make(secret)]
      }
      const error = status === 200 ? Classify.fromBody({ ...input, json }) : Classify.fromResponse(input)
      assert.deepStrictEqual(error.headers, { "x-b": "plain" })
      assert.isFalse(error.code?.includes(secret) ?? false)
      assert.isFalse(Redacted.value(error.body!).includes(secret))
      assert.isFalse(Redacted.value(error.body!).includes(JSON.stringify(secret).slice(1, -1)))
    }
  )
})

describe("hostile bodies", () => {
  const tags = new Set<string>([...ErrorTable.rows.map((row) => row.tag), "BadResponse"])

  it.prop(
    "have a class and a bounded body",
    [
      FastCheck.integer({ min: 300, max: 599 }),
      FastCheck.oneof(FastCheck.string({ unit: "binary", maxLength: 200 }), FastCheck.json()),
      FastCheck.dictionary(FastCheck.string(), FastCheck.string(), { maxKeys: 5 })
    ],
    ([status, body, headers]) => {
      const error = Classify.fromResponse({ status, headers, body, nowMillis: 0 })
      assert.isTrue(tags.has(error._tag))
      assert.isTrue(RouterError.isRouterError(error))
      assert.strictEqual(Redacted.value(error.body!), body)
    }
  )

  it.prop("inside a success have a class", [FastCheck.anything({ withNullPrototype: true })], ([json]) => {
    const error = Classify.fromBody({ status: 200, headers: {}, body: "", json, nowMillis: 0 })
    assert.isTrue(tags.has(error._tag))
    assert.isTrue(error.impliedStatus !== undefined && error.impliedStatus >= 400 && error.impliedStatus <= 599)
  })

  const hostile: ReadonlyArray<readonly [name: string, body: string]> = [
    ["a long text", "é".repeat(1_000_000)],
    ["a long JSON text", JSON.stringify({ error: { message: "limit 1, requested ".repeat(50_000) } })],
    [
      "words that almost match",
      JSON.stringify({ error: { message: "request too large for input token count ".repeat(1500) } })
    ],
    ["digits", JSON.stringify({ error: { message: `try again in ${"9".repeat(60_000)}` } })],
    ["spaces", JSON.stringify({ error: { message: `rate${" ".repeat(60_000)}limit` } })],
    ["deep arrays", "[".repeat(30_000) + "]".repeat(30_000)],
    ["deep objects", "{\"error\":".repeat(6000) + "1" + "}".repeat(6000)],
    [
      "__proto__",
      "{\"__proto__\":{\"code\":\"insufficient_quota\"},\"error\":{\"message\":429,\"code\":{},\"type\":[]}}"
    ]
  ]
  for (const [name, body] of hostile) {
    it(`${name}: the status decides, soon, and at most 64 KiB are kept`, () => {
      const start = process.hrtime.bigint()
      const error = respond(429, body)
      assert.strictEqual(error._tag, "RateLimited")
      assert.isTrue(Number(process.hrtime.bigint() - start) / 1e6 < 500)
      assert.isTrue(Buffer.byteLength(Redacted.value(error.body!)) <= Classify.maxErrorBodyBytes)
    })
  }
})

describe("a broken connection", () => {
  const request = HttpClientRequest.post("https://api.example.com/v1?key=sk-query").pipe(
    HttpClientRequest.bearerToken("sk-secret"),
    HttpClientRequest.bodyText("a purple elephant")
  )
  const coded = (code: string, extra: object = {}) => Object.assign(new Error("a purple elephant"), { code, ...extra })
  const broken = (cause: unknown) => new HttpClientError.RequestError({ request, reason: "Transport", cause })
  const wrap = (cause: unknown, times: number): unknown =>
    times === 0 ? cause : new Error("fetch failed", { cause: wrap(cause, times - 1) })

  const stages: ReadonlyArray<readonly [cause: unknown, stage: string, code: string | undefined]> = [
    ...[
      "ECONNREFUSED",
      "ENOTFOUND",
      "EAI_AGAIN",
      "ENETUNREACH",
      "EHOSTUNREACH",
      "UND_ERR_CONNECT_TIMEOUT",
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "CERT_HAS_EXPIRED",
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "SELF_SIGNED_CERT_IN_CHAIN",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
    ].map((code) => [coded(code), "connect", code] as const),
    ...["ECONNRESET", "EPIPE", "UND_ERR_SOCKET", "UND_ERR_HEADERS_TIMEOUT", "ETIMEDOUT"].map((code) =>
      [coded(code), "exchange", code] as const
    ),
    [coded("ETIMEDOUT", { syscall: "connect" }), "connect", "ETIMEDOUT"],
    [new AggregateError([coded("ECONNREFUSED"), coded("ENETUNREACH")]), "connect", "ECONNREFUSED"],
    [wrap(coded("ECONNREFUSED"), 3), "connect", "ECONNREFUSED"],
    [wrap(coded("ECONNREFUSED"), 20), "exchange", undefined],
    [coded("a purple elephant"), "exchange", undefined],
    [new DOMException("aborted", "AbortError"), "exchange", undefined],
    [undefined, "exchange", undefined],
    ["terminated", "exchange", undefined]
  ]
  for (const [cause, stage, code] of stages) {
    it(`${inspect(cause, { depth: 0 }).split("\n")[0]}: ${stage}, ${code}`, () => {
      for (
        const error of [
          Classify.fromTransport(broken(cause), "acme/model-1"),
          Classify.fromTransport(cause, "acme/model-1")
        ]
      ) {
        assert.strictEqual(error._tag, "Transport")
        assert.strictEqual((error as RouterError.Transport).stage, stage)
        assert.strictEqual(error.code, code)
        assert.strictEqual(error.target, "acme/model-1")
      }
    })
  }

  it("ends on a cause that is its own cause", () => {
    const error: { cause?: unknown } = {}
    error.cause = error
    assert.strictEqual(Classify.fromTransport(error)._tag, "Transport")
  })

  it("keeps nothing of the request", () => {
    const response = HttpClientResponse.fromWeb(
      request,
      new Response("", { status: 503, headers: { "retry-after": "3" } })
    )
    const errors = [
      broken(coded("ECONNRESET")),
      new HttpClientError.RequestError({ request, reason: "InvalidUrl" }),
      new HttpClientError.RequestError({ request, reason: "Encode", description: "a purple elephant" }),
      new HttpClientError.ResponseError({ request, response, reason: "Decode" }),
      new HttpClientError.ResponseError({ request, response, reason: "StatusCode" })
    ].map((error) => Classify.fromTransport(error, "acme/model-1"))
    assert.deepStrictEqual(
      errors.map((error) => error._tag),
      ["Transport", "InvalidRequest", "InvalidRequest", "Transport", "Unavailable"]
    )
    assert.strictEqual(errors[1]?.message, "the URL is not valid")
    for (const error of errors) {
      assert.strictEqual(error.cause, undefined)
      for (const hidden of ["sk-secret", "sk-query", "elephant", "api.example.com"]) {
        assert.isFalse(shown(error).includes(hidden), `${error._tag} shows ${hidden}`)
      }
    }
  })

  it("of filterStatusOk has the class and the wait of its status", () => {
    const response = HttpClientResponse.fromWeb(
      request,
      new Response("", { status: 429, headers: { "retry-after": "3" } })
    )
    const error = Classify.fromTransport(new HttpClientError.ResponseError({ request, response, reason: "StatusCode" }))
    assert.strictEqual(error._tag, "RateLimited")
    assert.strictEqual(waitOf(error as RouterError.RateLimited), 3000)
  })
})
