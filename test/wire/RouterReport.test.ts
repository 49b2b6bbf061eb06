import { assert, describe, it } from "@effect/vitest"
import { Duration, Redacted } from "effect"
import { type Route, RouterError } from "effect-llm-router"
import * as RouterReport from "../../src/wire/RouterReport.js"

const written = {
  status: 503,
  code: "sk-secret",
  headers: { "x-a": "sk-secret" },
  body: Redacted.make("sk-secret")
}

const timeout = new RouterError.Timeout({ target: "a/x", phase: "idle", limit: Duration.millis(250) })
const limited = new RouterError.RateLimited({ ...written, status: 429, retryAfter: Duration.seconds(2) })

const errors: ReadonlyArray<RouterError.RouterError> = [
  timeout,
  limited,
  new RouterError.Unavailable({ ...written, retryBudgetExhausted: true }),
  new RouterError.Transport({ stage: "connect", code: "sk-secret" }),
  new RouterError.InvalidRequest({ issues: [{ path: "retry.count", message: "expected less" }] }),
  new RouterError.BreakerOpen({ target: "a/x", retryAfter: Duration.seconds(3) }),
  new RouterError.CoolingDown({ reason: "Auth", retryAfter: Duration.seconds(3) }),
  new RouterError.RateLimitExceeded({ unit: "tokens", limit: 5, retryAfter: Duration.seconds(3) }),
  new RouterError.ResponseTooLarge({ limit: "depth", maximum: 4 }),
  new RouterError.DeadlineExceeded({ limit: Duration.seconds(1) }),
  new RouterError.TemplateError({ reason: "syntax", line: 1, column: 2, issues: [] }),
  new RouterError.PromptNotFound({ promptId: "p", version: "2" }),
  RouterError.allTargetsFailed<RouterError.TargetError>([timeout, limited])
]

const passed = (value: unknown) => RouterReport.decode(JSON.parse(JSON.stringify(value)))

describe("a report of an error", () => {
  for (const error of errors) {
    it(`${error._tag} is the same on the other side, but for what a provider wrote`, () => {
      const report = RouterReport.encode(error)
      assert.notInclude(JSON.stringify(report), "secret")
      const decoded = passed(report)
      assert.strictEqual(decoded?._tag, error._tag)
      assert.isTrue(decoded !== undefined && RouterError.isRouterError(decoded))
      assert.deepStrictEqual(decoded && RouterReport.encode(decoded), report)
    })
  }

  it("keeps durations, targets and the failures of each target", () => {
    const decoded = passed(
      RouterReport.encode(RouterError.allTargetsFailed<RouterError.TargetError>([timeout, limited]))
    )
    assert.strictEqual(decoded?._tag, "AllTargetsFailed")
    if (decoded?._tag === "AllTargetsFailed") {
      const [first, second] = decoded.failures
      assert.strictEqual(first?.message, timeout.message)
      assert.strictEqual(second?._tag === "RateLimited" && Duration.toMillis(second.retryAfter!), 2000)
    }
  })

  it("shows nothing of a store or of an answer that was none", () => {
    for (
      const error of [
        new RouterError.BadResponse({ reason: "sk-secret" }),
        new RouterError.PromptInvalid({
          promptId: "p",
          file: "sk-secret",
          issues: [{ path: "x", message: "sk-secret" }]
        }),
        new RouterError.PromptUnavailable({ promptId: "p", reason: "sk-secret" })
      ]
    ) {
      const report = RouterReport.encode(error)
      assert.notInclude(JSON.stringify(report), "secret")
      assert.strictEqual(passed(report)?._tag, error._tag)
    }
  })

  it("of a stream is what interrupted it", () => {
    assert.strictEqual(passed({ _tag: "StreamInterrupted", cause: RouterReport.encode(timeout) })?._tag, "Timeout")
  })

  it("that is none is none", () => {
    const cycle: { _tag: string; failures: Array<unknown> } = { _tag: "AllTargetsFailed", failures: [] }
    cycle.failures.push(cycle)
    for (
      const report of [
        undefined,
        null,
        "RateLimited",
        [],
        {},
        { _tag: "Nothing" },
        { _tag: "Timeout", phase: "never", limit: 1 },
        { _tag: "Timeout", phase: "idle", limit: "x" },
        { _tag: "AllTargetsFailed", failures: [] },
        { _tag: "AllTargetsFailed", failures: [RouterReport.encode(timeout), {}] },
        { _tag: "AllTargetsFailed", failures: [{ _tag: "PromptNotFound", promptId: "p" }] },
        { _tag: "StreamInterrupted" },
        { _tag: "StreamInterrupted", cause: { _tag: "StreamInterrupted" } },
        cycle
      ]
    ) {
      assert.isUndefined(RouterReport.decode(report))
    }
  })

  it("of somebody hostile is short, in one line, and no wait without an end", () => {
    const target = `a/x\n\u001b[31m${"PROMPT ".repeat(10_000)}`
    const decoded = passed({ _tag: "RateLimited", target, retryAfter: 1e300 })
    assert.isBelow(decoded?.message.length ?? Infinity, 600)
    assert.notMatch(decoded?.message ?? "", /\p{Cc}/u)
    assert.strictEqual(decoded?._tag === "RateLimited" && Duration.toMillis(decoded.retryAfter!), 2 ** 31 - 1)
    const issues = Array.from({ length: 5000 }, (_, index) => ({ path: `x${index}`, message: "m".repeat(5000) }))
    const many = passed({ _tag: "InvalidRequest", issues })
    assert.isAtMost(many?._tag === "InvalidRequest" ? many.issues.length : Infinity, 1000)
    const deep = JSON.parse(`${"{\"failures\":[".repeat(50)}{}${"]}".repeat(50)}`) as unknown
    assert.isUndefined(passed({ _tag: "AllTargetsFailed", failures: [deep] }))
  })

  it("brings no headers, body or route of its own", () => {
    const decoded = passed({ _tag: "Unavailable", headers: { a: "b" }, body: "text", code: "c", route: {} })
    assert.deepStrictEqual({ ...decoded }, { _tag: "Unavailable" })
  })
})

describe("a route in a header", () => {
  const attempt = {
    target: "a/x",
    startedAtMillis: 1,
    durationMillis: 2,
    waitMillis: 3,
    outcome: "success",
    status: 200
  }
  const route: Route.Route = {
    served: "a/x",
    attempts: [attempt],
    skipped: [{ target: "b/x", reason: "BreakerOpen" }],
    cache: "miss",
    prompt: { id: "p", version: "1", variables: ["größe", "😀"] }
  }

  it("is visible ASCII and the same on the other side", () => {
    const header = RouterReport.encodeRoute(route)
    assert.match(header ?? "", /^[\x20-\x7e]+$/)
    assert.deepStrictEqual(RouterReport.decodeRoute(header), route)
  })

  it("that would be too long is not sent, and none is read", () => {
    const attempts = Array.from({ length: 100 }, () => attempt)
    assert.isUndefined(RouterReport.encodeRoute({ ...route, attempts }))
    assert.isUndefined(RouterReport.decodeRoute(JSON.stringify({ ...route, attempts })))
    const wrong = [{ waitMillis: -1 }, { durationMillis: 1e308 }, { target: "a\nb" }, { outcome: "\u001b[31m" }]
    const hostile = wrong.map((members) => JSON.stringify({ ...route, attempts: [{ ...attempt, ...members }] }))
    for (const header of [undefined, "", "{", "[]", "{\"attempts\":[{}]}", ...hostile]) {
      assert.isUndefined(RouterReport.decodeRoute(header))
    }
  })
})
