import { Effect, Fiber, identity, Layer, type Redacted, TestClock } from "effect"
import { ChatCompletions, OpenAiCompatible, Providers, ResponseCache, RouterDefaults } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { behindGateway } from "./hosted.js"

/**
 * Where the policies of a test run: in the layer under test, or in another one behind a gateway. The tests of the service run with both (see
 * vitest.config.ts).
 */
export const isHosted = process.env.ROUTER_DOOR === "hosted"

/** The router over a scripted transport, for the providers that the script names. The defaults are those where the policies run. */
export const scripted = (
  script: Testing.Script,
  apiKey?: Redacted.Redacted,
  defaults?: RouterDefaults.Defaults
) => {
  const names = [...new Set(Object.keys(script).map((target) => target.split("/")[0]!)), "other"]
  const router = ChatCompletions.layer.pipe(
    Layer.provide([
      Providers.layer(Object.fromEntries(
        names.map((name) => [name, OpenAiCompatible.make({ baseUrl: Testing.baseUrl(name), apiKey })])
      )),
      ResponseCache.layerMemory()
    ]),
    Layer.provideMerge(Testing.layerTransport(script)),
    defaults === undefined ? identity : Layer.provide(RouterDefaults.layer(defaults))
  )
  return isHosted ? behindGateway(router) : router
}

/** Runs an effect to its end while a day passes on the test's clock. */
export const elapse = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* TestClock.adjust("1 day")
    return yield* Fiber.join(fiber)
  })

/** The targets that were called, in order. */
export const targets = Effect.map(Testing.calls, (calls) => calls.map((call) => call.target))

export const messages = [{ role: "user" as const, content: "Hello" }]
