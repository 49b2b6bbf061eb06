/** The wire over real sockets, with the transports that people use. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { gzipSync } from "node:zlib"
import { CallScope } from "../../src/internal/callScope.js"
import * as OpenAiCompatible from "../../src/provider/OpenAiCompatible.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as Transport from "../../src/Transport.js"
import type * as Chunk from "../../src/wire/Chunk.js"
import { isCompletionResponse } from "../../src/wire/CompletionResponse.js"
import * as RequestBody from "../../src/wire/RequestBody.js"
import * as Settle from "../../src/wire/Settle.js"
import { isStreamResponse, type StreamResponse } from "../../src/wire/StreamResponse.js"

const transports = {
  fetch: FetchHttpClient.layer,
  undici: NodeHttpClient.layerUndici,
  "the lean transport": Transport.layerUndici()
} as const

const request = HttpClientRequest.post("http://router.invalid/", {
  body: RequestBody.fromJson({ messages: [{ role: "user", content: "grün 😀" }] })
})
const streamed = HttpClientRequest.accept(request, "text/event-stream")

const event = (json: unknown): string => `data: ${typeof json === "string" ? json : JSON.stringify(json)}\n\n`
const text = (content: string) => event({ choices: [{ index: 0, delta: { content } }] })
const role = event({ choices: [{ index: 0, delta: { role: "assistant", content: "" } }] })
const finish = event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })
const failed = event({ error: { message: "m", code: "rate_limit_exceeded" } })

const reads = (chunks: ReadonlyArray<string | Uint8Array>, end: Testing.Ending = "complete") =>
  Testing.raw({ headers: { "content-type": "text/event-stream" }, chunks, end })

/** The model `m` of a provider on the server, with a key. */
const target = (server: Testing.LoopbackServer) =>
  Effect.map(HttpClient.HttpClient, (transport) => {
    const provider = OpenAiCompatible.make({
      baseUrl: server.baseUrl("p"),
      apiKey: Redacted.make("sk-secret"),
      headers: { "api-key": "sk-secret" }
    })
    return provider.client(transport)("m").pipe(Settle.settle({ target: "p/m", secrets: provider.secrets }))
  })

const begin = (answer: Testing.Answer, inbound: HttpClientRequest.HttpClientRequest) =>
  Effect.gen(function*() {
    const server = yield* Testing.serve({ "*": answer })
    const client = yield* target(server)
    return { server, response: client.execute(inbound) }
  })

const toStream = (response: HttpClientResponse.HttpClientResponse): StreamResponse =>
  isStreamResponse(response) ? response : assert.fail("it is no stream")

const contentOf = (chunks: Iterable<Chunk.Chunk>): string =>
  Array.from(chunks).flatMap((chunk) => chunk.choices.map(({ delta }) => delta.content ?? "")).join("")

/** What arrives, and with what the stream ends. */
const consume = (response: StreamResponse) =>
  Effect.gen(function*() {
    const chunks: Array<Chunk.Chunk> = []
    const end = yield* Effect.either(Stream.runForEach(response.chunks, (chunk) =>
      Effect.sync(() => {
        chunks.push(chunk)
      })))
    return [contentOf(chunks), end._tag === "Left" ? end.left._tag : "complete"] as const
  })

for (const [name, layer] of Object.entries(transports)) {
  describe(name, () => {
    const live = <A, E>(effect: Effect.Effect<A, E, HttpClient.HttpClient | Scope.Scope>) =>
      Effect.provide(effect, layer)

    it.scopedLive("a completion, in one piece or in many", () =>
      live(Effect.gen(function*() {
        const body = JSON.stringify({
          choices: [{ index: 0, message: { role: "assistant", content: "grün 😀" }, finish_reason: "stop" }]
        })
        const bytes = Array.from(new TextEncoder().encode(body), (byte) => Uint8Array.of(byte))
        for (const answer of [Testing.raw({ body }), Testing.raw({ chunks: ["\n  \n", ...bytes] })]) {
          const { response, server } = yield* begin(answer, request)
          const settled = yield* response
          assert.isTrue(isCompletionResponse(settled))
          assert.strictEqual((yield* settled.text).trim(), body)
          const [call] = yield* server.calls
          assert.deepStrictEqual(call?.body, { messages: [{ role: "user", content: "grün 😀" }], model: "m" })
          assert.strictEqual(call?.headers["authorization"], "Bearer sk-secret")
          assert.isUndefined(call?.headers["traceparent"])
        }
      })))

    it.scopedLive("statuses and broken bodies", () =>
      live(Effect.gen(function*() {
        const table: ReadonlyArray<readonly [Testing.Answer, RouterError.TargetError["_tag"]]> = [
          [Testing.status(401), "Auth"],
          [Testing.status(429, { code: "insufficient_quota" }), "QuotaExhausted"],
          [Testing.status(503, { body: "" }), "Unavailable"],
          [Testing.raw({ status: 204 }), "EmptyCompletion"],
          [Testing.raw({ body: "<html></html>" }), "BadResponse"],
          [Testing.raw({ body: "{\"error\":{\"code\":\"invalid_api_key\"}}" }), "Auth"],
          [Testing.raw({ chunks: ["{\"choices\":["], end: "reset" }), "Transport"],
          [Testing.reset, "Transport"]
        ]
        for (const [answer, expected] of table) {
          const { response } = yield* begin(answer, request)
          assert.strictEqual((yield* Effect.flip(response))._tag, expected)
        }
      })))

    it.scopedLive("nobody there is a failure of the connect stage", () =>
      live(Effect.gen(function*() {
        const scope = yield* Scope.make()
        const server = yield* Scope.extend(Testing.serve({}), scope)
        yield* Scope.close(scope, Exit.void)
        const error = yield* Effect.flip((yield* target(server)).execute(request))
        assert.deepStrictEqual(
          error,
          new RouterError.Transport({ target: "p/m", stage: "connect", code: "ECONNREFUSED" })
        )
      })))

    it.scopedLive("of an error body 64 KiB are read, then the connection is closed", () =>
      live(Effect.gen(function*() {
        const { response, server } = yield* begin(
          Testing.raw({ status: 500, chunks: Array.from({ length: 200 }, () => "x".repeat(10_000)), end: "stall" }),
          request
        )
        const error = yield* Effect.flip(response)
        assert.instanceOf(error, RouterError.Unavailable)
        assert.strictEqual(error.body === undefined ? 0 : Redacted.value(error.body).length, 65_536)
        yield* server.awaitAborted(0)
      })))

    it.scopedLive("no redirect is followed, whatever its status: the key stays here", () =>
      live(Effect.gen(function*() {
        for (const status of [301, 302, 303, 307, 308]) {
          const other = yield* Testing.serve({ "*": Testing.completion("stolen") })
          for (const inbound of [request, streamed]) {
            const { response, server } = yield* begin(
              Testing.raw({ status, headers: { location: `${other.url}/p/v1/chat/completions?api_key=x` } }),
              inbound
            )
            const error = yield* Effect.flip(
              Effect.provideService(response, FetchHttpClient.RequestInit, { redirect: "follow" })
            )
            assert.instanceOf(error, RouterError.BadResponse)
            assert.strictEqual(error.status, status)
            assert.isUndefined(error.headers?.["location"], "the location has a key in it")
            assert.lengthOf(yield* server.calls, 1)
            assert.lengthOf(yield* other.calls, 0)
          }
        }
      })))

    it.scopedLive("a stream, and the socket is used again after it", () =>
      live(Effect.gen(function*() {
        const { response, server } = yield* begin(Testing.stream(["Hel", "lo ", "grün 😀"]), streamed)
        for (let i = 0; i < 3; i++) {
          assert.deepStrictEqual(yield* Effect.flatMap(response, (_) => consume(toStream(_))), [
            "Hello grün 😀",
            "complete"
          ])
        }
        assert.deepStrictEqual((yield* server.calls).map((call) => call.aborted), [false, false, false])
      })))

    it.scopedLive("a stream byte by byte", () =>
      live(Effect.gen(function*() {
        const bytes = new TextEncoder().encode([role, text("grün 😀"), finish].join("").replaceAll("\n", "\r\n"))
        const { response } = yield* begin(reads(Array.from(bytes, (byte) => Uint8Array.of(byte))), streamed)
        assert.deepStrictEqual(yield* Effect.flatMap(response, (_) => consume(toStream(_))), ["grün 😀", "complete"])
      })))

    it.scopedLive("failures before the commit point, and none of them leaves the request open", () =>
      live(Effect.gen(function*() {
        const table: ReadonlyArray<readonly [Testing.Answer, RouterError.TargetError["_tag"]]> = [
          [reads([role, failed], "stall"), "RateLimited"],
          [reads([role, event("{")], "stall"), "BadResponse"],
          [reads([role], "reset"), "Transport"],
          [reads([role]), "StreamTruncated"],
          [reads([]), "EmptyCompletion"],
          [Testing.raw({ status: 204 }), "EmptyCompletion"],
          [Testing.raw({ status: 204, headers: { "content-type": "text/event-stream" } }), "EmptyCompletion"],
          [Testing.raw({ status: 304 }), "BadResponse"],
          [Testing.completion("Hello"), "BadResponse"],
          [Testing.raw({ headers: { "content-type": "application/json" }, body: "{\"error\":{\"code\":401}}" }), "Auth"]
        ]
        for (const [answer, expected] of table) {
          const { response, server } = yield* begin(answer, streamed)
          assert.strictEqual((yield* Effect.flip(response))._tag, expected)
          if (answer._tag === "Reply" && answer.end === "stall") {
            yield* server.awaitAborted(0)
          }
        }
      })))

    it.scopedLive("failures after the commit point", () =>
      live(Effect.gen(function*() {
        const table: ReadonlyArray<readonly [Testing.Answer, readonly [string, string]]> = [
          [reads([role, text("Hel"), failed], "stall"), ["Hel", "RateLimited"]],
          [reads([text("Hel")], "reset"), ["Hel", "Transport"]],
          [reads([text("Hel")]), ["Hel", "StreamTruncated"]],
          [reads([text("Hel"), "data: [DONE]\n\n"], "stall"), ["Hel", "StreamTruncated"]],
          [reads([text("Hello"), finish], "reset"), ["Hello", "complete"]],
          [reads([text("Hello"), finish, "data: [DONE]\n\n", failed], "stall"), ["Hello", "complete"]]
        ]
        for (const [answer, expected] of table) {
          const { response, server } = yield* begin(answer, streamed)
          assert.deepStrictEqual(yield* Effect.flatMap(response, (_) => consume(toStream(_))), expected)
          if (answer._tag === "Reply" && answer.end === "stall") {
            yield* server.awaitAborted(0)
          }
        }
      })))

    it.scopedLive("a consumer that stops closes the socket", () =>
      live(Effect.gen(function*() {
        const { response, server } = yield* begin(reads([text("a"), text("b")], "stall"), streamed)
        const taken = yield* Effect.flatMap(response, (_) => Stream.runCollect(Stream.take(toStream(_).chunks, 1)))
        assert.strictEqual(contentOf(taken), "a")
        yield* server.awaitAborted(0)
      })))

    it.scopedLive("interruption closes the socket: before the headers, before the commit point, while reading", () =>
      live(Effect.gen(function*() {
        const committed = reads([text("a")], "stall")
        for (const answer of [Testing.hang, reads([role], "stall"), committed]) {
          const { response, server } = yield* begin(answer, streamed)
          const reading = yield* Deferred.make<void>()
          const fiber = yield* Effect.fork(
            Effect.flatMap(
              response,
              (_) => Stream.runForEach(toStream(_).chunks, () => Deferred.succeed(reading, undefined))
            )
          )
          yield* server.awaitCall(0)
          if (answer === committed) {
            yield* Deferred.await(reading)
          }
          assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
          yield* server.awaitAborted(0)
        }
      })))

    it.scopedLive("a stream that nobody reads is closed with its call", () =>
      live(Effect.gen(function*() {
        const { response, server } = yield* begin(reads([text("a")], "stall"), streamed)
        const scope = yield* Scope.make()
        yield* Effect.provideService(response, CallScope, scope)
        assert.strictEqual(yield* server.open, 1)
        yield* Scope.close(scope, Exit.void)
        yield* server.awaitAborted(0)
      })))
  })
}

describe("compression", () => {
  it.scopedLive("what is counted are the bytes after it: 70 MiB in 70 KB are too many", () =>
    Effect.gen(function*() {
      const bomb = gzipSync(Buffer.alloc(70 * 1024 * 1024, " "))
      const headers = {
        "content-type": "application/json",
        "content-encoding": "gzip",
        "content-length": String(bomb.length)
      }
      const { response } = yield* begin(Testing.raw({ headers, body: bomb }), request)
      const error = yield* Effect.flip(response)
      assert.instanceOf(error, RouterError.ResponseTooLarge)
      assert.strictEqual(error.limit, "bytes")
    }).pipe(Effect.provide(FetchHttpClient.layer)), 60_000)

  it.scopedLive("a compressed stream is read as any other", () =>
    Effect.gen(function*() {
      const body = gzipSync(role + text("Hello") + finish)
      const headers = { "content-type": "text/event-stream", "content-encoding": "gzip" }
      const { response } = yield* begin(Testing.raw({ headers, body }), streamed)
      assert.deepStrictEqual(yield* Effect.flatMap(response, (_) => consume(toStream(_))), ["Hello", "complete"])
    }).pipe(Effect.provide(FetchHttpClient.layer)))
})
