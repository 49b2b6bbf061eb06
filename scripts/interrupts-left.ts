/** What `interrupts.ts` may find left of a call: requests, sockets, timers, fibers and memory. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { subscribe } from "node:diagnostics_channel"
import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import type * as Testing from "../src/Testing.js"

/** How long what is left may take to go away, in milliseconds. */
export const settleMillis = 250

/** The sockets of the server that carried a request, with the answer to the last one. */
export const sockets = new Map<Socket, ServerResponse>()

subscribe("http.server.request.start", (message) => {
  const { response, socket } = message as { readonly response: ServerResponse; readonly socket: Socket }
  if (!sockets.has(socket)) {
    socket.once("close", () => sockets.delete(socket))
  }
  sockets.set(socket, response)
})

const busySockets = (): number => [...sockets.values()].filter((response) => !response.writableFinished).length

/** How many there are of a kind of resource that keeps the process alive. */
export const resources = (kind: string): number =>
  process.getActiveResourcesInfo().filter((each) => each === kind).length

/** The turns between are for finalizers, which let go of more. */
export const heapUsed: Effect.Effect<number> = Effect.sync(() => globalThis.gc?.()).pipe(
  Effect.zipRight(Effect.sleep("100 millis")),
  Effect.repeatN(2),
  Effect.map(() => process.memoryUsage().heapUsed)
)

const kinds = ["requests", "sockets", "timers", "fibers"] as const

export type Left = Readonly<Record<typeof kinds[number], number>>

export const nothing: Left = { requests: 0, sockets: 0, timers: 0, fibers: 0 }

const combine = (f: (kind: keyof Left) => number): Left => ({
  requests: f("requests"),
  sockets: f("sockets"),
  timers: f("timers"),
  fibers: f("fibers")
})

/** What one round has left cannot be made good by another that has less than there was before. */
export const add = (sum: Left, more: Left): Left => combine((kind) => sum[kind] + Math.max(0, more[kind]))

export const left = (server: Testing.LoopbackServer): Effect.Effect<Left> =>
  Effect.map(Effect.all([server.open, Metric.value(Metric.fiberActive)]), ([requests, fibers]) => ({
    requests,
    sockets: busySockets(),
    timers: resources("Timeout"),
    fibers: Number(fibers.count)
  }))

/** Waits until no more is left than there was before, and says what is. */
export const settled = (server: Testing.LoopbackServer, before: Left): Effect.Effect<Left> =>
  Effect.gen(function*() {
    const deadline = performance.now() + settleMillis
    for (;;) {
      const now = yield* left(server)
      if (kinds.every((kind) => now[kind] <= before[kind]) || performance.now() > deadline) {
        return combine((kind) => now[kind] - before[kind])
      }
      yield* Effect.sleep("5 millis")
    }
  })
