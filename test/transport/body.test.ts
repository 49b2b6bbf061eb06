/** Bodies: how they are held back, read, decompressed and limited. */
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Zlib from "node:zlib"
import { isBounded, readBounded } from "../../src/internal/boundedBody.js"
import * as RouterError from "../../src/RouterError.js"
import * as Transport from "../../src/Transport.js"
import { Body, maxHeldBytes, type Source } from "../../src/transport/body.js"
import { decoding, type Intake, maxCodings } from "../../src/transport/decoding.js"
import { http, lean, over, says, tcp, until } from "./sockets.js"

const mebibyte = 1024 * 1024

const get = <A, E>(url: string, use: (response: Answer) => Effect.Effect<A, E>) =>
  lean((client) => Effect.flatMap(client.get(url), use))

type Answer = Effect.Effect.Success<ReturnType<HttpClient.HttpClient["get"]>>

/** Waits until a count stands still. */
const still = (count: () => number): Effect.Effect<number> =>
  Effect.gen(function*() {
    for (;;) {
      const before = count()
      yield* Effect.sleep(200)
      if (count() === before) {
        return before
      }
    }
  })

describe("a reader that is behind", () => {
  const total = 50 * mebibyte
  const piece = Buffer.alloc(64 * 1024, "x")

  /** What the kernel's buffers of both sockets hold, and those of the client. */
  const maxOnTheWay = 16 * mebibyte

  const flood = Effect.map(Effect.sync(() => ({ accepted: 0 })), (count) => ({
    count,
    server: http((_, response) => {
      response.writeHead(200)
      const write = (): void => {
        while (count.accepted < total) {
          count.accepted += piece.length
          if (!response.write(piece)) {
            response.once("drain", write)
            return
          }
        }
        response.end()
      }
      write()
    })
  }))

  it.scopedLive("holds the server back, and has all of it when it goes on", () =>
    Effect.gen(function*() {
      const { count, server } = yield* flood
      const { url } = yield* server
      yield* lean((client) =>
        Effect.gen(function*() {
          const response = yield* client.get(url)
          // nobody reads yet
          assert.isBelow(yield* still(() => count.accepted), maxOnTheWay)
          const pull = yield* Stream.toPull(response.stream)
          let length = 0
          const read = Effect.map(pull, (parts) => {
            const bytes = Chunk.reduce(parts, 0, (sum, part) => sum + part.length)
            assert.isAtMost(bytes, 2 * maxHeldBytes)
            length += bytes
          })
          yield* Effect.repeatN(read, 9)
          assert.isBelow(yield* still(() => count.accepted), maxOnTheWay)
          assert.isTrue(Option.isNone(yield* Effect.flip(Effect.forever(read))))
          assert.deepStrictEqual([length, count.accepted], [total, total])
        })
      )
    }))

  it.scopedLive("has the whole of it, too", () =>
    Effect.gen(function*() {
      const { count, server } = yield* flood
      const { url } = yield* server
      yield* get(url, (response) =>
        Effect.gen(function*() {
          yield* still(() => count.accepted)
          assert.strictEqual((yield* response.arrayBuffer).byteLength, total)
        }))
    }))

  it.scopedLive("one read of the socket is one array of parts", () =>
    Effect.gen(function*() {
      const chunks = (...texts: ReadonlyArray<string>) =>
        texts.map((text) => `${text.length.toString(16)}\r\n${text}\r\n`).join("")
      const server = yield* tcp((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n`)
        setTimeout(() => socket.write(chunks("a", "b", "c")), 50)
        setTimeout(() => socket.write(chunks("d", "e") + "0\r\n\r\n"), 150)
      })
      const reads = yield* get(server.url, (response) => Stream.runCollect(Stream.chunks(response.stream)))
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(reads).map((parts) => Chunk.toReadonlyArray(parts).map((part) => String(part))),
        [["a", "b", "c"], ["d", "e"]]
      )
    }))
})

describe("a body", () => {
  const server = http((_, response) => {
    response.write("[1,")
    setTimeout(() => response.end("2]"), 100)
  })

  it.scopedLive("is read as often as one likes, in all views", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      yield* get(url, (response) =>
        Effect.gen(function*() {
          const texts = yield* Effect.all([response.text, response.text], { concurrency: "unbounded" })
          assert.deepStrictEqual(texts, ["[1,2]", "[1,2]"])
          assert.deepStrictEqual(yield* response.json, [1, 2])
          const first = new Uint8Array(yield* response.arrayBuffer)
          first.fill(0)
          assert.strictEqual(new Uint8Array(yield* response.arrayBuffer)[0], 91)
          assert.strictEqual(yield* Stream.mkString(Stream.decodeText(response.stream)), "[1,2]")
        }))
    }))

  it.scopedLive("goes on as long as one of its readers waits", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      yield* get(url, (response) =>
        Effect.gen(function*() {
          const [left, other] = yield* Effect.all([Effect.fork(response.text), Effect.fork(response.text)])
          yield* Effect.sleep(20)
          yield* Fiber.interrupt(left)
          assert.strictEqual(yield* Fiber.join(other), "[1,2]")
        }))
    }))

  it.scopedLive("that was left is a failure to the next reader, and no interruption", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      yield* get(url, (response) =>
        Effect.gen(function*() {
          yield* Effect.timeoutOption(response.text, 20)
          const error = yield* Effect.flip(response.text)
          assert.deepStrictEqual([error._tag, error.reason], ["ResponseError", "Decode"])
        }))
    }))

  it.scopedLive("that was read in parts has none for another reader", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      yield* get(url, (response) =>
        Effect.gen(function*() {
          assert.strictEqual(yield* Stream.mkString(Stream.decodeText(response.stream)), "[1,2]")
          assert.strictEqual((yield* Effect.flip(response.text))._tag, "ResponseError")
          assert.strictEqual((yield* Effect.flip(Stream.runDrain(response.stream)))._tag, "ResponseError")
        }))
    }))

  it.scopedLive("has at most as many bytes as it may", () =>
    Effect.gen(function*() {
      const server = yield* http((request, response) => response.end("x".repeat(Number(request.url?.slice(1)))))
      yield* over(Transport.layerUndici({ maxResponseBytes: 1000 }), (client) =>
        Effect.gen(function*() {
          assert.lengthOf(yield* (yield* client.get(`${server.url}/1000`)).text, 1000)
          for (const path of ["/1001", "/9000000"]) {
            for (const read of [(_: Answer) => _.text, (_: Answer) => Stream.runDrain(_.stream)]) {
              const error = yield* Effect.flip<unknown, unknown, never>(
                Effect.flatMap(client.get(server.url + path), read)
              )
              assert.instanceOf(error instanceof Error ? error.cause : undefined, RouterError.ResponseTooLarge)
            }
          }
        }))
    }))
})

describe("a body of which only so much is wanted", () => {
  const bounded = (response: Answer, maxBytes: number, onRead?: (part: Uint8Array) => void) =>
    isBounded(response) ? response[readBounded](maxBytes, onRead) : Effect.dieMessage("the response cannot be bounded")

  it.scopedLive("is read to its end where it is no longer", () =>
    Effect.gen(function*() {
      const { url } = yield* http((_, response) => {
        response.write("hé")
        setTimeout(() => response.end("llo"), 50)
      })
      yield* get(url, (response) =>
        Effect.gen(function*() {
          let seen = 0
          const all = yield* bounded(response, 6, (part) => {
            seen += part.length
          })
          assert.deepStrictEqual(all, { text: "héllo", complete: true })
          assert.strictEqual(seen, 6)
          assert.deepStrictEqual(yield* bounded(response, 1), { text: "h", complete: false })
          assert.strictEqual(yield* response.text, "héllo")
        }))
    }))

  it.scopedLive("is cut where it is longer, and its connection is closed", () =>
    Effect.gen(function*() {
      const server = yield* http((_, response) => {
        response.write("x".repeat(200_000))
      })
      yield* get(server.url, (response) =>
        Effect.gen(function*() {
          const part = yield* bounded(response, 10)
          assert.deepStrictEqual(part, { text: "x".repeat(10), complete: false })
          yield* until(() => server.open.size === 0)
          // what is left of it is no answer
          assert.strictEqual((yield* Effect.flip(response.text))._tag, "ResponseError")
        }))
    }))

  it.scopedLive("that breaks is a failure", () =>
    Effect.gen(function*() {
      const { url } = yield* tcp((socket) => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", () => socket.destroy())
      })
      yield* get(url, (response) =>
        Effect.map(Effect.flip(bounded(response, 100)), (error) =>
          assert.strictEqual(error._tag, "ResponseError")))
    }))

  it.scopedLive("is closed when its reader leaves", () =>
    Effect.gen(function*() {
      const server = yield* http((_, response) => {
        response.write("x")
      })
      yield* get(server.url, (response) =>
        Effect.gen(function*() {
          const reader = yield* Effect.fork(bounded(response, 100))
          yield* Effect.sleep(50)
          yield* Fiber.interrupt(reader)
          yield* until(() => server.open.size === 0)
        }))
    }))
})

const codings = {
  gzip: (bytes: Uint8Array) => Zlib.gzipSync(bytes),
  "x-gzip": (bytes: Uint8Array) => Zlib.gzipSync(bytes),
  deflate: (bytes: Uint8Array) => Zlib.deflateSync(bytes),
  br: (bytes: Uint8Array) => Zlib.brotliCompressSync(bytes),
  identity: (bytes: Uint8Array) => bytes
} as const

type Coding = keyof typeof codings

const coded = (bytes: Uint8Array, names: ReadonlyArray<Coding>): Uint8Array =>
  names.reduce((bytes, name) => codings[name](bytes), bytes)

const answer = (encoding: string, body: Uint8Array): Uint8Array =>
  Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\ncontent-encoding: ${encoding}\r\ncontent-length: ${body.length}\r\n\r\n`),
    body
  ])

const nowhere: Source = { pause: () => {}, resume: () => {}, close: () => {} }

describe("an encoding", () => {
  const names = Object.keys(codings) as ReadonlyArray<Coding>

  it.effect.prop(
    "is undone however its bytes are cut",
    [
      FastCheck.uint8Array({ maxLength: 2000, minLength: 1 }),
      FastCheck.array(FastCheck.constantFrom(...names), { minLength: 1, maxLength: maxCodings }),
      FastCheck.integer({ min: 1, max: 500 })
    ],
    ([bytes, names, size]) =>
      Effect.gen(function*() {
        const sent = coded(bytes, names)
        const intake = decoding(names.join(", ").toUpperCase(), () => body, nowhere)
        const body: Body = new Body(intake ?? nowhere, Infinity, () => "too large")
        const to = intake ?? body
        for (let start = 0; start < sent.length; start += size) {
          const part = sent.subarray(start, start + size)
          to.push(part)
        }
        to.complete()
        assert.deepStrictEqual(Uint8Array.from(yield* Effect.suspend(() => body.readAll())), Uint8Array.from(bytes))
      }),
    { fastCheck: { numRuns: 200 } }
  )

  const text = "grün ".repeat(1000)

  for (
    const [name, encoding, body] of [
      ["bare deflate", "deflate", Zlib.deflateRawSync(text)],
      ["of two lines of headers", "gzip\r\ncontent-encoding: br", coded(Buffer.from(text), ["gzip", "br"])],
      ["that nobody knows is left as it is", "rot13", Buffer.from(text)],
      [
        "of more codings than a server applies is left as it is",
        Array(maxCodings + 1).fill("gzip").join(),
        Buffer.from(text)
      ],
      ["with another one that nobody knows is left as it is", "gzip, rot13", Buffer.from(text)]
    ] as const
  ) {
    it.scopedLive(name, () =>
      Effect.gen(function*() {
        const server = yield* says(answer(encoding, body))
        yield* lean((client) =>
          Effect.gen(function*() {
            assert.strictEqual(yield* (yield* client.get(server.url)).text, text)
            const { headers, stream } = yield* client.get(server.url)
            assert.strictEqual(yield* Stream.mkString(Stream.decodeText(stream)), text)
            assert.isDefined(headers["content-encoding"])
          })
        )
      }))
  }

  it.scopedLive("is undone while it comes", () =>
    Effect.gen(function*() {
      const server = yield* http((_, response) => {
        response.writeHead(200, { "content-encoding": "gzip" })
        const gzip = Zlib.createGzip()
        gzip.pipe(response)
        gzip.write("abc")
        gzip.flush()
      })
      yield* get(server.url, (response) =>
        Effect.gen(function*() {
          const first = yield* Stream.runHead(response.stream)
          assert.strictEqual(new TextDecoder().decode(Option.getOrThrow(first)), "abc")
        }))
      yield* until(() => server.open.size === 0)
    }))

  for (
    const [name, body, code] of [
      ["broken", Buffer.from("this is no gzip"), "Z_DATA_ERROR"],
      ["cut short", Zlib.gzipSync(text).subarray(0, 30), "Z_BUF_ERROR"]
    ] as const
  ) {
    it.scopedLive(`that is ${name} is a failure of the body`, () =>
      Effect.gen(function*() {
        const server = yield* says(answer("gzip", body))
        yield* get(server.url, (response) =>
          Effect.gen(function*() {
            const error = yield* Effect.flip(response.text)
            assert.strictEqual((error.cause as { readonly code: string }).code, code)
          }))
      }))
  }
})

describe("a body that swells", () => {
  const bomb = Effect.sync(() => answer("gzip", Zlib.gzipSync(Buffer.alloc(300 * mebibyte))))

  it.scopedLive("is a failure at its limit, and its connection is closed", () =>
    Effect.gen(function*() {
      const server = yield* says(yield* bomb)
      yield* over(Transport.layerUndici({ maxResponseBytes: mebibyte }), (client) =>
        Effect.gen(function*() {
          for (const read of [(_: Answer) => _.text, (_: Answer) => Stream.runDrain(_.stream)]) {
            const error = yield* Effect.flip<unknown, unknown, never>(Effect.flatMap(client.get(server.url), read))
            const cause = error instanceof Error ? error.cause : undefined
            assert.instanceOf(cause, RouterError.ResponseTooLarge)
            assert.deepStrictEqual([cause.limit, cause.maximum, cause.status], ["bytes", mebibyte, 200])
          }
        }))
    }), 30_000)

  it.live("is held back while nobody reads on", () =>
    Effect.gen(function*() {
      let swollen = 0
      class Counted extends Body {
        override push(part: Uint8Array): void {
          swollen += part.length
          super.push(part)
        }
      }
      const total = 300 * mebibyte
      const bytes = Zlib.gzipSync(Buffer.alloc(total))
      const intake: (Intake & Source) | undefined = decoding("gzip", () => body, nowhere)
      assert.isDefined(intake)
      const body: Body = new Counted(intake, Infinity, () => "too large")
      intake.push(bytes)
      intake.complete()
      const next = body.readParts() ?? assert.fail("it was read before")
      for (let read = 0; read < 3; read++) {
        yield* next
        assert.isBelow(yield* still(() => swollen), 2 * mebibyte)
      }
      while ((yield* next).length > 0) { /* to its end */ }
      assert.strictEqual(swollen, total)
    }), 30_000)
})
