import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Testing from "effect-llm-router/Testing"
import { connect, dataOf, errorOf, example, gateway, post, raw, send, v1 } from "./support/gateway.js"

const messages = [{ role: "user", content: "Hello" }]
const request = { model: "a/x", messages }
const streamed = { ...request, stream: true }

/** A port on which nobody listens. */
const refuses = (port: number) =>
  Effect.promise(async () => {
    try {
      await fetch(`http://127.0.0.1:${port}/health`)
      return false
    } catch {
      return true
    }
  })

for (const drainsServer of [true, false]) {
  describe(drainsServer ? "the end of a gateway that knows its server" : "the end of a gateway", () => {
    it.scopedLive("waits for what is under way", () =>
      Effect.gen(function*() {
        const running = yield* gateway({
          "a/x": Testing.completion("Hello", { delay: "200 millis" }),
          "a/y": Testing.stream(["Hel", "lo"], { between: "100 millis" })
        }, { drainsServer })
        const whole = yield* Effect.fork(post(running, request))
        const stream = yield* Effect.fork(post(running, { ...streamed, model: "a/y" }))
        yield* running.upstream.awaitCall(1)
        yield* running.end
        const answered = yield* Fiber.join(whole)
        assert.strictEqual(answered.status, 200)
        assert.strictEqual(answered.headers.get("connection"), "close")
        const data = dataOf((yield* Fiber.join(stream)).text)
        assert.strictEqual(data.at(-1), "[DONE]")
        assert.isTrue(yield* refuses(running.port))
      }))

    it.scopedLive("refuses what comes meanwhile", () =>
      Effect.gen(function*() {
        const running = yield* gateway({ "a/x": Testing.stream(["Hel", "lo"], { between: "300 millis" }) }, {
          drainsServer
        })
        const socket = yield* connect(running.port)
        socket.write(raw(v1, streamed))
        yield* socket.until("Hel")
        const end = yield* Effect.fork(running.end)
        yield* Effect.sleep("30 millis")
        // on a connection that is open: it waits behind the stream, and is answered after it
        socket.write(raw(v1, request) + "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        if (drainsServer) {
          assert.isTrue(yield* refuses(running.port))
        } else {
          const refused = yield* post(running, request)
          assert.deepStrictEqual(errorOf(refused), {
            status: 503,
            type: "server_error",
            param: null,
            code: "shutting_down"
          })
          assert.strictEqual(refused.headers.get("connection"), "close")
          assert.strictEqual(refused.headers.get("retry-after"), "1")
          const health = yield* send(`${running.url}/health`)
          assert.strictEqual(health.status, 503)
          assert.include(health.text, "draining")
        }
        const heard = yield* socket.closed
        const answers = heard.split("HTTP/1.1 ").slice(1)
        assert.include(answers[0], "[DONE]")
        assert.match(answers[1] ?? "", /^503 /)
        assert.match(answers[1] ?? "", /connection: close/i)
        assert.strictEqual((yield* running.upstream.calls).length, 1)
        yield* Fiber.join(end)
      }))

    it.scopedLive("interrupts what takes too long, and says so", () =>
      Effect.gen(function*() {
        const running = yield* gateway({
          "a/x": Testing.hang,
          "a/y": Testing.stream(Array.from({ length: 1000 }, () => "Hel"), { between: "20 millis" }),
          "a/z": Testing.stream(["Hel"], { cut: { after: 2, how: "stall" } })
        }, { drainsServer, drainTimeout: "100 millis" })
        const whole = yield* Effect.fork(post(running, request))
        const flows = yield* Effect.fork(post(running, { ...streamed, model: "a/y" }))
        const stalls = yield* connect(running.port)
        stalls.write(raw(v1, { ...streamed, model: "a/z" }))
        yield* stalls.until("Hel")
        yield* running.upstream.awaitCall(2)
        yield* Effect.sleep("50 millis")
        yield* running.end
        assert.strictEqual(errorOf(yield* Fiber.join(whole)).code, "shutting_down")
        const data = dataOf((yield* Fiber.join(flows)).text)
        assert.include(data.at(-1), "shutting_down")
        assert.notInclude(yield* stalls.closed, "[DONE]")
        for (const index of [0, 1, 2]) {
          yield* running.upstream.awaitAborted(index)
        }
      }))

    it.scopedLive("is at once when nothing is under way, whatever connections are open", () =>
      Effect.gen(function*() {
        const running = yield* gateway({ "a/x": Testing.completion("Hello") }, { drainsServer })
        const socket = yield* connect(running.port)
        socket.write(raw(v1, request))
        yield* socket.until("Hello")
        const begun = Date.now()
        yield* running.end
        assert.isBelow(Date.now() - begun, 500)
        yield* socket.closed
      }))
  })
}

describe("the end of a gateway that knows its server", () => {
  it.scopedLive("does not wait for a client that does not read, or that sends half a request", () =>
    Effect.gen(function*() {
      const running = yield* gateway({
        "a/x": Testing.stream(Array.from({ length: 400 }, () => "x".repeat(64 * 1024)))
      }, { drainTimeout: "100 millis" })
      const deaf = yield* connect(running.port)
      deaf.write(raw(v1, streamed))
      yield* deaf.until("xxx")
      deaf.pause()
      const half = yield* connect(running.port)
      half.write("GET /health HT")
      yield* Effect.sleep("100 millis")
      const begun = Date.now()
      yield* running.end
      assert.isBelow(Date.now() - begun, 5000)
      yield* half.closed
    }))
})

describe("SIGTERM", () => {
  it.scopedLive("ends the example when its stream has ended", () =>
    Effect.gen(function*() {
      const { child, exited, port } = yield* example
      const socket = yield* connect(port)
      socket.write(raw(v1, { ...streamed, model: "acme/small" }))
      yield* socket.until("Hello")
      child.kill("SIGTERM")
      assert.include(yield* socket.until("[DONE]"), "one.")
      assert.strictEqual(yield* exited, 0)
    }))
})
