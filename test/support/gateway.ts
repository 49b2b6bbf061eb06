/** A gateway over a scripted upstream, both on real sockets, and clients that are no more than `fetch` and `node:net`. */
import { NodeHttpClient, NodeHttpServer } from "@effect/platform-node"
import * as HttpServer from "@effect/platform/HttpServer"
import { Context, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import {
  ChatCompletions,
  OpenAiCompatible,
  Providers,
  Resilience,
  ResponseCache,
  type RouterError
} from "effect-llm-router"
import * as Gateway from "effect-llm-router/Gateway"
import * as Testing from "effect-llm-router/Testing"
import { spawn } from "node:child_process"
import * as Net from "node:net"
import { fileURLToPath } from "node:url"

export interface Running {
  readonly url: string
  readonly port: number
  /** How many requests are under way. */
  readonly inFlight: Effect.Effect<number>
  /** Ends the gateway, as SIGTERM does. */
  readonly end: Effect.Effect<void>
}

interface Options extends Gateway.Options {
  readonly http?: Parameters<typeof Gateway.makeServer>[0]
  /** Whether the gateway is told of its server. Default `true`. */
  readonly drainsServer?: boolean
  /** Where to listen. Default 127.0.0.1. */
  readonly host?: string
}

/** A gateway on a port of its own, over any router. */
export const start = (
  router: Layer.Layer<ChatCompletions.ChatCompletions>,
  { drainsServer = true, host = "127.0.0.1", http, ...options }: Options = {}
) =>
  Effect.gen(function*() {
    const server = Gateway.makeServer(http)
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const layer = Gateway.serve({ ...options, ...(drainsServer ? { server } : undefined) }).pipe(
      Layer.provide(router),
      Layer.provideMerge(NodeHttpServer.layer(() => server, { port: 0, host }))
    )
    const context = yield* Layer.buildWithScope(layer, scope)
    const { address } = Context.get(context, HttpServer.HttpServer)
    const port = address._tag === "TcpAddress" ? address.port : 0
    const running: Running = {
      url: `http://127.0.0.1:${port}`,
      port,
      inFlight: Context.get(context, Gateway.Gateway).inFlight,
      end: Scope.close(scope, Exit.void)
    }
    return running
  })

/** A router over a server on this machine that answers by a script. */
export const routerOver = (server: Testing.LoopbackServer, script: Testing.Script) => {
  const names = new Set(Object.keys(script).map((target) => target.split("/")[0]!))
  return ChatCompletions.layer.pipe(
    Layer.provideMerge(Resilience.layer()),
    Layer.provideMerge(Layer.merge(
      Providers.layer(Object.fromEntries(
        [...names].map((name) => [name, OpenAiCompatible.make({ baseUrl: server.baseUrl(name) })])
      )),
      ResponseCache.layerMemory()
    )),
    Layer.provide(NodeHttpClient.layerUndici)
  )
}

export const gateway = (script: Testing.Script, options?: Options) =>
  Effect.gen(function*() {
    const upstream = yield* Testing.serve(script)
    return { ...(yield* start(routerOver(upstream, script), options)), upstream }
  })

/** A router that fails as it is told. */
export const failing = (error: RouterError.RouterError) =>
  Layer.succeed(ChatCompletions.ChatCompletions, {
    create: () => Effect.fail(error),
    stream: () => Stream.fail(error)
  })

/** A router with a bug. */
export const dying = Layer.succeed(ChatCompletions.ChatCompletions, {
  create: () => Effect.die(new Error("secret")),
  stream: () => Stream.die(new Error("secret"))
})

export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export const json = (answered: Answered): unknown => JSON.parse(answered.text)

export const send = (url: string, init?: RequestInit): Effect.Effect<Answered> =>
  Effect.promise(async (signal) => {
    const response = await fetch(url, { signal, ...init })
    return { status: response.status, headers: response.headers, text: await response.text() }
  })

export const v1 = "/v1/chat/completions"
export const v2 = "/v2/router/chat/completions"

export const headers = { "content-type": "application/json" }

export const post = (
  { url }: Pick<Running, "url">,
  body: unknown,
  more: Readonly<Record<string, string>> = {},
  path: string = v1
): Effect.Effect<Answered> =>
  send(url + path, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify(body) })

/** What an error answer holds, without its text. */
export const errorOf = (answered: Answered) => {
  const { error } = json(answered) as {
    readonly error: Readonly<Record<"message" | "type" | "param" | "code", string | null>>
  }
  return { status: answered.status, type: error.type, param: error.param, code: error.code }
}

/** The data of each event. */
export const dataOf = (text: string): ReadonlyArray<string> => {
  const events = text.split("\n\n")
  return events.slice(0, -1).map((event) => event.replace(/^data: /, ""))
}

export interface Socket {
  readonly write: (text: string | Uint8Array) => void
  /** Waits until what came so far holds the text. */
  readonly until: (text: string) => Effect.Effect<string>
  /** What came until the other side closed. */
  readonly closed: Effect.Effect<string>
  readonly destroy: () => void
  readonly pause: () => void
  readonly resume: () => void
}

/** A connection on which anything can be sent. */
export const connect = (port: number): Effect.Effect<Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<{ readonly socket: Net.Socket; readonly handle: Socket }>((resume) => {
      let received = ""
      let isClosed = false
      const socket = Net.connect(port, "127.0.0.1")
      socket.on("data", (data) => {
        received += data.toString("latin1")
      })
      socket.on("error", () => {})
      socket.on("close", () => {
        isClosed = true
      })
      const when = (test: () => boolean): Effect.Effect<string> =>
        Effect.async<string>((resume) => {
          const check = () => {
            if (test()) {
              socket.off("data", check)
              socket.off("close", check)
              resume(Effect.succeed(received))
            }
          }
          socket.on("data", check)
          socket.on("close", check)
          check()
        })
      const handle: Socket = {
        write: (text) => socket.write(text),
        until: (text) => when(() => received.includes(text)),
        closed: when(() => isClosed),
        destroy: () => socket.destroy(),
        pause: () => socket.pause(),
        resume: () => socket.resume()
      }
      socket.on("connect", () => resume(Effect.succeed({ socket, handle })))
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  ).pipe(Effect.map(({ handle }) => handle))

/** A request as it is on the wire. */
export const raw = (path: string, body: unknown, more = ""): string => {
  const text = JSON.stringify(body)
  return `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${more}content-length: ${
    Buffer.byteLength(text)
  }\r\n\r\n${text}`
}

/** `npm run gateway` as a process of its own. */
export const example = Effect.gen(function*() {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--import", "tsx", "examples/gateway.ts"], {
        cwd: fileURLToPath(new URL("../..", import.meta.url)),
        env: { PATH: process.env.PATH, HOME: process.env.HOME, PORT: "0", NO_COLOR: "1" },
        stdio: ["ignore", "pipe", "inherit"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  const exited = yield* Effect.fork(Effect.async<number | null>((resume) => {
    child.once("exit", (code) => resume(Effect.succeed(code)))
  }))
  const port = yield* Effect.async<number>((resume) => {
    let text = ""
    child.stdout.on("data", (data: Buffer) => {
      text += data.toString()
      const found = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(text)
      if (found !== null) resume(Effect.succeed(Number(found[1])))
    })
  })
  return { child, port, exited: Fiber.join(exited) }
})
