/**
 * A process that sends requests as fast as it can until its time is up, within limits that it shares with others, and prints how many were
 * sent and how often the store did not answer in time. Started by RateLimit.test.ts: `limiter.ts <url> <requests a minute> <milliseconds>`.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import { failures } from "../../src/internal/storeGuard.js"
import * as RateLimit from "../../src/policy/RateLimit.js"
import * as Redis from "../../src/Redis.js"
import { ok, scripted } from "../support/scripted.js"

const failuresOf = (kind: string) =>
  Metric.value(Metric.tagged(Metric.tagged(failures, "store", "rate_limit"), "kind", kind))

const [url = "", requestsPerMinute, millis] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const { client, startedAt } = scripted(ok)
  const limited = client.pipe(RateLimit.withRateLimit("openai/gpt-4o"))
  // the processes begin together
  process.stdout.write("ready\n")
  yield* Effect.async<void>((resume) => {
    process.stdin.once("data", () => resume(Effect.void))
  })
  const end = performance.now() + Number(millis)
  yield* Effect.whileLoop({
    while: () => performance.now() < end,
    body: () =>
      Effect.all(
        Array.from(
          { length: 5 },
          () => Effect.ignore(limited.execute(HttpClientRequest.get("http://scripted.invalid")))
        ),
        { concurrency: "unbounded" }
      ),
    step: () => undefined
  })
  const [timeouts, errors] = yield* Effect.all([failuresOf("timeout"), failuresOf("error")])
  process.stdout.write(`${startedAt.length} ${timeouts.count + errors.count}\n`)
})

await Effect.runPromise(Effect.provide(
  program,
  RateLimit.layer({ requestsPerMinute: Number(requestsPerMinute) }).pipe(
    Layer.provide(Redis.layer({ url: Redacted.make(url) }))
  )
))
process.stdin.destroy()
