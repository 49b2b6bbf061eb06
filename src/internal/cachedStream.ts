import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as CacheStore from "../policy/CacheStore.js"
import * as Route from "../Route.js"
import type * as RouterError from "../RouterError.js"
import * as Completion from "../wire/Completion.js"
import * as Fold from "../wire/Fold.js"
import * as Json from "../wire/Json.js"
import * as Replay from "../wire/Replay.js"
import * as ResponseKeys from "../wire/ResponseKeys.js"
import { type Batch, isStreamResponse, type StreamResponse } from "../wire/StreamResponse.js"
import * as CachedCall from "./cachedCall.js"
import { sealed } from "./cacheSealed.js"
import { CallScope } from "./callScope.js"
import type { SharedStreams } from "./sharedStream.js"

/**
 * What a call for a stream gave: an entry after all, a stream that can be shared, or another response, for one caller.
 *
 * @internal
 */
export type Head =
  | { readonly _tag: "Stored"; readonly entry: CacheStore.Entry }
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
    const completion = fold.completion()
    return CachedCall.save(call, {
      status,
      headers: { "content-type": "application/json" },
      text: JSON.stringify(ResponseKeys.completionToWire(completion)),
      completion
    })
  })

const openCall = <E, R>(call: CachedCall.Call<E, R>, scope: Scope.Scope) =>
  Effect.suspend(() => {
    call.recorder.cache = "miss"
    return call.execute.pipe(
      Effect.provideService(Route.CurrentRecorder, call.recorder),
      Effect.provideService(CallScope, scope),
      Effect.map((response): Opened =>
        isStreamResponse(response)
          ? { head: { _tag: "Stream", response }, stream: Stream.map(response.batches, sealed) }
          : { head: { _tag: "Other", take: CachedCall.takeOnce(response) }, stream: Stream.empty }
      )
    )
  })

interface Opened {
  readonly head: Head
  readonly stream: Stream.Stream<Batch, RouterError.TargetError>
}

const open = <E, R>(
  request: HttpClientRequest.HttpClientRequest,
  call: CachedCall.Call<E, R>,
  scope: Scope.Scope
): Effect.Effect<Opened, E, R> =>
  Effect.flatMap(CachedCall.latest(call), (found) => {
    if (Option.isNone(found) || Option.isNone(fromEntry(request, found.value.entry))) {
      return openCall(call, scope)
    }
    CachedCall.recordHit(call.recorder, found.value)
    return Effect.succeed({ head: { _tag: "Stored", entry: found.value.entry }, stream: Stream.empty })
  })

/**
 * Joins the call for the same stream that is under way, or makes it. The stream is handed on as it is read and collected at the same
 * time; a complete answer is stored. `together` is what the calls have in common that are one.
 *
 * @internal
 */
export const share = <E, R>(
  streams: Streams,
  together: string,
  request: HttpClientRequest.HttpClientRequest,
  call: CachedCall.Call<E, R>,
  caller: Route.Recorder | undefined
): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const fold = Fold.make()
      let status = 200
      const shared = yield* streams.join(together, {
        log: call.recorder,
        open: (scope) =>
          Effect.tap(open(request, call, scope), ({ head }) => {
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
      if (head._tag === "Stream") {
        return head.response.withBatches(stream, request)
      }
      yield* shared.leave
      const stored = head._tag === "Stored" ? fromEntry(request, head.entry) : Option.none()
      if (Option.isSome(stored)) {
        return stored.value
      }
      // one caller can have it, the others make a call of their own
      const own = head._tag === "Other" ? head.take() : Option.none()
      return yield* restore(
        CachedCall.bypass(caller, Option.match(own, { onNone: () => call.execute, onSome: Effect.succeed }))
      )
    })
  )
