/**
 * The cache: identical calls at the same time are one call upstream, later ones none.
 */
import { Console, Effect } from "effect"
import { ChatCompletions } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { offline } from "./_support.js"

const ask = (name: string) =>
  ChatCompletions.create({
    model: "acme/large",
    messages: [{ role: "user", content: "Say hello to {{name}}." }],
    variables: { name },
    cache: { type: "exact_match", ttl: 3600 } // seconds
  })

const report = (label: string, completions: ReadonlyArray<ChatCompletions.RoutedCompletion>) =>
  Effect.flatMap(
    Testing.calls,
    (calls) =>
      Console.log(`${label.padEnd(26)} ${
        completions.map((completion) => completion.route.cache).join(", ").padEnd(22)
      } upstream calls: ${calls.length}`)
  )

const main = Effect.gen(function*() {
  yield* report("three at the same time", yield* Effect.all([ask("Ada"), ask("Ada"), ask("Ada")], { concurrency: 3 }))
  yield* report("the same again", [yield* ask("Ada")])
  yield* report("another name", [yield* ask("Grace")])
})

await Effect.runPromise(Effect.provide(
  main,
  offline({ "acme/large": Testing.completion("Hello", { delay: "50 millis" }) })
))
