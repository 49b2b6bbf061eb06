/**
 * The cache and its single flight against a model: any callers with any modes, clocks that move, calls that succeed, fail or never end, and
 * callers that leave.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Scope from "effect/Scope"
import * as CacheStore from "../../src/policy/CacheStore.js"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Route from "../../src/Route.js"
import * as RouterError from "../../src/RouterError.js"

const ttl = 10

const outage = new RouterError.Unavailable({ status: 503 })
const refusal = new RouterError.Auth({ status: 401 })

const asking = FastCheck.record({
  kind: FastCheck.constant("ask" as const),
  key: FastCheck.constantFrom("a", "a", "b"),
  mode: FastCheck.constantFrom<Array<ResponseCache.Mode>>(
    "default",
    "default",
    "default",
    "force-refresh",
    "read-only",
    "no-store"
  ),
  flight: FastCheck.constantFrom("", "", "whole"),
  staleFor: FastCheck.constantFrom(0, 5, 20)
})
const ending = FastCheck.record({
  kind: FastCheck.constantFrom("succeed" as const, "succeed" as const, "break" as const, "refuse" as const),
  which: FastCheck.nat()
})
const leaving = FastCheck.record({ kind: FastCheck.constant("leave" as const), which: FastCheck.nat() })
const waiting = FastCheck.record({
  kind: FastCheck.constant("wait" as const),
  millis: FastCheck.integer({ min: 1, max: 12 })
})
const commands = FastCheck.array(FastCheck.oneof(asking, asking, ending, leaving, waiting), { maxLength: 40 })

type Ask = typeof asking extends FastCheck.Arbitrary<infer A> ? A : never

interface Entry {
  readonly text: string
  readonly at: number
  readonly staleFor: number
}

interface Caller {
  readonly ask: Ask
  /** What was stale when it came. */
  readonly old: Entry | undefined
  result: string
}

interface Call {
  readonly first: Caller
  readonly callers: Set<Caller>
  /** The name of the flight; `undefined` for one that nobody joins. */
  readonly together: string | undefined
  state: "open" | "interrupted" | "ended"
}

class Model {
  now = 0
  readonly entries = new Map<string, Entry>()
  readonly calls: Array<Call> = []
  readonly callers: Array<Caller> = []

  get open(): ReadonlyArray<Call> {
    return this.calls.filter((call) => call.state === "open")
  }
  get present(): ReadonlyArray<Caller> {
    return this.callers.filter((caller) => caller.result === "waits")
  }

  ask(ask: Ask): void {
    const entry = ask.mode === "force-refresh" || ask.mode === "no-store" ? undefined : this.entries.get(ask.key)
    const age = this.now - (entry?.at ?? 0)
    const isFresh = entry !== undefined && age < ttl
    const old = entry !== undefined && !isFresh && age < ttl + entry.staleFor ? entry : undefined
    const caller: Caller = { ask, old, result: isFresh ? `hit ${entry.text} ${age}` : "waits" }
    this.callers.push(caller)
    if (isFresh) {
      return
    }
    const together = ask.mode === "no-store" ? undefined : `${ask.key} ${ask.mode} ${ask.flight}`
    const known = this.open.find((call) => together !== undefined && call.together === together)
    if (known === undefined) {
      this.calls.push({ first: caller, callers: new Set([caller]), together, state: "open" })
    } else {
      known.callers.add(caller)
    }
  }

  end(call: Call, how: "succeed" | "break" | "refuse"): void {
    const text = `answer ${this.calls.indexOf(call)}`
    const { key, mode, staleFor } = call.first.ask
    call.state = "ended"
    if (how === "succeed" && (mode === "default" || mode === "force-refresh")) {
      this.entries.set(key, { text, at: this.now, staleFor })
    }
    for (const caller of call.callers) {
      const status = mode === "no-store" ? "bypass" : caller === call.first ? "miss" : "shared"
      const { old } = caller
      const isUsable = old !== undefined && this.now - old.at < ttl + caller.ask.staleFor
      caller.result = how === "succeed"
        ? `${status} ${text}`
        : how === "break" && isUsable
        ? `stale ${old.text} ${this.now - old.at}`
        : `${status} failed ${how}`
    }
  }

  leave(caller: Caller): void {
    caller.result = "left"
    const call = this.open.find((call) => call.callers.has(caller))
    call?.callers.delete(caller)
    if (call?.callers.size === 0) {
      call.state = "interrupted"
    }
  }
}

/** The real thing: an upstream whose calls are ended by hand. */
const makeReal = async (time: { readonly now: number }) => {
  const clock: Clock.Clock = {
    ...Clock.make(),
    unsafeCurrentTimeMillis: () => time.now,
    unsafeCurrentTimeNanos: () => BigInt(time.now) * 1_000_000n,
    currentTimeMillis: Effect.sync(() => time.now),
    currentTimeNanos: Effect.sync(() => BigInt(time.now) * 1_000_000n)
  }
  const scope = Effect.runSync(Scope.make())
  const cache = await Effect.runPromise(
    Effect.flatMap(CacheStore.makeMemory(), (store) => Scope.extend(ResponseCache.make(store), scope))
  )
  const upstream: Array<{ readonly end: Deferred.Deferred<string, RouterError.RouterError>; interrupted: boolean }> = []
  const client = HttpClient.makeWith<never, never, RouterError.RouterError, never>(
    Effect.flatMap((request) =>
      Effect.suspend(() => {
        const call = { end: Deferred.unsafeMake<string, RouterError.RouterError>(FiberId.none), interrupted: false }
        upstream.push(call)
        return Deferred.await(call.end).pipe(
          Effect.map((text) => HttpClientResponse.fromWeb(request, new Response(text))),
          Effect.onInterrupt(() =>
            Effect.sync(() => {
              call.interrupted = true
            })
          )
        )
      })
    ),
    Effect.succeed
  )
  const ask = ({ flight, key, mode, staleFor }: Ask) => {
    const recorder = Route.makeRecorder()
    const caller = { result: "waits", fiber: undefined as Fiber.RuntimeFiber<unknown, unknown> | undefined }
    const policy = ResponseCache.withCache({ ttl, staleIfError: staleFor, mode, flight })
    caller.fiber = Effect.runFork(
      policy(client).execute(HttpClientRequest.get(`http://scripted.invalid/${key}`)).pipe(
        Effect.flatMap((response) => response.text),
        Effect.provideService(ResponseCache.ResponseCache, cache),
        Effect.provideService(Route.CurrentRecorder, recorder),
        Effect.withClock(clock),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            const { cache, cacheAgeMillis } = Route.snapshot(recorder)
            caller.result = Exit.match(exit, {
              onSuccess: (text) => [cache, text, cacheAgeMillis].filter((part) => part !== undefined).join(" "),
              onFailure: (cause) =>
                cause._tag === "Fail" ? `${cache} failed ${cause.error === outage ? "break" : "refuse"}` : "left"
            })
          })
        )
      )
    )
    return caller
  }
  return { ask, upstream, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

describe("the cache and its single flight", () => {
  it("L36, L37, L40, L41, L44, L45: do what the model does", () =>
    FastCheck.assert(
      FastCheck.asyncProperty(commands, async (commands) => {
        const model = new Model()
        const real = await makeReal(model)
        const callers: Array<ReturnType<typeof real.ask>> = []
        for (const command of commands) {
          switch (command.kind) {
            case "ask":
              model.ask(command)
              callers.push(real.ask(command))
              break
            case "wait":
              model.now += command.millis
              break
            case "leave": {
              const caller = model.present[command.which % model.present.length]
              if (caller !== undefined) {
                callers[model.callers.indexOf(caller)]?.fiber?.unsafeInterruptAsFork(FiberId.none)
                model.leave(caller)
              }
              break
            }
            default: {
              const call = model.open[command.which % model.open.length]
              if (call !== undefined) {
                const index = model.calls.indexOf(call)
                Deferred.unsafeDone(
                  real.upstream[index]!.end,
                  command.kind === "succeed"
                    ? Exit.succeed(`answer ${index}`)
                    : Exit.fail(command.kind === "break" ? outage : refusal)
                )
                model.end(call, command.kind)
              }
            }
          }
          await settled()
          assert.deepStrictEqual(callers.map(({ result }) => result), model.callers.map(({ result }) => result))
          assert.deepStrictEqual(
            real.upstream.map(({ interrupted }) => interrupted),
            model.calls.map(({ state }) => state === "interrupted")
          )
        }
        await real.close()
      }),
      { numRuns: 2_000 }
    ))
})
