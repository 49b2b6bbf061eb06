import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { guardStream } from "../../src/internal/limitStream.js"

/** A guarded stream of what is offered to a queue, and how often it was closed. */
const guarded = Effect.gen(function*() {
  const queue = yield* Queue.unbounded<number>()
  const scope = yield* Scope.make()
  let closed = 0
  const source = Stream.ensuring(
    Stream.fromQueue(queue, { maxChunkSize: 1 }),
    Effect.sync(() => {
      closed++
    })
  )
  const pull = yield* Scope.extend(Stream.toPull(guardStream(source, Effect.never)), scope)
  return { queue, scope, pull: Effect.map(pull, Chunk.toReadonlyArray), closed: () => closed }
})

describe("guardStream", () => {
  it.effect("keeps the part that readers waited for who were interrupted, for the next one", () =>
    Effect.gen(function*() {
      const { pull, queue } = yield* guarded
      for (let reader = 0; reader < 3; reader++) {
        const first = yield* Effect.fork(pull)
        yield* Effect.yieldNow()
        yield* Fiber.interrupt(first)
      }
      yield* Queue.offerAll(queue, [1, 2])
      assert.deepStrictEqual([yield* pull, yield* pull], [[1], [2]])
    }))

  it.effect("ends a read that nobody waits for any more with its scope, and closes what it reads", () =>
    Effect.gen(function*() {
      const { closed, pull, scope } = yield* guarded
      const first = yield* Effect.fork(pull)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      assert.strictEqual(closed(), 0)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(closed(), 1)
    }))
})
