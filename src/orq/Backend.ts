/**
 * Where the router of a client is: behind HTTP, or in this process.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as ChatCompletions from "../ChatCompletions.js"
import * as redaction from "../internal/redaction.js"
import type * as RouterError from "../RouterError.js"
import type { ChatRequest } from "../wire/ChatRequest.js"
import * as Errors from "./Errors.js"
import * as Exchange from "./Exchange.js"
import * as Failure from "./Failure.js"
import * as Options from "./Options.js"

/**
 * One call with its options.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call<R> {
  readonly create: (request: ChatRequest) => Effect.Effect<ChatCompletions.RoutedCompletion, Errors.CallError, R>
  readonly stream: (request: ChatRequest) => Stream.Stream<ChatCompletions.RoutedChunk, Errors.CallError, R>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Backend<R> {
  readonly fork: <A, E>(effect: Effect.Effect<A, E, R>) => Fiber.RuntimeFiber<A, unknown>
  readonly call: (options: Options.RequestOptions) => Effect.Effect<Call<R>, Errors.CallError, R>
  /** What is around the whole of a call, a stream until its end included. */
  readonly around: <A>(
    effect: Effect.Effect<A, Errors.CallError, R>,
    options: Options.RequestOptions
  ) => Effect.Effect<A, Errors.CallError, R>
  readonly dispose: () => Promise<void>
}

const keyOf = ({ apiKey }: Options.ClientOptions): Effect.Effect<string | undefined, Errors.CallError> =>
  typeof apiKey === "function"
    ? Effect.tryPromise({
      try: () => apiKey(),
      catch: (cause) => new Errors.UnexpectedClientError("The function that gives the key failed", { cause })
    })
    : Effect.succeed(apiKey ?? Options.variable("ORQ_API_KEY"))

/** The name that the service has for an id of a contact, and the one that users of the published SDK write. */
const contactId = { ours: "contactId", theirs: "x-orq-contact-id" }

const headersOf = (
  client: Options.ClientOptions,
  options: Options.RequestOptions
): Effect.Effect<Record<string, string>, Errors.CallError> =>
  Effect.try({
    try: () => {
      const headers = new Headers(options.headers ?? options.fetchOptions?.headers)
      const contact = headers.get(contactId.ours)
      if (contact !== null) {
        headers.set(contactId.theirs, contact)
        headers.delete(contactId.ours)
      }
      if (client.userAgent !== undefined) {
        headers.set("user-agent", client.userAgent)
      }
      return Object.fromEntries(headers)
    },
    catch: (cause) => new Errors.InvalidRequestError("headers: expected names and values of HTTP headers", { cause })
  })

const serverOf = (client: Options.ClientOptions, options: Options.RequestOptions): string | undefined => {
  const given = options.serverURL ?? client.serverURL ?? Options.variable("ORQ_SERVER_URL")
  return given === undefined ? undefined : String(given)
}

const remoteOptions = (client: Options.ClientOptions, options: Options.RequestOptions) =>
  Effect.zipWith(keyOf(client), headersOf(client, options), (key, headers) => ({
    apiKey: key ? Redacted.make(key.replace(/^bearer /i, "")) : undefined,
    serverURL: serverOf(client, options),
    timeoutMs: Options.signalOf(options) === undefined ? Options.timeoutOf(client, options) : Infinity,
    retries: options.retries ?? client.retryConfig,
    retryCodes: options.retryCodes,
    headers
  }))

/** The rest of what `fetch` takes: it is handed on as it is. */
const fetchInit = ({ fetchOptions = {} }: Options.RequestOptions): RequestInit => {
  const { headers: _headers, signal: _signal, ...init } = fetchOptions
  return init
}

/**
 * The hosted router.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hosted = (client: Options.ClientOptions): Backend<HttpClient.HttpClient> => {
  const runtime = ManagedRuntime.make(FetchHttpClient.layer)
  return {
    fork: (effect) => runtime.runFork(effect),
    // each HTTP request has a clock of its own
    around: (effect) => effect,
    dispose: () => runtime.dispose(),
    call: (given) =>
      Effect.gen(function*() {
        const options = yield* remoteOptions(client, given)
        const { create, stream } = yield* ChatCompletions.makeRemote(options).pipe(
          Effect.mapError((cause) => new Errors.InvalidRequestError("Invalid option", { cause }))
        )
        const exchange = Exchange.make()
        const secrets = redaction.literals(options.apiKey === undefined ? [] : [options.apiKey])
        const toCallError = (request: ChatRequest) => (error: RouterError.RouterError) =>
          Failure.ofHosted(error, { request, answer: exchange.last(), secrets })
        const transport = Context.make(FetchHttpClient.Fetch, exchange.fetch).pipe(
          Context.add(FetchHttpClient.RequestInit, fetchInit(given))
        )
        return {
          create: (request) => create(request).pipe(Effect.mapError(toCallError(request)), Effect.provide(transport)),
          stream: (request) =>
            stream(request).pipe(Stream.mapError(toCallError(request)), Stream.provideSomeContext(transport))
        }
      })
  }
}

const isLayer = (router: Options.Router): router is Layer.Layer<ChatCompletions.ChatCompletions, unknown> =>
  Layer.isLayer(router)

/** There is no HTTP request to the router: the whole call has the time of one. */
const timed =
  (client: Options.ClientOptions): Backend<ChatCompletions.ChatCompletions>["around"] => (effect, options) => {
    if (Options.signalOf(options) !== undefined) {
      return effect
    }
    const millis = Options.timeoutOf(client, options)
    return millis >= 1
      ? Effect.timeoutFail(effect, {
        duration: Duration.millis(millis),
        onTimeout: () => new Errors.RequestTimeoutError("Request timed out")
      })
      : Effect.fail(new Errors.InvalidRequestError("timeoutMs: expected milliseconds, 1 or more"))
  }

/**
 * A router in this process.
 *
 * @since 0.1.0
 * @category constructors
 */
export const local = (
  client: Options.ClientOptions,
  router: Options.Router
): Backend<ChatCompletions.ChatCompletions> => {
  const isOwn = isLayer(router)
  const runtime = isOwn ? ManagedRuntime.make(router) : router
  return {
    fork: (effect) => runtime.runFork(effect),
    around: timed(client),
    dispose: () => isOwn ? runtime.dispose() : Promise.resolve(),
    call: () =>
      Effect.map(ChatCompletions.ChatCompletions, ({ create, stream }) => ({
        create: (request) => Effect.mapError(create(request), Failure.ofLocal),
        stream: (request) => Stream.mapError(stream(request), Failure.ofLocal)
      }))
  }
}
