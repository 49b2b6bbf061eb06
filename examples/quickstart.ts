/**
 * One call: the first provider is rate limited, then it fails, and the fallback answers.
 *
 *   npm run example                             offline, against a server on this machine
 *   npm run example -- --live groq/MODEL        with GROQ_API_KEY in the environment, against the real one
 */
import { Console, Effect } from "effect"
import { ChatCompletions } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { live, offline, printRoute } from "./_support.js"

const ask = (model: string) =>
  Effect.gen(function*() {
    const completion = yield* ChatCompletions.create({
      model,
      messages: [{ role: "user", content: "Say hello to {{name}} in five words." }],
      variables: { name: "Ada" },
      retry: { count: 1, onCodes: [429, 503] },
      fallbacks: model.startsWith("acme/") ? [{ model: "backup/small" }] : [],
      timeout: { callTimeout: 30_000 } // milliseconds, for each attempt
    })
    yield* Console.log(completion.choices[0]?.message.content ?? "")
    yield* printRoute(completion.route)
  })

const script: Testing.Script = {
  "acme/large": [
    Testing.status(429, { code: "rate_limit_exceeded", retryAfter: 1 }),
    Testing.status(503, { code: "overloaded" })
  ],
  "backup/small": Testing.completion("Hello Ada, nice to see you.", { delay: "40 millis" })
}

const flag = process.argv.indexOf("--live")
const model = flag === -1 ? undefined : process.argv[flag + 1]

await Effect.runPromise(
  model === undefined
    ? Effect.orDie(Effect.provide(ask("acme/large"), offline(script)))
    : Effect.orDie(Effect.provide(ask(model), live))
)
