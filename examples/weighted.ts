/**
 * Weighted load balancing: each call draws its target anew.
 */
import { Console, Effect, Random } from "effect"
import { ChatCompletions } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { offline } from "./_support.js"

const calls = 200

const ask = ChatCompletions.create({
  model: "acme/large", // not called when there is a load balancer
  messages: [{ role: "user", content: "Hello" }],
  loadBalancer: {
    type: "weight_based",
    models: [
      { model: "acme/large", weight: 0.7 },
      { model: "backup/small", weight: 0.3 }
    ]
  }
})

const main = Effect.gen(function*() {
  const completions = yield* Effect.all(Array.from({ length: calls }, () => ask), { concurrency: 8 })
  for (const target of ["acme/large", "backup/small"]) {
    const served = completions.filter((completion) => completion.route.served === target).length
    yield* Console.log(`${target.padEnd(12)} ${String(served).padStart(3)} of ${calls}`)
  }
}).pipe(
  // all chance comes from the Random service: with a seed, every run draws the same
  Effect.withRandom(Random.make("weighted"))
)

await Effect.runPromise(Effect.provide(
  main,
  offline({ "acme/large": Testing.completion("Hello"), "backup/small": Testing.completion("Hello") })
))
