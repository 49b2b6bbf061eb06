/**
 * What the span and the metrics of a call say when it has ended.
 *
 * @since 0.1.0
 */
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Option from "effect/Option"
import type * as Tracer from "effect/Tracer"
import * as Prices from "../Prices.js"
import type * as Route from "../Route.js"
import * as ChatRequest from "../wire/ChatRequest.js"
import type { Chunk } from "../wire/Chunk.js"
import type { Completion } from "../wire/Completion.js"
import * as Fold from "../wire/Fold.js"
import * as Attributes from "./Attributes.js"
import * as Content from "./Content.js"
import * as Names from "./Names.js"
import { type Observation, seconds } from "./Observation.js"
import { errorType, outcomeOf, withoutValue } from "./ObservedAttempt.js"
import { Seen } from "./Seen.js"

/** What the caller of a stream does that stops reading it. */
const left = Exit.interrupt(FiberId.none)

/**
 * Mutable, and of one call.
 *
 * @since 0.1.0
 * @category models
 */
export class CallReport {
  /**
   * @since 0.1.0
   */
  readonly seen = new Seen()
  /**
   * What a stream has come to so far.
   *
   * @since 0.1.0
   */
  outcome: Exit.Exit<unknown, unknown> = left
  private firstChunkAt: bigint | undefined
  private fold: Fold.Fold | undefined
  private completion: Completion | undefined

  constructor(
    /**
     * @since 0.1.0
     */
    readonly observation: Observation,
    private readonly recorder: Route.Recorder
  ) {}

  private get captures(): boolean {
    const { observer, span } = this.observation
    return span !== undefined && observer.telemetry?.captureContent === true
  }

  /**
   * @since 0.1.0
   */
  answered(completion: Completion): void {
    this.completion = completion
    this.seen.addCompletion(completion)
  }

  /**
   * @since 0.1.0
   */
  begun(): void {
    this.firstChunkAt = this.observation.now()
    this.fold = this.captures ? Fold.make() : undefined
  }

  /**
   * @since 0.1.0
   */
  received(chunk: Chunk): void {
    this.seen.addChunk(chunk)
    this.fold?.add(chunk)
  }

  /**
   * Once: for a stream, at its end or when its scope closes, whatever comes first.
   *
   * @since 0.1.0
   */
  end(exit: Exit.Exit<unknown, unknown>): void {
    const { observation } = this
    if (observation.ended) {
      return
    }
    const at = observation.now()
    observation.cache(this.recorder, this.firstChunkAt ?? at)
    observation.ended = true
    const outcome = outcomeOf(exit)
    const cost = this.cost
    if (observation.metrics !== undefined) {
      this.count(outcome, at, cost)
    }
    if (observation.span !== undefined) {
      this.describe(observation.span, outcome, cost)
      observation.span.end(observation.stamp(at), withoutValue(exit))
    }
  }

  private get usage() {
    return Prices.isPaidFor(this.recorder) ? this.seen.usage : undefined
  }

  private get cost(): number | undefined {
    const { recorder: { served }, usage } = this
    const prices = this.observation.observer.telemetry?.prices
    return prices === undefined || served === undefined || usage === undefined
      ? undefined
      : Option.getOrUndefined(Prices.cost(prices, served, usage))
  }

  private get firstChunk(): number | undefined {
    return this.firstChunkAt === undefined ? undefined : seconds(this.firstChunkAt - this.observation.startedAt)
  }

  /** Where an answer came from, or else where the call began. */
  private get place() {
    const { first, latest } = this.observation
    return latest !== undefined && latest.target === this.recorder.served ? latest : first
  }

  private count(outcome: string, at: bigint, cost: number | undefined): void {
    const { metrics, observer: { labels }, startedAt } = this.observation
    if (metrics === undefined) {
      return
    }
    metrics.calls(outcome).unsafeUpdate(1, labels)
    const { cache, served } = this.recorder
    if (cache !== "off") {
      metrics.cache(cache).unsafeUpdate(1, labels)
    }
    if (!Prices.isPaidFor(this.recorder)) {
      return
    }
    const { place } = this
    const target = served ?? place?.target
    const own = target === undefined ? metrics.none : metrics.of(target, place?.server)
    const duration = seconds(at - startedAt)
    const error = errorType(outcome)
    if (error !== undefined) {
      own.failureDuration(error).unsafeUpdate(duration, labels)
    } else if (outcome === "success") {
      own.duration().unsafeUpdate(duration, labels)
    }
    if (this.firstChunk !== undefined) {
      own.firstChunk().unsafeUpdate(this.firstChunk, labels)
    }
    const { usage } = this
    if (usage?.promptTokens !== undefined) {
      own.tokens("input").unsafeUpdate(usage.promptTokens, labels)
    }
    if (usage?.completionTokens !== undefined) {
      own.tokens("output").unsafeUpdate(usage.completionTokens, labels)
    }
    if (cost !== undefined) {
      own.cost().unsafeUpdate(cost, labels)
    }
  }

  private describe(span: Tracer.Span, outcome: string, cost: number | undefined): void {
    const { observation: { attempts }, recorder, seen } = this
    const { place } = this
    const model = Attributes.modelOf(this.observation.request)
    Attributes.set(span, "gen_ai.provider.name", Names.ofTarget(recorder.served ?? place?.target ?? model)?.provider)
    Attributes.set(span, "gen_ai.request.model", model ?? Names.bounded(place?.target))
    Attributes.setServer(span, place?.server)
    this.describeRequest(span, outcome)
    Attributes.setResponse(span, seen)
    Attributes.set(span, "gen_ai.response.time_to_first_chunk", this.firstChunk)
    if (this.usage !== undefined) {
      Attributes.setUsage(span, this.usage)
    }
    Attributes.set(span, "error.type", errorType(outcome))
    Attributes.set(span, "gen_ai.prompt.name", Names.bounded(recorder.prompt?.id))
    Attributes.set(span, "gen_ai.prompt.version", Names.bounded(recorder.prompt?.version))
    Attributes.set(span, "router.target", Names.bounded(recorder.served))
    Attributes.set(span, "router.attempts", Math.max(attempts, recorder.attempts.length))
    Attributes.set(span, "router.cache.status", recorder.cache)
    Attributes.set(span, "router.cache.age", recorder.cacheAgeMillis && recorder.cacheAgeMillis / 1000)
    Attributes.set(span, "router.cost", cost)
    if (this.captures) {
      this.describeAnswer(span)
    }
  }

  /** What was sent, or for an answer from the cache what was asked. A request that came to nothing may be anything. */
  private describeRequest(span: Tracer.Span, outcome: string): void {
    const { observation: { body: sent, kind, request } } = this
    if (kind === "stream") {
      span.attribute("gen_ai.request.stream", true)
    }
    const body = sent ?? (outcome === "success" ? ChatRequest.toWire(request) : undefined)
    if (body === undefined) {
      return
    }
    Attributes.setRequest(span, body)
    Attributes.set(span, "gen_ai.conversation.id", Attributes.conversationOf(request))
    if (this.captures) {
      span.attribute("gen_ai.input.messages", Content.input(body))
      Attributes.set(span, "gen_ai.system_instructions", Content.instructions(body))
    }
  }

  private describeAnswer(span: Tracer.Span): void {
    const completion = this.completion ?? this.fold?.completion()
    if (completion !== undefined) {
      span.attribute("gen_ai.output.messages", Content.output(completion))
    }
  }
}
