/**
 * An `HttpClient` straight on undici, for programs that make many calls.
 *
 * It answers as the clients of `@effect/platform` do, and costs less: a call is one `dispatch`, without a span where no tracer is set,
 * without a controller, and its body is read without a stream of Node's in between. It gives up what nobody wants any more at once,
 * whatever it is doing (connecting, waiting for headers, reading), and undoes `content-encoding` as `fetch` does. Requests ask for no
 * encoding: a stream that is compressed on its way is a stream that waits.
 *
 * Two times of undici are off: how long it waits for headers, and how long between two reads (`headersTimeout`, `bodyTimeout`). The
 * clocks of the router do that (`Timeout`, or the `timeout` of a request), for they know what a call may take.
 *
 * It needs `undici`, an optional peer, from version 7.10 on. It is a subpath of its own:
 *
 * ```ts
 * import { ChatCompletions } from "effect-llm-router"
 * import * as Transport from "effect-llm-router/Transport"
 * import { Layer } from "effect"
 *
 * const router = ChatCompletions.layer.pipe(Layer.provide(Transport.layerUndici({ connectTimeout: "3 seconds" })))
 * ```
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Dispatcher } from "undici"
import buildConnector from "undici/lib/core/connect.js"
import { count, positiveMillis } from "./internal/breakerSettings.js"
import * as RouterError from "./RouterError.js"
import * as client from "./transport/client.js"
import { Pool } from "./transport/pool.js"

/**
 * How long a connection may take until it stands, the handshake of TLS included: 10 seconds. A lost packet of a handshake is sent again
 * after one, three and seven seconds; what has no answer by then has none later.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultConnectTimeout: Duration.DurationInput = "10 seconds"

/**
 * How long a connection is kept that nobody uses, where the server does not say for how long it will: 4 seconds. Node's own server closes
 * after five, and a request that meets the close of its connection is lost.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultKeepAliveTimeout: Duration.DurationInput = "4 seconds"

/**
 * How many connections there can be to one origin: any number. Beyond a limit a call waits in a queue that nobody sees, while the clocks
 * of its attempt run. To bound what is under way, use `Concurrency`, which rejects or lets wait by a rule, and fails over.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultConnections: number = Infinity

/**
 * How many bytes an answer can have, decompressed: 256 MiB. Far above the router's own limit (`Limits`, 64 MiB), which is to strike first,
 * and little enough to be a text of JavaScript's, which can have 512 MiB.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxResponseBytes: number = 256 * 1024 * 1024

/**
 * @since 0.1.0
 * @category models
 */
export interface ResponseOptions {
  /**
   * How many bytes an answer can have, counted after decompression; `Infinity` is no limit. Beyond it the body fails with a
   * `ResponseError` whose `cause` is a `RouterError.ResponseTooLarge`, and the connection is closed. Default `defaultMaxResponseBytes`.
   */
  readonly maxResponseBytes?: number | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options extends ResponseOptions {
  /** How long a connection may take. Default `defaultConnectTimeout`. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** How many connections there can be to one origin, `Infinity` for any number. Default `defaultConnections`. */
  readonly connections?: number | undefined
  /** How long a connection is kept that nobody uses. Default `defaultKeepAliveTimeout`. */
  readonly keepAliveTimeout?: Duration.DurationInput | undefined
}

const maxBytesOf = ({ maxResponseBytes = defaultMaxResponseBytes }: ResponseOptions): number => {
  if (!(typeof maxResponseBytes === "number" && maxResponseBytes > 0)) {
    throw RouterError.invalidField("maxResponseBytes", "expected a number above 0")
  }
  return maxResponseBytes
}

/**
 * A client with connections of its own: HTTP/1.1, one request at a time on each. They are closed with the scope of the layer, and what is
 * under way then fails. None of them keeps a program running that has nothing else to do.
 *
 * Throws `InvalidRequest` when an option is not what it has to be.
 *
 * ```ts
 * import * as Transport from "effect-llm-router/Transport"
 *
 * const transport = Transport.layerUndici({ connectTimeout: "3 seconds", keepAliveTimeout: "30 seconds" })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerUndici = (options: Options = {}): Layer.Layer<HttpClient.HttpClient> => {
  const maxBytes = maxBytesOf(options)
  const connections = count("connections", options.connections ?? defaultConnections)
  const settings = {
    connect: buildConnector({ timeout: 0 }),
    connectTimeout: positiveMillis("connectTimeout", options.connectTimeout ?? defaultConnectTimeout),
    keepAliveTimeout: positiveMillis("keepAliveTimeout", options.keepAliveTimeout ?? defaultKeepAliveTimeout)
  }
  const pool = Effect.acquireRelease(
    Effect.sync(() => new Pool(connections, settings)),
    (pool) => Effect.promise(() => pool.close())
  )
  return Layer.scoped(HttpClient.HttpClient, Effect.map(pool, (pool) => client.make(pool, maxBytes)))
}

/**
 * A client over a dispatcher of yours: a `ProxyAgent`, an `Agent` with certificates, one with interceptors. It is not closed here.
 *
 * How connections are made and kept is up to it. A request that is left while its connection is being made is not sent, but what the
 * dispatcher connects for it goes on until it stands or runs into the dispatcher's own timeout.
 *
 * Throws `InvalidRequest` when an option is not what it has to be.
 *
 * ```ts
 * import * as Transport from "effect-llm-router/Transport"
 * import { ProxyAgent } from "undici"
 *
 * const transport = Transport.layerDispatcher(new ProxyAgent("http://proxy.example:3128"))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDispatcher = (
  dispatcher: Dispatcher,
  options: ResponseOptions = {}
): Layer.Layer<HttpClient.HttpClient> => {
  const maxBytes = maxBytesOf(options)
  return Layer.sync(HttpClient.HttpClient, () =>
    client.make({
      send: (exchange) => {
        dispatcher.dispatch(exchange.options, exchange)
      }
    }, maxBytes))
}
