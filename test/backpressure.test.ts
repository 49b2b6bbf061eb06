import { FetchHttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Layer, Option, Stream } from "effect"
import { ChatCompletions, type ChatRequest, OpenAiCompatible, Providers, ResponseCache } from "effect-llm-router"
import * as Http from "node:http"
import { messages } from "./support/router.js"

const mebibyte = 1024 * 1024

/** Of an answer: many times what the buffers of two sockets hold. */
const totalBytes = 48 * mebibyte

/** What may be on its way to a consumer that has stopped: the kernel's buffers of both sockets, and those of the client. */
const maxOnTheWay = 16 * mebibyte

/** How long nothing has been accepted when it is said to have stopped, in milliseconds. */
const quietMillis = 300

const event = (delta: unknown, finish_reason: string | null = null): string =>
  `data: ${JSON.stringify({ id: "c", choices: [{ index: 0, delta, finish_reason }] })}\n\n`

const text = "x".repeat(32 * 1024)

const piece = Buffer.from(event({ content: text }))

const pieces = Math.ceil(totalBytes / piece.length)

/** A server that writes as fast as it can, and counts what its sockets have accepted. */
const makeServer = Effect.acquireRelease(
  Effect.async<{ readonly url: string; readonly accepted: () => number; readonly close: () => void }>((resume) => {
    let accepted = 0
    const server = Http.createServer((request, response) => {
      request.resume()
      response.writeHead(200, { "content-type": "text/event-stream" })
      let left = pieces
      const write = (): void => {
        while (left > 0) {
          left--
          accepted += piece.length
          if (!response.write(piece)) {
            response.once("drain", write)
            return
          }
        }
        response.end(`${event({}, "stop")}data: [DONE]\n\n`)
      }
      write()
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed({
        url: `http://127.0.0.1:${port}/v1`,
        accepted: () => accepted,
        close: () => {
          server.close()
          server.closeAllConnections()
        }
      }))
    })
  }),
  (server) => Effect.sync(server.close)
)

/** Waits until the count stands still. */
const quiet = (count: () => number): Effect.Effect<number> =>
  Effect.gen(function*() {
    for (;;) {
      const before = count()
      yield* Effect.sleep(quietMillis)
      if (count() === before) {
        return before
      }
    }
  })

const plain: ChatRequest.ChatRequest = { model: "a/x", messages }

const lengthOf = (chunk: ChatCompletions.RoutedChunk): number => chunk.choices[0]?.delta.content?.length ?? 0

for (
  const [name, transport] of [["fetch", FetchHttpClient.layer], ["undici", NodeHttpClient.layerUndici]] as const
) {
  describe(`a consumer that stops asking, over ${name}`, () => {
    const cache = { type: "exact_match" as const }
    for (const [kind, request] of [["a stream", plain], ["a stream that is shared", { ...plain, cache }]] as const) {
      it.scopedLive(`stops the upstream of ${kind}, and gets all of it when it goes on`, () =>
        Effect.gen(function*() {
          const server = yield* makeServer
          const router = yield* ChatCompletions.layer.pipe(
            Layer.provide([
              Providers.layer({ a: OpenAiCompatible.make({ baseUrl: server.url }) }),
              ResponseCache.layerMemory()
            ]),
            Layer.provide(transport),
            Layer.build
          )
          const pull = yield* Stream.toPull(Stream.provideContext(ChatCompletions.stream(request), router))
          let length = 0
          const read = Effect.map(pull, (chunks) => {
            length += Chunk.reduce(chunks, 0, (sum, chunk) => sum + lengthOf(chunk))
          })
          yield* Effect.repeatN(read, 4)
          assert.isAbove(length, 0)
          // the server has been writing all the time
          const accepted = yield* quiet(server.accepted)
          assert.isBelow(accepted, maxOnTheWay)
          assert.isTrue(Option.isNone(yield* Effect.flip(Effect.forever(read))))
          assert.strictEqual(length, pieces * text.length)
          assert.strictEqual(server.accepted(), pieces * piece.length)
        }))
    }
  })
}
