import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { watchLag } from "../../scripts/interrupts-lag.js"
import { defaultLimit } from "../../src/internal/storeGuard.js"
import * as RateLimit from "../../src/policy/RateLimit.js"
import * as Redis from "../../src/Redis.js"
import * as RouterError from "../../src/RouterError.js"
import * as Support from "../support/redis.js"
import { failing, ok, scripted } from "../support/scripted.js"

const target = "openai/gpt-4o"
const request = HttpClientRequest.bodyUnsafeJson(HttpClientRequest.post("http://scripted.invalid"), {})

const limits = (url: Redacted.Redacted, options: RateLimit.Options) =>
  RateLimit.layer(options).pipe(Layer.provide(Redis.layer({ url })))

/** That so much is left, as soon as it is: corrections are not waited for. */
const leaves = (requests: number, tokens: number) =>
  Effect.flatMap(RateLimit.RateLimit, (_) => _.remaining(target)).pipe(
    Effect.filterOrFail((left) => left.requests === requests && left.tokens === tokens),
    Effect.retry(Schedule.intersect(Schedule.spaced("5 millis"), Schedule.recurs(400)))
  )

const script = fileURLToPath(new URL("limiter.ts", import.meta.url))

/** The machine held a process up for so long that it took the server for one that hangs, and went on without limits, as it should. */
class Stalled extends Data.TaggedError("Stalled") {}

/** Another process, which sends as fast as it can once it is told to go, and says how much that was. */
const sender = (url: Redacted.Redacted, requestsPerMinute: number, millis: number) =>
  Effect.gen(function*() {
    const args = ["--import", "tsx", script, Redacted.value(url), String(requestsPerMinute), String(millis)]
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] })),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const line = Effect.async<string>((resume) => {
      child.stdout.once("data", (text: Buffer) => resume(Effect.succeed(text.toString())))
    })
    assert.strictEqual(yield* line, "ready\n")
    return Effect.suspend(() => {
      child.stdin.write("go\n")
      return Effect.flatMap(line, (line) => {
        const [sent, failures] = line.split(" ").map(Number)
        return failures === 0 ? Effect.succeed(sent!) : new Stalled()
      })
    })
  })

/** For timers and the machine, in milliseconds, beside the time that the event loop stood still. */
const slack = 100

Support.describeRedis("RateLimit in Redis", () => {
  it.live("two processes together send no more than the limit", () =>
    Effect.gen(function*() {
      const { url } = yield* Support.start
      const requestsPerMinute = 300
      const senders = yield* Effect.all([
        sender(url, requestsPerMinute, 2_000),
        sender(url, requestsPerMinute, 2_000)
      ], { concurrency: "unbounded" })
      const start = performance.now()
      const sent = yield* Effect.all(senders, { concurrency: "unbounded" })
      const minutes = (performance.now() - start) / 60_000
      const total = sent[0] + sent[1]
      assert.isAtMost(total, requestsPerMinute * (1 + minutes))
      // and what they leave is not much: both were sending all the time
      assert.isAtLeast(total, requestsPerMinute)
      assert.isAbove(Math.min(...sent), 0)
    }).pipe(Effect.scoped, Effect.retry({ times: 5, while: (error) => error instanceof Stalled })), 120_000)

  it.scopedLive("tokens are given back, up to the limit, and charged", () =>
    Effect.gen(function*() {
      const { url } = yield* Support.start
      const { client } = scripted(failing(new RouterError.Unavailable({ status: 503 })), ok)
      const limited = client.pipe(RateLimit.withRateLimit(target))
      yield* Effect.gen(function*() {
        yield* Effect.flip(limited.execute(request))
        yield* leaves(1, 2)
        yield* limited.execute(request)
        yield* leaves(0, 0)
      }).pipe(Effect.provide(limits(url, { requestsPerMinute: 2, tokensPerMinute: 2, estimate: () => 5 })))
    }))

  it.scopedLive("a request that is refused for its tokens gives its request back", () =>
    Effect.gen(function*() {
      const { url } = yield* Support.start
      const limited = scripted(ok).client.pipe(RateLimit.withRateLimit(target))
      yield* Effect.gen(function*() {
        yield* limited.execute(request)
        const error = yield* Effect.flip(limited.execute(request))
        assert.deepStrictEqual([error.unit, Duration.toMillis(error.retryAfter)], ["tokens", 60_000])
        yield* leaves(1, 0)
      }).pipe(Effect.provide(limits(url, { requestsPerMinute: 2, tokensPerMinute: 2, estimate: () => 5 })))
    }))

  const trouble = {
    "is killed and comes back": Effect.map(Support.start, ({ kill, restart, url }) => ({
      url,
      steps: [kill, restart]
    })),
    "hangs and goes on": Effect.map(Support.start, ({ hang, resume, url }) => ({ url, steps: [hang, resume] })),
    "hangs and is killed": Effect.map(Support.start, ({ hang, kill, url }) => ({ url, steps: [hang, kill] })),
    "is not there": Effect.map(Support.absent, (url) => ({ url, steps: [Effect.void] }))
  }
  for (const [name, make] of Object.entries(trouble)) {
    it.scopedLive(
      `a server that ${name}: no request fails, and none waits for longer than the limit of an access`,
      () =>
        Effect.gen(function*() {
          const server = yield* make
          const limited = scripted(ok).client.pipe(RateLimit.withRateLimit(target))
          const lag = watchLag()
          let slowest = 0
          let sent = 0
          const send = Effect.gen(function*() {
            const start = performance.now()
            yield* limited.execute(request)
            const end = performance.now()
            slowest = Math.max(slowest, end - start - lag.lostMillis(start, end))
            sent++
          })
          yield* Effect.gen(function*() {
            // several at a time, as long as there are steps
            const senders = yield* Effect.forEach(
              [1, 2, 3],
              () => Effect.fork(Effect.forever(Effect.zipRight(send, Effect.sleep("5 millis"))))
            )
            for (const step of server.steps) {
              yield* Effect.sleep("400 millis")
              yield* step
            }
            yield* Effect.sleep("1500 millis")
            for (const fiber of senders) {
              assert.isNull(fiber.unsafePoll(), "a request failed")
            }
          }).pipe(Effect.provide(limits(server.url, { requestsPerMinute: 1e8, tokensPerMinute: 1e9 })))
          assert.isAbove(sent, 50)
          assert.isAtMost(slowest, Duration.toMillis(defaultLimit) + slack)
        }),
      30_000
    )
  }
})
