/**
 * The router as a server: for any client, with the key that you give it, or without one for clients on this machine.
 *
 *   npm run gateway                          with the providers whose keys are in the environment; without any, offline, against a script
 *   npm run gateway -- --once                makes two calls as a client does, and ends
 *   PORT=9000 GATEWAY_KEYS=a,b npm run gateway
 *
 * Ctrl-C or SIGTERM ends it: what is under way is finished first.
 */
import { HttpServer } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Config, type ConfigError, Console, Effect, Layer } from "effect"
import { type ChatCompletions, Hosts, Resilience } from "effect-llm-router"
import * as Gateway from "effect-llm-router/Gateway"
import * as Testing from "effect-llm-router/Testing"
import { live, offline } from "./_support.js"

const once = process.argv.includes("--once")

const script: Testing.Script = {
  "acme/large": Testing.status(503, { code: "overloaded" }),
  "acme/small": Testing.stream(["Hello ", "from ", "the ", "small ", "one."], { between: "60 millis" }),
  "backup/small": Testing.completion("Hello from the stand-in.", { delay: "40 millis" })
}

const hasKey = Object.values(Hosts.hosts).some(({ keys }) => keys.some((key) => (process.env[key] ?? "") !== ""))

const router: Layer.Layer<ChatCompletions.ChatCompletions, ConfigError.ConfigError | Testing.ServerError> =
  hasKey && !once ? live : offline(script)

const server = Gateway.makeServer()

const gateway = Gateway.serveConfig({
  keys: Gateway.keysConfig,
  models: Config.succeed(hasKey && !once ? [] : Object.keys(script))
}, { server }).pipe(
  // merged: GET /health shows its state
  Layer.provide(Layer.provideMerge(router, Resilience.layer())),
  Layer.provideMerge(NodeHttpServer.layerConfig(() => server, {
    host: Config.succeed("127.0.0.1"),
    port: once ? Config.succeed(0) : Config.withDefault(Config.integer("PORT"), 8787)
  }))
)

const announce = HttpServer.addressFormattedWith((url) =>
  Console.log(`listening on ${url}

curl -i ${url}/v1/chat/completions -H 'content-type: application/json' -d '{
  "model": "acme/large", "messages": [{ "role": "user", "content": "Hello" }], "fallbacks": [{ "model": "backup/small" }]
}'`)
)

const ask = (url: string, body: unknown) =>
  Effect.gen(function*() {
    const [headers, text] = yield* Effect.promise(async () => {
      const response = await fetch(`${url}/v2/router/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body)
      })
      return [response.headers, await response.text()] as const
    })
    yield* Console.log(`\n${text.trim()}`)
    for (const name of ["x-router-model", "x-router-attempts", "x-router-cache"]) {
      yield* Console.log(`  ${name}: ${headers.get(name)}`)
    }
  })

const messages = [{ role: "user", content: "Hello" }]

const callsItself = HttpServer.addressFormattedWith((url) =>
  Effect.zipRight(
    ask(url, { model: "acme/large", messages, fallbacks: [{ model: "backup/small" }] }),
    ask(url, { model: "acme/small", messages, stream: true })
  )
)

// npm passes a Ctrl-C on to a process that has it from the terminal already: the second signal must not cut the first one's drain short
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {})
}

NodeRuntime.runMain(Effect.scoped(Effect.provide(
  Effect.zipRight(announce, once ? callsItself : Effect.never),
  gateway
)))
