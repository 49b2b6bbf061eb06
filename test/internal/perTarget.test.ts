import { assert, describe, it } from "@effect/vitest"
import { PerTarget } from "../../src/internal/perTarget.js"

const maxTargets = 10_000

const make = (busy: ReadonlySet<string>) => {
  let made = 0
  const states = new PerTarget((target) => ({ target, nth: made++ }), ({ target }) => !busy.has(target))
  return { states, made: () => made }
}

describe("PerTarget", () => {
  it("gives the same state for the same target, and makes none when it is only looked at", () => {
    const { made, states } = make(new Set())
    assert.strictEqual(states.peek("a"), undefined)
    assert.strictEqual(states.get("a"), states.get("a"))
    assert.strictEqual(states.peek("a"), states.get("a"))
    assert.strictEqual(made(), 1)
  })

  it("drops the least recently used of too many", () => {
    const { states } = make(new Set())
    for (let i = 0; i < maxTargets; i++) {
      states.get(String(i))
    }
    states.get("0")
    states.get("one more")
    assert.strictEqual(states.all.length, maxTargets)
    assert.strictEqual(states.peek("1"), undefined)
    assert.strictEqual(states.peek("0")?.nth, 0)
  })

  it("keeps the busy ones, however many there are, and drops the idle ones behind them", () => {
    const busy = new Set(Array.from({ length: 50 }, (_, i) => String(i)))
    const { states } = make(busy)
    for (let i = 0; i < maxTargets + 200; i++) {
      states.get(String(i))
    }
    assert.isTrue([...busy].every((target) => states.peek(target) !== undefined))
    assert.isAtMost(states.all.length, maxTargets + busy.size)
    for (let i = 0; i < 50; i++) {
      states.get("again")
    }
    assert.strictEqual(states.all.length, maxTargets)
  })
})
