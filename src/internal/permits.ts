import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"

/** What came of asking for a permit: there was one, it was waited for, or there is no place in the queue either. */
export type Taken = "free" | "waited" | "refused"

/** Makes an effect interruptible as its surroundings are: what `Effect.uninterruptibleMask` gives. */
export interface Restore {
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R>
}

/** A bounded number of permits, and a bounded queue of those who wait for one, first come, first served. */
export class Permits {
  private held = 0
  private readonly waiting = new Set<Deferred.Deferred<void>>()

  constructor(readonly limit: number, private readonly places: number) {}

  get inFlight(): number {
    return this.held
  }

  get queued(): number {
    return this.waiting.size
  }

  /** To be run where it cannot be interrupted: only the waiting is, by `restore`. */
  take(restore: Restore): Effect.Effect<Taken> {
    if (this.held < this.limit) {
      this.held++
      return Effect.succeed("free")
    }
    return this.waiting.size < this.places ? this.wait(restore) : Effect.succeed("refused")
  }

  release(): void {
    const [next] = this.waiting
    if (next === undefined) {
      this.held--
      return
    }
    // handed on: nobody who comes in between can take it
    this.waiting.delete(next)
    Deferred.unsafeDone(next, Effect.void)
  }

  private wait(restore: Restore): Effect.Effect<Taken> {
    const turn = Deferred.unsafeMake<void>(FiberId.none)
    this.waiting.add(turn)
    return Effect.as(
      Effect.onError(restore(Deferred.await(turn)), () => Effect.sync(() => this.leave(turn))),
      "waited"
    )
  }

  /** One whose turn came while it left has a permit. */
  private leave(turn: Deferred.Deferred<void>): void {
    if (!this.waiting.delete(turn)) {
      this.release()
    }
  }
}
