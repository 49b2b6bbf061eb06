import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import type { Admission, Refusal, Settings, View } from "../../src/internal/breaker.js"
import { Breaker } from "../../src/internal/breaker.js"
import type { Verdict } from "../../src/internal/breakerVerdict.js"
import { failure, ignored, success } from "../../src/internal/breakerVerdict.js"
import { BreakerWindow } from "../../src/internal/breakerWindow.js"

const settings: Settings = {
  window: 1_000,
  minimumCalls: 4,
  failureRatio: 0.5,
  consecutiveFailures: 3,
  openFor: 100,
  maxOpenFor: 700,
  accountCooldown: 60,
  maxCooldown: 150
}

const rateLimited = (hintMillis?: number): Verdict => ({ _tag: "Refused", reason: "RateLimited", hintMillis })
const auth = (hintMillis?: number): Verdict => ({ _tag: "Refused", reason: "Auth", hintMillis })

/** The random number with which nothing of an opening is left out. */
const noJitter = 1

/** A breaker and its clock. */
const make = (options: Partial<Settings> = {}) => {
  const breaker = new Breaker({ ...settings, ...options })
  let now = 0
  const begin = (evenIfOpen = false): Admission => {
    const admission = breaker.admit(now, evenIfOpen)
    return admission._tag === "Admitted" ? admission : assert.fail(`refused: ${admission._tag}`)
  }
  const end = (admission: Admission, verdict: Verdict, random = noJitter): void => {
    if (breaker.ended(admission, verdict, now)) {
      breaker.jitter(random)
    }
  }
  const call = (verdict: Verdict, random?: number) => end(begin(), verdict, random)
  return {
    breaker,
    begin,
    begun: (admission: Admission) => breaker.begun(admission, now),
    end,
    call,
    force: (verdict: Verdict) => end(begin(true), verdict),
    /** Opens a closed circuit. */
    trip: (random?: number) => {
      for (let failures = 0; failures < settings.consecutiveFailures; failures++) {
        call(failure, random)
      }
    },
    advance: (millis: number) => {
      now += millis
    },
    view: () => breaker.view(now),
    state: () => breaker.view(now).state,
    retryAfter: () => breaker.view(now).retryAfterMillis,
    refusal: () => breaker.refusal(now)
  }
}

const repeat = (times: number, act: () => void) => Array.from({ length: times }, act)

describe("BreakerWindow", () => {
  it("counts ten buckets and forgets the oldest one whole", () => {
    const window = new BreakerWindow(1_000)
    window.add(true, 0)
    window.add(false, 99)
    window.add(true, 100)
    assert.deepStrictEqual(window.count(999), { calls: 3, failures: 2 })
    assert.deepStrictEqual(window.count(1_000), { calls: 1, failures: 1 })
    assert.deepStrictEqual(window.count(1_099), { calls: 1, failures: 1 })
    assert.deepStrictEqual(window.count(1_100), { calls: 0, failures: 0 })
  })

  it.prop("counts what a list of all calls counts", [
    FastCheck.array(FastCheck.tuple(FastCheck.nat({ max: 400 }), FastCheck.boolean()), { maxLength: 60 })
  ], ([calls]) => {
    const window = new BreakerWindow(1_000)
    const all: Array<{ readonly at: number; readonly failed: boolean }> = []
    let now = 0
    for (const [wait, failed] of calls) {
      now += wait
      window.add(failed, now)
      all.push({ at: now, failed })
      const first = Math.floor(now / 100) * 100 - 900
      const live = all.filter(({ at }) => at >= first)
      assert.deepStrictEqual(window.count(now), {
        calls: live.length,
        failures: live.filter((call) => call.failed).length
      })
    }
  }, { fastCheck: { numRuns: 1_000 } })
})

describe("a closed circuit opens", () => {
  it("at the third failure in a row, and not before", () => {
    const row = make({ minimumCalls: Infinity })
    row.call(failure)
    row.call(failure)
    row.call(success)
    row.call(failure)
    row.call(failure)
    assert.strictEqual(row.state(), "closed")
    row.call(failure)
    assert.strictEqual(row.state(), "open")
  })

  it("at a failure with which half of at least four calls failed", () => {
    const options = { consecutiveFailures: Infinity }
    const { call, state } = make(options)
    call(failure)
    call(failure)
    call(failure)
    assert.strictEqual(state(), "closed", "three calls are too few")
    call(failure)
    assert.strictEqual(state(), "open")

    const half = make(options)
    half.call(success)
    half.call(success)
    half.call(success)
    half.call(failure)
    half.call(failure)
    assert.strictEqual(half.state(), "closed", "two of five")
    half.call(failure)
    assert.strictEqual(half.state(), "open", "three of six")
  })

  it("never at a success, though it be the call that makes them enough", () => {
    const { call, state, view } = make({ consecutiveFailures: Infinity })
    call(failure)
    call(failure)
    call(failure)
    call(success)
    assert.strictEqual(state(), "closed")
    assert.deepStrictEqual([view().calls, view().failures], [4, 3])
    call(failure)
    assert.strictEqual(state(), "open")
  })

  it("not by failures that have left the window", () => {
    const { advance, call, state } = make({ consecutiveFailures: Infinity })
    call(failure)
    call(failure)
    call(failure)
    advance(1_000)
    call(failure)
    assert.strictEqual(state(), "closed")
  })

  it("with a ratio that has no exact binary form", () => {
    const { call, state } = make({ consecutiveFailures: Infinity, failureRatio: 0.3, minimumCalls: 10 })
    repeat(7, () => call(success))
    repeat(2, () => call(failure))
    assert.strictEqual(state(), "closed")
    call(failure)
    assert.strictEqual(state(), "open")
  })
})

describe("an opening", () => {
  it("lasts to the millisecond, and then lets one call through", () => {
    const { advance, begin, refusal, state, trip } = make()
    trip()
    assert.deepStrictEqual(refusal(), { _tag: "BreakerOpen", retryAfterMillis: 100 })
    advance(99)
    assert.deepStrictEqual([refusal(), state()], [{ _tag: "BreakerOpen", retryAfterMillis: 1 }, "open"])
    advance(1)
    assert.deepStrictEqual([refusal(), state()], [undefined, "halfOpen"])
    begin()
    assert.deepStrictEqual([refusal(), state()], [{ _tag: "BreakerOpen", retryAfterMillis: 700 }, "halfOpen"])
  })

  it("is over for who comes less than a millisecond early, as timers do", () => {
    const { advance, refusal, trip } = make()
    trip()
    advance(99.001)
    assert.isUndefined(refusal())
  })

  it("is half fixed and half random, in whole milliseconds", () => {
    for (const [random, millis] of [[0, 50], [0.001, 51], [0.5, 75], [1 - Number.EPSILON, 100]] as const) {
      const { retryAfter, trip } = make()
      trip(random)
      assert.strictEqual(retryAfter(), millis)
    }
  })

  it("doubles with each probe that fails, up to the maximum", () => {
    const { advance, call, retryAfter, trip } = make()
    trip()
    const lengths = [100, 200, 400, 700, 700].map((expected) => {
      const length = retryAfter()
      advance(length)
      call(failure)
      return [expected, length]
    })
    assert.isTrue(lengths.every(([expected, length]) => expected === length), JSON.stringify(lengths))
  })

  it("doubles before the jitter is drawn", () => {
    const { advance, call, retryAfter, trip } = make()
    trip(0)
    advance(50)
    call(failure, 0)
    assert.strictEqual(retryAfter(), 100)
  })

  it("doubles when the circuit opens again soon, and begins anew after as long a quiet as it was open", () => {
    const reopened = (quiet: number) => {
      const { advance, call, retryAfter, trip } = make()
      trip(0.5)
      advance(75)
      call(success)
      advance(quiet)
      trip()
      return retryAfter()
    }
    assert.strictEqual(reopened(0), 200)
    assert.strictEqual(reopened(74), 200)
    assert.strictEqual(reopened(75), 100)
  })
})

describe("a probe", () => {
  const probing = () => {
    const circuit = make()
    circuit.trip()
    circuit.advance(100)
    return { ...circuit, probe: circuit.begin() }
  }

  it("that succeeds closes the circuit and is the first call of a new window", () => {
    const { end, probe, view } = probing()
    end(probe, success)
    assert.deepStrictEqual(view(), {
      state: "closed",
      calls: 1,
      failures: 0,
      consecutiveFailures: 0,
      retryAfterMillis: 0,
      cooldown: undefined
    })
  })

  it("that fails opens it again", () => {
    const { end, probe, refusal, view } = probing()
    end(probe, failure)
    assert.deepStrictEqual(refusal(), { _tag: "BreakerOpen", retryAfterMillis: 200 })
    assert.deepStrictEqual([view().calls, view().failures, view().consecutiveFailures], [4, 4, 4])
  })

  it("that says nothing makes room for another", () => {
    for (const verdict of [ignored, rateLimited(), rateLimited(0)]) {
      const { end, probe, refusal, view } = probing()
      const before = view()
      end(probe, verdict)
      assert.deepStrictEqual([refusal(), view()], [undefined, { ...before, retryAfterMillis: 0 }])
    }
  })

  it("that is told to wait makes room for another when the wait is over", () => {
    const { advance, end, probe, refusal } = probing()
    end(probe, rateLimited(30))
    assert.deepStrictEqual(refusal(), { _tag: "CoolingDown", reason: "RateLimited", retryAfterMillis: 30 })
    advance(30)
    assert.isUndefined(refusal())
  })

  it("that hangs keeps its slot for as long as the longest opening", () => {
    const { advance, begin, refusal, retryAfter, state } = probing()
    advance(699)
    assert.deepStrictEqual([refusal(), retryAfter()], [{ _tag: "BreakerOpen", retryAfterMillis: 1 }, 1])
    advance(1)
    assert.deepStrictEqual([refusal(), retryAfter(), state()], [undefined, 0, "halfOpen"])
    begin()
    assert.deepStrictEqual(refusal(), { _tag: "BreakerOpen", retryAfterMillis: 700 })
  })

  it("that has lost its slot has no say when it fails, but for a cooldown", () => {
    for (const verdict of [failure, ignored]) {
      const { advance, begin, call, end, probe, refusal, state, view } = probing()
      advance(700)
      const second = begin()
      const before = view()
      end(probe, verdict)
      assert.deepStrictEqual(view(), before)
      end(second, success)
      assert.strictEqual(state(), "closed")
      call(rateLimited(20))
      assert.strictEqual(refusal()?._tag, "CoolingDown")
    }
    const { advance, begin, end, probe, view } = probing()
    advance(700)
    begin()
    end(probe, rateLimited(20))
    assert.deepStrictEqual(view().cooldown, { reason: "RateLimited", remainingMillis: 20 })
  })

  it("that has lost its slot closes the circuit all the same when it succeeds, or begins to", () => {
    for (const streams of [false, true]) {
      const { advance, begin, begun, end, probe, state } = probing()
      advance(700)
      const second = begin()
      if (streams) {
        begun(probe)
      } else {
        end(probe, success)
      }
      assert.strictEqual(state(), "closed")
      end(second, failure)
      assert.strictEqual(state(), "closed")
    }
  })

  it("that ends late is still the probe while nobody has its slot", () => {
    const { advance, end, probe, retryAfter } = probing()
    advance(5_000)
    end(probe, failure)
    assert.strictEqual(retryAfter(), 200)
  })

  it("with an answer that goes on closes the circuit at its beginning; its end counts in the new window", () => {
    const { begun, end, probe, refusal, view } = probing()
    begun(probe)
    assert.isUndefined(refusal())
    assert.deepStrictEqual([view().state, view().calls, view().consecutiveFailures], ["closed", 0, 0])
    end(probe, failure)
    assert.deepStrictEqual([view().state, view().calls, view().failures], ["closed", 1, 1])
  })

  it("with an answer that goes on is a call of the past once the circuit has opened again", () => {
    const { begun, end, probe, trip, view } = probing()
    begun(probe)
    trip()
    const before = view()
    end(probe, success)
    assert.deepStrictEqual(view(), before)
  })
})

describe("calls from before", () => {
  it("change nothing after a trip, nor after the closing", () => {
    for (const verdict of [success, failure]) {
      const { advance, begin, begun, call, end, state, trip, view } = make()
      const [early, streaming] = [begin(), begin()]
      trip()
      const open = view()
      begun(streaming)
      end(early, verdict)
      assert.deepStrictEqual(view(), open)
      advance(100)
      call(success)
      const closed = view()
      end(streaming, verdict)
      assert.deepStrictEqual([view(), state()], [closed, "closed"])
    }
  })

  it("do not free the slot of the probe", () => {
    const { advance, begin, end, refusal, trip } = make()
    const early = begin()
    trip()
    advance(100)
    begin()
    end(early, ignored)
    assert.strictEqual(refusal()?._tag, "BreakerOpen")
  })
})

describe("a call that is made even if the circuit is open", () => {
  it("closes it by its success", () => {
    const { force, state, trip, view } = make()
    trip()
    force(success)
    assert.deepStrictEqual([state(), view().calls, view().failures], ["closed", 1, 0])
  })

  it("changes nothing by its failure, nor when it says nothing", () => {
    for (const verdict of [failure, ignored]) {
      const { advance, force, trip, view } = make()
      trip()
      const before = view()
      force(verdict)
      assert.deepStrictEqual(view(), before)
      // also not while it could be the probe of somebody else
      advance(100)
      const halfOpen = make()
      halfOpen.trip()
      halfOpen.advance(100)
      halfOpen.begin()
      const probing = halfOpen.view()
      halfOpen.force(verdict)
      assert.deepStrictEqual([halfOpen.view(), halfOpen.refusal()], [
        probing,
        { _tag: "BreakerOpen", retryAfterMillis: 700 }
      ])
    }
  })

  it("is the probe when one is due", () => {
    const { advance, begin, end, refusal, retryAfter, trip } = make()
    trip()
    advance(100)
    const probe = begin(true)
    assert.strictEqual(refusal()?._tag, "BreakerOpen")
    end(probe, failure)
    assert.strictEqual(retryAfter(), 200)
  })

  it("leaves the probe that is under way without a say, when it is faster", () => {
    const { advance, begin, end, force, refusal, trip, view } = make()
    trip()
    advance(100)
    const probe = begin()
    force(success)
    const closed = view()
    end(probe, failure)
    assert.deepStrictEqual([view(), refusal()], [closed, undefined])
  })

  it("counts like any other while the circuit is closed, and does not end a cooldown", () => {
    const { call, force, refusal, view } = make()
    call(rateLimited(50))
    force(success)
    force(failure)
    assert.deepStrictEqual([view().calls, view().failures], [2, 1])
    assert.strictEqual(refusal()?._tag, "CoolingDown")
  })

  it("of an earlier opening has no say in a later one", () => {
    const { advance, begin, call, end, trip, view } = make()
    trip()
    const early = begin(true)
    advance(100)
    call(failure)
    const before = view()
    end(early, success)
    assert.deepStrictEqual(view(), before)
  })
})

describe("a cooldown", () => {
  const after = (verdict: Verdict, options?: Partial<Settings>): Refusal | undefined => {
    const { call, refusal } = make(options)
    call(verdict)
    return refusal()
  }

  it("is as long as the answer asks for, up to the maximum", () => {
    assert.deepStrictEqual(after(rateLimited(20)), {
      _tag: "CoolingDown",
      reason: "RateLimited",
      retryAfterMillis: 20
    })
    assert.strictEqual(after(rateLimited(1_000))?.retryAfterMillis, 150)
    assert.strictEqual(after(auth(20))?.retryAfterMillis, 20)
    assert.strictEqual(after(rateLimited(Infinity))?.retryAfterMillis, 150)
  })

  it("without a wait: none for a limit, the account's for a key", () => {
    assert.isUndefined(after(rateLimited()))
    assert.isUndefined(after(rateLimited(0)))
    assert.deepStrictEqual(after(auth()), { _tag: "CoolingDown", reason: "Auth", retryAfterMillis: 60 })
    assert.strictEqual(after(auth(0))?.retryAfterMillis, 60)
    assert.strictEqual(after(auth(), { accountCooldown: 1_000 })?.retryAfterMillis, 150)
    assert.isUndefined(after(auth(), { accountCooldown: 0 }))
    assert.isUndefined(after(auth(20), { maxCooldown: 0 }))
  })

  it("is over exactly when the wait is", () => {
    const { advance, call, refusal, view } = make()
    call(rateLimited(20))
    advance(19)
    assert.strictEqual(refusal()?.retryAfterMillis, 1)
    advance(1)
    assert.deepStrictEqual([refusal(), view().cooldown], [undefined, undefined])
  })

  it("is replaced by a longer one, never by a shorter one", () => {
    const { advance, begin, end, refusal } = make()
    const [first, second, third, fourth] = [begin(), begin(), begin(), begin()]
    end(first, rateLimited(50))
    end(second, auth(20))
    assert.deepStrictEqual(refusal(), { _tag: "CoolingDown", reason: "RateLimited", retryAfterMillis: 50 })
    advance(40)
    end(third, auth(20))
    assert.deepStrictEqual(refusal(), { _tag: "CoolingDown", reason: "Auth", retryAfterMillis: 20 })
    end(fourth, rateLimited(20))
    assert.deepStrictEqual(refusal(), { _tag: "CoolingDown", reason: "Auth", retryAfterMillis: 20 })
  })

  it("counts for nothing in the window and in the row", () => {
    const { call, force, state, view } = make()
    call(failure)
    call(failure)
    repeat(10, () => force(auth()))
    assert.deepStrictEqual([view().calls, view().failures, view().consecutiveFailures], [2, 2, 2])
    force(failure)
    assert.strictEqual(state(), "open")
  })

  it("holds though the call be from before a trip; of the two, the refusal that lasts longer is named", () => {
    const { advance, begin, end, refusal, trip, view } = make()
    const [first, second] = [begin(), begin()]
    trip()
    end(first, rateLimited(40))
    assert.deepStrictEqual(refusal(), { _tag: "BreakerOpen", retryAfterMillis: 100 })
    assert.deepStrictEqual(view().cooldown, { reason: "RateLimited", remainingMillis: 40 })
    end(second, rateLimited(100))
    assert.deepStrictEqual(refusal(), { _tag: "CoolingDown", reason: "RateLimited", retryAfterMillis: 100 })
    advance(100)
    assert.isUndefined(refusal())
  })
})

describe("Breaker.isIdle", () => {
  it("is as good as new", () => {
    const idle = (millis: number, act: (circuit: ReturnType<typeof make>) => void) => {
      const circuit = make()
      act(circuit)
      return circuit.breaker.isIdle(millis)
    }
    assert.isTrue(idle(0, () => {}))
    assert.deepStrictEqual([idle(999, (_) => _.call(success)), idle(1_000, (_) => _.call(success))], [false, true])
    assert.deepStrictEqual([idle(49, (_) => _.call(auth(50))), idle(50, (_) => _.call(auth(50)))], [false, true])
    assert.isFalse(idle(100_000, (_) => _.trip()), "half-open")
    const closing = (circuit: ReturnType<typeof make>) => {
      circuit.trip()
      repeat(4, () => {
        circuit.advance(circuit.retryAfter())
        circuit.call(failure)
      })
      circuit.advance(700)
      circuit.begun(circuit.begin())
    }
    assert.deepStrictEqual([idle(2_799, closing), idle(2_800, closing)], [false, true])
  })
})

/**
 * The same as a list of everything that has happened, from which each answer is worked out anew: no counters, no buckets that slide, no
 * generations.
 */
class Model {
  now = 0
  private readonly calls: Array<{
    readonly id: number
    /** When it began, as a place in the order of all that happened; later: when it closed the circuit by its beginning. */
    since: number
    readonly at: number
    readonly probe: boolean
    over: boolean
  }> = []
  private readonly turns: Array<
    & { readonly place: number; readonly at: number }
    & (
      | { readonly to: "open"; readonly bound: number; millis: number }
      | { readonly to: "closed" }
    )
  > = []
  private readonly results: Array<{ readonly place: number; readonly at: number; readonly failed: boolean }> = []
  private readonly waits: Array<{ readonly reason: "RateLimited" | "Auth"; readonly until: number }> = []
  private place = 0

  private get last() {
    return this.turns.at(-1)
  }

  private remaining(until: number): number {
    return Math.max(0, until - this.now)
  }

  /** The latest probe of this opening. */
  private get probe() {
    const { last } = this
    return last?.to === "open" ? this.calls.findLast((call) => call.probe && call.since > last.place) : undefined
  }

  private get probing(): number {
    return this.probe === undefined || this.probe.over ? 0 : this.remaining(this.probe.at + 700)
  }

  private get open(): number {
    return this.last?.to === "open" ? this.remaining(this.last.at + this.last.millis) : 0
  }

  private get longest() {
    const until = Math.max(...this.waits.map((wait) => wait.until))
    return this.waits.find((wait) => wait.until === until)
  }

  refusal(): Refusal | undefined {
    const longest = this.longest
    const cooling = longest === undefined ? 0 : this.remaining(longest.until)
    const open = Math.max(this.open, this.probing)
    if (longest !== undefined && cooling > 0 && cooling >= open) {
      return { _tag: "CoolingDown", reason: longest.reason, retryAfterMillis: cooling }
    }
    return open > 0 ? { _tag: "BreakerOpen", retryAfterMillis: open } : undefined
  }

  begin(id: number, force: boolean): Refusal | undefined {
    const refusal = this.refusal()
    if (refusal === undefined || force) {
      const probe = refusal === undefined && this.last?.to === "open"
      this.calls.push({ id, since: ++this.place, at: this.now, probe, over: false })
    }
    return force ? undefined : refusal
  }

  private get counted() {
    const closed = this.turns.findLast((turn) => turn.to === "closed")?.place ?? 0
    return this.results.filter((result) => result.place > closed)
  }

  private get window() {
    const first = (Math.floor(this.now / 100) - 9) * 100
    return this.counted.filter((result) => result.at >= first)
  }

  private get row(): number {
    const lastSuccess = this.counted.findLastIndex((result) => !result.failed)
    return this.counted.length - 1 - lastSuccess
  }

  view(): View {
    const longest = this.longest
    const cooling = longest === undefined ? 0 : this.remaining(longest.until)
    return {
      state: this.last?.to !== "open" ? "closed" : this.open > 0 ? "open" : "halfOpen",
      calls: this.window.length,
      failures: this.window.filter((result) => result.failed).length,
      consecutiveFailures: this.row,
      retryAfterMillis: this.refusal()?.retryAfterMillis ?? 0,
      cooldown: longest === undefined || cooling === 0
        ? undefined
        : { reason: longest.reason, remainingMillis: cooling }
    }
  }

  private find(id: number) {
    return this.calls.find((call) => call.id === id)!
  }

  /** Whether it counts for the circuit as it is: it is of this turn. */
  private counts(call: ReturnType<Model["find"]>): boolean {
    return call.since >= (this.last?.place ?? 0)
  }

  begun(id: number): void {
    const call = this.find(id)
    if (this.last?.to === "open" && this.counts(call)) {
      this.turns.push({ place: ++this.place, at: this.now, to: "closed" })
      call.since = ++this.place
    }
  }

  end(id: number, verdict: Verdict, random: number): void {
    const call = this.find(id)
    call.over = true
    if (verdict._tag === "Refused") {
      const asked = verdict.hintMillis ?? 0
      const millis = asked > 0 ? asked : verdict.reason === "RateLimited" ? 0 : 60
      if (millis > 0 && verdict.reason !== "QuotaExhausted") {
        this.waits.push({ reason: verdict.reason, until: this.now + Math.min(millis, 150) })
      }
      return
    }
    if (verdict._tag === "Ignored" || !this.counts(call)) {
      return
    }
    const isOpen = this.last?.to === "open"
    if (verdict._tag === "Success") {
      if (isOpen) {
        this.turns.push({ place: ++this.place, at: this.now, to: "closed" })
      }
      this.results.push({ place: ++this.place, at: this.now, failed: false })
    } else if (!isOpen || call === this.probe) {
      this.results.push({ place: ++this.place, at: this.now, failed: true })
      const window = this.window
      const half = window.filter((result) => result.failed).length * 2 >= window.length
      if (isOpen || this.row >= 3 || (window.length >= 4 && half)) {
        const bound = this.nextBound
        this.turns.push({
          place: ++this.place,
          at: this.now,
          to: "open",
          bound,
          millis: Math.ceil(bound / 2 + random * bound / 2)
        })
      }
    }
  }

  private get nextBound(): number {
    const openings = this.turns.filter((turn) => turn.to === "open")
    const opened = openings.at(-1)
    if (opened === undefined) {
      return 100
    }
    const quietSince = this.last?.to === "closed" ? this.last.at : Infinity
    return this.now >= quietSince + opened.millis ? 100 : Math.min(700, opened.bound * 2)
  }
}

type Command =
  | { readonly type: "begin"; readonly force: boolean }
  | { readonly type: "begun"; readonly which: number }
  | { readonly type: "end"; readonly which: number; readonly verdict: Verdict; readonly random: number }
  | { readonly type: "call"; readonly force: boolean; readonly verdict: Verdict; readonly random: number }
  | { readonly type: "advance"; readonly millis: number }

const arbitraryVerdict: FastCheck.Arbitrary<Verdict> = FastCheck.oneof(
  { weight: 6, arbitrary: FastCheck.constant(failure) },
  { weight: 4, arbitrary: FastCheck.constant(success) },
  { weight: 1, arbitrary: FastCheck.constant(ignored) },
  {
    weight: 1,
    arbitrary: FastCheck.tuple(
      FastCheck.constantFrom("RateLimited" as const, "Auth" as const),
      FastCheck.constantFrom(undefined, 0, 1, 40, 60, 100, 150, 1_000)
    ).map(([reason, hintMillis]) => ({ _tag: "Refused" as const, reason, hintMillis }))
  }
)
const force = FastCheck.nat({ max: 7 }).map((n) => n === 0)
const which = FastCheck.nat({ max: 20 })
const random = FastCheck.constantFrom(0, 0.25, 0.5, 0.75, 1 - Number.EPSILON)

const arbitraryCommand: FastCheck.Arbitrary<Command> = FastCheck.oneof(
  { weight: 2, arbitrary: FastCheck.record({ type: FastCheck.constant("begin" as const), force }) },
  { weight: 1, arbitrary: FastCheck.record({ type: FastCheck.constant("begun" as const), which }) },
  {
    weight: 2,
    arbitrary: FastCheck.record({ type: FastCheck.constant("end" as const), which, verdict: arbitraryVerdict, random })
  },
  {
    weight: 6,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("call" as const),
      force,
      verdict: arbitraryVerdict,
      random
    })
  },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      type: FastCheck.constant("advance" as const),
      millis: FastCheck.constantFrom(1, 10, 49, 50, 51, 99, 100, 150, 200, 333, 700, 1_000)
    })
  }
)

describe("L28", () => {
  it.prop("the machine and a list of everything that has happened never disagree", [
    FastCheck.array(arbitraryCommand, { minLength: 10, maxLength: 80, size: "max" })
  ], ([commands]) => {
    const breaker = new Breaker(settings)
    const model = new Model()
    let open: ReadonlyArray<readonly [id: number, admission: Admission]> = []
    let nextId = 0

    const begin = (force: boolean): number | undefined => {
      const id = nextId++
      const admission = breaker.admit(model.now, force)
      const refusal = model.begin(id, force)
      if (admission._tag !== "Admitted") {
        assert.deepStrictEqual(admission, refusal)
        return undefined
      }
      assert.isUndefined(refusal)
      open = [...open, [id, admission]]
      return id
    }
    const end = (id: number, verdict: Verdict, random: number) => {
      const [, admission] = open.find(([one]) => one === id)!
      open = open.filter(([one]) => one !== id)
      if (breaker.ended(admission, verdict, model.now)) {
        breaker.jitter(random)
      }
      model.end(id, verdict, random)
    }

    for (const command of commands) {
      switch (command.type) {
        case "begin":
          begin(command.force)
          break
        case "begun":
        case "end": {
          if (open.length > 0) {
            const [id, admission] = open[command.which % open.length]!
            if (command.type === "end") {
              end(id, command.verdict, command.random)
            } else {
              breaker.begun(admission, model.now)
              model.begun(id)
            }
          }
          break
        }
        case "call": {
          const id = begin(command.force)
          if (id !== undefined) {
            end(id, command.verdict, command.random)
          }
          break
        }
        case "advance":
          model.now += command.millis
      }
      assert.deepStrictEqual(breaker.refusal(model.now), model.refusal())
      assert.deepStrictEqual(breaker.view(model.now), model.view())
    }
  }, { fastCheck: { numRuns: 2_000 }, timeout: 60_000 })
})
