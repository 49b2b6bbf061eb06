/**
 * What calls cost, by a table of prices that is yours: none come with the library, because they change from month to month.
 *
 * ```ts
 * import { ChatCompletions, Prices } from "effect-llm-router"
 * import { Effect } from "effect"
 *
 * const prices = Prices.make({
 *   // in your currency, for a million tokens
 *   "openai/gpt-4o": { input: 2, output: 8, cachedInput: 1 },
 *   "local/*": { input: 0, output: 0 }
 * })
 *
 * export const cost = Effect.map(
 *   ChatCompletions.create({ model: "openai/gpt-4o", messages: [{ role: "user", content: "Hello" }] }),
 *   (completion) => Prices.ofCompletion(prices, completion)
 * )
 * ```
 *
 * Attempts that failed have no usage, so what a provider charges for them is not in any cost.
 *
 * @since 0.1.0
 */
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Route from "./Route.js"
import * as RouterError from "./RouterError.js"
import type { Usage } from "./wire/Completion.js"
import * as Json from "./wire/Json.js"

/**
 * How many tokens a price is for.
 *
 * @since 0.1.0
 * @category defaults
 */
export const tokensPerPrice = 1_000_000

/**
 * The price of a million tokens, in a currency of your own: finite, 0 or more.
 *
 * @since 0.1.0
 * @category models
 */
export interface Price {
  readonly input: number
  readonly output: number
  /** Of input tokens that the provider had in its own cache. Default: that of any other. */
  readonly cachedInput?: number | undefined
}

/**
 * The prices by target: `provider/model` for one model, `provider/*` for every other one of a provider.
 *
 * @since 0.1.0
 * @category models
 */
export interface Table {
  readonly [target: string]: Price
}

/**
 * @since 0.1.0
 * @category type ids
 */
export const TypeId: unique symbol = Symbol.for("effect-llm-router/Prices")

/**
 * @since 0.1.0
 * @category type ids
 */
export type TypeId = typeof TypeId

/**
 * A table of prices that was checked. Built by `make`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  readonly [TypeId]: TypeId
  /** The price of a target: its own, or else that of its provider. */
  readonly find: (target: string) => Option.Option<Price>
}

/**
 * @since 0.1.0
 * @category context
 */
export class Prices extends Context.Tag("effect-llm-router/Prices")<Prices, Service>() {}

type Result<A> = Either.Either<A, RouterError.InvalidRequest>

const members: ReadonlySet<string> = new Set(["input", "output", "cachedInput"])

const isObject = (u: unknown): u is { readonly [member: string]: unknown } =>
  typeof u === "object" && u !== null && !Array.isArray(u)

const isAmount = (u: unknown): u is number => typeof u === "number" && u >= 0 && u < Infinity

/** A target names a provider and a model; in a path it stands in quotes, for it has dots and slashes. */
const issuesOf = (target: string, price: unknown): ReadonlyArray<RouterError.Issue> => {
  const path = `prices[${JSON.stringify(target)}]`
  const slash = target.indexOf("/")
  if (slash < 1 || slash === target.length - 1) {
    return [{ path, message: "expected a target: provider/model, or provider/* for all others of a provider" }]
  }
  if (!isObject(price)) {
    return [{ path, message: "expected an object with input and output" }]
  }
  const amount = (member: string, optional: boolean): ReadonlyArray<RouterError.Issue> =>
    isAmount(price[member]) || (optional && price[member] === undefined)
      ? []
      : [{ path: `${path}.${member}`, message: "expected the price of a million tokens: a finite number, 0 or more" }]
  return [
    ...amount("input", false),
    ...amount("output", false),
    ...amount("cachedInput", true),
    // a misspelled price would be one that nobody charges
    ...Object.keys(price).filter((member) => !members.has(member)).map((member) => ({
      path: `${path}.${member}`,
      message: "expected no other members than input, output and cachedInput"
    }))
  ]
}

const isPrice = (entry: readonly [string, unknown]): entry is [string, Price] => issuesOf(...entry).length === 0

const service = (table: ReadonlyMap<string, Price>): Service => ({
  [TypeId]: TypeId,
  find: (target) => Option.fromNullable(table.get(target) ?? table.get(`${target.slice(0, target.indexOf("/"))}/*`))
})

/**
 * The prices of a value from outside, such as parsed JSON: it fails with everything that is wrong with it, each by its path.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromUnknown = (table: unknown): Either.Either<Service, RouterError.InvalidRequest> => {
  if (!isObject(table)) {
    return Either.left(RouterError.invalidField("prices", "expected an object of prices by target"))
  }
  const entries = Object.entries(table)
  const issues = entries.flatMap((entry) => issuesOf(...entry))
  return issues.length > 0
    ? Either.left(new RouterError.InvalidRequest({ issues }))
    // copies: what was checked stays as it is
    : Either.right(service(new Map(entries.filter(isPrice).map(([target, price]) => [target, { ...price }]))))
}

const orThrow = <A>(result: Result<A>): A => Either.getOrThrowWith(result, (error) => error)

/**
 * Throws `InvalidRequest` when a target is none or a price is not a finite number of 0 or more.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (table: Table): Service => orThrow(fromUnknown(table))

/**
 * Throws like `make`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (table: Table): Layer.Layer<Prices> => Layer.succeed(Prices, make(table))

const fromText = (text: string): Result<Service> =>
  Either.flatMap(
    Either.mapLeft(Json.parse(text), () => RouterError.invalidField("prices", "expected a file with JSON")),
    fromUnknown
  )

const read = (path: string) =>
  Effect.flatMap(
    Effect.flatMap(FileSystem.FileSystem, (files) => files.readFileString(path)),
    fromText
  )

/**
 * The prices of a JSON file, which is read once: `{ "openai/gpt-4o": { "input": 2, "output": 8 } }`. It fails with the error of the file
 * system, or with an `InvalidRequest` that names each field that is wrong.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFile = (
  path: string
): Layer.Layer<Prices, PlatformError.PlatformError | RouterError.InvalidRequest, FileSystem.FileSystem> =>
  Layer.effect(Prices, read(path))

/**
 * `layerFile` with a path from the configuration.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  path: Config.Config<string>
): Layer.Layer<
  Prices,
  ConfigError.ConfigError | PlatformError.PlatformError | RouterError.InvalidRequest,
  FileSystem.FileSystem
> => Layer.effect(Prices, Effect.flatMap(path, read))

/** A count as a provider reports it may be anything. */
const count = (tokens: number | undefined): number => isAmount(tokens) ? tokens : 0

/**
 * What `usage` costs on a target. `none` for a target without a price, and for a usage that says nothing. Cached input tokens are a part of
 * the input tokens, and reasoning tokens of the output tokens: none is counted twice.
 *
 * @since 0.1.0
 * @category getters
 */
export const cost: {
  /**
   * @since 0.1.0
   * @category getters
   */
  (target: string, usage: Usage): (prices: Service) => Option.Option<number>
  /**
   * @since 0.1.0
   * @category getters
   */
  (prices: Service, target: string, usage: Usage): Option.Option<number>
} = dual(3, (prices: Service, target: string, usage: Usage): Option.Option<number> => {
  const { completionTokens, promptTokens, promptTokensDetails } = usage
  if (!isAmount(promptTokens) && !isAmount(completionTokens)) {
    return Option.none()
  }
  return Option.map(prices.find(target), ({ cachedInput, input, output }) => {
    const cached = Math.min(count(promptTokensDetails?.cachedTokens), count(promptTokens))
    const fresh = count(promptTokens) - cached
    return (fresh * input + cached * (cachedInput ?? input) + count(completionTokens) * output) / tokensPerPrice
  })
})

/** The answers that another call has paid for, or an earlier one. */
const paidBefore: ReadonlySet<Route.CacheStatus> = new Set<Route.CacheStatus>(["hit", "shared", "stale"])

/**
 * Whether the call itself has used what its answer says was used: one that the cache answered has not.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isPaidFor = ({ cache }: Pick<Route.Route, "cache">): boolean => !paidBefore.has(cache)

/**
 * What a completion has cost: 0 for one from the cache. `none` where the target that served it has no price, or the provider reported no
 * usage.
 *
 * @since 0.1.0
 * @category getters
 */
export const ofCompletion: {
  /**
   * @since 0.1.0
   * @category getters
   */
  (
    completion: { readonly usage?: Usage | undefined; readonly route: Route.Route }
  ): (prices: Service) => Option.Option<number>
  /**
   * @since 0.1.0
   * @category getters
   */
  (
    prices: Service,
    completion: { readonly usage?: Usage | undefined; readonly route: Route.Route }
  ): Option.Option<number>
} = dual(
  2,
  (
    prices: Service,
    { route, usage }: { readonly usage?: Usage | undefined; readonly route: Route.Route }
  ): Option.Option<number> => {
    if (!isPaidFor(route)) {
      return Option.some(0)
    }
    return route.served === undefined || usage === undefined ? Option.none() : cost(prices, route.served, usage)
  }
)
