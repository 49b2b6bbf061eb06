/**
 * Tries other targets, in order, when one fails.
 *
 * A target is tried at most once in one pass: one that already failed is skipped, also when chains are nested. Which failures move on
 * is decided by their class (see `Failure`): a rate limit, an outage or a dead key does, a request that is wrong for every target
 * does not. Nothing moves on once a response was handed over, which for a stream is the commit point.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual, identity } from "effect/Function"
import type * as Predicate from "effect/Predicate"
import { discardWhile } from "../internal/discard.js"
import { withReference } from "../internal/here.js"
import { client } from "../internal/onion.js"
import * as RouterError from "../RouterError.js"
import * as Deadline from "./Deadline.js"
import * as Failure from "./Failure.js"

/**
 * The errors of the single targets, where some of `E` may be those of a nested chain.
 *
 * @since 0.1.0
 * @category models
 */
export type TargetFailure<E> = E extends RouterError.AllTargetsFailed<infer Failure> ? Failure : E

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether a failure moves on to the next target. Default: by the class of the error. */
  readonly when?: Predicate.Predicate<unknown> | undefined
}

/** By target. */
type Failures = ReadonlyMap<unknown, unknown>

/** What a chain tells the chains inside its targets, and hears from them. */
interface Pass {
  /** The targets that have failed in this pass, each with its error. */
  readonly tried: Failures
  /** Called by a nested chain for each of its targets that fails. */
  readonly report: (target: unknown, error: unknown) => void
  /** Called by a nested chain that asked nobody, because all its targets had been tried, with the known error that it gives. */
  readonly repeat: (error: unknown) => void
}

const outermost: Pass = { tried: new Map(), report: () => {}, repeat: () => {} }

class CurrentPass extends Context.Reference<CurrentPass>()("effect-llm-router/Fallback/CurrentPass", {
  defaultValue: () => outermost
}) {}

/** The time that an attempt needs at least; with less left it is not begun. */
const minimumMillis = 1

const byClass = (error: unknown): Effect.Effect<boolean> =>
  Effect.map(Clock.currentTimeMillis, (now) => Failure.of(error, now).fallback)

const hasTime: Effect.Effect<boolean> = Effect.map(Deadline.remainingMillis, (millis) => millis >= minimumMillis)

const flatten = <E>(error: E): ReadonlyArray<TargetFailure<E>> =>
  // `TargetFailure` is this very case distinction, which the compiler cannot follow
  (error instanceof RouterError.AllTargetsFailed ? error.failures : [error]) as ReadonlyArray<TargetFailure<E>>

/** One failure is passed on as it is, several together. */
const conclude = <E>(errors: Arr.NonEmptyReadonlyArray<E>): E | RouterError.AllTargetsFailed<TargetFailure<E>> => {
  if (errors.length === 1) {
    return errors[0]
  }
  const failures = errors.flatMap(flatten)
  return Arr.isNonEmptyReadonlyArray(failures) ? RouterError.allTargetsFailed(failures) : errors[0]
}

/**
 * A client that sends a request to the first of several targets and, while they fail, on to the next.
 *
 * With a single target it is that target. When all fail, the error is `AllTargetsFailed` with the error of each, in order; a failure
 * that does not move on is passed through as it is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const chain = <E, R>(
  targets: Arr.NonEmptyReadonlyArray<HttpClient.HttpClient.With<E, R>>,
  options?: Options | undefined
): HttpClient.HttpClient.With<E | RouterError.AllTargetsFailed<TargetFailure<E>>, R> =>
  makeChain({
    targetAt: (index) => targets[index],
    clientOf: (target) => target,
    when: options?.when,
    telling: (pass) => Effect.provideService(CurrentPass, pass)
  })

/**
 * A chain that tells those inside of its targets nothing: for targets that are known to share no client with them. To be told costs more than
 * all the rest of a chain whose first target answers.
 *
 * @internal
 */
export const flatChain = <T, E, R>(
  first: T,
  others: () => ReadonlyArray<T>,
  clientOf: (target: T) => HttpClient.HttpClient.With<E, R>
): HttpClient.HttpClient.With<E | RouterError.AllTargetsFailed<TargetFailure<E>>, R> => {
  let rest: ReadonlyArray<T> | undefined
  return makeChain({
    targetAt: (index) => index === 0 ? first : (rest ??= others())[index - 1],
    clientOf,
    when: undefined,
    telling: () => identity
  })
}

interface Chain<T, E, R> {
  /** `undefined` after the last one. */
  readonly targetAt: (index: number) => T | undefined
  readonly clientOf: (target: T) => HttpClient.HttpClient.With<E, R>
  readonly when: Predicate.Predicate<unknown> | undefined
  readonly telling: (pass: Pass) => <A, E, R>(exchange: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const makeChain = <T, E, R>(
  { clientOf, targetAt, telling, when }: Chain<T, E, R>
): HttpClient.HttpClient.With<E | RouterError.AllTargetsFailed<TargetFailure<E>>, R> => {
  const movesOn = when === undefined ? byClass : (error: unknown) => Effect.sync(() => when(error))

  const run = (
    request: HttpClientRequest.HttpClientRequest,
    outer: Pass
  ): Effect.Effect<
    HttpClientResponse.HttpClientResponse,
    E | RouterError.AllTargetsFailed<TargetFailure<E>>,
    R
  > => {
    const next = (index: number, tried: Failures, errors: ReadonlyArray<E>) => {
      const target = targetAt(index)
      if (target !== undefined) {
        return attempt(target, index, tried, errors)
      }
      if (Arr.isNonEmptyReadonlyArray(errors)) {
        return Effect.fail(conclude(errors))
      }
      // every target had been tried before: the error is what this very client failed with then, hence an `E`
      const known = tried.get(targetAt(0)) as E
      outer.repeat(known)
      return Effect.fail(known)
    }

    const attempt = (
      target: T,
      index: number,
      tried: Failures,
      errors: ReadonlyArray<E>
    ): ReturnType<typeof run> => {
      if (tried.has(target)) {
        return next(index + 1, tried, errors)
      }
      const nested = new Map<unknown, unknown>()
      const repeated = new Set<unknown>()
      const pass: Pass = {
        tried,
        report: (inner, error) => nested.set(inner, error),
        repeat: (error) => repeated.add(error)
      }
      return clientOf(target).execute(request).pipe(
        telling(pass),
        Effect.catchAll((error) => {
          nested.set(target, error)
          nested.forEach((innerError, inner) => outer.report(inner, innerError))
          const triedNow = new Map([...tried, ...nested])
          return repeated.has(error)
            ? next(index + 1, triedNow, errors)
            : proceed(error, index, triedNow, errors)
        })
      )
    }

    const proceed = (error: E, index: number, tried: Failures, errors: ReadonlyArray<E>): ReturnType<typeof run> =>
      Effect.flatMap(Effect.zip(movesOn(error), hasTime), ([moves, time]) => {
        if (!moves) {
          return Effect.fail(error)
        }
        const all = Arr.append(errors, error)
        return time ? discardWhile(error, next(index + 1, tried, all)) : Effect.fail(conclude(all))
      })

    return next(0, outer.tried, [])
  }

  return client((request) => withReference(CurrentPass, (outer) => run(request, outer)))
}

/**
 * Sends a request on to other clients, in order, when the wrapped one fails: `chain` as a policy.
 *
 * ```ts
 * import { Fallback } from "effect-llm-router"
 * import type { HttpClient } from "@effect/platform"
 *
 * declare const primary: HttpClient.HttpClient
 * declare const secondary: HttpClient.HttpClient
 *
 * const client = primary.pipe(Fallback.withFallbacks([secondary]))
 * ```
 *
 * @since 0.1.0
 * @category policies
 */
export const withFallbacks: {
  /**
   * @since 0.1.0
   * @category policies
   */
  <E2 = never, R2 = never>(
    clients: ReadonlyArray<HttpClient.HttpClient.With<E2, R2>>,
    options?: Options | undefined
  ): <E, R>(
    self: HttpClient.HttpClient.With<E, R>
  ) => HttpClient.HttpClient.With<E | E2 | RouterError.AllTargetsFailed<TargetFailure<E | E2>>, R | R2>
  /**
   * @since 0.1.0
   * @category policies
   */
  <E, R, E2 = never, R2 = never>(
    self: HttpClient.HttpClient.With<E, R>,
    clients: ReadonlyArray<HttpClient.HttpClient.With<E2, R2>>,
    options?: Options | undefined
  ): HttpClient.HttpClient.With<E | E2 | RouterError.AllTargetsFailed<TargetFailure<E | E2>>, R | R2>
} = dual((args) => !Array.isArray(args[0]), <E, R, E2, R2>(
  self: HttpClient.HttpClient.With<E, R>,
  clients: ReadonlyArray<HttpClient.HttpClient.With<E2, R2>>,
  options?: Options | undefined
) => chain<E | E2, R | R2>([self, ...clients], options))
