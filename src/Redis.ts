/**
 * State that several processes share, in Redis: the limits of `RateLimit`, and the entries of a `ResponseCache`.
 *
 * `layer` gives the two ports of `@effect/experimental` that they are built on, over one connection. The layers that this library has itself
 * (`RateLimiter/Redis`, `Persistence/Redis`) cannot be used where an outage is to stay unnoticed: with their defaults an access to a server
 * that is gone or hangs never ends, with better options their finalizers still die when the server is gone, they print every error of the
 * connection to the console, and their buckets stay in the server for ever.
 *
 * Here a program starts without a server, and a command that cannot be answered fails within 250 milliseconds; whoever uses the ports decides
 * what an outage means, as `RateLimit` and `ResponseCache` do. The connection is opened again as soon as the server is back.
 *
 * It needs `ioredis`, an optional peer, and a server from version 5. It is a subpath of its own:
 *
 * ```ts
 * import { RateLimit } from "effect-llm-router"
 * import * as Redis from "effect-llm-router/Redis"
 * import { Layer } from "effect"
 *
 * const limits = RateLimit.layer({ requestsPerMinute: 500 }).pipe(
 *   Layer.provide(Redis.layerConfig()) // REDIS_URL
 * )
 * ```
 *
 * @since 0.1.0
 */
import * as Persistence from "@effect/experimental/Persistence"
import * as RateLimiter from "@effect/experimental/RateLimiter"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { connect } from "./internal/redisConnection.js"
import * as persistence from "./internal/redisPersistence.js"
import * as rateLimiter from "./internal/redisRateLimiter.js"
import * as RouterError from "./RouterError.js"

/**
 * What every key begins with when `prefix` is not given, so that the router's keys can be told from those of others.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultPrefix = "effect-llm-router:"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** `redis://[[user]:password@]host[:port][/database]`, or `rediss://` for TLS. */
  readonly url: Redacted.Redacted
  /** What every key begins with. Default `effect-llm-router:`. */
  readonly prefix?: string | undefined
}

const isRedisUrl = (url: Redacted.Redacted): boolean => {
  const value = Redacted.value(url)
  return /^rediss?:\/\//.test(value) && URL.canParse(value)
}

const expected = "expected a URL that begins with redis:// or rediss://"

const make = (options: Options) =>
  Effect.map(connect(options.url), (connection) => {
    const prefix = options.prefix ?? defaultPrefix
    return Context.make(Persistence.BackingPersistence, persistence.make(connection, `${prefix}entries:`)).pipe(
      Context.add(RateLimiter.RateLimiterStore, rateLimiter.make(connection, `${prefix}limits:`))
    )
  })

/**
 * Stores of entries and of limits, over one connection. It waits for the first attempt to connect, for 250 milliseconds at most where the
 * server does not answer, and never fails for want of a server. It is closed within the same time.
 *
 * Throws `InvalidRequest` when the URL is none of Redis.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: Options
): Layer.Layer<Persistence.BackingPersistence | RateLimiter.RateLimiterStore> => {
  if (!isRedisUrl(options.url)) {
    throw RouterError.invalidField("url", expected)
  }
  return Layer.scopedContext(make(options))
}

/**
 * `layer` with a configured URL, by default that of the variable `REDIS_URL`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  options: { readonly url?: Config.Config<Redacted.Redacted>; readonly prefix?: Config.Config<string> } = {}
): Layer.Layer<Persistence.BackingPersistence | RateLimiter.RateLimiterStore, ConfigError.ConfigError> =>
  Layer.scopedContext(Effect.flatMap(
    Config.all({
      url: (options.url ?? Config.redacted("REDIS_URL")).pipe(
        Config.validate({ message: expected, validation: isRedisUrl })
      ),
      prefix: options.prefix ?? Config.succeed(defaultPrefix)
    }),
    make
  ))
