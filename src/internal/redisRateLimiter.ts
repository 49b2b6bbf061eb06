import * as RateLimiter from "@effect/experimental/RateLimiter"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { command, type Connection } from "./redisConnection.js"

/**
 * A bucket is a hash of its tokens and of the instant up to which it is refilled. The time is the server's: those of the processes that
 * share it differ. A full bucket is as good as none, so it expires when it would be full; a key that holds something else is replaced, and so
 * is a bucket whose numbers are none ("nan" is below and above nothing) or that owes more tokens than anybody ever takes: it would refuse all
 * for ever. What is above the limit or in the future is cut. Redis takes no time to live of more digits than a whole number has here.
 */
const tokenBucket = `
local maxDebt, maxTtl = 1e12, 1e15
local tokens, refillMillis, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call("TIME")
local now = time[1] * 1000 + time[2] / 1000
local bucket = redis.pcall("HMGET", KEYS[1], "tokens", "at")
if bucket.err then
  redis.call("DEL", KEYS[1])
  bucket = {}
end
local left, at = tonumber(bucket[1] or ""), tonumber(bucket[2] or "")
if not (left and at and left >= -maxDebt and at >= 0) then
  left, at = limit, now
end
at = math.min(at, now)
local refilled = math.floor((now - at) / refillMillis)
left = left + refilled
at = at + refilled * refillMillis
if left >= limit then
  left, at = limit, now
end
local after = math.min(limit, left - tokens)
if after >= 0 or ARGV[4] == "1" then
  left = after
end
redis.call("HSET", KEYS[1], "tokens", left, "at", at)
redis.call("PEXPIRE", KEYS[1], math.min(maxTtl, math.ceil((limit - left + 1) * refillMillis)))
return tostring(after)
`

/** As the store of `@effect/experimental` has it, with a time to live in whole milliseconds. */
const fixedWindow = `
local tokens, refillMillis, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local taken = tonumber(redis.call("GET", KEYS[1]) or "0")
local ttl = math.max(0, redis.call("PTTL", KEYS[1]))
local after = taken + tokens
if not limit or after <= limit then
  ttl = math.ceil(ttl + refillMillis * tokens)
  if ttl > 0 then
    redis.call("SET", KEYS[1], after, "PX", ttl)
  end
end
return { tostring(after), ttl }
`

const numberOf = (reply: unknown): number => Number(reply)

/** Buckets are under `<prefix><key>`. */
export const make = (connection: Connection, prefix: string): typeof RateLimiter.RateLimiterStore.Service => {
  const run = (script: string, key: string, args: ReadonlyArray<number | string>) =>
    command(
      connection,
      (redis) => redis.eval(script, 1, `${prefix}${key}`, ...args),
      (cause) => new RateLimiter.RateLimitStoreError({ message: "The rate limits cannot be asked", cause })
    )
  return {
    tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) =>
      Effect.map(
        run(tokenBucket, key, [tokens, Duration.toMillis(refillRate), limit, allowOverflow ? 1 : 0]),
        numberOf
      ),
    fixedWindow: ({ key, limit, refillRate, tokens }) =>
      Effect.map(
        run(fixedWindow, key, [tokens, Duration.toMillis(refillRate), limit ?? "none"]),
        (reply) => {
          const [count, ttl] = Array.isArray(reply) ? reply.map(numberOf) : []
          return [count ?? 0, ttl ?? 0] as const
        }
      )
  }
}
