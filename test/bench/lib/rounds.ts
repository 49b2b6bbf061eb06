/** Contenders measured in turn, round after round, so that what holds the machine up holds up all of them. */
import type { CallerHandlers } from "../programs/caller.js"
import type { Measured, Wanted } from "../programs/load.js"
import type { ProviderHandlers } from "../programs/provider.js"
import type { Options } from "./options.js"
import { type Running, start } from "./processes.js"
import { median, spread } from "./stats.js"

export type Caller = Running<CallerHandlers>

export type Provider = Running<ProviderHandlers> & { readonly base: (kind: string) => string }

/** A provider of its own, until `use` is done. */
export const withProvider = async <A>(use: (provider: Provider) => Promise<A>): Promise<A> => {
  const running = await start<ProviderHandlers>("provider", "other")
  try {
    const port = await running.ask("port", null)
    return await use({ ...running, base: (kind) => `http://127.0.0.1:${port}/${kind}` })
  } finally {
    await running.end()
  }
}

export const selected = ({ only }: Options, suite: string, names: ReadonlyArray<string>): ReadonlyArray<string> =>
  only === undefined || only.test(suite)
    ? names
    : names.filter((name, index) => only.test(`${suite}/${name}`) || (index === 0 && anyOf(only, suite, names)))

/** The first one is what the others are compared with: it runs when any of them does. */
const anyOf = (only: RegExp, suite: string, names: ReadonlyArray<string>) =>
  names.some((name) => only.test(`${suite}/${name}`))

/** One figure of each round, of one contender. */
export type Figures = ReadonlyArray<Measured>

export type Results = ReadonlyMap<string, Figures>

/** How often in a row a batch is to be no cheaper than the best before it, and how many batches there are at most. */
const warm = { steady: 3, atMost: 20, better: 0.95 }

/**
 * Warms up once, in batches of a second of CPU, until they get no cheaper: what has much code takes longer, and a first round that is still
 * compiled says nothing about the others.
 */
const warmUp = async (caller: Caller, wanted: Wanted, quick: boolean): Promise<void> => {
  const atLeast = Math.ceil(wanted.chunks === 0 ? 600 : 1_200 / wanted.chunks)
  const batch = { ...wanted, millis: quick ? 300 : 1_000, atLeast }
  let best = Infinity
  let steady = 0
  for (let count = 0; count < (quick ? 1 : warm.atMost) && steady < warm.steady; count++) {
    const { cpuMicros } = await caller.ask("run", batch)
    steady = cpuMicros < best * warm.better ? 0 : steady + 1
    best = Math.min(best, cpuMicros)
  }
}

export interface Plan extends Wanted {
  readonly kind: string
  readonly rounds: number
}

/**
 * Measures each of the names by each of the plans. A contender that fails is left out from then on, with a line that says so: the others go
 * on.
 */
export const measure = async (
  names: ReadonlyArray<string>,
  plans: ReadonlyArray<Plan>,
  { quick }: Options
): Promise<ReadonlyArray<Results>> =>
  withProvider(async (provider) => {
    const callers = new Map<string, Caller>()
    const results = plans.map(() => new Map<string, Array<Measured>>())
    const guarded = async (name: string, step: (caller: Caller) => Promise<void>) => {
      const caller = callers.get(name)
      try {
        await (caller && step(caller))
      } catch (error) {
        process.stderr.write(`${name} is left out: ${error instanceof Error ? error.message : error}\n`)
        callers.delete(name)
        results.forEach((result) => result.delete(name))
        await caller?.end()
      }
    }
    for (const name of names) {
      callers.set(name, await start("caller", "measured", [name, provider.base(plans[0]!.kind)], ["--expose-gc"]))
      await guarded(name, async (caller) => {
        await warmUp(caller, { ...plans[0]!, inFlight: Math.min(plans[0]!.inFlight, 16) }, quick)
      })
    }
    for (const [index, plan] of plans.entries()) {
      for (let round = 0; round < plan.rounds; round++) {
        process.stderr.write(".")
        for (const name of names) {
          await guarded(name, async (caller) => {
            const measured = await caller.ask("measure", plan)
            results[index]!.set(name, [...results[index]!.get(name) ?? [], measured])
          })
        }
      }
    }
    process.stderr.write("\n")
    for (const caller of callers.values()) await caller.end()
    return results
  })

type Figure = Exclude<keyof Measured, "calls">

export const figure = (results: Results, name: string, figure: Figure): number =>
  median((results.get(name) ?? []).map((round) => round[figure]))

/** The ratio to another contender in the same round: what slows both of them down is not in it. */
export const ratio = (results: Results, name: string, other: string, figure: Figure = "cpuMicros"): number => {
  const others = results.get(other) ?? []
  return median((results.get(name) ?? []).map((round, index) => round[figure] / (others[index]?.[figure] ?? NaN)))
}

export const spreadOf = (results: Results, name: string): number =>
  spread((results.get(name) ?? []).map((round) => round.cpuMicros))
