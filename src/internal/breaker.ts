import type { CooldownReason, Verdict } from "./breakerVerdict.js"
import { BreakerWindow } from "./breakerWindow.js"

/** All durations in milliseconds. */
export interface Settings {
  readonly window: number
  readonly minimumCalls: number
  readonly failureRatio: number
  readonly consecutiveFailures: number
  readonly openFor: number
  readonly maxOpenFor: number
  readonly accountCooldown: number
  readonly maxCooldown: number
}

/** The right to make one call. What becomes of the call counts only in the generation of the circuit in which it began. */
export interface Admission {
  readonly _tag: "Admitted"
  generation: number
}

/** Why a call is not made, and the whole milliseconds until the next one may be. */
export type Refusal =
  | { readonly _tag: "BreakerOpen"; readonly retryAfterMillis: number }
  | { readonly _tag: "CoolingDown"; readonly reason: CooldownReason; readonly retryAfterMillis: number }

export interface View {
  readonly state: "closed" | "open" | "halfOpen"
  readonly calls: number
  readonly failures: number
  readonly consecutiveFailures: number
  readonly retryAfterMillis: number
  readonly cooldown: { readonly reason: CooldownReason; readonly remainingMillis: number } | undefined
}

interface Cooldown {
  readonly reason: CooldownReason
  readonly until: number
}

interface Probe {
  readonly admission: Admission
  readonly at: number
}

interface Opening {
  readonly at: number
  /** Before the jitter. */
  readonly bound: number
  readonly millis: number
}

/**
 * The whole milliseconds from `now` to `until`. Less than one counts as none: that is how much earlier than asked for a timer may fire, and
 * who has waited as told must not come too early.
 */
const left = (until: number, now: number): number => until - now < 1 ? 0 : Math.ceil(until - now)

/**
 * The circuit breaker and the cooldown of one target, as a state machine: time and chance are given to it, and nothing happens on its own.
 * Times are milliseconds of a monotonic clock.
 *
 * Each trip and each closing begins a new generation. A call of an older one changes nothing, except that what its answer says about a
 * cooldown holds whenever it comes. A probe that has lost its slot to another is like a call that was sent all the same: its failure changes
 * nothing, but its success closes the circuit, for a target may need longer for an answer than a probe has its slot.
 */
export class Breaker {
  private readonly window: BreakerWindow
  private consecutiveFailures = 0
  private generation = 0
  /** The opening in force, `undefined` while the circuit is closed. */
  private opening: Opening | undefined
  /** The last opening that is over, and since when it is. */
  private closed: { readonly opening: Opening; readonly at: number } | undefined
  /** Its slot is free again after the longest opening, so that one that hangs does not take the target out. */
  private probe: Probe | undefined
  private cooldown: Cooldown | undefined
  /** The state that `changed` knows of. */
  private known: View["state"] = "closed"

  constructor(private readonly settings: Settings) {
    this.window = new BreakerWindow(settings.window)
  }

  /** Why a call would not be made now. */
  refusal(now: number): Refusal | undefined {
    const open = Math.max(this.openFor(now), this.probingFor(now))
    const cooling = this.cooldown === undefined ? 0 : left(this.cooldown.until, now)
    if (this.cooldown !== undefined && cooling > 0 && cooling >= open) {
      return { _tag: "CoolingDown", reason: this.cooldown.reason, retryAfterMillis: cooling }
    }
    return open > 0 ? { _tag: "BreakerOpen", retryAfterMillis: open } : undefined
  }

  /** With `evenIfOpen` a call is always admitted, but it is the probe only where any call would be. */
  admit(now: number, evenIfOpen: boolean): Admission | Refusal {
    const refusal = this.refusal(now)
    if (refusal !== undefined && !evenIfOpen) {
      return refusal
    }
    const admission: Admission = { _tag: "Admitted", generation: this.generation }
    if (refusal === undefined && this.opening !== undefined) {
      this.probe = { admission, at: now }
    }
    return admission
  }

  /**
   * The answer to a call has begun well and goes on. That is enough to close the circuit, and the end of the answer counts in the new
   * generation.
   */
  begun(admission: Admission, now: number): void {
    if (this.opening !== undefined && admission.generation === this.generation) {
      this.close(this.opening, now)
      admission.generation = this.generation
    }
  }

  /** Exactly once for each admission. Whether this has opened the circuit: then `jitter` is to be called. */
  ended(admission: Admission, verdict: Verdict, now: number): boolean {
    const probing = this.probe?.admission === admission
    if (probing) {
      this.probe = undefined
    }
    if (verdict._tag === "Refused") {
      this.coolDown(verdict.reason, verdict.hintMillis, now)
      return false
    }
    if (verdict._tag === "Ignored" || admission.generation !== this.generation) {
      return false
    }
    return verdict._tag === "Success" ? this.succeeded(now) : this.failed(probing, now)
  }

  /** Shortens the opening that has just begun by up to a half. `random` is from 0 to 1. */
  jitter(random: number): void {
    if (this.opening !== undefined) {
      const { at, bound } = this.opening
      this.opening = { at, bound, millis: Math.ceil(bound / 2 * (1 + random)) }
    }
  }

  view(now: number): View {
    const remainingMillis = this.cooldown === undefined ? 0 : left(this.cooldown.until, now)
    return {
      state: this.state(now),
      ...this.window.count(now),
      consecutiveFailures: this.consecutiveFailures,
      retryAfterMillis: this.refusal(now)?.retryAfterMillis ?? 0,
      cooldown: this.cooldown === undefined || remainingMillis === 0
        ? undefined
        : { reason: this.cooldown.reason, remainingMillis }
    }
  }

  /** The state, where it is another one than when this was last asked. */
  changed(now: number): View["state"] | undefined {
    const state = this.state(now)
    if (state === this.known) {
      return undefined
    }
    this.known = state
    return state
  }

  /** Whether nothing is lost by forgetting it, but a row of failures that is older than the window. */
  isIdle(now: number): boolean {
    return this.opening === undefined && this.refusal(now) === undefined && this.isQuiet(now) &&
      this.window.count(now).calls === 0
  }

  private state(now: number): View["state"] {
    if (this.opening === undefined) {
      return "closed"
    }
    return this.openFor(now) > 0 ? "open" : "halfOpen"
  }

  /** How long the opening goes on, in whole milliseconds. */
  private openFor(now: number): number {
    return this.opening === undefined ? 0 : left(this.opening.at + this.opening.millis, now)
  }

  /** How long the slot of the probe stays taken at most, in whole milliseconds. */
  private probingFor(now: number): number {
    return this.probe === undefined ? 0 : left(this.probe.at + this.settings.maxOpenFor, now)
  }

  private succeeded(now: number): false {
    if (this.opening !== undefined) {
      this.close(this.opening, now)
    }
    this.window.add(false, now)
    this.consecutiveFailures = 0
    return false
  }

  private failed(probing: boolean, now: number): boolean {
    if (this.opening !== undefined && !probing) {
      // sent although the circuit is open: it has nothing more to say than that
      return false
    }
    this.window.add(true, now)
    this.consecutiveFailures += 1
    if (!probing && !this.isBroken(now)) {
      return false
    }
    const last = this.opening ?? (this.isQuiet(now) ? undefined : this.closed?.opening)
    const bound = last === undefined ? this.settings.openFor : Math.min(2 * last.bound, this.settings.maxOpenFor)
    this.opening = { at: now, bound, millis: bound }
    this.generation += 1
    return true
  }

  private isBroken(now: number): boolean {
    const { calls, failures } = this.window.count(now)
    return this.consecutiveFailures >= this.settings.consecutiveFailures ||
      (calls >= this.settings.minimumCalls && failures / calls >= this.settings.failureRatio)
  }

  /** Whether it has been closed for as long as it was open before. */
  private isQuiet(now: number): boolean {
    return this.closed === undefined || now - this.closed.at >= this.closed.opening.millis
  }

  private close(opening: Opening, now: number): void {
    this.closed = { opening, at: now }
    this.opening = undefined
    this.probe = undefined
    this.window.clear()
    this.consecutiveFailures = 0
    this.generation += 1
  }

  private coolDown(reason: CooldownReason, hintMillis: number | undefined, now: number): void {
    // a limit without a wait is for the backoff of a retry; for a refused account, none or 0 is no answer to "how long"
    const asked = hintMillis || (reason === "RateLimited" ? 0 : this.settings.accountCooldown)
    const until = now + Math.min(asked, this.settings.maxCooldown)
    if (until > (this.cooldown?.until ?? now)) {
      this.cooldown = { reason, until }
    }
  }
}
