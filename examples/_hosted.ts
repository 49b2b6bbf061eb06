/**
 * The hosted router of an example, on this machine and offline: a gateway over providers that answer by a script. It points the environment to
 * itself, as yours would to `https://my.orq.ai` and with your key, and it keeps no process alive.
 */
import { HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { ChatCompletions, OpenAiCompatible, Providers, ResponseCache } from "effect-llm-router"
import * as Gateway from "effect-llm-router/Gateway"
import * as Testing from "effect-llm-router/Testing"

const key = "a-key-of-this-machine"

const router = ChatCompletions.layer.pipe(
  Layer.provide([
    Providers.layer({ openai: OpenAiCompatible.make({ baseUrl: Testing.baseUrl("openai") }) }),
    ResponseCache.layerMemory()
  ]),
  Layer.provide(Testing.layerTransport({
    "openai/gpt-4o": Testing.status(529),
    "openai/gpt-4o-mini": Testing.completion("Hello from the fallback.", {
      usage: { prompt_tokens: 9, completion_tokens: 5, total_tokens: 14 }
    })
  }))
)

const server = Gateway.makeServer()

// the connections of clients that are idle would keep the process alive for some seconds
server.on("connection", (socket) => socket.unref())

const gateway = Gateway.serve({ keys: [Redacted.make(key)], server }).pipe(
  Layer.provide(router),
  Layer.provideMerge(NodeHttpServer.layer(() => server, { host: "127.0.0.1", port: 0 }))
)

const url = await ManagedRuntime.make(gateway).runPromise(HttpServer.addressFormattedWith(Effect.succeed))

server.unref()

process.env["ORQ_SERVER_URL"] = url
process.env["ORQ_API_KEY"] = key
