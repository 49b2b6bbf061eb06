/** What the tests of telemetry share: a tracer that keeps its spans, and the values of metrics. */
import { Array as Arr, Cause, Effect, Exit, Metric, MetricState, Option, Tracer } from "effect"

export interface Event {
  readonly name: string
  readonly at: number
  readonly attributes: Record<string, unknown>
}

/** Effect's own span, as plain data; times in milliseconds. */
export interface Kept {
  readonly name: string
  readonly kind: string
  readonly parent: string | undefined
  readonly start: number
  readonly end: number | undefined
  /** `success`, `interrupted`, or the tag of the failure; `undefined` for one that has not ended. */
  readonly status: string | undefined
  readonly attributes: Record<string, unknown>
  readonly events: ReadonlyArray<Event>
}

const millis = (nanos: bigint) => Number(nanos) / 1e6

const statusOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "success"
  if (Exit.isInterrupted(exit)) return "interrupted"
  const failure: unknown = Option.getOrUndefined(Cause.failureOption(exit.cause))
  return typeof failure === "object" && failure !== null && "_tag" in failure ? String(failure._tag) : "defect"
}

/** A tracer that keeps its spans as they are. */
export const recording = Effect.map(Effect.tracer, (native) => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (...options) => {
      const span = native.span(...options)
      spans.push(span)
      return span
    },
    context: (f) => f()
  })
  return { spans, tracer }
})

/** A tracer that keeps its spans, and gives them as plain data with their events. */
export const keeping = Effect.map(Effect.tracer, (native) => {
  const spans: Array<Tracer.Span> = []
  const events = new Map<Tracer.Span, Array<Event>>()
  const tracer = Tracer.make({
    span: (...options) => {
      const span = native.span(...options)
      const mine: Array<Event> = []
      const event = span.event.bind(span)
      span.event = (name, at, attributes) => {
        mine.push({ name, at: millis(at), attributes: attributes ?? {} })
        event(name, at, attributes)
      }
      spans.push(span)
      events.set(span, mine)
      return span
    },
    context: (f) => f()
  })
  const kept = (): ReadonlyArray<Kept> =>
    spans.map((span) => ({
      name: span.name,
      kind: span.kind,
      parent: Option.getOrUndefined(Option.map(span.parent, (parent) => parent._tag === "Span" ? parent.name : "?")),
      start: millis(span.status.startTime),
      end: span.status._tag === "Ended" ? millis(span.status.endTime) : undefined,
      status: span.status._tag === "Ended" ? statusOf(span.status.exit) : undefined,
      attributes: Object.fromEntries(span.attributes),
      events: events.get(span) ?? []
    }))
  return { tracer, kept }
})

/** The value of every metric of the library, by its name and labels; of a histogram the count and the sum. */
export const metricValues = (label: readonly [string, string]): Effect.Effect<Record<string, unknown>> =>
  Effect.map(
    Metric.snapshot,
    (pairs) =>
      Object.fromEntries(pairs.flatMap(({ metricKey: { name, tags }, metricState }) => {
        const own = Arr.fromIterable(tags)
        if (!/^(router|gen_ai)\./.test(name) || !own.some(({ key, value }) => key === label[0] && value === label[1])) {
          return []
        }
        const shown = own.filter(({ key }) => key !== label[0] && key !== "unit").map(({ key, value }) =>
          `${key}=${value}`
        )
        const value = MetricState.isHistogramState(metricState)
          ? [metricState.count, metricState.sum]
          : MetricState.isCounterState(metricState)
          ? metricState.count
          : MetricState.isGaugeState(metricState)
          ? metricState.value
          : undefined
        return [[[name, ...shown.sort()].join(" "), value]]
      }))
  )
