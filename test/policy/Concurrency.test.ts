import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { CallScope } from "../../src/internal/callScope.js"
import * as Concurrency from "../../src/policy/Concurrency.js"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as Settle from "../../src/wire/Settle.js"
import { isStreamResponse, StreamResponse } from "../../src/wire/StreamResponse.js"
import { after, type Answer, failing, gaps, ok, outcome, scripted, timed } from "../support/scripted.js"

const url = Testing.baseUrl("p")

const limited = <E>(client: HttpClient.HttpClient.With<E>, target = "p/m") =>
  client.pipe(Concurrency.withConcurrency(target))

const withLimit = (limit: number, queue?: number) => Effect.provide(Concurrency.layer({ limit, queue }))

const loadOf = (target: string) =>
  Effect.map(Concurrency.snapshot, (all) => {
    const load = all.find((one) => one.target === target)
    return load && [load.inFlight, load.queued]
  })

const unavailable = new RouterError.Unavailable({ status: 503 })

describe("Concurrency.withConcurrency", () => {
  it.effect("what is beyond the limit fails at once, and is not sent", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(after("1 second", ok))
      const fibers = yield* Effect.replicateEffect(Effect.fork(timed(limited(client).get(url))), 3)
      yield* TestClock.adjust("1 second")
      const results = yield* Fiber.join(Fiber.all(fibers))
      assert.deepStrictEqual(
        Array.from(results, ([exit, millis]) => [outcome(Exit.map(exit, (_) => _.status)), millis]),
        [[200, 1000], [200, 1000], ["ConcurrencyExceeded", 0]]
      )
      assert.strictEqual(startedAt.length, 2)
      assert.deepStrictEqual(yield* loadOf("p/m"), [0, 0])
    }).pipe(withLimit(2)))

  it.effect("the error tells the limit, and no retry waits for it", () =>
    Effect.gen(function*() {
      const { client } = scripted(after("1 second", ok))
      yield* Effect.fork(limited(client).get(url))
      yield* TestClock.adjust(0)
      const call = limited(client).pipe(Retry.withRetry({ count: 3, onCodes: [429, 503] })).get(url)
      const [exit, millis] = yield* timed(Effect.flip(call))
      assert.deepStrictEqual(
        [Exit.getOrElse(exit, () => undefined)?._tag, millis],
        ["ConcurrencyExceeded", 0]
      )
      const error = yield* Effect.flip(call)
      assert.deepStrictEqual([error.limit, error.message], [1, "1 requests are under way"])
    }).pipe(withLimit(1)))

  it.effect("those in the queue are served in the order in which they came", () =>
    Effect.gen(function*() {
      const served: Array<string> = []
      const upstream: Answer = (request) =>
        Effect.delay(Effect.zipRight(Effect.sync(() => served.push(request.url)), ok(request)), "1 second")
      const { client, startedAt } = scripted(upstream)
      const names = ["a", "b", "c", "d"]
      const fibers = yield* Effect.forEach(names, (name) => Effect.fork(Effect.exit(limited(client).get(name))))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* loadOf("p/m"), [1, 2])
      yield* TestClock.adjust("10 seconds")
      const exits = yield* Fiber.join(Fiber.all(fibers))
      assert.deepStrictEqual(Array.from(exits, Exit.isSuccess), [true, true, true, false])
      assert.deepStrictEqual(served, ["a", "b", "c"])
      assert.deepStrictEqual(gaps(startedAt), [1000, 1000])
    }).pipe(withLimit(1, 2)))

  it.effect("nobody who comes later can take the turn of one who has waited", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const answer: Answer = (request) => Effect.zipRight(Effect.sync(() => order.push(request.url)), ok(request))
      const first = limited(scripted(after("1 second", answer)).client)
      const second = limited(scripted(answer).client)
      // the one that comes later is there at the moment when the first is over, before the one that waits has run
      yield* Effect.fork(Effect.zipRight(first.get("first"), Effect.exit(second.get("later"))))
      yield* TestClock.adjust("500 millis")
      yield* Effect.fork(second.get("waiting"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(order, ["first", "waiting", "later"])
    }).pipe(withLimit(1, 1)))

  it.effect("each target has its own limit, and an entry replaces both numbers", () =>
    Effect.gen(function*() {
      const { client } = scripted(after("1 second", ok))
      const flood = (target: string) =>
        Effect.replicateEffect(Effect.fork(Effect.exit(limited(client, target).get(url))), 9)
      yield* Effect.forEach(["p/small", "p/queued", "p/other", "constructor"], flood)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* Concurrency.snapshot, [
        { target: "p/small", inFlight: 1, queued: 0, limit: 1 },
        { target: "p/queued", inFlight: 3, queued: 2, limit: 3 },
        { target: "p/other", inFlight: 2, queued: 4, limit: 2 },
        { target: "constructor", inFlight: 2, queued: 4, limit: 2 }
      ])
    }).pipe(Effect.provide(Concurrency.layer({
      limit: 2,
      queue: 4,
      targets: { "p/small": { limit: 1 }, "p/queued": { limit: 3, queue: 2 } }
    }))))

  it.effect("a permit is held for an attempt, not while a retry waits", () =>
    Effect.gen(function*() {
      const { client } = scripted<RouterError.Unavailable>(failing(unavailable))
      yield* Effect.fork(Effect.exit(limited(client).pipe(Retry.withRetry({ count: 1 })).get(url)))
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* loadOf("p/m"), [0, 0])
    }).pipe(withLimit(1)))
})

describe("Concurrency and waiting", () => {
  /** A call that is under way for a minute, and others that wait for it. */
  const waiting = <E>(call: (client: HttpClient.HttpClient) => Effect.Effect<unknown, E, Concurrency.Concurrency>) =>
    Effect.gen(function*() {
      const upstream = yield* Testing.makeTransport({ p: Testing.completion("Hello", { delay: "1 minute" }) })
      yield* Effect.fork(limited(upstream.client).get(url))
      yield* TestClock.adjust(0)
      const fiber = yield* Effect.fork(timed(call(upstream.client)))
      yield* TestClock.adjust(0)
      return { fiber, calls: Effect.map(upstream.calls, (calls) => calls.length) }
    })

  it.effect("whoever is interrupted leaves the queue at once", () =>
    Effect.gen(function*() {
      const { calls, fiber } = yield* waiting((client) => limited(client).get(url))
      assert.deepStrictEqual(yield* loadOf("p/m"), [1, 1])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* loadOf("p/m"), [1, 0])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual([yield* loadOf("p/m"), yield* calls], [[0, 0], 1])
    }).pipe(withLimit(1, 1)))

  it.effect("the deadline runs while one waits", () =>
    Effect.gen(function*() {
      const { calls, fiber } = yield* waiting((client) =>
        limited(client).pipe(Timeout.withDeadline("2 seconds")).get(url)
      )
      yield* TestClock.adjust("2 seconds")
      const [exit, millis] = yield* Fiber.join(fiber)
      assert.deepStrictEqual([outcome(exit), millis], ["DeadlineExceeded", 2000])
      assert.deepStrictEqual([yield* loadOf("p/m"), yield* calls], [[1, 0], 1])
    }).pipe(withLimit(1, 1)))

  it.effect("whoever has no time left when its turn comes is not sent, and the next one is", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(after("1 second", ok))
      const call = (deadline: Duration.DurationInput) =>
        Effect.fork(timed(limited(client).pipe(Timeout.withDeadline(deadline)).get(url)))
      yield* Effect.fork(limited(client).get(url))
      yield* TestClock.adjust(0)
      const late = yield* call(Duration.micros(1_000_500n))
      const patient = yield* call("2.5 seconds")
      yield* TestClock.adjust("1 second")
      const [exit, millis] = yield* Fiber.join(late)
      assert.deepStrictEqual([outcome(exit), millis], ["ConcurrencyExceeded", 1000])
      assert.deepStrictEqual(yield* loadOf("p/m"), [1, 0])
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(patient))[1], 2000)
      assert.deepStrictEqual([startedAt, yield* loadOf("p/m")], [[0, 1000], [0, 0]])
    }).pipe(withLimit(1, 2)))

  it.effect("a millisecond is time enough", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(after("1 second", ok), ok)
      yield* Effect.fork(limited(client).get(url))
      yield* TestClock.adjust(0)
      const fiber = yield* Effect.fork(limited(client).pipe(Timeout.withDeadline(1001)).get(url))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(startedAt, [0, 1000])
    }).pipe(withLimit(1, 1)))

  it.effect("a turn that comes as one is interrupted goes to the next", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { client, startedAt } = scripted((request) => Effect.zipRight(Deferred.await(gate), ok(request)))
      const first = yield* Effect.fork(limited(client).get(url))
      yield* TestClock.adjust(0)
      const leaving = yield* Effect.fork(limited(client).get(url))
      const next = yield* Effect.fork(limited(client).get(url))
      yield* TestClock.adjust(0)
      // both happen before the one that waits can run
      first.addObserver(() => leaving.unsafeInterruptAsFork(first.id()))
      yield* Deferred.succeed(gate, undefined)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(leaving)))
      yield* Fiber.join(next)
      assert.deepStrictEqual([startedAt.length, yield* loadOf("p/m")], [2, [0, 0]])
    }).pipe(withLimit(1, 2)))
})

describe("Concurrency and streams", () => {
  /** A stream of three parts, a second apart, in a call of its own. */
  const open = (cut?: Testing.Cut) =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({
        p: Testing.stream(["a", "b", "c"], { between: "1 second", cut })
      })
      const scope = yield* Scope.make()
      const request = HttpClientRequest.get(url).pipe(HttpClientRequest.accept("text/event-stream"))
      const fiber = yield* Effect.fork(
        limited(client.pipe(Settle.settle())).execute(request).pipe(Effect.provideService(CallScope, scope))
      )
      yield* TestClock.adjust("1 second")
      const response = yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* loadOf("p/m"), [1, 0])
      return { scope, response: isStreamResponse(response) ? response : assert.fail("it is no stream") }
    })

  const over = Effect.map(loadOf("p/m"), (load) => assert.deepStrictEqual(load, [0, 0]))

  it.effect("is under way until its end", () =>
    Effect.gen(function*() {
      const { response } = yield* open()
      const fiber = yield* Effect.fork(Stream.runDrain(response.chunks))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* loadOf("p/m"), [1, 0])
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(fiber)
      yield* over
    }).pipe(withLimit(1)))

  it.effect("or until it breaks", () =>
    Effect.gen(function*() {
      const { response } = yield* open({ after: 3, how: "reset" })
      const fiber = yield* Effect.fork(Effect.exit(Stream.runDrain(response.chunks)))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(outcome(yield* Fiber.join(fiber)), "Transport")
      yield* over
    }).pipe(withLimit(1)))

  it.effect("or until the consumer leaves, in whatever way", () =>
    Effect.gen(function*() {
      yield* Stream.runHead((yield* open()).response.chunks)
      yield* over
      const fiber = yield* Effect.fork(Stream.runDrain((yield* open()).response.chunks))
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(fiber)
      yield* over
      yield* Effect.exit(Stream.runForEach((yield* open()).response.chunks, () => Effect.dieMessage("mine")))
      yield* over
    }).pipe(withLimit(1)))

  it.effect("one that nobody reads ends with its call", () =>
    Effect.gen(function*() {
      const { scope } = yield* open()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* loadOf("p/m"), [1, 0])
      yield* Scope.close(scope, Exit.void)
      yield* over
    }).pipe(withLimit(1)))
})

describe("Concurrency options", () => {
  const path = (options: Concurrency.Options) =>
    Either.try(() => Concurrency.layer(options)).pipe(
      Either.flip,
      Either.map((error) => error instanceof RouterError.InvalidRequest ? error.issues[0]?.path : undefined),
      Either.getOrUndefined
    )

  it("a limit is a whole number from 1, a queue one from 0, and never without an end", () => {
    for (const wrong of [0, -1, 1.5, NaN, Infinity]) {
      assert.strictEqual(path({ limit: wrong }), "limit")
      assert.strictEqual(path({ limit: 1, targets: { "p/m": { limit: wrong } } }), "targets[\"p/m\"].limit")
    }
    for (const wrong of [-1, 0.5, NaN, Infinity]) {
      assert.strictEqual(path({ limit: 1, queue: wrong }), "queue")
      assert.strictEqual(path({ limit: 1, targets: { p: { limit: 1, queue: wrong } } }), "targets[\"p\"].queue")
    }
    assert.strictEqual(path({ limit: 1, queue: 0, targets: { p: { limit: 1, queue: undefined } } }), undefined)
  })

  it("nobody waits when nothing is said", () => {
    assert.strictEqual(Concurrency.defaultQueue, 0)
  })
})

/** What happens to calls. A number picks one of those to which it can happen. */
type Command =
  | { readonly _tag: "Start"; readonly isStream: boolean }
  | { readonly _tag: "Answer"; readonly pick: number; readonly how: "ok" | "fail" | "die" }
  | { readonly _tag: "End"; readonly pick: number; readonly how: "read" | "cut" | "leave" | "die" | "never" }
  | { readonly _tag: "Interrupt"; readonly pick: number }
  | { readonly _tag: "InterruptAsTurnComes"; readonly pick: number }

const pick = FastCheck.nat(1000)
const commands: FastCheck.Arbitrary<Command> = FastCheck.oneof(
  {
    weight: 5,
    arbitrary: FastCheck.record({ _tag: FastCheck.constant("Start" as const), isStream: FastCheck.boolean() })
  },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      _tag: FastCheck.constant("Answer" as const),
      pick,
      how: FastCheck.constantFrom(...(["ok", "ok", "fail", "die"] as const))
    })
  },
  {
    weight: 2,
    arbitrary: FastCheck.record({
      _tag: FastCheck.constant("End" as const),
      pick,
      how: FastCheck.constantFrom(...(["read", "cut", "leave", "die", "never"] as const))
    })
  },
  { weight: 2, arbitrary: FastCheck.record({ _tag: FastCheck.constant("Interrupt" as const), pick }) },
  { weight: 1, arbitrary: FastCheck.record({ _tag: FastCheck.constant("InterruptAsTurnComes" as const), pick }) }
)

interface Call {
  readonly isStream: boolean
  readonly answer: Deferred.Deferred<void, RouterError.Unavailable>
  readonly end: Deferred.Deferred<void, RouterError.Transport>
  readonly scope: Scope.CloseableScope
  readonly fiber: Fiber.RuntimeFiber<
    HttpClientResponse.HttpClientResponse,
    RouterError.Unavailable | RouterError.ConcurrencyExceeded
  >
  readonly sent: () => boolean
}

const request = HttpClientRequest.get(url)

const start = (isStream: boolean) =>
  Effect.gen(function*() {
    const answer = yield* Deferred.make<void, RouterError.Unavailable>()
    const end = yield* Deferred.make<void, RouterError.Transport>()
    const scope = yield* Scope.make()
    let sent = false
    const response = HttpClientResponse.fromWeb(request, new Response("ok"))
    const parts: StreamResponse["batches"] = Stream.concat(
      Stream.make({ bytes: new Uint8Array(1), chunks: [], complete: false }),
      Stream.drain(Stream.fromEffect(Deferred.await(end)))
    )
    const upstream = HttpClient.makeWith(
      (incoming: Effect.Effect<HttpClientRequest.HttpClientRequest>) =>
        Effect.zipRight(
          incoming,
          Effect.suspend(() => {
            sent = true
            return Effect.as(Deferred.await(answer), isStream ? new StreamResponse(response, parts) : response)
          })
        ),
      Effect.succeed
    )
    const fiber = yield* Effect.forkDaemon(
      Effect.provideService(limited(upstream).execute(request), CallScope, scope)
    )
    const call: Call = { isStream, answer, end, scope, fiber, sent: () => sent }
    return call
  })

/** Until every fiber waits for something. */
const settled = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** The model: who is under way, whose stream is open, who waits, in order. */
class Model {
  readonly active: Array<Call> = []
  readonly streams: Array<Call> = []
  readonly queue: Array<Call> = []
  readonly refused: Array<Call> = []
  constructor(readonly limit: number, readonly places: number) {}
  get inFlight() {
    return this.active.length + this.streams.length
  }
  add(call: Call) {
    const list = this.inFlight < this.limit
      ? this.active
      : this.queue.length < this.places
      ? this.queue
      : this.refused
    list.push(call)
  }
  /** Takes one out, and lets those move up for whom there is room. */
  remove(call: Call) {
    for (const list of [this.active, this.streams, this.queue]) {
      const index = list.indexOf(call)
      if (index !== -1) {
        list.splice(index, 1)
      }
    }
    while (this.queue.length > 0 && this.inFlight < this.limit) {
      this.active.push(this.queue.shift()!)
    }
  }
  hold(call: Call) {
    this.active.splice(this.active.indexOf(call), 1)
    this.streams.push(call)
  }
}

const choose = <A>(list: ReadonlyArray<A>, pick: number): A | undefined => list[pick % Math.max(1, list.length)]

const perform = (model: Model, command: Command) =>
  Effect.gen(function*() {
    switch (command._tag) {
      case "Start": {
        const call = yield* start(command.isStream)
        yield* settled
        return model.add(call)
      }
      case "Answer": {
        const call = choose(model.active, command.pick)
        if (call === undefined) {
          return
        }
        yield* Deferred.complete(
          call.answer,
          command.how === "ok" ? Effect.void : command.how === "fail" ? Effect.fail(unavailable) : Effect.die("defect")
        )
        return command.how === "ok" && call.isStream ? model.hold(call) : model.remove(call)
      }
      case "End": {
        const call = choose(model.streams, command.pick)
        if (call === undefined) {
          return
        }
        const response = yield* Fiber.join(call.fiber)
        const batches = isStreamResponse(response) ? response.batches : assert.fail("it is no stream")
        switch (command.how) {
          case "read":
            yield* Deferred.succeed(call.end, undefined)
            yield* Stream.runDrain(batches)
            break
          case "cut":
            yield* Deferred.fail(call.end, new RouterError.Transport({ stage: "exchange" }))
            yield* Effect.exit(Stream.runDrain(batches))
            break
          case "leave":
            yield* Stream.runHead(batches)
            break
          case "die":
            yield* Effect.exit(Stream.runForEach(batches, () => Effect.die("defect")))
        }
        // the call is over in any case, once more after its stream
        yield* Scope.close(call.scope, Exit.void)
        return model.remove(call)
      }
      case "Interrupt": {
        const call = choose([...model.queue, ...model.active], command.pick)
        if (call === undefined) {
          return
        }
        yield* Fiber.interrupt(call.fiber)
        return model.remove(call)
      }
      case "InterruptAsTurnComes": {
        const over = choose(model.active, command.pick)
        const [next] = model.queue
        if (over === undefined || over.isStream || next === undefined) {
          return
        }
        over.fiber.addObserver(() => next.fiber.unsafeInterruptAsFork(over.fiber.id()))
        yield* Deferred.succeed(over.answer, undefined)
        model.remove(over)
        return model.remove(next)
      }
    }
  })

describe("Concurrency laws", () => {
  it.live.prop(
    "L48, L49: what is under way and who waits is what the model says, and every permit comes back",
    {
      limit: FastCheck.integer({ min: 1, max: 4 }),
      queue: FastCheck.nat(4),
      script: FastCheck.array(commands, { maxLength: 60, size: "max" })
    },
    ({ limit, queue, script }) =>
      Effect.gen(function*() {
        const model = new Model(limit, queue)
        for (const command of script) {
          yield* perform(model, command)
          yield* settled
          const [load] = yield* Concurrency.snapshot
          assert.deepStrictEqual(
            [load?.inFlight ?? 0, load?.queued ?? 0, model.inFlight <= limit],
            [model.inFlight, model.queue.length, true]
          )
          assert.isTrue(model.active.every((call) => call.sent()), "one whose turn has come was not sent")
          assert.isFalse(model.queue.some((call) => call.sent()), "one that waits was sent")
        }
        for (const call of model.refused) {
          assert.strictEqual(outcome(yield* Fiber.await(call.fiber)), "ConcurrencyExceeded")
          assert.isFalse(call.sent())
        }
        yield* Effect.forEach([...model.queue, ...model.active], (call) => Fiber.interrupt(call.fiber))
        yield* Effect.forEach(model.streams, (call) => Scope.close(call.scope, Exit.void))
        assert.deepStrictEqual((yield* loadOf("p/m")) ?? [0, 0], [0, 0])
      }).pipe(withLimit(limit, queue)),
    { fastCheck: { numRuns: 1000 } }
  )
})
