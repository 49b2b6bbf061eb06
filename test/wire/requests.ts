/** Arbitrary requests in canonical form: nothing is `undefined`, and unknown members are at every level. */
import * as FastCheck from "effect/FastCheck"

const text = FastCheck.string({ maxLength: 8 })
const model = FastCheck.constantFrom("openai/gpt-4o", "anthropic/claude", "a/b/c")
const numberOf = (min: number, max: number) => FastCheck.double({ min, max, noNaN: true })
const integerOf = (min: number, max: number) => FastCheck.integer({ min, max })

// names that no table knows, in either spelling
const unknownName = FastCheck.constantFrom("x_unknown", "xUnknown", "__proto__", "constructor", "logit_bias", "ü")
const unknownMembers = FastCheck.uniqueArray(FastCheck.tuple(unknownName, FastCheck.jsonValue({ maxDepth: 2 })), {
  maxLength: 2,
  selector: ([name]) => name
}).map((entries) => Object.fromEntries(entries))

const anyName = FastCheck.oneof(unknownName, FastCheck.constantFrom("maxTokens", "max_tokens", "onCodes"), text)
const freeForm = FastCheck.array(FastCheck.tuple(anyName, FastCheck.jsonValue({ maxDepth: 2 })), { maxLength: 3 })
  .map((entries) => Object.fromEntries(entries))

/** An object with the required members, any of the optional ones, and unknown ones. */
const object = <R extends object, O extends object>(
  required: { [K in keyof R]: FastCheck.Arbitrary<R[K]> },
  optional: { [K in keyof O]: FastCheck.Arbitrary<O[K]> }
): FastCheck.Arbitrary<object> =>
  FastCheck.tuple(
    FastCheck.record(required),
    FastCheck.record(optional, { requiredKeys: [] }),
    unknownMembers
  ).map(([a, b, c]) => ({ ...a, ...b, ...c }))

const literal = <A extends string>(value: A) => FastCheck.constant(value)

const cacheControl = object({ type: literal("ephemeral") }, { ttl: FastCheck.constantFrom("5m", "1h") })
const textPart = object({ type: literal("text"), text }, { cacheControl })
const userPart = FastCheck.oneof(
  textPart,
  object({ type: literal("image_url"), imageUrl: object({ url: text }, { detail: text }) }, {}),
  object({ type: literal("input_audio"), inputAudio: object({ data: text, format: text }, {}) }, {}),
  object({ type: literal("file"), file: object({}, { fileData: text, uri: text, mimeType: text, filename: text }) }, {})
)
const assistantPart = FastCheck.oneof(
  textPart,
  object({ type: literal("refusal") }, { refusal: text }),
  object({ type: literal("reasoning"), reasoning: text, signature: text }, {}),
  object({ type: literal("redacted_reasoning"), data: text }, {})
)
const content = (part: FastCheck.Arbitrary<object>) => FastCheck.oneof(text, FastCheck.array(part, { maxLength: 3 }))
const toolCall = object({
  id: text,
  type: literal("function"),
  function: object({}, { name: text, arguments: text })
}, { thoughtSignature: text })

const message = FastCheck.oneof(
  object({ role: FastCheck.constantFrom("system", "developer"), content: content(textPart) }, { name: text }),
  object({ role: literal("user"), content: content(userPart) }, { name: text }),
  object({ role: literal("assistant") }, {
    content: FastCheck.oneof(content(assistantPart), FastCheck.constant(null)),
    refusal: FastCheck.option(text),
    audio: FastCheck.option(object({ id: text }, {})),
    toolCalls: FastCheck.array(toolCall, { maxLength: 2 }),
    reasoningContent: text
  }),
  object({ role: literal("tool"), content: content(textPart), toolCallId: FastCheck.option(text) }, { cacheControl })
)

const shared = {
  name: text,
  retry: object({}, {
    count: integerOf(1, 5),
    onCodes: FastCheck.array(integerOf(100, 599), { minLength: 1, maxLength: 3 })
  }),
  fallbacks: FastCheck.array(object({ model }, {}), { maxLength: 3 }),
  cache: object({ type: literal("exact_match") }, { ttl: integerOf(1, 259_200) }),
  loadBalancer: object({
    type: literal("weight_based"),
    models: FastCheck.array(object({ model }, { weight: numberOf(0.001, 1) }), { minLength: 1, maxLength: 3 })
  }, {}),
  timeout: object({ callTimeout: numberOf(1, 1e9) }, {}),
  prompt: object({ id: literal("p") }, { version: literal("latest") })
}

const identity = object({ id: text }, { displayName: text, logoUrl: text, metadata: FastCheck.array(freeForm) })

const envelope = object({}, {
  ...shared,
  inputs: FastCheck.oneof(
    freeForm,
    FastCheck.array(object({ key: text }, { value: FastCheck.jsonValue(), isPii: FastCheck.boolean() }))
  ),
  identity,
  contact: identity,
  thread: object({ id: text }, { tags: FastCheck.array(text) }),
  knowledgeBases: FastCheck.array(
    object({ knowledgeId: text }, {
      topK: integerOf(1, 100),
      searchType: FastCheck.constantFrom("vector", "keyword", "hybrid_search", null),
      filterBy: freeForm,
      searchOptions: object({}, { includeVectors: FastCheck.boolean() }),
      rerankConfig: object({ model: text }, { topK: integerOf(1, 100) }),
      agenticRagConfig: object({ model: text }, {})
    }),
    { maxLength: 2 }
  )
})

export const requests: FastCheck.Arbitrary<object> = object({
  model,
  messages: FastCheck.array(message, { maxLength: 4 })
}, {
  ...shared,
  orq: envelope,
  stream: FastCheck.boolean(),
  variables: freeForm,
  guardrails: FastCheck.array(object({ id: literal("g"), executeOn: FastCheck.constantFrom("input", "output") }, {})),
  plugins: FastCheck.array(
    object({ id: literal("pii_redaction") }, {
      entityThresholds: FastCheck.dictionary(anyName, numberOf(0, 1)),
      onFailure: FastCheck.constantFrom("block", "passthrough")
    })
  ),
  metadata: FastCheck.dictionary(text, text, { maxKeys: 3 }),
  temperature: FastCheck.option(numberOf(0, 2)),
  maxTokens: FastCheck.option(integerOf(5000, 9000)),
  topLogprobs: integerOf(0, 20),
  responseFormat: object({
    type: literal("json_schema"),
    jsonSchema: object({ name: literal("n") }, { schema: freeForm, strict: FastCheck.boolean() })
  }, {}),
  streamOptions: FastCheck.option(object({}, { includeUsage: FastCheck.boolean() })),
  thinking: object({ type: literal("enabled"), budgetTokens: integerOf(1024, 4000) }, {
    thinkingLevel: literal("low")
  }),
  tools: FastCheck.array(object({ function: object({ name: literal("f") }, { parameters: freeForm }) }, {})),
  toolChoice: FastCheck.oneof(literal("auto"), object({ function: object({ name: literal("f") }, {}) }, {})),
  parallelToolCalls: FastCheck.boolean(),
  promptCacheKey: text,
  cacheControl
})
