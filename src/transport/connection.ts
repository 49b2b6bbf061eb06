import { Socket } from "node:net"
import type { buildConnector } from "undici"
import Client from "undici/lib/dispatcher/client.js"
import type { Exchange, Holder } from "./exchange.js"

/** How connections are made and kept. */
export interface Settings {
  readonly connect: buildConnector.connector
  /** Milliseconds. */
  readonly connectTimeout: number
  /** Milliseconds. */
  readonly keepAliveTimeout: number
}

/** What a connection says to the pool that it is in. */
export interface Pooled {
  readonly onFree: (connection: Connection) => void
  readonly onGone: (connection: Connection) => void
}

/** Nobody waits for it any more, or the transport is closed. */
class HandshakeLeft extends Error {
  readonly code = "ABORT_ERR"
  constructor() {
    super("the connection is not needed any more")
  }
}

/** With the code of undici's own, which is half a second off. */
class ConnectTimeout extends Error {
  readonly code = "UND_ERR_CONNECT_TIMEOUT"
  constructor() {
    super("the connection took too long")
  }
}

/**
 * One connection: a client of undici, and the exchange that it was given last. A client has one exchange at a time, so what it connects
 * for is known, and a handshake that nobody waits for can be given up.
 */
export class Connection implements Holder {
  private readonly client: Client
  private exchange: Exchange | undefined
  private handshake: Socket | undefined
  private isGone = false
  /** Where it stands among the free ones. */
  place = -1

  constructor(readonly origin: string, settings: Settings, private readonly pool: Pooled) {
    this.client = new Client(origin, {
      allowH2: false,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: settings.keepAliveTimeout,
      connect: (options, callback) => {
        const timer = setTimeout(() => this.handshake?.destroy(new ConnectTimeout()), settings.connectTimeout)
        // the types do not say so, but the connector gives back its socket
        const socket: unknown = settings.connect(options, (...result) => {
          clearTimeout(timer)
          this.handshake = undefined
          callback(...result)
        })
        this.handshake = socket instanceof Socket ? socket : undefined
      }
    })
    this.client
      .on("drain", () => this.free())
      .on("connectionError", () => this.gone())
      // where an exchange was not begun, undici connects again for it
      .on("disconnect", () => this.exchange?.isPending === true || this.gone())
  }

  send(exchange: Exchange): void {
    this.exchange = exchange
    exchange.holder = this
    this.client.dispatch(exchange.options, exchange)
    // what undici refuses (a header that is none) it does not even queue
    if (exchange.isOver) {
      this.free()
    }
  }

  /** A connection that stands is left to the next one. */
  recall(): void {
    this.handshake?.destroy(new HandshakeLeft())
  }

  /** At once, with whatever is under way. */
  async close(): Promise<void> {
    const closed = this.client.destroy()
    this.recall()
    await closed
  }

  private free(): void {
    if (this.exchange?.isOver === true && !this.isGone) {
      this.exchange = undefined
      this.pool.onFree(this)
    }
  }

  private gone(): void {
    if (!this.isGone) {
      this.isGone = true
      this.pool.onGone(this)
      // undici would connect again for an exchange that was given up
      void this.close()
    }
  }
}
