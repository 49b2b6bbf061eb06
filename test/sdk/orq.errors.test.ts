/** The error classes of the published SDK against the gateway, and what happens when its caller leaves. */
import { assert, describe, it } from "@effect/vitest"
import {
  APIError,
  ConnectionError,
  RequestAbortedError,
  RequestTimeoutError,
  SDKValidationError
} from "@orq-ai/node/models/errors/index.js"
import { Effect } from "effect"
import * as Testing from "effect-llm-router/Testing"
import { gateway } from "../support/gateway.js"
import { closesInTime, inTime } from "../support/live.js"
import { asStream, clients, messages, open, textOf } from "../support/orq.js"
import { attempt, idle, rejects } from "../support/sdk.js"

const request = { model: "a/x", messages }

/** What is in the body of an error: the SDK gives it as text. */
const errorIn = ({ body }: APIError) =>
  (JSON.parse(body) as { readonly error: Readonly<Record<string, unknown>> }).error

for (const client of clients) {
  describe(`${client.name}: an error`, () => {
    for (
      const [name, status, code, body, answer] of [
        ["a field out of bounds", 400, "invalid_request_body", { retry: { count: 99 } }, Testing.hang],
        ["an unknown provider", 404, "model_not_found", { model: "Model 3" }, Testing.hang],
        ["a limit", 429, "rate_limit_exceeded", {}, Testing.status(429, { retryAfter: 7 })],
        ["a key that the provider refuses", 502, "provider_refused_key", {}, Testing.status(401)],
        ["a provider that is down", 503, "service_unavailable", {}, Testing.status(500)],
        ["a provider that takes too long", 504, "provider_timeout", { timeout: { callTimeout: 50 } }, Testing.hang]
      ] as const
    ) {
      for (const stream of [false, true]) {
        it.scopedLive(`${status}: ${name} (stream: ${stream})`, () =>
          Effect.gen(function*() {
            const { create } = yield* open(client, { "a/x": answer })
            const error = yield* rejects(APIError, () => create({ ...request, ...body, stream }))
            assert.strictEqual(error.statusCode, status)
            assert.strictEqual(errorIn(error).code, code)
            assert.strictEqual(error.contentType, "application/json")
            assert.match(error.headers.get("x-request-id") ?? "", /^req_/)
            assert.strictEqual(error.headers.get("retry-after"), { 429: "7", 503: "1" }[String(status)] ?? null)
          }))
      }
    }

    it.scopedLive("401: a wrong key", () =>
      Effect.gen(function*() {
        const running = yield* open(client, { "a/x": Testing.hang })
        const error = yield* rejects(APIError, () => client.make(running, "another")(request))
        assert.strictEqual(error.statusCode, 401)
        assert.strictEqual(errorIn(error).code, "invalid_api_key")
        assert.notInclude(error.message, "another")
      }))

    it.scopedLive("403, 413: a client of another machine, a body that is too large", () =>
      Effect.gen(function*() {
        const small = yield* gateway({ "a/x": Testing.hang }, { maxBodyBytes: 20 })
        const large = yield* rejects(APIError, () => client.make(small)(request))
        assert.strictEqual(large.statusCode, 413)
        // it is this machine, but no name of it
        const foreign = client.make({ url: `http://0.0.0.0:${small.port}` })
        const refused = yield* rejects(APIError, () => foreign(request))
        assert.strictEqual(refused.statusCode, 403)
      }))

    it.scopedLive("what the SDK itself refuses is never sent", () =>
      Effect.gen(function*() {
        const { create, upstream } = yield* open(client, { "a/x": Testing.hang })
        const cache = JSON.parse("{\"ttl\":5}") as { readonly type: "exact_match" }
        yield* rejects(SDKValidationError, () => create({ ...request, cache }))
        assert.strictEqual((yield* upstream.calls).length, 0)
      }))

    it.scopedLive("no gateway there", () =>
      Effect.gen(function*() {
        const running = yield* gateway({ "a/x": Testing.hang })
        yield* running.end
        yield* rejects(ConnectionError, () => client.make(running)(request))
      }))

    it.scopedLive("in the middle of a stream is thrown after what came before", () =>
      Effect.gen(function*() {
        const { create } = yield* open(client, {
          "a/x": Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "reset" } })
        })
        const texts: Array<unknown> = []
        const error = yield* rejects(Error, async () => {
          for await (const { data } of asStream(await create({ ...request, stream: true }))) {
            texts.push(data?.choices[0]?.delta.content)
          }
        })
        // the SDK has no class for it: the event does not fit its schema of a chunk
        assert.strictEqual(error.name, "ZodError")
        assert.deepStrictEqual(texts, ["", "Hel"])
      }))
  })

  describe(`${client.name}: a caller that leaves`, () => {
    inTime("whose time is over closes the upstream", () =>
      Effect.gen(function*() {
        const running = yield* open(client, { "a/x": Testing.hang })
        yield* rejects(RequestTimeoutError, () => running.create(request, { timeoutMs: 200 }))
        yield* closesInTime(running.upstream)
        yield* idle(running)
      }))

    inTime("that aborts closes the upstream", () =>
      Effect.gen(function*() {
        const running = yield* open(client, { "a/x": Testing.hang })
        const controller = new AbortController()
        const asked = yield* Effect.fork(
          rejects(RequestAbortedError, () => running.create(request, { signal: controller.signal }))
        )
        yield* running.upstream.awaitCall(0)
        controller.abort()
        yield* closesInTime(running.upstream)
        yield* asked
        yield* idle(running)
      }))

    inTime("that breaks out of the loop closes the upstream", () =>
      Effect.gen(function*() {
        const running = yield* open(client, {
          "a/x": Testing.stream(Array.from({ length: 1000 }, () => "Hel"), { between: "5 millis" })
        })
        yield* attempt(async () => {
          for await (const _ of asStream(await running.create({ ...request, stream: true }))) {
            break
          }
        })
        yield* closesInTime(running.upstream)
        yield* idle(running)
      }))
  })

  describe(`${client.name}: the SDK's own retries`, () => {
    it.scopedLive("wait as long as the gateway says", () =>
      Effect.gen(function*() {
        const { create, upstream } = yield* open(client, {
          "a/x": [Testing.status(429, { retryAfter: 1 }), Testing.completion("Hello")]
        })
        const begun = performance.now()
        const backoff = { initialInterval: 1, maxInterval: 5000, exponent: 1.5, maxElapsedTime: 10_000 }
        const completion = yield* attempt(() => create(request, { retries: { strategy: "backoff", backoff } }))
        assert.strictEqual(textOf(completion), "Hello")
        assert.isAtLeast(performance.now() - begun, 990)
        assert.strictEqual((yield* upstream.calls).length, 2)
      }))
  })
}
