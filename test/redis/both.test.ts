import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { watchLag } from "../../scripts/interrupts-lag.js"
import { defaultLimit } from "../../src/internal/storeGuard.js"
import * as RateLimit from "../../src/policy/RateLimit.js"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Redis from "../../src/Redis.js"
import { plain } from "../support/policies.js"
import * as Support from "../support/redis.js"
import { ok, scripted } from "../support/scripted.js"

const lag = watchLag()

/** For timers and the machine, in milliseconds, beside the time that the event loop stood still. */
const slack = 100

Support.describeRedis("a cache and limits over one server", () => {
  it.scopedLive("a call waits for one that hangs once, whatever it asks it for", () =>
    Effect.gen(function*() {
      const server = yield* Support.start
      const state = Layer.provide(
        Layer.merge(ResponseCache.layer(), RateLimit.layer({ requestsPerMinute: 1_000, tokensPerMinute: 1_000_000 })),
        Redis.layer({ url: server.url })
      )
      yield* Effect.gen(function*() {
        let calls = 0
        const client = scripted(ok).client.pipe(
          RateLimit.withRateLimit("p/m"),
          // each is another one, so that all of them ask for both
          ResponseCache.withCache({ ttl: "1 minute", key: () => Effect.sync(() => Option.some(String(calls++))) })
        )
        const call = Effect.gen(function*() {
          const start = performance.now()
          yield* client.execute(plain)
          const end = performance.now()
          return end - start - lag.lostMillis(start, end)
        })
        yield* call
        yield* server.hang
        // the pauses of all that ask end at the same time, and again all of them try
        for (let round = 0; round < 4; round++) {
          assert.isBelow(yield* call, Duration.toMillis(defaultLimit) + slack)
          yield* Effect.sleep("1100 millis")
        }
        yield* server.resume
      }).pipe(Effect.provide(state))
    }), 30_000)
})
