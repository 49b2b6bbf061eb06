import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { describe, expect, test } from "tstyche"
import * as Concurrency from "../../src/policy/Concurrency.js"
import * as Hedge from "../../src/policy/Hedge.js"
import type * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as Retry from "../../src/policy/Retry.js"
import * as RetryBudget from "../../src/policy/RetryBudget.js"
import type * as RouterError from "../../src/RouterError.js"

interface Mine {
  readonly _tag: "Mine"
}

interface Needed {
  readonly _: unique symbol
}

interface Yours {
  readonly _tag: "Yours"
}

interface NeededToo {
  readonly _: unique symbol
}

declare const client: HttpClient.HttpClient
declare const needy: HttpClient.HttpClient.With<Mine, Needed>
declare const other: HttpClient.HttpClient.With<Yours, NeededToo>

describe("RetryBudget", () => {
  test("adds its service and no error", () => {
    expect(RetryBudget.withRetryBudget("p/m")).type.toBe<HttpPolicy.HttpPolicy<never, RetryBudget.RetryBudget>>()
    expect(needy.pipe(Retry.withRetry(), RetryBudget.withRetryBudget("p/m"))).type.toBe<
      HttpClient.HttpClient.With<Mine, Needed | RetryBudget.RetryBudget>
    >()
    expect(RetryBudget.withRetryBudget).type.not.toBeCallableWith()
    expect(RetryBudget.withRetryBudget).type.not.toBeCallableWith({ target: "p/m" })
  })

  test("a retry needs no budget", () => {
    expect(Retry.withRetry()).type.toBe<HttpPolicy.HttpPolicy>()
    expect<Context.Tag.Service<RetryBudget.CurrentRetryBudget>>().type.toBe<RetryBudget.Bucket | undefined>()
  })

  test("its layer needs nothing and cannot fail", () => {
    expect(RetryBudget.layer()).type.toBe<Layer.Layer<RetryBudget.RetryBudget>>()
    expect(RetryBudget.layer).type.toBeCallableWith({ burst: 1, cap: 2, tokensPerSuccess: 0.1, tokensPerSecond: 0 })
    expect(RetryBudget.layer).type.toBeCallableWith({ burst: undefined, cap: undefined })
    expect(RetryBudget.layer).type.not.toBeCallableWith({ ratio: 0.2 })
    expect(RetryBudget.layer).type.not.toBeCallableWith({ burst: "10" })
    expect(RetryBudget.snapshot).type.toBe<
      Effect.Effect<ReadonlyArray<RetryBudget.Balance>, never, RetryBudget.RetryBudget>
    >()
  })

  test("withToken has what both of its sides have", () => {
    expect(RetryBudget.withToken((begin) => Effect.as(begin, 1), Effect.fail("none"))).type.toBe<
      Effect.Effect<number, string>
    >()
    expect(RetryBudget.exhausted<Mine>).type.toBe<(error: Mine) => Mine>()
  })
})

describe("Concurrency", () => {
  test("adds its service and its error", () => {
    expect(Concurrency.withConcurrency("p/m")).type.toBe<
      HttpPolicy.HttpPolicy<RouterError.ConcurrencyExceeded, Concurrency.Concurrency>
    >()
    expect(client.pipe(Concurrency.withConcurrency("p/m"))).type.toBe<
      HttpClient.HttpClient.With<
        HttpClientError.HttpClientError | RouterError.ConcurrencyExceeded,
        Concurrency.Concurrency
      >
    >()
    expect(Concurrency.withConcurrency).type.not.toBeCallableWith()
  })

  test("needs a limit", () => {
    expect(Concurrency.layer({ limit: 1 })).type.toBe<Layer.Layer<Concurrency.Concurrency>>()
    expect(Concurrency.layer).type.toBeCallableWith({ limit: 1, queue: undefined, targets: undefined })
    expect(Concurrency.layer).type.toBeCallableWith({ limit: 1, targets: { "p/m": { limit: 2, queue: 3 } } })
    expect(Concurrency.layer).type.not.toBeCallableWith()
    expect(Concurrency.layer).type.not.toBeCallableWith({ queue: 1 })
    expect(Concurrency.layer).type.not.toBeCallableWith({ limit: 1, targets: { "p/m": { queue: 3 } } })
    expect(Concurrency.layer).type.not.toBeCallableWith({ limit: 1, targets: { "p/m": 4 } })
    expect(Concurrency.snapshot).type.toBe<
      Effect.Effect<ReadonlyArray<Concurrency.Load>, never, Concurrency.Concurrency>
    >()
  })

  test("its service is built by it alone", () => {
    expect<{ readonly snapshot: Concurrency.Service["snapshot"] }>().type.not.toBeAssignableTo<Concurrency.Service>()
  })
})

describe("Hedge.withHedge", () => {
  test("adds what the backup needs, and none of its errors, in either form", () => {
    type Both = HttpClient.HttpClient.With<Mine, Needed | NeededToo>
    expect(needy.pipe(Hedge.withHedge(other, { after: "1 second" }))).type.toBe<Both>()
    expect(Hedge.withHedge(needy, other, { after: Duration.seconds(1) })).type.toBe<Both>()
    expect(client.pipe(Hedge.withHedge(client, { after: 1000 }))).type.toBe<HttpClient.HttpClient>()
  })

  test("needs a backup and a time", () => {
    expect(Hedge.withHedge).type.not.toBeCallableWith(other)
    expect(Hedge.withHedge).type.not.toBeCallableWith(other, {})
    expect(Hedge.withHedge).type.not.toBeCallableWith(other, { after: "1 secnd" })
    expect(Hedge.withHedge).type.not.toBeCallableWith({ after: "1 second" })
  })
})
