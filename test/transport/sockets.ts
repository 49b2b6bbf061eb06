/** Servers on the loopback interface for what an HTTP server does not do: they say what came, byte by byte, and which sockets are open. */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Transport from "../../src/Transport.js"

export interface Server {
  readonly url: string
  /** The sockets that are open now. */
  readonly open: ReadonlySet<Net.Socket>
  /** How many there were in all. */
  readonly accepted: () => number
}

const listen = (make: () => Net.Server): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<readonly [Server, () => void]>((resume) => {
      const server = make()
      const open = new Set<Net.Socket>()
      let accepted = 0
      server.on("connection", (socket: Net.Socket) => {
        accepted++
        open.add(socket)
        socket.on("error", () => {}).on("close", () => open.delete(socket))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed([{ url: `http://127.0.0.1:${port}`, open, accepted: () => accepted }, () => {
          server.close()
          open.forEach((socket) => socket.destroy())
        }]))
      })
    }),
    ([, close]) => Effect.sync(close)
  ).pipe(Effect.map(([server]) => server))

/** A server that answers each socket by itself; `onRequest` is called with all that came, when a head is complete. */
export const tcp = (
  onRequest: (socket: Net.Socket, head: string) => void,
  onConnect: (socket: Net.Socket) => void = () => {}
) =>
  listen(() =>
    Net.createServer((socket) => {
      onConnect(socket)
      let text = ""
      socket.on("data", (part) => {
        text += part.toString("latin1")
        if (text.includes("\r\n\r\n")) {
          const head = text
          text = ""
          onRequest(socket, head)
        }
      })
    })
  )

/** A server that answers every request with the same bytes. */
export const says = (answer: string | Uint8Array) => tcp((socket) => socket.write(answer))

export const http = (onRequest: Http.RequestListener) => listen(() => Http.createServer(onRequest))

/** Waits for what comes about outside of the program, five seconds at most. */
export const until = (isSo: () => boolean): Effect.Effect<void> =>
  Effect.sync(isSo).pipe(
    Effect.repeat({ until: (so) => so, schedule: Schedule.spaced(5) }),
    Effect.timeout("5 seconds"),
    Effect.orDieWith(() => new Error("it did not come about")),
    Effect.asVoid
  )

/** Does something with a client of a layer that is there for that long. */
export const over = <A, E>(
  layer: Layer.Layer<HttpClient.HttpClient>,
  use: (client: HttpClient.HttpClient) => Effect.Effect<A, E, Scope.Scope>
) => Effect.scoped(Effect.provide(Effect.flatMap(HttpClient.HttpClient, use), layer))

export const lean = <A, E>(use: (client: HttpClient.HttpClient) => Effect.Effect<A, E, Scope.Scope>) =>
  over(Transport.layerUndici(), use)

/** The text of an answer. */
export const textOf = (client: HttpClient.HttpClient, request: HttpClientRequest.HttpClientRequest) =>
  Effect.flatMap(client.execute(request), (response) => response.text)
