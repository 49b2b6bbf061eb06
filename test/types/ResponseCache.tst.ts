import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { describe, expect, it } from "tstyche"
import type * as CacheStore from "../../src/policy/CacheStore.js"
import type * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as ResponseCache from "../../src/policy/ResponseCache.js"

class Tenant extends Context.Tag("test/Tenant")<Tenant, string>() {}
declare class NoTenant {
  readonly _tag: "NoTenant"
}
declare class Broken {
  readonly _tag: "Broken"
}
declare const client: HttpClient.HttpClient
declare const other: HttpClient.HttpClient.With<Broken, Tenant>
declare const noTenant: Effect.Effect<Option.Option<string>, NoTenant, Tenant>
declare const store: CacheStore.Store

describe("withCache", () => {
  it("adds the service to the requirements and nothing to the errors", () => {
    const policy = ResponseCache.withCache({ ttl: "1 hour" })
    expect(policy).type.toBe<HttpPolicy.HttpPolicy<never, ResponseCache.ResponseCache>>()
    expect(policy(client)).type.toBe<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError, ResponseCache.ResponseCache>
    >()
    expect(policy(other)).type.toBe<HttpClient.HttpClient.With<Broken, Tenant | ResponseCache.ResponseCache>>()
    expect(client.pipe(policy)).type.toBe<
      HttpClient.HttpClient.With<HttpClientError.HttpClientError, ResponseCache.ResponseCache>
    >()
  })

  it("adds what the key fails with and needs", () => {
    const policy = ResponseCache.withCache({ ttl: 1_000, key: () => noTenant })
    expect(policy).type.toBe<HttpPolicy.HttpPolicy<NoTenant, Tenant | ResponseCache.ResponseCache>>()
    expect(policy(other)).type.toBe<
      HttpClient.HttpClient.With<Broken | NoTenant, Tenant | ResponseCache.ResponseCache>
    >()
    const total = ResponseCache.withCache({ ttl: 1_000, key: () => Effect.succeed(Option.none()) })
    expect(total).type.toBe<HttpPolicy.HttpPolicy<never, ResponseCache.ResponseCache>>()
  })

  it("needs a duration", () => {
    expect(ResponseCache.withCache).type.not.toBeCallableWith({})
    expect(ResponseCache.withCache).type.not.toBeCallableWith({ ttl: "soon" })
  })
})

describe("layers", () => {
  it("need nothing", () => {
    expect(ResponseCache.layerMemory()).type.toBe<Layer.Layer<ResponseCache.ResponseCache>>()
  })

  it("are built over any store, but not by hand", () => {
    expect(ResponseCache.make(store)).type.toBe<Effect.Effect<ResponseCache.Service, never, Scope.Scope>>()
    expect(store).type.not.toBeAssignableTo<ResponseCache.Service>()
  })
})
