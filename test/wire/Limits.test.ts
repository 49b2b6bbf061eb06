import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { createGzip, gzipSync } from "node:zlib"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as Limits from "../../src/wire/Limits.js"
import * as Settle from "../../src/wire/Settle.js"
import { isStreamResponse } from "../../src/wire/StreamResponse.js"

const plain = HttpClientRequest.get(Testing.baseUrl("p"))
const streamed = HttpClientRequest.accept(plain, "text/event-stream")

const event = (json: unknown): string => `data: ${typeof json === "string" ? json : JSON.stringify(json)}\n\n`
const text = (content: string) => event({ choices: [{ index: 0, delta: { content } }] })
const finish = event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })
const completion = (content: string) =>
  JSON.stringify({ choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }] })

const events = (chunks: ReadonlyArray<string>, end: Testing.Ending = "complete") =>
  Testing.raw({ headers: { "content-type": "text/event-stream" }, chunks, end })

/** Reads what is to be read: a stream is committed when too much of it was held back. */
const drain = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void, RouterError.TargetError> =>
  isStreamResponse(response) ? Stream.runDrain(response.chunks) : Effect.void

/** Ends with the limit that was crossed, `"complete"`, or another error; the upstream is let go in any case. */
const ending = (answer: Testing.Answer, request: HttpClientRequest.HttpClientRequest, options: Settle.Options) =>
  Effect.gen(function*() {
    const { client, open } = yield* Testing.makeTransport({ p: answer })
    const end = yield* Settle.settle(options)(client).execute(request).pipe(
      Effect.flatMap(drain),
      Effect.match({
        onSuccess: () => "complete",
        onFailure: (error) => error instanceof RouterError.ResponseTooLarge ? [error.limit, error.maximum] : error._tag
      })
    )
    assert.strictEqual(yield* open, 0)
    return end
  })

describe("responseBytes", () => {
  const body = completion("x".repeat(500))
  const chunks = [text("a"), text("b"), finish]
  const length = chunks.join("").length

  it.effect("is the last size that is read, of a completion and of a stream", () =>
    Effect.gen(function*() {
      const json = Testing.raw({ body })
      const inParts = Testing.raw({ chunks: [...body] })
      for (const answer of [json, inParts, Testing.raw({ body, headers: { "content-length": String(body.length) } })]) {
        assert.strictEqual(yield* ending(answer, plain, { limits: { responseBytes: body.length } }), "complete")
        assert.deepStrictEqual(yield* ending(answer, plain, { limits: { responseBytes: body.length - 1 } }), [
          "bytes",
          body.length - 1
        ])
      }
      assert.strictEqual(yield* ending(events(chunks), streamed, { limits: { responseBytes: length } }), "complete")
      for (const commit of ["firstContent", "whole"] as const) {
        const end = yield* ending(events(chunks), streamed, { commit, limits: { responseBytes: length - 1 } })
        assert.deepStrictEqual(end, ["bytes", length - 1])
      }
    }))

  it.effect("counts comments, so that a stream of nothing else ends", () =>
    Effect.gen(function*() {
      const pings = events(Array.from({ length: 1000 }, () => ": ping\n\n"), "stall")
      for (const commit of ["firstContent", "whole"] as const) {
        assert.deepStrictEqual(yield* ending(pings, streamed, { commit, limits: { responseBytes: 5000 } }), [
          "bytes",
          5000
        ])
      }
    }))

  it.effect("may be infinite", () =>
    Effect.gen(function*() {
      const limits = { responseBytes: Infinity, eventBytes: Infinity, errorBodyBytes: Infinity, jsonDepth: Infinity }
      assert.strictEqual(yield* ending(Testing.raw({ body }), plain, { limits }), "complete")
      assert.strictEqual(yield* ending(events(chunks), streamed, { limits }), "complete")
    }))

  it.effect("holds where a clock watches the answer, too", () =>
    Effect.gen(function*() {
      const { client, open } = yield* Testing.makeTransport({ p: Testing.raw({ chunks: [...body], end: "stall" }) })
      const limited = client.pipe(Settle.settle({ limits: { responseBytes: 100 } }), Timeout.withIdleTimeout(1000))
      assert.instanceOf(yield* Effect.flip(limited.execute(plain)), RouterError.ResponseTooLarge)
      assert.strictEqual(yield* open, 0)
    }))
})

describe("eventBytes", () => {
  it.effect("is the length of one event, and of a line that never ends", () =>
    Effect.gen(function*() {
      const one = text("x".repeat(100))
      const own = one.trim().length + 1
      const answer = events([one, one, finish])
      assert.strictEqual(yield* ending(answer, streamed, { limits: { eventBytes: own } }), "complete")
      assert.deepStrictEqual(yield* ending(answer, streamed, { limits: { eventBytes: own - 2 } }), [
        "eventBytes",
        own - 2
      ])
      for (const endless of ["data: ", ": ", "x"]) {
        const line = events([endless, ...Array.from({ length: 100 }, () => "y".repeat(10))], "stall")
        assert.deepStrictEqual(yield* ending(line, streamed, { limits: { eventBytes: 500 } }), ["eventBytes", 500])
      }
    }))
})

describe("errorBodyBytes", () => {
  it.effect("is how much of an error is read and kept", () =>
    Effect.gen(function*() {
      for (const request of [plain, streamed]) {
        const { client, open } = yield* Testing.makeTransport({
          p: Testing.raw({ status: 503, chunks: [..."0123456789"], end: "stall" })
        })
        const error = yield* Effect.flip(Settle.settle({ limits: { errorBodyBytes: 4 } })(client).execute(request))
        assert.strictEqual(error._tag, "Unavailable")
        assert.strictEqual(error._tag === "Unavailable" && error.body && Redacted.value(error.body), "0123")
        assert.strictEqual(yield* open, 0)
      }
    }))
})

describe("jsonDepth", () => {
  it.effect("is how deep the JSON of an answer and of an event may be", () =>
    Effect.gen(function*() {
      // the object, its choices, the choice, the message
      const body = completion("x")
      assert.strictEqual(yield* ending(Testing.raw({ body }), plain, { limits: { jsonDepth: 4 } }), "complete")
      assert.deepStrictEqual(yield* ending(Testing.raw({ body }), plain, { limits: { jsonDepth: 3 } }), ["depth", 3])
      const answer = events([text("x"), finish])
      assert.strictEqual(yield* ending(answer, streamed, { limits: { jsonDepth: 4 } }), "complete")
      assert.deepStrictEqual(yield* ending(answer, streamed, { limits: { jsonDepth: 3 } }), ["depth", 3])
    }))
})

describe("limits", () => {
  it("that are not given are the defaults, each for itself", () => {
    assert.deepStrictEqual(Limits.make(), Limits.defaults)
    assert.deepStrictEqual(Limits.make({ eventBytes: 7, jsonDepth: undefined }), { ...Limits.defaults, eventBytes: 7 })
    assert.deepStrictEqual(Limits.defaults, {
      responseBytes: 67_108_864,
      eventBytes: 16_777_216,
      errorBodyBytes: 65_536,
      jsonDepth: 128
    })
  })

  it("that are no numbers above 0 are named, wherever they are given", () => {
    for (const name of Object.keys(Limits.defaults)) {
      for (const wrong of [0, -1, Number.NaN, -Infinity, null, "1000", [1000]]) {
        const limits = JSON.parse("{}") as Partial<Limits.Limits>
        Object.assign(limits, { [name]: wrong })
        for (const build of [() => Limits.make(limits), () => Settle.settle({ limits })]) {
          try {
            build()
            assert.fail(`${name}: ${String(wrong)}`)
          } catch (error) {
            assert.instanceOf(error, RouterError.InvalidRequest)
            assert.deepStrictEqual(error.issues, [{ path: `limits.${name}`, message: "expected a number above 0" }])
          }
        }
      }
    }
  })
})

describe("decompressed bytes, over a real socket", () => {
  const mebibyte = 1024 * 1024

  /** Compressed 100 MiB of one byte: about 100 KB. Made a part at a time, so that the test itself holds none of it. */
  const bomb = Effect.promise(async () => {
    const gzip = createGzip()
    const parts: Array<Uint8Array> = []
    gzip.on("data", (part: Uint8Array) => parts.push(part))
    const zeros = Buffer.alloc(mebibyte)
    for (let count = 0; count < 100; count++) {
      await new Promise<void>((resolve, reject) => gzip.write(zeros, (error) => error ? reject(error) : resolve()))
    }
    await new Promise<void>((resolve) => gzip.end(resolve))
    return Buffer.concat(parts)
  })

  const over = (status: number, type: string, body: Uint8Array) =>
    Effect.gen(function*() {
      const server = yield* Testing.serve({
        p: Testing.raw({
          status,
          headers: { "content-type": type, "content-encoding": "gzip" },
          // the connection stays open behind it: only the client can close it
          chunks: [body],
          end: "stall"
        })
      })
      return { server, client: yield* HttpClient.HttpClient, url: server.baseUrl("p") }
    })

  /** Runs it while the memory is watched; how far it grew at most, in bytes. */
  const growth = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function*() {
      const used = () => {
        const { arrayBuffers, heapUsed } = process.memoryUsage()
        return arrayBuffers + heapUsed
      }
      const before = used()
      let most = 0
      const timer = setInterval(() => most = Math.max(most, used() - before), 2)
      const value = yield* Effect.ensuring(effect, Effect.sync(() => clearInterval(timer)))
      return [value, Math.max(most, used() - before)] as const
    })

  for (
    const [name, accept, type] of [
      ["a completion", "application/json", "application/json"],
      ["a stream", "text/event-stream", "text/event-stream"]
    ] as const
  ) {
    it.scopedLive(
      `${name} of 100 MiB in 100 KB is too large, its socket is closed, and it is not held in memory`,
      () =>
        Effect.gen(function*() {
          const body = yield* bomb
          assert.isBelow(body.length, mebibyte / 4)
          const { client, server, url } = yield* over(200, type, body)
          const request = HttpClientRequest.accept(HttpClientRequest.get(url), accept)
          // an endless line is an event that is too long, unless the answer is too long before
          const limits = { responseBytes: 8 * mebibyte, eventBytes: 100 * mebibyte }
          const [error, grown] = yield* growth(
            Effect.flip(Effect.flatMap(Settle.settle({ limits })(client).execute(request), drain))
          )
          assert.instanceOf(error, RouterError.ResponseTooLarge)
          assert.deepStrictEqual([error.limit, error.maximum], ["bytes", 8 * mebibyte])
          assert.isBelow(grown, 64 * mebibyte)
          yield* server.awaitAborted(0)
          assert.strictEqual(yield* server.open, 0)
        }).pipe(Effect.provide(FetchHttpClient.layer)),
      60_000
    )
  }

  it.scopedLive(
    "with the default limits a completion is too large after 64 MiB, a stream after one event of 16",
    () =>
      Effect.gen(function*() {
        const body = yield* bomb
        const ends: Array<unknown> = []
        for (const accept of ["application/json", "text/event-stream"]) {
          const { client, server, url } = yield* over(200, accept, body)
          const request = HttpClientRequest.accept(HttpClientRequest.get(url), accept)
          const error = yield* Effect.flip(Effect.flatMap(Settle.settle()(client).execute(request), drain))
          ends.push(error instanceof RouterError.ResponseTooLarge ? [error.limit, error.maximum] : error._tag)
          yield* server.awaitAborted(0)
        }
        assert.deepStrictEqual(ends, [["bytes", 64 * mebibyte], ["eventBytes", 16 * mebibyte]])
      }).pipe(Effect.provide(FetchHttpClient.layer)),
    60_000
  )

  it.scopedLive("an error of 100 MiB keeps its class and the first part of its body", () =>
    Effect.gen(function*() {
      const body = yield* bomb
      const { client, server, url } = yield* over(429, "text/plain", body)
      const settled = Settle.settle({ limits: { errorBodyBytes: 1000 } })(client)
      const [error, grown] = yield* growth(Effect.flip(settled.execute(HttpClientRequest.get(url))))
      assert.strictEqual(error._tag, "RateLimited")
      assert.strictEqual(error._tag === "RateLimited" && error.body && Redacted.value(error.body).length, 1000)
      assert.isBelow(grown, 64 * mebibyte)
      yield* server.awaitAborted(0)
    }).pipe(Effect.provide(FetchHttpClient.layer)), 60_000)

  it.scopedLive("what is promised of compressed bytes is no promise", () =>
    Effect.gen(function*() {
      const body = gzipSync(completion("x".repeat(10_000)))
      const server = yield* Testing.serve({
        p: Testing.raw({
          headers: {
            "content-type": "application/json",
            "content-encoding": "gzip",
            "content-length": String(body.length)
          },
          body
        })
      })
      const client = yield* HttpClient.HttpClient
      const end = (responseBytes: number) =>
        Effect.either(Settle.settle({ limits: { responseBytes } })(client).get(server.baseUrl("p")))
      assert.isBelow(body.length, 1000)
      assert.strictEqual((yield* end(1000))._tag, "Left")
      assert.strictEqual((yield* end(20_000))._tag, "Right")
    }).pipe(Effect.provide(FetchHttpClient.layer)))
})
