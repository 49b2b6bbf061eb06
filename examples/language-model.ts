/**
 * A program on `@effect/ai` that knows nothing of this router: a tool, an object by schema, and a stream. The Layer of its language model is
 * the router, so a provider that is limited is asked again, and one that is down is replaced.
 */
import { LanguageModel, Prompt, Tool, Toolkit } from "@effect/ai"
import { Chunk, Console, Effect, Layer, Schema, Stream } from "effect"
import { RouterError } from "effect-llm-router"
import * as RouterLanguageModel from "effect-llm-router/RouterLanguageModel"
import * as Testing from "effect-llm-router/Testing"
import { offline, printRoute } from "./_support.js"

// the program

const Weather = Tool.make("weather", {
  description: "How warm it is in a city, in degrees Celsius",
  parameters: { city: Schema.String },
  success: Schema.Struct({ celsius: Schema.Number })
})

const toolkit = Toolkit.make(Weather)

const Thermometer = toolkit.toLayer({
  weather: ({ city }) => Effect.as(Console.log(`  (the tool is called for ${city})`), { celsius: 21 })
})

/** Two calls of the model, with the tool between them. */
const withTool = Effect.gen(function*() {
  const question = Prompt.make("Do I need a coat in Bern?")
  const first = yield* LanguageModel.generateText({ prompt: question, toolkit })
  const second = yield* LanguageModel.generateText({
    prompt: Prompt.merge(question, Prompt.fromResponseParts(first.content)),
    toolkit
  })
  return { text: second.text, parts: [first.content, second.content] }
})

const Packing = Schema.Struct({ coat: Schema.Boolean, items: Schema.Array(Schema.String) })

const asObject = LanguageModel.generateObject({ prompt: "What do I pack for Bern?", schema: Packing })

const asStream = LanguageModel.streamText({ prompt: "Say it in one sentence." })

// how it is routed

const ModelLive = RouterLanguageModel.layer({
  model: "acme/large",
  config: {
    temperature: 0.2,
    retry: { count: 2 },
    fallbacks: [{ model: "backup/small" }],
    timeout: { callTimeout: 30_000 } // milliseconds, for each attempt
  }
})

const printRouteOf = (parts: Parameters<typeof RouterLanguageModel.route>[0]) => {
  const route = RouterLanguageModel.route(parts)
  return route === undefined ? Effect.void : printRoute(route)
}

const main = Effect.gen(function*() {
  yield* Console.log("A tool: the first provider is limited for a moment, and then asks for the weather:")
  const { parts, text } = yield* withTool
  yield* Console.log(`  ${text}`)
  yield* Effect.forEach(parts, printRouteOf)

  yield* Console.log("\nAn object by schema. This call has a cache and another model, and is made twice:")
  const cached = RouterLanguageModel.withConfigOverride(asObject, {
    model: "backup/small",
    cache: { type: "exact_match", ttl: 60 } // seconds
  })
  for (const _ of [1, 2]) {
    const { content, value } = yield* cached
    yield* Console.log(`  coat: ${value.coat}, and ${value.items.join(", ")}`)
    yield* printRouteOf(content)
  }

  yield* Console.log("\nA stream, from the fallback, for the first provider is down now:")
  const streamed = yield* asStream.pipe(
    Stream.tap((part) =>
      part.type === "text-delta" ? Effect.sync(() => process.stdout.write(part.delta)) : Effect.void
    ),
    Stream.runCollect,
    Effect.map(Chunk.toReadonlyArray)
  )
  yield* Console.log("")
  yield* printRouteOf(streamed)

  yield* Console.log("\nAn error of @effect/ai; the router's own, with its route, is the cause:")
  yield* LanguageModel.generateText({ prompt: "And now?" }).pipe(
    RouterLanguageModel.withConfigOverride({ model: "acme/gone", fallbacks: [] }),
    Effect.asVoid,
    Effect.catchTag("HttpResponseError", (error) => {
      const { cause, response: { status } } = error
      return RouterError.isRouterError(cause)
        ? Effect.zipRight(
          Console.log(`  ${error._tag} ${status}, because of ${cause._tag}`),
          cause.route === undefined ? Effect.void : printRoute(cause.route)
        )
        : error
    })
  )
})

const askForWeather = Testing.completion("", {
  toolCalls: [{ id: "call_1", type: "function", function: { name: "weather", arguments: "{\"city\":\"Bern\"}" } }]
})

const script: Testing.Script = {
  "acme/large": [
    Testing.status(429, { headers: { "retry-after-ms": "100" } }),
    askForWeather,
    Testing.completion("With 21 degrees you need none."),
    Testing.status(401)
  ],
  "acme/gone": Testing.status(404),
  "backup/small": [
    Testing.completion("{\"coat\":false,\"items\":[\"sunglasses\",\"a good book\"]}"),
    Testing.stream(["Leave ", "the coat ", "at home."], { between: "60 millis" })
  ]
}

await main.pipe(
  Effect.provide(Thermometer),
  Effect.provide(Layer.provide(ModelLive, offline(script))),
  Effect.runPromise
)
