/**
 * The providers that a program may call, by the name that comes before the first slash of a model id.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { sha256 } from "../internal/hash.js"
import * as RouterError from "../RouterError.js"
import type { Server } from "../telemetry/Server.js"
import type * as Settle from "../wire/Settle.js"
import * as Hosts from "./Hosts.js"
import * as OpenAiCompatible from "./OpenAiCompatible.js"
import type { Provider } from "./Provider.js"

/**
 * One model of one provider.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  /** `provider/model` */
  readonly id: string
  /** Makes one HTTP request for each of its own, and gives whatever answer there is. */
  readonly client: HttpClient.HttpClient.With<HttpClientError.HttpClientError | RouterError.InvalidRequest>
  /** What `Settle` has to know of the provider to make its answers final. */
  readonly settle: Settle.Options
  /** Where it is, for spans and metrics, where its provider says so. */
  readonly server?: Server | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** The names of the providers. */
  readonly names: ReadonlyArray<string>
  /** A hash of the names, identities and credentials: what was answered for one set of providers is not for another. */
  readonly fingerprint: string
  /**
   * The target of a model id. `path` is the field that the id stands in, for the `InvalidRequest` when the id has no provider, an
   * unknown provider or no model.
   */
  readonly resolve: (id: string, path: string) => Either.Either<Target, RouterError.InvalidRequest>
}

/**
 * @since 0.1.0
 * @category context
 */
export class Providers extends Context.Tag("effect-llm-router/Providers")<Providers, Service>() {}

/** A hash of hashes: no list can be taken for a longer or shorter one beside it. */
const fingerprint = ([name, { identity, secrets }]: [string, Provider]): string =>
  sha256([name, sha256(identity), sha256(secrets.map(Redacted.value))])

/** How many targets are remembered: more than one request may list. A program whose requests name any model begins anew now and then. */
const maxKnown = 4_000

const checkName = (name: string): void => {
  if (name === "" || name.includes("/")) {
    throw RouterError.invalidField(
      name,
      "expected the name of a provider, without a slash: it comes before the first one of a model id"
    )
  }
}

/**
 * Throws `InvalidRequest` when a name is empty or has a slash.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  providers: Readonly<Record<string, Provider>>
): Effect.Effect<Service, never, HttpClient.HttpClient> => {
  const names = Object.keys(providers)
  names.forEach(checkName)
  return Effect.map(HttpClient.HttpClient, (transport) => {
    const clients = new Map(
      Object.entries(providers).map(([name, provider]) => [name, { provider, client: provider.client(transport) }])
    )
    const known = new Map<string, Either.Either<Target>>()

    /** A target that is asked for the first time. */
    const remember = (id: string): Either.Either<Target> | undefined => {
      const slash = id.indexOf("/")
      const entry = clients.get(id.slice(0, Math.max(0, slash)))
      const model = id.slice(slash + 1)
      if (entry === undefined || model === "") {
        return undefined
      }
      const { doneTerminates, secrets, server } = entry.provider
      if (known.size >= maxKnown) {
        known.clear()
      }
      const target = Either.right({
        id,
        client: entry.client(model),
        settle: { target: id, secrets, doneTerminates },
        server
      })
      known.set(id, target)
      return target
    }

    const expected = `expected a model as provider/model, with one of the providers ${
      names.join(", ") || "(none is configured)"
    }`

    return {
      names,
      fingerprint: sha256(Object.entries(providers).map(fingerprint)),
      resolve: (id, path) => known.get(id) ?? remember(id) ?? Either.left(RouterError.invalidField(path, expected))
    }
  })
}

/**
 * Providers by name. Throws like `make`.
 *
 * ```ts
 * import { OpenAiCompatible, Providers } from "effect-llm-router"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Layer, Redacted } from "effect"
 *
 * const providers = Providers.layer({
 *   groq: OpenAiCompatible.host("groq", { apiKey: Redacted.make("gsk_…") }),
 *   local: OpenAiCompatible.make({ baseUrl: "http://localhost:8080/v1" })
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  providers: Readonly<Record<string, Provider>>
): Layer.Layer<Providers, never, HttpClient.HttpClient> => Layer.effect(Providers, make(providers))

/** An empty variable is one that was meant to be switched off. */
const text = (name: string): Config.Config<Option.Option<string>> =>
  Config.map(Config.option(Config.string(name)), Option.filter((value) => value.trim() !== ""))

const key = (names: ReadonlyArray<string>): Config.Config<Option.Option<Redacted.Redacted>> =>
  Config.map(Config.all(names.map(text)), (values) => Option.map(Option.firstSomeOf(values), Redacted.make<string>))

const hostConfig = (name: Hosts.HostName): Config.Config<Option.Option<[string, Provider]>> => {
  const host: Hosts.Host = Hosts.hosts[name]
  return Config.mapAttempt(
    Config.all([key(host.keys), text(`${name.toUpperCase()}_BASE_URL`)]),
    ([apiKey, baseUrl]) =>
      Option.isNone(apiKey) && host.keys.length > 0 ? Option.none() : Option.some([
        name,
        OpenAiCompatible.host(name, {
          apiKey: Option.getOrUndefined(apiKey),
          baseUrl: Option.getOrUndefined(baseUrl)
        })
      ])
  )
}

const azureConfig: Config.Config<Option.Option<[string, Provider]>> = Config.mapAttempt(
  Config.all([
    key(["AZURE_OPENAI_API_KEY"]),
    text("AZURE_OPENAI_ENDPOINT"),
    text("AZURE_OPENAI_API_VERSION")
  ]),
  ([apiKey, endpoint, apiVersion]) =>
    Option.map(Option.all([apiKey, endpoint]), ([apiKey, endpoint]) => [
      "azure",
      OpenAiCompatible.azure({ apiKey, endpoint, apiVersion: Option.getOrUndefined(apiVersion) })
    ])
)

const hostNames = Object.keys(Hosts.hosts) as ReadonlyArray<Hosts.HostName>

const fromConfig: Config.Config<Readonly<Record<string, Provider>>> = Config.map(
  Config.all([azureConfig, ...hostNames.map(hostConfig)]),
  (entries) => Object.fromEntries(entries.flatMap(Option.toArray))
)

/**
 * Every provider whose key is in the configuration, by default in the environment: `OPENAI_API_KEY`, `ANTHROPIC_API_KEY` and so on (the
 * table is in `Hosts`), for Azure `AZURE_OPENAI_API_KEY` with `AZURE_OPENAI_ENDPOINT`. `ollama` needs no key and is always there.
 * `<NAME>_BASE_URL` replaces the address of a host.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig: Layer.Layer<Providers, ConfigError.ConfigError, HttpClient.HttpClient> = Layer.effect(
  Providers,
  Effect.flatMap(fromConfig, make)
)
