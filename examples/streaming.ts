/**
 * Streams: a provider that fails before its first word is replaced without anybody noticing; one that breaks in the middle ends
 * with an error that holds the text so far, or is replaced too when the answer may come as a whole.
 */
import { Console, Effect, Redacted, Stream } from "effect"
import { ChatCompletions } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { offline, printRoute } from "./_support.js"

const messages = [{ role: "user" as const, content: "Count to five." }]

const write = (text: string) => Effect.sync(() => process.stdout.write(text))

const print = (request: Parameters<typeof ChatCompletions.stream>[0]) =>
  ChatCompletions.stream(request).pipe(
    Stream.runFoldEffect(
      undefined as ChatCompletions.RoutedChunk | undefined,
      (_, chunk) => Effect.as(write(chunk.choices[0]?.delta.content ?? ""), chunk)
    ),
    Effect.zipLeft(write("\n"))
  )

const main = Effect.gen(function*() {
  yield* Console.log("The first provider hangs up after its preamble, the second one serves:")
  const last = yield* print({ model: "shaky/large", messages, fallbacks: [{ model: "steady/small" }] })
  if (last !== undefined) {
    yield* printRoute(last.route)
  }

  yield* Console.log("\nThis one breaks in the middle. Nothing is retried, for you have its first words already:")
  yield* print({ model: "broken/large", messages, fallbacks: [{ model: "steady/small" }] }).pipe(
    Effect.catchTag(
      "StreamInterrupted",
      (error) =>
        Console.log(
          `\n  ${error.message}\n  text so far: ${
            JSON.stringify(Redacted.value(error.partial).choices[0]?.message.content)
          }`
        )
    )
  )

  yield* Console.log(
    "\nWith commit \"whole\" the same answer is rescued, for the price of its first words coming last:"
  )
  const rescued = yield* print({
    model: "broken/large",
    messages,
    fallbacks: [{ model: "steady/small" }],
    commit: "whole"
  })
  if (rescued !== undefined) {
    yield* printRoute(rescued.route)
  }
})

const words = ["one ", "two ", "three ", "four ", "five"]

await Effect.runPromise(Effect.provide(
  main,
  offline({
    "shaky/large": Testing.stream(words, { cut: { after: 1, how: "reset" } }),
    "steady/small": Testing.stream(words, { between: "60 millis" }),
    "broken/large": Testing.stream(words, { between: "60 millis", cut: { after: 3, how: "reset" } })
  })
))
