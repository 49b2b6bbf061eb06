/** Connections as strangers hold them: half open, deaf, by the thousand, and over when the gateway is. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as Testing from "effect-llm-router/Testing"
import * as Net from "node:net"
import { connect, errorOf, example, gateway, json, post, raw, send, v1 } from "./support/gateway.js"
import { closesInTime, inTime } from "./support/live.js"
import { idle } from "./support/sdk.js"

const messages = [{ role: "user", content: "Hello" }]
const request = { model: "a/x", messages }
const streamed = { ...request, stream: true }
const hello: Testing.Script = { "a/x": Testing.completion("Hello") }
const endless = Testing.stream(Array.from({ length: 1000 }, () => "Hel"), { between: "5 millis" })

const count = (text: string, part: string): number => text.split(part).length - 1

describe("a connection", () => {
  inTime("whose client closes its half is over, as that of a client that left", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.hang })
      const socket = Net.connect({ port: running.port, host: "127.0.0.1", allowHalfOpen: true })
      yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
      socket.write(raw(v1, request))
      yield* running.upstream.awaitCall(0)
      socket.end()
      yield* closesInTime(running.upstream)
      yield* idle(running)
    }))

  it.scopedLive("with many requests at once is answered in their order", () =>
    Effect.gen(function*() {
      const running = yield* gateway({
        "a/x": Testing.completion("slow", { delay: "100 millis" }),
        "a/y": Testing.completion("fast"),
        "a/z": Testing.stream(["stream"])
      })
      const socket = yield* connect(running.port)
      const models = ["x", "y", "z", "y", "x"]
      const requests = models.map((model, index) =>
        raw(v1, { ...request, model: `a/${model}`, stream: model === "z" }, `x-request-id: n${index}\r\n`)
      )
      socket.write(`${requests.join("")}GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
      const heard = yield* socket.closed
      const ids = Array.from(heard.matchAll(/x-request-id: (n\d)/g), ([, id]) => id)
      assert.deepStrictEqual(ids, ["n0", "n1", "n2", "n3", "n4"])
      const texts = Array.from(heard.matchAll(/slow|fast|"stream"|\[DONE\]|"ok"/g), ([text]) => text)
      assert.deepStrictEqual(texts, ["slow", "fast", "\"stream\"", "[DONE]", "fast", "slow", "\"ok\""])
      yield* idle(running)
    }))

  inTime("that sends garbage behind a stream gets the stream, a 400, and its end", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.stream(["Hel", "lo"], { between: "50 millis" }) })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, streamed))
      yield* socket.until("Hel")
      for (const _ of [1, 2, 3]) {
        socket.write("\u0001garbage\r\n\r\n")
        yield* Effect.sleep("10 millis")
      }
      const heard = yield* socket.closed
      assert.match(heard, /\[DONE\][^]*HTTP\/1\.1 400 [^]*"bad_request"/)
      assert.strictEqual(count(heard, "HTTP/1.1 400"), 1)
      yield* idle(running)
    }))

  it.scopedLive("that breaks its body off in the middle hears a 400, and nothing is called", () =>
    Effect.gen(function*() {
      const running = yield* gateway(hello)
      const head = `POST ${v1} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n`
      const socket = yield* connect(running.port)
      socket.write(`${head}transfer-encoding: chunked\r\n\r\n5\r\n{"mod\r\nzz\r\n`)
      const heard = yield* socket.closed
      assert.match(heard, /^HTTP\/1\.1 400 [^]*"bad_request"/)
      assert.strictEqual(count(heard, "HTTP/1.1 "), 1)
      yield* idle(running)
      assert.strictEqual((yield* running.upstream.calls).length, 0)
    }))

  it.scopedLive("that sends nothing at all is closed", () =>
    Effect.gen(function*() {
      const running = yield* gateway(hello, { http: { headersTimeout: "100 millis", requestTimeout: "200 millis" } })
      const socket = yield* connect(running.port)
      assert.match(yield* socket.closed, /^(?:HTTP\/1\.1 408 [^]*"request_timeout"[^]*)?$/)
    }))
})

describe("clients that read nothing", () => {
  it.scopedLive("hold their own streams up, and nobody else's", () =>
    Effect.gen(function*() {
      const running = yield* gateway({
        "a/x": Testing.completion("Hello"),
        "a/y": Testing.stream(Array.from({ length: 400 }, () => "x".repeat(64 * 1024)))
      })
      const deaf = yield* Effect.forEach(Array.from({ length: 10 }), () => connect(running.port))
      for (const socket of deaf) {
        socket.pause()
        socket.write(raw(v1, { ...streamed, model: "a/y" }))
      }
      yield* running.upstream.awaitCall(9)
      yield* Effect.sleep("200 millis")
      assert.strictEqual((yield* post(running, request)).status, 200)
      assert.strictEqual(yield* running.inFlight, 10)
      for (const socket of deaf) {
        socket.destroy()
      }
      yield* idle(running)
    }))
})

describe("2,000 connections", () => {
  const open = (port: number) => Effect.forEach(Array.from({ length: 2000 }), () => connect(port), { concurrency: 100 })

  it.scopedLive("are all answered, or told to come again", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.completion("Hello", { delay: "300 millis" }) }, {
        maxInFlight: 500,
        // on a busy machine the first of them waits for the last
        http: { headersTimeout: "60 seconds" }
      })
      const sockets = yield* open(running.port)
      for (const socket of sockets) {
        socket.write(raw(v1, request, "connection: close\r\n"))
      }
      const answers = yield* Effect.forEach(sockets, (socket) => socket.closed, { concurrency: "unbounded" })
      const served = answers.filter((text) => text.startsWith("HTTP/1.1 200 ")).length
      const refused = answers.filter((text) => /^HTTP\/1\.1 503 [^]*too_many_requests_in_flight/.test(text)).length
      assert.deepStrictEqual(answers.filter((text) => !/^HTTP\/1\.1 (?:200|503) /.test(text)), [])
      assert.strictEqual(served + refused, 2000)
      assert.isAtLeast(served, 500)
      assert.strictEqual((yield* running.upstream.calls).length, served)
      yield* idle(running)
    }))

  it.scopedLive("that are gone before their answers leave nothing behind", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": Testing.hang })
      const sockets = yield* open(running.port)
      for (const socket of sockets) {
        socket.write(raw(v1, request))
      }
      yield* Effect.repeat(running.inFlight, { until: (n) => n >= 900, schedule: Schedule.spaced("10 millis") })
      for (const socket of sockets) {
        socket.destroy()
      }
      yield* Effect.retry(idle(running), { times: 20 })
      // what was on its way into the gateway when its socket was destroyed is seen to come and to go
      yield* Effect.sleep("100 millis")
      yield* idle(running)
      assert.strictEqual((json(yield* send(`${running.url}/health`)) as { readonly inFlight: number }).inFlight, 0)
    }))
})

describe("the end", () => {
  inTime("of the gateway closes the upstream of a stream that does not", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": endless }, { drainTimeout: "50 millis" })
      const socket = yield* connect(running.port)
      socket.write(raw(v1, streamed))
      yield* socket.until("Hel")
      yield* running.end
      assert.include(yield* socket.closed, "shutting_down")
      yield* closesInTime(running.upstream)
    }))

  it.scopedLive("of the gateway is the same for 20 streams at once", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": endless }, { drainTimeout: "100 millis" })
      const sockets = yield* Effect.forEach(Array.from({ length: 20 }), () => connect(running.port))
      for (const socket of sockets) {
        socket.write(raw(v1, streamed))
      }
      yield* Effect.forEach(sockets, (socket) => socket.until("Hel"), { discard: true })
      const late = yield* connect(running.port)
      late.write(raw(v1, request).slice(0, -5))
      const begun = Date.now()
      yield* running.end
      assert.isBelow(Date.now() - begun, 5000)
      for (const heard of yield* Effect.forEach(sockets, (socket) => socket.closed)) {
        assert.include(heard, "shutting_down")
        assert.notInclude(heard, "[DONE]")
      }
      yield* late.closed
    }))

  it.scopedLive("by SIGTERM is not another one when it comes twice", () =>
    Effect.gen(function*() {
      const { child, exited, port } = yield* example
      const socket = yield* connect(port)
      socket.write(raw(v1, { ...streamed, model: "acme/small" }))
      yield* socket.until("Hello")
      child.kill("SIGTERM")
      yield* Effect.sleep("20 millis")
      child.kill("SIGTERM")
      assert.match(yield* socket.closed, /one\.[^]*\[DONE\]/)
      assert.strictEqual(yield* exited, 0)
    }))
})

describe("a depth", () => {
  it.scopedLive("beyond what is read is refused wherever it is", () =>
    Effect.gen(function*() {
      const running = yield* gateway(hello)
      const nested = (open: string, close: string) => `${open.repeat(50_000)}1${close.repeat(50_000)}`
      for (const value of [nested("[", "]"), nested("{\"a\":", "}")]) {
        for (const member of ["variables", "metadata", "a", "messages"]) {
          const answered = yield* send(running.url + v1, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: `{"model":"a/x","messages":[],"${member}":${value}}`
          })
          assert.strictEqual(errorOf(answered).code, "invalid_json")
        }
      }
      assert.strictEqual((yield* post(running, request)).status, 200)
    }))
})
