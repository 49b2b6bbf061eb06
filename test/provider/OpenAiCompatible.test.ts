import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { inspect } from "node:util"
import * as Retry from "../../src/policy/Retry.js"
import * as Hosts from "../../src/provider/Hosts.js"
import * as OpenAiCompatible from "../../src/provider/OpenAiCompatible.js"
import type { Provider } from "../../src/provider/Provider.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as RequestBody from "../../src/wire/RequestBody.js"
import * as Settle from "../../src/wire/Settle.js"

const secret = "sk-secret-0123456789"
const key = Redacted.make(secret)

/** Where the router's own request claims to go: no provider may care. */
const routerUrl = "http://router.invalid/v2/router/chat/completions?key=inbound"

const asked = { model: "openai/gpt-4o", messages: [{ role: "user", content: "Hi" }], x_new: { a: [1] } }

const request = HttpClientRequest.post(routerUrl, { body: RequestBody.fromJson(asked) })

/** What the upstream sees of one request to the model `m`. */
const sent = (provider: Provider, inbound = request, model = "m") =>
  Effect.gen(function*() {
    const transport = yield* Testing.makeTransport({ "*": Testing.completion("Hello") })
    yield* provider.client(transport.client)(model).execute(inbound)
    const calls = yield* transport.calls
    assert.lengthOf(calls, 1)
    return calls[0]!
  })

const invalid = (build: () => unknown): RouterError.InvalidRequest => {
  try {
    build()
  } catch (error) {
    assert.instanceOf(error, RouterError.InvalidRequest)
    return error
  }
  return assert.fail("it was accepted")
}

const shown = (error: unknown): string =>
  [JSON.stringify(error), inspect(error, { depth: 10 }), String(error), Cause.pretty(Cause.fail(error))].join("\n")

describe("what is sent", () => {
  it.effect("goes to /chat/completions under the base URL, and nowhere near the inbound URL", () =>
    Effect.gen(function*() {
      for (
        const baseUrl of [
          "http://host.invalid:8080/v1",
          "http://host.invalid:8080/v1/",
          "http://host.invalid:8080/v1//"
        ]
      ) {
        const call = yield* sent(OpenAiCompatible.make({ baseUrl, apiKey: key }))
        assert.strictEqual(call.url, "http://host.invalid:8080/v1/chat/completions")
        assert.strictEqual(call.method, "POST")
      }
    }))

  it.effect("has the model replaced and everything else as it was", () =>
    Effect.gen(function*() {
      const call = yield* sent(OpenAiCompatible.make({ baseUrl: "http://host.invalid" }), request, "org/model:free")
      assert.deepStrictEqual(call.body, { ...asked, model: "org/model:free" })
      assert.strictEqual(asked.model, "openai/gpt-4o")
    }))

  it.effect("has a model when the request names none", () =>
    Effect.gen(function*() {
      const inbound = HttpClientRequest.post(routerUrl, { body: RequestBody.fromJson({ messages: [] }) })
      const call = yield* sent(OpenAiCompatible.make({ baseUrl: "http://host.invalid" }), inbound)
      assert.deepStrictEqual(call.body, { messages: [], model: "m" })
    }))

  it.effect("is the same for a body that a user encoded, with its own length", () =>
    Effect.gen(function*() {
      const inbound = HttpClientRequest.post(routerUrl).pipe(HttpClientRequest.bodyUnsafeJson(asked))
      const call = yield* sent(
        OpenAiCompatible.make({ baseUrl: "http://host.invalid" }),
        inbound,
        "a-longer-model-name"
      )
      assert.deepStrictEqual(call.body, { ...asked, model: "a-longer-model-name" })
      assert.strictEqual(call.headers["content-length"], String(JSON.stringify(call.body).length))
      assert.strictEqual(call.headers["content-type"], "application/json")
    }))

  it.effect("has the key as a bearer token, and no such header without a key", () =>
    Effect.gen(function*() {
      const withKey = yield* sent(OpenAiCompatible.make({ baseUrl: "http://host.invalid", apiKey: key }))
      assert.strictEqual(withKey.headers["authorization"], `Bearer ${secret}`)
      const without = yield* sent(OpenAiCompatible.make({ baseUrl: "http://host.invalid" }))
      assert.isUndefined(without.headers["authorization"])
    }))

  it.effect("has the headers of the options, secret ones too, whatever their case", () =>
    Effect.gen(function*() {
      const call = yield* sent(
        OpenAiCompatible.make({
          baseUrl: "http://host.invalid",
          apiKey: key,
          headers: { "OpenAI-Organization": "org-1", "X-Key": Redacted.make("k-2"), "Authorization": "Basic no" }
        }),
        HttpClientRequest.setHeader(request, "openai-organization", "inbound")
      )
      assert.strictEqual(call.headers["openai-organization"], "org-1")
      assert.strictEqual(call.headers["x-key"], "k-2")
      assert.strictEqual(call.headers["authorization"], `Bearer ${secret}`)
    }))

  it.effect("has the inbound headers, but never a credential", () =>
    Effect.gen(function*() {
      const credentials = [
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "Set-Cookie",
        "X-Api-Key",
        "Api-Key",
        "X-Goog-Api-Key"
      ]
      const inbound = request.pipe(
        HttpClientRequest.setHeaders(credentials.map((name) => [name, "inbound"] as const)),
        HttpClientRequest.setHeaders({ "accept": "text/event-stream", "x-request-id": "r-1" })
      )
      for (
        const provider of [
          OpenAiCompatible.make({ baseUrl: "http://host.invalid" }),
          OpenAiCompatible.make({ baseUrl: "http://host.invalid", apiKey: key }),
          OpenAiCompatible.azure({ endpoint: "http://host.invalid", apiKey: key })
        ]
      ) {
        const { headers } = yield* sent(provider, inbound)
        assert.notInclude(Object.values(headers), "inbound")
        assert.strictEqual(headers["accept"], "text/event-stream")
        assert.strictEqual(headers["x-request-id"], "r-1")
      }
    }))

  it.effect("has no trace headers, also inside a span", () =>
    Effect.gen(function*() {
      const names = (headers: Readonly<Record<string, string>>) =>
        ["traceparent", "tracestate", "b3", "x-b3-traceid"].filter((name) => name in headers)
      const call = yield* Effect.withSpan(sent(OpenAiCompatible.make({ baseUrl: "http://host.invalid" })), "parent")
      assert.deepStrictEqual(names(call.headers), [])
      // that a transport left alone would send them
      const transport = yield* Testing.makeTransport({ "*": Testing.completion("Hello") })
      yield* Effect.withSpan(transport.client.execute(request), "parent")
      assert.deepStrictEqual(names((yield* transport.calls)[0]!.headers), ["traceparent", "b3"])
    }))

  it.effect("keeps a lone surrogate, an integer-like key and `__proto__` in order", () =>
    Effect.gen(function*() {
      const body = JSON.parse("{\"__proto__\":{\"a\":1},\"1\":2,\"content\":\"\\ud800\"}") as RequestBody.JsonObject
      const inbound = HttpClientRequest.post(routerUrl, { body: RequestBody.fromJson(body) })
      const call = yield* sent(OpenAiCompatible.make({ baseUrl: "http://host.invalid" }), inbound)
      assert.strictEqual(JSON.stringify(call.body), JSON.stringify({ ...body, model: "m" }))
      assert.include(JSON.stringify(call.body), "__proto__")
    }))
})

describe("encoding", () => {
  /** A body that counts how often it is encoded. */
  const counted = () => {
    const count = { reads: 0 }
    const body = {
      messages: [],
      get temperature() {
        count.reads++
        return 1
      }
    }
    return { count, request: HttpClientRequest.post(routerUrl, { body: RequestBody.fromJson(body) }) }
  }

  const provider = OpenAiCompatible.make({ baseUrl: "http://host.invalid" })

  it.effect("happens once for a request, however often it is retried", () =>
    Effect.gen(function*() {
      const transport = yield* Testing.makeTransport({
        "*": [...Array.from({ length: 3 }, () => Testing.status(503)), Testing.completion("a")]
      })
      const { count, request } = counted()
      const client = provider.client(transport.client)("m").pipe(
        Settle.settle(),
        Retry.withRetry({ count: 5, backoff: Schedule.recurs(5) })
      )
      yield* client.execute(request)
      const calls = yield* transport.calls
      assert.lengthOf(calls, 4)
      assert.strictEqual(count.reads, 1)
      assert.deepStrictEqual(calls[3]?.body, calls[0]?.body)
    }))

  it.effect("is that of the request at hand: another request, another body", () =>
    Effect.gen(function*() {
      const transport = yield* Testing.makeTransport({ "*": Testing.completion("a") })
      const client = provider.client(transport.client)("m")
      for (const content of ["one", "two"]) {
        yield* client.execute(HttpClientRequest.post(routerUrl, { body: RequestBody.fromJson({ content }) }))
      }
      assert.deepStrictEqual((yield* transport.calls).map((call) => call.body), [
        { content: "one", model: "m" },
        { content: "two", model: "m" }
      ])
    }))

  it.effect("is not shared by two models", () =>
    Effect.gen(function*() {
      const transport = yield* Testing.makeTransport({ "*": Testing.completion("a") })
      const model = provider.client(transport.client)
      yield* model("a").execute(request)
      yield* model("b").execute(request)
      assert.deepStrictEqual((yield* transport.calls).map((call) => call.model), ["a", "b"])
    }))

  const cycle: Record<string, unknown> = { prompt: "the prompt" }
  cycle["self"] = cycle

  const deep = (depth: number): unknown => {
    let value: unknown = "the prompt"
    for (let i = 0; i < depth; i++) {
      value = [value]
    }
    return value
  }

  const unsendable: Readonly<Record<string, HttpBody.HttpBody>> = {
    "no body": HttpBody.empty,
    "text": HttpBody.text("the prompt"),
    "half a JSON": HttpBody.text("{\"content\":\"the prompt\""),
    "a JSON array": HttpBody.unsafeJson(["the prompt"]),
    "a JSON null": HttpBody.unsafeJson(null),
    "a JSON string": HttpBody.unsafeJson("the prompt"),
    "a value that is no object": HttpBody.raw("the prompt"),
    "a form": HttpBody.formDataRecord({ content: "the prompt" }),
    "a bigint": RequestBody.fromJson({ content: "the prompt", n: 1n }),
    "a cycle": RequestBody.fromJson(cycle),
    "a nesting without end": RequestBody.fromJson({ content: deep(100_000) }),
    "bytes nested too deeply": HttpBody.text(`{"a":${"[".repeat(1000)}${"]".repeat(1000)}}`)
  }

  for (const [name, body] of Object.entries(unsendable)) {
    it.effect(`of ${name} is an InvalidRequest, before any call`, () =>
      Effect.gen(function*() {
        const transport = yield* Testing.makeTransport({ "*": Testing.completion("a") })
        const client = provider.client(transport.client)("m")
        const error = yield* Effect.flip(client.execute(HttpClientRequest.post(routerUrl, { body })))
        assert.strictEqual(error._tag, "InvalidRequest")
        assert.notInclude(shown(error), "the prompt")
        assert.lengthOf(yield* transport.calls, 0)
      }))
  }
})

describe("credentials and headers", () => {
  for (const value of ["a\r\nx-injected: 1", "a\nb", "a\r", "key\n", "a\0b", "a\tb", "schlüssel", "🔑", "\u007f", ""]) {
    const text = JSON.stringify(value)

    it(`a header ${text} is rejected by its name`, () => {
      for (const given of [value, Redacted.make(value)]) {
        const error = invalid(() =>
          OpenAiCompatible.make({ baseUrl: "http://h.invalid", headers: { "X-Mine": given } })
        )
        assert.strictEqual(error.path, "headers.X-Mine")
        assert.isTrue(value === "" || !shown(error).includes(value))
        assert.notInclude(shown(error), "injected")
      }
    })

    it(`an Azure key ${text} is rejected by its name`, () => {
      const apiKey = Redacted.make(value)
      const error = invalid(() => OpenAiCompatible.azure({ endpoint: "http://h.invalid", apiKey }))
      assert.strictEqual(error.path, "headers.api-key")
      assert.notInclude(shown(error), "injected")
    })
  }

  for (const value of [`${secret}\n`, `${secret}\r\nx-injected: 1`, `\0${secret}`, `${secret}é`]) {
    it(`a key ${JSON.stringify(value)} is rejected, and not shown`, () => {
      const apiKey = Redacted.make(value)
      const error = invalid(() => OpenAiCompatible.make({ baseUrl: "http://h.invalid", apiKey }))
      assert.strictEqual(error.path, "headers.authorization")
      assert.notInclude(shown(error), secret)
      assert.notInclude(shown(error), "injected")
    })
  }

  it("a header name that is none is rejected, and not shown", () => {
    for (const name of ["", "x y", "x:y", "x\r\ninjected", "ü", "x(y)"]) {
      const error = invalid(() => OpenAiCompatible.make({ baseUrl: "http://h.invalid", headers: { [name]: "v" } }))
      assert.strictEqual(error.path, "headers")
      assert.notInclude(shown(error), "injected")
    }
  })

  it("the secrets are known, as they are sent and as they were given", () => {
    const provider = OpenAiCompatible.make({
      baseUrl: "http://h.invalid",
      apiKey: key,
      headers: { "x-plain": "p", "x-key": Redacted.make("k-2") }
    })
    assert.deepStrictEqual(provider.secrets.map(Redacted.value), ["k-2", `Bearer ${secret}`, secret])
    assert.deepStrictEqual(OpenAiCompatible.make({ baseUrl: "http://h.invalid" }).secrets, [])
    assert.deepStrictEqual(
      OpenAiCompatible.azure({ endpoint: "http://h.invalid", apiKey: key }).secrets.map(Redacted.value),
      [secret]
    )
    assert.notInclude(shown(provider), secret)
  })

  it.effect("an answer that repeats the key does not get it into an error", () =>
    Effect.gen(function*() {
      const provider = OpenAiCompatible.make({ baseUrl: "http://h.invalid", apiKey: key })
      const client = (transport: HttpClient.HttpClient) =>
        provider.client(transport)("m").pipe(Settle.settle({ target: "a/m", secrets: provider.secrets }))
      const message = `Incorrect API key provided: ${secret}. You sent Bearer ${secret}`
      const headers = { "x-echo": secret, location: `https://h.invalid/?key=${secret}` }
      for (
        const answer of [
          Testing.status(401, { message, code: secret, headers }),
          Testing.status(302, { message, headers }),
          Testing.raw({ headers, body: JSON.stringify({ error: { message, code: secret } }) }),
          Testing.raw({ headers, body: message }),
          Testing.reset
        ]
      ) {
        const transport = yield* Testing.makeTransport({ "*": answer })
        const error = yield* Effect.flip(client(transport.client).execute(request))
        assert.notInclude(shown(error), secret)
        const body = "body" in error && error.body !== undefined ? Redacted.value(error.body) : ""
        assert.notInclude(body, secret)
      }
    }))
})

describe("base URLs", () => {
  const wrong = [
    "",
    "/v1",
    "localhost:8080/v1",
    "host.invalid/v1",
    "http://",
    "ftp://host.invalid/v1",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://host.invalid/v1?api-version=1",
    "http://host.invalid/v1#top",
    `http://user:${secret}@host.invalid/v1`,
    `http://host.invalid/v1?key=${secret}`
  ]

  for (const url of wrong) {
    it(`${JSON.stringify(url)} is none`, () => {
      const error = invalid(() => OpenAiCompatible.make({ baseUrl: url }))
      assert.strictEqual(error.path, "baseUrl")
      assert.notInclude(shown(error), secret)
      assert.strictEqual(invalid(() => OpenAiCompatible.azure({ endpoint: url, apiKey: key })).path, "endpoint")
    })
  }

  it.effect("whitespace around one is not a part of it", () =>
    Effect.gen(function*() {
      const call = yield* sent(OpenAiCompatible.make({ baseUrl: " http://host.invalid/v1 \n" }))
      assert.strictEqual(call.url, "http://host.invalid/v1/chat/completions")
    }))
})

describe("hosts", () => {
  for (const name of Object.keys(Hosts.hosts) as ReadonlyArray<Hosts.HostName>) {
    it.effect(`${name} is where its documentation says`, () =>
      Effect.gen(function*() {
        const call = yield* sent(OpenAiCompatible.host(name, { apiKey: key }))
        assert.strictEqual(call.url, `${Hosts.hosts[name].baseUrl}/chat/completions`)
        assert.strictEqual(call.headers["authorization"], `Bearer ${secret}`)
        // a key does not travel in the clear
        assert.isTrue(call.url.startsWith("https://") || new URL(call.url).hostname === "localhost")
      }))
  }

  it.effect("another base URL replaces it", () =>
    Effect.gen(function*() {
      const call = yield* sent(OpenAiCompatible.host("groq", { apiKey: key, baseUrl: "http://proxy.invalid/groq" }))
      assert.strictEqual(call.url, "http://proxy.invalid/groq/chat/completions")
    }))

  it("a quirk of the host is passed on", () => {
    assert.isFalse(OpenAiCompatible.host("groq").doneTerminates)
    assert.isTrue(OpenAiCompatible.host("groq", { doneTerminates: true }).doneTerminates)
  })
})

describe("azure", () => {
  it.effect("the model is a deployment in the path, the key has a header of its own", () =>
    Effect.gen(function*() {
      const provider = OpenAiCompatible.azure({ endpoint: "https://r.openai.azure.com/", apiKey: key })
      const call = yield* sent(provider, request, "my-deployment")
      assert.strictEqual(
        call.url,
        `https://r.openai.azure.com/openai/deployments/my-deployment/chat/completions?api-version=${OpenAiCompatible.defaultAzureApiVersion}`
      )
      assert.strictEqual(call.headers["api-key"], secret)
      assert.isUndefined(call.headers["authorization"])
    }))

  it.effect("neither the deployment nor the version can leave their place", () =>
    Effect.gen(function*() {
      const provider = OpenAiCompatible.azure({
        endpoint: "https://r.openai.azure.com",
        apiKey: key,
        apiVersion: "2024&x=1#y"
      })
      const call = yield* sent(provider, request, "../../admin?x=1#y")
      const url = new URL(call.url)
      assert.strictEqual(url.pathname, "/openai/deployments/..%2F..%2Fadmin%3Fx%3D1%23y/chat/completions")
      assert.strictEqual(url.search, "?api-version=2024%26x%3D1%23y")
      assert.strictEqual(url.hash, "")
    }))
})
