/**
 * The policies without the service: in an order of your own around any `HttpClient`, with a policy of your own among them.
 */
import { FetchHttpClient, HttpClient, HttpClientRequest } from "@effect/platform"
import { Console, Effect, Layer, Schedule } from "effect"
import { Fallback, HttpPolicy, OpenAiCompatible, Retry, Settle, Timeout } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"

/** A policy of your own: says what each attempt came to. */
const withLog = (name: string) =>
  HttpPolicy.make((request, execute) =>
    execute(request).pipe(
      Effect.tapError((error) => Console.log(`  ${name}: ${error instanceof Error ? error.message : "failed"}`)),
      Effect.tap((response) => Console.log(`  ${name}: answered ${response.status}`))
    )
  )

const main = Effect.gen(function*() {
  const transport = yield* HttpClient.HttpClient
  const server = yield* Testing.Server

  const target = (name: string) =>
    OpenAiCompatible.make({ baseUrl: server.baseUrl(name) }).client(transport)("llama").pipe(
      Settle.settle({ target: `${name}/llama` }), // failures of all kinds become errors
      withLog(name)
    )

  // another order than the router's: one timeout over all attempts on the first target, and the whole chain is retried
  const client = target("first").pipe(
    Retry.withRetry({ count: 1, backoff: Schedule.spaced("20 millis") }),
    Timeout.withCallTimeout("2 seconds"),
    Fallback.withFallbacks([target("second")]),
    Retry.withRetry({ count: 1, backoff: Schedule.spaced("50 millis") })
  )

  const response = yield* client.execute(
    HttpClientRequest.post("/chat/completions").pipe(
      HttpClientRequest.bodyUnsafeJson({ messages: [{ role: "user", content: "Hello" }] })
    )
  )
  yield* Console.log(yield* response.text)
})

await Effect.runPromise(main.pipe(Effect.provide(Layer.merge(
  FetchHttpClient.layer,
  Testing.layerServer({
    first: Testing.status(503),
    second: [Testing.status(502), Testing.completion("Hello from the second target.")]
  })
))))
