/** The published SDK against the gateway: that each field of the router has its effect, and none of them reaches a provider. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Prompts } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { routerOver, start } from "../support/gateway.js"
import { clients, messages, open, type Request, textOf, textsOf } from "../support/orq.js"
import { attempt } from "../support/sdk.js"

const hello = Testing.completion("Hello")
const events = Testing.stream(["Hel", "lo"])

/** What a provider may see. */
const sent = { model: "x", messages }

for (const client of clients) {
  describe(client.name, () => {
    for (const stream of [false, true]) {
      const answer = stream ? events : hello
      const read = async (response: Parameters<typeof textsOf>[0]) =>
        stream ? (await textsOf(response)).join("") : textOf(response)
      /** The text of the answer, the targets that were called, and the first body. */
      const ask = (script: Testing.Script, fields: Partial<Request>) =>
        Effect.gen(function*() {
          const { create, upstream } = yield* open(client, script)
          const text = yield* attempt(async () => read(await create({ model: "a/x", messages, stream, ...fields })))
          const calls = yield* upstream.calls
          return { text, targets: calls.map(({ target }) => target), bodies: calls.map(({ body }) => body) }
        })

      describe(`stream: ${stream}`, () => {
        it.scopedLive("retry: the same target again", () =>
          Effect.gen(function*() {
            const { bodies, targets, text } = yield* ask({ "a/x": [Testing.status(502), answer] }, {
              retry: { count: 2, onCodes: [502] }
            })
            assert.strictEqual(text, "Hello")
            assert.deepStrictEqual(targets, ["a/x", "a/x"])
            assert.deepStrictEqual(bodies, [{ ...sent, stream }, { ...sent, stream }])
          }))

        it.scopedLive("retry: not for a code that is not listed; fallbacks in their order", () =>
          Effect.gen(function*() {
            const script = { "a/x": Testing.status(503), "b/y": Testing.status(500), "c/z": answer }
            const { targets, text } = yield* ask(script, {
              retry: { count: 3, onCodes: [429] },
              fallbacks: [{ model: "b/y" }, { model: "c/z" }]
            })
            assert.strictEqual(text, "Hello")
            assert.deepStrictEqual(targets, ["a/x", "b/y", "c/z"])
          }))

        it.scopedLive("cache: the second answer is without a call", () =>
          Effect.gen(function*() {
            const { create, upstream } = yield* open(client, { "a/x": answer })
            const request = { model: "a/x", messages, stream, cache: { type: "exact_match" as const, ttl: 60 } }
            for (const _ of [1, 2]) {
              assert.strictEqual(yield* attempt(async () => read(await create(request))), "Hello")
            }
            yield* attempt(async () => read(await create({ ...request, metadata: { a: "b" } })))
            assert.deepStrictEqual((yield* upstream.calls).map(({ body }) => body), [
              { ...sent, stream },
              { ...sent, stream, metadata: { a: "b" } }
            ])
          }))

        it.scopedLive("loadBalancer: draws by weight, and never the model beside it", () =>
          Effect.gen(function*() {
            const { create, upstream } = yield* open(client, { "a/x": answer, "b/y": answer })
            const loadBalancer = {
              type: "weight_based" as const,
              models: [{ model: "b/y", weight: 1 }, { model: "a/x", weight: 0.001 }]
            }
            for (const _ of Array.from({ length: 10 })) {
              const request = { model: "none/such", messages, stream, loadBalancer }
              assert.strictEqual(yield* attempt(async () => read(await create(request))), "Hello")
            }
            const drawn = (yield* upstream.calls).filter(({ target }) => target === "b/y")
            // one draw in a thousand is of the other
            assert.isAtLeast(drawn.length, 8)
            assert.strictEqual((yield* upstream.calls).length, 10)
          }))

        it.scopedLive("timeout: of one call; the next target has its own", () =>
          Effect.gen(function*() {
            const { targets, text } = yield* ask({ "a/x": Testing.hang, "b/y": Testing.delayed(answer, "50 millis") }, {
              timeout: { callTimeout: 1000 },
              fallbacks: [{ model: "b/y" }]
            })
            assert.strictEqual(text, "Hello")
            assert.deepStrictEqual(targets, ["a/x", "b/y"])
          }))

        it.scopedLive("variables, and `orq.inputs` in both of its forms", () =>
          Effect.gen(function*() {
            const asked: Request["messages"] = [{ role: "user", content: "Hello {{name}}" }]
            for (
              const fields of [
                { variables: { name: "Ada" } },
                { orq: { inputs: { name: "Ada" } } },
                { orq: { inputs: [{ key: "name", value: "Ada" }] } }
              ]
            ) {
              const { bodies } = yield* ask({ "a/x": answer }, { messages: asked, ...fields })
              assert.deepStrictEqual(bodies, [{
                model: "x",
                messages: [{ role: "user", content: "Hello Ada" }],
                stream
              }])
            }
          }))

        it.scopedLive("`orq`: each of its fields where the one above is absent", () =>
          Effect.gen(function*() {
            const orq = {
              retry: { count: 1, onCodes: [502] },
              fallbacks: [{ model: "b/y" }],
              timeout: { callTimeout: 30_000 },
              cache: { type: "exact_match" as const }
            }
            const script = { "a/x": Testing.status(502), "b/y": answer, "c/z": answer }
            assert.deepStrictEqual((yield* ask(script, { orq })).targets, ["a/x", "a/x", "b/y"])
            const above = yield* ask(script, { orq, fallbacks: [{ model: "c/z" }] })
            assert.deepStrictEqual(above.targets, ["a/x", "a/x", "c/z"])
          }))
      })
    }

    it.scopedLive("`orq.prompt`: its messages, its model, its parameters", () =>
      Effect.gen(function*() {
        const script = { "a/x": hello }
        const upstream = yield* Testing.serve(script)
        const prompts = Prompts.layerMemory({
          greeting: {
            "1": { messages: [{ role: "user", content: "of the past" }] },
            "2": {
              model: "a/x",
              parameters: { temperature: 0.2 },
              messages: [{ role: "user", content: "Hello {{name}}" }]
            }
          }
        })
        const running = yield* start(routerOver(upstream, script).pipe(Layer.provide(prompts)))
        const create = client.make(running)
        const orq = { prompt: { id: "greeting", version: "latest" as const } }
        yield* attempt(() => create({ model: "a/x", messages: [], variables: { name: "Ada" }, orq }))
        assert.deepStrictEqual((yield* upstream.calls).map(({ body }) => body), [{
          model: "x",
          temperature: 0.2,
          messages: [{ role: "user", content: "Hello Ada" }],
          stream: false
        }])
      }))
  })
}
