/**
 * Interrupts calls at random instants of every phase, over sockets on 127.0.0.1, and looks at what is left of them:
 * `npx tsx --expose-gc scripts/interrupts.ts [count] [fetch|undici|lean] [seed]`.
 *
 * A cycle is one call (or several that share one), interrupted within some milliseconds. Exits with 1 when a request, a socket, a timer
 * or a fiber is left, when the server sees a request of a caller that has left, or of an attempt that has failed, open for more than
 * 100 ms, when an attempt starts after an interruption, or when an interruption ends in a defect.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { randomInt } from "node:crypto"
import * as ChatCompletions from "../src/ChatCompletions.js"
import * as ResponseCache from "../src/policy/ResponseCache.js"
import * as OpenAiCompatible from "../src/provider/OpenAiCompatible.js"
import * as Providers from "../src/provider/Providers.js"
import * as Testing from "../src/Testing.js"
import * as Transport from "../src/Transport.js"
import * as Left from "./interrupts-left.js"
import { phases, script } from "./interrupts-phases.js"
import * as Watch from "./interrupts-watch.js"

/** About a minute. */
const defaultCount = 2_000

/**
 * Cycles over one server: its log keeps every request, and the heap is to show what the router keeps. Not too few: measured over fetch,
 * the heap grows with the number of servers (some 150 KiB for each) rather than with that of the cycles.
 */
const roundCycles = 500

const concurrency = 8

/** How long a call may take to its first answer before it is interrupted without one, in milliseconds. */
const maxPhaseMillis = 50

/** How long a patient caller stays after the second attempt of its call began, in milliseconds. */
const patienceMillis = 3 * Watch.maxCloseMillis

/** The most that the heap may grow, in bytes. */
const maxHeapGrowth = 5 * 1024 * 1024

process.on("unhandledRejection", (error) => Watch.problems.push(`unhandled rejection: ${String(error)}`))
process.on("uncaughtException", (error) => Watch.problems.push(`uncaught exception: ${String(error)}`))
process.on("warning", (warning) => Watch.problems.push(`warning: ${warning.name}`))

// ---- cycles ---------------------------------------------------------------------------------------------------------

const totals = { cycles: 0, interrupted: 0, answered: 0, failed: 0, slowestMillis: 0 }

/** The router, and the transport that it is over. */
const router = (server: Testing.LoopbackServer, transport: Layer.Layer<HttpClient.HttpClient>) =>
  ChatCompletions.layer.pipe(
    Layer.provide([
      Providers.layer({ a: OpenAiCompatible.make({ baseUrl: server.baseUrl("a") }) }),
      ResponseCache.layerMemory()
    ]),
    Layer.provideMerge(Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, Watch.watched))),
    Layer.provide(transport)
  )

/** From at once, within one turn of the event loop, to some milliseconds, or longer than a request may be open that nobody wants. */
const anInstant = Effect.flatMap(Random.nextIntBetween(0, 40), (drawn) =>
  drawn < 10
    ? Effect.repeatN(Effect.yieldNow(), drawn * 3)
    : drawn < 30
    ? Effect.sleep(drawn - 9)
    : Effect.sleep((drawn - 26) * 15))

/** Half of the calls get as far as the first answer, if it comes within some time. */
const aPhase = (cycle: string) =>
  Effect.flatMap(
    Random.nextBoolean,
    (waits) => waits ? Effect.timeoutOption(Watch.answered(cycle), maxPhaseMillis) : Effect.void
  )

const count = (exit: Exit.Exit<unknown, unknown>, phase: string): void => {
  if (Exit.isSuccess(exit)) {
    totals.answered++
  } else if (Cause.isDie(exit.cause)) {
    Watch.problems.push(`a defect in the phase "${phase}"`)
  } else if (Cause.isInterruptedOnly(exit.cause)) {
    totals.interrupted++
  } else {
    totals.failed++
  }
}

/** Long enough to see that the first one is not closed, also where the event loop stands still for some of the time. */
const aSecondAttempt = (cycle: string) =>
  Effect.timeoutOption(Watch.again(cycle), "1 second").pipe(Effect.zipRight(Effect.sleep(patienceMillis)))

const runCycle = (number: number, baseUrl: string) =>
  Effect.gen(function*() {
    const phase = phases[yield* Random.nextIntBetween(0, phases.length)]!
    const cycle = `cycle-${number}`
    const callers = phase.isShared ? yield* Random.nextIntBetween(1, 4) : 1
    const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
    for (let caller = 0; caller < callers; caller++) {
      fibers.push(yield* Effect.fork(phase.call(cycle, baseUrl)))
      if (caller > 0) {
        yield* anInstant
      }
    }
    yield* phase.isPatient === true ? aSecondAttempt(cycle) : aPhase(cycle)
    yield* anInstant
    const order = yield* Random.shuffle(fibers)
    for (const [index, fiber] of [...order].entries()) {
      const started = performance.now()
      if (index === fibers.length - 1) {
        Watch.leaving(cycle)
      }
      count(yield* Fiber.interrupt(fiber), phase.name)
      totals.slowestMillis = Math.max(totals.slowestMillis, performance.now() - started)
      if (index < fibers.length - 1 && (yield* Random.nextBoolean)) {
        yield* anInstant
      }
    }
    Watch.hasLeft(cycle)
    totals.cycles++
  })

const runRound = (from: number, cycles: number, transport: Layer.Layer<HttpClient.HttpClient>) =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* Testing.serve(script)
    const context = yield* Layer.build(router(server, transport))
    const before = yield* Left.left(server)
    const numbers = Array.from({ length: cycles }, (_, index) => from + index)
    yield* Effect.forEach(numbers, (number) => runCycle(number, server.baseUrl("a")), { concurrency, discard: true })
      .pipe(Effect.provide(context))
    const remains = yield* Left.settled(server, before)
    Watch.endRound()
    return remains
  }))

// ---- the run --------------------------------------------------------------------------------------------------------

const transports: Readonly<Record<string, Layer.Layer<HttpClient.HttpClient>>> = {
  fetch: FetchHttpClient.layer,
  undici: NodeHttpClient.layerUndici,
  lean: Transport.layerUndici()
}

const program = (cycles: number, transport: Layer.Layer<HttpClient.HttpClient>) =>
  Effect.gen(function*() {
    let sum = Left.nothing
    // code is compiled and pools are filled: that growth is nobody's leak
    yield* runRound(0, roundCycles, transport)
    const heapBefore = yield* Left.heapUsed
    Object.assign(totals, { cycles: 0, interrupted: 0, answered: 0, failed: 0, slowestMillis: 0 })
    Watch.resetCounts()
    for (let from = 0; from < cycles; from += roundCycles) {
      sum = Left.add(sum, yield* runRound(from, Math.min(roundCycles, cycles - from), transport))
    }
    yield* Effect.sleep(Left.settleMillis)
    return { sum, heapGrowth: (yield* Left.heapUsed) - heapBefore, tcpSockets: Left.resources("TCPSocketWrap") }
  })

const main = async (args: ReadonlyArray<string>): Promise<number> => {
  const cycles = Number(args[0] ?? defaultCount)
  const name = args[1] ?? "fetch"
  const seed = Number(args[2] ?? randomInt(2 ** 31))
  const transport = transports[name]
  if (transport === undefined || !(cycles > 0)) {
    console.log("usage: interrupts.ts [count] [fetch|undici|lean] [seed]")
    return 1
  }
  console.log(`seed ${seed}, ${cycles} cycles over ${name}`)
  const started = performance.now()
  const { heapGrowth, sum, tcpSockets } = await Effect.runPromise(
    Effect.withRandom(program(cycles, transport), Random.make(seed))
  )
  const measured = globalThis.gc !== undefined
  console.log(
    `${totals.cycles} cycles in ${
      ((performance.now() - started) / 1000).toFixed(1)
    } s, ${Watch.counts.attempts} attempts; callers: ` +
      `${totals.interrupted} interrupted, ${totals.answered} had their answer before, ${totals.failed} their error; ` +
      `slowest interruption ${totals.slowestMillis.toFixed(1)} ms`
  )
  console.log(
    `${Watch.counts.closed} requests were open when nobody wanted them any more, the slowest was closed after ` +
      `${
        Watch.counts.slowestMillis.toFixed(1)
      } ms; ${Watch.counts.slow} took longer than ${Watch.maxCloseMillis} ms, ` +
      `${Watch.counts.excused} of them while the event loop stood still`
  )
  console.log(
    `left within ${Left.settleMillis} ms: ${sum.requests} requests, ${sum.sockets} sockets with an unfinished request, ` +
      `${sum.timers} timers, ${sum.fibers} fibers; after the servers closed: ${Left.sockets.size} sockets of requests, ` +
      `${tcpSockets} sockets in all; heap growth ${
        measured ? `${(heapGrowth / 1024).toFixed(0)} KiB` : "not measured (--expose-gc)"
      }`
  )
  if (measured && heapGrowth > maxHeapGrowth) {
    Watch.problems.push("the heap has grown")
  }
  if (sum.requests + sum.sockets + sum.timers + sum.fibers + Left.sockets.size > 0) {
    Watch.problems.push("something is left")
  }
  const counts = new Map<string, number>()
  Watch.problems.forEach((problem) => counts.set(problem, (counts.get(problem) ?? 0) + 1))
  counts.forEach((times, problem) => console.log(`PROBLEM (${times} times): ${problem}`))
  return Watch.problems.length === 0 ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
