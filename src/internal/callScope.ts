import * as Context from "effect/Context"
import type * as Scope from "effect/Scope"

/**
 * The scope of the call that an attempt belongs to, where there is one. A stream that is open between its commit point and its
 * consumer's first pull is closed with it, so no interruption in between can leave it behind.
 */
export class CallScope extends Context.Reference<CallScope>()("effect-llm-router/internal/CallScope", {
  defaultValue: (): Scope.Scope | undefined => undefined
}) {}
