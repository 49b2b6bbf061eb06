import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { CallScope } from "../../src/internal/callScope.js"
import * as Attempts from "../../src/policy/Attempts.js"
import * as Concurrency from "../../src/policy/Concurrency.js"
import * as Hedge from "../../src/policy/Hedge.js"
import * as Retry from "../../src/policy/Retry.js"
import * as RetryBudget from "../../src/policy/RetryBudget.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as Route from "../../src/Route.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as Settle from "../../src/wire/Settle.js"
import { isStreamResponse } from "../../src/wire/StreamResponse.js"
import { chat, closesInTime, drain, inTime, transports } from "../support/live.js"
import {
  after,
  type Answer,
  failing,
  ok,
  outcome,
  scripted,
  simulate,
  timed,
  withinTheHour
} from "../support/scripted.js"

const url = Testing.baseUrl("p")

const unavailable = new RouterError.Unavailable({ status: 503 })
const overloaded = new RouterError.Overloaded({ status: 529 })
const invalid = new RouterError.InvalidRequest({ status: 400 })

type Tagged = { readonly _tag: string }

const named = (name: string): Answer => (request) =>
  Effect.map(ok(request), (response) => Object.assign(response, { name }))

const nameOf = (response: HttpClientResponse.HttpClientResponse): string =>
  "name" in response && typeof response.name === "string" ? response.name : "nobody"

/** How a hedged call ended, how long it took, and when the two were asked. */
const trace = (primary: Answer<Tagged>, backup: Answer<Tagged>, options: Hedge.Options = { after: "1 second" }) =>
  Effect.gen(function*() {
    const [first, second] = [scripted(primary), scripted(backup)]
    const call = first.client.pipe(Hedge.withHedge(second.client, options)).get(url)
    const start = yield* Clock.currentTimeMillis
    const [exit, millis] = yield* withinTheHour(timed(call))
    const since = (times: ReadonlyArray<number>) => times.map((time) => time - start)
    return {
      exit: outcome(Exit.map(exit, nameOf)),
      millis,
      first: since(first.startedAt),
      second: since(second.startedAt)
    }
  })

describe("Hedge.withHedge", () => {
  it.effect("an answer that comes in time is the only one that is asked for", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* trace(after("999 millis", named("primary")), named("backup")),
        { exit: "primary", millis: 999, first: [0], second: [] }
      )
    }))

  it.effect("one that is late is asked for elsewhere too, and whoever is first wins", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* trace(after("1 minute", named("primary")), after("300 millis", named("backup"))),
        { exit: "backup", millis: 1300, first: [0], second: [1000] }
      )
    }))

  it.effect("the one that was late may still win", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* trace(after("1200 millis", named("primary")), after("300 millis", named("backup"))),
        { exit: "primary", millis: 1200, first: [0], second: [1000] }
      )
    }))

  it.effect("a failure that another target may mend asks it at once", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* trace(after("100 millis", failing(unavailable)), after("300 millis", named("backup"))),
        { exit: "backup", millis: 400, first: [0], second: [100] }
      )
    }))

  it.effect("a failure that no other target mends is passed on at once", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* trace(after("100 millis", failing(invalid)), named("backup")),
        { exit: "InvalidRequest", millis: 100, first: [0], second: [] }
      )
      const mine = yield* trace(failing({ _tag: "Mine" }), named("backup"))
      assert.deepStrictEqual([mine.exit, mine.second], ["Mine", []])
    }))

  it.effect("when one fails while the other is under way, the other is waited for", () =>
    Effect.gen(function*() {
      for (const error of [unavailable, invalid]) {
        assert.deepStrictEqual(
          yield* trace(after("1100 millis", failing(error)), after("1 second", named("backup"))),
          { exit: "backup", millis: 2000, first: [0], second: [1000] }
        )
        assert.deepStrictEqual(
          yield* trace(after("2 seconds", named("primary")), failing(error)),
          { exit: "primary", millis: 2000, first: [0], second: [1000] }
        )
      }
    }))

  it.effect("when both fail, the error is that of the first, whichever fails last", () =>
    Effect.gen(function*() {
      const millis = [100, 1100, 3000]
      const runs = yield* Effect.forEach(millis, (millis) =>
        trace(after(millis, failing(unavailable)), after("1 second", failing(overloaded))))
      assert.deepStrictEqual(runs.map((run) => [run.exit, run.millis]), [
        ["Unavailable", 1100],
        ["Unavailable", 2000],
        ["Unavailable", 3000]
      ])
    }))

  it.effect("a defect ends it, whoever has it", () =>
    Effect.gen(function*() {
      const defect: Answer = () => Effect.dieMessage("defect")
      const early = yield* trace(after("100 millis", defect), named("backup"))
      assert.deepStrictEqual([early.exit, early.millis, early.second], ["defect", 100, []])
      const first = yield* trace(after("1100 millis", defect), after("1 hour", named("backup")))
      assert.deepStrictEqual([first.exit, first.millis], ["defect", 1100])
      const second = yield* trace(after("30 minutes", named("primary")), after("200 millis", defect))
      assert.deepStrictEqual([second.exit, second.millis], ["defect", 1200])
    }))

  it.effect("infinity turns it off", () =>
    Effect.gen(function*() {
      const { client } = scripted(ok)
      assert.strictEqual(Hedge.withHedge(client, scripted(ok).client, { after: Duration.infinity }), client)
      assert.strictEqual(Hedge.withHedge(client, scripted(ok).client, { after: Infinity }), client)
    }))

  it("after is a duration above 0", () => {
    const { client } = scripted(ok)
    for (const wrong of [0, -1, NaN, "0 seconds"] as const) {
      const error = Either.getOrThrow(
        Either.flip(Either.try(() => client.pipe(Hedge.withHedge(client, { after: wrong }))))
      )
      assert.strictEqual(error instanceof RouterError.InvalidRequest && error.issues[0]?.path, "after")
    }
  })

  it.effect("what the winner has set for its fiber is set for the caller", () =>
    Effect.gen(function*() {
      const ref = FiberRef.unsafeMake("nothing")
      const setting = (name: string): Answer => (request) => Effect.zipRight(FiberRef.set(ref, name), ok(request))
      const call = (primary: Answer, backup: Answer) =>
        scripted(primary).client.pipe(Hedge.withHedge(scripted(backup).client, { after: "1 second" })).get(url)
      yield* call(setting("primary"), ok)
      assert.strictEqual(yield* FiberRef.get(ref), "primary")
      const fiber = yield* Effect.fork(Effect.zipRight(
        call(after("1 hour", setting("primary")), setting("backup")),
        FiberRef.get(ref)
      ))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "backup")
    }))
})

/** Two scripted upstreams, hedged after a second. */
const upstreams = (primary: Testing.Answer, backup: Testing.Answer) =>
  Effect.map(Testing.makeTransport({ primary, backup }), ({ client, ...log }) => {
    const at = (provider: string) =>
      client.pipe(
        HttpClient.mapRequest(HttpClientRequest.setUrl(`${Testing.baseUrl(provider)}/chat/completions`)),
        Settle.settle({ target: `${provider}/m` }),
        Attempts.withAttempt(`${provider}/m`)
      )
    const aborted = Effect.map(log.calls, (calls) => calls.map((call) => [call.target, call.abortedAtMillis] as const))
    return { ...log, aborted, at, hedged: at("primary").pipe(Hedge.withHedge(at("backup"), { after: "1 second" })) }
  })

const plain = HttpClientRequest.post(url)
const streamed = HttpClientRequest.accept(plain, "text/event-stream")

const textOf = (response: HttpClientResponse.HttpClientResponse) =>
  isStreamResponse(response)
    ? Stream.runFold(response.chunks, "", (text, { choices }) => text + (choices[0]?.delta.content ?? ""))
    : assert.fail("it is no stream")

describe("Hedge and the one that loses", () => {
  it.effect("is closed before the answer is there, whichever it is", () =>
    Effect.gen(function*() {
      const hi = Testing.completion("Hi")
      for (
        const [primary, backup, lost, millis] of [
          [Testing.hang, hi, "primary", 1000],
          [Testing.delayed(hi, "2 seconds"), Testing.hang, "backup", 2000]
        ] as const
      ) {
        const { aborted, hedged, open } = yield* upstreams(primary, backup)
        const start = yield* Clock.currentTimeMillis
        yield* withinTheHour(Effect.zipRight(
          hedged.execute(plain),
          Effect.gen(function*() {
            assert.strictEqual(yield* open, 0)
            assert.deepStrictEqual(
              (yield* aborted).map(([target, at]) => [target, at === undefined ? at : at - start]),
              [["primary", lost === "primary" ? millis : undefined], ["backup", lost === "backup" ? millis : undefined]]
            )
          })
        ))
      }
    }))

  it.effect("its finalizers are waited for", () =>
    Effect.gen(function*() {
      const slowly: Answer = () => Effect.onInterrupt(Effect.never, () => Effect.sleep("5 seconds"))
      const { exit, millis } = yield* trace(slowly, named("backup"))
      assert.deepStrictEqual([exit, millis], ["backup", 6000])
    }))

  it.effect("a stream that wins is read to its end, long after", () =>
    Effect.gen(function*() {
      const slow = Testing.stream(["a", "b", "c"], { between: "10 seconds" })
      const { aborted, hedged, open } = yield* upstreams(Testing.stream(["x"], { between: "1 minute" }), slow)
      const fiber = yield* Effect.fork(Effect.flatMap(hedged.execute(streamed), textOf))
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual([yield* aborted, yield* open], [[["primary", 11_000], ["backup", undefined]], 1])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual([yield* Fiber.join(fiber), yield* open], ["abc", 0])
    }))

  /** Both have their answer at the same moment, so that both have one when somebody looks. */
  const atOnce = <E, R>(first: HttpClient.HttpClient.With<E, R>, second: HttpClient.HttpClient.With<E, R>) =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const gated = (client: HttpClient.HttpClient.With<E, R>) =>
        HttpClient.makeWith(
          (request: Effect.Effect<HttpClientRequest.HttpClientRequest>) =>
            Effect.zipLeft(Effect.flatMap(request, client.execute), Deferred.await(gate)),
          Effect.succeed
        )
      return { gate, hedged: gated(first).pipe(Hedge.withHedge(gated(second), { after: "1 second" })) }
    })

  it.effect("a stream that has its first content too is closed, and its permit is there again", () =>
    Effect.gen(function*() {
      const stall = Testing.stream(["a", "b"], { cut: { after: 2, how: "stall" } })
      const { aborted, at, open } = yield* upstreams(stall, stall)
      const limited = (name: string) => at(name).pipe(Concurrency.withConcurrency(name))
      const { gate, hedged } = yield* atOnce(limited("primary"), limited("backup"))
      const recorder = Route.makeRecorder()
      const fiber = yield* Effect.fork(Effect.provideService(hedged.execute(streamed), Route.CurrentRecorder, recorder))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* open, 2)
      yield* Deferred.succeed(gate, undefined)
      const response = yield* Fiber.join(fiber)
      assert.deepStrictEqual([yield* aborted, yield* open], [[["primary", undefined], ["backup", 2000]], 1])
      assert.deepStrictEqual(
        (yield* Concurrency.snapshot).map(({ inFlight, target }) => [target, inFlight]),
        [["primary", 1], ["backup", 0]]
      )
      assert.strictEqual(recorder.served, "primary/m")
      const [first] = yield* isStreamResponse(response)
        ? Stream.runCollect(Stream.take(response.chunks, 2))
        : assert.fail("it is no stream")
      assert.strictEqual(first?.choices[0]?.delta.role, "assistant")
      assert.strictEqual(yield* open, 0)
    }).pipe(Effect.provide(Concurrency.layer({ limit: 1 }))))

  it.effect("a response whose body is still to be read is closed", () =>
    Effect.gen(function*() {
      const slow = Testing.raw({ chunks: ["a", "b"], between: "1 minute", end: "stall" })
      const { calls, client, open } = yield* Testing.makeTransport({ "*": slow })
      const { gate, hedged } = yield* atOnce(client, client)
      const fiber = yield* Effect.fork(hedged.get(url))
      yield* TestClock.adjust("2 seconds")
      yield* Deferred.succeed(gate, undefined)
      const response = yield* Fiber.join(fiber)
      assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [undefined, 2000])
      yield* Stream.runHead(response.stream)
      assert.strictEqual(yield* open, 0)
    }))

  it.effect("so is that of an error answer", () =>
    Effect.gen(function*() {
      const [bad, good] = [
        Testing.raw({ status: 503, chunks: ["a", "b"], between: "1 minute", end: "stall" }),
        Testing.completion("Hi", { delay: "3 seconds" })
      ]
      for (const [first, second] of [[bad, good], [good, bad]] as const) {
        const { client, open } = yield* Testing.makeTransport({ first, second })
        const at = (name: string) =>
          client.pipe(
            HttpClient.mapRequest(HttpClientRequest.setUrl(Testing.baseUrl(name))),
            HttpClient.filterStatusOk
          )
        const call = at("first").pipe(Hedge.withHedge(at("second"), { after: "1 second" })).get(url)
        const fiber = yield* Effect.fork(Effect.flatMap(call, (response) => response.text))
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(fiber)
        assert.strictEqual(yield* open, 0)
      }
    }))

  it.effect("when both fail, the answer of the backup is closed, and that of the first can be read", () =>
    Effect.gen(function*() {
      const bad = Testing.raw({ status: 503, chunks: ["a", "b"], between: "1 minute", end: "stall" })
      const { calls, client, open } = yield* Testing.makeTransport({ "*": bad })
      const failing = HttpClient.filterStatusOk(client)
      const error = yield* Effect.flip(failing.pipe(Hedge.withHedge(failing, { after: "1 second" })).get(url))
      const start = yield* Clock.currentTimeMillis
      assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [undefined, start])
      const first = yield* error._tag === "ResponseError" ? Stream.runHead(error.response.stream) : Effect.fail(error)
      assert.strictEqual(new TextDecoder().decode(Option.getOrUndefined(first)), "a")
      assert.strictEqual(yield* open, 0)
    }))

  it.effect("the scope of the call closes the winner, when nobody reads it", () =>
    Effect.gen(function*() {
      const stall = Testing.stream(["a"], { cut: { after: 2, how: "stall" } })
      const { hedged, open } = yield* upstreams(Testing.hang, stall)
      const scope = yield* Scope.make()
      const fiber = yield* Effect.fork(Effect.provideService(hedged.execute(streamed), CallScope, scope))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(yield* open, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* open, 0)
    }))
})

describe("Hedge and the record of the call", () => {
  const recorded = (primary: Testing.Answer, backup: Testing.Answer, waitMillis = 0) =>
    Effect.gen(function*() {
      const { hedged } = yield* upstreams(primary, backup)
      const recorder = Route.makeRecorder()
      recorder.waitMillis = waitMillis
      yield* withinTheHour(Effect.exit(Effect.provideService(hedged.execute(plain), Route.CurrentRecorder, recorder)))
      const { attempts, served } = Route.snapshot(recorder)
      return {
        served,
        attempts: attempts.map(({ durationMillis, outcome, target, waitMillis }) =>
          [target, outcome, durationMillis, waitMillis] as const
        )
      }
    })

  it.effect("each side notes its attempts, in the order in which they began, and the winner has served", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* recorded(Testing.hang, Testing.completion("Hi"), 70), {
        served: "backup/m",
        attempts: [["primary/m", "interrupted", 1000, 70], ["backup/m", "success", 0, 0]]
      })
      assert.deepStrictEqual(yield* recorded(Testing.completion("Hi", { delay: "3 seconds" }), Testing.hang), {
        served: "primary/m",
        attempts: [["primary/m", "success", 3000, 0], ["backup/m", "interrupted", 2000, 0]]
      })
      assert.deepStrictEqual(yield* recorded(Testing.status(503, { delay: "3 seconds" }), Testing.status(529)), {
        served: undefined,
        attempts: [["primary/m", "Unavailable", 3000, 0], ["backup/m", "Overloaded", 0, 0]]
      })
    }))

  it.effect("one that was interrupted has its attempts too", () =>
    Effect.gen(function*() {
      const { hedged } = yield* upstreams(Testing.hang, Testing.hang)
      const recorder = Route.makeRecorder()
      const fiber = yield* Effect.fork(Effect.provideService(hedged.execute(plain), Route.CurrentRecorder, recorder))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(
        recorder.attempts.map(({ outcome, target }) => [target, outcome]),
        [["primary/m", "interrupted"], ["backup/m", "interrupted"]]
      )
    }))
})

describe("Hedge, budget and deadline", () => {
  const budgeted = (primary: Answer<Tagged>, backup: Answer<Tagged>) => {
    const [first, second] = [scripted(primary), scripted(backup)]
    const call = first.client.pipe(
      Hedge.withHedge(second.client, { after: "1 second" }),
      RetryBudget.withRetryBudget("p/m")
    ).get(url)
    return { call, asked: () => second.startedAt.length }
  }

  const balance = Effect.map(RetryBudget.snapshot, ([one]) => one?.balance)

  const withBudget = (burst: number) =>
    Effect.provide(RetryBudget.layer({ burst, tokensPerSecond: 0, tokensPerSuccess: 0 }))

  it.effect("each request to the backup takes a token, and without one there is none", () =>
    Effect.gen(function*() {
      const slow = budgeted(after("3 seconds", named("primary")), after("1 second", named("backup")))
      const run = Effect.map(withinTheHour(timed(slow.call)), ([exit, millis]) => [
        outcome(Exit.map(exit, nameOf)),
        millis
      ])
      assert.deepStrictEqual([yield* run, yield* balance], [["backup", 2000], 1])
      assert.deepStrictEqual([yield* run, yield* balance], [["backup", 2000], 0])
      assert.deepStrictEqual([yield* run, yield* balance], [["primary", 3000], 0])
      assert.strictEqual(slow.asked(), 2)
    }).pipe(withBudget(2)))

  it.effect("an answer in time costs nothing", () =>
    Effect.gen(function*() {
      yield* budgeted(ok, ok).call
      yield* Effect.exit(budgeted(failing(invalid), ok).call)
      assert.strictEqual(yield* balance, 2)
    }).pipe(withBudget(2)))

  it.effect("a failure that nothing is left for says so; one that came late does not", () =>
    Effect.gen(function*() {
      const flagged = (answer: Answer<RouterError.Unavailable>) => {
        const { asked, call } = budgeted(answer, named("backup"))
        return Effect.map(
          withinTheHour(Effect.flip(call)),
          (error) => ["retryBudgetExhausted" in error && error.retryBudgetExhausted, asked()]
        )
      }
      assert.deepStrictEqual(yield* flagged(failing(unavailable)), [true, 0])
      assert.deepStrictEqual((yield* flagged(after("2 seconds", failing(unavailable))))[1], 0)
      assert.isNotTrue((yield* flagged(after("2 seconds", failing(unavailable))))[0])
    }).pipe(withBudget(0)))

  it.effect("a backup that is not sent takes no token, and gives it back at once", () =>
    Effect.gen(function*() {
      const open = failing(new RouterError.BreakerOpen({ retryAfter: Duration.seconds(5) }))
      const slow = budgeted(after("5 seconds", ok), open)
      const fiber = yield* Effect.fork(slow.call)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([slow.asked(), yield* balance], [1, 2])
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      assert.strictEqual(yield* Effect.flip(budgeted(failing(unavailable), open).call), unavailable)
      assert.strictEqual(yield* balance, 2)
    }).pipe(withBudget(2)))

  it.effect("a retry around it pays from the same bucket", () =>
    Effect.gen(function*() {
      const [first, second] = [scripted(failing(unavailable)), scripted(failing(unavailable))]
      const call = first.client.pipe(
        Hedge.withHedge(second.client, { after: "1 second" }),
        Retry.withRetry({ count: 5 }),
        RetryBudget.withRetryBudget("p/m")
      ).get(url)
      yield* withinTheHour(Effect.flip(call))
      assert.deepStrictEqual([first.startedAt.length, second.startedAt.length, yield* balance], [2, 2, 0])
    }).pipe(withBudget(3)))

  it.live("nothing is sent when the deadline has come", () =>
    simulate(Effect.gen(function*() {
      const ask = (deadline: number) =>
        Effect.gen(function*() {
          const [first, second] = [scripted(after("500 millis", failing(unavailable))), scripted(named("backup"))]
          const call = first.client.pipe(
            Hedge.withHedge(second.client, { after: "1 second" }),
            Timeout.withDeadline(deadline)
          ).get(url)
          return [outcome(Exit.map(yield* Effect.exit(call), ({ status }) => status)), second.startedAt.length]
        })
      assert.deepStrictEqual(yield* ask(500.5), ["Unavailable", 0])
      assert.deepStrictEqual(yield* ask(501), [200, 1])
    })))
})

/** What a side does: when it is done, and with what. */
interface Behaviour {
  readonly millis: number
  readonly end: "ok" | "mendable" | "fatal" | "die"
}

const behaviours: FastCheck.Arbitrary<Behaviour> = FastCheck.record({
  millis: FastCheck.integer({ min: 0, max: 3000 }),
  end: FastCheck.constantFrom(...(["ok", "ok", "mendable", "fatal", "die"] as const))
})

const errors = { mendable: unavailable, fatal: invalid }

interface Seen {
  readonly result: string
  readonly millis: number
  /** When the backup was asked. */
  readonly asked: number | undefined
}

/** What is to come of it. Moments are never the same for both, see below. */
const expected = (primary: Behaviour, backup: Behaviour, late: number): Seen => {
  const name = (who: string, { end }: Behaviour) => end === "ok" ? who : end === "die" ? "defect" : errors[end]._tag
  const isFinal = ({ end }: Behaviour) => end === "ok" || end === "die"
  if (primary.millis < late && primary.end !== "mendable") {
    return { result: name("primary", primary), millis: primary.millis, asked: undefined }
  }
  const asked = Math.min(primary.millis, late)
  const backupDone = asked + backup.millis
  const [firstDone, lastDone] = [Math.min(primary.millis, backupDone), Math.max(primary.millis, backupDone)]
  const isPrimaryFirst = primary.millis < backupDone
  const [first, last] = isPrimaryFirst ? [primary, backup] : [backup, primary]
  const [firstName, lastName] = isPrimaryFirst ? ["primary", "backup"] : ["backup", "primary"]
  return isFinal(first)
    ? { result: name(firstName, first), millis: firstDone, asked }
    : isFinal(last)
    ? { result: name(lastName, last), millis: lastDone, asked }
    : { result: name("primary", primary), millis: lastDone, asked }
}

describe("Hedge laws", () => {
  const runs = { fastCheck: { numRuns: 1000 } }

  /** The sides, and who of them was left under way. */
  const world = (primary: Behaviour, backup: Behaviour, late: number) => {
    const open = new Set<string>()
    const asked: Array<number> = []
    let calls = 0
    const side = (name: string, { end, millis }: Behaviour, offset: number): Answer<Tagged> => (request) =>
      Effect.gen(function*() {
        calls++
        open.add(name)
        if (name === "backup") {
          asked.push(yield* Clock.currentTimeMillis)
        }
        yield* Effect.sleep(millis + offset)
        return yield* end === "ok"
          ? named(name)(request)
          : end === "die"
          ? Effect.dieMessage("defect")
          : Effect.fail(errors[end])
      }).pipe(Effect.onExit(() => Effect.sync(() => open.delete(name))))
    const [first, second] = [
      // no two things happen at the same moment
      scripted(side("primary", primary, 0.25)),
      scripted(side("backup", backup, 0.5))
    ]
    const hedged = first.client.pipe(Hedge.withHedge(second.client, { after: late }))
    return { hedged, open, asked, calls: () => calls }
  }

  it.live.prop(
    "the result, its time and the requests are those of the model; L47: at most two are sent, and none is open then",
    { primary: behaviours, backup: behaviours, late: FastCheck.integer({ min: 1, max: 3000 }) },
    ({ backup, late, primary }) =>
      simulate(Effect.gen(function*() {
        const { asked, calls, hedged, open } = world(primary, backup, late)
        const [exit, millis] = yield* timed(hedged.get(url))
        assert.strictEqual(open.size, 0)
        const want = expected(
          { ...primary, millis: primary.millis + 0.25 },
          { ...backup, millis: backup.millis + 0.5 },
          late
        )
        assert.deepStrictEqual(
          { result: outcome(Exit.map(exit, nameOf)), millis, asked: asked[0] },
          want
        )
        assert.strictEqual(calls(), want.asked === undefined ? 1 : 2)
      })),
    runs
  )

  it.live.prop(
    "L46: what comes in time, whatever it is but a mendable failure, is as it would be without",
    { primary: behaviours.filter(({ end }) => end !== "mendable"), backup: behaviours },
    ({ backup, primary }) =>
      simulate(Effect.gen(function*() {
        const { calls, hedged } = world(primary, backup, 3001)
        const observe = (client: HttpClient.HttpClient.With<Tagged>) =>
          Effect.map(timed(client.get(url)), ([exit, millis]) => [outcome(Exit.map(exit, nameOf)), millis])
        const infinite = world(primary, backup, Infinity)
        assert.deepStrictEqual(yield* observe(hedged), yield* observe(infinite.hedged))
        assert.deepStrictEqual([calls(), infinite.calls()], [1, 1])
      })),
    runs
  )

  it.live.prop(
    "L61: an interruption at any instant closes both and is the exit, and no token is lost",
    {
      primary: behaviours,
      backup: behaviours,
      late: FastCheck.integer({ min: 1, max: 3000 }),
      millis: FastCheck.nat(4000)
    },
    ({ backup, late, millis, primary }) =>
      simulate(Effect.gen(function*() {
        const { asked, hedged, open } = world(primary, backup, late)
        const fiber = yield* Effect.fork(hedged.pipe(RetryBudget.withRetryBudget("p/m")).get(url))
        yield* Effect.sleep(millis + 0.75)
        const isDone = Option.isSome(yield* Fiber.poll(fiber))
        const exit = yield* Fiber.interrupt(fiber)
        assert.strictEqual(open.size, 0)
        assert.isTrue(isDone || Exit.isInterrupted(exit))
        const [bucket] = yield* RetryBudget.snapshot
        assert.strictEqual(bucket?.balance ?? 10, 10 - asked.length)
      })).pipe(Effect.provide(RetryBudget.layer({ tokensPerSecond: 0, tokensPerSuccess: 0 }))),
    runs
  )
})

describe("Hedge over real sockets", () => {
  for (const [name, layer] of transports) {
    for (const isStream of [false, true]) {
      const hi = isStream ? Testing.stream(["H", "i"], { between: "50 millis" }) : Testing.completion("Hi")
      // of a stream, the role preamble is there, and no content
      const slow = isStream ? Testing.stream(["x"], { cut: { after: 1, how: "stall" } }) : Testing.hang

      inTime(
        `${name}: the socket of the ${isStream ? "stream" : "request"} that loses is closed, and the winner is whole`,
        () =>
          Effect.gen(function*() {
            const server = yield* Testing.serve({ "*": [slow, hi] })
            const client = (yield* HttpClient.HttpClient).pipe(Settle.settle())
            const hedged = client.pipe(Hedge.withHedge(client, { after: "100 millis" }))
            const response = yield* hedged.execute(chat(server, isStream))
            yield* closesInTime(server, 0)
            yield* drain(response)
            assert.deepStrictEqual((yield* server.calls).map((call) => call.aborted), [true, false])
            assert.strictEqual(yield* server.open, 0)
          }).pipe(Effect.provide(layer))
      )
    }
  }
})
