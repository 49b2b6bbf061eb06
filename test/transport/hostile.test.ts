/** Servers that do what they must not: the error is that of the platform's client, and the socket is closed. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Layer from "effect/Layer"
import type * as Net from "node:net"
import * as Transport from "../../src/Transport.js"
import * as Classify from "../../src/wire/Classify.js"
import { over, type Server, tcp, until } from "./sockets.js"

type Does = (socket: Net.Socket) => void

const says = (...texts: ReadonlyArray<string>): Does => (socket) => socket.write(texts.join("\r\n"), "latin1")

const ends = (...texts: ReadonlyArray<string>): Does => (socket) => socket.end(texts.join("\r\n"), "latin1")

const breaks = (...texts: ReadonlyArray<string>): Does => (socket) => {
  says(...texts)(socket)
  setTimeout(() => socket.resetAndDestroy(), 30)
}

const ok = "HTTP/1.1 200 OK"

/** What the call ends with: the status and the text, or the class of the error. */
const outcome = (layer: Layer.Layer<HttpClient.HttpClient>, url: string) =>
  over(layer, (client) =>
    Effect.gen(function*() {
      const result = yield* Effect.either(
        Effect.flatMap(client.get(url), (response) => Effect.map(response.text, (text) => [response.status, text]))
      )
      if (Either.isRight(result)) {
        return result.right
      }
      const error = Classify.fromTransport(result.left)
      return error._tag === "Transport"
        ? [result.left._tag, error.stage, error.code]
        : [result.left._tag, error._tag]
    }))

const same = (server: Server, url = server.url) =>
  Effect.gen(function*() {
    const expected = yield* outcome(NodeHttpClient.layerUndici, url)
    assert.deepStrictEqual(yield* outcome(Transport.layerUndici(), url), expected)
    yield* until(() => server.open.size === 0)
    return expected
  })

describe("the outcome is that of the platform's client", () => {
  for (
    const [name, does, expected] of [
      ["closes at once", (socket) => socket.end(), "RequestError"],
      ["resets at once", (socket) => socket.resetAndDestroy(), "RequestError"],
      ["speaks another protocol", says("SSH-2.0-OpenSSH_9.0", ""), "RequestError"],
      ["sends bytes at random", says("\0\xff\xfe\r\n\r\n\r\n"), "RequestError"],
      ["sends headers without end", says(ok, `x: ${"x".repeat(100_000)}`), "RequestError"],
      [
        "sends many headers",
        says(ok, ...Array.from({ length: 5_000 }, (_, index) => `x-${index}: 1`), "", ""),
        "RequestError"
      ],
      ["sends a header without a colon", says(ok, "x y z", "", ""), "RequestError"],
      ["closes in its headers", ends(ok, "content-"), "RequestError"],
      ["sends an unknown length", says(ok, "content-length: -1", "", ""), "RequestError"],
      ["sends two lengths", says(ok, "content-length: 1", "content-length: 2", "", "a"), "RequestError"],
      ["says 100 unasked", says("HTTP/1.1 100 Continue", "", ""), "RequestError"],
      ["says 101 unasked", says("HTTP/1.1 101 Switching", "connection: upgrade", "upgrade: x", "", ""), "RequestError"],
      ["closes before the length is there", ends(ok, "content-length: 10", "", "abc"), "ResponseError"],
      ["resets before the length is there", breaks(ok, "content-length: 10", "", "abc"), "ResponseError"],
      ["closes between chunks", ends(ok, "transfer-encoding: chunked", "", "3", "abc", ""), "ResponseError"],
      ["resets between chunks", breaks(ok, "transfer-encoding: chunked", "", "3", "abc", ""), "ResponseError"],
      ["sends a chunk without a size", says(ok, "transfer-encoding: chunked", "", "zz", "abc", ""), "ResponseError"],
      [
        "sends a chunk of any size",
        breaks(ok, "transfer-encoding: chunked", "", "ffffffffffffffff", "abc"),
        "ResponseError"
      ],
      ["sends more than the length", ends(ok, "content-length: 2", "", "abcdef"), 200],
      ["sends a body without a length", ends(ok, "connection: close", "", "abc"), 200],
      ["answers as HTTP/1.0", ends("HTTP/1.0 200 OK", "", "abc"), 200],
      ["has a status that nobody knows", says("HTTP/1.1 799 What", "content-length: 0", "", ""), 799],
      ["has bytes in a header that are no ASCII", says(ok, "x: \xe4", "content-length: 0", "", ""), 200]
    ] satisfies ReadonlyArray<readonly [string, Does, unknown]>
  ) {
    it.scopedLive(`of a server that ${name}`, () =>
      Effect.gen(function*() {
        const server = yield* tcp((socket) => does(socket))
        assert.strictEqual((yield* same(server))[0], expected)
      }))
  }

  it.scopedLive("of one that speaks no TLS", () =>
    Effect.gen(function*() {
      // a client of TLS speaks first, and its greeting ends with no blank line
      const server = yield* tcp(() => {}, (socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"))
      assert.deepStrictEqual(yield* same(server, server.url.replace("http:", "https:")), [
        "RequestError",
        "connect",
        "ERR_SSL_WRONG_VERSION_NUMBER"
      ])
    }))

  it.scopedLive("of ports where nobody listens, and names that nobody has", () =>
    Effect.gen(function*() {
      const server = yield* tcp(() => {})
      for (const url of ["http://127.0.0.1:1", "https://127.0.0.1:1", "http://nowhere.invalid"]) {
        assert.deepStrictEqual((yield* same(server, url)).slice(0, 2), ["RequestError", "connect"])
      }
    }))
})

describe("an answer that nobody asked for", () => {
  it.scopedLive("is not the answer of the next call", () =>
    Effect.gen(function*() {
      const whole = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
      let calls = 0
      const server = yield* tcp((socket) => {
        calls++
        socket.write(calls === 1 ? `${whole}abc${whole}bad` : `${whole}def`)
      })
      yield* over(Transport.layerUndici({ connections: 1 }), (client) =>
        Effect.gen(function*() {
          const text = Effect.flatMap(client.get(server.url), (response) => response.text)
          assert.strictEqual(yield* text, "abc")
          assert.strictEqual(yield* text, "def")
        }))
    }))
})
