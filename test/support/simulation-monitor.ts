/** The invariants of a simulation: looked at with each request, each chunk, each call that ends, and each step of the clock. */
import * as Effect from "effect/Effect"
import type * as CircuitBreaker from "../../src/policy/CircuitBreaker.js"
import type * as Concurrency from "../../src/policy/Concurrency.js"
import type * as RetryBudget from "../../src/policy/RetryBudget.js"
import type { Scenario } from "./simulation-scenario.js"
import { type Exchange, nameOf, type Upstream } from "./simulation-upstream.js"

/** The state that the router is given. */
export interface State {
  readonly breaker: CircuitBreaker.Service | undefined
  readonly budget: RetryBudget.Service | undefined
  readonly concurrency: Concurrency.Service | undefined
  /** How many tokens of each target were taken and not given back. */
  readonly spent: ReadonlyMap<string, number>
}

/** Those who make the same call: several only where it is cached. */
interface Group {
  callers: number
  /** Whether one of them began when no target would take a request, so that one is called all the same. */
  isForced: boolean
}

const isOpen = (exchange: Exchange): boolean => exchange.endedAt === undefined

export class Monitor {
  readonly violations: Array<string> = []
  /** How often what the laws are about has happened: a law of which there is no case says nothing. */
  readonly cases = new Map<string, number>()
  private readonly groups = new Map<string, Group>()
  /** The probe of a circuit that is half open. */
  private readonly probes = new Map<string, Exchange>()
  private readonly used: ReadonlyArray<string>
  upstream: Upstream | undefined

  constructor(private readonly scenario: Scenario, private readonly state: State) {
    this.used = [...new Set([...scenario.heads.map(({ target }) => target), ...scenario.fallbacks])].map(nameOf)
  }

  check(law: string, holds: boolean, details: () => unknown): void {
    if (!holds) {
      this.violations.push(`${law}: ${JSON.stringify(details())}`)
    }
  }

  count(name: string): void {
    this.cases.set(name, (this.cases.get(name) ?? 0) + 1)
  }

  private get exchanges(): ReadonlyArray<Exchange> {
    return this.upstream?.exchanges ?? []
  }

  of(key: string): ReadonlyArray<Exchange> {
    return this.exchanges.filter((exchange) => exchange.key === key)
  }

  private readonly noneEligible = Effect.suspend(() => {
    const { breaker } = this.state
    return breaker === undefined || this.used.length === 1
      ? Effect.succeed(false)
      : Effect.map(Effect.exists(this.used, breaker.isEligible), (any) => !any)
  })

  begins(key: string): Effect.Effect<void> {
    return Effect.map(this.noneEligible, (none) => {
      const group = this.groups.get(key) ?? { callers: 0, isForced: false }
      this.groups.set(key, { callers: group.callers + 1, isForced: group.isForced || none })
    })
  }

  /** Right before a caller is interrupted. */
  leaves(key: string): void {
    if (this.of(key).some(isOpen)) {
      this.count("interrupted with a request open")
    }
  }

  /** L61: when the last caller is gone, for whatever reason, no request of its call is open, and none comes any more. */
  ends(key: string): void {
    const group = this.groups.get(key)!
    group.callers--
    if (group.callers === 0) {
      this.groups.delete(key)
      this.nothingLeft(key)
    }
  }

  private nothingLeft(key: string): void {
    const open = this.of(key).filter(isOpen)
    this.check("L61, a request is open that nobody waits for", open.length === 0, () => open)
  }

  arrives(exchange: Exchange): Effect.Effect<void> {
    return Effect.gen(this, function*() {
      const { key } = exchange
      const group = this.groups.get(key)
      this.check("L61, a request of a call whose callers are gone", group !== undefined, () => exchange)
      this.limited(exchange)
      if (!key.startsWith("shared")) {
        this.repeated(exchange)
      }
      const none = yield* this.noneEligible
      yield* this.guarded(exchange, none || group?.isForced === true)
    })
  }

  /** L48 */
  private limited({ target }: Exchange): void {
    const { concurrency } = this.scenario
    const open = this.exchanges.filter((each) => each.target === target && isOpen(each)).length
    if (open === concurrency?.limit) {
      this.count("as many requests as are allowed")
    }
    this.check("L48", concurrency === undefined || open <= concurrency.limit, () => ({ target, open }))
  }

  /** L2, L6, L10, L22 */
  private repeated(exchange: Exchange): void {
    const { budget, retries } = this.scenario
    const { key, startedAt, target } = exchange
    const all = this.of(key)
    const before = all[all.length - 2]
    if (before === undefined) {
      return
    }
    this.check("a call has one request at a time", !isOpen(before), () => [before, exchange])
    const here = all.filter((each) => each.target === target)
    this.check("L2", here.length <= 1 + retries, () => here)
    this.check("L22", here.length === 1 || before.target === target, () => all)
    if (before.target !== target) {
      return
    }
    const { behaviour } = before
    this.count("repeated")
    const hint = behaviour.kind === "limited" ? (behaviour.retryAfter ?? 0) * 1_000 : 0
    this.check("L6", startedAt >= before.endedAt! + hint && hint <= 60_000, () => [before, exchange])
    this.check("401 is not retried", behaviour.kind !== "status" || behaviour.status !== 401, () => all)
    if (budget !== undefined) {
      const repeats = this.repeats(target)
      const successes = this.exchanges.filter((each) => each.target === target && each.text !== "").length
      const most = budget.burst + budget.tokensPerSuccess * successes + budget.tokensPerSecond * startedAt / 1_000
      this.check("L10", repeats <= most + 1e-6, () => ({ target, repeats, most }))
    }
  }

  /** Of calls that are made once each, so that a second request to a target is a repetition. */
  private repeats(target: string): number {
    const keys = this.exchanges
      .filter((each) => each.target === target && !each.key.startsWith("shared"))
      .map(({ key }) => key)
    return keys.length - new Set(keys).size
  }

  /** L26, L27 */
  private guarded(exchange: Exchange, isForced: boolean): Effect.Effect<void> {
    const { breaker } = this.state
    const { target } = exchange
    return breaker === undefined ? Effect.void : Effect.map(breaker.snapshot, (states) => {
      const state = states.find((each) => each.target === target)!
      if (isForced) {
        this.count("sent although no target is eligible")
        return
      }
      this.check("L26", state.state !== "open" && state.cooldown === undefined, () => ({ exchange, state }))
      if (state.state === "halfOpen") {
        this.count("probed")
        const probe = this.probes.get(target)
        this.check("L27", probe === undefined || !isOpen(probe), () => [probe, exchange])
        this.probes.set(target, exchange)
      }
    })
  }

  /** Before each step of the clock, when everything has come to rest. */
  readonly step: Effect.Effect<void> = Effect.gen(this, function*() {
    for (const exchange of this.exchanges) {
      this.check(
        "L61, a request is open that nobody waits for",
        !isOpen(exchange) || this.groups.has(exchange.key),
        () => exchange
      )
    }
    for (const state of this.state.breaker === undefined ? [] : yield* this.state.breaker.snapshot) {
      if (state.state !== "halfOpen") {
        this.probes.delete(state.target)
      }
    }
    for (const load of this.state.concurrency === undefined ? [] : yield* this.state.concurrency.snapshot) {
      const open = this.exchanges.filter((each) => each.target === load.target && isOpen(each)).length
      const { limit, queue } = this.scenario.concurrency!
      this.check("L48", load.inFlight <= limit && load.queued <= queue && open <= load.inFlight, () => ({ load, open }))
    }
    for (const { balance } of this.state.budget === undefined ? [] : yield* this.state.budget.snapshot) {
      this.check("L11", balance >= 0 && balance <= this.scenario.budget!.cap, () => balance)
    }
  })

  /** When all calls have ended, and longer ago than any circuit or cooldown lasts. */
  readonly end: Effect.Effect<void> = Effect.gen(this, function*() {
    yield* this.step
    const open = this.exchanges.filter(isOpen)
    this.check("requests are open at the end", open.length === 0, () => open)
    this.check("callers are left", this.groups.size === 0, () => [...this.groups.keys()])
    const { breaker, budget, concurrency, spent } = this.state
    const isAllSent = breaker === undefined && concurrency === undefined && this.scenario.cache === undefined
    for (const target of budget !== undefined && isAllSent ? this.used : []) {
      const tokens = spent.get(target) ?? 0
      this.check("L12", tokens === this.repeats(target), () => ({ target, tokens, repeats: this.repeats(target) }))
    }
    for (const load of concurrency === undefined ? [] : yield* concurrency.snapshot) {
      this.check("L49", load.inFlight === 0 && load.queued === 0, () => load)
    }
    for (const target of breaker === undefined ? [] : this.used) {
      this.check("the slot of a probe is free at the end", yield* breaker!.isEligible(target), () => target)
    }
  })
}
