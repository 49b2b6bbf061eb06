import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import { pipe } from "effect/Function"
import { describe, expect, it } from "tstyche"
import * as Fallback from "../../src/policy/Fallback.js"
import * as LoadBalancer from "../../src/policy/LoadBalancer.js"
import type * as RouterError from "../../src/RouterError.js"
import * as Settle from "../../src/wire/Settle.js"

declare class Broken {
  readonly _tag: "Broken"
}
declare class Tired {
  readonly _tag: "Tired"
}
declare class Clock {
  readonly _: "Clock"
}
declare class Random {
  readonly _: "Random"
}

declare const platform: HttpClient.HttpClient
declare const broken: HttpClient.HttpClient.With<Broken, Clock>
declare const tired: HttpClient.HttpClient.With<Tired, Random>
declare const never: HttpClient.HttpClient.With<never>

describe("withFallbacks", () => {
  it("adds the errors and requirements of the others, and the list of all failures", () => {
    expect(broken.pipe(Fallback.withFallbacks([tired]))).type.toBe<
      HttpClient.HttpClient.With<
        Broken | Tired | RouterError.AllTargetsFailed<Broken | Tired>,
        Clock | Random
      >
    >()
    expect(Fallback.withFallbacks(broken, [tired])).type.toBe<
      HttpClient.HttpClient.With<
        Broken | Tired | RouterError.AllTargetsFailed<Broken | Tired>,
        Clock | Random
      >
    >()
  })

  it("takes others of different kinds, and options", () => {
    const when = (error: unknown) => error !== undefined
    expect(pipe(
      platform,
      Fallback.withFallbacks<HttpClientError.HttpClientError | Broken, Clock>([platform, broken], { when })
    )).type.toBe<
      HttpClient.HttpClient.With<
        | HttpClientError.HttpClientError
        | Broken
        | RouterError.AllTargetsFailed<HttpClientError.HttpClientError | Broken>,
        Clock
      >
    >()
    expect(Fallback.withFallbacks(platform, [platform], { when })).type.toBe<
      HttpClient.HttpClient.With<
        HttpClientError.HttpClientError | RouterError.AllTargetsFailed<HttpClientError.HttpClientError>
      >
    >()
  })

  it("adds nothing of nobody", () => {
    type Alone = HttpClient.HttpClient.With<Broken | RouterError.AllTargetsFailed<Broken>, Clock>
    expect(broken.pipe(Fallback.withFallbacks([]))).type.toBe<Alone>()
    expect(Fallback.withFallbacks(broken, [])).type.toBe<Alone>()
  })

  it("does not nest the lists", () => {
    const nested = broken.pipe(
      Fallback.withFallbacks([tired.pipe(Fallback.withFallbacks([platform]))])
    )
    type Failure = Broken | Tired | HttpClientError.HttpClientError
    expect(nested).type.toBeAssignableTo<
      HttpClient.HttpClient.With<
        | Failure
        | RouterError.AllTargetsFailed<Tired | HttpClientError.HttpClientError>
        | RouterError.AllTargetsFailed<Failure>,
        Clock | Random
      >
    >()
    expect<Fallback.TargetFailure<RouterError.AllTargetsFailed<Broken> | Tired>>().type.toBe<Broken | Tired>()
  })

  it("takes clients only", () => {
    expect(Fallback.withFallbacks).type.not.toBeCallableWith(broken, ["openai/gpt-4o"])
    expect(Fallback.withFallbacks).type.not.toBeCallableWith([broken], { wenn: () => true })
  })
})

describe("chain", () => {
  it("wants at least one target", () => {
    expect(Fallback.chain).type.toBeCallableWith([platform])
    expect(Fallback.chain).type.not.toBeCallableWith([])
  })

  it("of a client that never fails fails with a list of nothing only", () => {
    expect(Fallback.chain([never])).type.toBe<HttpClient.HttpClient.With<RouterError.AllTargetsFailed<never>>>()
  })
})

describe("weighted", () => {
  it("has the errors and requirements of its clients", () => {
    expect(LoadBalancer.weighted([{ weight: 1, value: broken }])).type.toBe<typeof broken>()
  })
})

describe("settle", () => {
  it("replaces the errors of the platform, and keeps all others", () => {
    expect(platform.pipe(Settle.settle())).type.toBe<HttpClient.HttpClient.With<RouterError.TargetError>>()
    expect(broken.pipe(Settle.settle({ target: "a/b" }))).type.toBe<
      HttpClient.HttpClient.With<Broken | RouterError.TargetError, Clock>
    >()
  })
})
