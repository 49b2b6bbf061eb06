/**
 * The same program over three transports: scripted answers in memory (no socket, and a test's clock), a server on this machine, and
 * with a key the real thing. Only the layers change.
 */
import { FetchHttpClient } from "@effect/platform"
import { Console, Effect, Fiber, Layer, TestClock, TestContext } from "effect"
import { ChatCompletions, OpenAiCompatible, Providers, ResponseCache } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { offline } from "./_support.js"

// the program under test knows nothing of transports
const program = Effect.gen(function*() {
  const completion = yield* ChatCompletions.create({
    model: "acme/large",
    messages: [{ role: "user", content: "Hello" }],
    retry: { count: 3 }
  })
  const waited = completion.route.attempts.reduce((sum, attempt) => sum + attempt.waitMillis, 0)
  return `${completion.choices[0]?.message.content} (${completion.route.attempts.length} attempts, waited ${
    (waited / 1000).toFixed(1)
  } s)`
})

const script: Testing.Script = {
  "acme/large": [Testing.status(429, { retryAfter: 40 }), Testing.status(503), Testing.completion("Hello")]
}

// in a test: 40 seconds of `Retry-After` pass in no time, because the clock belongs to the test
const inMemory = ChatCompletions.layer.pipe(
  Layer.provide([
    Providers.layer({ acme: OpenAiCompatible.make({ baseUrl: Testing.baseUrl("acme") }) }),
    ResponseCache.layerMemory()
  ]),
  Layer.provide(Testing.layerTransport(script))
)

const test = Effect.gen(function*() {
  const fiber = yield* Effect.fork(program)
  yield* TestClock.adjust("2 minutes")
  return yield* Fiber.join(fiber)
}).pipe(Effect.provide(inMemory), Effect.provide(TestContext.TestContext))

const main = Effect.gen(function*() {
  yield* Console.log(`in memory:   ${yield* test}`)
  yield* Console.log(
    `over HTTP:   ${yield* Effect.provide(program, offline({ ...script, "acme/large": Testing.completion("Hello") }))}`
  )
})

await Effect.runPromise(Effect.provide(main, FetchHttpClient.layer))
