import { FetchHttpClient } from "@effect/platform"
import { Console, Effect, Layer } from "effect"
import type { Route } from "effect-llm-router"
import { ChatCompletions, OpenAiCompatible, Providers, ResponseCache } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"

/** The router over the providers that have a key in the environment. */
export const live = ChatCompletions.layer.pipe(
  Layer.provide([Providers.layerConfig, ResponseCache.layerMemory()]),
  Layer.provide(FetchHttpClient.layer)
)

/** The router over a server on this machine that answers by a script, so that an example needs no key and no network. */
export const offline = (script: Testing.Script) => {
  const names = new Set(Object.keys(script).map((target) => target.split("/")[0]!))
  const providers = Layer.unwrapEffect(Effect.map(Testing.Server, (server) =>
    Providers.layer(Object.fromEntries(
      [...names].map((name) => [name, OpenAiCompatible.make({ baseUrl: server.baseUrl(name) })])
    ))))
  return ChatCompletions.layer.pipe(
    Layer.provide([providers, ResponseCache.layerMemory()]),
    Layer.provide(FetchHttpClient.layer),
    Layer.provideMerge(Testing.layerServer(script))
  )
}

const seconds = (millis: number) => `${(millis / 1000).toFixed(2)} s`

/** A route as a small table. */
export const printRoute = (route: Route.Route) => {
  const begin = route.attempts[0]?.startedAtMillis ?? 0
  const rows = route.attempts.map((attempt, index) => [
    String(index + 1),
    attempt.target,
    `+${seconds(attempt.startedAtMillis - begin)}`,
    seconds(attempt.waitMillis),
    seconds(attempt.durationMillis),
    attempt.status === undefined ? attempt.outcome : `${attempt.outcome} (${attempt.status})`
  ])
  const table = [["#", "target", "started", "waited", "took", "outcome"], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  const lines = table.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd()}`)
  return Console.log([...lines, `  served by ${route.served ?? "nobody"}, cache ${route.cache}`].join("\n"))
}
