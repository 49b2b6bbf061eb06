import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import * as Hosts from "../../src/provider/Hosts.js"
import * as OpenAiCompatible from "../../src/provider/OpenAiCompatible.js"
import * as Providers from "../../src/provider/Providers.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import { isCompletionResponse } from "../../src/wire/CompletionResponse.js"
import * as RequestBody from "../../src/wire/RequestBody.js"
import * as Settle from "../../src/wire/Settle.js"
import { isStreamResponse } from "../../src/wire/StreamResponse.js"

const secret = "sk-secret-0123456789"

const request = HttpClientRequest.post("http://router.invalid/", {
  body: RequestBody.fromJson({ model: "ignored", messages: [] })
})

const shown = (error: unknown): string =>
  [JSON.stringify(error), inspect(error, { depth: 10 }), String(error), Cause.pretty(Cause.fail(error))].join("\n")

const transport = (answer: Testing.Answer = Testing.completion("Hello")) => Testing.layerTransport({ "*": answer })

const provider = (name: string, apiKey?: string) =>
  OpenAiCompatible.make({
    baseUrl: Testing.baseUrl(name),
    apiKey: apiKey === undefined ? undefined : Redacted.make(apiKey)
  })

const two = Providers.layer({ openai: provider("openai", secret), local: provider("local") })

const resolve = (id: string, path = "model") => Effect.map(Providers.Providers, (service) => service.resolve(id, path))

/** A target as the router uses it: with its answers made final. */
const target = (id: string) =>
  Effect.map(
    Effect.flatMap(resolve(id), Effect.orDie),
    ({ client, id, settle }) => ({ id, client: Settle.settle(settle)(client) })
  )

describe("resolve", () => {
  const rejected = (id: string, path: string) =>
    Effect.flatMap(resolve(id, path), (result) => Effect.orDie(Either.flip(result)))

  const wrong = [
    "",
    "/",
    "gpt-4o",
    "/gpt-4o",
    "openai/",
    "nobody/gpt-4o",
    "OpenAI/gpt-4o",
    " openai/gpt-4o",
    "openai",
    "toString/x",
    "__proto__/x",
    "constructor/x",
    "openai\\gpt-4o"
  ]

  for (const id of wrong) {
    it.effect(`${JSON.stringify(id)} is an InvalidRequest with the path that was given`, () =>
      Effect.gen(function*() {
        for (const path of ["model", "fallbacks[1].model", "loadBalancer.models[0].model"]) {
          const error = yield* rejected(id, path)
          assert.strictEqual(error._tag, "InvalidRequest")
          assert.strictEqual(error.path, path)
          assert.include(error.message, "openai, local")
          assert.notInclude(shown(error), secret)
        }
      }).pipe(Effect.provide(Layer.provide(two, transport()))))
  }

  it.effect("says so when there is no provider at all", () =>
    Effect.gen(function*() {
      assert.include((yield* rejected("openai/gpt-4o", "model")).message, "none is configured")
    }).pipe(Effect.provide(Layer.provide(Providers.layer({}), transport()))))

  const models: Readonly<Record<string, string>> = {
    "openai/gpt-4o": "gpt-4o",
    "openai/meta-llama/llama-3:free": "meta-llama/llama-3:free",
    "openai//x": "/x",
    "openai/a/": "a/",
    "openai/grün": "grün",
    "openai/ ": " "
  }

  for (const [id, model] of Object.entries(models)) {
    it.effect(`${JSON.stringify(id)} is the model ${JSON.stringify(model)}: the first slash counts`, () =>
      Effect.gen(function*() {
        const { client, id: resolved } = yield* target(id)
        assert.strictEqual(resolved, id)
        yield* client.execute(request)
        const [call] = yield* Testing.calls
        assert.strictEqual(call?.provider, "openai")
        assert.strictEqual(call?.model, model)
      }).pipe(Effect.provide(Layer.provideMerge(two, transport()))))
  }

  it.effect("opens no connection", () =>
    Effect.gen(function*() {
      yield* target("openai/gpt-4o")
      assert.lengthOf(yield* Testing.calls, 0)
    }).pipe(Effect.provide(Layer.provideMerge(two, transport()))))
})

describe("a target", () => {
  it.effect("gives final answers", () =>
    Effect.gen(function*() {
      const { client } = yield* target("openai/gpt-4o")
      assert.isTrue(isCompletionResponse(yield* client.execute(request)))
    }).pipe(Effect.provide(Layer.provide(two, transport()))))

  it.effect("gives streams, when they are accepted", () =>
    Effect.gen(function*() {
      const { client } = yield* target("openai/gpt-4o")
      const response = yield* client.execute(HttpClientRequest.accept(request, "text/event-stream"))
      assert.isTrue(isStreamResponse(response))
    }).pipe(Effect.provide(Layer.provide(two, transport(Testing.stream(["Hello"]))))))

  it.effect("is named in its errors", () =>
    Effect.gen(function*() {
      const { client } = yield* target("local/llama")
      const error = yield* Effect.flip(client.execute(request))
      assert.strictEqual(error._tag, "RateLimited")
      assert.strictEqual(error.target, "local/llama")
      assert.include(error.message, "local/llama")
    }).pipe(Effect.provide(Layer.provide(two, transport(Testing.status(429))))))

  it.effect("gets the key of its provider, and no other", () =>
    Effect.gen(function*() {
      for (const id of ["openai/a", "local/b"]) {
        yield* (yield* target(id)).client.execute(request)
      }
      const keys = (yield* Testing.calls).map((call) => call.headers["authorization"])
      assert.deepStrictEqual(keys, [`Bearer ${secret}`, undefined])
    }).pipe(Effect.provide(Layer.provideMerge(two, transport()))))

  it.effect("has the quirk of its provider", () =>
    Effect.gen(function*() {
      const { client } = yield* target("odd/model")
      const response = yield* client.execute(HttpClientRequest.accept(request, "text/event-stream"))
      assert.isTrue(isStreamResponse(response))
      if (isStreamResponse(response)) {
        assert.include(yield* response.text, "[DONE]")
      }
    }).pipe(Effect.provide(Layer.provide(
      Providers.layer({ odd: OpenAiCompatible.make({ baseUrl: Testing.baseUrl("odd"), doneTerminates: true }) }),
      transport(Testing.stream(["Hello"], { finishReason: null }))
    ))))

  it.effect("shows no secret in any error, however the answer repeats it", () =>
    Effect.gen(function*() {
      const echo = `your key ${secret} (Bearer ${secret})`
      const headers = { "x-echo": secret }
      const answers: ReadonlyArray<Testing.Answer> = [
        ...[302, 400, 401, 402, 404, 429, 500, 529].map((status) =>
          Testing.status(status, { message: echo, code: secret, type: secret, headers })
        ),
        Testing.raw({ headers, body: echo }),
        Testing.raw({ headers }),
        Testing.raw({ headers, body: JSON.stringify({ error: echo }) }),
        Testing.raw({ headers, body: JSON.stringify({ choices: [] }) }),
        Testing.raw({ chunks: [echo], end: "reset" }),
        Testing.refuse,
        Testing.reset
      ]
      for (const answer of answers) {
        for (const inbound of [request, HttpClientRequest.accept(request, "text/event-stream")]) {
          const error = yield* Effect.flatMap(target("openai/gpt-4o"), ({ client }) =>
            Effect.flip(client.execute(inbound))).pipe(Effect.provide(Layer.provide(two, transport(answer))))
          assert.notInclude(shown(error), secret)
          assert.notInclude(shown(RouterError.allTargetsFailed([error])), secret)
          if ("body" in error && error.body !== undefined) {
            assert.notInclude(Redacted.value(error.body), secret)
          }
        }
      }
    }))
})

describe("names", () => {
  it("with a slash, or empty, are rejected: no model id could mean them", () => {
    for (const name of ["my/provider", ""]) {
      assert.throws(() => Providers.layer({ [name]: provider("a") }), RouterError.InvalidRequest)
    }
  })
})

describe("fingerprint", () => {
  const fingerprint = (providers: Parameters<typeof Providers.make>[0]) =>
    Effect.map(Effect.provide(Providers.make(providers), transport()), (service) => service.fingerprint)

  it.effect("is the same for the same providers, and shows no credential", () =>
    Effect.gen(function*() {
      const first = yield* fingerprint({ a: provider("a", secret) })
      assert.strictEqual(first, yield* fingerprint({ a: provider("a", secret) }))
      assert.match(first, /^[0-9a-f]{64}$/)
    }))

  it.effect("differs by name, address, header and credential", () =>
    Effect.gen(function*() {
      const all = yield* Effect.all([
        fingerprint({ a: provider("a", secret) }),
        fingerprint({ a: provider("a", "another") }),
        fingerprint({ a: provider("a") }),
        fingerprint({ a: provider("b", secret) }),
        fingerprint({ b: provider("a", secret) }),
        fingerprint({ a: provider("a", secret), b: provider("b") }),
        ...["A", "B"].map((tenant) =>
          fingerprint({ a: OpenAiCompatible.make({ baseUrl: Testing.baseUrl("a"), headers: { "x-tenant": tenant } }) })
        )
      ])
      assert.strictEqual(new Set(all).size, all.length)
    }))
})

describe("layerConfig", () => {
  const configured = (variables: Readonly<Record<string, string>>, answer?: Testing.Answer) =>
    Layer.provideMerge(Providers.layerConfig, transport(answer)).pipe(
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables)))))
    )

  const names = (variables: Readonly<Record<string, string>>) =>
    Effect.map(Providers.Providers, (service) => service.names.slice().sort()).pipe(
      Effect.provide(configured(variables))
    )

  /** Where a request to the model goes, and with which key. */
  const called = (variables: Readonly<Record<string, string>>, id: string) =>
    Effect.gen(function*() {
      yield* (yield* target(id)).client.execute(request)
      const [call] = yield* Testing.calls
      return { url: call?.url, key: call?.headers["authorization"] ?? call?.headers["api-key"] }
    }).pipe(Effect.provide(configured(variables)))

  const hosts = Object.entries<Hosts.Host>(Hosts.hosts)

  for (const [name, { baseUrl, keys }] of hosts) {
    for (const variable of keys) {
      it.effect(`${variable} is the key of ${name}`, () =>
        Effect.gen(function*() {
          const variables = { [variable]: secret }
          assert.deepStrictEqual(yield* names(variables), [name, "ollama"].sort())
          assert.deepStrictEqual(yield* called(variables, `${name}/m`), {
            url: `${baseUrl}/chat/completions`,
            key: `Bearer ${secret}`
          })
        }))
    }

    it.effect(`${name.toUpperCase()}_BASE_URL replaces the address of ${name}`, () =>
      Effect.gen(function*() {
        const variables = {
          [`${name.toUpperCase()}_BASE_URL`]: "http://proxy.invalid/v9/",
          ...(keys[0] === undefined ? {} : { [keys[0]]: secret })
        }
        assert.strictEqual((yield* called(variables, `${name}/m`)).url, "http://proxy.invalid/v9/chat/completions")
      }))
  }

  it.effect("nothing set: only ollama, which needs no key", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* names({}), ["ollama"])
      assert.deepStrictEqual(yield* called({}, "ollama/llama3"), {
        url: "http://localhost:11434/v1/chat/completions",
        key: undefined
      })
    }))

  it.effect("all of them at once", () =>
    Effect.gen(function*() {
      const variables = Object.fromEntries(hosts.flatMap(([, { keys }]) => keys.map((variable) => [variable, "k"])))
      assert.deepStrictEqual(yield* names(variables), hosts.map(([name]) => name).sort())
    }))

  it.effect("GEMINI_API_KEY comes before GOOGLE_API_KEY, unless it is empty", () =>
    Effect.gen(function*() {
      const key = (variables: Readonly<Record<string, string>>) =>
        Effect.map(called(variables, "google/gemini"), (call) => call.key)
      assert.strictEqual(yield* key({ GOOGLE_API_KEY: "g", GEMINI_API_KEY: "m" }), "Bearer m")
      assert.strictEqual(yield* key({ GOOGLE_API_KEY: "g", GEMINI_API_KEY: "" }), "Bearer g")
      assert.strictEqual(yield* key({ GOOGLE_API_KEY: "g", GEMINI_API_KEY: "  " }), "Bearer g")
    }))

  it.effect("an empty variable is one that is not set", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* names({ OPENAI_API_KEY: "", GROQ_API_KEY: " ", XAI_API_KEY: "\t" }), ["ollama"])
      assert.deepStrictEqual(yield* called({ OPENAI_API_KEY: "k", OPENAI_BASE_URL: "" }, "openai/m"), {
        url: "https://api.openai.com/v1/chat/completions",
        key: "Bearer k"
      })
    }))

  it.effect("a base URL alone is no provider, where a key is needed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* names({ OPENAI_BASE_URL: "http://proxy.invalid" }), ["ollama"])
    }))

  it.effect("azure needs its key and its endpoint", () =>
    Effect.gen(function*() {
      const endpoint = "https://r.openai.azure.com"
      assert.deepStrictEqual(yield* names({ AZURE_OPENAI_API_KEY: "k" }), ["ollama"])
      assert.deepStrictEqual(yield* names({ AZURE_OPENAI_ENDPOINT: endpoint }), ["ollama"])
      assert.deepStrictEqual(yield* names({ AZURE_OPENAI_API_KEY: "k", AZURE_OPENAI_ENDPOINT: "" }), ["ollama"])
      const both = { AZURE_OPENAI_API_KEY: "k", AZURE_OPENAI_ENDPOINT: endpoint }
      assert.deepStrictEqual(yield* names(both), ["azure", "ollama"])
      const path = "/openai/deployments/m/chat/completions"
      assert.deepStrictEqual(yield* called(both, "azure/m"), {
        url: `${endpoint}${path}?api-version=${OpenAiCompatible.defaultAzureApiVersion}`,
        key: "k"
      })
      assert.strictEqual(
        (yield* called({ ...both, AZURE_OPENAI_API_VERSION: "2030-01-01" }, "azure/m")).url,
        `${endpoint}${path}?api-version=2030-01-01`
      )
    }))

  const wrong: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    "a key with a line end": { OPENAI_API_KEY: `${secret}\n` },
    "a key with another header": { GROQ_API_KEY: `${secret}\r\nx-injected: 1` },
    "a base URL that is none": { OPENAI_API_KEY: secret, OPENAI_BASE_URL: "localhost:80" },
    "a base URL with a password": { OPENAI_API_KEY: "k", OPENAI_BASE_URL: `http://u:${secret}@h.invalid` },
    "an endpoint that is none": { AZURE_OPENAI_API_KEY: secret, AZURE_OPENAI_ENDPOINT: "my-resource" }
  }

  for (const [name, variables] of Object.entries(wrong)) {
    it.effect(`${name} is a ConfigError, which does not show the key`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Layer.launch(configured(variables)))
        assert.strictEqual(error._op, "InvalidData")
        assert.notInclude(shown(error), secret)
      }))
  }
})
