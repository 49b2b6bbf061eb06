/**
 * The metrics of calls and attempts. Each target has its own, made when it is first seen, so that an update looks up numbers and makes
 * nothing.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import * as Names from "./Names.js"
import type { Server } from "./Server.js"

/**
 * How many targets have metrics of their own: more than any program routes to, and a bound where model names come from outside. All
 * further ones are one, `other`.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxTargets = 1_000

/**
 * In seconds: those of the conventions.
 *
 * @since 0.1.0
 * @category defaults
 */
export const durationBoundaries: ReadonlyArray<number> = [
  0.01,
  0.02,
  0.04,
  0.08,
  0.16,
  0.32,
  0.64,
  1.28,
  2.56,
  5.12,
  10.24,
  20.48,
  40.96,
  81.92
]

/**
 * In tokens: those of the conventions.
 *
 * @since 0.1.0
 * @category defaults
 */
export const tokenBoundaries: ReadonlyArray<number> = Array.from({ length: 14 }, (_, power) => 4 ** power)

/**
 * How the gauge of a circuit shows its state.
 *
 * @since 0.1.0
 * @category defaults
 */
export const breakerStates = { closed: 0, halfOpen: 1, open: 2 } as const

/**
 * The labels that a program has put on all metrics around a call (`Effect.tagMetrics`).
 *
 * @since 0.1.0
 * @category models
 */
export type Labels = ReadonlyArray<MetricLabel.MetricLabel>

type Pairs = Readonly<Record<string, string>>

const labels = (pairs: Pairs): Labels => Object.entries(pairs).map(([key, value]) => MetricLabel.make(key, value))

/**
 * A metric with fixed labels: `Metric.tagged` would join them anew with each update.
 *
 * @since 0.1.0
 * @category models
 */
export interface Numbers {
  readonly unsafeUpdate: (value: number, labels: Labels) => void
}

const counter = (name: string, description: string) => {
  const key = MetricKey.counter(name, { description, incremental: true })
  return (pairs: Pairs): Numbers => Metric.fromMetricKey(MetricKey.taggedWithLabels(key, labels(pairs)))
}

/** `unit` is where the bridge to OpenTelemetry looks for it. */
const histogram = (name: string, unit: string, boundaries: ReadonlyArray<number>, description: string) => {
  const key = MetricKey.histogram(name, MetricBoundaries.fromIterable(boundaries), description)
  return (pairs: Pairs): Numbers => Metric.fromMetricKey(MetricKey.taggedWithLabels(key, labels({ ...pairs, unit })))
}

const gauge = (name: string, description: string) => {
  const key = MetricKey.gauge(name, { description })
  return (pairs: Pairs): Numbers => Metric.fromMetricKey(MetricKey.taggedWithLabels(key, labels(pairs)))
}

const calls = counter("router.calls", "Calls by what they ended with")
const attempts = counter("router.attempts", "Requests to a target by what they ended with")
const retries = counter("router.retries", "Requests to a target that were sent again, by why")
const fallbacks = counter("router.fallbacks", "Calls that moved on from a target to the next, by why")
const skips = counter("router.skips", "Requests that were not sent to a target, by why")
const caches = counter("router.cache", "Calls by what the cache did for them")
const costs = counter(
  "router.cost",
  "The cost of calls by the target that served them, in the currency of the price table"
)
const breakers = gauge("router.breaker.state", "The circuit of a target: 0 closed, 1 half open, 2 open")
const attemptDurations = histogram(
  "router.attempt.duration",
  "s",
  durationBoundaries,
  "From a request to a target until its answer was complete"
)
const attemptFirstChunks = histogram(
  "router.attempt.time_to_first_chunk",
  "s",
  durationBoundaries,
  "From a request to a target until the first content of its stream"
)
const durations = histogram(
  "gen_ai.client.operation.duration",
  "s",
  durationBoundaries,
  "GenAI operation duration"
)
const firstChunks = histogram(
  "gen_ai.client.operation.time_to_first_chunk",
  "s",
  durationBoundaries,
  "Time to receive the first chunk of a stream"
)
const tokens = histogram(
  "gen_ai.client.token.usage",
  "{token}",
  tokenBoundaries,
  "Number of input and output tokens used"
)

/** One metric for each value of a label, made when it is first seen. */
const byValue = (make: (pairs: Pairs) => Numbers, pairs: () => Pairs, label: string) => {
  const metrics = new Map<string, Numbers>()
  return (value: string): Numbers => {
    let metric = metrics.get(value)
    if (metric === undefined) {
      metric = make({ ...pairs(), [label]: value })
      metrics.set(value, metric)
    }
    return metric
  }
}

const once = (make: () => Numbers): () => Numbers => {
  let metric: Numbers | undefined
  return () => metric ??= make()
}

/** The labels of the conventions for an operation with a target. */
const operation = (named: Names.Named | undefined, server: Server | undefined): Pairs => ({
  "gen_ai.operation.name": "chat",
  ...(named && { "gen_ai.provider.name": named.provider, "gen_ai.request.model": named.model }),
  ...(server && { "server.address": server.address, "server.port": String(server.port) })
})

/**
 * The metrics of one target.
 *
 * @since 0.1.0
 * @category models
 */
export interface TargetMetrics {
  readonly attempts: (outcome: string) => Numbers
  readonly attemptDuration: (outcome: string) => Numbers
  readonly attemptFirstChunk: () => Numbers
  readonly retries: (reason: string) => Numbers
  readonly fallbacks: (reason: string) => Numbers
  readonly skips: (reason: string) => Numbers
  readonly breaker: () => Numbers
  readonly cost: () => Numbers
  readonly duration: () => Numbers
  readonly failureDuration: (error: string) => Numbers
  readonly firstChunk: () => Numbers
  readonly tokens: (type: string) => Numbers
}

const makeTarget = (target: string, chat: () => Pairs): TargetMetrics => {
  const own = () => ({ "router.target": target })
  return {
    attempts: byValue(attempts, own, "router.outcome"),
    attemptDuration: byValue(attemptDurations, own, "router.outcome"),
    attemptFirstChunk: once(() => attemptFirstChunks(own())),
    retries: byValue(retries, own, "router.reason"),
    fallbacks: byValue(fallbacks, own, "router.reason"),
    skips: byValue(skips, own, "router.reason"),
    breaker: once(() => breakers(own())),
    cost: once(() => costs(own())),
    duration: once(() => durations(chat())),
    failureDuration: byValue(durations, chat, "error.type"),
    firstChunk: once(() => firstChunks(chat())),
    tokens: byValue(tokens, chat, "gen_ai.token.type")
  }
}

interface Entry {
  /** Learnt from the first attempt: what is known before, such as a skip, has no need of it. */
  server: Server | undefined
  readonly metrics: TargetMetrics
}

const makeEntry = (target: string): Entry => {
  const named = Names.ofTarget(target)
  const entry: Entry = {
    server: undefined,
    metrics: makeTarget(target.slice(0, 2 * Names.maxLength), () => operation(named, entry.server))
  }
  return entry
}

const noPairs = (): Pairs => ({})

/**
 * @since 0.1.0
 * @category models
 */
export interface Metrics {
  readonly calls: (outcome: string) => Numbers
  readonly cache: (status: string) => Numbers
  /** Those of a target. Its labels are those of the server that it is first seen with. */
  readonly of: (target: string, server?: Server | undefined) => TargetMetrics
  /** Those of calls that came to no target. */
  readonly none: TargetMetrics
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Metrics => {
  const targets = new Map<string, Entry>()
  const other = makeTarget("other", () => operation({ provider: "other", model: "other" }, undefined))
  return {
    calls: byValue(calls, noPairs, "router.outcome"),
    cache: byValue(caches, noPairs, "router.cache.status"),
    none: makeTarget("none", () => operation(undefined, undefined)),
    of: (target, server) => {
      let entry = targets.get(target)
      if (entry === undefined) {
        if (targets.size >= maxTargets) {
          return other
        }
        entry = makeEntry(target)
        targets.set(target, entry)
      }
      entry.server ??= server
      return entry.metrics
    }
  }
}
