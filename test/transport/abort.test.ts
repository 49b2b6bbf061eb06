/** Whatever is left is closed at once, in every phase, and nothing else is. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Transport from "../../src/Transport.js"
import { grace, inTime, withinGrace } from "../support/live.js"
import { http, lean, over, type Server, tcp, textOf, until } from "./sockets.js"

/** Milliseconds: long enough for what was sent to arrive. */
const arrival = 50

const head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
const part = "3\r\nabc\r\n"
const whole = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"

const flood = tcp((socket) => {
  socket.write(head)
  const block = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(0x10000, "x"), Buffer.from("\r\n")])
  const write = (): void => {
    while (!socket.destroyed && socket.write(block));
  }
  socket.on("drain", write)
  write()
})

/** All sockets of the server close in time from now. */
const closes = (server: Server) =>
  Effect.gen(function*() {
    const left = performance.now()
    yield* until(() => server.open.size === 0)
    yield* withinGrace(performance.now() - left)
  })

const text = (client: HttpClient.HttpClient, url: string) => textOf(client, HttpClientRequest.get(url))

const read = (client: HttpClient.HttpClient, url: string, onPart: Effect.Effect<unknown> = Effect.void) =>
  Effect.flatMap(client.get(url), (response) => Stream.runForEach(response.stream, () => onPart))

describe("a call that is left closes its socket", () => {
  const silent = tcp(() => {})
  const begun = tcp((socket) => socket.write(head + part))
  for (
    const [phase, server, call] of [
      ["while it waits for headers", silent, text],
      ["while it reads a text", begun, text],
      ["while it waits for the next part of a stream", begun, read],
      ["while its consumer is busy", begun, (client, url) => read(client, url, Effect.never)],
      ["while a stream is held back", flood, (client, url) => read(client, url, Effect.never)],
      ["while nobody reads it", flood, (client, url) =>
        HttpClient.withScope(client).get(url).pipe(
          Effect.zipRight(Effect.never),
          Effect.scoped
        )],
      ["while it sends", silent, (client, url) => client.post(url, { body: HttpBody.stream(Stream.never) })]
    ] satisfies ReadonlyArray<
      readonly [string, typeof silent, (client: HttpClient.HttpClient, url: string) => Effect.Effect<unknown, unknown>]
    >
  ) {
    inTime(phase, () =>
      Effect.gen(function*() {
        const upstream = yield* server
        yield* lean((client) =>
          Effect.gen(function*() {
            const fiber = yield* Effect.fork(call(client, upstream.url))
            yield* until(() => upstream.open.size === 1)
            yield* Effect.sleep(arrival)
            assert.strictEqual(upstream.open.size, 1)
            assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
            yield* closes(upstream)
          })
        )
      }))
  }

  inTime("when its stream is left in the middle", () =>
    Effect.gen(function*() {
      const upstream = yield* begun
      yield* lean((client) =>
        Effect.gen(function*() {
          const response = yield* client.get(upstream.url)
          assert.strictEqual(yield* Stream.runCount(Stream.take(response.stream, 1)), 1)
          yield* closes(upstream)
        })
      )
    }))

  it.scopedLive("when nobody can read its answer any more", () =>
    Effect.gen(function*() {
      const upstream = yield* begun
      setFlagsFromString("--expose_gc")
      const gc: () => void = runInNewContext("gc")
      yield* lean((client) =>
        Effect.gen(function*() {
          yield* Effect.asVoid(client.get(upstream.url))
          yield* until(() => {
            gc()
            return upstream.open.size === 0
          })
        })
      )
    }))
})

describe("a handshake", () => {
  // the socket stands, and what is to follow for TLS does not come
  const deaf = tcp(() => {})
  const secure = (server: Server) => server.url.replace("http:", "https:")

  it.scopedLive("without an answer is given up after the connect timeout", () =>
    Effect.gen(function*() {
      const server = yield* deaf
      yield* over(Transport.layerUndici({ connectTimeout: 200 }), (client) =>
        Effect.gen(function*() {
          const begun = performance.now()
          const error = yield* Effect.flip(client.get(secure(server)))
          assert.strictEqual((error.cause as { readonly code: string }).code, "UND_ERR_CONNECT_TIMEOUT")
          assert.isAtLeast(performance.now() - begun, 199)
          assert.isBelow(performance.now() - begun, 200 + 2 * grace)
          yield* until(() => server.open.size === 0)
          assert.strictEqual(server.accepted(), 1)
        }))
    }))

  inTime(
    "is closed with the last call that waits for it, and makes room for the next one",
    () =>
      Effect.gen(function*() {
        const server = yield* deaf
        yield* over(Transport.layerUndici({ connections: 1 }), (client) =>
          Effect.gen(function*() {
            for (let call = 1; call <= 3; call++) {
              const fiber = yield* Effect.fork(client.get(secure(server)))
              yield* until(() => server.open.size === 1)
              assert.strictEqual(server.accepted(), call)
              yield* Fiber.interrupt(fiber)
              yield* closes(server)
            }
          }))
      })
  )

  inTime("of one call is not closed with another one", () =>
    Effect.gen(function*() {
      const server = yield* deaf
      yield* lean((client) =>
        Effect.gen(function*() {
          const [first, second] = yield* Effect.all([
            Effect.fork(client.get(secure(server))),
            Effect.fork(client.get(secure(server)))
          ])
          yield* until(() => server.open.size === 2)
          yield* Fiber.interrupt(first)
          yield* until(() => server.open.size === 1)
          yield* Effect.sleep(grace)
          assert.strictEqual(server.open.size, 1)
          yield* Fiber.interrupt(second)
          yield* closes(server)
          assert.strictEqual(server.accepted(), 2)
        })
      )
    }))
})

describe("a call that has not begun", () => {
  const answered = Effect.map(
    Effect.sync((): Array<string> => []),
    (seen) => ({
      seen,
      server: http((request, response) => {
        seen.push(request.url ?? "")
        setTimeout(() => response.end("abc"), request.url === "/slow" ? 100 : 0)
      })
    })
  )

  it.scopedLive("is not sent, and the connection that it would have had stays open", () =>
    Effect.gen(function*() {
      const { seen, server } = yield* answered
      const { accepted, url } = yield* server
      yield* over(Transport.layerUndici({ connections: 1 }), (client) =>
        Effect.gen(function*() {
          yield* text(client, `${url}/a`)
          yield* Effect.sleep(arrival)
          const fiber = yield* Effect.fork(text(client, `${url}/left`))
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(fiber)
          yield* text(client, `${url}/b`)
          yield* Effect.sleep(arrival)
          yield* text(client, `${url}/c`)
          assert.deepStrictEqual(seen, ["/a", "/b", "/c"])
          assert.strictEqual(accepted(), 1)
        }))
    }))

  it.scopedLive("beyond the limit of connections waits its turn, or leaves it to the others", () =>
    Effect.gen(function*() {
      const { seen, server } = yield* answered
      const { accepted, url } = yield* server
      yield* over(Transport.layerUndici({ connections: 2 }), (client) =>
        Effect.gen(function*() {
          const call = (path: string) => Effect.zipLeft(Effect.fork(text(client, url + path)), Effect.yieldNow())
          const first = [yield* call("/slow"), yield* call("/slow")]
          const left = yield* call("/left")
          const others = [yield* call("/1"), yield* call("/2"), yield* call("/3")]
          yield* Effect.sleep(arrival)
          assert.deepStrictEqual(seen, ["/slow", "/slow"])
          yield* Fiber.interrupt(left)
          yield* Fiber.joinAll([...first, ...others])
          assert.deepStrictEqual(seen.toSorted(), ["/1", "/2", "/3", "/slow", "/slow"])
          assert.strictEqual(accepted(), 2)
        }))
    }))

  it.scopedLive("a connection that is refused, or that breaks, makes room for those who wait", () =>
    Effect.gen(function*() {
      const server = yield* tcp((socket, head) => head.startsWith("GET /bad") ? socket.destroy() : socket.write(whole))
      yield* over(Transport.layerUndici({ connections: 1 }), (client) =>
        Effect.gen(function*() {
          const exits = yield* Effect.all(
            ["/bad", "/1", "/bad", "/bad", "/2"].map((path) => Effect.exit(text(client, server.url + path))),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(exits.map(Exit.isSuccess), [false, true, false, false, true])
          const refused = Effect.exit(client.get("http://127.0.0.1:1"))
          const failed = yield* Effect.all(Array.from({ length: 5 }, () => refused), { concurrency: "unbounded" })
          assert.isTrue(failed.every(Exit.isFailure))
          const badPort = yield* Effect.flip(client.get("http://127.0.0.1:0"))
          assert.strictEqual(badPort._tag, "RequestError")
        }))
    }))
})

describe("connections", () => {
  it.scopedLive("are kept, and used again; one that the server closes is not", () =>
    Effect.gen(function*() {
      let closing = false
      const server = yield* tcp((socket) =>
        closing ? socket.end(whole.replace("content", "connection: close\r\ncontent")) : socket.write(whole)
      )
      yield* lean((client) =>
        Effect.gen(function*() {
          for (let call = 0; call < 5; call++) {
            assert.strictEqual(yield* text(client, server.url), "abc")
            yield* Effect.sleep(10)
          }
          assert.strictEqual(server.accepted(), 1)
          server.open.forEach((socket) => socket.destroy())
          yield* until(() => server.open.size === 0)
          closing = true
          for (let call = 0; call < 5; call++) {
            assert.strictEqual(yield* text(client, server.url), "abc")
          }
          assert.strictEqual(server.accepted(), 6)
          yield* until(() => server.open.size === 0)
        })
      )
    }))

  it.scopedLive("that the server closes in the moment of a call are replaced, and the call does not fail", () =>
    Effect.gen(function*() {
      const server = yield* tcp((socket) => socket.write(whole))
      yield* lean((client) =>
        Effect.gen(function*() {
          for (let call = 0; call < 20; call++) {
            assert.strictEqual(yield* text(client, server.url), "abc")
            yield* Effect.sleep(10)
            server.open.forEach((socket) => socket.end())
          }
        })
      )
    }))

  it.scopedLive("are closed when nobody used them for some time", () =>
    Effect.gen(function*() {
      const server = yield* tcp((socket) => socket.write(whole))
      yield* over(Transport.layerUndici({ keepAliveTimeout: 100 }), (client) =>
        Effect.gen(function*() {
          yield* Effect.all([1, 2, 3].map(() => text(client, server.url)), { concurrency: "unbounded" })
          assert.strictEqual(server.open.size, 3)
          yield* until(() => server.open.size === 0)
          assert.strictEqual(yield* text(client, server.url), "abc")
          assert.strictEqual(server.accepted(), 4)
        }))
    }))

  it.scopedLive("are closed with the layer, whatever they are doing, and nothing is left", () =>
    Effect.gen(function*() {
      const idle = yield* tcp((socket) => socket.write(whole))
      const deaf = yield* tcp(() => {})
      const begun = yield* tcp((socket) => socket.write(head + part))
      const scope = yield* Scope.make()
      const before = process.getActiveResourcesInfo()
      const context = yield* Layer.buildWithScope(Transport.layerUndici({ connections: 1 }), scope)
      const client = Context.get(context, HttpClient.HttpClient)
      yield* text(client, idle.url)
      const calls = yield* Effect.all([
        Effect.fork(Effect.flip(text(client, deaf.url.replace("http:", "https:")))),
        Effect.fork(Effect.flip(text(client, begun.url))),
        Effect.fork(Effect.flip(text(client, begun.url)))
      ])
      yield* until(() => idle.open.size + deaf.open.size + begun.open.size === 3)
      yield* Effect.sleep(arrival)
      yield* Scope.close(scope, Exit.void)
      const errors = yield* Fiber.joinAll(calls)
      assert.deepStrictEqual(errors.map(({ _tag }) => _tag), ["RequestError", "ResponseError", "RequestError"])
      yield* until(() => idle.open.size + deaf.open.size + begun.open.size === 0)
      assert.strictEqual((yield* Effect.flip(client.get(idle.url)))._tag, "RequestError")
      const kinds = (kinds: ReadonlyArray<string>) =>
        kinds.filter((kind) => /TCPSocketWrap|ConnectWrap/.test(kind)).length
      yield* until(() => kinds(process.getActiveResourcesInfo()) <= kinds(before))
    }))
})
