/**
 * A request to a target as a span below that of its call.
 *
 * @since 0.1.0
 */
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import { whenOver } from "../internal/over.js"
import type * as Route from "../Route.js"
import { isCompletionResponse } from "../wire/CompletionResponse.js"
import * as RequestBody from "../wire/RequestBody.js"
import { isStreamResponse } from "../wire/StreamResponse.js"
import * as Attributes from "./Attributes.js"
import * as Names from "./Names.js"
import { type Observation, seconds } from "./Observation.js"
import { Seen } from "./Seen.js"
import type { Server } from "./Server.js"

type Response = HttpClientResponse.HttpClientResponse

/**
 * What is sent, and where.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sent {
  readonly target: string
  readonly server: Server | undefined
  readonly request: HttpClientRequest.HttpClientRequest
  readonly recorder: Route.Recorder | undefined
}

/**
 * What an exchange is said to have ended with.
 *
 * @since 0.1.0
 * @category getters
 */
export const outcomeOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) {
    return "success"
  }
  const failure = Cause.failureOption(exit.cause)
  return Option.isSome(failure)
    ? Names.tagOf(failure.value)
    : Cause.isInterrupted(exit.cause)
    ? "interrupted"
    : "defect"
}

/**
 * What a span may know of an exit: that it was a success, and not what came of it.
 *
 * @since 0.1.0
 * @category getters
 */
export const withoutValue = (exit: Exit.Exit<unknown, unknown>): Exit.Exit<void, unknown> =>
  Exit.isSuccess(exit) ? Exit.void : exit

/**
 * What `error.type` says of an outcome: nothing of a success, or of an interruption, which is no error.
 *
 * @since 0.1.0
 * @category getters
 */
export const errorType = (outcome: string): string | undefined =>
  outcome === "success" || outcome === "interrupted" ? undefined : outcome

const statusOf = (exit: Exit.Exit<unknown, unknown>): number | undefined => {
  const failure = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.failureOption(exit.cause)) : undefined
  return typeof failure === "object" && failure !== null && "status" in failure && typeof failure.status === "number"
    ? failure.status
    : undefined
}

class Attempt {
  private readonly startedAt: bigint
  private readonly seen = new Seen()
  private firstChunkAt: bigint | undefined
  private status: number | undefined

  constructor(
    private readonly observation: Observation,
    private readonly sent: Sent,
    private readonly span: Tracer.Span | undefined
  ) {
    this.startedAt = observation.now()
  }

  /** The answer has come, or the first content of a stream. */
  answered(response: Response): Response {
    this.status = response.status
    if (isCompletionResponse(response)) {
      this.seen.addCompletion(response.completion)
    }
    if (!isStreamResponse(response)) {
      return response
    }
    this.firstChunkAt = this.observation.now()
    return response.withBatches(Stream.map(response.batches, (batch) => {
      for (const chunk of batch.chunks) {
        this.seen.addChunk(chunk)
      }
      return batch
    }))
  }

  end(exit: Exit.Exit<unknown, unknown>): void {
    const { observation, sent: { server, target }, startedAt } = this
    const at = observation.now()
    const outcome = outcomeOf(exit)
    if (outcome !== "success") {
      observation.failed(target, outcome, at)
    }
    const firstChunk = this.firstChunkAt === undefined ? undefined : seconds(this.firstChunkAt - startedAt)
    const { metrics, observer: { labels } } = observation
    if (metrics !== undefined) {
      const own = metrics.of(target, server)
      own.attempts(outcome).unsafeUpdate(1, labels)
      own.attemptDuration(outcome).unsafeUpdate(seconds(at - startedAt), labels)
      if (firstChunk !== undefined) {
        own.attemptFirstChunk().unsafeUpdate(firstChunk, labels)
      }
    }
    if (this.span !== undefined) {
      Attributes.setResponse(this.span, this.seen)
      Attributes.set(this.span, "http.response.status_code", this.status ?? statusOf(exit))
      Attributes.set(this.span, "gen_ai.response.time_to_first_chunk", firstChunk)
      Attributes.set(this.span, "error.type", errorType(outcome))
      this.span.end(observation.stamp(at), withoutValue(exit))
    }
  }
}

/** A target that is no `provider/model` is a router of its own: it is asked for what the call asks for. */
const nameOf = (observation: Observation, target: string): Partial<Names.Named> => {
  const model = Attributes.modelOf(observation.body ?? observation.request)
  return Names.ofTarget(target) ?? { provider: Names.ofTarget(model)?.provider, model }
}

const startSpan = (observation: Observation, { recorder, server, target }: Sent): Effect.Effect<Tracer.Span> => {
  const { model, provider } = nameOf(observation, target)
  const span = Effect.makeSpan(Names.spanName(model), {
    kind: "client",
    captureStackTrace: false,
    ...(observation.span && { parent: observation.span }),
    attributes: { "gen_ai.operation.name": "chat" }
  })
  const number = observation.attempts
  const wait = (recorder?.waitMillis ?? 0) / 1000
  return Effect.map(span, (span) => {
    Attributes.set(span, "gen_ai.provider.name", provider)
    Attributes.set(span, "gen_ai.request.model", model)
    Attributes.setServer(span, server)
    span.attribute("router.target", target)
    span.attribute("router.attempt", number)
    span.attribute("router.wait", wait)
    return span
  })
}

const none = Effect.succeed(undefined)

/**
 * A request to a target, observed from its beginning until its answer is complete.
 *
 * @since 0.1.0
 * @category combinators
 */
export const observe = <E, R>(
  exchange: Effect.Effect<Response, E, R>,
  observation: Observation,
  sent: Sent
): Effect.Effect<Response, E, R> =>
  // no interruption between the beginning of the span and the watch over its end
  Effect.uninterruptibleMask((restore) =>
    Effect.suspend(() => {
      observation.body ??= Either.getOrUndefined(RequestBody.toJson(sent.request))
      observation.sending(sent.target, sent.server, sent.recorder)
      return Effect.flatMap(observation.observer.traced ? startSpan(observation, sent) : none, (span) => {
        const attempt = new Attempt(observation, sent, span)
        const restored = restore(exchange)
        return whenOver(
          Effect.map(
            span === undefined ? restored : Effect.withParentSpan(restored, span),
            (response) => attempt.answered(response)
          ),
          (exit) => Effect.sync(() => attempt.end(exit))
        )
      })
    })
  )
