import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Route from "../Route.js"
import { inContext } from "./inContext.js"

/**
 * A call that is recorded, by whoever asks for the record.
 *
 * @internal
 */
export const recordedBy = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  recorder: Route.Recorder
): Effect.Effect<A, E, R> =>
  inContext(call, (context: Context.Context<R>) => Context.add(context, Route.CurrentRecorder, recorder))
