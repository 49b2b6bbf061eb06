import * as Context from "effect/Context"
import type * as Fiber from "effect/Fiber"
import * as Deadline from "../policy/Deadline.js"
import * as Activity from "./activity.js"
import { CallersDeadline } from "./callersDeadline.js"

/** What a call that is shared has to know of one of its callers. */
export interface Caller {
  /** The clocks that watch it. */
  readonly activity: Activity.Activity | undefined
  readonly now: () => number
  /** By when it needs the answer, in milliseconds of the monotonic clock. */
  readonly deadline: () => number
}

/** A caller, from where it calls. */
export const current = (fiber: Fiber.RuntimeFiber<unknown, unknown>): Caller => {
  const context = fiber.currentContext
  const deadline = Context.get(context, Deadline.CurrentDeadline)
  const callersDeadline = Context.get(context, CallersDeadline)
  return {
    activity: Context.get(context, Activity.CurrentActivity),
    now: Activity.clockOf(fiber),
    deadline: () => Math.min(deadline, callersDeadline())
  }
}

/**
 * Those who share a call at the moment. Their clocks are told what happens in it while all of them wait for the same, and its deadline
 * is the latest of theirs: the call is nobody's, and each caller keeps its own deadline by leaving.
 */
export class Callers implements Activity.Watcher {
  private readonly present = new Set<Caller>()
  private readonly activity = new Activity.Activity(this)
  private opened = false

  get size(): number {
    return this.present.size
  }

  /** Of what is done when nobody waits any more there is none. */
  private readonly deadline = (): number =>
    this.present.size === 0
      ? Infinity
      : Math.max(...Array.from(this.present, (caller) => caller.deadline()))

  /** Whoever comes late is told what the others know. */
  add(caller: Caller): void {
    this.present.add(caller)
    const { contentAt, headersAt, waitingSince } = this.activity
    const now = caller.now()
    if (headersAt !== undefined) {
      caller.activity?.headers(now)
    }
    if (contentAt !== undefined) {
      caller.activity?.received(now, { isData: true, isContent: true })
    }
    if (waitingSince !== undefined && !this.opened) {
      caller.activity?.wait(now)
    }
  }

  delete(caller: Caller): void {
    this.present.delete(caller)
    if (!this.opened) {
      caller.activity?.released(caller.now())
    }
  }

  /** From now on each caller reads for itself, at its own pace. */
  open(): void {
    this.opened = true
  }

  /** Where that runs which all of them wait for, with the services that it has for itself. */
  contextOf<R>(first: Context.Context<R>, own: Context.Context<never> = Context.empty()): Context.Context<R> {
    const services = new Map<string, unknown>(first.unsafeMap)
    services.set(Deadline.CurrentDeadline.key, Infinity)
    services.set(CallersDeadline.key, this.deadline)
    services.set(Activity.CurrentActivity.key, this.activity)
    own.unsafeMap.forEach((service, key) => services.set(key, service))
    return Context.unsafeMake(services)
  }

  headers(now: number): void {
    this.tell((activity) => activity.headers(now))
  }
  wait(now: number): void {
    this.tell((activity) => activity.wait(now))
  }
  released(now: number): void {
    this.tell((activity) => activity.released(now))
  }
  received(now: number, seen: Activity.Seen): void {
    this.tell((activity) => activity.received(now, seen))
  }

  private tell(what: (activity: Activity.Activity) => void): void {
    if (this.opened) {
      return
    }
    for (const { activity } of this.present) {
      if (activity !== undefined) {
        what(activity)
      }
    }
  }
}
