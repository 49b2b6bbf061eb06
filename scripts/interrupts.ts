/**
 * Interrupts calls at random instants of every phase, over sockets on 127.0.0.1, and looks at what is left of them:
 * `npx tsx --expose-gc scripts/interrupts.ts [count] [fetch|undici] [seed]`.
 *
 * A cycle is one call (or several that share one), interrupted within some milliseconds. Exits with 1 when a request, a socket, a timer
 * or a fiber is left, when an attempt starts after an interruption, or when an interruption ends in a defect.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { randomInt } from "node:crypto"
import { subscribe } from "node:diagnostics_channel"
import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as ChatCompletions from "../src/ChatCompletions.js"
import * as ResponseCache from "../src/policy/ResponseCache.js"
import * as OpenAiCompatible from "../src/provider/OpenAiCompatible.js"
import * as Providers from "../src/provider/Providers.js"
import * as Testing from "../src/Testing.js"
import type { ChatRequest } from "../src/wire/ChatRequest.js"

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

/** How long what is left may take to go away, in milliseconds. */
const settleMillis = 250

/** The most that the heap may grow, in bytes. */
const maxHeapGrowth = 5 * 1024 * 1024

const words = Array.from({ length: 20 }, (_, index) => `word ${index} `)

const script: Testing.Script = {
  "a/hang": Testing.hang,
  "a/late": Testing.completion("Hello", { delay: "5 millis" }),
  "a/body": Testing.raw({
    headers: { "content-type": "application/json" },
    chunks: ["{\"choices\":[", "{\"message\":{\"content\":\"", "Hel"],
    between: "3 millis",
    end: "stall"
  }),
  "a/preamble": Testing.stream(words, { cut: { after: 1, how: "stall" } }),
  "a/middle": Testing.stream(words, { between: "1 millis" }),
  "a/stalled": Testing.stream(words, { between: "1 millis", cut: { after: 6, how: "stall" } }),
  "a/down": Testing.status(503),
  "a/limited": Testing.status(429, { retryAfter: 30 }),
  "a/reset": Testing.reset
}

type Phase = readonly [name: string, kind: "create" | "stream", model: string, more?: Partial<ChatRequest>]

const retry = { count: 3 }
const cache = { type: "exact_match" as const }
const fallbacks = [{ model: "a/limited" }, { model: "a/reset" }, { model: "a/down" }, { model: "a/hang" }]

const phases: ReadonlyArray<Phase> = [
  ["headers", "create", "hang", { retry, fallbacks }],
  ["headers of a stream", "stream", "hang", { retry }],
  ["around the headers", "create", "late"],
  ["body read", "create", "body"],
  ["preamble", "stream", "preamble"],
  ["mid stream", "stream", "middle"],
  ["stalled stream", "stream", "stalled", { timeout: { callTimeout: 60_000 } }],
  ["retry wait", "create", "down", { retry }],
  ["retry-after wait", "stream", "limited", { retry }],
  ["retry after a reset", "create", "reset", { retry }],
  ["fallbacks", "create", "down", { fallbacks }],
  ["fallbacks of a stream", "stream", "reset", { fallbacks }],
  ["shared call", "create", "late", { cache }],
  ["shared call that hangs", "create", "hang", { cache, retry }],
  ["shared stream", "stream", "middle", { cache }],
  ["shared stream that stalls", "stream", "stalled", { cache }]
]

// ---- what is looked at ----------------------------------------------------------------------------------------------

const problems: Array<string> = []

process.on("unhandledRejection", (error) => problems.push(`unhandled rejection: ${String(error)}`))
process.on("uncaughtException", (error) => problems.push(`uncaught exception: ${String(error)}`))
process.on("warning", (warning) => problems.push(`warning: ${warning.name}`))

/** The sockets of the server that carried a request, with the answer to the last one. */
const sockets = new Map<Socket, ServerResponse>()

subscribe("http.server.request.start", (message) => {
  const { response, socket } = message as { readonly response: ServerResponse; readonly socket: Socket }
  if (!sockets.has(socket)) {
    socket.once("close", () => sockets.delete(socket))
  }
  sockets.set(socket, response)
})

const busySockets = (): number => [...sockets.values()].filter((response) => !response.writableFinished).length

/** How many there are of a kind of resource that keeps the process alive. */
const resources = (kind: string): number => process.getActiveResourcesInfo().filter((each) => each === kind).length

/** The turns between are for finalizers, which let go of more. */
const heapUsed: Effect.Effect<number> = Effect.sync(() => globalThis.gc?.()).pipe(
  Effect.zipRight(Effect.sleep("100 millis")),
  Effect.repeatN(2),
  Effect.map(() => process.memoryUsage().heapUsed)
)

interface Left {
  readonly requests: number
  readonly sockets: number
  readonly timers: number
  readonly fibers: number
}

const left = (server: Testing.LoopbackServer): Effect.Effect<Left> =>
  Effect.map(Effect.all([server.open, Metric.value(Metric.fiberActive)]), ([requests, fibers]) => ({
    requests,
    sockets: busySockets(),
    timers: resources("Timeout"),
    fibers: Number(fibers.count)
  }))

// ---- cycles ---------------------------------------------------------------------------------------------------------

/** The cycles whose callers have all left. */
const over = new Set<string>()

const totals = { cycles: 0, attempts: 0, interrupted: 0, answered: 0, failed: 0, slowestMillis: 0 }

/** The prompt names the cycle, so every attempt does. */
const cycleOf = (body: HttpClientRequest.HttpClientRequest["body"]): string =>
  body._tag === "Uint8Array" ? /cycle-\d+/.exec(new TextDecoder().decode(body.body))?.[0] ?? "" : ""

const answers = new Map<string, Deferred.Deferred<void>>()

/** Done when an attempt of the cycle has ended, or has come to its headers. */
const answered = (cycle: string): Deferred.Deferred<void> => {
  const known = answers.get(cycle) ?? Deferred.unsafeMake<void>(FiberId.none)
  answers.set(cycle, known)
  return known
}

/** Sees every attempt before the transport does. */
const watched = (client: HttpClient.HttpClient): HttpClient.HttpClient =>
  HttpClient.transform(client, (effect, request) =>
    Effect.suspend(() => {
      const cycle = cycleOf(request.body)
      totals.attempts++
      if (over.has(cycle)) {
        problems.push("an attempt started after its callers had left")
      }
      return Effect.ensuring(effect, Deferred.succeed(answered(cycle), undefined))
    }))

const router = (server: Testing.LoopbackServer, transport: Layer.Layer<HttpClient.HttpClient>) =>
  ChatCompletions.layer.pipe(
    Layer.provide([
      Providers.layer({ a: OpenAiCompatible.make({ baseUrl: server.baseUrl("a") }) }),
      ResponseCache.layerMemory()
    ]),
    Layer.provide(Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, watched))),
    Layer.provide(transport)
  )

/** From at once, within one turn of the event loop, to some milliseconds. */
const anInstant = Effect.flatMap(Random.nextIntBetween(0, 40), (drawn) =>
  drawn < 10
    ? Effect.repeatN(Effect.yieldNow(), drawn * 3)
    : drawn < 30
    ? Effect.sleep(drawn - 9)
    : Effect.sleep((drawn - 26) * 10))

/** Half of the calls get as far as the first answer, if it comes within some time. */
const aPhase = (cycle: string) =>
  Effect.flatMap(
    Random.nextBoolean,
    (waits) => waits ? Effect.timeoutOption(Deferred.await(answered(cycle)), maxPhaseMillis) : Effect.void
  )

const call = ([, kind, model, more]: Phase, cycle: string) => {
  const request: ChatRequest = { model: `a/${model}`, messages: [{ role: "user", content: cycle }], ...more }
  return kind === "create" ? ChatCompletions.create(request) : Stream.runDrain(ChatCompletions.stream(request))
}

const count = (exit: Exit.Exit<unknown, unknown>, phase: string): void => {
  if (Exit.isSuccess(exit)) {
    totals.answered++
  } else if (Cause.isDie(exit.cause)) {
    problems.push(`a defect in the phase "${phase}"`)
  } else if (Cause.isInterruptedOnly(exit.cause)) {
    totals.interrupted++
  } else {
    totals.failed++
  }
}

const runCycle = (number: number) =>
  Effect.gen(function*() {
    const phase = phases[yield* Random.nextIntBetween(0, phases.length)]!
    const cycle = `cycle-${number}`
    const callers = phase[3]?.cache === undefined ? 1 : yield* Random.nextIntBetween(1, 4)
    const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
    for (let caller = 0; caller < callers; caller++) {
      fibers.push(yield* Effect.fork(call(phase, cycle)))
      if (caller > 0) {
        yield* anInstant
      }
    }
    yield* aPhase(cycle)
    yield* anInstant
    for (const fiber of yield* Random.shuffle(fibers)) {
      const started = performance.now()
      count(yield* Fiber.interrupt(fiber), phase[0])
      totals.slowestMillis = Math.max(totals.slowestMillis, performance.now() - started)
      if (yield* Random.nextBoolean) {
        yield* anInstant
      }
    }
    over.add(cycle)
    totals.cycles++
  })

/** Waits until no more is left than there was before. */
const settled = (server: Testing.LoopbackServer, before: Left): Effect.Effect<Left> =>
  Effect.gen(function*() {
    const deadline = performance.now() + settleMillis
    for (;;) {
      const now = yield* left(server)
      const kinds = ["requests", "sockets", "timers", "fibers"] as const
      if (kinds.every((kind) => now[kind] <= before[kind]) || performance.now() > deadline) {
        return {
          requests: now.requests - before.requests,
          sockets: now.sockets - before.sockets,
          timers: now.timers - before.timers,
          fibers: now.fibers - before.fibers
        }
      }
      yield* Effect.sleep("5 millis")
    }
  })

const runRound = (from: number, cycles: number, transport: Layer.Layer<HttpClient.HttpClient>) =>
  Effect.scoped(Effect.gen(function*() {
    const server = yield* Testing.serve(script)
    const context = yield* Layer.build(router(server, transport))
    const before = yield* left(server)
    const numbers = Array.from({ length: cycles }, (_, index) => from + index)
    yield* Effect.forEach(numbers, runCycle, { concurrency, discard: true }).pipe(Effect.provide(context))
    const remains = yield* settled(server, before)
    over.clear()
    answers.clear()
    return remains
  }))

// ---- the run --------------------------------------------------------------------------------------------------------

const transports: Readonly<Record<string, Layer.Layer<HttpClient.HttpClient>>> = {
  fetch: FetchHttpClient.layer,
  undici: NodeHttpClient.layerUndici
}

const program = (cycles: number, transport: Layer.Layer<HttpClient.HttpClient>) =>
  Effect.gen(function*() {
    const sum = { requests: 0, sockets: 0, timers: 0, fibers: 0 }
    // code is compiled and pools are filled: that growth is nobody's leak
    yield* runRound(0, roundCycles, transport)
    const heapBefore = yield* heapUsed
    Object.assign(totals, { cycles: 0, attempts: 0, interrupted: 0, answered: 0, failed: 0, slowestMillis: 0 })
    for (let from = 0; from < cycles; from += roundCycles) {
      const remains = yield* runRound(from, Math.min(roundCycles, cycles - from), transport)
      for (const kind of ["requests", "sockets", "timers", "fibers"] as const) {
        sum[kind] += Math.max(0, remains[kind])
      }
    }
    yield* Effect.sleep(settleMillis)
    return { sum, heapGrowth: (yield* heapUsed) - heapBefore, tcpSockets: resources("TCPSocketWrap") }
  })

const main = async (args: ReadonlyArray<string>): Promise<number> => {
  const cycles = Number(args[0] ?? defaultCount)
  const name = args[1] ?? "fetch"
  const seed = Number(args[2] ?? randomInt(2 ** 31))
  const transport = transports[name]
  if (transport === undefined || !(cycles > 0)) {
    console.log("usage: interrupts.ts [count] [fetch|undici] [seed]")
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
    } s, ${totals.attempts} attempts; callers: ` +
      `${totals.interrupted} interrupted, ${totals.answered} had their answer before, ${totals.failed} their error; ` +
      `slowest interruption ${totals.slowestMillis.toFixed(1)} ms`
  )
  console.log(
    `left within ${settleMillis} ms: ${sum.requests} requests, ${sum.sockets} sockets with an unfinished request, ` +
      `${sum.timers} timers, ${sum.fibers} fibers; after the servers closed: ${sockets.size} sockets of requests, ` +
      `${tcpSockets} sockets in all; heap growth ${
        measured ? `${(heapGrowth / 1024).toFixed(0)} KiB` : "not measured (--expose-gc)"
      }`
  )
  if (measured && heapGrowth > maxHeapGrowth) {
    problems.push("the heap has grown")
  }
  if (sum.requests + sum.sockets + sum.timers + sum.fibers + sockets.size > 0) {
    problems.push("something is left")
  }
  const counts = new Map<string, number>()
  problems.forEach((problem) => counts.set(problem, (counts.get(problem) ?? 0) + 1))
  counts.forEach((times, problem) => console.log(`PROBLEM (${times} times): ${problem}`))
  return problems.length === 0 ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
