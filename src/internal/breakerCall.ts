import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Random from "effect/Random"
import * as RouterError from "../RouterError.js"
import { Telemetry } from "../Telemetry.js"
import { breakerStates } from "../telemetry/Metrics.js"
import { CurrentObservation } from "../telemetry/Observation.js"
import { isStreamResponse } from "../wire/StreamResponse.js"
import type { Admission, Breaker, Refusal, View } from "./breaker.js"
import * as Verdict from "./breakerVerdict.js"
import { nowMillis } from "./monotonic.js"
import { whenOver } from "./over.js"

type Exchange<E, R> = Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>

const refuse = (refusal: Refusal): Effect.Effect<never, RouterError.BreakerOpen | RouterError.CoolingDown> => {
  const retryAfter = Duration.millis(refusal.retryAfterMillis)
  return Effect.fail(
    refusal._tag === "BreakerOpen"
      ? new RouterError.BreakerOpen({ retryAfter })
      : new RouterError.CoolingDown({ reason: refusal.reason, retryAfter })
  )
}

/** Tells those who observe the call, or else those who observe this fiber. */
const tell = (target: string, state: View["state"]): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber) => {
    const observation = Context.get(fiber.currentContext, CurrentObservation)
    const telemetry = observation?.observer.telemetry ?? Context.get(fiber.currentContext, Telemetry)
    telemetry?.metrics?.of(target).breaker().unsafeUpdate(
      breakerStates[state],
      fiber.getFiberRef(FiberRef.currentMetricLabels)
    )
    observation?.breaker(target, state)
    return Effect.void
  })

const tellChange = (breaker: Breaker, target: string, now: number): Effect.Effect<void> => {
  const state = breaker.changed(now)
  return state === undefined ? Effect.void : tell(target, state)
}

const begun = (breaker: Breaker, admission: Admission, target: string): Effect.Effect<void> =>
  Effect.flatMap(nowMillis, (now) => {
    breaker.begun(admission, now)
    return tellChange(breaker, target, now)
  })

const ended =
  (breaker: Breaker, admission: Admission, target: string) =>
  (exit: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>): Effect.Effect<void> =>
    Effect.flatMap(
      Effect.zip(nowMillis, Clock.currentTimeMillis),
      ([now, wallMillis]) => {
        const opened = breaker.ended(admission, Verdict.of(exit, wallMillis), now)
        const told = tellChange(breaker, target, now)
        return opened
          ? Effect.zipRight(told, Effect.map(Random.next, (random) => breaker.jitter(random)))
          : told
      }
    )

/** Makes a call where the breaker of its target admits it, and tells the breaker how it ended. */
export const guard = <E, R>(
  call: Exchange<E, R>,
  breakerOf: (target: string, now: number) => Breaker,
  target: string,
  evenIfOpen: boolean
): Exchange<E | RouterError.BreakerOpen | RouterError.CoolingDown, R> =>
  // no interruption between the admission and the watch over the call: it would keep the slot of the probe for ever
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      nowMillis,
      (now): Exchange<E | RouterError.BreakerOpen | RouterError.CoolingDown, R> => {
        const breaker = breakerOf(target, now)
        const admission = breaker.admit(now, evenIfOpen)
        if (admission._tag !== "Admitted") {
          return refuse(admission)
        }
        const exchange = Effect.tap(
          restore(call),
          (response) => isStreamResponse(response) ? begun(breaker, admission, target) : Effect.void
        )
        const watched = whenOver(exchange, ended(breaker, admission, target))
        const state = breaker.changed(now)
        return state === undefined ? watched : Effect.zipRight(tell(target, state), watched)
      }
    )
  )

/** Makes a call unless the breaker of its target would refuse it now, without asking for admission: that is for whoever sends it. */
export const failFast = <E, R>(
  call: Exchange<E, R>,
  breakers: {
    readonly isEligible: (target: string) => Effect.Effect<boolean>
    readonly breakerOf: (target: string, now: number) => Breaker
  },
  target: string
): Exchange<E | RouterError.BreakerOpen | RouterError.CoolingDown, R> =>
  Effect.flatMap(
    Effect.zip(breakers.isEligible(target), nowMillis),
    ([eligible, now]): Exchange<E | RouterError.BreakerOpen | RouterError.CoolingDown, R> => {
      const refusal = eligible ? undefined : breakers.breakerOf(target, now).refusal(now)
      return refusal === undefined ? call : refuse(refusal)
    }
  )
