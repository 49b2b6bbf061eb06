/** What a simulation is made of: how the router is set up, what its upstreams do and when, and who calls it. */
import * as FastCheck from "effect/FastCheck"

/** What an upstream does with the requests of a time. */
export type Behaviour =
  | { readonly kind: "ok" | "reset" | "refuse" | "hang" | "empty" }
  | { readonly kind: "status"; readonly status: number }
  | { readonly kind: "limited"; readonly retryAfter: number | undefined }
  | { readonly kind: "slow"; readonly delayMillis: number; readonly betweenMillis: number }
  | { readonly kind: "cut"; readonly after: number; readonly how: "end" | "reset" | "stall" }

export interface Phase {
  readonly seconds: number
  readonly behaviour: Behaviour
}

export interface Target {
  /** In order; after the last one, all is well. */
  readonly outages: ReadonlyArray<Phase>
}

export interface Call {
  /** Since the call before it. */
  readonly afterMillis: number
  readonly kind: "create" | "stream"
  /** Calls with the same prompt are the same; only where there is a cache. */
  readonly prompt: number | undefined
  /** Interrupted so long after its start, if it has not ended by then. */
  readonly leavesAfterMillis: number | undefined
  /** How long the consumer of a stream is busy with each chunk. */
  readonly busyMillis: number
  /** How many chunks the consumer of a stream takes. */
  readonly takes: number | undefined
}

export interface Breaker {
  readonly consecutiveFailures: number
  readonly minimumCalls: number
  readonly failureRatio: number
  /** In milliseconds, as are the next three. */
  readonly openFor: number
  readonly maxOpenFor: number
  readonly accountCooldown: number
  readonly maxCooldown: number
}

export interface Budget {
  readonly burst: number
  readonly cap: number
  readonly tokensPerSuccess: number
  readonly tokensPerSecond: number
}

export interface Clocks {
  readonly callTimeout?: number
  readonly firstByteTimeout?: number
  readonly firstContentTimeout?: number
  readonly idleTimeout?: number
  readonly progressTimeout?: number
  readonly totalTimeout?: number
}

export interface Scenario {
  /** Of the random choices of the router and of the scheduler. */
  readonly seed: number
  readonly targets: ReadonlyArray<Target>
  /** Indices of targets, with weights. One alone is no load balancer. */
  readonly heads: ReadonlyArray<{ readonly target: number; readonly weight: number }>
  readonly fallbacks: ReadonlyArray<number>
  readonly retries: number
  readonly backoff: "documented" | "fullJitter" | "short"
  readonly timeout: Clocks
  readonly commit: "firstContent" | "whole"
  readonly cache: { readonly ttl: number; readonly staleIfError: number | undefined } | undefined
  readonly breaker: Breaker | undefined
  readonly budget: Budget | undefined
  readonly concurrency: { readonly limit: number; readonly queue: number } | undefined
  readonly calls: ReadonlyArray<Call>
  /** So long after the call with this number begins, all callers leave that there are, one right after the other. */
  readonly shutdowns: ReadonlyArray<{ readonly call: number; readonly afterMillis: number }>
}

const maxTargets = 4
const maxCalls = 40

/** One of some words, as such and not as any text. */
const oneOf = <A extends string>(...words: ReadonlyArray<A>): FastCheck.Arbitrary<A> => FastCheck.constantFrom(...words)

/** There or not: `one` in so many times. */
const maybe = <A>(arbitrary: FastCheck.Arbitrary<A>, one = 2): FastCheck.Arbitrary<A | undefined> =>
  FastCheck.oneof({ weight: one - 1, arbitrary: FastCheck.constant(undefined) }, { weight: 1, arbitrary })

const int = (min: number, max: number) => FastCheck.integer({ min, max })

const behaviour: FastCheck.Arbitrary<Behaviour> = FastCheck.oneof(
  FastCheck.record({ kind: oneOf("ok", "reset", "refuse", "hang", "empty") }),
  FastCheck.record({ kind: oneOf("status"), status: FastCheck.constantFrom(500, 503, 503, 529, 401) }),
  FastCheck.record({
    kind: oneOf("limited"),
    retryAfter: FastCheck.constantFrom(undefined, 0, 1, 5, 30, 60, 61, 600)
  }),
  FastCheck.record({ kind: oneOf("slow"), delayMillis: int(0, 40_000), betweenMillis: int(0, 8_000) }),
  FastCheck.record({
    kind: oneOf("cut"),
    after: int(0, 5),
    how: oneOf("end", "reset", "stall")
  })
)

const target: FastCheck.Arbitrary<Target> = FastCheck.record({
  outages: FastCheck.array(
    FastCheck.record({ seconds: FastCheck.oneof(int(1, 60), int(60, 1_200)), behaviour }),
    { maxLength: 8 }
  )
})

/** Bursts, and up to twenty minutes without any: some thirty calls an hour. */
const gap = FastCheck.oneof(
  { weight: 5, arbitrary: int(0, 300) },
  { weight: 3, arbitrary: int(300, 10_000) },
  { weight: 2, arbitrary: int(10_000, 1_200_000) }
)

const call: FastCheck.Arbitrary<Call> = FastCheck.record({
  afterMillis: gap,
  kind: oneOf("create", "stream"),
  prompt: maybe(int(0, 3)),
  leavesAfterMillis: maybe(FastCheck.oneof(int(0, 20), int(0, 30_000)), 4),
  busyMillis: FastCheck.constantFrom(0, 0, 0, 5, 700, 15_000),
  takes: maybe(int(0, 3), 5)
})

/** One clock at least is set that ends every attempt or every call, whatever the upstream does. */
const clocks: FastCheck.Arbitrary<Clocks> = FastCheck.tuple(
  FastCheck.oneof(
    FastCheck.record({ callTimeout: int(1, 60_000) }),
    FastCheck.record({ totalTimeout: int(1, 200_000) }),
    FastCheck.record({ callTimeout: int(1, 60_000), totalTimeout: int(1, 200_000) }),
    FastCheck.record({ firstByteTimeout: int(1, 30_000), idleTimeout: int(1, 20_000) })
  ),
  FastCheck.record({
    firstContentTimeout: int(1, 30_000),
    progressTimeout: int(1, 20_000)
  }, { requiredKeys: [] })
).map(([some, others]): Clocks => ({ ...others, ...some }))

const breaker: FastCheck.Arbitrary<Breaker> = FastCheck.record({
  consecutiveFailures: FastCheck.constantFrom(1, 2, 3, 5, Infinity),
  minimumCalls: FastCheck.constantFrom(1, 3, 10, Infinity),
  failureRatio: FastCheck.constantFrom(0.25, 0.5, 1),
  openFor: int(1, 20_000),
  maxOpenFor: int(20_000, 60_000),
  accountCooldown: int(0, 120_000),
  maxCooldown: int(0, 300_000)
})

const budget: FastCheck.Arbitrary<Budget> = FastCheck.record({
  burst: int(0, 5),
  cap: int(5, 20),
  tokensPerSuccess: FastCheck.constantFrom(0, 0.2, 0.5),
  tokensPerSecond: FastCheck.constantFrom(0, 0.001, 0.01)
})

const parts = (targets: number) => ({
  seed: FastCheck.nat(),
  targets: FastCheck.array(target, { minLength: targets, maxLength: targets }),
  heads: FastCheck.array(
    FastCheck.record({ target: int(0, targets - 1), weight: FastCheck.constantFrom(0.001, 0.2, 0.5, 1) }),
    { minLength: 1, maxLength: 3 }
  ),
  fallbacks: FastCheck.array(int(0, targets - 1), { maxLength: 3 }),
  retries: int(0, 5),
  backoff: oneOf("documented", "fullJitter", "short"),
  timeout: clocks,
  commit: oneOf("firstContent", "firstContent", "whole"),
  cache: maybe(FastCheck.record({ ttl: int(1, 600), staleIfError: maybe(int(1, 600)) })),
  breaker: maybe(breaker),
  budget: maybe(budget),
  concurrency: maybe(FastCheck.record({ limit: int(1, 3), queue: int(0, 3) })),
  calls: FastCheck.array(call, { minLength: 1, maxLength: maxCalls, size: "max" }),
  shutdowns: FastCheck.array(
    FastCheck.record({ call: int(0, maxCalls - 1), afterMillis: FastCheck.oneof(int(0, 100), int(0, 5_000)) }),
    { maxLength: 6 }
  )
} as const)

export const scenario: FastCheck.Arbitrary<Scenario> = int(1, maxTargets).chain((targets) =>
  FastCheck.record(parts(targets))
)
