/**
 * The `node:http` server of a gateway: with limits for clients that are slow or hostile before there is a request, and with an end.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Http from "node:http"
import type { Duplex } from "node:stream"
import * as RouterError from "../RouterError.js"
import * as Gate from "./Gate.js"
import * as Refusal from "./Refusal.js"

/**
 * How long a client may take to send the headers of a request: 10 seconds. They are one or two packets; Node's own 60 seconds let a
 * slowloris hold six times as many connections.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultHeadersTimeout: Duration.Duration = Duration.seconds(10)

/**
 * How long a client may take to send a whole request, its body included: 2 minutes, which is 10 MiB at 700 kbit/s.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultRequestTimeout: Duration.Duration = Duration.minutes(2)

/**
 * How long a client may take nothing of an answer that lies ready for it: 60 seconds, as long as nginx waits between two writes
 * (`send_timeout`). It lets a client that changes networks go on, and ends one that never reads, which would hold its place, its memory and
 * the connection to the provider for ever.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultWriteTimeout: Duration.Duration = Duration.seconds(60)

/**
 * How many bytes the headers of a request may have: 16 KiB, Node's own limit.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxHeaderBytes = 16 * 1024

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How long a client may take to send the headers; then it gets a 408. Default 10 seconds. */
  readonly headersTimeout?: Duration.DurationInput | undefined
  /** How long a client may take to send the whole request; then it gets a 408. Default 2 minutes. */
  readonly requestTimeout?: Duration.DurationInput | undefined
  /**
   * How long a client may take nothing of an answer that lies ready for it; then its connection is closed, and the one to the provider. One
   * that reads slowly is not meant: whatever it takes begins the time anew. Default 60 seconds.
   */
  readonly writeTimeout?: Duration.DurationInput | undefined
  /** How many bytes the headers may have; beyond, a client gets a 431. Default 16 KiB. */
  readonly maxHeaderBytes?: number | undefined
}

const millisOf = (field: string, duration: Duration.DurationInput): number => {
  const millis = Math.ceil(Duration.toMillis(duration))
  if (!(millis >= 1 && millis < 2 ** 31)) {
    throw RouterError.invalidField(field, "expected a duration from 1 millisecond to 24 days")
  }
  return millis
}

/** How often Node looks for connections that are late, at the most, in milliseconds: its own default. */
const maxCheckMillis = 30_000

/**
 * A server that knows its open answers.
 *
 * @since 0.1.0
 * @category models
 */
export class GatewayServer extends Http.Server {
  readonly #open = new Set<Http.ServerResponse<Http.IncomingMessage>>()
  readonly #refused = new WeakSet<Duplex>()

  readonly #writeTimeoutMillis: number

  constructor(options: Http.ServerOptions, writeTimeoutMillis: number) {
    super(options)
    this.#writeTimeoutMillis = writeTimeoutMillis
    this.on("request", (request: Http.IncomingMessage, response: Http.ServerResponse) => this.#watch(request, response))
    this.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
      // there is one for every packet that comes after the first
      if (!this.#refused.has(socket)) {
        this.#refused.add(socket)
        this.#refuse(error, socket)
      }
    })
    this.on("checkExpectation", (_: Http.IncomingMessage, response: Http.ServerResponse) => {
      const { body, headers, status } = Refusal.toLast(Refusal.expectation)
      response.writeHead(status, headers).end(body)
    })
  }

  /**
   * Nothing here is upgraded. For a listener Node would take the body from a request that offers to go on in another protocol, as some
   * clients do with every request (`upgrade: h2c`).
   */
  override listenerCount(...args: Parameters<Http.Server["listenerCount"]>): number {
    return args[0] === "upgrade" ? 0 : super.listenerCount(...args)
  }

  /** The answers to the requests before it, which came whole, go first. */
  #refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
    const open = [...this.#open].filter(({ req }) => req.socket === socket)
    const before = open.find(({ req }) => req.complete)
    // in the middle of an answer another one would be taken for a part of it
    const isAnswering = open.some(({ headersSent, req }) => headersSent && !req.complete)
    if (!socket.writable || isAnswering || error.code === "ECONNRESET") {
      socket.destroy()
    } else if (before === undefined) {
      socket.end(Refusal.toWire(Refusal.toLast(Refusal.ofCode(error.code))), () => socket.destroy())
    } else {
      before.once("close", () => this.#refuse(error, socket))
    }
  }

  #watch({ socket }: Http.IncomingMessage, response: Http.ServerResponse): void {
    // Of a connection that breaks Node tells the answer that is being sent only, and not those that wait behind it (pipelining).
    const onClose = () => {
      if (this.#open.has(response)) {
        response.emit("close")
      }
    }
    // It fires when nothing moved on the socket: also while the provider is silent, and then nothing waits to be written.
    response.setTimeout(this.#writeTimeoutMillis, () => {
      if (socket.writableLength > 0) {
        socket.destroy()
      }
    })
    this.#open.add(response)
    socket.once("close", onClose)
    response.once("close", () => {
      this.#open.delete(response)
      socket.off("close", onClose)
      if (this.#open.size === 0) {
        this.emit("quiet")
      }
    })
  }

  /** No more connections; those without a request are closed. */
  readonly stopListening: Effect.Effect<void> = Effect.sync(() => {
    if (this.listening) {
      this.close()
    }
  })

  /** Waits until every answer is sent, and not longer than this, and closes all connections. */
  hangUp(longest: Duration.Duration): Effect.Effect<void> {
    const sent = Effect.async<void>((resume) => {
      if (this.#open.size === 0) {
        return resume(Effect.void)
      }
      const onQuiet = () => resume(Effect.void)
      this.once("quiet", onQuiet)
      return Effect.sync(() => this.off("quiet", onQuiet))
    })
    return Effect.zipRight(Gate.atMost(sent, longest), Effect.sync(() => this.closeAllConnections()))
  }
}

/**
 * Throws `InvalidRequest` when an option is out of bounds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): GatewayServer => {
  const headersTimeout = millisOf("headersTimeout", options.headersTimeout ?? defaultHeadersTimeout)
  const requestTimeout = millisOf("requestTimeout", options.requestTimeout ?? defaultRequestTimeout)
  const writeTimeout = millisOf("writeTimeout", options.writeTimeout ?? defaultWriteTimeout)
  const maxHeaderSize = options.maxHeaderBytes ?? defaultMaxHeaderBytes
  if (!(Number.isSafeInteger(maxHeaderSize) && maxHeaderSize > 0)) {
    throw RouterError.invalidField("maxHeaderBytes", "expected a whole number above 0")
  }
  return new GatewayServer({
    headersTimeout: Math.min(headersTimeout, requestTimeout),
    requestTimeout,
    maxHeaderSize,
    connectionsCheckingInterval: Math.min(maxCheckMillis, Math.ceil(headersTimeout / 2), Math.ceil(requestTimeout / 2))
  }, writeTimeout)
}
