import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as RouterError from "../RouterError.js"
import { isStreamResponse } from "../wire/StreamResponse.js"
import type { Admission, Breaker, Refusal } from "./breaker.js"
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

const begun = (breaker: Breaker, admission: Admission): Effect.Effect<void> =>
  Effect.map(nowMillis, (now) => breaker.begun(admission, now))

const ended =
  (breaker: Breaker, admission: Admission) =>
  (exit: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>): Effect.Effect<void> =>
    Effect.flatMap(
      Effect.zip(nowMillis, Clock.currentTimeMillis),
      ([now, wallMillis]) =>
        breaker.ended(admission, Verdict.of(exit, wallMillis), now)
          ? Effect.map(Random.next, (random) => breaker.jitter(random))
          : Effect.void
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
          (response) => isStreamResponse(response) ? begun(breaker, admission) : Effect.void
        )
        return whenOver(exchange, ended(breaker, admission))
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
