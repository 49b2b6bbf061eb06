import * as Headers from "@effect/platform/Headers"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { limitStream } from "../../src/internal/limitStream.js"
import * as MemoryResponse from "../../src/internal/memoryResponse.js"
import * as Deadline from "../../src/policy/Deadline.js"
import * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as Settle from "../../src/wire/Settle.js"
import * as StreamResponse from "../../src/wire/StreamResponse.js"
import { streamed, url } from "../support/policies.js"
import {
  after,
  failing,
  ok,
  outcome,
  scripted,
  simulate,
  timed,
  VirtualClock,
  withinTheHour
} from "../support/scripted.js"

/** The clocks of a whole call: all that differs is what they fail with. */
const clocks: ReadonlyArray<
  readonly [
    name: string,
    policy: (
      limit: Duration.DurationInput
    ) => HttpPolicy.HttpPolicy<RouterError.Timeout | RouterError.DeadlineExceeded>,
    tag: string
  ]
> = [
  ["withCallTimeout", Timeout.withCallTimeout, "Timeout"],
  ["withDeadline", Timeout.withDeadline, "DeadlineExceeded"],
  // with another clock beside it, all of them are watched in another way
  ["withClocks", (limit) => Timeout.withClocks({ call: limit, idle: "1 day" }), "Timeout"]
]

/** The parts of a body that came, each with its time, and what ended it. */
const readParts = (response: HttpClientResponse.HttpClientResponse, busy: Duration.DurationInput = 0) =>
  Effect.gen(function*() {
    const parts: Array<readonly [millis: number, text: string]> = []
    const exit = yield* Effect.exit(
      response.stream.pipe(
        Stream.decodeText(),
        Stream.tap((text) => Effect.map(Clock.currentTimeMillis, (millis) => parts.push([millis, text]))),
        Stream.runForEach(() => Effect.sleep(busy))
      )
    )
    return { exit, millis: yield* Clock.currentTimeMillis, parts }
  })

for (const [name, policy, tag] of clocks) {
  describe(`Timeout.${name} before the headers`, () => {
    it.effect(`fails with ${tag} at that very moment, and aborts the request`, () =>
      Effect.gen(function*() {
        const { calls, client, open } = yield* Testing.makeTransport({ p: Testing.hang })
        const [exit, millis] = yield* withinTheHour(timed(Effect.flip(policy("2 seconds")(client).get(url))))
        assert.isTrue(Exit.isSuccess(exit))
        if (Exit.isSuccess(exit)) {
          assert.strictEqual(exit.value._tag, tag)
          assert.deepInclude(exit.value, { limit: Duration.seconds(2) })
        }
        assert.strictEqual(millis, 2000)
        assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [2000])
        assert.strictEqual(yield* open, 0)
      }))

    it.effect("an answer that is there a millisecond sooner is given", () =>
      Effect.gen(function*() {
        const { client } = scripted(after(1999, ok), after(2001, ok))
        const [exit, millis] = yield* withinTheHour(timed(policy(2000)(client).get(url)))
        assert.deepStrictEqual([Exit.isSuccess(exit), millis], [true, 1999])
        assert.strictEqual(outcome(Exit.asVoid(yield* withinTheHour(Effect.exit(policy(2000)(client).get(url))))), tag)
      }))

    it.effect("what fails sooner fails as it does", () =>
      Effect.gen(function*() {
        const { client } = scripted<{ readonly _tag: string }>(after(1000, failing({ _tag: "Mine" })), () =>
          Effect.die("a bug"), () =>
          Effect.interrupt)
        const limited = policy(2000)(client)
        const ends = yield* withinTheHour(Effect.all(Array.from({ length: 3 }, () =>
          timed(limited.get(url)))))
        assert.deepStrictEqual(
          ends.map(([exit, millis]) => [outcome(Exit.asVoid(exit)), millis]),
          [["Mine", 1000], ["defect", 0], ["interrupted", 0]]
        )
      }))

    it.effect("each call has the whole time", () =>
      Effect.gen(function*() {
        const { client } = scripted(after(1500, ok))
        const limited = policy("2 seconds")(client)
        const [exit] = yield* withinTheHour(timed(Effect.zipRight(limited.get(url), limited.get(url))))
        assert.isTrue(Exit.isSuccess(exit))
      }))
  })

  describe(`Timeout.${name} in the body of a plain response`, () => {
    const views: Readonly<
      Record<
        string,
        (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, HttpClientError.ResponseError>
      >
    > = {
      text: (response) => response.text,
      json: (response) => response.json,
      arrayBuffer: (response) => response.arrayBuffer,
      urlParamsBody: (response) => response.urlParamsBody,
      formData: (response) => response.formData,
      stream: (response) => Stream.runDrain(response.stream)
    }

    for (const [view, read] of Object.entries(views)) {
      it.effect(`${view} ends with the rest of the time, and with ${tag} as its cause`, () =>
        Effect.gen(function*() {
          const stalling = Testing.raw({ delay: 500, chunks: ["{", "}"], end: "stall", between: 100 })
          const { calls, client, open } = yield* Testing.makeTransport({ p: stalling })
          const [exit, millis] = yield* withinTheHour(
            timed(Effect.flatMap(policy("2 seconds")(client).get(url), (response) => Effect.flip(read(response))))
          )
          assert.isTrue(Exit.isSuccess(exit))
          if (Exit.isSuccess(exit) && exit.value._tag === "ResponseError") {
            assert.strictEqual(exit.value.reason, "Decode")
            assert.isTrue(RouterError.isRouterError(exit.value.cause) && exit.value.cause._tag === tag)
          }
          assert.strictEqual(millis, 2000)
          assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [2000])
          assert.strictEqual(yield* open, 0)
        }))
    }

    it.effect("a body in time is the body", () =>
      Effect.gen(function*() {
        const json = Testing.raw({ chunks: ["{\"a\":", "1}"], between: 100 })
        const { client, open } = yield* Testing.makeTransport({
          p: [json, json, json, json, Testing.raw({ body: "a=1&b=2" })]
        })
        const limited = policy("2 seconds")(client)
        const seen = yield* withinTheHour(Effect.gen(function*() {
          return [
            yield* Effect.flatMap(limited.get(url), (response) => response.text),
            yield* Effect.flatMap(limited.get(url), (response) => response.json),
            (yield* Effect.flatMap(limited.get(url), (response) => response.arrayBuffer)).byteLength,
            yield* Effect.flatMap(limited.get(url), (response) => Stream.runCount(response.stream)),
            UrlParams.toRecord(yield* Effect.flatMap(limited.get(url), (response) => response.urlParamsBody))
          ]
        }))
        assert.deepStrictEqual(seen, ["{\"a\":1}", { a: 1 }, 7, 2, { a: "1", b: "2" }])
        assert.strictEqual(yield* open, 0)
      }))

    it.effect("the rest of the response is that of the response", () =>
      Effect.gen(function*() {
        const { client } = yield* Testing.makeTransport({
          p: Testing.raw({ status: 201, headers: { "X-Id": "7", "set-cookie": "a=1" }, body: "x" })
        })
        const response = yield* policy("2 seconds")(client).get(url)
        assert.isTrue(HttpClientResponse.TypeId in response)
        assert.strictEqual(response.status, 201)
        assert.strictEqual(Headers.get(response.headers, "x-id")._tag, "Some")
        assert.deepStrictEqual(Object.keys(response.cookies.cookies), ["a"])
        assert.strictEqual(response.request.url, url)
        assert.strictEqual(response.remoteAddress._tag, "None")
        assert.deepStrictEqual(response.toJSON(), { _id: "@effect/platform/HttpClientResponse", status: 201 })
      }))

    it.effect("a body that was read in time can be asked for again after it", () =>
      Effect.gen(function*() {
        const { client } = yield* Testing.makeTransport({ p: Testing.raw({ body: "hello" }) })
        const response = yield* policy("2 seconds")(client).get(url)
        assert.strictEqual(yield* response.text, "hello")
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* response.text, "hello")
      }))

    it.effect("a body that ran out of time says so again and again", () =>
      Effect.gen(function*() {
        const never = scripted((request) =>
          Effect.succeed(HttpClientResponse.fromWeb(request, new Response(new ReadableStream())))
        )
        const response = yield* policy("2 seconds")(never.client).get(url)
        for (const read of [response.text, response.text, response.json, Stream.runDrain(response.stream)]) {
          const error = yield* withinTheHour(Effect.flip(read))
          assert.isTrue(RouterError.isRouterError(error.cause) && error.cause._tag === tag)
        }
      }))

    for (const [view, read] of Object.entries(views)) {
      it.effect(`${view} is not begun to be read after the time is up, and what it holds is closed`, () =>
        Effect.gen(function*() {
          const { client, open } = yield* Testing.makeTransport({
            p: Testing.raw({ chunks: ["{", "}"], end: "stall" })
          })
          const response = yield* policy("2 seconds")(client).get(url)
          yield* TestClock.adjust("3 seconds")
          const [exit, millis] = yield* withinTheHour(timed(Effect.flip(read(response))))
          assert.isTrue(Exit.isSuccess(exit) && RouterError.isRouterError(exit.value.cause))
          assert.strictEqual(millis, 0)
          assert.strictEqual(yield* open, 0)
        }))
    }
  })

  describe(`Timeout.${name} in a stream`, () => {
    const drip = Testing.raw({ chunks: ["a", "b", "c", "d"], between: "800 millis", end: "stall" })

    it.effect("whose consumer waits", () =>
      Effect.gen(function*() {
        const { calls, client } = yield* Testing.makeTransport({ p: drip })
        const read = yield* withinTheHour(Effect.flatMap(policy("2 seconds")(client).get(url), (_) => readParts(_)))
        assert.deepStrictEqual(read.parts, [[0, "a"], [800, "b"], [1600, "c"]])
        assert.strictEqual(read.millis, 2000)
        assert.isTrue(Exit.isFailure(read.exit) && Cause.isFailure(read.exit.cause))
        assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [2000])
      }))

    it.effect("whose consumer is busy: the upstream is closed in time, the consumer hears of it when it asks", () =>
      Effect.gen(function*() {
        const { calls, client, open } = yield* Testing.makeTransport({ p: drip })
        const fiber = yield* Effect.fork(
          Effect.flatMap(policy("2 seconds")(client).get(url), (response) => readParts(response, "1 minute"))
        )
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual(yield* open, 0)
        assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [2000])
        yield* TestClock.adjust("1 hour")
        const read = yield* Fiber.join(fiber)
        assert.deepStrictEqual([read.parts, read.millis], [[[0, "a"]], 60_000])
        assert.isTrue(Exit.isFailure(read.exit))
      }))

    it.effect("of chat chunks: it is the error itself, in the middle of the stream", () =>
      Effect.gen(function*() {
        const { calls, client, open } = yield* Testing.makeTransport({
          p: Testing.stream(["Hel", "lo", " you"], { between: "500 millis", cut: { after: 4, how: "stall" } })
        })
        const fiber = yield* Effect.fork(policy("2 seconds")(Settle.settle()(client)).execute(streamed))
        yield* TestClock.adjust("600 millis")
        const response = yield* Fiber.join(fiber)
        const read = yield* withinTheHour(timed(textOf(response)))
        assert.deepStrictEqual(read, [Exit.succeed(["Hello you", tag]), 1400])
        assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [2000])
        assert.strictEqual(yield* open, 0)
      }))

    it.effect("of chat chunks whose consumer is busy: the upstream is closed in time", () =>
      Effect.gen(function*() {
        const { calls, client, open } = yield* Testing.makeTransport({
          p: Testing.stream(["a", "b", "c"], { between: "1 second" })
        })
        const fiber = yield* Effect.fork(
          Effect.flatMap(
            policy("2500 millis")(Settle.settle()(client)).execute(streamed),
            (response) => textOf(response, "1 minute")
          )
        )
        yield* TestClock.adjust("2500 millis")
        assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [2500])
        assert.strictEqual(yield* open, 0)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(yield* Fiber.join(fiber), ["a", tag])
      }))

    it.effect("of chat chunks that nobody began to read: nothing is given any more, and it is closed", () =>
      Effect.gen(function*() {
        const { client, open } = yield* Testing.makeTransport({
          p: Testing.stream(["a", "b"], { cut: { after: 2, how: "stall" } })
        })
        const response = yield* policy("2 seconds")(Settle.settle()(client)).execute(streamed)
        assert.strictEqual(yield* open, 1)
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(yield* textOf(response), ["", tag])
        assert.strictEqual(yield* open, 0)
      }))
  })
}

/** A request for an event stream. */

/** The text of a stream of chunks, and what it failed with. */
const textOf = (response: HttpClientResponse.HttpClientResponse, busy: Duration.DurationInput = 0) =>
  Effect.suspend(() => {
    let text = ""
    if (!StreamResponse.isStreamResponse(response)) {
      return Effect.dieMessage("not a stream of chunks")
    }
    return response.chunks.pipe(
      Stream.runForEach((chunk) => {
        const part = chunk.choices.map((choice) => choice.delta.content ?? "").join("")
        text += part
        return Effect.sleep(part === "" ? 0 : busy)
      }),
      Effect.match({ onSuccess: () => [text, "complete"], onFailure: (error) => [text, error._tag] })
    )
  })

describe("Timeout and the other responses", () => {
  it.effect("a response that is in memory is passed on as it is", () =>
    Effect.gen(function*() {
      const responses: Array<HttpClientResponse.HttpClientResponse> = []
      const { client } = scripted((request) =>
        Effect.sync(() => {
          const response = MemoryResponse.make(request, { status: 200, headers: {}, text: Effect.succeed("hello") })
          responses.push(response)
          return response
        })
      )
      const response = yield* client.pipe(Timeout.withCallTimeout("2 seconds")).get(url)
      assert.strictEqual(response, responses[0])
    }))
})

describe("Timeout and the end of a stream", () => {
  const drip = Testing.raw({ chunks: ["a", "b", "c", "d"], between: "100 millis" })

  it.effect("parts come as they were sent, and the end is the end", () =>
    simulate(Effect.gen(function*() {
      const { client, open } = yield* Testing.makeTransport({ p: drip })
      const read = yield* Effect.flatMap(Timeout.withCallTimeout("2 seconds")(client).get(url), (_) => readParts(_))
      assert.deepStrictEqual(read, {
        exit: Exit.void,
        millis: 300,
        parts: [[0, "a"], [100, "b"], [200, "c"], [300, "d"]]
      })
      assert.strictEqual(yield* open, 0)
    })))

  it.effect("one timer serves the headers and one the whole stream, and none is left", () =>
    Effect.gen(function*() {
      const clock = new VirtualClock()
      const { client } = yield* Testing.makeTransport({
        p: Testing.raw({ chunks: Array.from({ length: 1000 }, () => "x") })
      })
      const read = Effect.flatMap(Timeout.withCallTimeout("2 seconds")(client).get(url), (response) =>
        Stream.runCount(response.stream))
      assert.strictEqual(yield* Effect.withClock(read, clock), 1000)
      assert.deepStrictEqual([clock.slept, clock.pending], [[2000, 2000], 0])
    }))

  it.effect("a consumer that has enough closes the upstream at once and stops the timer", () =>
    Effect.gen(function*() {
      const clock = new VirtualClock()
      const { calls, client, open } = yield* Testing.makeTransport({ p: drip })
      const read = Effect.flatMap(Timeout.withCallTimeout("2 seconds")(client).get(url), (response) =>
        Stream.runDrain(Stream.take(response.stream, 2)))
      yield* Effect.withClock(read, clock)
      assert.deepStrictEqual(
        (yield* calls).map((call) =>
          call.abortedAtMillis
        ),
        [100]
      )
      assert.deepStrictEqual([yield* open, clock.pending], [0, 0])
    }))

  it.effect("a body that is read in time stops the timer", () =>
    Effect.gen(function*() {
      const clock = new VirtualClock()
      const { client } = yield* Testing.makeTransport({ p: drip })
      const read = Effect.flatMap(Timeout.withCallTimeout("2 seconds")(client).get(url), (response) => response.text)
      assert.strictEqual(yield* Effect.withClock(read, clock), "abcd")
      assert.strictEqual(clock.pending, 0)
    }))

  it.effect("an interrupted consumer closes the upstream, and the exit is the interruption", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({ p: Testing.raw({ chunks: ["a"], end: "stall" }) })
      const fiber = yield* Effect.fork(
        Effect.flatMap(Timeout.withCallTimeout("2 seconds")(client).get(url), (_) => Stream.runDrain(_.stream))
      )
      yield* TestClock.adjust("1 second")
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
      assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [1000])
    }))

  it.effect("a stream that breaks fails as it does", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ p: Testing.raw({ chunks: ["a"], end: "reset" }) })
      const response = yield* Timeout.withCallTimeout("2 seconds")(client).get(url)
      const error = yield* Effect.flip(Stream.runDrain(response.stream))
      assert.isFalse(RouterError.isRouterError(error.cause))
    }))
})

describe("limitStream", () => {
  const expired = () => ({ _tag: "Expired" })

  it.effect("finalizers of the source are run once and to their end, and the consumer waits for them", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const source = Stream.unwrapScoped(Effect.gen(function*() {
        yield* Effect.addFinalizer(() => Effect.sync(() => log.push("first")))
        yield* Effect.addFinalizer(() => Effect.delay(Effect.sync(() => log.push("second")), "1 second"))
        return Stream.never
      }))
      const [exit] = yield* withinTheHour(timed(Stream.runDrain(limitStream(source, 1000, expired))))
      assert.deepStrictEqual([outcome(exit), log], ["Expired", ["second", "first"]])
    }))

  it.effect("defects and interruption of the source are its own", () =>
    Effect.gen(function*() {
      const end = (source: Stream.Stream<number>) =>
        Effect.map(Effect.exit(Stream.runDrain(limitStream(source, 1000, expired))), outcome)
      assert.strictEqual(yield* end(Stream.die("a bug")), "defect")
      assert.strictEqual(yield* end(Stream.fromEffect(Effect.interrupt)), "interrupted")
    }))

  it.effect("an element that came in time is given, also when it is asked for too late", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const source = Stream.rechunk(Stream.range(1, 3), 3)
      const read = Stream.runForEach(limitStream(source, 1000, expired), (n) =>
        Effect.delay(Effect.sync(() => seen.push(n)), "600 millis"))
      const [exit] = yield* withinTheHour(timed(read))
      // one chunk was there before the time was up; the end of the source was not asked for in time
      assert.deepStrictEqual([outcome(exit), seen], ["Expired", [1, 2, 3]])
    }))

  it.effect("an interrupted pull ends, however long that takes, before its source is closed", () =>
    simulate(Effect.gen(function*() {
      const log: Array<string> = []
      const note = (event: string) => Effect.sync(() => log.push(event))
      const source = Stream.unwrapScoped(
        Effect.as(
          Effect.addFinalizer(() => note("closed")),
          Stream.fromEffect(Effect.onInterrupt(Effect.never, () => Effect.delay(note("interrupted"), 100)))
        )
      )
      const fiber = yield* Effect.fork(Stream.runDrain(limitStream(source, 1000, expired)))
      yield* Effect.sleep(500)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(log.splice(0), ["interrupted", "closed"])
      yield* Effect.exit(Stream.runDrain(limitStream(source, 1000, expired)))
      assert.deepStrictEqual(log, ["interrupted", "closed"])
    })))

  it.effect("a source that does not notice that it was closed holds nobody up", () =>
    simulate(Effect.gen(function*() {
      const source = Stream.concat(Stream.make(1), Stream.never)
      const busy = Stream.runForEach(limitStream(source, 1000, expired), () => Effect.sleep(2000))
      const [exit, millis] = yield* timed(busy)
      assert.deepStrictEqual([outcome(exit), millis], ["Expired", 2000])
    })))

  it.effect("without any time left nothing is given, not even what is there", () =>
    simulate(Effect.gen(function*() {
      const seen: Array<number> = []
      const read = Stream.runForEach(limitStream(Stream.make(1), 0, expired), (n) => Effect.sync(() => seen.push(n)))
      const [exit, millis] = yield* timed(read)
      assert.deepStrictEqual([outcome(exit), millis, seen], ["Expired", 0, []])
    })))

  it.effect("a consumer that gives up waiting can ask again", () =>
    Effect.scoped(Effect.gen(function*() {
      const source = Stream.repeatEffect(Effect.as(Effect.sleep("300 millis"), "x"))
      const pull = yield* Stream.toPull(limitStream(source, 1000, expired))
      const seen = yield* withinTheHour(Effect.forEach([100, 400, 400, 400], (millis) =>
        Effect.match(Effect.timeoutOption(pull, millis), {
          onSuccess: (_) => _._tag,
          onFailure: () => "failed"
        })))
      assert.deepStrictEqual(seen, ["None", "Some", "Some", "Some"])
    })))

  it.effect("can be run again", () =>
    Effect.gen(function*() {
      const limited = limitStream(Stream.concat(Stream.make(1), Stream.never), 1000, expired)
      for (let run = 0; run < 2; run++) {
        const [exit, millis] = yield* withinTheHour(timed(Stream.runDrain(limited)))
        assert.deepStrictEqual([outcome(exit), millis], ["Expired", 1000])
      }
    }))
})

describe("Timeout and other policies", () => {
  it.effect("of nested clocks the nearest counts, whichever it is", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ p: Testing.hang })
      const end = (
        inner: HttpPolicy.HttpPolicy<RouterError.RouterError>,
        outer: HttpPolicy.HttpPolicy<RouterError.RouterError>
      ) =>
        Effect.map(withinTheHour(timed(client.pipe(inner, outer).get(url))), ([exit, millis]) => [
          outcome(Exit.asVoid(exit)),
          millis
        ])
      const [call, deadline] = [Timeout.withCallTimeout, Timeout.withDeadline]
      assert.deepStrictEqual(yield* end(call(1000), deadline(3000)), ["Timeout", 1000])
      assert.deepStrictEqual(yield* end(call(3000), deadline(1000)), ["DeadlineExceeded", 1000])
      assert.deepStrictEqual(yield* end(call(1000), call(3000)), ["Timeout", 1000])
      assert.deepStrictEqual(yield* end(call(3000), call(1000)), ["Timeout", 1000])
    }))

  it.effect("the nearest counts in a body too", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ p: Testing.raw({ chunks: ["a"], end: "stall" }) })
      const end = (
        inner: HttpPolicy.HttpPolicy<RouterError.RouterError>,
        outer: HttpPolicy.HttpPolicy<RouterError.RouterError>
      ) =>
        Effect.gen(function*() {
          const response = yield* client.pipe(inner, outer).get(url)
          const [exit, millis] = yield* withinTheHour(timed(Effect.flip(response.text)))
          return Exit.isSuccess(exit) && RouterError.isRouterError(exit.value.cause)
            ? [exit.value.cause._tag, millis]
            : []
        })
      const [call, deadline] = [Timeout.withCallTimeout, Timeout.withDeadline]
      assert.deepStrictEqual(yield* end(call(1000), deadline(3000)), ["Timeout", 1000])
      assert.deepStrictEqual(yield* end(call(3000), deadline(1000)), ["DeadlineExceeded", 1000])
    }))

  it.effect("inside a retry each attempt has the whole time, outside all of them share it", () =>
    Effect.gen(function*() {
      const backoff = Schedule.spaced("1 second")
      const retry = Retry.withRetry({ count: 2, backoff })
      const timeout = Timeout.withCallTimeout("2 seconds")
      const inside = yield* Testing.makeTransport({ p: Testing.hang })
      yield* withinTheHour(Effect.exit(inside.client.pipe(timeout, retry).get(url)))
      assert.deepStrictEqual(
        (yield* inside.calls).map((call) => [call.startedAtMillis, call.abortedAtMillis]),
        [[0, 2000], [3000, 5000], [6000, 8000]]
      )
      const outside = yield* Testing.makeTransport({ p: Testing.refuse })
      const [exit, millis] = yield* withinTheHour(timed(outside.client.pipe(retry, timeout).get(url)))
      assert.deepStrictEqual([outcome(Exit.asVoid(exit)), millis, (yield* outside.calls).length], [
        "RequestError",
        1000,
        2
      ])
    }))

  it.effect("a value serves many calls at once, each with its own time", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({ p: Testing.hang })
      const limited = client.pipe(Timeout.withCallTimeout("2 seconds"))
      const call = Effect.exit(limited.get(url))
      yield* withinTheHour(Effect.all([call, Effect.delay(call, "1 second")], { concurrency: "unbounded" }))
      assert.deepStrictEqual((yield* calls).map((_) => _.abortedAtMillis), [2000, 3000])
    }))

  it.effect("what the call changes in a fiber ref is seen after it, joined as the ref says", () =>
    Effect.gen(function*() {
      for (const policy of [Timeout.withCallTimeout, Timeout.withDeadline]) {
        const plain = yield* FiberRef.make("before")
        const total = yield* FiberRef.make(5, { fork: () => 0, join: (outer, inner) => outer + inner })
        const during = (change: Effect.Effect<void>) => {
          const { client } = scripted((request) => Effect.zipRight(change, ok(request)))
          return policy("2 seconds")(client).get(url)
        }
        // to the value that the caller has, and still a change: it is what the call has added to its own 0
        yield* during(FiberRef.set(total, 5))
        assert.strictEqual(yield* FiberRef.get(total), 10)
        yield* during(FiberRef.set(plain, "after"))
        assert.strictEqual(yield* FiberRef.get(plain), "after")
      }
    }).pipe(Effect.scoped))

  it.effect("infinity is off: the policy that changes nothing", () =>
    Effect.gen(function*() {
      for (const policy of [Timeout.withCallTimeout, Timeout.withDeadline]) {
        assert.strictEqual(policy(Duration.infinity), HttpPolicy.identity)
        assert.strictEqual(policy(Infinity), HttpPolicy.identity)
      }
      const { client } = scripted(() => Effect.flatMap(Deadline.remainingMillis, (_) => Effect.fail({ _tag: `${_}` })))
      assert.strictEqual((yield* Effect.flip(client.pipe(Timeout.withCallTimeout(Infinity)).get(url)))._tag, "Infinity")
    }))

  it("a limit is a duration above 0, and the error names it", () => {
    for (const [name, policy] of clocks) {
      const field = name === "withClocks" ? "call:" : "duration:"
      const wrong = [0, -1, Number.NaN, -Infinity, Duration.zero, "0 seconds", "-5 seconds", JSON.parse("{}")] as const
      for (const limit of wrong) {
        assert.throws(() => policy(limit), RouterError.InvalidRequest, field, `${limit}`)
      }
      assert.doesNotThrow(() => policy("1 millis"))
      assert.doesNotThrow(() => policy(Duration.nanos(1n)))
    }
  })
})

/** An upstream: when its headers come, the gaps between the parts of its body, and how it ends. */
interface Upstream {
  readonly delay: number
  readonly between: number
  readonly chunks: ReadonlyArray<string>
  readonly end: "complete" | "reset" | "stall" | "hang" | "refuse"
}

const upstreams = FastCheck.record<Upstream>({
  delay: FastCheck.integer({ min: 0, max: 1000 }),
  between: FastCheck.integer({ min: 0, max: 500 }),
  chunks: FastCheck.array(FastCheck.constantFrom("a", "bc", "def"), { maxLength: 5 }),
  end: FastCheck.constantFrom("complete", "complete", "reset", "stall", "hang", "refuse")
})

const reads = FastCheck.constantFrom("text", "stream")

/** Between two milliseconds, so that nothing comes at the very moment at which a clock strikes. */
const limits = FastCheck.integer({ min: 0, max: 3000 }).map((millis) => millis + 0.5)

const answerOf = ({ end, ...options }: Upstream): Testing.Answer =>
  end === "hang"
    ? Testing.hang
    : end === "refuse"
    ? Testing.delayed(Testing.refuse, options.delay)
    : Testing.raw({ ...options, end })

/** The exit of a call with its body, the time it took, and what became of the request. A call that takes an hour is left. */
const observe = (upstream: Upstream, policy: HttpPolicy.HttpPolicy<RouterError.RouterError>, how: string) =>
  simulate(Effect.gen(function*() {
    const { calls, client, open } = yield* Testing.makeTransport({ p: answerOf(upstream) })
    const body = Effect.flatMap(
      policy(client).get(url),
      (response) => how === "text" ? response.text : Stream.mkString(Stream.decodeText(response.stream))
    )
    const tagged = Effect.mapError(
      body,
      (error) => error._tag === "ResponseError" && RouterError.isRouterError(error.cause) ? error.cause : error
    )
    const [exit, millis] = yield* timed(Effect.timeoutOption(tagged, "1 hour"))
    const end = Exit.match(exit, {
      onSuccess: (text) => text._tag === "Some" ? { text: text.value } : { left: true },
      onFailure: Cause.match<object, RouterError.RouterError | HttpClientError.HttpClientError>({
        onEmpty: {},
        onFail: (error) => error._tag === "Timeout" ? { limit: Duration.toMillis(error.limit) } : { tag: error._tag },
        onDie: (defect) => ({ defect }),
        onInterrupt: () => ({ interrupted: true }),
        onSequential: (left) => ({ left }),
        onParallel: (left) => ({ left })
      })
    })
    return { end, millis, aborted: (yield* calls).map((call) => call.abortedAtMillis), open: yield* open }
  }))

describe("Timeout laws", () => {
  const runs = { fastCheck: { numRuns: 1000 }, timeout: 60_000 }
  const timeout = Timeout.withCallTimeout

  it.live.prop(
    "L13: a timeout that never comes changes nothing",
    { upstream: upstreams, how: reads },
    ({ how, upstream }) =>
      Effect.gen(function*() {
        const without = yield* observe(upstream, HttpPolicy.identity, how)
        assert.deepStrictEqual(yield* observe(upstream, timeout(Infinity), how), without)
        assert.deepStrictEqual(yield* observe(upstream, timeout("2 hours"), how), without)
      }),
    runs
  )

  it.live.prop(
    "L14: what succeeds succeeds in the same way with more time",
    { upstream: upstreams, how: reads, limit: limits, more: FastCheck.nat(3000) },
    ({ how, limit, more, upstream }) =>
      Effect.gen(function*() {
        const seen = yield* observe(upstream, timeout(limit), how)
        if ("text" in seen.end) {
          assert.deepStrictEqual(yield* observe(upstream, timeout(limit + more), how), seen)
        }
      }),
    runs
  )

  it.live.prop(
    "L15: two timeouts are the shorter one, in either order",
    { upstream: upstreams, how: reads, a: limits, b: limits },
    ({ a, b, how, upstream }) =>
      Effect.gen(function*() {
        const shorter = yield* observe(upstream, timeout(Math.min(a, b)), how)
        assert.deepStrictEqual(yield* observe(upstream, HttpPolicy.compose(timeout(a), timeout(b)), how), shorter)
      }),
    runs
  )

  it.live.prop(
    "L16, L17: nothing takes longer, what comes sooner is as it would be without, and the upstream is closed at that moment",
    { upstream: upstreams, how: reads, limit: limits },
    ({ how, limit, upstream }) =>
      Effect.gen(function*() {
        const without = yield* observe(upstream, HttpPolicy.identity, how)
        const seen = yield* observe(upstream, timeout(limit), how)
        assert.deepStrictEqual(
          seen,
          without.millis < limit ? without : { end: { limit }, millis: limit, aborted: [limit], open: 0 }
        )
      }),
    runs
  )

  it.live.prop(
    "a call clock among others is the call timeout",
    { upstream: upstreams, how: reads, limit: limits },
    ({ how, limit, upstream }) =>
      Effect.gen(function*() {
        const clocks = Timeout.withClocks({ call: limit, firstByte: "1 day", idle: "1 day", progress: "1 day" })
        assert.deepStrictEqual(yield* observe(upstream, clocks, how), yield* observe(upstream, timeout(limit), how))
      }),
    runs
  )

  it.live.prop(
    "L61: an interruption at any instant closes the upstream and is the exit",
    { upstream: upstreams, how: reads, limit: limits, millis: FastCheck.nat(3000) },
    ({ how, limit, millis, upstream }) =>
      simulate(Effect.gen(function*() {
        const { calls, client, open } = yield* Testing.makeTransport({ p: answerOf(upstream) })
        const fiber = yield* Effect.fork(
          Effect.flatMap(timeout(limit)(client).get(url), (response) =>
            how === "text" ? response.text : Stream.mkString(Stream.decodeText(response.stream)))
        )
        yield* Effect.sleep(millis + 0.25)
        const wasDone = (yield* Fiber.poll(fiber))._tag === "Some"
        const exit = yield* Fiber.interrupt(fiber)
        assert.strictEqual(yield* open, 0)
        if (!wasDone) {
          assert.isTrue(Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause))
          assert.deepStrictEqual(
            (yield* calls).map((call) =>
              call.abortedAtMillis
            ),
            [millis + 0.25]
          )
        }
      })),
    runs
  )
})
