/**
 * The mock provider: a server on bare sockets, so that it is not what limits the throughput. The first part of the path says how it
 * answers, whatever follows it:
 *
 * - `/completion`: a completion
 * - `/bulk-2000`, `/bulk-200`: a stream of that many chunks in one write
 * - `/packets-200`: a stream with one packet for each chunk
 * - `/hold`: a completion, once it is released
 */
import { createServer, type Socket } from "node:net"
import { answer } from "../lib/rpc.js"
import * as Answers from "./answers.js"

const bulk = new Map([2000, 200].map((chunks) => [`/bulk-${chunks}`, Answers.bulkAnswer(chunks)]))

const packets = [...Answers.events(200).map(Answers.framed), Answers.lastFrame]

/** Milliseconds between two packets of a stream: the reader has long come back by then, so that it gets each by itself. */
const packetInterval = 4

const streaming = new Map<Socket, number>()
const held = new Set<Socket>()
let requests = 0
let ticker: NodeJS.Timeout | undefined

const tick = () => {
  for (const [socket, position] of streaming) {
    socket.write(packets[position]!)
    if (position + 1 < packets.length) streaming.set(socket, position + 1)
    else streaming.delete(socket)
  }
  if (streaming.size === 0) {
    clearInterval(ticker)
    ticker = undefined
  }
}

const respond = (socket: Socket, kind: string): void => {
  requests++
  const stream = bulk.get(kind)
  if (kind === "/completion") {
    socket.write(Answers.completionAnswer)
  } else if (kind === "/hold") {
    held.add(socket)
  } else if (kind === "/packets-200") {
    socket.write(Answers.streamHead)
    streaming.set(socket, 0)
    ticker ??= setInterval(tick, packetInterval)
  } else if (stream !== undefined) {
    socket.write(stream)
  } else {
    socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
  }
}

const lengthOf = (head: string): number | undefined => {
  const found = /\r\ncontent-length: *(\d+)/i.exec(head)
  return found === null ? undefined : Number(found[1])
}

/** A request is answered when all of it is there. */
const serve = (socket: Socket): void => {
  let pending: Buffer = Buffer.alloc(0)
  const forget = () => {
    streaming.delete(socket)
    held.delete(socket)
  }
  socket.on("error", forget)
  socket.on("close", forget)
  socket.on("data", (data) => {
    pending = pending.length === 0 ? data : Buffer.concat([pending, data])
    for (let end = pending.indexOf("\r\n\r\n"); end >= 0; end = pending.indexOf("\r\n\r\n")) {
      const head = pending.toString("latin1", 0, end)
      const length = lengthOf(head)
      if (length === undefined) {
        socket.end("HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\n\r\n")
        return
      }
      if (pending.length < end + 4 + length) return
      pending = pending.subarray(end + 4 + length)
      respond(socket, /^\S+ (\/[^/ ]*)/.exec(head)?.[1] ?? "")
    }
  })
}

const server = createServer({ noDelay: true }, serve)

const handlers = {
  counts: (_: null) => ({ requests, held: held.size }),
  release: (_: null) => {
    for (const socket of held) socket.write(Answers.completionAnswer)
    held.clear()
  },
  port: (_: null) => {
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  }
}

export type ProviderHandlers = typeof handlers

server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => answer(handlers))
