import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as CacheStore from "../policy/CacheStore.js"
import * as Route from "../Route.js"
import * as Completion from "../wire/Completion.js"
import * as Fold from "../wire/Fold.js"
import * as Json from "../wire/Json.js"
import * as Replay from "../wire/Replay.js"
import * as ResponseKeys from "../wire/ResponseKeys.js"
import { type Batch, isStreamResponse, type StreamResponse } from "../wire/StreamResponse.js"
import * as CachedCall from "./cachedCall.js"
import { CallScope } from "./callScope.js"
import type { SharedStreams } from "./sharedStream.js"

/**
 * What a call for a stream gave: one that can be shared, or another response, for one caller.
 *
 * @internal
 */
export type Head =
  | { readonly _tag: "Stream"; readonly response: StreamResponse }
  | { readonly _tag: "Other"; readonly take: () => Option.Option<HttpClientResponse.HttpClientResponse> }

/**
 * The streams that are under way.
 *
 * @internal
 */
export type Streams = SharedStreams<Head, Batch, Route.Recorder>

/**
 * The stored answer as a stream; `none` when what is stored is no completion.
 *
 * @internal
 */
export const fromEntry = (
  request: HttpClientRequest.HttpClientRequest,
  entry: CacheStore.Entry
): Option.Option<HttpClientResponse.HttpClientResponse> =>
  Either.match(
    Either.flatMap(Either.mapLeft(Json.parse(entry.body), (error) => error.reason), Completion.fromWire),
    {
      onLeft: () => Option.none(),
      onRight: (completion) => Option.some(Replay.response(request, CachedCall.fromEntry(request, entry), completion))
    }
  )

/** What is stored is the completion, so that one entry serves those who ask for a stream and those who do not. */
const store = <E, R>(call: CachedCall.Call<E, R>, status: number, fold: Fold.Fold): Effect.Effect<void> =>
  Effect.suspend(() => {
    const candidate = {
      status,
      headers: { "content-type": "application/json" },
      text: JSON.stringify(ResponseKeys.completionToWire(fold.completion())),
      route: Route.snapshot(call.recorder)
    }
    return call.storable(candidate) ? CachedCall.save(call, candidate) : Effect.void
  })

const open = <E, R>(call: CachedCall.Call<E, R>) => (scope: Scope.Scope) => {
  call.recorder.cache = "miss"
  return call.execute.pipe(
    Effect.provideService(Route.CurrentRecorder, call.recorder),
    Effect.provideService(CallScope, scope),
    Effect.map((response) =>
      isStreamResponse(response)
        ? { head: { _tag: "Stream" as const, response }, stream: response.batches }
        : { head: { _tag: "Other" as const, take: CachedCall.takeOnce(response) }, stream: Stream.empty }
    )
  )
}

/**
 * Joins the call for the same stream that is under way, or makes it. The stream is handed on as it is read and collected at the same
 * time; a complete answer is stored.
 *
 * @internal
 */
export const share = <E, R>(
  streams: Streams,
  request: HttpClientRequest.HttpClientRequest,
  call: CachedCall.Call<E, R>,
  caller: Route.Recorder | undefined
): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const fold = Fold.make()
      let status = 200
      const shared = yield* streams.join(call.key, {
        log: call.recorder,
        open: (scope) =>
          Effect.tap(open(call)(scope), ({ head }) => {
            status = head._tag === "Stream" ? head.response.status : status
          }),
        onElement: (batch) => batch.chunks.forEach(fold.add),
        onComplete: Effect.suspend(() => fold.complete ? store(call, status, fold) : Effect.void)
      })
      const scope = yield* CallScope
      if (scope !== undefined) {
        yield* Scope.addFinalizer(scope, shared.leave)
      }
      const { head, stream } = yield* restore(shared.opened).pipe(
        Effect.onError(() => shared.leave),
        Effect.ensuring(Effect.sync(() => CachedCall.recordCall(caller, shared.log, shared.first)))
      )
      if (head._tag === "Other") {
        yield* shared.leave
        // one caller can have it, the others make a call of their own
        const own = Option.match(head.take(), { onNone: () => call.execute, onSome: Effect.succeed })
        return yield* restore(CachedCall.bypass(caller, own))
      }
      return head.response.withBatches(stream, request)
    })
  )
