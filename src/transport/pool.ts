import { Connection, type Pooled, type Settings } from "./connection.js"
import type { Carrier, Exchange, Holder } from "./exchange.js"

class PoolClosed extends Error {
  readonly code = "UND_ERR_CLOSED"
  constructor() {
    super("the transport is closed")
  }
}

/** The connections to one origin. */
class Origin implements Pooled, Holder {
  private readonly connections = new Set<Connection>()
  /** The one that was used last is the first to be used again, so that those that are not needed run into their timeout. */
  private readonly free: Array<Connection> = []
  private readonly waiting = new Set<Exchange>()

  constructor(
    private readonly url: string,
    private readonly maxConnections: number,
    private readonly settings: Settings,
    private readonly onEmpty: (url: string) => void
  ) {}

  send(exchange: Exchange): void {
    const connection = this.free.pop() ?? this.open()
    if (connection !== undefined) {
      connection.place = -1
      connection.send(exchange)
    } else {
      exchange.holder = this
      this.waiting.add(exchange)
    }
  }

  recall(exchange: Exchange): void {
    this.waiting.delete(exchange)
  }

  onFree(connection: Connection): void {
    const next = this.nextWaiting()
    if (next === undefined) {
      connection.place = this.free.push(connection) - 1
    } else {
      connection.send(next)
    }
  }

  onGone(connection: Connection): void {
    this.connections.delete(connection)
    this.takeFromFree(connection)
    const next = this.nextWaiting()
    if (next !== undefined) {
      this.send(next)
    } else if (this.connections.size === 0) {
      this.onEmpty(this.url)
    }
  }

  async close(): Promise<void> {
    const exchanges = [...this.waiting]
    this.waiting.clear()
    exchanges.forEach((exchange) => exchange.abort(new PoolClosed()))
    await Promise.all(Array.from(this.connections, (connection) => connection.close()))
  }

  private open(): Connection | undefined {
    if (this.connections.size >= this.maxConnections) {
      return undefined
    }
    const connection = new Connection(this.url, this.settings, this)
    this.connections.add(connection)
    return connection
  }

  private nextWaiting(): Exchange | undefined {
    const [next] = this.waiting
    if (next !== undefined) {
      this.waiting.delete(next)
    }
    return next
  }

  /** The last one takes its place. */
  private takeFromFree(connection: Connection): void {
    const { place } = connection
    const last = this.free[place] === connection ? this.free.pop() : undefined
    if (last !== undefined && last !== connection) {
      this.free[place] = last
      last.place = place
    }
    connection.place = -1
  }
}

/**
 * Connections by origin. undici's own `Agent` cannot close a handshake of which nobody wants anything any more, connects anew after each
 * request that is aborted, and looks at each connection in turn to find a free one.
 */
export class Pool implements Carrier {
  private readonly origins = new Map<string, Origin>()
  private isClosed = false

  constructor(private readonly maxConnections: number, private readonly settings: Settings) {}

  send(exchange: Exchange): void {
    if (this.isClosed) {
      exchange.abort(new PoolClosed())
    } else {
      this.originOf(exchange.options.origin).send(exchange)
    }
  }

  async close(): Promise<void> {
    this.isClosed = true
    await Promise.all(Array.from(this.origins.values(), (origin) => origin.close()))
  }

  private originOf(url: string): Origin {
    let origin = this.origins.get(url)
    if (origin === undefined) {
      origin = new Origin(url, this.maxConnections, this.settings, (url) => {
        this.origins.delete(url)
      })
      this.origins.set(url, origin)
    }
    return origin
  }
}
