/**
 * What the router does when there is more load than a provider can bear, over sockets on 127.0.0.1: `npm run overload [seed]`.
 *
 * Every figure is one of a naive client, too, which has the same timeout and the same retries (see `overload-clients.ts`). Exits with 1
 * when the router misses a bar, and when the naive client does not: then the load was none.
 */
import { randomInt } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import * as CircuitBreaker from "../src/policy/CircuitBreaker.js"
import * as RetryBudget from "../src/policy/RetryBudget.js"
import * as Resilience from "../src/Resilience.js"
import { type MakeClient, naive, router } from "./overload-clients.js"
import { Answers, closedLoop, openLoop, saturate } from "./overload-load.js"
import { type Upstream, withUpstream } from "./overload-upstream.js"

// ---- the bars -------------------------------------------------------------------------------------------------------

/** The most requests for a call when every one of them fails. */
const maxAmplification = 1.25

/** How many calls that is measured over. */
const failingCalls = 1_000

/** The least goodput under ten times the load, as a part of that which the provider can bear. */
const minGoodput = 0.9

/** The least goodput some time after an outage, as a part of that before. */
const minRecovered = 0.95

/** That time, in milliseconds. */
const recoveryMillis = 10_000

// ---- the clients ----------------------------------------------------------------------------------------------------

/** Twice the workers of the provider, so that they always have work and none of it waits long; and as many in the queue. */
const concurrency = { limit: 20, queue: 20 }

interface Contender {
  readonly name: string
  readonly make: MakeClient
  readonly isNaive: boolean
}

const control: Contender = { name: "naive client", make: naive, isNaive: true }

const recommended: Contender = {
  name: "router, recommended set",
  make: router(Resilience.layer({ concurrency })),
  isNaive: false
}

/** So that the bar is not held by an open circuit. */
const budgetOnly: Contender = { name: "router, budget alone", make: router(RetryBudget.layer()), isNaive: false }

const breakerOnly: Contender = {
  name: "router, breaker alone",
  make: router(CircuitBreaker.layer()),
  isNaive: false
}

// ---- the table ------------------------------------------------------------------------------------------------------

let isRight = true

/** Of the router a bar is to be met, and of the naive client to be missed. */
const row = (contender: Contender, figure: string, meets: boolean): void => {
  const asExpected = meets !== contender.isNaive
  isRight = isRight && asExpected
  console.log(
    `  ${contender.name.padEnd(26)} ${figure.padEnd(64)} ${meets ? "meets" : "misses"} the bar${
      asExpected ? "" : "  <-- WRONG"
    }`
  )
}

const percent = (ratio: number): string => `${(100 * ratio).toFixed(1)} %`

/** A scenario with a fresh provider and a fresh client. */
const fresh = <A>(
  contender: Contender,
  seed: number,
  scenario: (client: ReturnType<MakeClient>, upstream: Upstream) => Promise<A>
): Promise<A> =>
  withUpstream(async (upstream) => {
    const client = contender.make(upstream.baseUrl, seed)
    try {
      return await scenario(client, upstream)
    } finally {
      await client.close()
    }
  })

// ---- the scenarios --------------------------------------------------------------------------------------------------

const amplification = async (contender: Contender, seed: number): Promise<void> => {
  const requests = await fresh(contender, seed, async (client, upstream) => {
    await upstream.setMode("down")
    await closedLoop(client, 50, failingCalls)
    return upstream.setMode("up")
  })
  const ratio = requests / failingCalls
  row(contender, `${requests} requests, ${ratio.toFixed(2)} for a call`, ratio <= maxAmplification)
}

const capacityOf = (seed: number): Promise<number> =>
  fresh(recommended, seed, (client) => saturate(client, concurrency.limit, 1_000, 4_000))

const overload = async (contender: Contender, seed: number, capacity: number): Promise<void> => {
  const warmUpMillis = 3_000
  const millis = 5_000
  const goodput = await fresh(contender, seed, async (client) => {
    const answers = new Answers()
    const from = performance.now() + warmUpMillis
    await openLoop(client, 10 * capacity, warmUpMillis + millis, answers)
    return answers.rate(from, from + millis)
  })
  const ratio = goodput / capacity
  row(contender, `${goodput.toFixed(1)} answers/s, ${percent(ratio)} of capacity`, ratio >= minGoodput)
}

/**
 * How long the provider stands still, in milliseconds. Its first requests time out after a second, and five of them open the circuit for 2.5
 * to 5 s; the probe after that fails, too, and opens it for another 5 to 10 s: so long an outage tries the breaker at its slowest, for one
 * that is shorter than its longest opening.
 */
const outageMillis = 9_000

/** The load before, during and after the outage, as a part of capacity. */
const utilisation = 0.7

/** The time over which a goodput is measured, in milliseconds. */
const windowMillis = 3_000

/** When the goodput was for the first time, and for a second, what it has to be; in seconds since the outage. */
const recoveredAfter = (answers: Answers, endedAt: number, least: number): string => {
  for (let millis = 0; millis < recoveryMillis; millis += 100) {
    if (answers.rate(endedAt + millis, endedAt + millis + 1_000) >= least) {
      return `after ${(millis / 1_000).toFixed(1)} s`
    }
  }
  return "not"
}

const recovery = async (contender: Contender, seed: number, capacity: number): Promise<void> => {
  const warmUpMillis = 1_000
  const figures = await fresh(contender, seed, async (client, upstream) => {
    const answers = new Answers()
    const from = performance.now() + warmUpMillis
    const load = openLoop(
      client,
      utilisation * capacity,
      warmUpMillis + windowMillis + outageMillis + recoveryMillis + windowMillis,
      answers
    )
    await sleep(warmUpMillis + windowMillis)
    const begunAt = performance.now()
    await upstream.setMode("stalled")
    await sleep(outageMillis)
    const endedAt = performance.now()
    await upstream.setMode("up")
    await load
    const before = answers.rate(from, begunAt)
    return {
      before,
      after: answers.rate(endedAt + recoveryMillis, endedAt + recoveryMillis + windowMillis),
      recovered: recoveredAfter(answers, endedAt, minRecovered * before)
    }
  })
  const ratio = figures.after / figures.before
  row(
    contender,
    `${figures.before.toFixed(1)} answers/s before, ${figures.after.toFixed(1)} after (${
      percent(ratio)
    }), recovered ${figures.recovered}`,
    ratio >= minRecovered
  )
}

// ---- the run --------------------------------------------------------------------------------------------------------

const main = async (args: ReadonlyArray<string>): Promise<number> => {
  const seed = Number(args[0] ?? randomInt(2 ** 31))
  const started = performance.now()
  const capacity = await capacityOf(seed)
  console.log(`seed ${seed}; capacity of the provider: ${capacity.toFixed(1)} answers/s`)

  console.log(`\nrequests when all of them fail, over ${failingCalls} calls: at most ${maxAmplification} for a call`)
  for (const contender of [control, budgetOnly, breakerOnly, recommended]) {
    await amplification(contender, seed)
  }
  console.log(`\ngoodput under 10 times the load: at least ${percent(minGoodput)} of capacity`)
  for (const contender of [control, recommended]) {
    await overload(contender, seed, capacity)
  }
  console.log(
    `\ngoodput ${recoveryMillis / 1_000} s after an outage of ${outageMillis / 1_000} s, under ${
      percent(utilisation)
    } of the load: at least ${percent(minRecovered)} of that before`
  )
  for (const contender of [control, recommended]) {
    await recovery(contender, seed, capacity)
  }
  console.log(
    `\n${isRight ? "as expected" : "NOT as expected"}, in ${((performance.now() - started) / 1_000).toFixed(0)} s`
  )
  return isRight ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
