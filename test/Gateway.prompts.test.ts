/** What a client hears of prompts and templates that are wrong, end to end. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { type ChatCompletions, Prompts, RouterError } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { errorOf, json, post, routerOver, start, v2 } from "./support/gateway.js"

const script: Testing.Script = { "a/x": Testing.completion("Hello") }

const prompts = Prompts.layerMemory({
  greeting: { model: "a/x", messages: [{ role: "user", content: "Hello {{name}}" }] },
  broken: { model: "a/x", templateEngine: "jinja", messages: [{ role: "system", content: "sk-secret {% if %}" }] }
})

/** A store that fails as it is told. */
const storeOf = (error: RouterError.PromptUnavailable | RouterError.PromptInvalid) =>
  Layer.succeed(Prompts.Prompts, { get: () => Effect.fail(error) })

const running = (store: Layer.Layer<Prompts.Prompts>) =>
  Effect.gen(function*() {
    const upstream = yield* Testing.serve(script)
    const router: Layer.Layer<ChatCompletions.ChatCompletions> = routerOver(upstream, script).pipe(Layer.provide(store))
    return { ...(yield* start(router)), upstream }
  })

const invalid = "invalid_request_error"
const variables = { name: "sk-secret" }

describe("a prompt", () => {
  it.scopedLive("that is there is sent, by both of its names", () =>
    Effect.gen(function*() {
      const gateway = yield* running(prompts)
      for (const fields of [{ prompt: { id: "greeting" } }, { messages: [], orq: { prompt: { id: "greeting" } } }]) {
        assert.strictEqual((yield* post(gateway, { ...fields, variables }, {}, v2)).status, 200)
      }
      const [call] = yield* gateway.upstream.calls
      assert.deepStrictEqual((call?.body as { readonly messages: unknown }).messages, [
        { role: "user", content: "Hello sk-secret" }
      ])
    }))

  for (
    const [name, store, fields, status, type, code, param] of [
      ["that is not there", prompts, { prompt: { id: "sk-secret" } }, 404, invalid, "prompt_not_found", "prompt"],
      [
        "without that version",
        prompts,
        { prompt: { id: "greeting", version: "sk-secret" } },
        404,
        invalid,
        "prompt_not_found",
        "prompt"
      ],
      [
        "whose variable is missing",
        prompts,
        { prompt: { id: "greeting" }, variables: { other: "sk-secret" } },
        400,
        invalid,
        "invalid_request_body",
        "variables"
      ],
      ["that cannot be parsed", prompts, { prompt: { id: "broken" } }, 500, "server_error", "internal_error", null],
      [
        "that is invalid in its store",
        storeOf(new RouterError.PromptInvalid({ promptId: "p", file: "/srv/sk-secret", issues: [] })),
        { prompt: { id: "p" } },
        500,
        "server_error",
        "internal_error",
        null
      ],
      [
        "whose store is away",
        storeOf(new RouterError.PromptUnavailable({ promptId: "p", reason: "sk-secret" })),
        { prompt: { id: "p" } },
        503,
        "server_error",
        "service_unavailable",
        null
      ],
      [
        "and a template that cannot be parsed",
        prompts,
        {
          model: "a/x",
          template_engine: "jinja",
          messages: [{ role: "user", content: "sk-secret {% if %}" }],
          variables
        },
        400,
        invalid,
        "invalid_request_body",
        "messages[0].content"
      ],
      [
        "and an engine that is none",
        prompts,
        { model: "a/x", template_engine: "sk-secret", messages: [], variables },
        400,
        invalid,
        "invalid_request_body",
        "template_engine"
      ]
    ] as const
  ) {
    for (const stream of [false, true]) {
      it.scopedLive(`${name} (stream: ${stream})`, () =>
        Effect.gen(function*() {
          const gateway = yield* running(store)
          const answered = yield* post(gateway, { ...fields, stream }, {}, v2)
          assert.deepStrictEqual(errorOf(answered), { status, type, param, code }, answered.text)
          assert.strictEqual(answered.headers.get("retry-after"), status === 503 ? "1" : null)
          assert.notInclude(answered.text, "sk-secret")
          assert.deepStrictEqual(Object.keys(json(answered) as object), ["error"])
          assert.strictEqual((yield* gateway.upstream.calls).length, 0)
        }))
    }
  }
})
