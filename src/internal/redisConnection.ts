/**
 * One connection to Redis that gives up early: a command is answered at once or fails at once, so that a server that is gone costs the
 * calls of the router nothing.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Redis, type RedisOptions, ReplyError } from "ioredis"
import { nowMillis } from "./monotonic.js"

/** Milliseconds; a little more than the limit of a store access (200), so that this decides only where nothing else does. */
const commandTimeoutMillis = 250

/** Milliseconds without an answer to a command after which the connection counts as dead and another one is opened. */
const socketTimeoutMillis = 2_000

/** The longest wait before the next attempt to connect, in milliseconds. */
const maxReconnectMillis = 1_000

const options: RedisOptions = {
  connectTimeout: commandTimeoutMillis,
  commandTimeout: commandTimeoutMillis,
  socketTimeout: socketTimeoutMillis,
  // until the socket of a server that hangs is destroyed
  disconnectTimeout: commandTimeoutMillis,
  retryStrategy: (attempts) => Math.min(50 * 2 ** attempts, maxReconnectMillis),
  // a command that could not be sent fails now: later nobody waits for it
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  // tokens must not be taken twice
  autoResendUnfulfilledCommands: false,
  disableClientInfo: true
}

/** The first attempt to connect is over, whatever came of it. */
const settled = (redis: Redis): Effect.Effect<void> =>
  Effect.async<void>((resume) => {
    const over = () => resume(Effect.void)
    const events = ["ready", "error", "close"]
    events.forEach((event) => redis.once(event, over))
    return Effect.sync(() => events.forEach((event) => redis.off(event, over)))
  })

/** What is under way is waited for, but not for longer than a command may take; it never fails. */
const close = (redis: Redis): Effect.Effect<void> =>
  Effect.promise(() => redis.quit().catch(() => undefined).finally(() => redis.disconnect()))

/**
 * After a command that was not answered in time, how long the others fail at once: as long as the users of a store leave it alone. A call
 * that asks for entries and for limits waits for a server that hangs once, not for each of them.
 */
const silenceMillis = 1_000

/** A command that is given up after so long was not answered in time, whoever gave it up. */
const lateMillis = 150

/** A connection, and until when nothing is asked of it. */
export interface Connection {
  readonly redis: Redis
  silentUntil: number
}

/** A connection that is there when the server is, and that comes back when the server does. */
export const connect = (url: Redacted.Redacted): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.map(open(url), (redis) => ({ redis, silentUntil: -Infinity }))

const open = (url: Redacted.Redacted): Effect.Effect<Redis, never, Scope.Scope> =>
  Effect.tap(
    Effect.acquireRelease(
      Effect.sync(() => {
        const redis = new Redis(Redacted.value(url), options)
        // without a listener they are printed; each command that fails says it too
        redis.on("error", () => undefined)
        return redis
      }),
      close
    ),
    settled
  )

/**
 * Why a command failed. The errors of ioredis hold the command with its arguments, which are keys, answers and the password, and the
 * address of the server: none of that may be passed on.
 */
const reason = (cause: unknown): string => {
  const message = cause instanceof Error ? cause.message : ""
  if (cause instanceof ReplyError) {
    return `Redis answered ${/^[A-Z]+/.exec(message)?.[0] ?? "with an error"}`
  }
  return message === "Command timed out" ? "Redis did not answer in time" : "Redis cannot be reached"
}

const late = new Error("Redis did not answer in time")

/** Runs a command; `onError` gets an error that shows nothing of it. */
export const command = <A, E>(
  connection: Connection,
  run: (redis: Redis) => Promise<A>,
  onError: (error: Error) => E
): Effect.Effect<A, E> =>
  Effect.flatMap(nowMillis, (start) =>
    start < connection.silentUntil
      ? Effect.fail(onError(late))
      : Effect.onError(
        Effect.tryPromise({ try: () => run(connection.redis), catch: (cause) => onError(new Error(reason(cause))) }),
        () =>
          Effect.map(nowMillis, (now) => {
            connection.silentUntil = now - start >= lateMillis ? now + silenceMillis : connection.silentUntil
          })
      ))
