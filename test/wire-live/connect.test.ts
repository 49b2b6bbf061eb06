/** Upstreams that cannot be reached: a handshake that is never answered, a port where nobody listens, a name that nobody has. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Undici from "@effect/platform-node/Undici"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as net from "node:net"
import { Worker } from "node:worker_threads"
import * as Fallback from "../../src/policy/Fallback.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as Settle from "../../src/wire/Settle.js"
import { transports } from "../support/live.js"

/** Milliseconds of the clocks. */
const limit = 150

/** What the shortest handshake of a connection that the kernel accepts takes at most, in milliseconds. */
const handshake = 200

/** Listens, and never accepts: its thread is asleep for ever. */
const deafListener = `
  const server = require("node:net").createServer()
  server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    require("node:worker_threads").parentPort.postMessage(server.address().port)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
`

/** Whether the kernel answers one more connection, which stays open. */
const connects = (port: number) =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => net.connect(port, "127.0.0.1").on("error", () => {})),
      (socket) => Effect.sync(() => socket.destroy())
    ),
    (socket) =>
      Effect.async<boolean>((resume) => {
        socket.once("connect", () => resume(Effect.succeed(true)))
      }).pipe(Effect.timeoutTo({ duration: handshake, onTimeout: () => false, onSuccess: (answered) => answered }))
  )

/** The URL of a port whose backlog is full: from then on the kernel answers no handshake. */
const unanswered = Effect.gen(function*() {
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() => new Worker(deafListener, { eval: true })),
    (worker) => Effect.promise(() => worker.terminate())
  )
  const port = yield* Effect.async<number>((resume) => {
    worker.once("message", (port: number) => resume(Effect.succeed(port)))
  })
  yield* Effect.repeat(connects(port), { while: (answered) => answered })
  return `http://127.0.0.1:${port}/v1`
})

/** The URL of a port where nobody listens any more. */
const closed = Effect.scoped(Effect.map(Testing.serve({}), (server) => server.baseUrl("a")))

/** How many handshakes of this process are under way. */
const connecting = Effect.sync(() => process.getActiveResourcesInfo().filter((kind) => kind === "ConnectWrap").length)

const untilConnecting = (isEnough: (count: number) => boolean) =>
  Effect.repeat(Effect.delay(connecting, 5), { until: isEnough })

const settled = Effect.map(HttpClient.HttpClient, (client) => client.pipe(Settle.settle()))

/** A fallback of a server that answers, behind an upstream that cannot be reached. */
const answersInstead = (client: HttpClient.HttpClient.With<RouterError.TargetError>) =>
  Effect.gen(function*() {
    const server = yield* Testing.serve({ b: Testing.completion("Hello") })
    const b = HttpClient.mapRequest(yield* settled, HttpClientRequest.setUrl(server.baseUrl("b")))
    const response = yield* client.pipe(Fallback.withFallbacks([b])).get("")
    assert.include(yield* response.text, "Hello")
    assert.lengthOf(yield* server.calls, 1)
  })

describe("a handshake that was given up", () => {
  it.scopedLive("over node:http it is over at once", () =>
    Effect.gen(function*() {
      yield* untilConnecting((count) => count === 0)
      const url = yield* unanswered
      const before = yield* connecting
      const client = (yield* settled).pipe(Timeout.withFirstByteTimeout(limit))
      yield* Effect.flip(client.get(url))
      yield* untilConnecting((count) => count <= before)
    }).pipe(Effect.provide(NodeHttpClient.layer)))

  // a pool connects for whoever comes next, not for one request
  const patient = Layer.provide(
    NodeHttpClient.layerUndiciWithoutDispatcher,
    Layer.scoped(
      NodeHttpClient.Dispatcher,
      Effect.acquireRelease(
        Effect.sync(() => new Undici.Agent({ connect: { timeout: 2 * limit } })),
        (agent) => Effect.promise(() => agent.destroy())
      )
    )
  )

  it.scopedLive("over undici it goes on as long as its dispatcher says, and no longer", () =>
    Effect.gen(function*() {
      yield* untilConnecting((count) => count === 0)
      const url = yield* unanswered
      const before = yield* connecting
      const client = (yield* settled).pipe(Timeout.withFirstByteTimeout(limit))
      yield* Effect.flip(client.get(url))
      assert.isAbove(yield* connecting, before)
      yield* untilConnecting((count) => count <= before)
    }).pipe(Effect.provide(patient)))

  it.scopedLive("that time of the dispatcher is a failure of the connect stage", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip((yield* settled).get(yield* unanswered))
      assert.instanceOf(error, RouterError.Transport)
      assert.deepStrictEqual([error.stage, error.code], ["connect", "UND_ERR_CONNECT_TIMEOUT"])
    }).pipe(Effect.provide(patient)))
})

for (const [transport, layer] of [...transports, ["node:http", NodeHttpClient.layer]] as const) {
  describe(`over ${transport}`, () => {
    for (
      const [phase, policy] of [
        ["firstByte", Timeout.withFirstByteTimeout(limit)],
        ["firstContent", Timeout.withFirstContentTimeout(limit)],
        ["call", Timeout.withCallTimeout(limit)]
      ] as const
    ) {
      it.scopedLive(`a handshake without an answer: ${phase} strikes, and a fallback answers`, () =>
        Effect.gen(function*() {
          const url = yield* unanswered
          const client = HttpClient.mapRequest((yield* settled).pipe(policy), HttpClientRequest.setUrl(url))
          const error = yield* Effect.flip(client.get(""))
          assert.instanceOf(error, RouterError.Timeout)
          assert.strictEqual(error.phase, phase)
          yield* answersInstead(client)
        }).pipe(Effect.provide(layer)))
    }

    it.scopedLive("a handshake without an answer: the deadline strikes", () =>
      Effect.gen(function*() {
        const url = yield* unanswered
        const error = yield* Effect.flip((yield* settled).pipe(Timeout.withDeadline(limit)).get(url))
        assert.instanceOf(error, RouterError.DeadlineExceeded)
      }).pipe(Effect.provide(layer)))

    for (
      const [name, url, codes] of [
        ["a refused connection", closed, ["ECONNREFUSED"]],
        // the second: a machine without a resolver
        ["a name that nobody has", Effect.succeed("http://nowhere.invalid/v1"), ["ENOTFOUND", "EAI_AGAIN"]]
      ] as const
    ) {
      it.scopedLive(`${name} is a failure of the connect stage, and a fallback answers`, () =>
        Effect.gen(function*() {
          const clocks = Timeout.withClocks({ firstByte: "50 seconds", call: "50 seconds" })
          const client = HttpClient.mapRequest((yield* settled).pipe(clocks), HttpClientRequest.setUrl(yield* url))
          const error = yield* Effect.flip(client.get(""))
          assert.instanceOf(error, RouterError.Transport)
          assert.strictEqual(error.stage, "connect")
          assert.include(codes, error.code)
          yield* answersInstead(client)
        }).pipe(Effect.provide(layer)))
    }
  })
}
