/**
 * The router as an HTTP server: for clients in any language, with the SDK that they have.
 *
 * | route | |
 * |---|---|
 * | `POST /v2/router/chat/completions` | the published path |
 * | `POST /v1/chat/completions` | the path of OpenAI's clients |
 * | `GET /v1/models` | the models of the options |
 * | `GET /v1/models/{id}` | one of them |
 * | `GET /health` | whether requests are taken, and to whoever has a key the state of the targets |
 *
 * Both paths take the same body: a chat request in snake_case, with the routing members (`retry`, `fallbacks`, `cache`, …) or without. The
 * answer is JSON, or events when the body says `"stream": true`; the `accept` header says nothing. `x-request-timeout-ms` limits the whole call.
 * In the answer `x-router-model` names the target that served, `x-router-attempts` how many attempts there were, `x-router-cache` what the
 * cache did, and `x-request-id` the call: it is the client's own, if it sent one.
 *
 * A client that sends `x-router-report` gets more: the whole route as JSON in `x-router-route` (unless it is longer than 4 KiB), and in the
 * body of an error a member `router` with its class. `ChatCompletions.layerRemote` does so: between two routers no kind of error is lost.
 *
 * An error is `{"error":{"message","type","param","code"}}`. A 429 and a 503 have a `retry-after`. A stream that breaks ends with such an
 * object as its last event, and without `[DONE]`. A client that leaves closes the connection to the provider, and one that reads slowly
 * slows the provider down; one that takes nothing for a minute is given up (see `makeServer`).
 *
 * `x-should-retry: false` tells a client that retries by itself, as the SDKs of OpenAI and Anthropic do, that it would do so in vain: the
 * gateway has made more than one attempt itself, or what is wrong is for good (a 4xx other than 408, 409 and 429; `provider_refused_key`).
 * Without it the attempts of both would multiply.
 *
 * `finish_reason` is always a word of the published API; what the provider said instead is in `native_finish_reason`. `stop` is told only
 * for a word that is known to mean it. One that says that the answer failed (`error`, `network_error`, `aborted`, …) is an error:
 * a 502 `provider_error`, or the last event of a stream that has begun. An unknown word is `length`: the answer may have been cut.
 * A client that sends `x-router-report` reads the provider's own word.
 *
 * Behind a reverse proxy a gateway needs `keys`: for its address every client of the proxy is one of this machine. Without keys a request
 * that a proxy marks as forwarded (`forwarded`, `x-forwarded-*`, `via`, `x-real-ip`) is refused, but not every proxy marks them. The proxy's
 * idle timeout is to be at least the longest time to the first content (`timeout.first_content_timeout`, for each attempt, or that of the
 * slowest reasoning model): nothing is sent before it, not even the status, which is not known until then.
 *
 * ```ts
 * import { NodeHttpClient, NodeHttpServer, NodeRuntime } from "@effect/platform-node"
 * import { ChatCompletions, Providers, Resilience, ResponseCache } from "effect-llm-router"
 * import * as Gateway from "effect-llm-router/Gateway"
 * import { Layer, Redacted } from "effect"
 *
 * const RouterLive = ChatCompletions.layer.pipe(
 *   Layer.provideMerge(Resilience.layer()), // merged: GET /health shows its state
 *   Layer.provide([Providers.layerConfig, ResponseCache.layerMemory()]),
 *   Layer.provide(NodeHttpClient.layerUndici)
 * )
 *
 * const server = Gateway.makeServer()
 *
 * const main = Gateway.serve({ server, keys: [Redacted.make("a key for my clients")] }).pipe(
 *   Layer.provide(RouterLive),
 *   Layer.provide(NodeHttpServer.layer(() => server, { port: 8787, host: "127.0.0.1" }))
 * )
 *
 * // SIGTERM drains it
 * export const run = () => NodeRuntime.runMain(Layer.launch(main))
 * ```
 *
 * @since 0.1.0
 */
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import type * as HttpServer from "@effect/platform/HttpServer"
import type * as HttpServerError from "@effect/platform/HttpServerError"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as ChatCompletions from "./ChatCompletions.js"
import * as Access from "./gateway/Access.js"
import * as Chat from "./gateway/Chat.js"
import * as Gate from "./gateway/Gate.js"
import * as Handler from "./gateway/Handler.js"
import * as Pages from "./gateway/Pages.js"
import * as Server from "./gateway/Server.js"
import * as RouterError from "./RouterError.js"

/**
 * The largest body that is read, in bytes: 10 MiB, which holds a prompt of a million tokens or some images as base64.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxBodyBytes = 10 * 1024 * 1024

/**
 * How many requests may be under way: 1,000. It bounds memory and sockets (each holds a body, and a connection on both sides), not the load on
 * a provider: that is for `Concurrency`.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxInFlight = 1000

/**
 * How long requests that are under way may go on when the gateway ends: 25 seconds, a little less than the 30 seconds that Kubernetes gives a
 * process after SIGTERM.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultDrainTimeout: Duration.Duration = Duration.seconds(25)

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * The keys of the clients: a request needs one as `authorization: Bearer …`. Visible ASCII characters. Default none: then only clients on
   * this machine are served, and none behind a proxy, which is to have keys.
   */
  readonly keys?: ReadonlyArray<Redacted.Redacted> | undefined
  /** What `GET /v1/models` lists, as `provider/model`. It limits nothing. Default none. */
  readonly models?: ReadonlyArray<string> | undefined
  /** The largest body that is read, in bytes. Default 10 MiB. */
  readonly maxBodyBytes?: number | undefined
  /** How many requests may be under way; the next gets a 503. Default 1,000. */
  readonly maxInFlight?: number | undefined
  /** How long requests that are under way may go on when the gateway ends; then they are interrupted. Default 25 seconds. */
  readonly drainTimeout?: Duration.DurationInput | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** How many requests are under way: a stream, until its last byte is handed over. */
  readonly inFlight: Effect.Effect<number>
  /**
   * Refuses new requests (503), waits for those under way as long as `drainTimeout`, and interrupts the others: a client that waits gets
   * a 503, a stream ends with an error event.
   */
  readonly drain: Effect.Effect<void>
}

/**
 * The routes that a router has, and the requests under way on them.
 *
 * @since 0.1.0
 * @category context
 */
export class Gateway extends Context.Tag("effect-llm-router/Gateway")<Gateway, Service>() {}

const wholeNumber = (field: string, value: number): number => {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw RouterError.invalidField(field, "expected a whole number, 1 or more")
  }
  return value
}

const durationOf = (field: string, input: Duration.DurationInput): Duration.Duration => {
  const duration = Duration.decode(input)
  if (!Duration.isFinite(duration)) {
    throw RouterError.invalidField(field, "expected a finite duration")
  }
  return duration
}

const validated = (options: Options) => ({
  access: Access.make(options.keys ?? []),
  models: options.models ?? [],
  maxBodyBytes: wholeNumber("maxBodyBytes", options.maxBodyBytes ?? defaultMaxBodyBytes),
  maxInFlight: wholeNumber("maxInFlight", options.maxInFlight ?? defaultMaxInFlight),
  drainTimeout: durationOf("drainTimeout", options.drainTimeout ?? defaultDrainTimeout)
})

const completionPaths = ["/v2/router/chat/completions", "/v1/chat/completions"] as const

/** The handlers answer by themselves when they are interrupted. */
const uninterruptible = { uninterruptible: true }

const addRoutes = (
  options: ReturnType<typeof validated>,
  gate: Gate.Gate
): Effect.Effect<void, never, HttpLayerRouter.HttpRouter | ChatCompletions.ChatCompletions> =>
  Effect.gen(function*() {
    const httpRouter = yield* HttpLayerRouter.HttpRouter
    const chat = Chat.handler({ ...options, gate, router: yield* ChatCompletions.ChatCompletions })
    const startedAtMillis = yield* Clock.currentTimeMillis
    const pages = yield* Pages.make({ ...options, gate, startedAtMillis })
    const routes = [
      ...completionPaths.map((path) => [path, Handler.only("POST", chat)] as const),
      ["/v1/models", Handler.only("GET", pages.models)],
      ["/v1/models/*", Handler.only("GET", pages.model)],
      ["/health", Handler.only("GET", pages.health)]
    ] as const
    for (const [path, handler] of routes) {
      yield* httpRouter.add("*", path, Handler.identified(handler), uninterruptible)
    }
  })

const make = (
  options: ReturnType<typeof validated>
): Effect.Effect<Service, never, HttpLayerRouter.HttpRouter | ChatCompletions.ChatCompletions | Scope.Scope> =>
  Effect.gen(function*() {
    const gate = yield* Gate.make(options.maxInFlight, options.drainTimeout)
    yield* addRoutes(options, gate)
    yield* Effect.addFinalizer(() => gate.drain)
    return { inFlight: Effect.sync(gate.inFlight), drain: gate.drain }
  })

/**
 * The routes, to be served together with others by `HttpLayerRouter.serve`:
 *
 * ```ts
 * import { HttpLayerRouter } from "@effect/platform"
 * import * as Gateway from "effect-llm-router/Gateway"
 * import { Layer } from "effect"
 *
 * const routes = Layer.merge(Gateway.layer({ models: ["groq/llama-3.3-70b-versatile"] }), HttpLayerRouter.cors())
 *
 * export const server = Gateway.layerDrain().pipe(Layer.provide(HttpLayerRouter.serve(routes)))
 * ```
 *
 * `GET /health` shows the state of the targets, and `GET /v1/models` the names of the providers, if their services are there.
 *
 * Throws `InvalidRequest` when an option is out of bounds.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options = {}
): Layer.Layer<Gateway, never, HttpLayerRouter.HttpRouter | ChatCompletions.ChatCompletions> =>
  Layer.scoped(Gateway, make(validated(options)))

/**
 * `layer` with options from the configuration. Fails with a `ConfigError` when one is out of bounds.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Options>
): Layer.Layer<
  Gateway,
  ConfigError.ConfigError,
  HttpLayerRouter.HttpRouter | ChatCompletions.ChatCompletions
> => Layer.scoped(Gateway, Effect.flatMap(Config.mapAttempt(Config.unwrap(config), validated), make))

/**
 * The keys in the variable `GATEWAY_KEYS`, separated by commas; none when it is not set.
 *
 * @since 0.1.0
 * @category config
 */
export const keysConfig: Config.Config<ReadonlyArray<Redacted.Redacted>> = Config.withDefault(
  Config.array(Config.redacted(), "GATEWAY_KEYS"),
  []
)

/**
 * The `node:http` server to be given to `NodeHttpServer.layer`: one with limits for slow headers (10 seconds), slow requests (2 minutes),
 * clients that do not read (60 seconds) and large headers (16 KiB), which can be drained. Another server has limits of its own. It listens and ends once.
 *
 * Throws `InvalidRequest` when an option is out of bounds.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeServer: (options?: Server.Options) => Server.GatewayServer = Server.make

/**
 * @since 0.1.0
 * @category models
 */
export interface DrainOptions {
  /**
   * What `makeServer` made. It stops listening at once then, and connections that are still open in the end are closed. Without it, new
   * connections are taken and get a 503 as long as requests are under way.
   */
  readonly server?: Server.GatewayServer | undefined
}

/**
 * Drains the gateway when its scope closes, before the layers that it is provided with do: so new requests are still answered, with a 503.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerDrain = ({ server }: DrainOptions = {}): Layer.Layer<never, never, Gateway> =>
  Layer.scopedDiscard(Effect.flatMap(Gateway, ({ drain }) =>
    Effect.addFinalizer(() =>
      server === undefined
        ? drain
        : server.stopListening.pipe(Effect.zipRight(drain), Effect.zipRight(server.hangUp(Gate.farewell)))
    )))

/** No route is found for a path that cannot be decoded either. */
const nothingHere = HttpLayerRouter.middleware<{ handles: HttpServerError.RouteNotFound }>()(
  (found) => Effect.catchTag(found, "RouteNotFound", ({ request }) => Handler.identified(Handler.nothingHere)(request)),
  { global: true }
)

/**
 * `layer`, served and drained: a program of its own. See the example of the module.
 *
 * Throws `InvalidRequest` when an option is out of bounds.
 *
 * @since 0.1.0
 * @category layers
 */
export const serve = (
  options: Options & DrainOptions = {}
): Layer.Layer<Gateway, never, HttpServer.HttpServer | ChatCompletions.ChatCompletions> =>
  layerDrain(options).pipe(Layer.provideMerge(served(layer(options))))

/**
 * `serve` with options from the configuration. Fails with a `ConfigError` when one is out of bounds.
 *
 * @since 0.1.0
 * @category layers
 */
export const serveConfig = (
  config: Config.Config.Wrap<Options>,
  options: DrainOptions = {}
): Layer.Layer<Gateway, ConfigError.ConfigError, HttpServer.HttpServer | ChatCompletions.ChatCompletions> =>
  layerDrain(options).pipe(Layer.provideMerge(served(layerConfig(config))))

const served = <E>(
  routes: Layer.Layer<Gateway, E, HttpLayerRouter.HttpRouter | ChatCompletions.ChatCompletions>
) => HttpLayerRouter.serve(Layer.merge(routes, nothingHere), { disableLogger: true, disableListenLog: true })
