import { type AiError, LanguageModel, type Model, type Prompt, type Response } from "@effect/ai"
import { type Context, Effect, type Layer, Stream } from "effect"
import type { ChatCompletions, Route } from "effect-llm-router"
import { describe, expect, test } from "tstyche"
import * as RouterLanguageModel from "../../src/RouterLanguageModel.js"

declare const part: Response.AnyPart
declare const call: Effect.Effect<"A", "E", "R">

describe("RouterLanguageModel", () => {
  test("needs the router, and cannot fail to be built", () => {
    expect(RouterLanguageModel.layer({ model: "a/x" })).type.toBe<
      Layer.Layer<LanguageModel.LanguageModel, never, ChatCompletions.ChatCompletions>
    >()
    expect(RouterLanguageModel.make({ model: "a/x", config: undefined })).type.toBe<
      Effect.Effect<LanguageModel.Service, never, ChatCompletions.ChatCompletions>
    >()
    expect(RouterLanguageModel.model("a/x", { temperature: 1 })).type.toBe<
      Model.Model<"router", LanguageModel.LanguageModel, ChatCompletions.ChatCompletions>
    >()
    expect(RouterLanguageModel.layer).type.not.toBeCallableWith({})
  })

  test("a call under a layer needs the router only, and fails with the errors of @effect/ai", () => {
    const text = LanguageModel.generateText({ prompt: "Hello" })
    expect(Effect.provide(text, RouterLanguageModel.layer({ model: "a/x" }))).type.toBe<
      Effect.Effect<LanguageModel.GenerateTextResponse<{}>, AiError.AiError, ChatCompletions.ChatCompletions>
    >()
  })

  test("takes the routing fields and the parameters of a request, and nothing that the call itself says", () => {
    const layer = RouterLanguageModel.layer
    expect(layer).type.toBeCallableWith({
      model: "a/x",
      config: {
        retry: { count: 1 },
        fallbacks: [{ model: "b/y" }],
        loadBalancer: { type: "weight_based" as const, models: [{ model: "a/x", weight: 0.5 }] },
        cache: { type: "exact_match" as const },
        timeout: { callTimeout: 1 },
        commit: "whole" as const,
        prompt: { id: "p" },
        variables: {},
        temperature: undefined,
        strict: true
      }
    })
    expect(layer).type.not.toBeCallableWith({ model: "a/x", config: { model: "b/y" } })
    expect(layer).type.not.toBeCallableWith({ model: "a/x", config: { messages: [] } })
    expect(layer).type.not.toBeCallableWith({ model: "a/x", config: { tools: [] } })
    expect(layer).type.not.toBeCallableWith({ model: "a/x", config: { n: 2 } })
    expect(layer).type.not.toBeCallableWith({ model: "a/x", config: { temprature: 1 } })
  })

  test("its settings are a reference: nobody has to provide them", () => {
    expect(Effect.map(RouterLanguageModel.Config, (config) => config)).type.toBe<
      Effect.Effect<RouterLanguageModel.Config.Service>
    >()
    expect<Context.Tag.Service<RouterLanguageModel.Config>>().type.toBe<RouterLanguageModel.Config.Service>()
    expect(
      LanguageModel.streamText({ prompt: "Hello" }).pipe(
        Stream.provideService(RouterLanguageModel.Config, { model: "b/y" })
      )
    ).type.toBe<Stream.Stream<Response.StreamPart<{}>, AiError.AiError, LanguageModel.LanguageModel>>()
  })

  test("an override changes no type, in either form", () => {
    expect(call.pipe(RouterLanguageModel.withConfigOverride({ model: "b/y" }))).type.toBe<
      Effect.Effect<"A", "E", "R">
    >()
    expect(RouterLanguageModel.withConfigOverride(call, {})).type.toBe<Effect.Effect<"A", "E", "R">>()
    expect(RouterLanguageModel.withConfigOverride).type.not.toBeCallableWith({ temprature: 1 })
  })

  test("what is the router's own has a type where @effect/ai has a place for it", () => {
    expect(RouterLanguageModel.route([part])).type.toBe<Route.Route | undefined>()
    if (part.type === "finish") {
      expect(part.metadata.router?.route).type.toBe<Route.Route | undefined>()
    }
    if (part.type === "tool-call") {
      expect(part.metadata.router?.thoughtSignature).type.toBe<string | undefined>()
    }
    expect<Prompt.FilePartOptions["router"]>().type.toBe<{ readonly imageDetail?: string | undefined } | undefined>()
  })
})
