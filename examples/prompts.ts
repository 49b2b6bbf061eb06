/**
 * Prompts in files, by id and version: a request names one, fills it in, and overrides what it wants to. A prompt that is changed is
 * used by the next request, and a mistake is found before any call.
 */
import { FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { ChatCompletions, Prompts } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { offline } from "./_support.js"

const version1 = `# user

Summarize in {{words}} words: {{text}}

# end
`

const version2 = `---
description: The second try, with a system message and a loop.
model: acme/large
templateEngine: jinja
parameters:
  temperature: 0.2
---

# system

You summarize.
{% for rule in rules %}
- {{ rule }}
{% endfor %}

# user

{{ text }}

# end
`

/** What was sent upstream, as an answer cannot show it. */
const show = (label: string, { route }: ChatCompletions.RoutedCompletion) =>
  Effect.flatMap(Testing.calls, (calls) => {
    const { id, variables, version } = route.prompt ?? { id: "-", variables: [], version: "-" }
    return Console.log(
      `${label}: ${id} ${version} (${variables.join(", ")}) to ${route.served}\n  ${JSON.stringify(calls.at(-1)?.body)}`
    )
  })

const main = Effect.gen(function*() {
  const { write } = yield* Files
  const text = "Effects are values."
  yield* write("1.md", version1)
  yield* show(
    "the only version",
    yield* ChatCompletions.create({
      prompt: { id: "summary" },
      model: "acme/small", // this version names no model
      variables: { words: 5, text }
    })
  )

  yield* write("2.md", version2)
  const request = { prompt: { id: "summary", version: "latest" }, variables: { text, rules: ["in French", "briefly"] } }
  yield* show("a newer one", yield* ChatCompletions.create(request))
  yield* show("with another temperature", yield* ChatCompletions.create({ ...request, temperature: 1 }))

  yield* write("3.md", "# user\n\nSummarize {{te") // not complete yet: nobody sees it
  yield* show("while a third is written", yield* ChatCompletions.create(request))

  for (const prompt of [{ id: "summary", version: "1" }, { id: "summary", version: "9" }, { id: "sumary" }]) {
    yield* ChatCompletions.create({ prompt, model: "acme/small" }).pipe(
      Effect.catchTag("TemplateError", "PromptNotFound", (error) => Console.log(`${error._tag}: ${error.message}`))
    )
  }
})

/** A directory for the prompts of this example. */
class Files extends Effect.Service<Files>()("Files", {
  scoped: Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const directory = yield* fs.makeTempDirectoryScoped()
    yield* fs.makeDirectory(path.join(directory, "summary"))
    return {
      directory,
      write: (name: string, text: string) => fs.writeFileString(path.join(directory, "summary", name), text)
    }
  })
}) {}

const prompts = Layer.unwrapEffect(Effect.map(Files, ({ directory }) => Prompts.layerFileSystem(directory)))

await main.pipe(
  Effect.provide(offline({ "acme/large": Testing.completion("…"), "acme/small": Testing.completion("…") })),
  Effect.provide(prompts),
  Effect.provide(Files.Default),
  Effect.provide(NodeContext.layer),
  Effect.runPromise
)
