import type * as HttpClient from "@effect/platform/HttpClient"
import * as Duration from "effect/Duration"
import type * as Layer from "effect/Layer"
import { describe, expect, test } from "tstyche"
import type * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterDefaults from "../../src/RouterDefaults.js"
import type * as RouterError from "../../src/RouterError.js"
import type * as ChatRequest from "../../src/wire/ChatRequest.js"
import * as Limits from "../../src/wire/Limits.js"
import * as Settle from "../../src/wire/Settle.js"

interface Mine {
  readonly _tag: "Mine"
}
declare class Needed {
  readonly _: "Needed"
}

declare const client: HttpClient.HttpClient.With<Mine, Needed>
declare const seconds: number | undefined

describe("Timeout.withClocks", () => {
  test("adds the timeout, whichever clocks there are", () => {
    expect(Timeout.withClocks({})).type.toBe<HttpPolicy.HttpPolicy<RouterError.Timeout>>()
    expect(client.pipe(Timeout.withClocks({ idle: "1 second", call: Duration.infinity }))).type.toBe<
      HttpClient.HttpClient.With<Mine | RouterError.Timeout, Needed>
    >()
    for (
      const policy of [
        Timeout.withFirstByteTimeout,
        Timeout.withFirstContentTimeout,
        Timeout.withIdleTimeout,
        Timeout.withProgressTimeout
      ]
    ) {
      expect(policy("1 second")).type.toBe<HttpPolicy.HttpPolicy<RouterError.Timeout>>()
      expect(policy).type.not.toBeCallableWith("soon")
      expect(policy).type.not.toBeCallableWith()
    }
  })

  test("takes durations of the clocks that there are, each optional", () => {
    expect(Timeout.withClocks).type.toBeCallableWith({ firstByte: seconds, progress: 1n })
    expect(Timeout.withClocks).type.not.toBeCallableWith()
    expect(Timeout.withClocks).type.not.toBeCallableWith({ idel: 1 })
    expect(Timeout.withClocks).type.not.toBeCallableWith({ idleTimeout: 1 })
    expect(Timeout.withClocks).type.not.toBeCallableWith({ connect: 1 })
    expect(Timeout.withClocks).type.not.toBeCallableWith({ total: 1 })
    expect(Timeout.withClocks).type.not.toBeCallableWith({ idle: "soon" })
    expect(Timeout.withClocks).type.not.toBeCallableWith("1 second")
  })

  test("the phase of a timeout is the name of its clock", () => {
    expect<RouterError.Timeout["phase"]>().type.toBe<keyof Timeout.Clocks>()
  })
})

describe("the clocks and the commit of a request", () => {
  type Clocks = NonNullable<ChatRequest.ChatRequest["timeout"]>

  test("are numbers of milliseconds", () => {
    expect<Clocks>().type.toBeAssignableFrom<{ readonly idleTimeout: number }>()
    expect<Clocks>().type.toBeAssignableFrom<{ readonly totalTimeout: number; readonly callTimeout: undefined }>()
    expect<Clocks>().type.not.toBeAssignableFrom<{ readonly idleTimeout: string }>()
    expect<Clocks>().type.not.toBeAssignableFrom<{ readonly idleTimeout: Duration.Duration }>()
  })

  test("are one of two", () => {
    expect<ChatRequest.ChatRequest["commit"]>().type.toBe<"firstContent" | "whole" | undefined>()
    expect<Settle.Options["commit"]>().type.toBe<"firstContent" | "whole" | undefined>()
  })
})

describe("limits", () => {
  test("are numbers, each optional where they are given", () => {
    expect(Limits.make()).type.toBe<Limits.Limits>()
    expect(Limits.make).type.toBeCallableWith({ jsonDepth: undefined })
    expect(Limits.make).type.not.toBeCallableWith({ responseBytes: "64 MiB" })
    expect(Limits.make).type.not.toBeCallableWith({ depth: 1 })
    expect(Settle.settle).type.toBeCallableWith({ limits: { eventBytes: 1 } })
    expect(Settle.settle).type.not.toBeCallableWith({ limits: { bytes: 1 } })
    expect(Settle.settle).type.not.toBeCallableWith({ commit: "never" })
  })

  test("and clocks are among the defaults", () => {
    expect(RouterDefaults.layer({ commit: "whole", limits: { jsonDepth: 9 }, timeout: { idleTimeout: 1 } })).type.toBe<
      Layer.Layer<RouterDefaults.RouterDefaults>
    >()
    expect(RouterDefaults.layer).type.not.toBeCallableWith({ limits: { responseBytes: true } })
    expect(RouterDefaults.layer).type.not.toBeCallableWith({ timeout: { idle: 1 } })
    expect(RouterDefaults.layer).type.not.toBeCallableWith({ deadline: "1 minute" })
  })
})
