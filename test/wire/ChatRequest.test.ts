import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import type * as AST from "effect/SchemaAST"
import type { InvalidRequest } from "../../src/RouterError.js"
import * as ChatRequest from "../../src/wire/ChatRequest.js"
import * as Keys from "../../src/wire/Keys.js"
import * as RequestKeys from "../../src/wire/RequestKeys.js"
import { requests } from "./requests.js"

const base = { model: "openai/gpt-4o", messages: [] }

const pathsOf = (result: Either.Either<ChatRequest.ChatRequest, InvalidRequest>): ReadonlyArray<string> =>
  Either.match(result, {
    onLeft: (error) => {
      assert.isNotEmpty(error.issues)
      return error.issues.map((issue) => issue.path)
    },
    onRight: () => []
  })

/** The paths that are wrong, in their order. */
const paths = (input: unknown): ReadonlyArray<string> => pathsOf(ChatRequest.validate(input))

const wirePaths = (json: unknown): ReadonlyArray<string> => pathsOf(ChatRequest.fromWire(json))

const issueOf = (input: unknown): { readonly path: string; readonly message: string } | undefined =>
  Either.match(ChatRequest.validate(input), { onLeft: (error) => error.issues[0], onRight: () => undefined })

const valid = (input: unknown): ChatRequest.ChatRequest =>
  Either.getOrThrowWith(ChatRequest.validate(input), (error) => error)

const published = {
  messages: [],
  model: "Model 3",
  fallbacks: [{ model: "openai/gpt-4o-mini" }],
  retry: { onCodes: [429, 500, 502, 503, 504] },
  cache: { ttl: 3600, type: "exact_match" },
  loadBalancer: { type: "weight_based", models: [{ model: "openai/gpt-4o", weight: 0.7 }] },
  timeout: { callTimeout: 30000 }
}

describe("validate", () => {
  it("accepts the published example and gives the input itself back", () => {
    assert.strictEqual(valid(published) as unknown, published)
  })

  it.each<readonly [path: string, good: ReadonlyArray<unknown>, bad: ReadonlyArray<unknown>]>([
    ["temperature", [0, 2, null, undefined], [-0.1, 2.1, "1", NaN]],
    ["topP", [0, 1, null], [-0.1, 1.1]],
    ["frequencyPenalty", [-2, 2, null], [-2.1, 2.1, Infinity]],
    ["presencePenalty", [-2, 2, null], [-2.1, 2.1]],
    ["maxTokens", [1, null], [1.5, "1"]],
    ["maxCompletionTokens", [1, null], [0, 1.5]],
    ["topLogprobs", [0, 20, null], [-1, 21, 1.5]],
    ["n", [1, null], [0, 1.5]],
    ["seed", [1, -1, null], ["1"]],
    ["stop", ["a", ["a", "b", "c", "d"], null], [["a", "b", "c", "d", "e"], 1]],
    ["reasoningEffort", ["none", "max"], ["extreme", null]],
    ["verbosity", ["low", "anything"], [1]],
    ["modalities", [["text", "audio"], null], ["text"]],
    ["metadata", [{ a: "b" }, { ["k".repeat(64)]: "v" }], [
      Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, "v"])),
      { ["k".repeat(65)]: "v" },
      null
    ]],
    ["metadata.a", [], [{ a: "v".repeat(513) }, { a: 1 }]],
    ["toolChoice", ["none", "auto", "required", { function: { name: "f" } }], ["some", 1]],
    ["retry", [{}, undefined], [null, 1, []]],
    ["cache", [{ type: "exact_match" }], [null, "exact_match"]],
    ["fallbacks", [[]], [null, {}]],
    ["stream", [true, false], ["yes", null]],
    ["model", ["Model 3", "a/b/c"], ["", 1, null]],
    ["messages", [[]], [{}, "hello", null]]
  ])("%s", (path, good, bad) => {
    const [member = ""] = path.split(".")
    for (const value of good) assert.deepStrictEqual(paths({ ...base, [member]: value }), [], JSON.stringify(value))
    for (const value of bad) assert.deepStrictEqual(paths({ ...base, [member]: value }), [path], JSON.stringify(value))
  })

  it.each<readonly [path: string, input: object]>([
    ["retry.count", { retry: { count: 0 } }],
    ["retry.count", { retry: { count: 6 } }],
    ["retry.count", { retry: { count: 1.5 } }],
    ["retry.onCodes", { retry: { onCodes: [] } }],
    ["retry.onCodes[1]", { retry: { onCodes: [100, 99] } }],
    ["retry.onCodes[1]", { retry: { onCodes: [599, 600] } }],
    ["cache.type", { cache: { ttl: 5 } }],
    ["cache.ttl", { cache: { type: "exact_match", ttl: 0 } }],
    ["cache.ttl", { cache: { type: "exact_match", ttl: 259_201 } }],
    ["cache.ttl", { cache: { type: "exact_match", ttl: 1.5 } }],
    ["loadBalancer.type", { loadBalancer: { models: [{ model: "a/b" }] } }],
    ["loadBalancer.models", { loadBalancer: { type: "weight_based" } }],
    ["loadBalancer.models", { loadBalancer: { type: "weight_based", models: [] } }],
    ["loadBalancer.models[1].weight", {
      loadBalancer: { type: "weight_based", models: [{ model: "a/b", weight: 0.001 }, { model: "a/c", weight: 0 }] }
    }],
    ["loadBalancer.models[1].weight", {
      loadBalancer: { type: "weight_based", models: [{ model: "a/b", weight: 1 }, { model: "a/c", weight: 1.001 }] }
    }],
    ["timeout.callTimeout", { timeout: {} }],
    ["timeout.callTimeout", { timeout: { calTimeout: 5000 } }],
    ["retry.onCodes[0]", { retry: { onCodes: new Array(1) } }],
    ["messages[0]", { messages: new Array(1) }],
    ["timeout.callTimeout", { timeout: { callTimeout: 0.5 } }],
    ["timeout.callTimeout", { timeout: { callTimeout: Infinity } }],
    ["fallbacks[1].model", { fallbacks: [{ model: "a/b" }, { model: "" }] }],
    ["prompt.id", { prompt: {} }],
    ["guardrails[0].executeOn", { guardrails: [{ id: "g" }] }],
    ["plugins[0].entityThresholds.EMAIL", {
      plugins: [{ id: "pii_redaction", entityThresholds: { EMAIL: 2 } }]
    }],
    ["plugins[0].id", { plugins: [{ id: "unheard_of" }] }],
    ["thinking.budgetTokens", { thinking: { type: "enabled", budgetTokens: 1023 } }],
    ["thinking.budgetTokens", { thinking: { type: "enabled", budgetTokens: 2048 }, maxTokens: 2048 }],
    ["responseFormat.jsonSchema.name", { responseFormat: { type: "json_schema", jsonSchema: { name: "a b" } } }],
    ["tools[0].function.name", { tools: [{ function: {} }] }],
    ["orq.retry.count", { orq: { retry: { count: 9 } } }],
    ["orq.inputs[0].key", { orq: { inputs: [{ value: 1 }] } }],
    ["orq.knowledgeBases[0].topK", { orq: { knowledgeBases: [{ knowledgeId: "k", topK: 101 }] } }],
    ["messages[0].role", { messages: [{ role: "function", content: "" }] }],
    ["messages[0].role", { messages: [{ content: "" }] }],
    ["messages[0]", { messages: ["hello"] }],
    ["messages[0].content", { messages: [{ role: "user", content: 1 }] }],
    ["messages[0].content", { messages: [{ role: "system", content: null }] }],
    ["messages[0].content[1].type", {
      messages: [{ role: "user", content: [{ type: "text", text: "" }, { type: "video" }] }]
    }],
    ["messages[0].content[1].imageUrl.url", {
      messages: [{ role: "user", content: [{ type: "text", text: "" }, { type: "image_url", imageUrl: {} }] }]
    }],
    ["messages[0].content[0].type", {
      messages: [{ role: "system", content: [{ type: "image_url", text: "" }] }]
    }],
    ["messages[0].toolCallId", { messages: [{ role: "tool", content: "" }] }],
    ["messages[0].toolCalls[0].id", {
      messages: [{ role: "assistant", toolCalls: [{ type: "function", function: {} }] }]
    }],
    ["messages[0].content[0].cacheControl.ttl", {
      messages: [{
        role: "user",
        content: [{ type: "text", text: "", cacheControl: { type: "ephemeral", ttl: "2h" } }]
      }]
    }]
  ])("names %s", (path, input) => {
    assert.deepStrictEqual(paths({ ...base, ...input }), [path])
  })

  it("accepts every role with every part", () => {
    valid({
      ...base,
      messages: [
        { role: "system", content: "", name: "s" },
        { role: "developer", content: [{ type: "text", text: "" }] },
        {
          role: "user",
          content: [
            { type: "text", text: "", cacheControl: { type: "ephemeral", ttl: "5m" } },
            { type: "image_url", imageUrl: { url: "", detail: "high" } },
            { type: "input_audio", inputAudio: { data: "", format: "mp3" } },
            { type: "file", file: { uri: "gs://x", mimeType: "text/plain" } }
          ]
        },
        {
          role: "assistant",
          content: [
            { type: "text", text: "" },
            { type: "refusal", refusal: "" },
            { type: "reasoning", reasoning: "", signature: "" },
            { type: "redacted_reasoning", data: "" }
          ],
          refusal: null,
          audio: null,
          reasoningContent: ""
        },
        { role: "assistant" },
        { role: "tool", content: "", toolCallId: null, cacheControl: { type: "ephemeral" } }
      ]
    })
  })

  it("says what was expected of a range as a whole", () => {
    assert.deepStrictEqual(issueOf({ ...base, retry: { count: 1.5 } }), {
      path: "retry.count",
      message: "expected an integer from 1 to 5"
    })
    assert.strictEqual(
      issueOf({ ...base, retry: { onCodes: [100.5] } })?.message,
      "expected an integer from 100 to 599"
    )
    assert.strictEqual(issueOf({ ...base, timeout: { callTimeout: "1" } })?.message, "expected a number of at least 1")
    assert.deepStrictEqual(issueOf({ ...base, cache: {} }), {
      path: "cache.type",
      message: "is missing; expected \"exact_match\""
    })
    assert.strictEqual(issueOf(7)?.message, "expected an object")
  })

  it("lists every wrong field, at most ten", () => {
    assert.deepStrictEqual(
      [...paths({ messages: [{ role: "nobody" }], model: "", retry: { count: 9 }, timeout: {} })].sort(),
      ["messages[0].role", "model", "retry.count", "timeout.callTimeout"]
    )
    assert.strictEqual(paths({ ...base, fallbacks: Array.from({ length: 50 }, () => ({ model: "" })) }).length, 10)
  })

  it("survives very many issues", () => {
    const content = Array.from({ length: 90_000 }, () => 1)
    assert.strictEqual(paths({ ...base, messages: [{ role: "user", content }] }).length, 10)
  })

  it("refuses objects and lists of more than anybody needs, before they are looked at", () => {
    const object = Object.fromEntries(Array.from({ length: 10_001 }, (_, index) => [`k${index}`, 1]))
    assert.deepStrictEqual(paths({ ...base, variables: object }), ["variables"])
    assert.deepStrictEqual(paths({ ...base, ...object }), [""])
    assert.deepStrictEqual(paths({ ...base, stop: Array.from({ length: 100_001 }, () => "x") }), ["stop"])
  })

  it("never shows a value", () => {
    const secret = "the-secret-text"
    for (
      const input of [
        { model: "", messages: [{ role: secret, content: secret }] },
        { ...base, messages: [{ role: "user", content: [{ type: secret, text: secret }] }] },
        { ...base, messages: secret, stop: [secret, 1], retry: secret, metadata: { a: [secret] } },
        { ...base, metadata: { [secret.repeat(9)]: "v" } },
        secret
      ]
    ) {
      const result = ChatRequest.validate(input)
      assert.isTrue(Either.isLeft(result))
      if (Either.isLeft(result)) {
        assert.notInclude(result.left.message, secret)
        assert.notInclude(JSON.stringify(result.left), secret)
      }
    }
  })

  it("refuses what JSON cannot carry, wherever it is", () => {
    assert.deepStrictEqual(
      paths({
        ...base,
        variables: { f: () => 1, "a b": 1n, date: new Date(0), deep: { list: [0, NaN] } },
        logitBias: Symbol("s")
      }),
      ["variables.f", "variables[\"a b\"]", "variables.date", "variables.deep.list[1]", "logitBias"]
    )
    assert.deepStrictEqual(paths({ ...base, temperature: NaN }), ["temperature"])
  })

  it("takes plain class instances and maps without a prototype", () => {
    class Point {
      constructor(readonly x: number) {}
    }
    valid({ ...base, variables: Object.assign(Object.create(null), { point: new Point(1) }) })
  })

  it("counts own members only", () => {
    assert.deepStrictEqual(paths(Object.create(base)), ["model", "messages"])
  })

  it("stops at 128 levels, on cycles, and on what would be endless as JSON", () => {
    const nested = (levels: number): unknown => {
      let value: unknown = 1
      for (let i = 0; i < levels; i++) value = { value }
      return value
    }
    assert.deepStrictEqual(paths({ ...base, variables: nested(127) }), [])
    assert.deepStrictEqual(paths({ ...base, variables: nested(128) }), ["variables"])
    assert.deepStrictEqual(paths({ ...base, variables: nested(100_000) }), ["variables"])
    const cycle: { [member: string]: unknown } = { ...base }
    cycle["self"] = [cycle, cycle]
    assert.deepStrictEqual(paths(cycle), ["self"])
    let shared: unknown = 1
    for (let i = 0; i < 100; i++) shared = [shared, shared]
    assert.deepStrictEqual(paths({ ...base, variables: { shared } }), ["variables"])
  })
})

describe("the wire", () => {
  it("sends the published example in snake_case", () => {
    assert.deepStrictEqual(ChatRequest.toWire(valid(published)), {
      messages: [],
      model: "Model 3",
      fallbacks: [{ model: "openai/gpt-4o-mini" }],
      retry: { on_codes: [429, 500, 502, 503, 504] },
      cache: { ttl: 3600, type: "exact_match" },
      load_balancer: { type: "weight_based", models: [{ model: "openai/gpt-4o", weight: 0.7 }] },
      timeout: { call_timeout: 30000 }
    })
  })

  it("renames known members at every level and nothing in what is free-form", () => {
    const freeForm = { maxTokens: 1, onCodes: [{ topP: 1 }] }
    const request = valid({
      ...base,
      messages: [
        {
          role: "user",
          content: [
            { type: "file", file: { fileData: "AA==", mimeType: "text/plain" } },
            { type: "image_url", imageUrl: { url: "u" } }
          ]
        },
        {
          role: "assistant",
          toolCalls: [{ id: "1", type: "function", function: { name: "topP", arguments: "{}" }, thoughtSignature: "s" }]
        },
        { role: "tool", toolCallId: "1", content: "maxTokens" }
      ],
      variables: freeForm,
      metadata: { maxTokens: "1" },
      tools: [{ function: { name: "f", parameters: freeForm } }],
      responseFormat: { type: "json_schema", jsonSchema: { name: "n", schema: freeForm } },
      streamOptions: { includeUsage: true },
      thinking: { type: "enabled", budgetTokens: 1024, thinkingLevel: "low" },
      stop: ["maxTokens"],
      guardrails: [{ id: "g", executeOn: "input" }],
      plugins: [{ id: "pii_redaction", entityThresholds: { onCodes: 1 }, onFailure: "block" }],
      orq: {
        inputs: freeForm,
        identity: { id: "i", displayName: "d", metadata: [freeForm] },
        knowledgeBases: [{ knowledgeId: "k", filterBy: freeForm, searchOptions: { includeScores: true } }]
      },
      logitBias: freeForm
    })
    assert.deepStrictEqual(ChatRequest.toWire(request), {
      ...base,
      messages: [
        {
          role: "user",
          content: [
            { type: "file", file: { file_data: "AA==", mimeType: "text/plain" } },
            { type: "image_url", image_url: { url: "u" } }
          ]
        },
        {
          role: "assistant",
          tool_calls: [{
            id: "1",
            type: "function",
            function: { name: "topP", arguments: "{}" },
            thought_signature: "s"
          }]
        },
        { role: "tool", tool_call_id: "1", content: "maxTokens" }
      ],
      variables: freeForm,
      metadata: { maxTokens: "1" },
      tools: [{ function: { name: "f", parameters: freeForm } }],
      response_format: { type: "json_schema", json_schema: { name: "n", schema: freeForm } },
      stream_options: { include_usage: true },
      thinking: { type: "enabled", budget_tokens: 1024, thinking_level: "low" },
      stop: ["maxTokens"],
      guardrails: [{ id: "g", execute_on: "input" }],
      plugins: [{ id: "pii_redaction", entity_thresholds: { onCodes: 1 }, on_failure: "block" }],
      orq: {
        inputs: freeForm,
        identity: { id: "i", display_name: "d", metadata: [freeForm] },
        knowledge_bases: [{ knowledge_id: "k", filter_by: freeForm, search_options: { include_scores: true } }]
      },
      logitBias: freeForm
    })
  })

  it("spells the paths of its errors like its input", () => {
    assert.deepStrictEqual(
      [...wirePaths({
        ...base,
        messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }],
        load_balancer: { type: "weight_based", models: [] },
        retry: { on_codes: [] },
        orq: { knowledge_bases: [{}], inputs: { isPii: NaN } }
      })].sort(),
      [
        "load_balancer.models",
        "messages[0].content[0].image_url.url",
        "orq.inputs.isPii",
        "orq.knowledge_bases[0].knowledge_id",
        "retry.on_codes"
      ]
    )
  })

  it("has a wire name for each member of the schema", () => {
    const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    const untranslated = (ast: AST.AST, inside: Keys.Inside | undefined, path: string): Array<string> => {
      switch (ast._tag) {
        case "Refinement":
          return untranslated(ast.from, inside, path)
        case "Union":
          return ast.types.flatMap((member) => untranslated(member, inside, path))
        case "TupleType":
          return ast.rest.flatMap(({ type }) =>
            untranslated(type, inside?.kind === "list" ? Keys.object(inside.table) : undefined, path)
          )
        case "TypeLiteral":
          if (ast.propertySignatures.length > 0 && inside?.kind !== "object") return [path]
          return ast.propertySignatures.flatMap(({ name, type }) => {
            const member = inside?.table.toWire.get(String(name))
            const here = `${path}.${String(name)}`
            const isNamed = name === "mimeType" || (member?.wire ?? name) === snakeCase(String(name))
            return [...(isNamed ? [] : [here]), ...untranslated(type, member?.inside, here)]
          })
        default:
          return []
      }
    }
    assert.deepStrictEqual(untranslated(ChatRequest.ChatRequest.ast, Keys.object(RequestKeys.request), ""), [])
  })

  it.prop("fromWire undoes toWire, unknown members at every level included", [requests], ([request]) => {
    const decoded = ChatRequest.fromWire(ChatRequest.toWire(valid(request)))
    assert.deepStrictEqual(Either.getOrThrow(decoded) as unknown, request)
  })

  it.prop("any JSON gives a request or an error, never an exception", [FastCheck.jsonValue()], ([json]) => {
    assert.isTrue(Either.isEither(ChatRequest.fromWire(json)))
    assert.isTrue(Either.isEither(ChatRequest.validate({ ...base, messages: json, retry: json, orq: json })))
  })

  it("is a schema, too, whose errors show no value and which keeps unknown members", () => {
    const json = { ...base, max_tokens: 5, service_tier: "flex", retry: { count: 2, on_codes: [500], jitter: true } }
    const request = Schema.decodeUnknownSync(ChatRequest.Wire)(json)
    assert.strictEqual(request.maxTokens, 5)
    assert.deepStrictEqual(Schema.encodeSync(ChatRequest.Wire)(request), json)
    const failed = Schema.decodeUnknownEither(ChatRequest.Wire)({ ...base, messages: "the-secret-text" })
    assert.isTrue(Either.isLeft(failed))
    if (Either.isLeft(failed)) {
      assert.include(failed.left.message, "messages: expected an array")
      assert.notInclude(failed.left.message, "the-secret-text")
    }
  })
})

describe("routing", () => {
  it("fills the defaults of what is asked for, and of nothing else", () => {
    assert.deepStrictEqual(
      ChatRequest.routing(valid({
        ...base,
        retry: {},
        cache: { type: "exact_match" },
        loadBalancer: { type: "weight_based", models: [{ model: "a/b" }, { model: "a/c", weight: 1 }] }
      })),
      {
        model: "openai/gpt-4o",
        fallbacks: [],
        retry: { count: 3, onCodes: [429, 500, 502, 503, 504] },
        cache: { ttl: 1800 },
        loadBalancer: [{ model: "a/b", weight: 0.5 }, { model: "a/c", weight: 1 }]
      }
    )
    assert.deepStrictEqual(ChatRequest.routing(valid(base)), { model: "openai/gpt-4o", fallbacks: [] })
  })

  it("takes what is given", () => {
    assert.deepStrictEqual(
      ChatRequest.routing(valid({
        ...base,
        fallbacks: [{ model: "b/1" }, { model: "c/1" }],
        retry: { count: 1, onCodes: [418] },
        timeout: { callTimeout: 1500.5 },
        variables: { a: 1 },
        prompt: { id: "p", version: "2" },
        name: "n"
      })),
      {
        model: "openai/gpt-4o",
        fallbacks: ["b/1", "c/1"],
        retry: { count: 1, onCodes: [418] },
        timeout: { callTimeout: 1500.5 },
        variables: { a: 1 },
        prompt: { id: "p", version: "2" },
        name: "n"
      }
    )
  })

  it("counts a member of the envelope only where the request has none", () => {
    const orq = {
      name: "old",
      fallbacks: [{ model: "old/1" }],
      retry: { count: 5 },
      timeout: { callTimeout: 1 },
      inputs: { a: "old" },
      prompt: { id: "old" }
    }
    assert.deepStrictEqual(ChatRequest.routing(valid({ ...base, fallbacks: [], orq })), {
      model: "openai/gpt-4o",
      fallbacks: ["old/1"],
      retry: { count: 5, onCodes: [429, 500, 502, 503, 504] },
      timeout: { callTimeout: 1 },
      variables: { a: "old" },
      prompt: { id: "old" },
      name: "old"
    })
    const routing = ChatRequest.routing(
      valid({ ...base, orq, retry: { onCodes: [500] }, variables: {}, fallbacks: [{ model: "new/1" }] })
    )
    // a member counts as a whole: the envelope's count is not mixed into the request's retry
    assert.deepStrictEqual(routing.retry, { count: 3, onCodes: [500] })
    assert.deepStrictEqual(routing.variables, {})
    assert.deepStrictEqual(routing.fallbacks, ["new/1"])
    assert.deepStrictEqual(routing.timeout, { callTimeout: 1 })
  })

  it("lets every member of the request win over the envelope's", () => {
    const own = {
      name: "new",
      fallbacks: [{ model: "new/1" }],
      retry: { count: 1, onCodes: [500] },
      cache: { type: "exact_match", ttl: 1 },
      loadBalancer: { type: "weight_based", models: [{ model: "new/1", weight: 1 }] },
      timeout: { callTimeout: 1 },
      prompt: { id: "new" }
    }
    const orq = {
      name: "old",
      fallbacks: [{ model: "old/1" }],
      retry: { count: 5 },
      cache: { type: "exact_match", ttl: 5 },
      loadBalancer: { type: "weight_based", models: [{ model: "old/1" }] },
      timeout: { callTimeout: 5 },
      prompt: { id: "old" },
      inputs: { a: "old" }
    }
    const variables = { a: "new" }
    assert.deepStrictEqual(
      ChatRequest.routing(valid({ ...base, ...own, variables, orq })),
      ChatRequest.routing(valid({ ...base, ...own, variables }))
    )
  })

  it("reads the envelope's inputs as a list, too", () => {
    const inputs = [{ key: "a", value: 1 }, { key: "__proto__", value: "x" }, { key: "a", value: 2, isPii: true }]
    const { variables = {} } = ChatRequest.routing(valid({ ...base, orq: { inputs } }))
    assert.deepStrictEqual(Object.entries(variables), [["a", 2], ["__proto__", "x"]])
  })
})

describe("upstreamBody", () => {
  it("has the parameters, the given messages and unknown members, and nothing of the routing", () => {
    const request = valid({
      ...published,
      variables: { a: 1 },
      prompt: { id: "p" },
      orq: { name: "n" },
      guardrails: [],
      plugins: [],
      name: "n",
      templateEngine: "text",
      stream: true,
      metadata: { a: "b" },
      maxTokens: 5,
      streamOptions: undefined,
      logitBias: { "50256": -100 },
      load_balancer: "in the other spelling"
    })
    assert.deepStrictEqual(ChatRequest.upstreamBody(request, [{ role: "tool", content: "hi", toolCallId: "1" }]), {
      metadata: { a: "b" },
      max_tokens: 5,
      logitBias: { "50256": -100 },
      messages: [{ role: "tool", content: "hi", tool_call_id: "1" }]
    })
  })
})

describe("a request with a prompt", () => {
  it.each<readonly [paths: ReadonlyArray<string>, input: object]>([
    [[], { prompt: { id: "p" } }],
    [[], { prompt: { id: "p", version: "latest" }, messages: [] }],
    [[], { orq: { prompt: { id: "p" } } }],
    [["model", "messages"], {}],
    [["model"], { messages: [], orq: { inputs: {} } }],
    [["model", "messages"], { prompt: undefined, orq: { prompt: undefined } }],
    [["model"], { prompt: { id: "p" }, model: "" }],
    [["messages[0].content"], { prompt: { id: "p" }, messages: [{ role: "user" }] }],
    [["orq.prompt.id"], { orq: { prompt: { id: "" } } }],
    [["temperature"], { prompt: { id: "p" }, temperature: 3 }],
    [["thinking.budgetTokens"], {
      orq: { prompt: { id: "p" } },
      thinking: { type: "enabled", budgetTokens: 2048 },
      maxTokens: 1
    }]
  ])("%j %j", (expected, input) => {
    assert.deepStrictEqual(paths(input), expected)
  })

  it("may leave out on the wire what the prompt gives", () => {
    const request = Either.getOrThrow(ChatRequest.fromWire({ prompt: { id: "p" }, template_engine: "jinja" }))
    assert.deepStrictEqual(request, { prompt: { id: "p" }, templateEngine: "jinja" })
    assert.isFalse(ChatRequest.isWhole(request))
  })
})

describe("unsupported", () => {
  it.each<readonly [path: string | undefined, input: object]>([
    [undefined, { guardrails: [], plugins: [], name: "n", templateEngine: "jinja" }],
    [undefined, { orq: { identity: { id: "i" }, contact: { id: "c" }, thread: { id: "t" }, knowledgeBases: [] } }],
    ["guardrails", { guardrails: [{ id: "g", executeOn: "output" }] }],
    ["plugins", { plugins: [{ id: "response_healing" }] }],
    ["orq.knowledgeBases", { orq: { knowledgeBases: [{ knowledgeId: "k" }] } }]
  ])("%s", (path, input) => {
    assert.strictEqual(ChatRequest.unsupported(valid({ ...base, ...input }))?.path, path)
  })
})
