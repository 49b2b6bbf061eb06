import * as Persistence from "@effect/experimental/Persistence"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Redis } from "ioredis"
import * as Json from "../wire/Json.js"
import { command, type Connection } from "./redisConnection.js"

/** What is not JSON was not written here: it is as good as absent, and the next entry replaces it. */
const parse = (text: string | null): Option.Option<unknown> =>
  text === null ? Option.none() : Option.getRight(Json.parse(text))

const encode = (method: string, value: unknown): Effect.Effect<string, Persistence.PersistenceError> =>
  Effect.try({
    try: () => JSON.stringify(value),
    catch: () => Persistence.PersistenceBackingError.make(method, new Error("The value cannot be written as JSON"))
  })

/** How many keys the server is asked to look through at a time. */
const scanCount = 1_000

/** How a pattern of `SCAN` means a text itself. */
const literally = (text: string): string => text.replace(/[\\*?[\]]/g, "\\$&")

const store = (connection: Connection, prefix: string): Persistence.BackingPersistenceStore => {
  const prefixed = (key: string) => `${prefix}${key}`
  const run = <A>(method: string, run: (redis: Redis) => Promise<A>) =>
    command(connection, run, (error) => Persistence.PersistenceBackingError.make(method, error))
  // unlike `GET`, `MGET` gives nothing for a key that holds no text
  const read = (method: string, keys: ReadonlyArray<string>) =>
    Effect.map(run(method, (redis) => redis.mget(keys.map(prefixed))), (texts) => texts.map(parse))
  const write = (method: string, key: string, value: unknown, ttl: Option.Option<Duration.Duration>) =>
    Effect.flatMap(encode(method, value), (text) =>
      run(method, (redis) =>
        Option.isNone(ttl)
          ? redis.set(prefixed(key), text)
          : redis.set(prefixed(key), text, "PX", Math.ceil(Duration.toMillis(ttl.value)))))
  const clear = async (redis: Redis) => {
    let cursor = "0"
    do {
      const [next, keys] = await redis.scan(cursor, "MATCH", `${literally(prefix)}*`, "COUNT", scanCount)
      if (keys.length > 0) {
        await redis.unlink(keys)
      }
      cursor = next
    } while (cursor !== "0")
  }
  return {
    get: (key) => Effect.map(read("get", [key]), ([value]) => value ?? Option.none()),
    getMany: (keys) => keys.length === 0 ? Effect.succeed([]) : read("getMany", keys),
    set: (key, value, ttl) => write("set", key, value, ttl),
    setMany: (entries) =>
      Effect.forEach(entries, ([key, value, ttl]) => write("setMany", key, value, ttl), {
        concurrency: "unbounded",
        discard: true
      }),
    remove: (key) => run("remove", (redis) => redis.unlink(prefixed(key))),
    clear: run("clear", clear)
  }
}

/** Entries are JSON texts under `<prefix><store>:<key>`. */
export const make = (connection: Connection, prefix: string): Persistence.BackingPersistence => ({
  [Persistence.BackingPersistenceTypeId]: Persistence.BackingPersistenceTypeId,
  make: (storeId) => Effect.sync(() => store(connection, `${prefix}${storeId}:`))
})
