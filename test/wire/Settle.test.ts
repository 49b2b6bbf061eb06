import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { inspect } from "node:util"
import * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import { isCompletionResponse } from "../../src/wire/CompletionResponse.js"
import * as Settle from "../../src/wire/Settle.js"

const plain = HttpClientRequest.post(`${Testing.baseUrl("openai")}/chat/completions`).pipe(
  HttpClientRequest.bodyUnsafeJson({ model: "gpt-4o", messages: [{ role: "user", content: "the prompt" }] })
)
const streamed = HttpClientRequest.accept(plain, "text/event-stream")

const json = (body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  Testing.raw({
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })

const completion = (choices: ReadonlyArray<unknown>, more: object = {}) => ({ id: "1", choices, ...more })

const said = (message: unknown, finishReason: string | null = "stop") => ({
  index: 0,
  message,
  finish_reason: finishReason
})

const run = (answer: Testing.Answer, request = plain, options: Settle.Options = { target: "openai/gpt-4o" }) =>
  Effect.gen(function*() {
    const transport = yield* Testing.makeTransport({ "*": answer })
    const exit = yield* Effect.either(transport.client.pipe(Settle.settle(options)).execute(request))
    return { transport, exit, left: (yield* transport.calls)[0]?.aborted, open: yield* transport.open }
  })

const failure = (answer: Testing.Answer, request = plain, options?: Settle.Options) =>
  Effect.map(run(answer, request, options), ({ exit, open }) => {
    assert.strictEqual(open, 0, "the upstream request is still open")
    return exit._tag === "Left" ? exit.left : assert.fail("it succeeded")
  })

const tag = (answer: Testing.Answer, request = plain) => Effect.map(failure(answer, request), (error) => error._tag)

const succeed = (answer: Testing.Answer, request = plain): Effect.Effect<HttpClientResponse.HttpClientResponse> =>
  Effect.map(run(answer, request), ({ exit }) => exit._tag === "Right" ? exit.right : assert.fail(exit.left.message))

const answerOf = (error: RouterError.TargetError) =>
  "status" in error ? error : assert.fail(`${error._tag} has no status`)

describe("statuses", () => {
  const table: ReadonlyArray<readonly [number, Testing.StatusOptions, RouterError.TargetError["_tag"]]> = [
    [400, {}, "InvalidRequest"],
    [400, { code: "context_length_exceeded" }, "ContextLengthExceeded"],
    [400, { code: "content_filter" }, "ContentFiltered"],
    [401, {}, "Auth"],
    [402, {}, "QuotaExhausted"],
    [403, {}, "Auth"],
    [404, {}, "NotFound"],
    [408, {}, "Unavailable"],
    [409, {}, "Unavailable"],
    [413, {}, "InvalidRequest"],
    [422, { body: { detail: [{ msg: "field required", type: "missing" }] } }, "InvalidRequest"],
    [429, {}, "RateLimited"],
    [429, { code: "insufficient_quota" }, "QuotaExhausted"],
    [500, { body: "Internal Server Error" }, "Unavailable"],
    [501, {}, "InvalidRequest"],
    [502, { body: "<html>Bad gateway</html>", headers: { "content-type": "text/html" } }, "Unavailable"],
    [503, { body: "" }, "Unavailable"],
    [520, {}, "Unavailable"],
    [529, {}, "Overloaded"],
    [301, { body: "", headers: { location: "https://elsewhere.example/" } }, "BadResponse"],
    [302, { body: "<a>moved</a>" }, "BadResponse"],
    [304, { body: "" }, "BadResponse"],
    [307, {}, "BadResponse"]
  ]

  for (const [status, options, expected] of table) {
    it.effect(`${status} ${options.code ?? ""} is ${expected}, streamed or not`, () =>
      Effect.gen(function*() {
        for (const request of [plain, streamed]) {
          const error = answerOf(yield* failure(Testing.status(status, options), request))
          assert.strictEqual(error._tag, expected)
          assert.strictEqual(error.status, status)
          assert.strictEqual(error.target, "openai/gpt-4o")
          assert.isTrue(options.code === undefined || error.code === options.code)
        }
      }))
  }

  it.effect("the body goes along, redacted", () =>
    Effect.gen(function*() {
      const error = answerOf(yield* failure(Testing.status(429, { message: "the body" })))
      assert.include(error.body === undefined ? "" : Redacted.value(error.body), "the body")
      for (const shown of [JSON.stringify(error), inspect(error, { depth: 10 }), error.message]) {
        assert.notInclude(shown, "the body")
      }
    }))

  it.effect("the headers go along, without credentials, and so does the wait", () =>
    Effect.gen(function*() {
      const headers = { "set-cookie": "session=1", "x-request-id": "r-1", "x-echo": "key sk-secret" }
      const error = answerOf(
        yield* failure(Testing.status(429, { retryAfter: 7, headers }), plain, {
          secrets: [Redacted.make("sk-secret")]
        })
      )
      assert.deepStrictEqual(error.headers, {
        "content-type": "application/json",
        "retry-after": "7",
        "x-request-id": "r-1"
      })
      assert.strictEqual(error.retryAfter === undefined ? undefined : Duration.toSeconds(error.retryAfter), 7)
    }))

  it.effect("no more than 64 KiB of the body is read, and the rest is left", () =>
    Effect.gen(function*() {
      const chunk = "x".repeat(10_000)
      const { exit, left } = yield* run(
        Testing.raw({ status: 500, chunks: Array.from({ length: 100 }, () => chunk), end: "stall" })
      )
      const error = exit._tag === "Left" ? answerOf(exit.left) : assert.fail("it succeeded")
      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual(error.body === undefined ? 0 : Redacted.value(error.body).length, 65_536)
      assert.isTrue(left)
    }))

  it.effect("a body that is announced as larger is not read whole either", () =>
    Effect.gen(function*() {
      const headers = { "content-length": "1000000" }
      const chunks = Array.from({ length: 100 }, () => "x".repeat(10_000))
      const { exit, left } = yield* run(Testing.raw({ status: 500, headers, chunks, end: "stall" }))
      assert.strictEqual(exit._tag === "Left" ? exit.left._tag : "", "Unavailable")
      assert.isTrue(left)
    }))

  it.effect("a status counts, even if its body breaks", () =>
    Effect.gen(function*() {
      const broken = Testing.raw({ status: 401, chunks: ["{\"err"], end: "reset" })
      assert.strictEqual(yield* tag(broken), "Auth")
      // a part of an error is none: by its envelope this would be ContextLengthExceeded
      const envelope = JSON.stringify({ error: { message: "m", code: "context_length_exceeded" } })
      for (const [status, expected] of [[400, "InvalidRequest"], [429, "RateLimited"], [503, "Unavailable"]] as const) {
        for (const length of [0, 20, envelope.length]) {
          for (const promised of [[], [["content-length", "500"]]]) {
            const headers = Object.fromEntries([["retry-after", "7"], ...promised])
            const answer = Testing.raw({ status, headers, chunks: [envelope.slice(0, length)], end: "reset" })
            for (const request of [plain, streamed]) {
              const error = answerOf(yield* failure(answer, request))
              assert.deepStrictEqual([error._tag, error.status], [expected, status])
              assert.strictEqual(error.body && Redacted.value(error.body), "")
              assert.isTrue(error._tag !== "RateLimited" || Duration.toMillis(error.retryAfter ?? 0) === 7000)
            }
          }
        }
      }
    }))

  it.effect("a status outside of HTTP is a BadResponse", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* tag(Testing.raw({ status: 999, body: "?" })), "BadResponse")
    }))
})

describe("a completion", () => {
  it.effect("comes decoded, with its text as it was", () =>
    Effect.gen(function*() {
      const body = completion([said({ role: "assistant", content: "Hello" })], { x_new: [1] })
      const response = yield* succeed(json(body, { "x-request-id": "r-1" }))
      assert.isTrue(isCompletionResponse(response))
      if (isCompletionResponse(response)) {
        assert.strictEqual(response.completion.choices[0]?.message.content, "Hello")
        assert.deepStrictEqual(response.completion["x_new"], [1])
      }
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.headers["x-request-id"], "r-1")
      assert.strictEqual(yield* Effect.orDie(response.text), JSON.stringify(body))
      assert.deepStrictEqual(yield* Effect.orDie(response.json), body)
      // any number of times, in any form
      assert.strictEqual(
        yield* Effect.orDie(Stream.mkString(Stream.decodeText(response.stream))),
        JSON.stringify(body)
      )
    }))

  it.effect("may come in pieces, with leading whitespace, a byte order mark and any type", () =>
    Effect.gen(function*() {
      const text = JSON.stringify(completion([said({ role: "assistant", content: "grün 😀" })]))
      for (
        const chunks of [
          ["\n         \n".repeat(100), text],
          ["\uFEFF", text],
          [text, "\n\n"],
          Array.from(new TextEncoder().encode(text), (byte) => Uint8Array.of(byte))
        ]
      ) {
        const response = yield* succeed(Testing.raw({ headers: { "content-type": "text/plain" }, chunks }))
        assert.strictEqual(isCompletionResponse(response) && response.completion.choices[0]?.message.content, "grün 😀")
      }
    }))

  const answers: Readonly<Record<string, unknown>> = {
    "no content and the finish reason length": said({ role: "assistant", content: "" }, "length"),
    "no message and the finish reason content_filter (Azure)": { index: 0, finish_reason: "content_filter" },
    "a refusal": said({ role: "assistant", content: null, refusal: "no" }),
    "tool calls only": said({ role: "assistant", content: null, tool_calls: [{ id: "1", function: { name: "f" } }] }),
    "text without a finish reason": said({ role: "assistant", content: "Hello" }, null),
    "reasoning without a finish reason": said({ role: "assistant", content: "", reasoning: "hm" }, null)
  }

  for (const [name, choice] of Object.entries(answers)) {
    it.effect(`is one with ${name}`, () =>
      Effect.gen(function*() {
        assert.isTrue(isCompletionResponse(yield* succeed(json(completion([choice])))))
      }))
  }

  it.effect("gives the request that was asked, not the one that went to the provider", () =>
    Effect.gen(function*() {
      const transport = yield* Testing.makeTransport({ "*": [Testing.completion("a"), Testing.stream(["a"])] })
      const client = transport.client.pipe(
        HttpPolicy.wrap((request, execute) =>
          execute(HttpClientRequest.setHeader(request, "authorization", "Bearer sk-secret"))
        ),
        Settle.settle()
      )
      for (const request of [plain, streamed]) {
        const response = yield* client.execute(request)
        assert.strictEqual(response.request, request)
      }
    }))
})

describe("a success that is no answer", () => {
  const ok = (body: string, contentType = "application/json") =>
    Testing.raw({ headers: contentType === "" ? {} : { "content-type": contentType }, body })

  const table: Readonly<Record<string, readonly [Testing.Answer, RouterError.TargetError["_tag"]]>> = {
    "no body": [ok(""), "EmptyCompletion"],
    "only whitespace": [ok(" \n\t\n"), "EmptyCompletion"],
    "a 204": [Testing.raw({ status: 204 }), "EmptyCompletion"],
    "no choices": [json(completion([])), "EmptyCompletion"],
    "choices: null": [json({ id: "1", choices: null }), "EmptyCompletion"],
    "no choices member": [json({ id: "1" }), "EmptyCompletion"],
    "a choice with nothing in it": [json(completion([{ index: 0 }])), "EmptyCompletion"],
    "a message of null": [json(completion([said(null, null)])), "EmptyCompletion"],
    "a message of null that ends": [json(completion([said(null, "stop")])), "EmptyCompletion"],
    "a choice without a message that ends": [
      json(completion([{ index: 0, finish_reason: "stop" }])),
      "EmptyCompletion"
    ],
    "a message with a role only": [json(completion([said({ role: "assistant" }, null)])), "EmptyCompletion"],
    "a message of nulls and nothings": [
      json(completion([said({ role: "assistant", content: "", refusal: null, annotations: [], x: null }, null)])),
      "EmptyCompletion"
    ],
    "HTML": [ok("<!doctype html><h1>Welcome</h1>", "text/html"), "BadResponse"],
    "text": [ok("upstream connect error", "text/plain"), "BadResponse"],
    "half a JSON": [ok("{\"id\":\"1\",\"choices\":["), "BadResponse"],
    "JSON of another kind": [ok("[]"), "BadResponse"],
    "a JSON null": [ok("null"), "BadResponse"],
    "choices of another kind": [json({ choices: {} }), "BadResponse"],
    "an index out of range": [json(completion([{ ...said({ content: "a" }), index: 4_294_967_294 }])), "BadResponse"],
    "a stream that nobody asked for": [Testing.stream(["Hello"]), "BadResponse"],
    "an error that is a 502": [json({ error: { message: "m", code: 502 } }), "Unavailable"],
    "an error after whitespace": [ok(`\n   \n{"error":{"message":"m","code":502}}`), "Unavailable"],
    "an error that is a rate limit": [json({ error: { type: "rate_limit_error" } }), "RateLimited"],
    "an error that is a wrong key": [json({ error: { code: "invalid_api_key" } }), "Auth"],
    "an error that is a quota": [json({ error: { code: "insufficient_quota" } }), "QuotaExhausted"],
    "an error that is an overload": [json({ error: { type: "overloaded_error" } }), "Overloaded"],
    "an error of the request": [json({ error: { type: "invalid_request_error" } }), "InvalidRequest"],
    "an error of Azure's filter": [json({ error: { code: "content_filter", status: 400 } }), "ContentFiltered"],
    "an error that is a text": [json({ error: "something" }), "Unavailable"],
    "an error in a choice (OpenRouter)": [
      json(completion([{ ...said({ content: "half" }, null), error: { code: 502 } }])),
      "Unavailable"
    ],
    "an error beside a whole completion": [
      json(completion([said({ content: "a" })], { error: { code: 502 } })),
      "Unavailable"
    ],
    "an error that is not under `error`": [json({ detail: "rate limit exceeded" }), "RateLimited"]
  }

  for (const [name, [answer, expected]] of Object.entries(table)) {
    it.effect(`${name}: ${expected}`, () =>
      Effect.gen(function*() {
        const error = answerOf(yield* failure(answer))
        assert.strictEqual(error._tag, expected)
        assert.strictEqual(error.target, "openai/gpt-4o")
        assert.strictEqual(error.status, answer._tag === "Reply" ? answer.status : undefined)
      }))
  }

  it.effect("an error in a 200 says which status it stands for", () =>
    Effect.gen(function*() {
      const error = yield* failure(json({ error: { type: "rate_limit_error" } }))
      assert.instanceOf(error, RouterError.RateLimited)
      assert.strictEqual(error.status, 200)
      assert.strictEqual(error.impliedStatus, 429)
    }))

  it.effect("nesting: 128 levels are read, more are too deep, a million does no harm", () =>
    Effect.gen(function*() {
      const nested = (depth: number) =>
        json(
          `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"x":${"[".repeat(depth)}${
            "]".repeat(depth)
          }}`
        )
      assert.isTrue(isCompletionResponse(yield* succeed(nested(127))))
      for (const depth of [128, 10_000, 1_000_000]) {
        const error = yield* failure(nested(depth))
        assert.instanceOf(error, RouterError.ResponseTooLarge)
        assert.strictEqual(error.limit, "depth")
      }
    }))

  it.effect("64 MiB is the most that is read, and the rest is left", () =>
    Effect.gen(function*() {
      const mebibyte = new Uint8Array(1024 * 1024).fill(32)
      const { exit, left } = yield* run(
        Testing.raw({ chunks: Array.from({ length: 66 }, () => mebibyte), end: "stall" })
      )
      const error = exit._tag === "Left" ? exit.left : undefined
      assert.instanceOf(error, RouterError.ResponseTooLarge)
      assert.strictEqual(error.limit, "bytes")
      assert.strictEqual(error.maximum, 64 * 1024 * 1024)
      assert.isTrue(left)
    }), 60_000)

  it.effect("malformed answers do not show themselves", () =>
    Effect.gen(function*() {
      for (const body of ["a zebra", "{\"choices\":\"a zebra\"}", "<b>a zebra</b>", "{\"a zebra\":"]) {
        const error = yield* failure(ok(body))
        for (const shown of [JSON.stringify(error), inspect(error, { depth: 10 }), Cause.pretty(Cause.fail(error))]) {
          assert.notInclude(shown, "a zebra")
        }
      }
    }))
})

describe("a stream that was asked for and is none", () => {
  const table: Readonly<Record<string, readonly [Testing.Answer, RouterError.TargetError["_tag"]]>> = {
    "a JSON error": [json({ error: { code: "rate_limit_exceeded" } }), "RateLimited"],
    "a JSON error with a charset": [
      json({ error: { code: "insufficient_quota" } }, { "content-type": "application/json; charset=utf-8" }),
      "QuotaExhausted"
    ],
    "a JSON error of another JSON type": [
      json({ error: { code: "invalid_api_key" } }, { "content-type": "application/problem+json" }),
      "Auth"
    ],
    "a JSON error without a type": [Testing.raw({ body: "{\"error\":{\"code\":\"invalid_api_key\"}}" }), "Auth"],
    "a JSON error that calls itself an event stream": [
      json({ error: { code: "invalid_api_key" } }, { "content-type": "text/event-stream" }),
      "Auth"
    ],
    "a JSON error that calls itself text, in pieces": [
      Testing.raw({ headers: { "content-type": "text/plain" }, chunks: ["{\"error\":{\"co", "de\":502}}"] }),
      "Unavailable"
    ],
    "a JSON completion": [Testing.completion("Hello"), "BadResponse"],
    "HTML": [Testing.raw({ headers: { "content-type": "text/html" }, body: "<h1>Welcome</h1>" }), "BadResponse"],
    "no body": [Testing.raw({ headers: { "content-type": "application/json" } }), "EmptyCompletion"],
    "no body of HTML": [Testing.raw({ headers: { "content-type": "text/html" } }), "EmptyCompletion"],
    "no body, no type": [Testing.raw({}), "EmptyCompletion"],
    "a 204": [Testing.raw({ status: 204 }), "EmptyCompletion"],
    "an empty event stream": [Testing.raw({ headers: { "content-type": "text/event-stream" } }), "EmptyCompletion"],
    "an event stream of [DONE]": [
      Testing.raw({ headers: { "content-type": "text/event-stream" }, body: "data: [DONE]\n\n" }),
      "EmptyCompletion"
    ],
    "an image": [Testing.raw({ headers: { "content-type": "image/png" }, body: "PNG" }), "BadResponse"]
  }

  for (const [name, [answer, expected]] of Object.entries(table)) {
    it.effect(`${name}: ${expected}`, () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* tag(answer, streamed), expected)
      }))
  }

  it.effect("no more than 64 KiB of it is read", () =>
    Effect.gen(function*() {
      const { exit, left } = yield* run(
        Testing.raw({
          headers: { "content-type": "text/html" },
          chunks: Array.from({ length: 20 }, () => "x".repeat(10_000)),
          end: "stall"
        }),
        streamed
      )
      assert.strictEqual(exit._tag === "Left" ? exit.left._tag : "", "BadResponse")
      assert.isTrue(left)
    }))

  it.effect("the type of an event stream may be missing or another plain one", () =>
    Effect.gen(function*() {
      const events = `data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n`
      for (const type of ["text/event-stream;charset=utf-8", "TEXT/EVENT-STREAM", "text/plain", "", undefined]) {
        const headers: Record<string, string> = type === undefined ? {} : { "content-type": type }
        yield* succeed(Testing.raw({ headers, body: events }), streamed)
      }
    }))
})

describe("connections", () => {
  it.effect("that are refused or reset are Transport, with the code and the stage", () =>
    Effect.gen(function*() {
      for (const request of [plain, streamed]) {
        const refused = yield* failure(Testing.refuse, request)
        assert.deepStrictEqual(
          refused,
          new RouterError.Transport({ target: "openai/gpt-4o", stage: "connect", code: "ECONNREFUSED" })
        )
        const reset = yield* failure(Testing.reset, request)
        assert.deepStrictEqual(
          reset,
          new RouterError.Transport({ target: "openai/gpt-4o", stage: "exchange", code: "ECONNRESET" })
        )
      }
    }))

  it.effect("that break in the body are Transport, however far it came", () =>
    Effect.gen(function*() {
      const text = JSON.stringify(completion([said({ content: "Hello" })]))
      for (const chunks of [[], [text.slice(0, 20)], [text]]) {
        assert.strictEqual(yield* tag(Testing.raw({ chunks, end: "reset" })), "Transport")
      }
    }))

  it.effect("keep nothing of the request in the error", () =>
    Effect.gen(function*() {
      const secret = HttpClientRequest.bearerToken(plain, "sk-secret")
      for (const answer of [Testing.refuse, Testing.reset, Testing.raw({ chunks: ["{"], end: "reset" })]) {
        const error = yield* failure(answer, secret)
        for (const shown of [JSON.stringify(error), inspect(error, { depth: 10 }), Cause.pretty(Cause.fail(error))]) {
          assert.notInclude(shown, "sk-secret")
          assert.notInclude(shown, "the prompt")
        }
      }
    }))

  it.effect("a timeout below is still a Timeout when it strikes in the body", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({
        "*": Testing.raw({ headers: { "content-type": "text/event-stream" }, chunks: ["{"], end: "stall" })
      })
      for (const request of [plain, streamed]) {
        const settled = client.pipe(Timeout.withCallTimeout("1 second"), Settle.settle())
        const fiber = yield* Effect.fork(Effect.flip(settled.execute(request)))
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(fiber))._tag, "Timeout")
      }
    }))

  it.effect("interruption leaves the upstream at once, before the headers and in the body", () =>
    Effect.gen(function*() {
      for (const answer of [Testing.hang, Testing.raw({ chunks: ["{"], end: "stall" })]) {
        const transport = yield* Testing.makeTransport({ "*": answer })
        const fiber = yield* Effect.fork(transport.client.pipe(Settle.settle()).execute(plain))
        yield* transport.awaitCall(0)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* transport.open, 1)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.strictEqual(yield* transport.open, 0)
        assert.isTrue((yield* transport.calls)[0]?.aborted)
      }
    }))
})

describe("what the client fails with otherwise", () => {
  it.effect("is passed through", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({})
      const failing = client.pipe(HttpPolicy.wrap(() => Effect.fail("mine" as const)), Settle.settle())
      assert.strictEqual(yield* Effect.flip(failing.execute(plain)), "mine")
    }))

  it.effect("a request that cannot be sent is an InvalidRequest", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({})
      const failing = client.pipe(
        HttpPolicy.wrap((request) =>
          Effect.fail(new HttpClientError.RequestError({ request, reason: "Encode", cause: new Error("the prompt") }))
        ),
        Settle.settle({ target: "a/b" })
      )
      const error = yield* Effect.flip(failing.execute(plain))
      assert.strictEqual(error._tag, "InvalidRequest")
      assert.notInclude(JSON.stringify(error), "the prompt")
    }))
})

describe("laws", () => {
  const bodies: ReadonlyArray<string> = [
    JSON.stringify(completion([said({ role: "assistant", content: "grün 😀 中" })])),
    JSON.stringify({ error: { message: "Rate limit", code: "rate_limit_exceeded" } }),
    "<html></html>",
    "   ",
    "{\"choices\":["
  ]

  const outcome = (answer: Testing.Answer) =>
    Effect.map(run(answer), ({ exit, open }) =>
      exit._tag === "Left"
        ? [exit.left._tag, open]
        : [isCompletionResponse(exit.right) && exit.right.completion, open])

  it.effect("the reads make no difference", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          FastCheck.constantFrom(...bodies),
          FastCheck.constantFrom(200, 429, 500),
          FastCheck.array(FastCheck.nat(), { maxLength: 10 }),
          (body, status, offsets) =>
            Effect.runPromise(Effect.gen(function*() {
              const bytes = new TextEncoder().encode(body)
              const cuts = offsets.map((offset) => offset % (bytes.length + 1)).sort((a, b) => a - b)
              const chunks = [0, ...cuts].map((start, index) => bytes.slice(start, cuts[index] ?? bytes.length))
              assert.deepStrictEqual(
                yield* outcome(Testing.raw({ status, chunks })),
                yield* outcome(Testing.raw({ status, body }))
              )
            }))
        ),
        { numRuns: 500 }
      )
    ))
})
