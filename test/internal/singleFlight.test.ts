import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as FiberRef from "effect/FiberRef"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import * as SingleFlight from "../../src/internal/singleFlight.js"

/** An upstream that counts what happens to it. */
const makeUpstream = () => {
  const upstream = { started: 0, open: 0, finished: 0, interrupted: 0 }
  const use = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        upstream.started++
        upstream.open++
      }),
      () => effect,
      (_, exit) =>
        Effect.sync(() => {
          upstream.open--
          upstream[Exit.isInterrupted(exit) ? "interrupted" : "finished"]++
        })
    )
  return { upstream, use }
}

const make = Effect.gen(function*() {
  const flights = yield* SingleFlight.make<string, Array<string>>(yield* Effect.scope)
  const done: Array<string> = []
  const { upstream, use } = makeUpstream()
  const join = <E, R>(caller: string, run: Effect.Effect<string, E, R>, key = "key") =>
    flights.join(key, {
      log: [caller],
      services: Context.empty(),
      run: use(run),
      onDone: (log, first) => {
        done.push(`${caller} ${first ? "first" : "joined"} ${log}`)
      }
    })
  return { join, done, upstream }
})

const answer = Effect.as(Effect.sleep("1 second"), "answer")

describe("SingleFlight", () => {
  it.scoped("a thousand callers at one time are one call", () =>
    Effect.gen(function*() {
      const { done, join, upstream } = yield* make
      const callers = yield* Effect.fork(
        Effect.forEach(Array.from({ length: 1_000 }, (_, i) => `c${i}`), (caller) => join(caller, answer), {
          concurrency: "unbounded"
        })
      )
      yield* TestClock.adjust("1 second")
      const results = yield* Fiber.join(callers)
      assert.deepStrictEqual(upstream, { started: 1, open: 0, finished: 1, interrupted: 0 })
      assert.strictEqual(results.filter(({ value }) => value === "answer").length, 1_000)
      assert.strictEqual(results.filter(({ first }) => first).length, 1)
      assert.strictEqual(done.length, 1_000)
      assert.strictEqual(new Set(done).size, 1_000)
      assert.deepStrictEqual(done.filter((text) => text.includes("first")), ["c0 first c0"])
    }))

  it.scoped("calls with different keys, and calls one after the other, are calls of their own", () =>
    Effect.gen(function*() {
      const { join, upstream } = yield* make
      const both = yield* Effect.fork(
        Effect.all([join("a", answer, "1"), join("b", answer, "2")], { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* Fiber.join(both)).map(({ first }) => first), [true, true])
      const again = yield* Effect.fork(join("c", answer, "1"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(again)
      assert.strictEqual(upstream.started, 3)
    }))

  it.scoped("a caller leaves alone, the first one too, and at once", () =>
    Effect.gen(function*() {
      const { done, join, upstream } = yield* make
      const first = yield* Effect.fork(join("a", answer))
      const second = yield* Effect.fork(join("b", answer))
      const third = yield* Effect.fork(join("c", answer))
      yield* TestClock.adjust("500 millis")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(first)))
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(third)))
      assert.strictEqual(upstream.open, 1)
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(yield* Fiber.join(second), { value: "answer", first: false })
      assert.deepStrictEqual(upstream, { started: 1, open: 0, finished: 1, interrupted: 0 })
      assert.deepStrictEqual(done, ["a first a", "c joined a", "b joined a"])
    }))

  it.scoped("the last caller that leaves interrupts the flight and waits for the end of that", () =>
    Effect.gen(function*() {
      const { done, join, upstream } = yield* make
      const slowToStop = Effect.onInterrupt(answer, () => Effect.sleep("3 seconds"))
      const first = yield* Effect.fork(join("a", slowToStop))
      const second = yield* Effect.fork(join("b", slowToStop))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(first)
      const leaving = yield* Effect.fork(Fiber.interrupt(second))
      yield* TestClock.adjust("2999 millis")
      assert.isNull(leaving.unsafePoll())
      assert.strictEqual(upstream.open, 1)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(leaving)
      assert.deepStrictEqual(upstream, { started: 1, open: 0, finished: 0, interrupted: 1 })
      assert.deepStrictEqual(done, ["a first a", "b joined a"])
    }))

  it.scoped("the last caller that leaves is told what the flight has noted in its end", () =>
    Effect.gen(function*() {
      const flights = yield* SingleFlight.make<string, Array<string>>(yield* Effect.scope)
      const log: Array<string> = []
      const told: Array<string> = []
      const caller = yield* Effect.fork(flights.join("key", {
        log,
        services: Context.empty(),
        run: Effect.onInterrupt(answer, () => Effect.sync(() => log.push("broken off"))),
        onDone: (log) => {
          told.push(...log)
        }
      }))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(caller)
      assert.deepStrictEqual(told, ["broken off"])
    }))

  it.scoped("whoever comes while a flight is being interrupted starts anew", () =>
    Effect.gen(function*() {
      const { join, upstream } = yield* make
      const first = yield* Effect.fork(join("a", Effect.onInterrupt(answer, () => Effect.sleep("3 seconds"))))
      yield* TestClock.adjust("500 millis")
      yield* Effect.fork(Fiber.interrupt(first))
      yield* Effect.yieldNow()
      const second = yield* Effect.fork(join("b", answer))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(second), { value: "answer", first: true })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(upstream, { started: 2, open: 0, finished: 1, interrupted: 1 })
    }))

  it.scoped("an error is shared once and forgotten", () =>
    Effect.gen(function*() {
      const { join, upstream } = yield* make
      const error = { _tag: "Broken" }
      const failing = Effect.zipRight(Effect.sleep("1 second"), Effect.fail(error))
      const both = yield* Effect.fork(
        Effect.all([Effect.flip(join("a", failing)), Effect.flip(join("b", failing))], { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 second")
      const [a, b] = yield* Fiber.join(both)
      assert.strictEqual(a, error)
      assert.strictEqual(b, error)
      assert.strictEqual(upstream.started, 1)
      assert.strictEqual((yield* join("c", Effect.succeed("fine"))).value, "fine")
      assert.strictEqual(upstream.started, 2)
    }))

  it.scoped("a defect reaches all callers", () =>
    Effect.gen(function*() {
      const { join } = yield* make
      const dying = Effect.zipRight(Effect.sleep("1 second"), Effect.die("defect"))
      const both = yield* Effect.fork(
        Effect.all([Effect.exit(join("a", dying)), Effect.exit(join("b", dying))], { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 second")
      for (const exit of yield* Fiber.join(both)) {
        assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      }
    }))

  it.scoped("a flight has the context and the fiber refs of its first caller", () =>
    Effect.gen(function*() {
      class Tenant extends Context.Tag("test/Tenant")<Tenant, string>() {}
      const ref = FiberRef.unsafeMake("nobody")
      const { join } = yield* make
      const who = Effect.delay(
        Effect.zipWith(Tenant, FiberRef.get(ref), (tenant, name) => `${tenant} ${name}`),
        "1 second"
      )
      const as = (name: string) =>
        join(name, who).pipe(Effect.provideService(Tenant, `tenant of ${name}`), Effect.locally(ref, name), Effect.fork)
      const first = yield* as("a")
      const second = yield* as("b")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(first)).value, "tenant of a a")
      assert.strictEqual((yield* Fiber.join(second)).value, "tenant of a a")
    }))

  it.scoped("a first caller in an uninterruptible region does not make the flight uninterruptible", () =>
    Effect.gen(function*() {
      const { join, upstream } = yield* make
      const gate = yield* Deferred.make<void>()
      const caller = yield* Effect.uninterruptibleMask((restore) =>
        Effect.zipRight(Deferred.await(gate), restore(join("a", Effect.never)))
      ).pipe(Effect.fork)
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.yieldNow()
      yield* TestClock.adjust("1 second")
      assert.strictEqual(upstream.open, 1)
      yield* Fiber.interrupt(caller)
      assert.strictEqual(upstream.interrupted, 1)
    }))

  it.effect("closing the scope interrupts flights and their callers", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { join, upstream } = yield* Scope.extend(make, scope)
      const caller = yield* Effect.fork(join("a", Effect.never))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(upstream, { started: 1, open: 0, finished: 0, interrupted: 1 })
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(caller)))
    }))

  it.effect("a call after the scope is closed is interrupted", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { join, upstream } = yield* Scope.extend(make, scope)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.isInterrupted(yield* Effect.exit(join("a", Effect.never))))
      assert.strictEqual(upstream.started, 0)
    }))

  it.scoped("a flight that ends in the instant in which its caller leaves is neither lost nor run twice", () =>
    Effect.gen(function*() {
      const { join, upstream } = yield* make
      const gate = yield* Deferred.make<string>()
      const first = yield* Effect.fork(join("a", Deferred.await(gate)))
      const second = yield* Effect.fork(join("b", Deferred.await(gate)))
      yield* Effect.yieldNow()
      yield* Effect.yieldNow()
      yield* Deferred.succeed(gate, "answer")
      yield* Fiber.interrupt(first)
      assert.strictEqual((yield* Fiber.join(second)).value, "answer")
      assert.deepStrictEqual(upstream, { started: 1, open: 0, finished: 1, interrupted: 0 })
    }))

  /** Who comes, who leaves, how the flight that is under way ends; then how many steps all other fibers may take. */
  const event = FastCheck.record({
    kind: FastCheck.constantFrom("come", "come", "leave", "leave", "succeed", "fail"),
    who: FastCheck.nat({ max: 5 }),
    steps: FastCheck.nat({ max: 4 })
  })

  const steps = (count: number) => Effect.repeatN(Effect.yieldNow(), count)

  /** More steps than anything here needs to come to rest. */
  const rest = steps(20)

  type Event = { readonly kind: string; readonly who: number; readonly steps: number }

  const play = (events: ReadonlyArray<Event>, pause: (event: Event) => Effect.Effect<void>) =>
    Effect.gen(function*() {
      const { done, join, upstream } = yield* make
      const gates: Array<Deferred.Deferred<string, string>> = []
      let overlap = 0
      const call = Effect.suspend(() => {
        const gate = Deferred.unsafeMake<string, string>(FiberId.none)
        gates.push(gate)
        overlap = Math.max(overlap, upstream.open)
        return Deferred.await(gate)
      })
      const callers: Array<Fiber.RuntimeFiber<SingleFlight.Landed<string>, string>> = []
      for (const event of events) {
        const gate = gates.at(-1)
        switch (event.kind) {
          case "come":
            callers.push(yield* Effect.fork(join(`c${callers.length}`, call)))
            break
          case "leave": {
            const leaving = callers[event.who]
            if (leaving !== undefined) {
              leaving.unsafeInterruptAsFork(FiberId.none)
            }
            break
          }
          case "succeed":
            yield* gate === undefined ? Effect.void : Deferred.succeed(gate, `${gates.length}`)
            break
          default:
            yield* gate === undefined ? Effect.void : Deferred.fail(gate, `${gates.length}`)
        }
        yield* pause(event)
      }
      yield* rest
      return { callers, done, overlap, upstream, gates }
    })

  it.live.prop(
    "L41: callers get what a model of the flights says, and there are as many calls",
    [FastCheck.array(event, { maxLength: 30 })],
    ([events]) =>
      Effect.scoped(Effect.gen(function*() {
        const { callers, overlap, upstream } = yield* play(events, () => rest)
        const expected: Array<string> = []
        let waiting: Array<number> = []
        let started = 0
        let interrupted = 0
        for (const { kind, who } of events) {
          if (kind === "come") {
            started += waiting.length === 0 ? 1 : 0
            waiting.push(expected.push("waits") - 1)
          } else if (kind === "leave") {
            if (waiting.includes(who)) {
              expected[who] = "left"
              interrupted += waiting.length === 1 ? 1 : 0
            }
            waiting = waiting.filter((caller) => caller !== who)
          } else {
            waiting.forEach((caller) => {
              expected[caller] = `${kind} ${started}`
            })
            waiting = []
          }
        }
        const outcomes = callers.map((fiber) => {
          const exit = fiber.unsafePoll()
          return exit === null ? "waits" : Exit.match(exit, {
            onSuccess: ({ value }) => `succeed ${value}`,
            onFailure: (cause) => Cause.isInterruptedOnly(cause) ? "left" : `fail ${Cause.squash(cause)}`
          })
        })
        assert.deepStrictEqual(outcomes, expected)
        assert.strictEqual(upstream.started, started)
        assert.strictEqual(upstream.interrupted, interrupted)
        assert.strictEqual(upstream.open, waiting.length === 0 ? 0 : 1)
        assert.isAtMost(overlap, 1)
      })),
    { fastCheck: { numRuns: 1_000 } }
  )

  it.live.prop(
    "L61: in a storm nobody waits for ever, nobody is told twice, and nothing stays open",
    [FastCheck.array(event, { minLength: 5, maxLength: 40 })],
    ([events]) =>
      Effect.scoped(Effect.gen(function*() {
        const { callers, done, gates, upstream } = yield* play(events, (event) => steps(event.steps))
        const waiting = callers.filter((fiber) => fiber.unsafePoll() === null).length
        assert.strictEqual(upstream.open, waiting === 0 ? 0 : 1)
        yield* Effect.forEach(gates, (gate) => Deferred.succeed(gate, "end"))
        yield* rest
        assert.isTrue(callers.every((fiber) => fiber.unsafePoll() !== null))
        assert.strictEqual(upstream.open, 0)
        assert.strictEqual(upstream.started, upstream.finished + upstream.interrupted)
        assert.strictEqual(new Set(done).size, done.length)
        assert.isAtMost(done.length, callers.length)
      })),
    { fastCheck: { numRuns: 1_000 } }
  )
})
