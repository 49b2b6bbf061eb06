import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { describe, expect, it } from "tstyche"
import * as CircuitBreaker from "../../src/policy/CircuitBreaker.js"
import type * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import type * as RouterError from "../../src/RouterError.js"

class Tenant extends Context.Tag("test/Tenant")<Tenant, string>() {}
declare class Broken {
  readonly _tag: "Broken"
}
declare const client: HttpClient.HttpClient
declare const other: HttpClient.HttpClient.With<Broken, Tenant>
declare const service: CircuitBreaker.Service

type Refused = RouterError.BreakerOpen | RouterError.CoolingDown

describe("withCircuitBreaker", () => {
  it("adds its two errors and the service to any client", () => {
    const policy = CircuitBreaker.withCircuitBreaker("p/m")
    expect(policy).type.toBe<HttpPolicy.HttpPolicy<Refused, CircuitBreaker.CircuitBreaker>>()
    expect(CircuitBreaker.withCircuitBreaker("p/m", { evenIfOpen: true })).type.toBe<
      HttpPolicy.HttpPolicy<Refused, CircuitBreaker.CircuitBreaker>
    >()
    expect(policy(other)).type.toBe<
      HttpClient.HttpClient.With<Broken | Refused, Tenant | CircuitBreaker.CircuitBreaker>
    >()
    expect(client.pipe(policy)).type.toBe<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError | Refused, CircuitBreaker.CircuitBreaker>
    >()
  })

  it("needs a target", () => {
    expect(CircuitBreaker.withCircuitBreaker).type.not.toBeCallableWith()
    expect(CircuitBreaker.withCircuitBreaker).type.not.toBeCallableWith({ evenIfOpen: true })
    expect(CircuitBreaker.withCircuitBreaker).type.not.toBeCallableWith("p/m", { force: true })
    expect(CircuitBreaker.withCircuitBreaker).type.toBeCallableWith("p/m", { evenIfOpen: undefined })
  })
})

describe("the service", () => {
  it("needs nothing to be built", () => {
    expect(CircuitBreaker.make()).type.toBe<Effect.Effect<CircuitBreaker.Service>>()
    expect(CircuitBreaker.layer({ openFor: "10 seconds", minimumCalls: undefined })).type.toBe<
      Layer.Layer<CircuitBreaker.CircuitBreaker>
    >()
    expect(CircuitBreaker.layerConfig({ openFor: Config.duration("OPEN_FOR") })).type.toBe<
      Layer.Layer<CircuitBreaker.CircuitBreaker, ConfigError.ConfigError>
    >()
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ openFor: "soon" })
    expect(CircuitBreaker.layer).type.not.toBeCallableWith({ opneFor: "10 seconds" })
  })

  it("tells how its targets are doing", () => {
    expect(service.isEligible("p/m")).type.toBe<Effect.Effect<boolean>>()
    expect(service.snapshot).type.toBe<Effect.Effect<ReadonlyArray<CircuitBreaker.TargetState>>>()
  })

  it("is not made by hand", () => {
    expect<Pick<CircuitBreaker.Service, "isEligible" | "snapshot">>().type.not.toBeAssignableTo<
      CircuitBreaker.Service
    >()
  })
})
