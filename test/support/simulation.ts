/**
 * Deterministic simulation: the whole router, set up in any way, over upstreams that have outages, for hours of virtual time. All chance is
 * in the scenario, so that one which fails can be repeated, and made smaller.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as ChatCompletions from "../../src/ChatCompletions.js"
import * as CircuitBreaker from "../../src/policy/CircuitBreaker.js"
import * as Concurrency from "../../src/policy/Concurrency.js"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Retry from "../../src/policy/Retry.js"
import * as RetryBudget from "../../src/policy/RetryBudget.js"
import * as OpenAiCompatible from "../../src/provider/OpenAiCompatible.js"
import * as Providers from "../../src/provider/Providers.js"
import * as RouterDefaults from "../../src/RouterDefaults.js"
import * as Testing from "../../src/Testing.js"
import { VirtualClock } from "./scripted.js"
import * as Call from "./simulation-call.js"
import { Monitor, type State } from "./simulation-monitor.js"
import { type Scenario, scenario as anyScenario } from "./simulation-scenario.js"
import * as Upstream from "./simulation-upstream.js"

/** Looks at the invariants before each of its steps. */
class WatchedClock extends VirtualClock {
  constructor(private readonly onStep: Effect.Effect<void>) {
    super()
  }
  override sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.zipRight(super.sleep(duration), this.onStep)
  }
}

const backoffs = {
  documented: Retry.backoff,
  fullJitter: Retry.fullJitter,
  short: Schedule.spaced("10 millis")
}

/** The same budget, and how many tokens of it were taken and not given back. */
const counted = (budget: RetryBudget.Service, spent: Map<string, number>): RetryBudget.Service => {
  const add = (target: string, tokens: number) => spent.set(target, (spent.get(target) ?? 0) + tokens)
  return {
    ...budget,
    withdraw: (target) => Effect.tap(budget.withdraw(target), (paid) => Effect.sync(() => add(target, paid ? 1 : 0))),
    giveBack: (target) => Effect.tap(budget.giveBack(target), () => Effect.sync(() => add(target, -1)))
  }
}

const makeState = ({ breaker, budget, concurrency }: Scenario): Effect.Effect<State> => {
  const spent = new Map<string, number>()
  return Effect.all({
    breaker: breaker === undefined ? Effect.succeed(undefined) : CircuitBreaker.make(breaker),
    budget: budget === undefined
      ? Effect.succeed(undefined)
      : Effect.map(RetryBudget.make(budget), (budget) => counted(budget, spent)),
    concurrency: concurrency === undefined ? Effect.succeed(undefined) : Concurrency.make(concurrency),
    spent: Effect.succeed(spent)
  })
}

const layerState = ({ breaker, budget, concurrency }: State): Layer.Layer<never> =>
  Layer.mergeAll(
    Layer.empty,
    breaker === undefined ? Layer.empty : Layer.succeed(CircuitBreaker.CircuitBreaker, breaker),
    budget === undefined ? Layer.empty : Layer.succeed(RetryBudget.RetryBudget, budget),
    concurrency === undefined ? Layer.empty : Layer.succeed(Concurrency.Concurrency, concurrency)
  )

const layerRouter = (scenario: Scenario, state: State, client: HttpClient.HttpClient) =>
  ChatCompletions.layer.pipe(
    Layer.provide([
      Providers.layer(Object.fromEntries(
        ["a", "b", "c", "d"].map((name) => [name, OpenAiCompatible.make({ baseUrl: Testing.baseUrl(name) })])
      )),
      ResponseCache.layerMemory(),
      RouterDefaults.layer({ backoff: backoffs[scenario.backoff] }),
      layerState(state)
    ]),
    Layer.provide(Layer.succeed(HttpClient.HttpClient, client))
  )

/** Longer than any circuit or cooldown of a scenario. */
const quiet = "10 minutes"

/** Runs a scenario to its end; what was violated, and how many requests were made. */
export const run = (scenario: Scenario) =>
  Effect.gen(function*() {
    const state = yield* makeState(scenario)
    const monitor = new Monitor(scenario, state)
    const upstream = yield* Upstream.make(scenario, (exchange) => monitor.arrives(exchange))
    monitor.upstream = upstream
    const callers: Call.Callers = new Map()
    let at = 0
    const begins = scenario.calls.map(({ afterMillis }) => at += afterMillis)
    const calls = scenario.calls.map((call, index) =>
      Effect.delay(Call.run(scenario, monitor, callers, call, index), begins[index]!)
    )
    const shutdowns = scenario.shutdowns.map(({ afterMillis, call }) =>
      Effect.delay(Call.leaveAll(monitor, callers), (begins[call] ?? at) + afterMillis)
    )
    yield* Effect.all([...calls, ...shutdowns], { concurrency: "unbounded", discard: true }).pipe(
      Effect.zipRight(Effect.sleep(quiet)),
      Effect.provide(layerRouter(scenario, state, upstream.client)),
      Effect.withClock(new WatchedClock(monitor.step))
    )
    yield* monitor.end
    return { violations: monitor.violations, cases: monitor.cases, requests: upstream.exchanges.length, millis: at }
  }).pipe(Effect.withRandom(Random.make(scenario.seed)))

export interface Totals {
  readonly calls: number
  readonly requests: number
  readonly hours: number
  /** How often what the laws are about has happened. */
  readonly cases: ReadonlyMap<string, number>
}

/** Runs scenarios, and throws for the smallest one that violates something, with the seed and the path to it. */
export const check = async (options: FastCheck.Parameters<[Scenario]>): Promise<Totals> => {
  let [calls, requests, millis] = [0, 0, 0]
  const cases = new Map<string, number>()
  await FastCheck.assert(
    FastCheck.asyncProperty(anyScenario, async (scenario) => {
      const outcome = await Effect.runPromise(run(scenario))
      calls += scenario.calls.length
      requests += outcome.requests
      millis += outcome.millis
      outcome.cases.forEach((count, name) => cases.set(name, (cases.get(name) ?? 0) + count))
      if (outcome.violations.length > 0) {
        throw new Error(outcome.violations.slice(0, 3).join("\n"))
      }
    }),
    options
  )
  return { calls, requests, hours: millis / 3_600_000, cases }
}
