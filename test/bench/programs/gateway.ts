/** This library's gateway in a process of its own: `gateway <base>`. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpServer from "@effect/platform/HttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Gateway from "../../../src/Gateway.js"
import { routerAt } from "../contenders/router.js"
import { answer } from "../lib/rpc.js"

const [base = ""] = process.argv.slice(2)
const server = Gateway.makeServer()
const runtime = ManagedRuntime.make(
  Gateway.serve({ server }).pipe(
    Layer.provide(routerAt(base, "lean", [])),
    Layer.provideMerge(NodeHttpServer.layer(() => server, { port: 0, host: "127.0.0.1" }))
  )
)
const { address } = await runtime.runPromise(Effect.map(HttpServer.HttpServer, (server) => server))

const handlers = {
  port: (_: null) => address._tag === "TcpAddress" ? address.port : 0,
  /** Microseconds until now. */
  cpu: (_: null) => {
    const { system, user } = process.cpuUsage()
    return system + user
  }
}

export type GatewayHandlers = typeof handlers

answer(handlers)
