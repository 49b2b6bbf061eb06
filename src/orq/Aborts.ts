/**
 * Signals of callers, each with one listener however many calls it is for: platforms warn of a leak when one signal has many.
 *
 * @since 0.1.0
 */

/** The calls of one signal, and the end of its listener. */
interface Watch {
  readonly calls: Set<() => void>
  readonly stop: () => void
}

/** By the signal, not by the client: one signal may be for the calls of several. */
const watches = new WeakMap<AbortSignal, Watch>()

const watch = (signal: AbortSignal): Watch => {
  const calls = new Set<() => void>()
  const tell = () => {
    for (const call of Array.from(calls)) {
      call()
    }
  }
  signal.addEventListener("abort", tell)
  return { calls, stop: () => signal.removeEventListener("abort", tell) }
}

/**
 * Has `call` run when the signal is aborted. What it returns ends that; the last of a signal to do so takes the listener away.
 *
 * @since 0.1.0
 * @category combinators
 */
export const onAbort = (signal: AbortSignal, call: () => void): () => void => {
  const watched = watches.get(signal) ?? watch(signal)
  watches.set(signal, watched)
  watched.calls.add(call)
  return () => {
    if (watched.calls.delete(call) && watched.calls.size === 0) {
      watched.stop()
      watches.delete(signal)
    }
  }
}

/**
 * Whether it can be used as a signal. It need not be of this realm's class.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSignal = (u: unknown): u is AbortSignal =>
  typeof u === "object" && u !== null && "aborted" in u && typeof u.aborted === "boolean" &&
  "addEventListener" in u && typeof u.addEventListener === "function" &&
  "removeEventListener" in u && typeof u.removeEventListener === "function"
