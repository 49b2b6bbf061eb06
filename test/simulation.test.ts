import { assert, describe, it } from "@effect/vitest"
import { check, type Totals } from "./support/simulation.js"

/** Each is about an hour of its own. `npm run simulate` runs thousands. */
const scenarios = 80

/** The longest that they may take, with making a scenario smaller that fails, in milliseconds: some ten times of what it needs. */
const maxMillis = 150_000

/** Without these the laws would say nothing. */
const cases = [
  "repeated",
  "retry budget exhausted",
  "BreakerOpen",
  "probed",
  "sent although no target is eligible",
  "as many requests as are allowed",
  "ConcurrencyExceeded",
  "interrupted with a request open",
  "StreamInterrupted",
  "DeadlineExceeded",
  "Timeout",
  "AllTargetsFailed",
  "cache miss",
  "cache hit"
]

describe("routers in hours of outages", () => {
  let totals: Totals | undefined

  it("keep every invariant, at every step", async () => {
    totals = await check({ numRuns: scenarios, interruptAfterTimeLimit: maxMillis, markInterruptAsFailure: true })
  }, 2 * maxMillis)

  it("come across everything that the invariants are about", () => {
    assert.deepStrictEqual(cases.filter((name) => !totals?.cases.has(name)), [])
  })
})
