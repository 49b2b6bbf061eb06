/**
 * What an operator sees of one call: its spans through OpenTelemetry, as a tree, and its metrics. The first target is down, the second one
 * answers; the prices are made up.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace-base"
import { SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import { Console, Effect, Layer, Metric, MetricState, Schedule, Stream } from "effect"
import { ChatCompletions, RouterDefaults } from "effect-llm-router"
import * as Prices from "effect-llm-router/Prices"
import * as Telemetry from "effect-llm-router/Telemetry"
import * as Testing from "effect-llm-router/Testing"
import { offline } from "./_support.js"

const millis = ([seconds, nanos]: readonly [number, number]) => `${Math.round(seconds * 1000 + nanos / 1e6)} ms`

const lines = (span: ReadableSpan, indent: string): ReadonlyArray<string> => [
  `${indent}${span.name}, ${millis(span.duration)}`,
  ...Object.entries(span.attributes).map(([name, value]) =>
    `${indent}  ${name} = ${String(value).replace(/\s+/g, "")}`
  ),
  ...span.events.filter(({ name }) => name.startsWith("router.")).map(({ attributes = {}, name }) =>
    `${indent}  ! ${name} ${Object.entries(attributes).map(([name, value]) => `${name}=${value}`).join(" ")}`
  )
]

/** Prints each tree of spans when its root has ended: that is after all below it. */
class PrintingExporter implements SpanExporter {
  private readonly waiting: Array<ReadableSpan> = []

  export(spans: Array<ReadableSpan>, done: (result: { code: 0 }) => void): void {
    for (const span of spans) {
      this.waiting.push(span)
      if (span.parentSpanContext === undefined) {
        process.stdout.write(`${this.tree(span, "").join("\n")}\n\n`)
      }
    }
    done({ code: 0 })
  }

  shutdown(): Promise<void> {
    return Promise.resolve()
  }

  private tree(span: ReadableSpan, indent: string): ReadonlyArray<string> {
    const children = this.waiting.filter((child) => child.parentSpanContext?.spanId === span.spanContext().spanId)
    return [...lines(span, indent), ...children.flatMap((child) => this.tree(child, `${indent}    `))]
  }
}

const printMetrics = Effect.flatMap(Metric.snapshot, (pairs) =>
  Console.log(
    pairs.flatMap(({ metricKey: { name, tags }, metricState }) => {
      const labels = tags.filter(({ key }) => key.startsWith("router.")).map(({ key, value }) => ` ${key}=${value}`)
      return name.startsWith("router.") && MetricState.isCounterState(metricState)
        ? [`${name}${labels.join("")}: ${metricState.count}`]
        : []
    }).sort().join("\n")
  ))

const request = {
  model: "acme/large",
  messages: [{ role: "user" as const, content: "Say hello" }],
  temperature: 0.2,
  retry: { count: 1 },
  fallbacks: [{ model: "backup/small" }]
}

const main = Effect.gen(function*() {
  yield* ChatCompletions.create(request)
  yield* Stream.runDrain(ChatCompletions.stream({ ...request, model: "backup/small" }))
  yield* printMetrics
})

const usage = { prompt_tokens: 12, completion_tokens: 3 }

const Observed = Layer.mergeAll(
  NodeSdk.layer(() => ({
    resource: { serviceName: "example" },
    spanProcessor: new SimpleSpanProcessor(new PrintingExporter())
  })),
  Telemetry.layer({ prices: Prices.make({ "backup/*": { input: 2, output: 8 } }) }),
  RouterDefaults.layer({ backoff: Schedule.spaced("50 millis") })
)

await Effect.runPromise(main.pipe(
  Effect.provide(offline({
    "acme/large": Testing.status(503),
    "backup/small": [
      Testing.completion("Hello", { usage }),
      Testing.stream(["Hel", "lo"], { usage, between: "20 millis" })
    ]
  })),
  Effect.provide(Observed)
))
