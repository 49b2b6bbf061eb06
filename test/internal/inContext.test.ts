import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { inContext } from "../../src/internal/inContext.js"

class Name extends Context.Reference<Name>()("test/inContext/Name", { defaultValue: () => "outer" }) {}

const named = <A, E>(self: Effect.Effect<A, E>, name = "inner") =>
  inContext(self, (context: Context.Context<never>) => Context.add(context, Name, name))

describe("inContext", () => {
  it.effect("runs an effect in another context, one in the other, and nothing after it", () =>
    Effect.gen(function*() {
      const inner = Effect.all([Name, named(Name, "innermost"), Name])
      assert.deepStrictEqual(yield* named(inner), ["inner", "innermost", "inner"])
      assert.strictEqual(yield* Name, "outer")
    }))

  it.effect.each([Effect.fail("no"), Effect.die("no"), Effect.interrupt])(
    "is over with a failure, a defect and an interruption",
    (end) =>
      Effect.gen(function*() {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(named(end))))
        assert.strictEqual(yield* Name, "outer")
      })
  )

  it.effect("is over where a fiber goes on after it was interrupted in it", () =>
    Effect.gen(function*() {
      const begun = yield* Deferred.make<void>()
      const waiting = Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never)
      const after = yield* Deferred.make<string>()
      const fiber = yield* Effect.fork(Effect.uninterruptible(
        Effect.zipRight(
          Effect.exit(Effect.interruptible(named(waiting))),
          Effect.flatMap(Name, (name) => Deferred.succeed(after, name))
        )
      ))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* Deferred.await(after), "outer")
    }))

  it.scoped("keeps what the effect has changed of other fiber refs", () =>
    Effect.gen(function*() {
      const ref = yield* FiberRef.make(0)
      yield* named(FiberRef.set(ref, 1))
      assert.strictEqual(yield* FiberRef.get(ref), 1)
    }))
})
