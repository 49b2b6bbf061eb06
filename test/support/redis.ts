/**
 * A Redis server of a test's own: in a directory of its own, on a free port of this machine, gone with the test. Where the program is not
 * installed its tests are skipped, and say so.
 */
import { describe } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import { spawn, spawnSync } from "node:child_process"
import { createConnection, createServer } from "node:net"

const program = "redis-server"

/** Whether the program can be run here. */
export const available = spawnSync(program, ["--version"]).status === 0

/** `describe` for tests that need a server. */
export const describeRedis = (name: string, tests: () => void) => {
  if (available) {
    return describe(name, tests)
  }
  console.error(`\n!!! ${program} IS NOT INSTALLED: "${name}" IS SKIPPED (apt-get install redis-server) !!!\n`)
  return describe.skip(`${name} (SKIPPED: ${program} is not installed)`, tests)
}

class NotStarted extends Data.TaggedError("NotStarted")<{ readonly port: number }> {}

export const freePort: Effect.Effect<number> = Effect.async((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const password = "hunter2-of-redis"

/** What no error may show. */
export const secret = "hunter2"

const urlOf = (port: number): Redacted.Redacted => Redacted.make(`redis://:${password}@127.0.0.1:${port}`)

/** The URL of a port that nobody listens on. */
export const absent: Effect.Effect<Redacted.Redacted> = Effect.map(freePort, urlOf)

export interface RedisServer {
  readonly url: Redacted.Redacted
  /** Ends it without a word, and what it held is gone. */
  readonly kill: Effect.Effect<void>
  /** From now on it answers nothing, while its connections stay open. */
  readonly hang: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /** Starts it again on the same port, empty. */
  readonly restart: Effect.Effect<void, NotStarted>
}

/**
 * The server in a directory of its own, whose pid is printed. When the standard input ends, which it also does when this process dies, the
 * server is killed and the directory removed.
 */
const script = `dir=$(mktemp -d) && cd "$dir" || exit 1
${program} --port "$1" --requirepass "$2" --bind 127.0.0.1 --save '' --appendonly no --dir "$dir" >/dev/null 2>&1 &
echo $!
cat >/dev/null
kill -9 $! 2>/dev/null
wait
cd / && rm -rf "$dir"`

interface Running {
  readonly pid: number
  readonly stop: Effect.Effect<void>
}

const launch = (port: number): Effect.Effect<Running> =>
  Effect.async<Running>((resume) => {
    const shell = spawn("sh", ["-c", script, "sh", String(port), password], { stdio: ["pipe", "pipe", "ignore"] })
    const exited = new Promise<void>((resolve) => shell.once("exit", () => resolve()))
    const stop = Effect.promise(() => {
      shell.stdin.end()
      return exited
    })
    shell.stdout.once("data", (pid: Buffer) => resume(Effect.succeed({ pid: Number(pid.toString()), stop })))
  })

/** Until something answers: without the password that is `NOAUTH`, and an answer all the same. */
const ping = (port: number): Effect.Effect<void, NotStarted> =>
  Effect.async<void, NotStarted>((resume) => {
    const socket = createConnection({ host: "127.0.0.1", port })
    socket.once("error", () => resume(new NotStarted({ port })))
    socket.once("connect", () => socket.write("PING\r\n"))
    socket.once("data", () => {
      socket.destroy()
      resume(Effect.void)
    })
    return Effect.sync(() => socket.destroy())
  })

const untilAnswers = (port: number): Effect.Effect<void, NotStarted> =>
  Effect.retry(ping(port), Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(500)))

/** A server for as long as the scope is open. To be used under the live clock. */
export const start: Effect.Effect<RedisServer, NotStarted, Scope.Scope> = Effect.gen(function*() {
  const port = yield* freePort
  const scope = yield* Effect.scope
  const run = Effect.zipLeft(
    Effect.acquireRelease(launch(port), (running) => running.stop).pipe(Scope.extend(scope)),
    untilAnswers(port)
  )
  let running = yield* run
  const signal = (name: NodeJS.Signals) => Effect.sync(() => process.kill(running.pid, name))
  return {
    url: urlOf(port),
    // the shell that looks after it ends too, and has waited for it then
    kill: Effect.zipRight(signal("SIGKILL"), Effect.suspend(() => running.stop)),
    hang: signal("SIGSTOP"),
    resume: signal("SIGCONT"),
    restart: Effect.map(run, (next) => {
      running = next
    })
  }
})

/** A client of the test's own, which waits for a server that is slow. */
export const client = (url: Redacted.Redacted): Effect.Effect<Redis, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Redis(Redacted.value(url))),
    (redis) => Effect.sync(() => redis.disconnect())
  )
