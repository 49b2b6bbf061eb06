import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as ErrorEnvelope from "../../src/wire/ErrorEnvelope.js"

type Expected = Partial<Omit<ErrorEnvelope.Envelope, "messages" | "codes">> | undefined

const forms: ReadonlyArray<readonly [name: string, body: unknown, expected: Expected]> = [
  [
    "error object",
    { error: { message: "No quota", type: "insufficient_quota", param: null, code: "insufficient_quota" } },
    { message: "No quota", type: "insufficient_quota", code: "insufficient_quota" }
  ],
  ["digits as code", { error: { message: "Bad key", code: "401" } }, { message: "Bad key", code: "401", status: 401 }],
  ["number as code", { error: { message: "Bad gateway", code: 502 } }, {
    message: "Bad gateway",
    code: "502",
    status: 502
  }],
  ["a code that is no status", { error: { message: "Slow down", code: "1300" } }, {
    message: "Slow down",
    code: "1300"
  }],
  ["status_code", { error: { message: "Tool", status_code: 400 } }, { message: "Tool", status: 400 }],
  [
    "flat",
    { message: "Too long", type: "Bad Request", param: "messages", code: 400 },
    { message: "Too long", type: "Bad Request", code: "400", status: 400 }
  ],
  ["flat, message only", { message: "No video" }, { message: "No video" }],
  ["object: error", { object: "error", message: "No audio", type: "invalid", code: "3051" }, {
    message: "No audio",
    type: "invalid",
    code: "3051"
  }],
  [
    "object: error with a list",
    { object: "error", message: { detail: [{ type: "missing", msg: "Field required" }] } },
    {
      message: "Field required",
      type: "missing"
    }
  ],
  ["error text", { error: "Model is loading" }, { message: "Model is loading" }],
  ["error texts", { error: ["Too long", "Too hot"] }, { message: "Too long; Too hot" }],
  ["code and error text", { code: "invalid-argument", error: "Wrong key" }, {
    message: "Wrong key",
    code: "invalid-argument"
  }],
  ["detail text", { detail: "Not Found" }, { message: "Not Found" }],
  [
    "detail list",
    {
      detail: [{ loc: ["body", "messages"], msg: "Field required", type: "missing" }, { msg: "Extra", type: "extra" }]
    },
    { message: "Field required; Extra", type: "missing" }
  ],
  ["errors", { errors: [{ message: "Authentication error", code: 10000 }], success: false, result: null }, {
    message: "Authentication error",
    code: "10000"
  }],
  ["error event", { type: "error", error: { type: "overloaded_error", message: "Overloaded" }, request_id: "r" }, {
    message: "Overloaded",
    type: "overloaded_error"
  }],
  ["empty error event", { type: "error", error: {} }, {}],
  ["array", [{ error: { code: 429, message: "Quota", status: "RESOURCE_EXHAUSTED" } }], {
    message: "Quota",
    type: "RESOURCE_EXHAUSTED",
    code: "429",
    status: 429
  }],
  [
    "JSON as message",
    {
      error: { message: JSON.stringify({ error: { code: 503, message: "Inner", status: "UNAVAILABLE" } }), code: 500 }
    },
    { message: "Inner", type: "UNAVAILABLE", code: "500", status: 500 }
  ],
  ["echo's message", { error: { message: "code=400, message=Invalid, internal=x" } }, {
    message: "Invalid, internal=x",
    status: 400
  }],
  [
    "raw text of a provider behind",
    {
      error: { message: "Provider returned error", code: 400, metadata: { raw: "{\"error\":{\"message\":\"Long\"}}" } }
    },
    { message: "Long", code: "400", status: 400 }
  ],
  [
    "raw object of a provider behind",
    {
      error: { message: "Provider returned error", code: 400, metadata: { raw: { message: "Long", code: "too_long" } } }
    },
    { message: "Long", code: "400", status: 400 }
  ],
  [
    "raw plain text",
    {
      error: { message: "Provider returned error", code: 429, metadata: { raw: "slow down", error_type: "rate_limit" } }
    },
    { message: "slow down", type: "rate_limit", code: "429", status: 429 }
  ],
  [
    "details of a gateway",
    { error: "400 Bad Request", status: 400, details: { error: { message: "Invalid image", code: "BadRequest" } } },
    { message: "Invalid image", code: "BadRequest", status: 400 }
  ],
  [
    "Google's details",
    {
      error: {
        code: 429,
        message: "Quota",
        details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "20s" }, { reason: "WHY" }]
      }
    },
    { message: "Quota", code: "429", status: 429, retryDelay: "20s" }
  ],
  ["error in a choice", { choices: [{ index: 0, error: { code: 502, message: "Lost" } }] }, {
    message: "Lost",
    code: "502",
    status: 502
  }],
  ["text of JSON", " {\"error\":{\"message\":\"Padded\"}}", { message: "Padded" }],
  ["completion", { id: "1", object: "chat.completion", choices: [], message: "x", error: null }, undefined],
  ["success", { success: true, errors: [], result: {} }, undefined],
  ["HTML", "<html><title>401 Authorization Required</title></html>", undefined],
  ["plain text", "error code: 520", undefined],
  ["cut JSON", "{\"error\":{\"message\":\"cut", undefined],
  ["empty", "", undefined],
  ["no object", 42, undefined],
  ["empty array", [], undefined],
  ["inherited members", Object.create({ error: { message: "inherited" } }), undefined]
]

describe("ErrorEnvelope.parse", () => {
  for (const [name, body, expected] of forms) {
    it(name, () => {
      const envelope = ErrorEnvelope.parse(body)
      const { codes: _codes, messages: _messages, ...rest } = envelope ?? { codes: [], messages: [] }
      assert.deepStrictEqual(envelope === undefined ? undefined : rest, expected)
    })
  }

  it("keeps what each of several envelopes says, the outermost first", () => {
    const inner = {
      error: { message: "The response was filtered", code: "content_filter", innererror: { code: "Policy" } }
    }
    const envelope = ErrorEnvelope.parse({
      error: { message: "Provider returned error", code: 400, type: "bad", metadata: { raw: JSON.stringify(inner) } }
    })
    assert.deepStrictEqual(envelope?.codes, ["400", "content_filter", "Policy", "bad"])
    assert.deepStrictEqual(envelope?.messages, ["Provider returned error", "The response was filtered"])
  })

  it("stops opening JSON in JSON", () => {
    let body = JSON.stringify({ error: { message: "deepest" } })
    for (let depth = 0; depth < 9; depth++) {
      body = JSON.stringify({ error: { message: body } })
    }
    const envelope = ErrorEnvelope.parse(body)
    assert.strictEqual(envelope?.messages.length, 1)
    assert.notStrictEqual(envelope?.message, "deepest")
  })

  it("bounds what it keeps", () => {
    const envelope = ErrorEnvelope.parse({ error: { message: "x".repeat(1_000_000), code: "c".repeat(1000) } })
    assert.strictEqual(envelope?.message?.length, ErrorEnvelope.maxMessageLength)
    assert.strictEqual(envelope?.code, undefined)
  })

  it("leaves __proto__ alone", () => {
    const envelope = ErrorEnvelope.parse(
      "{\"__proto__\":{\"error\":\"polluted\"},\"error\":{\"__proto__\":{\"code\":\"x\"}}}"
    )
    assert.strictEqual(envelope?.code, undefined)
    assert.strictEqual(envelope?.message, undefined)
    assert.strictEqual(Object.hasOwn(Object.prototype, "error"), false)
  })

  const keys = [
    "error",
    "errors",
    "message",
    "msg",
    "detail",
    "details",
    "code",
    "type",
    "status",
    "metadata",
    "raw",
    "choices"
  ]
  const hostile = FastCheck.letrec<{ value: unknown; object: unknown }>((tie) => ({
    value: FastCheck.oneof(
      { maxDepth: 6 },
      FastCheck.constantFrom<unknown>(
        null,
        0,
        429,
        -1,
        Number.NaN,
        "",
        "400",
        true,
        "{",
        "[{\"error\":1}]",
        "code=500, message="
      ),
      FastCheck.string(),
      tie("object"),
      FastCheck.array(tie("value"), { maxLength: 3 }),
      tie("object").map((value) => JSON.stringify(value))
    ),
    object: FastCheck.dictionary(FastCheck.constantFrom(...keys), tie("value"), { maxKeys: 4 })
  }))

  it.prop(
    "takes anything, and gives what the types say",
    [FastCheck.oneof(hostile.value, FastCheck.anything())],
    ([body]) => {
      const envelope = ErrorEnvelope.parse(body)
      if (envelope !== undefined) {
        for (const value of [envelope.message, envelope.type, envelope.code, envelope.retryDelay]) {
          assert.isTrue(value === undefined || typeof value === "string" && value !== "")
        }
        assert.isTrue(envelope.status === undefined || envelope.status >= 100 && envelope.status <= 599)
        assert.isTrue(
          [...envelope.messages, ...envelope.codes].every((text) => typeof text === "string" && text !== "")
        )
      }
    }
  )
})
