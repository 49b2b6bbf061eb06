import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as Failure from "../../src/policy/Failure.js"
import * as RouterError from "../../src/RouterError.js"

const request = HttpClientRequest.get("http://scripted.invalid")

const response = (status: number, headers: Record<string, string> = {}) =>
  HttpClientResponse.fromWeb(request, new Response(null, { status, headers }))

const responseError = (
  status: number,
  reason: HttpClientError.ResponseError["reason"],
  headers?: Record<string, string>,
  cause?: unknown
) => new HttpClientError.ResponseError({ request, response: response(status, headers), reason, cause })

const limit = Duration.seconds(1)
const timeout = new RouterError.Timeout({ phase: "call", limit })
const deadlineExceeded = new RouterError.DeadlineExceeded({ limit })
const truncated = new RouterError.StreamTruncated({ status: 200 })
const interrupted = new RouterError.StreamInterrupted({
  cause: new RouterError.Transport({ stage: "exchange" }),
  delivered: 1,
  partial: Redacted.make({ id: "c", object: "chat.completion", created: 0, model: "m", choices: [] })
})

const codeOf = (error: unknown) => Failure.of(error, 0).code
const movesOn = (error: unknown) => Failure.of(error, 0).fallback

const nothing: Failure.Failure = { code: undefined, fallback: false, retryAfter: undefined, shouldRetry: undefined }

describe("Failure.of the router's own errors", () => {
  const classes: ReadonlyArray<readonly [RouterError.RouterError, code: number | undefined, fallback: boolean]> = [
    [new RouterError.Transport({ stage: "connect" }), 502, true],
    [new RouterError.Transport({ stage: "exchange" }), 502, true],
    [timeout, 504, true],
    [deadlineExceeded, undefined, false],
    [new RouterError.Unavailable({ status: 500 }), 500, true],
    [new RouterError.Unavailable({ status: 408 }), 408, true],
    [new RouterError.Overloaded({ status: 529 }), 529, true],
    [new RouterError.RateLimited({ status: 429 }), 429, true],
    [new RouterError.QuotaExhausted({ status: 429 }), undefined, true],
    [new RouterError.Auth({ status: 401 }), 401, true],
    [new RouterError.NotFound({ status: 404 }), 404, true],
    [new RouterError.InvalidRequest({ status: 400 }), 400, false],
    [RouterError.invalidField("retry.count", "expected a number"), undefined, false],
    [new RouterError.ContextLengthExceeded({ status: 400 }), undefined, true],
    [new RouterError.ContentFiltered({ status: 400 }), undefined, false],
    [new RouterError.BadResponse({ status: 200, reason: "HTML" }), 502, true],
    [new RouterError.BadResponse({ status: 302, reason: "a redirect" }), 302, true],
    [new RouterError.EmptyCompletion({ status: 200 }), 502, true],
    [new RouterError.ResponseTooLarge({ status: 200, limit: "bytes", maximum: 1 }), undefined, true],
    [truncated, 502, true],
    [interrupted, undefined, false]
  ]

  for (const [error, code, fallback] of classes) {
    it(`${error.message}: ${code ?? "never retried"}, ${fallback ? "moves on" : "does not move on"}`, () => {
      assert.deepStrictEqual(Failure.of(error, 0), { ...nothing, code, fallback })
    })
  }

  it("an error inside a success has the status that it stands for", () => {
    assert.strictEqual(codeOf(new RouterError.RateLimited({ status: 200, impliedStatus: 429 })), 429)
    assert.strictEqual(codeOf(new RouterError.Unavailable({ status: 200, impliedStatus: 503 })), 503)
    assert.strictEqual(codeOf(new RouterError.InvalidRequest({ status: 200, impliedStatus: 400 })), 400)
  })

  it("the wait and the wish of the answer are those of the error", () => {
    const headers = { "x-should-retry": "false" }
    const error = new RouterError.RateLimited({ status: 429, retryAfter: Duration.seconds(7), headers })
    assert.deepStrictEqual(Failure.of(error, 0), {
      code: 429,
      fallback: true,
      retryAfter: Duration.seconds(7),
      shouldRetry: false
    })
  })

  it("a header cannot make a class retried that waiting does not mend", () => {
    const headers = { "x-should-retry": "true" }
    for (
      const error of [
        new RouterError.QuotaExhausted({ status: 429, headers }),
        new RouterError.ContextLengthExceeded({ status: 400, headers }),
        new RouterError.ContentFiltered({ status: 400, headers }),
        new RouterError.ResponseTooLarge({ status: 200, limit: "bytes", maximum: 1, headers })
      ]
    ) {
      assert.strictEqual(codeOf(error), undefined, error._tag)
      assert.strictEqual(Failure.of(error, 0).shouldRetry, undefined, error._tag)
    }
  })

  it("x-should-retry is about an error status: in a success it says nothing", () => {
    for (const value of ["true", "false"]) {
      const headers = { "x-should-retry": value }
      const inside = new RouterError.RateLimited({ status: 200, impliedStatus: 429, headers })
      assert.strictEqual(Failure.of(inside, 0).shouldRetry, undefined)
      const malformed = new RouterError.BadResponse({ status: 200, reason: "HTML", headers })
      assert.strictEqual(Failure.of(malformed, 0).shouldRetry, undefined)
      assert.strictEqual(Failure.of(responseError(200, "Decode", headers), 0).shouldRetry, undefined)
    }
  })

  it("a failed chain has the code of the target that was tried last, and another chain goes on", () => {
    const unavailable = new RouterError.Unavailable({ status: 503 })
    const quota = new RouterError.QuotaExhausted({ status: 429 })
    assert.strictEqual(codeOf(RouterError.allTargetsFailed<unknown>([quota, unavailable])), 503)
    assert.strictEqual(codeOf(RouterError.allTargetsFailed<unknown>([unavailable, quota])), undefined)
    const nested = RouterError.allTargetsFailed<unknown>([
      quota,
      RouterError.allTargetsFailed<unknown>([quota, timeout])
    ])
    assert.strictEqual(codeOf(nested), 504)
    assert.isTrue(movesOn(RouterError.allTargetsFailed<unknown>([unavailable, interrupted])))
    assert.deepStrictEqual(Failure.of(RouterError.allTargetsFailed<unknown>(["what is this?"]), 0), {
      ...nothing,
      fallback: true
    })
  })
})

describe("Failure.of the errors of any client", () => {
  it("a status is its own code, and the request's own faults do not move on", () => {
    for (let status = 300; status <= 599; status++) {
      const failure = Failure.of(responseError(status, "StatusCode"), 0)
      assert.strictEqual(failure.code, status)
      assert.strictEqual(failure.fallback, ![400, 405, 413, 415, 422, 501, 505].includes(status), `${status}`)
    }
  })

  it("a broken connection is 502, a request that cannot be sent is nobody else's", () => {
    const requestError = (reason: HttpClientError.RequestError["reason"]) =>
      new HttpClientError.RequestError({ request, reason })
    assert.deepStrictEqual(Failure.of(requestError("Transport"), 0), { ...nothing, code: 502, fallback: true })
    assert.deepStrictEqual(Failure.of(requestError("Encode"), 0), nothing)
    assert.deepStrictEqual(Failure.of(requestError("InvalidUrl"), 0), nothing)
  })

  it("a body that breaks or cannot be read is 502, whatever the status was", () => {
    for (const status of [200, 503, 400]) {
      for (const reason of ["Decode", "EmptyBody"] as const) {
        assert.strictEqual(codeOf(responseError(status, reason)), 502)
        assert.isTrue(movesOn(responseError(status, reason)))
      }
    }
  })

  it("a body that breaks with one of the router's errors counts as that error", () => {
    assert.strictEqual(codeOf(responseError(200, "Decode", {}, timeout)), 504)
    assert.deepStrictEqual(Failure.of(responseError(200, "Decode", {}, deadlineExceeded), 0), nothing)
    assert.deepStrictEqual(Failure.of(responseError(200, "Decode", {}, interrupted), 0), nothing)
    assert.strictEqual(codeOf(responseError(200, "Decode", {}, new Error("ECONNRESET"))), 502)
  })

  it("headers are read: Retry-After as seconds, milliseconds or a date, and x-should-retry", () => {
    const failure = (headers: Record<string, string>, now = 0) =>
      Failure.of(responseError(429, "StatusCode", headers), now)
    assert.deepStrictEqual(failure({ "retry-after": "7" }).retryAfter, Duration.seconds(7))
    assert.deepStrictEqual(failure({ "retry-after-ms": "250", "retry-after": "7" }).retryAfter, Duration.millis(250))
    const now = Date.UTC(2026, 7, 19, 14, 34, 17)
    const date = "Wed, 19 Aug 2026 14:34:47 GMT"
    assert.deepStrictEqual(failure({ "retry-after": date }, now).retryAfter, Duration.seconds(30))
    assert.deepStrictEqual(
      failure({ "retry-after": date, date: "Wed, 19 Aug 2026 14:34:42 GMT" }, now).retryAfter,
      Duration.seconds(5)
    )
    assert.strictEqual(failure({ "retry-after": "soon" }).retryAfter, undefined)
    assert.strictEqual(failure({ "x-should-retry": "true" }).shouldRetry, true)
    assert.strictEqual(failure({ "x-should-retry": "false" }).shouldRetry, false)
    assert.strictEqual(failure({ "x-should-retry": "maybe" }).shouldRetry, undefined)
  })

  it("Effect's TimeoutException is 504", () => {
    assert.deepStrictEqual(Failure.of(new Cause.TimeoutException(), 0), { ...nothing, code: 504, fallback: true })
  })

  it("everything else is neither retried nor failed over, and nothing throws", () => {
    for (
      const error of [
        undefined,
        null,
        503,
        "Unavailable",
        {},
        { _tag: "Unavailable", status: 503 },
        { status: 503, headers: { "x-should-retry": "true" } },
        new Error("503"),
        Object.create(null)
      ]
    ) {
      assert.deepStrictEqual(Failure.of(error, 0), nothing)
    }
  })
})
