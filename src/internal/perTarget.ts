/** How many targets have a state at most: more than any program routes to, and a bound where model names come from outside. */
const maxTargets = 10_000

/** How many of the least recently used are looked at, for each that is asked for, in search of one to drop. */
const looks = 8

/**
 * A mutable state for each target, made when it is first asked for. Beyond `maxTargets` the least recently used ones that are idle, and
 * so as good as new ones, are dropped; one that is not is kept, for it counts what is under way.
 */
export class PerTarget<S> {
  /** In the order of their last use: a `Map` iterates in the order of insertion. */
  private readonly states = new Map<string, S>()

  constructor(
    private readonly create: (target: string) => S,
    private readonly isIdle: (state: S) => boolean
  ) {}

  get(target: string): S {
    const state = this.states.get(target) ?? this.create(target)
    this.states.delete(target)
    this.states.set(target, state)
    this.shrink(state)
    return state
  }

  /** Without making one. */
  peek(target: string): S | undefined {
    return this.states.get(target)
  }

  get all(): ReadonlyArray<readonly [target: string, state: S]> {
    return [...this.states]
  }

  private shrink(except: S): void {
    if (this.states.size <= maxTargets) {
      return
    }
    let looked = 0
    for (const [target, state] of this.states) {
      if (state === except || looked++ === looks) {
        return
      }
      this.states.delete(target)
      if (this.isIdle(state)) {
        return
      }
      this.states.set(target, state)
    }
  }
}
