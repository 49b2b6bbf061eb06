/**
 * The service, over whatever carries a request out: each call has its own route, and its errors hold it.
 *
 * @since 0.1.0
 */
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Service } from "../ChatCompletions.js"
import { CallScope } from "../internal/callScope.js"
import { withReference } from "../internal/here.js"
import * as Route from "../Route.js"
import * as RouterDefaults from "../RouterDefaults.js"
import * as RouterError from "../RouterError.js"
import * as Telemetry from "../Telemetry.js"
import * as ObservedCall from "../telemetry/ObservedCall.js"
import type { ChatRequest } from "../wire/ChatRequest.js"
import * as Delivery from "./Delivery.js"
import type { Kind } from "./Plan.js"

/**
 * Carries a request out and gives a settled response. What it does is noted in the recorder.
 *
 * @since 0.1.0
 * @category models
 */
export interface Execute {
  (
    request: ChatRequest,
    kind: Kind,
    recorder: Route.Recorder
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, RouterError.RouterError>
}

/**
 * The defaults where a service was built, and nearer to the call those around it. Of the same two the same object comes, checked once.
 *
 * @since 0.1.0
 * @category accessors
 */
export const currentDefaults = (built: RouterDefaults.Defaults): Effect.Effect<RouterDefaults.Defaults> => {
  const merged = new WeakMap<RouterDefaults.Defaults, RouterDefaults.Defaults>([[built, built]])
  return withReference(RouterDefaults.RouterDefaults, (called) => {
    const defaults = merged.get(called) ?? RouterDefaults.merge(built, called)
    merged.set(called, defaults)
    return Effect.succeed(defaults)
  })
}

const attachRoute = (recorder: Route.Recorder) => (error: RouterError.RouterError): RouterError.RouterError =>
  RouterError.withContext(error, { route: Route.snapshot(recorder) })

/** The attempt that served a stream has failed after all. */
const recordInterruption = (recorder: Route.Recorder, error: RouterError.RouterError): void => {
  const last = recorder.attempts.pop()
  if (last !== undefined) {
    recorder.attempts.push({ ...last, outcome: error._tag })
  }
}

const service = (execute: Execute, telemetry: Telemetry.Service | undefined): Service => ({
  create: (request) =>
    Effect.withFiberRuntime((fiber) => {
      const recorder = Route.makeRecorder()
      const call = Effect.mapBoth(Effect.flatMap(execute(request, "completion", recorder), Delivery.completion), {
        onFailure: attachRoute(recorder),
        onSuccess: (completion) => ({ ...completion, route: Route.snapshot(recorder) })
      })
      const observer = ObservedCall.observerOf(fiber, telemetry)
      return observer === undefined ? call : ObservedCall.completion(call, observer, request, recorder)
    }),
  stream: (request) =>
    Stream.unwrapScoped(Effect.withFiberRuntime((fiber) => {
      const recorder = Route.makeRecorder()
      const call = Effect.gen(function*() {
        const scope = yield* Effect.scope
        const response = yield* execute(request, "stream", recorder).pipe(
          Effect.provideService(CallScope, scope),
          Effect.mapError(attachRoute(recorder))
        )
        const route = Route.snapshot(recorder)
        return Delivery.chunks(response, {
          target: route.served,
          onChunk: (chunk) => ({ ...chunk, route }),
          onError: (error) => {
            recordInterruption(recorder, error)
            return attachRoute(recorder)(error)
          }
        })
      })
      const observer = ObservedCall.observerOf(fiber, telemetry)
      return observer === undefined ? call : ObservedCall.stream(call, observer, request, recorder)
    }))
})

/**
 * The service, with the telemetry that is around where it is made. That around a call goes before it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (execute: Execute): Effect.Effect<Service> =>
  Effect.map(Telemetry.Telemetry, (telemetry) => service(execute, telemetry))
