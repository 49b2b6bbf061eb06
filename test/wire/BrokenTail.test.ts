/** Streams that HTTP says are broken, over real sockets: what counts is whether the answer was complete before. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as Net from "node:net"
import * as Fold from "../../src/wire/Fold.js"
import * as Settle from "../../src/wire/Settle.js"
import { isStreamResponse } from "../../src/wire/StreamResponse.js"

const event = (json: unknown): string => `data: ${JSON.stringify(json)}\n\n`
const text = event({ choices: [{ index: 0, delta: { content: "Hello" } }] })
const finish = event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] })
const usage = event({ choices: [], usage: { total_tokens: 3 } })

const head = (...lines: ReadonlyArray<string>) =>
  ["HTTP/1.1 200 OK", "content-type: text/event-stream", ...lines, "", ""].join("\r\n")

const chunked = (body: string) => `${body.length.toString(16)}\r\n${body}\r\n`

type Tail = readonly [before: (body: string) => string, after: string, end: (socket: Net.Socket) => void]

const close = (socket: Net.Socket) => socket.end()

/** How a body ends that does not end as its headers say. */
const tails: Readonly<Record<string, Tail>> = {
  "a content-length that is too long": [(body) => head("content-length: 9999") + body, "", close],
  "a content-length that is too long, and a reset": [
    (body) => head("content-length: 9999") + body,
    "",
    (socket) => socket.resetAndDestroy()
  ],
  "no last chunk": [(body) => head("transfer-encoding: chunked") + chunked(body), "", close],
  "no last chunk, and a reset": [
    (body) => head("transfer-encoding: chunked") + chunked(body),
    "",
    (socket) => socket.resetAndDestroy()
  ],
  "half a chunk": [(body) => head("transfer-encoding: chunked") + chunked(body), "ff\r\ndata: {", close],
  "a chunk of no size": [(body) => head("transfer-encoding: chunked") + chunked(body), "zz\r\n\r\n", close]
}

/** What was read before an end that breaks is thrown away by some transports: it is given the time to be read, in milliseconds. */
const lingerMillis = 150

/** Answers each request with this, byte for byte. */
const serve = (body: string, [before, after, end]: Tail) =>
  Effect.acquireRelease(
    Effect.async<Net.Server>((resume) => {
      const server = Net.createServer((socket) => {
        socket.on("error", () => {})
        socket.once("data", () => {
          socket.write(before(body))
          setTimeout(() => {
            socket.write(after)
            end(socket)
          }, lingerMillis)
        })
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
  )

const read = (body: string, tail: Tail, commit: "firstContent" | "whole") =>
  Effect.gen(function*() {
    const address = (yield* serve(body, tail)).address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const request = HttpClientRequest.accept(HttpClientRequest.get(`http://127.0.0.1:${port}/`), "text/event-stream")
    const fold = Fold.make()
    const ended = yield* (yield* HttpClient.HttpClient).pipe(Settle.settle({ commit })).execute(request).pipe(
      Effect.flatMap((response) =>
        isStreamResponse(response)
          ? Stream.runForEach(response.chunks, (chunk) => Effect.sync(() => fold.add(chunk)))
          : Effect.dieMessage("it is no stream")
      ),
      Effect.either
    )
    const { choices, usage } = fold.completion()
    return [Either.isLeft(ended) ? ended.left._tag : "complete", choices[0]?.message.content, usage?.totalTokens]
  })

const transports = {
  fetch: FetchHttpClient.layer,
  undici: NodeHttpClient.layerUndici,
  "node:http": NodeHttpClient.layer
}

for (const [transport, layer] of Object.entries(transports)) {
  describe(transport, () => {
    for (const [name, tail] of Object.entries(tails)) {
      it.scopedLive(name, () =>
        Effect.gen(function*() {
          const ends = yield* Effect.all(
            [text + finish + usage, text + usage].flatMap((body) => [
              read(body, tail, "firstContent"),
              read(body, tail, "whole")
            ]),
            { concurrency: "unbounded" }
          )
          assert.deepStrictEqual(ends, [
            ["complete", "Hello", 3],
            ["complete", "Hello", 3],
            ["Transport", "Hello", 3],
            ["Transport", undefined, undefined]
          ])
        }).pipe(Effect.provide(layer)))
    }
  })
}
