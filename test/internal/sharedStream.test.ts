import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as SharedStream from "../../src/internal/sharedStream.js"

type Ending = "end" | "fail" | "die" | "stall"

interface Script {
  /** How many elements there are, and the milliseconds before each of them and before the end. */
  readonly gaps: ReadonlyArray<number>
  readonly ending: Ending
  readonly openMillis?: number
  readonly opening?: "open" | "fail" | "die"
  readonly closeMillis?: number
  readonly completeMillis?: number
}

/** An element says which stream it is of, and its place in it. */
interface Element {
  readonly stream: number
  readonly place: number
}

/** Streams that play a script, what happens to them, and what is forbidden and happened. */
const makeUpstream = (script: Script) => {
  const state = {
    opened: 0,
    open: 0,
    closed: 0,
    completed: [] as Array<number>,
    elements: [] as Array<Element>,
    /** By stream: what was asked for. A caller that has read n elements and wants another asks for n + 1. */
    asked: [] as Array<number>,
    wrong: [] as Array<string>
  }
  const ending = (): Effect.Effect<never, Option.Option<string>> => {
    switch (script.ending) {
      case "end":
        return Effect.fail(Option.none())
      case "fail":
        return Effect.fail(Option.some("broken"))
      case "die":
        return Effect.die("defect")
      case "stall":
        return Effect.never
    }
  }
  const elements = (stream: number): Stream.Stream<Element, string> => {
    let place = 0
    return Stream.repeatEffectOption(Effect.suspend(() => {
      const gap = script.gaps[place]
      if (place >= (state.asked[stream] ?? 0)) {
        state.wrong.push(`element ${place} of stream ${stream} was read before anybody asked for it`)
      }
      return gap === undefined ? ending() : Effect.as(Effect.sleep(gap), { stream, place: place++ })
    }))
  }
  const open = (scope: Scope.Scope, stream: number) =>
    Effect.gen(function*() {
      state.open++
      yield* Scope.addFinalizer(
        scope,
        Effect.sync(() => {
          state.open--
          state.closed++
        }).pipe(Effect.delay(script.closeMillis ?? 0))
      )
      yield* Effect.sleep(script.openMillis ?? 0)
      if (script.opening === "fail") {
        return yield* Effect.fail("closed")
      }
      if (script.opening === "die") {
        return yield* Effect.die("defect")
      }
      return { head: stream, stream: elements(stream) }
    })
  return {
    state,
    /** That of one caller. */
    get call() {
      let stream = -1
      return {
        log: "",
        open: (scope: Scope.Scope) =>
          Effect.suspend(() => {
            stream = state.opened++
            return open(scope, stream)
          }),
        onElement: (element: Element) => {
          state.elements.push(element)
        },
        onComplete: Effect.suspend(() =>
          Effect.delay(Effect.sync(() => state.completed.push(stream)), script.completeMillis ?? 0)
        )
      }
    }
  }
}

type Streams = SharedStream.SharedStreams<number, Element, string>
type Upstream = ReturnType<typeof makeUpstream>

/** Joins, and has left when it ends, however it ends; `use` gets the stream. */
const joining = <A, E>(
  streams: Streams,
  { call, state }: Upstream,
  use: (stream: Stream.Stream<Element, string>, first: boolean) => Effect.Effect<A, E>,
  key = "key"
) =>
  Effect.acquireUseRelease(
    streams.join<string, string, never>(key, call),
    (joined) =>
      Effect.flatMap(joined.opened, ({ head, stream }) => {
        let read = 0
        const ask = Effect.sync(() => {
          state.asked[head] = Math.max(state.asked[head] ?? 0, read + 1)
        })
        const asking = Stream.fromPull(Effect.map(Stream.toPull(stream), (pull) =>
          Effect.tap(Effect.zipRight(ask, pull), (elements) =>
            Effect.sync(() => {
              read += elements.length
            }))))
        return use(asking, joined.first)
      }),
    (joined) => joined.leave
  )

const collect = (streams: Streams, upstream: Upstream, key = "key") =>
  joining(streams, upstream, (stream) => Effect.map(Stream.runCollect(stream), (elements) => [...elements]), key)

const places = (elements: ReadonlyArray<Element>) => elements.map(({ place }) => place)

const make = (script: Script) =>
  Effect.map(Effect.scope, (scope) => ({
    scope,
    upstream: makeUpstream(script),
    streams: SharedStream.make<number, Element, string>(scope)
  }))

const ended = <A, E>(fiber: Fiber.RuntimeFiber<A, E>) => Effect.map(Fiber.poll(fiber), Option.isSome)

/** Nobody is in the table: whoever comes is the first. */
const assertForgotten = (streams: Streams, key = "key") =>
  Effect.gen(function*() {
    const joined = yield* streams.join(key, makeUpstream({ gaps: [], ending: "stall" }).call)
    assert.isTrue(joined.first, "a flight was left behind")
    yield* joined.leave
  })

describe("what each caller gets", () => {
  it.scoped("all of it from its start, once, in order and at its own pace; it is read once", () =>
    Effect.gen(function*() {
      const { streams, upstream } = yield* make({ gaps: [10, 10, 10], ending: "end" })
      const slow = joining(
        streams,
        upstream,
        (stream) => Stream.runCollect(Stream.tap(stream, () => Effect.sleep("1 minute")))
      )
      const fibers = yield* Effect.all([
        Effect.fork(collect(streams, upstream)),
        Effect.fork(Effect.delay(collect(streams, upstream), "25 millis")),
        Effect.fork(Effect.map(slow, (elements) => [...elements]))
      ])
      yield* TestClock.adjust("30 millis")
      assert.isTrue(yield* ended(fibers[0]))
      assert.isTrue(yield* ended(fibers[1]))
      assert.isFalse(yield* ended(fibers[2]))
      yield* TestClock.adjust("3 minutes")
      for (const fiber of fibers) {
        assert.deepStrictEqual(places(yield* Fiber.join(fiber)), [0, 1, 2])
      }
      assert.strictEqual(upstream.state.opened, 1)
      assert.deepStrictEqual(places(upstream.state.elements), [0, 1, 2])
      yield* assertForgotten(streams)
    }))

  it.scoped("streams with different keys are different streams", () =>
    Effect.gen(function*() {
      const { streams, upstream } = yield* make({ gaps: [1], ending: "end" })
      yield* Effect.fork(collect(streams, upstream, "a"))
      yield* Effect.fork(collect(streams, upstream, "b"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(upstream.state.opened, 2)
    }))

  it.scoped("nothing is read that nobody has asked for", () =>
    Effect.gen(function*() {
      const { streams, upstream } = yield* make({ gaps: [0, 0, 0, 0], ending: "end" })
      const joined = yield* streams.join<string, string, never>("key", upstream.call)
      const { stream } = yield* joined.opened
      const pull = yield* Stream.toPull(stream)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(upstream.state.elements, [])
      upstream.state.asked[0] = 1
      yield* pull
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(places(upstream.state.elements), [0])
      assert.deepStrictEqual(upstream.state.wrong, [])
    }))

  for (const ending of ["fail", "die"] as const) {
    it.scoped(`a stream that ends with "${ending}" ends so for all, after what came before`, () =>
      Effect.gen(function*() {
        const { streams, upstream } = yield* make({ gaps: [10, 10], ending })
        const seen: Array<ReadonlyArray<number>> = []
        const read = joining(streams, upstream, (stream) => {
          const mine: Array<number> = []
          seen.push(mine)
          return Stream.runForEach(stream, ({ place }) => Effect.sync(() => mine.push(place)))
        })
        const fibers = yield* Effect.all([Effect.fork(read), Effect.fork(Effect.delay(read, "15 millis"))])
        yield* TestClock.adjust("1 second")
        for (const fiber of fibers) {
          const exit = yield* Fiber.await(fiber)
          const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
          assert.deepStrictEqual(
            [[...Cause.failures(cause)], [...Cause.defects(cause)], Cause.isInterrupted(cause)],
            ending === "fail" ? [["broken"], [], false] : [[], ["defect"], false]
          )
        }
        assert.deepStrictEqual(seen, [[0, 1], [0, 1]])
        assert.deepStrictEqual([upstream.state.opened, upstream.state.open], [1, 0])
        assert.deepStrictEqual(upstream.state.completed, [])
        yield* assertForgotten(streams)
      }))
  }

  it.scoped("a defect of whoever is told of the elements is a defect for all, and closes the stream", () =>
    Effect.gen(function*() {
      const { streams, upstream } = yield* make({ gaps: [10], ending: "end" })
      const broken = {
        state: upstream.state,
        call: {
          ...upstream.call,
          onElement: () => {
            throw "observer"
          }
        }
      }
      const fibers = yield* Effect.all([
        Effect.fork(collect(streams, broken)),
        Effect.fork(collect(streams, broken))
      ])
      yield* TestClock.adjust("1 second")
      for (const fiber of fibers) {
        const exit = yield* Fiber.await(fiber)
        assert.deepStrictEqual(Exit.isFailure(exit) ? [...Cause.defects(exit.cause)] : [], ["observer"])
      }
      assert.strictEqual(upstream.state.open, 0)
      yield* assertForgotten(streams)
    }))

  for (const opening of ["fail", "die"] as const) {
    it.scoped(`an opening that ends with "${opening}" is shared once, and forgotten`, () =>
      Effect.gen(function*() {
        const { streams, upstream } = yield* make({ gaps: [], ending: "end", openMillis: 10, opening })
        const fibers = yield* Effect.all([
          Effect.fork(collect(streams, upstream)),
          Effect.fork(collect(streams, upstream))
        ])
        yield* TestClock.adjust("10 millis")
        for (const fiber of fibers) {
          const exit = yield* Fiber.await(fiber)
          const cause = Exit.isFailure(exit) ? exit.cause : Cause.empty
          assert.isTrue(opening === "fail" ? Option.isSome(Cause.failureOption(cause)) : Cause.isDie(cause))
        }
        assert.deepStrictEqual([upstream.state.opened, upstream.state.closed], [1, 1])
        yield* assertForgotten(streams)
      }))
  }
})

describe("leaving", () => {
  it.scoped("disturbs nobody, not even when it is the first caller who leaves", () =>
    Effect.gen(function*() {
      const { streams, upstream } = yield* make({ gaps: [10, 10, 10], ending: "end", openMillis: 10 })
      const first = yield* Effect.fork(collect(streams, upstream))
      const second = yield* Effect.fork(collect(streams, upstream))
      const third = yield* Effect.fork(joining(streams, upstream, (stream) => Stream.runDrain(Stream.take(stream, 1))))
      yield* TestClock.adjust("5 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(third)
      assert.deepStrictEqual(places(yield* Fiber.join(second)), [0, 1, 2])
      assert.deepStrictEqual([upstream.state.opened, upstream.state.completed], [1, [0]])
    }))

  for (
    const [phase, script, at] of [
      ["while it is opened", { gaps: [], ending: "end", openMillis: 60_000 }, 10],
      ["before the first element", { gaps: [60_000], ending: "end" }, 10],
      ["between two elements", { gaps: [5, 60_000], ending: "end" }, 10],
      ["before the end", { gaps: [5], ending: "stall" }, 10]
    ] as const
  ) {
    it.scoped(`the last to leave ${phase} closes the stream and waits for it`, () =>
      Effect.gen(function*() {
        const { streams, upstream } = yield* make({ ...script, closeMillis: 100 })
        const fibers = yield* Effect.all([
          Effect.fork(collect(streams, upstream)),
          Effect.fork(collect(streams, upstream))
        ])
        yield* TestClock.adjust(at)
        yield* Fiber.interrupt(fibers[0])
        assert.strictEqual(upstream.state.open, 1)
        const leaving = yield* Effect.fork(Fiber.interrupt(fibers[1]))
        yield* TestClock.adjust("99 millis")
        assert.isFalse(yield* ended(leaving))
        yield* TestClock.adjust("1 millis")
        assert.isTrue(yield* ended(leaving))
        assert.deepStrictEqual([upstream.state.open, upstream.state.completed], [0, []])
      }))
  }

  it.scoped("whoever comes while the stream of those who left is closed starts anew", () =>
    Effect.gen(function*() {
      const { streams, upstream } = yield* make({ gaps: [5, 5], ending: "end", closeMillis: 100 })
      const first = yield* Effect.fork(collect(streams, upstream))
      yield* TestClock.adjust("7 millis")
      const leaving = yield* Effect.fork(Fiber.interrupt(first))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(upstream.state.open, 1)
      const second = yield* Effect.fork(collect(streams, upstream))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(leaving)
      assert.deepStrictEqual(yield* Fiber.join(second), [{ stream: 1, place: 0 }, { stream: 1, place: 1 }])
      assert.deepStrictEqual([upstream.state.opened, upstream.state.open], [2, 0])
      yield* assertForgotten(streams)
    }))

  it.scoped("a caller that is interrupted at the moment the stream opens has left", () =>
    Effect.gen(function*() {
      const { streams, upstream } = yield* make({ gaps: [], ending: "stall" })
      const gate = yield* Deferred.make<void>()
      const { call: own } = upstream
      const call = { ...own, open: (scope: Scope.Scope) => Effect.tap(own.open(scope), Deferred.await(gate)) }
      const fiber = yield* Effect.fork(collect(streams, { state: upstream.state, call }))
      yield* TestClock.adjust("1 millis")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([upstream.state.opened, upstream.state.open], [1, 0])
      yield* assertForgotten(streams)
    }))
})

describe("the end", () => {
  it.scoped("is complete for whoever joins after it, while what comes after it is done", () =>
    Effect.gen(function*() {
      const { streams, upstream } = yield* make({ gaps: [5, 5], ending: "end", completeMillis: 100 })
      const first = yield* Effect.fork(collect(streams, upstream))
      yield* TestClock.adjust("50 millis")
      assert.deepStrictEqual(places(yield* Fiber.join(first)), [0, 1])
      const late = yield* collect(streams, upstream)
      assert.deepStrictEqual([places(late), upstream.state.opened], [[0, 1], 1])
      yield* TestClock.adjust("60 millis")
      assert.deepStrictEqual(upstream.state.completed, [0])
      yield* assertForgotten(streams)
    }))

  it.scoped("closes the stream before it is told, and what comes after it is not stopped by those who have it", () =>
    Effect.gen(function*() {
      const { streams, upstream } = yield* make({ gaps: [5], ending: "end", closeMillis: 10, completeMillis: 1000 })
      const fiber = yield* Effect.fork(collect(streams, upstream))
      yield* TestClock.adjust("14 millis")
      assert.isFalse(yield* ended(fiber))
      yield* TestClock.adjust("1 millis")
      assert.isTrue(yield* ended(fiber))
      assert.deepStrictEqual([upstream.state.open, upstream.state.completed], [0, []])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(upstream.state.completed, [0])
    }))

  for (const gap of [0, 60_000]) {
    it.effect(`closing the layer's scope interrupts those who read and those who wait (${gap} ms to open)`, () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const streams = SharedStream.make<number, Element, string>(scope)
        const upstream = makeUpstream({ gaps: [1, 60_000], ending: "end", openMillis: gap })
        const fibers = yield* Effect.all([
          Effect.fork(collect(streams, upstream)),
          Effect.fork(collect(streams, upstream))
        ])
        yield* TestClock.adjust("10 millis")
        yield* Scope.close(scope, Exit.void)
        for (const fiber of fibers) {
          assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
        }
        assert.deepStrictEqual([upstream.state.opened, upstream.state.open], [1, 0])
        // and it stays closed
        assert.isTrue(Exit.isInterrupted(yield* Effect.exit(collect(streams, upstream))))
        assert.strictEqual(upstream.state.open, 0)
      }))
  }
})

interface Caller {
  readonly joinAt: number
  readonly yields: number
  /** Milliseconds between its reads. */
  readonly pace: number
  /** It stops by itself after so many elements, or is interrupted at a time. */
  readonly take: number
  readonly interruptAt: number
}

const never = 1_000_000

const millis = FastCheck.integer({ min: 0, max: 12 })

const caller: FastCheck.Arbitrary<Caller> = FastCheck.record({
  joinAt: millis,
  yields: FastCheck.integer({ min: 0, max: 4 }),
  pace: FastCheck.constantFrom(0, 0, 1, 5),
  take: FastCheck.constantFrom(0, 1, 2, never, never, never),
  interruptAt: FastCheck.oneof(millis, FastCheck.constant(never), FastCheck.constant(never))
})

const scripts: FastCheck.Arbitrary<Script> = FastCheck.record({
  gaps: FastCheck.array(FastCheck.integer({ min: 0, max: 3 }), { maxLength: 5 }),
  ending: FastCheck.constantFrom<Ending>("end", "end", "fail", "die", "stall"),
  openMillis: FastCheck.integer({ min: 0, max: 3 }),
  opening: FastCheck.constantFrom("open", "open", "open", "open", "fail", "die"),
  closeMillis: FastCheck.integer({ min: 0, max: 2 }),
  completeMillis: FastCheck.integer({ min: 0, max: 2 })
})

/** A millisecond is one turn of every fiber that can run: thousands of interleavings in no time, and the same again. */
const turns = (count: number) => Effect.repeatN(Effect.yieldNow(), count)

const turnClock: Clock.Clock = {
  [Clock.ClockTypeId]: Clock.ClockTypeId,
  unsafeCurrentTimeMillis: () => 0,
  unsafeCurrentTimeNanos: () => 0n,
  currentTimeMillis: Effect.succeed(0),
  currentTimeNanos: Effect.succeed(0n),
  sleep: (duration) => turns(Duration.toMillis(duration))
}

/** More turns than any script takes. */
const aLongTime = turns(200)

const run = (streams: Streams, upstream: Upstream, { joinAt, pace, take, yields }: Caller) =>
  Effect.gen(function*() {
    const read: Array<Element> = []
    yield* Effect.sleep(joinAt)
    yield* Effect.repeatN(Effect.yieldNow(), yields)
    const exit = yield* Effect.exit(joining(streams, upstream, (stream) =>
      stream.pipe(
        take === never ? (all) => all : Stream.take(take),
        Stream.runForEach((element) => Effect.zipRight(Effect.sync(() => read.push(element)), Effect.sleep(pace)))
      )))
    return { read, exit }
  })

describe("any interleaving", () => {
  it.effect.prop(
    "of callers that come, read, stop and are interrupted, with any end of the stream and of the layer",
    {
      script: scripts,
      callers: FastCheck.array(caller, { minLength: 1, maxLength: 5 }),
      closeAt: FastCheck.oneof(millis, FastCheck.constant(never), FastCheck.constant(never), FastCheck.constant(never))
    },
    ({ callers, closeAt, script }) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const streams = SharedStream.make<number, Element, string>(scope)
        const upstream = makeUpstream(script)
        const { state } = upstream
        const running = yield* Effect.forEach(callers, (caller) =>
          Effect.gen(function*() {
            const fiber = yield* Effect.fork(run(streams, upstream, caller))
            if (caller.interruptAt !== never) {
              yield* Effect.fork(Effect.delay(Fiber.interruptFork(fiber), caller.interruptAt))
            }
            return { caller, fiber }
          }))
        if (closeAt !== never) {
          yield* Effect.fork(Effect.delay(Scope.close(scope, Exit.void), closeAt))
        }
        yield* aLongTime
        const closed = closeAt !== never
        for (const { caller, fiber } of running) {
          const polled = yield* Fiber.poll(fiber)
          const left = caller.interruptAt !== never || caller.take !== never
          if (Option.isNone(polled)) {
            // only a stream that never ends keeps anybody
            assert.isTrue(script.ending === "stall" && caller.interruptAt === never && !closed, "a caller hangs")
            continue
          }
          if (Exit.isFailure(polled.value)) {
            assert.isTrue(caller.interruptAt !== never && Cause.isInterruptedOnly(polled.value.cause))
            continue
          }
          const { exit, read } = polled.value.value
          assert.deepStrictEqual(read, read.map((_, place) => ({ stream: read[0]!.stream, place })), "a part in order")
          if (left || closed) {
            continue
          }
          assert.strictEqual(read.length, script.opening === "open" ? script.gaps.length : 0)
          const ending = script.opening === "open" ? script.ending : script.opening
          assert.strictEqual(
            Exit.match(exit, { onSuccess: () => "end", onFailure: (cause) => Cause.isDie(cause) ? "die" : "fail" }),
            ending
          )
        }
        assert.deepStrictEqual(state.wrong, [])
        const present = yield* Effect.filter(running, ({ fiber }) => Effect.map(ended(fiber), (ended) => !ended))
        assert.isAtMost(state.open, present.length === 0 ? 0 : 1, "streams that are left open")
        assert.strictEqual(new Set(state.completed).size, state.completed.length, "completed once")
        if (script.ending !== "end") {
          assert.deepStrictEqual(state.completed, [])
        }
        yield* Effect.fork(Fiber.interruptAll(running.map(({ fiber }) => fiber)))
        yield* aLongTime
        assert.strictEqual(state.open, 0)
        assert.strictEqual(state.opened, state.closed)
        if (!closed) {
          yield* assertForgotten(streams)
        }
      }).pipe(Effect.withClock(turnClock)),
    { fastCheck: { numRuns: 500 }, timeout: 60_000 }
  )
})
