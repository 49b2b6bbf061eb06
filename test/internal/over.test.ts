import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { CallScope } from "../../src/internal/callScope.js"
import { whenOver } from "../../src/internal/over.js"
import * as RouterError from "../../src/RouterError.js"
import type { Batch } from "../../src/wire/StreamResponse.js"
import { isStreamResponse, StreamResponse } from "../../src/wire/StreamResponse.js"

const request = HttpClientRequest.get("http://scripted.invalid")
const source = HttpClientResponse.fromWeb(request, new Response("ok"))
const broken = new RouterError.Transport({ stage: "exchange" })

type Response = HttpClientResponse.HttpClientResponse
type Batches = Stream.Stream<Batch, RouterError.TargetError>

const batch: Batch = { bytes: new Uint8Array([1]), chunks: [{ choices: [] }], complete: false }
const batches = (count: number): Batches => Stream.fromIterable(Array.from({ length: count }, () => batch))

const ending = <E>(exit: Exit.Exit<Response, E>): string =>
  Exit.isSuccess(exit)
    ? "success"
    : Option.match(Cause.failureOption(exit.cause), {
      onNone: () => Cause.isInterruptedOnly(exit.cause) ? "interruption" : "defect",
      onSome: (error) => error instanceof RouterError.Transport ? "failure" : "another failure"
    })

/** What is told about an exchange. */
const watch = <E, R>(exchange: Effect.Effect<Response, E, R>) => {
  const told: Array<string> = []
  const watched = whenOver(exchange, (exit) =>
    Effect.sync(() => {
      told.push(ending(exit))
    }))
  return { told, watched }
}

/** The watched response of a stream, of a call with this scope. */
const watchStream = (stream: Batches, scope?: Scope.Scope) => {
  const { told, watched } = watch(Effect.succeed(new StreamResponse(source, stream)))
  return watched.pipe(
    Effect.provideService(CallScope, scope),
    Effect.map((response) => ({
      told,
      response: isStreamResponse(response) ? response : assert.fail("it is not a stream any more")
    }))
  )
}

describe("whenOver an exchange", () => {
  it.effect("that is answered: tells it and hands the response on", () =>
    Effect.gen(function*() {
      const { told, watched } = watch(Effect.succeed(source))
      assert.strictEqual(yield* watched, source)
      assert.deepStrictEqual(told, ["success"])
    }))

  it.effect("that fails or dies: tells it and passes it on", () =>
    Effect.gen(function*() {
      const failed = watch(Effect.fail(broken))
      assert.strictEqual(yield* Effect.flip(failed.watched), broken)
      assert.deepStrictEqual(failed.told, ["failure"])
      const died = watch(Effect.die("oops"))
      assert.strictEqual(ending(yield* Effect.exit(died.watched)), "defect")
      assert.deepStrictEqual(died.told, ["defect"])
    }))

  it.effect("tells nothing while it is under way, and each run for itself", () =>
    Effect.gen(function*() {
      const { told, watched } = watch(Effect.delay(Effect.succeed(source), "1 second"))
      const fibers = yield* Effect.fork(Effect.all([watched, watched], { concurrency: 2 }))
      yield* TestClock.adjust("999 millis")
      assert.deepStrictEqual(told, [])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fibers)
      assert.deepStrictEqual(told, ["success", "success"])
    }))

  it.effect("that is interrupted: interrupts it and tells that", () =>
    Effect.gen(function*() {
      const { told, watched } = watch(Effect.never)
      const fiber = yield* Effect.fork(watched)
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.deepStrictEqual(told, ["interruption"])
    }))

  it.effect("is not interrupted while it tells", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const slowly = whenOver(Effect.succeed(source), (exit) =>
        Effect.map(Effect.sleep("1 second"), () => {
          told.push(ending(exit))
        }))
      const fiber = yield* Effect.fork(slowly)
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interruptFork(fiber)
      yield* TestClock.adjust("500 millis")
      yield* Fiber.await(fiber)
      assert.deepStrictEqual(told, ["success"])
    }))
})

describe("whenOver a stream", () => {
  it.effect("tells its end after the last chunk was read, whichever of its bodies is", () =>
    Effect.gen(function*() {
      const readers: ReadonlyArray<(response: StreamResponse) => Effect.Effect<unknown, unknown>> = [
        (response) => Stream.runDrain(response.batches),
        (response) => Stream.runDrain(response.chunks),
        (response) => Stream.runDrain(response.stream),
        (response) => response.text
      ]
      for (const read of readers) {
        const { response, told } = yield* watchStream(batches(3))
        assert.deepStrictEqual(told, [])
        yield* read(response)
        assert.deepStrictEqual(told, ["success"])
      }
    }))

  it.effect("changes nothing in it", () =>
    Effect.gen(function*() {
      const { response } = yield* watchStream(Stream.concat(batches(2), Stream.fail(broken)))
      assert.strictEqual(response.status, 200)
      const seen = yield* response.batches.pipe(
        Stream.tap((one) => Effect.sync(() => assert.strictEqual(one, batch))),
        Stream.map(() => "batch"),
        Stream.catchAll((error) => Stream.succeed(error === broken ? "broken" : "other")),
        Stream.runCollect
      )
      assert.deepStrictEqual([...seen], ["batch", "batch", "broken"])
    }))

  it.effect("tells nothing between two chunks", () =>
    Effect.gen(function*() {
      const { response, told } = yield* watchStream(Stream.tap(batches(3), () => Effect.sleep("1 second")))
      const fiber = yield* Effect.fork(Stream.runDrain(response.batches))
      yield* TestClock.adjust("2999 millis")
      assert.deepStrictEqual(told, [])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(told, ["success"])
    }))

  it.effect("tells its failure in the middle", () =>
    Effect.gen(function*() {
      const { response, told } = yield* watchStream(Stream.concat(batches(2), Stream.fail(broken)))
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(response.batches)), broken)
      assert.deepStrictEqual(told, ["failure"])
    }))

  it.effect("tells a consumer that leaves as an interruption", () =>
    Effect.gen(function*() {
      const { response, told } = yield* watchStream(batches(3).pipe(Stream.rechunk(1)))
      yield* Stream.runDrain(Stream.take(response.batches, 1))
      assert.deepStrictEqual(told, ["interruption"])
    }))

  it.effect("tells a consumer that fails on its own as an interruption", () =>
    Effect.gen(function*() {
      const { response, told } = yield* watchStream(batches(3))
      yield* Effect.exit(Stream.runForEach(response.batches, () => Effect.fail("the consumer's own")))
      assert.deepStrictEqual(told, ["interruption"])
    }))

  it.effect("tells a consumer that stops with the whole answer as a success", () =>
    Effect.gen(function*() {
      const whole = Stream.concat(batches(1), Stream.make({ ...batch, complete: true }))
      const { response, told } = yield* watchStream(Stream.concat(whole, Stream.never))
      yield* Stream.runDrain(Stream.take(response.batches, 2))
      assert.deepStrictEqual(told, ["success"])
    }))

  it.effect("tells a consumer that is interrupted as an interruption", () =>
    Effect.gen(function*() {
      const { response, told } = yield* watchStream(Stream.concat(batches(1), Stream.never))
      const fiber = yield* Effect.fork(Stream.runDrain(response.batches))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(told, [])
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(told, ["interruption"])
    }))

  it.effect("tells an interruption when its call ends and nobody has read it", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { response, told } = yield* watchStream(batches(3), scope)
      assert.deepStrictEqual(told, [])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(told, ["interruption"])
      yield* Stream.runDrain(response.batches)
      assert.deepStrictEqual(told, ["interruption"])
    }))

  it.effect("tells nothing of one that nobody reads outside of a call", () =>
    Effect.gen(function*() {
      const { told } = yield* watchStream(batches(3))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(told, [])
    }))

  it.effect.prop("tells exactly one ending, whatever happens", {
    count: FastCheck.nat({ max: 5 }),
    size: FastCheck.integer({ min: 1, max: 3 }),
    taken: FastCheck.option(FastCheck.nat({ max: 5 }), { nil: Infinity }),
    fails: FastCheck.boolean(),
    reads: FastCheck.nat({ max: 3 }).map((n) => n > 0)
  }, ({ count, fails, reads, size, taken }) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const all = Stream.concat(Stream.rechunk(batches(count), size), fails ? Stream.fail(broken) : Stream.empty)
      const { response, told } = yield* watchStream(all, scope)
      if (reads) {
        yield* Effect.exit(Stream.runDrain(
          taken === Infinity ? response.batches : Stream.take(response.batches, taken)
        ))
        // a stream of which nothing is wanted is not even begun
        assert.strictEqual(told.length, taken === 0 ? 0 : 1)
      }
      yield* Scope.close(scope, Exit.void)
      const left = !reads || taken === 0 || (taken <= count && taken < Infinity)
      assert.deepStrictEqual(told, [left ? "interruption" : fails ? "failure" : "success"])
    }), { fastCheck: { numRuns: 200 } })
})
