/**
 * Deterministic simulation of the router: `npm run simulate -- [count] [seed] [path]`.
 *
 * Runs `count` scenarios (default 1,000) of a seed (default: drawn, and printed). Exits with 1 when an invariant is violated, and prints
 * the smallest scenario that does it; with the path that is printed with it, that one is run again. The invariants are in
 * `test/support/simulation-monitor.ts`.
 */
import { randomInt } from "node:crypto"
import { check } from "../test/support/simulation.js"

const defaultCount = 1_000

const main = async ([count, seed, path]: ReadonlyArray<string>): Promise<number> => {
  const numRuns = Number(count ?? defaultCount)
  const parameters = {
    numRuns,
    seed: Number(seed ?? randomInt(2 ** 31)),
    ...(path === undefined ? undefined : { path })
  }
  console.log(`seed ${parameters.seed}`)
  const started = performance.now()
  try {
    const { calls, cases, hours, requests } = await check(parameters)
    for (const [name, times] of [...cases].sort(([, a], [, b]) => b - a)) {
      console.log(`${String(times).padStart(8)}  ${name}`)
    }
    console.log(
      `${numRuns} scenarios, ${calls} calls, ${requests} requests, ${hours.toFixed(0)} hours in ${
        ((performance.now() - started) / 1_000).toFixed(1)
      } s: no violation`
    )
    return 0
  } catch (error) {
    console.log(error instanceof Error ? error.message : error)
    return 1
  }
}

process.exitCode = await main(process.argv.slice(2))
