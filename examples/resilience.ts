/**
 * An outage of one provider: a circuit breaker leaves it alone, the fallback serves, and a probe finds out when it is back.
 */
import { Console, Effect, Layer } from "effect"
import { ChatCompletions, Resilience } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { offline } from "./_support.js"

const ask = ChatCompletions.create({
  model: "acme/large",
  messages: [{ role: "user", content: "Hello" }],
  fallbacks: [{ model: "backup/small" }]
})

const calls = (count: number) =>
  Effect.repeatN(
    Effect.flatMap(ask, ({ route }) => {
      const tried = route.attempts.map(({ outcome, target }) => `${target} ${outcome}`)
      const skipped = route.skipped.map(({ reason, target }) => `${target} skipped (${reason})`)
      return Console.log(`  ${[...skipped, ...tried].join(", then ")}`)
    }),
    count - 1
  )

const printHealth = Effect.flatMap(
  Resilience.health,
  (targets) =>
    Console.log(
      targets.map(({ circuit, target }) =>
        `  ${target.padEnd(12)} ${circuit?.state.padEnd(8)} ${circuit?.failures} of ${circuit?.calls} calls failed`
      ).join("\n")
    )
)

const main = Effect.gen(function*() {
  yield* Console.log("acme is down:")
  yield* calls(5)
  yield* printHealth
  yield* Console.log("half a second later acme is back, and a probe finds out:")
  yield* Effect.sleep("500 millis")
  yield* calls(2)
  yield* printHealth
})

const script = {
  "acme/large": [...Array.from({ length: 3 }, () => Testing.status(503)), Testing.completion("Hello")],
  "backup/small": Testing.completion("Hello")
}

await Effect.runPromise(Effect.provide(
  main,
  offline(script).pipe(
    // the numbers of a demonstration: the defaults are 5 failures and 5 seconds
    Layer.provideMerge(Resilience.layer({ circuitBreaker: { consecutiveFailures: 3, openFor: "400 millis" } }))
  )
))
