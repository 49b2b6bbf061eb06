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
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as ChatCompletions from "../ChatCompletions.js"
import * as Endpoint from "../internal/endpoint.js"
import * as redaction from "../internal/redaction.js"
import type * as RouterError from "../RouterError.js"
import type { ChatRequest } from "../wire/ChatRequest.js"
import * as Errors from "./Errors.js"
import * as Exchange from "./Exchange.js"
import * as Failure from "./Failure.js"
import * as Options from "./Options.js"
import * as Surroundings from "./Surroundings.js"

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
  readonly call: (options: Options.RequestOptions) => Effect.Effect<Call<R>, Errors.CallError, R>
  /** What is around the whole of a call, a stream until its end included: what it needs, and its time. */
  readonly around: <A>(
    effect: Effect.Effect<A, Errors.CallError, R>,
    options: Options.RequestOptions
  ) => Effect.Effect<A, Errors.CallError>
  readonly dispose: () => Promise<void>
}

/** In milliseconds. A signal of the caller's is in the place of a clock. */
const timeOf = (client: Options.ClientOptions, options: Options.RequestOptions): number =>
  Options.signalOf(options) === undefined ? Options.timeoutOf(client, options) : Infinity

const within = <A, R>(
  effect: Effect.Effect<A, Errors.CallError, R>,
  millis: number
): Effect.Effect<A, Errors.CallError, R> => {
  if (millis === Infinity) {
    return effect
  }
  return millis >= 1
    ? Effect.timeoutFail(effect, {
      duration: Duration.millis(millis),
      onTimeout: () => new Errors.RequestTimeoutError("Request timed out")
    })
    : Effect.fail(new Errors.InvalidRequestError("timeoutMs: expected milliseconds, 1 or more"))
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

/** Beyond the headers that carry credentials anywhere: what proxies and gateways call theirs. */
const credentialName = /(?:token|secret|password|credentials?|api-?key|authorization)$/

const isCredential = (name: string): boolean => redaction.sensitiveHeaders.has(name) || credentialName.test(name)

const headersOf = (
  client: Options.ClientOptions,
  options: Options.RequestOptions
): Effect.Effect<Endpoint.HeaderValues, Errors.CallError> =>
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
      return Object.fromEntries(
        Array.from(headers, ([name, value]) => [name, isCredential(name) ? Redacted.make(value) : value])
      )
    },
    // the error of the platform quotes the value
    catch: () => new Errors.InvalidRequestError("headers: expected names and values of HTTP headers")
  })

/** A credential without its scheme (`Bearer …`): a server may repeat it so. */
const bare = (credential: Redacted.Redacted): Redacted.Redacted =>
  Redacted.make(Redacted.value(credential).replace(/^\S+\s+/, ""))

const serverOf = (client: Options.ClientOptions, options: Options.RequestOptions): string | undefined => {
  const given = options.serverURL ?? client.serverURL ?? Options.variable("ORQ_SERVER_URL")
  return given === undefined ? undefined : String(given)
}

/** What a hosted router is asked with, and what no error may show. */
const remoteOf = (client: Options.ClientOptions, options: Options.RequestOptions) =>
  Effect.gen(function*() {
    const headers = yield* headersOf(client, options)
    const millis = timeOf(client, options)
    const [spent, given] = yield* Effect.timed(within(keyOf(client), millis))
    const key = given ? Redacted.make(given.replace(/^bearer /i, "")) : undefined
    const credentials = Endpoint.secretsOf(headers)
    const own = headers["authorization"]
    return {
      secrets: redaction.literals([...(key ? [key] : []), ...credentials, ...credentials.map(bare)]),
      options: {
        // the header of the caller wins; what it holds is to be known as the key, so that the router's own errors are without it, too
        apiKey: Redacted.isRedacted(own) ? bare(own) : key,
        serverURL: serverOf(client, options),
        timeoutMs: Math.max(1, Math.ceil(millis - Duration.toMillis(spent))),
        retries: options.retries ?? client.retryConfig,
        retryCodes: options.retryCodes,
        headers
      }
    }
  })

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
  const { dispose, provide } = Surroundings.owned(FetchHttpClient.layer)
  return {
    // each HTTP request has a clock of its own
    around: provide,
    dispose,
    call: (given) =>
      Effect.gen(function*() {
        const { options, secrets } = yield* remoteOf(client, given)
        const { create, stream } = yield* ChatCompletions.makeRemote(options).pipe(
          Effect.mapError((cause) => new Errors.InvalidRequestError("Invalid option", { cause }))
        )
        const exchange = Exchange.make()
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
  const { dispose, provide } = isLayer(router) ? Surroundings.owned(router) : Surroundings.borrowed(router)
  return {
    // there is no HTTP request to the router: the whole call has the time of one, and so has the build that it waits for
    around: (effect, options) => within(provide(effect), timeOf(client, options)),
    dispose,
    call: () =>
      Effect.map(ChatCompletions.ChatCompletions, ({ create, stream }) => ({
        create: (request) => Effect.mapError(create(request), Failure.ofLocal),
        stream: (request) => Stream.mapError(stream(request), Failure.ofLocal)
      }))
  }
}
