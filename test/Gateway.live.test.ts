import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Stream } from "effect"
import { ChatCompletions, Route } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { connect, errorOf, gateway, json, post, raw, send, start, v1 } from "./support/gateway.js"
import { closesInTime, inTime, steady } from "./support/live.js"

const messages = [{ role: "user", content: "Hello" }]
const request = { model: "a/x", messages }
const streamed = { ...request, stream: true }

/** Waits until nothing is under way, a second at most. */
const idle = (running: { readonly inFlight: Effect.Effect<number> }) =>
  running.inFlight.pipe(
    Effect.filterOrFail((count) => count === 0),
    Effect.retry({ times: 200, schedule: Schedule.spaced("5 millis") }),
    Effect.asVoid
  )

describe("a client that leaves", () => {
  inTime("closes the connection to the provider: JSON", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.hang })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, request))
      yield* running.upstream.awaitCall(0)
      socket.destroy()
      yield* closesInTime(running.upstream)
      yield* idle(running)
    }))

  inTime("closes the connection to the provider: before the first content of a stream", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.stream(["Hel"], { cut: { after: 1, how: "stall" } }) })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, streamed))
      yield* running.upstream.awaitCall(0)
      socket.destroy()
      yield* closesInTime(running.upstream)
      yield* idle(running)
    }))

  inTime("closes the connection to the provider: in a stream that stalls", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.stream(["Hel"], { cut: { after: 2, how: "stall" } }) })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, streamed))
      yield* socket.until("Hel")
      socket.destroy()
      yield* closesInTime(running.upstream)
      yield* idle(running)
    }))

  inTime("closes the connection to the provider: in a stream that flows", () =>
    Effect.gen(function*() {
      const running = yield* gateway({
        "a/x": Testing.stream(Array.from({ length: 1000 }, () => "Hel"), { between: "5 millis" })
      })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, streamed))
      yield* socket.until("Hel")
      socket.destroy()
      yield* closesInTime(running.upstream)
      yield* idle(running)
    }))

  inTime("ends a retry that waits", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.status(503) })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, { ...request, retry: { count: 5 } }))
      yield* running.upstream.awaitCall(0)
      yield* Effect.sleep("20 millis")
      socket.destroy()
      yield* idle(running)
    }))

  inTime("takes the requests with it that wait behind its first one", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.hang })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, request) + raw(v1, request) + raw(v1, streamed))
      yield* running.upstream.awaitCall(2)
      socket.destroy()
      for (const index of [0, 1, 2]) {
        yield* closesInTime(running.upstream, index)
      }
      yield* idle(running)
    }))

  it.scopedLive("while it sends its body is forgotten", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.hang })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, request).slice(0, -5))
      yield* Effect.repeat(running.inFlight, { until: (count) => count === 1, schedule: Schedule.spaced("5 millis") })
      socket.destroy()
      yield* idle(running)
      assert.strictEqual((yield* running.upstream.calls).length, 0)
    }))
})

describe("no more than so many requests", () => {
  it.scopedLive("are under way; the next one hears when to come again", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello", { delay: "150 millis" }) }, {
        maxInFlight: 2
      })
      const fibers = yield* Effect.forEach([0, 1], () => Effect.fork(post(running, request)))
      yield* running.upstream.awaitCall(1)
      const refused = yield* post(running, request)
      assert.deepStrictEqual(errorOf(refused), {
        status: 503,
        type: "server_error",
        param: null,
        code: "too_many_requests_in_flight"
      })
      assert.strictEqual(refused.headers.get("retry-after"), "1")
      assert.strictEqual((yield* send(`${running.url}/health`)).status, 200)
      assert.deepStrictEqual((yield* Fiber.join(Fiber.all(fibers))).map(({ status }) => status), [200, 200])
      assert.strictEqual((yield* post(running, request)).status, 200)
      assert.strictEqual((yield* running.upstream.calls).length, 3)
    }))

  it.scopedLive("a stream is under way until its end", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.stream(["Hel", "lo"], { between: "100 millis" }) }, {
        maxInFlight: 1
      })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, streamed))
      yield* socket.until("Hel")
      assert.strictEqual((yield* post(running, request)).status, 503)
      yield* socket.until("[DONE]")
      yield* idle(running)
      assert.strictEqual((yield* post(running, streamed)).status, 200)
    }))
})

describe("hostile clients", () => {
  const http = { headersTimeout: "150 millis", requestTimeout: "300 millis" } as const

  it.scopedLive("slow headers end with a 408", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") }, { http })
      const socket = yield* connect(running.port)
      socket.write("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-a")
      const drip = yield* Effect.fork(Effect.forever(Effect.zipRight(
        Effect.sleep("20 millis"),
        Effect.sync(() => socket.write("a"))
      )))
      assert.match(yield* socket.closed, /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/)
      yield* Fiber.interrupt(drip)
      assert.strictEqual((yield* post(running, request)).status, 200)
    }))

  it.scopedLive("a slow body ends, and is forgotten", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") }, { http })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, request).slice(0, -5))
      assert.match(yield* socket.closed, /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/)
      yield* idle(running)
      assert.strictEqual((yield* running.upstream.calls).length, 0)
    }))

  for (
    const [name, text, answer] of [
      [
        "large headers",
        `GET /health HTTP/1.1\r\nhost: localhost\r\nx-a: ${"a".repeat(20_000)}\r\n\r\n`,
        /^HTTP\/1\.1 431 [^]*"headers_too_large"/
      ],
      ["no HTTP", "\u0016\u0003\u0001 hello\r\n\r\n", /^HTTP\/1\.1 400 [^]*"bad_request"/],
      [
        "two lengths",
        `POST ${v1} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`,
        /^HTTP\/1\.1 400 /
      ],
      [
        "garbage behind a request",
        `GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n\u0000\u0001garbage\r\n\r\n`,
        /^HTTP\/1\.1 200 [^]*"status":"ok"[^]*HTTP\/1\.1 400 [^]*"bad_request"/
      ],
      [
        "a header with a line break",
        `GET /health HTTP/1.1\r\nhost: localhost\r\nx-request-id: a\rb\r\n\r\n`,
        /^HTTP\/1\.1 400 /
      ]
    ] as const
  ) {
    it.scopedLive(`${name}: the connection ends, the gateway goes on`, () =>
      Effect.gen(function*() {
        const running = yield* gateway({ "a/x": Testing.completion("Hello") })
        const socket = yield* connect(running.port)
        socket.write(text)
        const heard = yield* socket.closed
        assert.match(heard, answer)
        assert.notInclude(heard, "Error")
        assert.strictEqual((yield* post(running, request)).status, 200)
      }))
  }

  it.scopedLive("a body that is announced as endless, or that is, is not read", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") }, { maxBodyBytes: 1000 })
      const head = `POST ${v1} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`
      const announced = yield* connect(running.port)
      announced.write(`${head}content-length: 1000000000\r\n\r\n{`)
      assert.match(yield* announced.closed, /^HTTP\/1\.1 413 [^]*connection: close/)
      const endless = yield* connect(running.port)
      endless.write(`${head}transfer-encoding: chunked\r\n\r\n`)
      const drip = yield* Effect.fork(Effect.forever(Effect.zipRight(
        Effect.sleep("5 millis"),
        Effect.sync(() => endless.write(`64\r\n${"x".repeat(100)}\r\n`))
      )))
      yield* endless.closed
      yield* Fiber.interrupt(drip)
      yield* idle(running)
    }))

  it.scopedLive("a header of the answer never repeats what is no header", () =>
    Effect.gen(function*() {
      const running = yield* gateway({
        "a/x": Testing.completion("Hello"),
        "a/x\r\nx-evil: 1": Testing.completion("Hello")
      })
      const answered = yield* post(running, { ...request, model: "a/x\r\nx-evil: 1" })
      assert.strictEqual(answered.status, 200)
      assert.isNull(answered.headers.get("x-evil"))
      assert.isNull(answered.headers.get("x-router-model"))
      const socket = yield* connect(running.port)
      socket.write(`GET /health HTTP/1.1\r\nhost: localhost\r\nx-request-id: ${"é"}\r\n\r\n`)
      assert.match(yield* socket.until("}"), /^HTTP\/1\.1 200 /)
    }))

  it.scopedLive("members with the names of prototypes are members", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") })
      const body = `{"__proto__":{"model":"b/y"},"constructor":1,"model":"a/x","messages":[]}`
      const answered = yield* send(running.url + v1, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body
      })
      assert.strictEqual(answered.status, 200)
    }))

  it.scopedLive("many at a time leave nothing behind", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") }, { maxBodyBytes: 100_000 })
      yield* Effect.forEach(Array.from({ length: 60 }, (_, index) => index), (index) =>
        Effect.scoped(Effect.gen(function*() {
          const socket = yield* connect(running.port)
          const text = raw(v1, { ...request, user: "x".repeat(index * 3000) })
          socket.write(text.slice(0, 50 + Math.floor(text.length * (index % 7) / 6)))
          yield* Effect.sleep("10 millis")
        })), { concurrency: 20 })
      yield* idle(running)
      assert.strictEqual((yield* post(running, request)).status, 200)
      assert.strictEqual((json(yield* send(`${running.url}/health`)) as { readonly inFlight: number }).inFlight, 0)
    }))
})

/** Of one chunk, in bytes. */
const pieceBytes = 32 * 1024

/** How many chunks an answer has: many times what the buffers of two sockets hold. */
const pieces = 1500

/** What may be on its way to a client that does not read, in bytes: the kernel's buffers of both sockets, and Node's own. */
const maxOnTheWay = 16 * 1024 * 1024

/** Waits until the count stands still. */
const quiet = (count: () => number): Effect.Effect<number> =>
  Effect.gen(function*() {
    for (;;) {
      const before = count()
      yield* Effect.sleep("300 millis")
      if (count() === before) {
        return before
      }
    }
  })

/** A router whose streams are as long as `pieces`, and what it has heard of its clients. */
const flood = () => {
  const heard = { pulled: 0, closed: 0 }
  const chunk: ChatCompletions.RoutedChunk = {
    choices: [{ index: 0, delta: { content: "x".repeat(pieceBytes) } }],
    route: Route.empty
  }
  const router = Layer.succeed(ChatCompletions.ChatCompletions, {
    create: () =>
      Effect.succeed({
        choices: [{ index: 0, message: { role: "assistant", content: "x".repeat(pieces * pieceBytes) } }],
        route: Route.empty
      }),
    stream: () =>
      Stream.repeatEffect(Effect.sync(() => {
        heard.pulled++
        return chunk
      })).pipe(
        Stream.take(pieces),
        Stream.ensuring(Effect.sync(() => {
          heard.closed++
        }))
      )
  })
  return { router, heard }
}

describe("a client that reads slowly", () => {
  it.scopedLive("stops the stream, and gets all of it when it goes on", () =>
    Effect.gen(function*() {
      const { heard, router } = flood()
      const running = yield* start(router)
      const socket = yield* connect(running.port)
      socket.pause()
      socket.write(raw(v1, streamed, "connection: close\r\n"))
      const before = yield* quiet(() => heard.pulled)
      assert.isAbove(before, 0)
      assert.isBelow(before * pieceBytes, maxOnTheWay)
      socket.resume()
      const text = yield* socket.closed
      assert.include(text.slice(-100), "[DONE]")
      assert.strictEqual(text.split("chat.completion.chunk").length - 1, pieces)
    }))

  steady(
    "gets all of it, however long that takes, when it never stands still",
    300,
    (millis) =>
      Effect.gen(function*() {
        const { router } = flood()
        const running = yield* start(router, { http: { writeTimeout: millis } })
        const socket = yield* connect(running.port)
        socket.pause()
        const begun = performance.now()
        socket.write(raw(v1, streamed, "connection: close\r\n"))
        yield* Effect.fork(Effect.forever(Effect.gen(function*() {
          yield* Effect.sleep(millis / 3)
          socket.resume()
          yield* Effect.sleep(1)
          socket.pause()
        })))
        const text = yield* socket.closed
        assert.include(text.slice(-100), "[DONE]")
        assert.isAbove(performance.now() - begun, 2 * millis)
      })
  )
})

describe("a client that does not read", () => {
  const http = { writeTimeout: "200 millis" } as const

  for (const [name, body, closed] of [["a stream", streamed, 1], ["a completion", request, 0]] as const) {
    it.scopedLive(`${name}: its connection, its place and the upstream are given up`, () =>
      Effect.gen(function*() {
        const { heard, router } = flood()
        const running = yield* start(router, { http, maxInFlight: 1 })
        const socket = yield* connect(running.port)
        socket.pause()
        socket.write(raw(v1, body))
        for (const expected of [1, 0]) {
          const until = (count: number) => count === expected
          yield* Effect.repeat(running.inFlight, { until, schedule: Schedule.spaced("5 millis") })
        }
        assert.strictEqual(heard.closed, closed)
        assert.isBelow(heard.pulled * pieceBytes, maxOnTheWay)
        socket.resume()
        assert.notInclude((yield* socket.closed).slice(-100), "[DONE]")
        assert.strictEqual((yield* post(running, { ...streamed, messages: [] })).status, 200)
      }))
  }

  it.scopedLive("is not one that waits for a provider which is silent", () =>
    Effect.gen(function*() {
      const running = yield* gateway({
        "a/x": Testing.stream(["Hel", "lo"], { between: "200 millis" }),
        "a/y": Testing.completion("Hello", { delay: "200 millis" })
      }, { http: { writeTimeout: "50 millis" } })
      assert.include((yield* post(running, streamed)).text, "[DONE]")
      assert.strictEqual((yield* post(running, { ...request, model: "a/y" })).status, 200)
    }))
})

describe("keep-alive", () => {
  it.scopedLive("a connection serves one request after another, errors included", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello") })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, request))
      yield* socket.until("Hello")
      socket.write(raw(v1, { model: "nobody/x", messages }))
      yield* socket.until("model_not_found")
      socket.write(raw(v1, { ...request, user: "x".repeat(11 * 1024 * 1024) }))
      yield* socket.until("request_too_large")
      socket.write(raw(v1, request, "x-request-id: last\r\n"))
      const heard = yield* socket.until("x-request-id: last")
      assert.strictEqual(heard.split("HTTP/1.1 ").length, 5)
    }))
})
