import * as Context from "effect/Context"

/**
 * By when a call that several callers share has to be over for the most patient of them, in milliseconds of the monotonic clock. It is
 * asked for anew each time, because callers come and go.
 */
export class CallersDeadline
  extends Context.Reference<CallersDeadline>()("effect-llm-router/internal/CallersDeadline", {
    defaultValue: () => (): number => Infinity
  })
{}
