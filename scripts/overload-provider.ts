/**
 * The provider of `overload.ts`, in a process of its own: some workers behind a queue, first come, first served.
 *
 * What is queued is dropped as soon as its client hangs up. Of a client that has merely stopped waiting the provider knows nothing: it
 * does that work, too. So the work that nobody waits for can fill the whole of its time, for ever.
 */
import * as Http from "node:http"
import type * as Net from "node:net"

/** How many requests are worked on at once. */
const workers = 10

/** How long each of them takes, in milliseconds. */
const serviceMillis = 125

/** How many may wait. Those beyond are refused, so that a client that storms does not use up the sockets of the machine. */
const maxQueued = 1_000

/** `down`: every request is answered with 503 at once. `stalled`: no work is begun. */
export type Mode = "up" | "down" | "stalled"

/** How many requests came since the order before. */
export interface Counts {
  readonly requests: number
}

export interface Ready {
  readonly port: number
}

/** Sets the mode, and is answered with the counts. The queue stays as it is. */
export interface Order {
  readonly mode: Mode
}

interface Job {
  readonly response: Http.ServerResponse
}

const completion = JSON.stringify({
  id: "c",
  object: "chat.completion",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }]
})

const down = JSON.stringify({ error: { message: "overloaded", type: "server_error", code: null } })

const answer = (response: Http.ServerResponse, status: number, body: string): void => {
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length }).end(body)
}

const run = (): void => {
  const queue = new Set<Job>()
  let mode: Mode = "up"
  let busy = 0
  let requests = 0

  const pump = (): void => {
    for (const job of queue) {
      if (mode !== "up" || busy === workers) {
        return
      }
      queue.delete(job)
      busy++
      setTimeout(() => {
        busy--
        answer(job.response, 200, completion)
        pump()
      }, serviceMillis)
    }
  }

  const accept = (response: Http.ServerResponse): void => {
    requests++
    if (mode === "down" || queue.size >= maxQueued) {
      return answer(response, 503, down)
    }
    const job: Job = { response }
    queue.add(job)
    response.once("close", () => queue.delete(job))
    pump()
  }

  const server = Http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume().once("end", () => accept(response))
  })
  // whoever hangs up may do so at any time
  server.on("clientError", (_, socket) => socket.destroy())

  process.on("message", (order: Order) => {
    mode = order.mode
    process.send?.({ requests } satisfies Counts)
    requests = 0
    pump()
  })
  process.once("disconnect", () => process.exit())
  server.listen({ port: 0, host: "127.0.0.1", backlog: 4_096 }, () => {
    const { port } = server.address() as Net.AddressInfo
    process.send?.({ port } satisfies Ready)
  })
}

if (process.send !== undefined) {
  run()
}
