/**
 * What one call does, as a span, its events and metrics. There is one for each call that somebody observes, and none for any other.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Tracer from "effect/Tracer"
import type * as Route from "../Route.js"
import type * as Telemetry from "../Telemetry.js"
import type { ChatRequest } from "../wire/ChatRequest.js"
import type { JsonObject } from "../wire/RequestBody.js"
import type * as Metrics from "./Metrics.js"
import type { Server } from "./Server.js"

/**
 * Who observes a call, and with what.
 *
 * @since 0.1.0
 * @category models
 */
export interface Observer {
  readonly telemetry: Telemetry.Service | undefined
  readonly traced: boolean
  /** The labels of all metrics of the fiber. */
  readonly labels: Metrics.Labels
  readonly clock: Clock.Clock
  /** Whether the tracer wants to know times: without, all are 0. */
  readonly timed: boolean
}

/**
 * A target that a request was sent to, or was not because of its state, and what came of it.
 *
 * @since 0.1.0
 * @category models
 */
interface Asked {
  readonly target: string
  readonly reason: string
  readonly at: bigint
}

/**
 * Nanoseconds as seconds.
 *
 * @since 0.1.0
 * @category getters
 */
export const seconds = (nanos: bigint): number => Number(nanos) / 1e9

/**
 * Mutable, and of one call.
 *
 * @since 0.1.0
 * @category models
 */
export class Observation {
  /**
   * How many requests were sent.
   *
   * @since 0.1.0
   */
  attempts = 0
  /**
   * The target that was asked first.
   *
   * @since 0.1.0
   */
  first: { readonly target: string; readonly server: Server | undefined } | undefined
  /**
   * The target that a request was last sent to.
   *
   * @since 0.1.0
   */
  latest: { readonly target: string; readonly server: Server | undefined } | undefined
  /**
   * What was sent first.
   *
   * @since 0.1.0
   */
  body: JsonObject | undefined
  /**
   * Set when the span has ended: one who joined the call may go on with it.
   *
   * @since 0.1.0
   */
  ended = false
  /**
   * @since 0.1.0
   */
  readonly startedAt: bigint
  private asked: Asked | undefined
  private cacheStatus: Route.CacheStatus | undefined

  constructor(
    /**
     * @since 0.1.0
     */
    readonly observer: Observer,
    /**
     * @since 0.1.0
     */
    readonly request: ChatRequest,
    /**
     * @since 0.1.0
     */
    readonly kind: "completion" | "stream",
    /**
     * @since 0.1.0
     */
    readonly span: Tracer.Span | undefined
  ) {
    this.startedAt = this.now()
  }

  /**
   * @since 0.1.0
   */
  get metrics(): Metrics.Metrics | undefined {
    return this.observer.telemetry?.metrics
  }

  /**
   * Nanoseconds since the Unix epoch.
   *
   * @since 0.1.0
   */
  now(): bigint {
    return this.observer.clock.unsafeCurrentTimeNanos()
  }

  /**
   * When something happens, for its span.
   *
   * @since 0.1.0
   */
  stamp(at: bigint): bigint {
    return this.observer.timed ? at : 0n
  }

  /**
   * A request is about to be sent. Why, is known from what came of the last one.
   *
   * @since 0.1.0
   */
  sending(target: string, server: Server | undefined, recorder: Route.Recorder | undefined): void {
    this.attempts += 1
    this.first ??= { target, server }
    this.latest = { target, server }
    if (recorder !== undefined) {
      this.cache(recorder, this.now())
    }
    const { asked } = this
    if (asked === undefined) {
      return
    }
    if (asked.target !== target) {
      this.fallback(asked, target)
      return
    }
    this.event("router.retry", asked.at, {
      "router.target": target,
      "router.reason": asked.reason,
      "router.wait": (recorder?.waitMillis ?? 0) / 1000
    })
    this.metrics?.of(target, server).retries(asked.reason).unsafeUpdate(1, this.observer.labels)
  }

  /**
   * What came of the request to a target.
   *
   * @since 0.1.0
   */
  failed(target: string, reason: string, at: bigint): void {
    this.asked = { target, reason, at }
  }

  /**
   * A request was not sent because of the state of its target.
   *
   * @since 0.1.0
   */
  skipped(target: string, reason: string): void {
    const at = this.now()
    this.first ??= { target, server: undefined }
    const { asked } = this
    if (asked !== undefined && asked.target !== target) {
      this.fallback(asked, target)
    }
    this.event("router.skip", at, { "router.target": target, "router.reason": reason })
    this.metrics?.of(target).skips(reason).unsafeUpdate(1, this.observer.labels)
    this.asked = { target, reason, at }
  }

  /**
   * What the cache did, as soon as it is known.
   *
   * @since 0.1.0
   */
  cache({ cache, cacheAgeMillis }: Pick<Route.Recorder, "cache" | "cacheAgeMillis">, at: bigint): void {
    // a call that the cache has nothing for may be answered by it after all, when it fails
    if (cache === "off" || cache === this.cacheStatus) {
      return
    }
    this.cacheStatus = cache
    this.event("router.cache", at, {
      "router.cache.status": cache,
      ...(cacheAgeMillis !== undefined && { "router.cache.age": cacheAgeMillis / 1000 })
    })
  }

  /**
   * The circuit of a target has changed.
   *
   * @since 0.1.0
   */
  breaker(target: string, state: string): void {
    this.event("router.breaker", this.now(), { "router.target": target, "router.breaker.state": state })
  }

  private fallback({ at, reason, target }: Asked, to: string): void {
    this.event("router.fallback", at, { "router.from": target, "router.to": to, "router.reason": reason })
    this.metrics?.of(target).fallbacks(reason).unsafeUpdate(1, this.observer.labels)
  }

  private event(name: string, at: bigint, attributes: Record<string, unknown>): void {
    if (!this.ended) {
      this.span?.event(name, this.stamp(at), attributes)
    }
  }
}

/**
 * The observation of the call that an attempt belongs to: `undefined` where nobody observes it. It is not a part of the recorder, because
 * the calls that share an answer have one recorder each, and another for the call that they share.
 *
 * @since 0.1.0
 * @category context
 */
export class CurrentObservation
  extends Context.Reference<CurrentObservation>()("effect-llm-router/telemetry/CurrentObservation", {
    defaultValue: (): Observation | undefined => undefined
  })
{}
