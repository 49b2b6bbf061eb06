/** Portkey's gateway in a process of its own. It takes its port, and no other option, from the command line. */
import { once } from "node:events"
import { connect, createServer } from "node:net"
import { answer } from "../lib/rpc.js"
import type { GatewayHandlers } from "./gateway.js"

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  await once(server, "close")
  return typeof address === "object" && address !== null ? address.port : 0
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false))
    socket.once("close", () => socket.destroy()).once("connect", () => socket.end())
  })

const port = await freePort()
process.argv.push(`--port=${port}`, "--headless")
const program: string = "@portkey-ai/gateway/build/start-server.js"
await import(program)
while (!await listens(port)) await new Promise((resolve) => setTimeout(resolve, 20))

const handlers: GatewayHandlers = {
  port: () => port,
  cpu: () => {
    const { system, user } = process.cpuUsage()
    return system + user
  }
}

answer(handlers)
