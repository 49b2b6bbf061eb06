import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Random, Redacted, Schedule, TestClock } from "effect"
import { ChatCompletions, type ChatRequest, ResponseCache, RouterDefaults, type RouterError } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { elapse, messages, scripted, targets } from "./support/router.js"

const create = (request: ChatRequest.ChatRequest) => elapse(ChatCompletions.create(request))

const outcomes = (route: { readonly attempts: ReadonlyArray<{ readonly outcome: string }> } | undefined) =>
  route?.attempts.map((attempt) => attempt.outcome)

const tag = (error: RouterError.RouterError) => error._tag

/** Without the jitter of the default backoff. */
const evenBackoff = { backoff: Schedule.exponential("1 second") }

describe("ChatCompletions.create", () => {
  it.effect("gives the completion in camelCase, with unknown members and the route", () =>
    Effect.gen(function*() {
      const completion = yield* create({ model: "a/large", messages })
      assert.strictEqual(completion.choices[0]?.message.content, "Hello")
      assert.strictEqual(completion.choices[0]?.finishReason, "stop")
      assert.strictEqual(completion.usage?.totalTokens, 7)
      assert.strictEqual(completion.citations, "kept")
      assert.deepStrictEqual(completion.route, {
        served: "a/large",
        attempts: [{
          target: "a/large",
          startedAtMillis: 0,
          durationMillis: 0,
          waitMillis: 0,
          outcome: "success",
          status: 200
        }],
        skipped: [],
        cache: "off"
      })
    }).pipe(Effect.provide(scripted({
      "a/large": Testing.completion("Hello", {
        usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
        body: { citations: "kept" }
      })
    }))))

  it.effect("sends the request without its routing, and everything else untouched", () =>
    Effect.gen(function*() {
      const extra = { top_a: 0.3 }
      yield* create({
        ...extra,
        model: "a/large",
        messages: [{ role: "user", content: "Hi {{name}}", name: "x" }],
        variables: { name: "Ada" },
        maxCompletionTokens: 5,
        metadata: { camelKey: "stays" },
        retry: { count: 1 },
        fallbacks: [{ model: "a/small" }],
        timeout: { callTimeout: 1000 },
        cache: { type: "exact_match" },
        name: "a label",
        streamOptions: { includeUsage: true },
        orq: { thread: { id: "t" } }
      })
      assert.deepStrictEqual((yield* Testing.calls)[0]?.body, {
        top_a: 0.3,
        messages: [{ role: "user", content: "Hi Ada", name: "x" }],
        max_completion_tokens: 5,
        metadata: { camelKey: "stays" },
        stream: false,
        model: "large"
      })
    }).pipe(Effect.provide(scripted({ "a/large": Testing.completion("Hello") }))))

  it.effect("retries the same target after 1 and 2 seconds and notes the waits", () =>
    Effect.gen(function*() {
      const completion = yield* create({ model: "a/large", messages, retry: { count: 2, onCodes: [429] } })
      const waits = completion.route.attempts.map((attempt) => [attempt.waitMillis, attempt.startedAtMillis])
      assert.deepStrictEqual(waits, [[0, 0], [1000, 1000], [2000, 3000]])
      assert.deepStrictEqual(outcomes(completion.route), ["RateLimited", "RateLimited", "success"])
    }).pipe(Effect.provide(scripted(
      { "a/large": [Testing.status(429), Testing.status(429), Testing.completion("Hello")] },
      undefined,
      evenBackoff
    ))))

  it.effect("does not retry without a retry policy, nor codes that are not listed", () =>
    Effect.gen(function*() {
      const plain = yield* Effect.flip(create({ model: "a/large", messages }))
      const unlisted = yield* Effect.flip(create({ model: "a/large", messages, retry: { count: 2, onCodes: [429] } }))
      assert.deepStrictEqual([plain, unlisted].map(tag), ["Unavailable", "Unavailable"])
      assert.strictEqual((yield* targets).length, 2)
    }).pipe(Effect.provide(scripted({ "a/large": Testing.status(500) }))))

  it.effect("retries each fallback too, in order, and gives all failures together", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(create({
        model: "a/large",
        messages,
        retry: { count: 1, onCodes: [503] },
        fallbacks: [{ model: "b/large" }, { model: "c/large" }]
      }))
      assert.deepStrictEqual(yield* targets, ["a/large", "a/large", "b/large", "b/large", "c/large"])
      assert.strictEqual(error._tag, "AllTargetsFailed")
      if (error._tag === "AllTargetsFailed") {
        assert.deepStrictEqual(error.failures.map(tag), ["Unavailable", "Unavailable", "Transport"])
        assert.deepStrictEqual(error.failures.map((failure) => failure.target), ["a/large", "b/large", "c/large"])
      }
      assert.strictEqual(error.route?.served, undefined)
      assert.strictEqual(error.route?.attempts.length, 5)
    }).pipe(Effect.provide(scripted({
      "a/large": Testing.status(503),
      "b/large": Testing.status(503),
      "c/large": Testing.refuse
    }))))

  it.effect("goes on to the fallback by the class of the error, not by its status alone", () =>
    Effect.gen(function*() {
      const request = { messages, retry: { count: 2 }, fallbacks: [{ model: "good/large" }] }
      const context = yield* create({ ...request, model: "context/large" })
      const quota = yield* create({ ...request, model: "quota/large" })
      const auth = yield* create({ ...request, model: "auth/large" })
      const malformed = yield* Effect.flip(create({ ...request, model: "wrong/large" }))
      const filtered = yield* Effect.flip(create({ ...request, model: "filter/large" }))
      assert.deepStrictEqual(outcomes(context.route), ["ContextLengthExceeded", "success"])
      assert.deepStrictEqual(outcomes(quota.route), ["QuotaExhausted", "success"])
      assert.deepStrictEqual(outcomes(auth.route), ["Auth", "success"])
      assert.deepStrictEqual([malformed, filtered].map(tag), ["InvalidRequest", "ContentFiltered"])
      assert.deepStrictEqual(outcomes(filtered.route), ["ContentFiltered"])
    }).pipe(Effect.provide(scripted({
      "context/large": Testing.status(400, { code: "context_length_exceeded" }),
      "quota/large": Testing.status(429, { code: "insufficient_quota" }),
      "auth/large": Testing.status(401),
      "wrong/large": Testing.status(400, { code: "invalid_value" }),
      "filter/large": Testing.status(400, { code: "content_filter" }),
      "good/large": Testing.completion("Hello")
    }))))

  it.effect("leaves a target whose Retry-After is too long at once", () =>
    Effect.gen(function*() {
      const completion = yield* ChatCompletions.create({
        model: "a/large",
        messages,
        retry: { count: 3 },
        fallbacks: [{ model: "b/large" }]
      })
      assert.strictEqual(completion.route.served, "b/large")
      assert.deepStrictEqual(yield* targets, ["a/large", "b/large"])
    }).pipe(Effect.provide(scripted({
      "a/large": Testing.status(429, { retryAfter: 61 }),
      "b/large": Testing.completion("Hello")
    }))))

  it.effect("limits each attempt, and a timeout is retried as 504 and failed over", () =>
    Effect.gen(function*() {
      const completion = yield* create({
        model: "a/large",
        messages,
        timeout: { callTimeout: 1500 },
        retry: { count: 1 },
        fallbacks: [{ model: "b/large" }]
      })
      assert.deepStrictEqual(outcomes(completion.route), ["Timeout", "Timeout", "success"])
      assert.deepStrictEqual(completion.route.attempts.map((attempt) => attempt.durationMillis), [1500, 1500, 0])
      const calls = yield* Testing.calls
      assert.deepStrictEqual(calls.map((call) => call.aborted), [true, true, false])
    }).pipe(Effect.provide(scripted({ "a/large": Testing.hang, "b/large": Testing.completion("Hello") }))))

  it.effect("names the target in a timeout", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(create({ model: "a/large", messages, timeout: { callTimeout: 10 } }))
      assert.strictEqual(error._tag, "Timeout")
      assert.include(error.message, "a/large")
    }).pipe(Effect.provide(scripted({ "a/large": Testing.hang }))))

  it.effect("skips a fallback that has already failed as the drawn model", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(create({
        model: "a/large",
        messages,
        fallbacks: [{ model: "a/large" }, { model: "b/large" }, { model: "a/large" }]
      }))
      assert.strictEqual(error._tag, "AllTargetsFailed")
      assert.deepStrictEqual(yield* targets, ["a/large", "b/large"])
    }).pipe(Effect.provide(scripted({ "a/large": Testing.status(500), "b/large": Testing.status(500) }))))
})

describe("a request that is wrong", () => {
  const failure = (request: unknown) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ChatCompletions.create(request as ChatRequest.ChatRequest))
      assert.strictEqual((yield* targets).length, 0)
      return error._tag === "InvalidRequest" ? error.issues.map((issue) => issue.path) : [error._tag]
    }).pipe(Effect.provide(scripted({ "a/large": Testing.completion("Hello") })))

  const cases: ReadonlyArray<readonly [string, unknown, ReadonlyArray<string>]> = [
    ["a bound", { model: "a/large", messages, retry: { count: 6 } }, ["retry.count"]],
    ["a type", { model: "a/large", messages: [{ role: "user", content: 5 }] }, ["messages[0].content"]],
    ["a model without a provider", { model: "large", messages }, ["model"]],
    ["an unknown provider", { model: "nobody/large", messages }, ["model"]],
    ["a typo in the last fallback", {
      model: "a/large",
      messages,
      fallbacks: [{ model: "a/large" }, { model: "b/x" }]
    }, ["fallbacks[1].model"]],
    ["several targets", { model: "x/y", messages, fallbacks: [{ model: "z/y" }] }, ["model", "fallbacks[0].model"]],
    ["a balanced model", {
      model: "-",
      messages,
      loadBalancer: { type: "weight_based", models: [{ model: "a/large" }, { model: "z/y", weight: 0.2 }] }
    }, ["loadBalancer.models[1].model"]],
    ["a weight", {
      model: "-",
      messages,
      loadBalancer: { type: "weight_based", models: [{ model: "a/large", weight: 2 }] }
    }, ["loadBalancer.models[0].weight"]],
    ["a fallback of the envelope", { model: "a/large", messages, orq: { fallbacks: [{ model: "z/y" }] } }, [
      "orq.fallbacks[0].model"
    ]],
    ["a guardrail", { model: "a/large", messages, guardrails: [{ id: "x", executeOn: "input" }] }, ["guardrails"]],
    ["routing in the spelling of the wire", { model: "a/large", messages, load_balancer: {} }, ["load_balancer"]],
    ["a part of it", { model: "a/large", messages, retry: { on_codes: [429] } }, ["retry.on_codes"]],
    ["a prompt", { model: "a/large", messages, prompt: { id: "x" } }, ["prompt"]]
  ]
  for (const [name, request, paths] of cases) {
    it.effect(`${name}: InvalidRequest with its path, and no call`, () =>
      Effect.map(failure(request), (found) => assert.deepStrictEqual(found, paths)))
  }
})

describe("a request with very many targets", () => {
  const many = (name: string, length = 500) => Array.from({ length }, (_, index) => ({ model: `${name}/${index}` }))

  it.effect("that are unknown: the first ten are named", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(create({ model: "a/large", messages, fallbacks: many("nobody") }))
      assert.strictEqual(error._tag === "InvalidRequest" && error.issues.length, 10)
    }).pipe(Effect.provide(scripted({ "a/large": Testing.completion("Hello") }))))

  it.effect("that are too many: nothing is looked up", () =>
    Effect.gen(function*() {
      const models = many("a", 1001)
      const fallbacks = yield* Effect.flip(create({ model: "a/large", messages, fallbacks: models }))
      const balanced = yield* Effect.flip(
        create({ model: "-", messages, loadBalancer: { type: "weight_based", models } })
      )
      assert.deepStrictEqual([fallbacks, balanced].map((error) => error.message), [
        "fallbacks: expected an array of at most 1000 targets",
        "loadBalancer.models: expected an array of at most 1000 models"
      ])
    }).pipe(Effect.provide(scripted({ "a": Testing.completion("Hello") }))))

  it.effect("is served by the first", () =>
    Effect.gen(function*() {
      const completion = yield* create({ model: "a/large", messages, fallbacks: [...many("a"), ...many("a")] })
      assert.strictEqual(completion.route.served, "a/large")
    }).pipe(Effect.provide(scripted({ "a": Testing.completion("Hello") }))))
})

describe("loadBalancer", () => {
  const request: ChatRequest.ChatRequest = {
    model: "Model 3", // never called
    messages,
    loadBalancer: { type: "weight_based", models: [{ model: "a/x", weight: 0.4 }, { model: "b/x", weight: 0.8 }] },
    fallbacks: [{ model: "c/x" }]
  }
  const script = {
    "a/x": Testing.completion("a"),
    "b/x": Testing.completion("b"),
    "c/x": Testing.completion("c")
  }

  it.effect("draws by normalised weights for each call", () =>
    Effect.gen(function*() {
      const served = yield* Effect.all([0, 0.32, 0.34, 0.99].map((random) =>
        Effect.map(
          Effect.withRandom(ChatCompletions.create(request), Random.fixed([random])),
          (completion) => completion.route.served
        )
      ))
      assert.deepStrictEqual(served, ["a/x", "a/x", "b/x", "b/x"])
    }).pipe(Effect.provide(scripted(script))))

  it.effect("retries the drawn one and then goes on to the fallbacks, not to its siblings", () =>
    Effect.gen(function*() {
      yield* Effect.withRandom(create({ ...request, retry: { count: 1 } }), Random.fixed([0]))
      assert.deepStrictEqual(yield* targets, ["a/x", "a/x", "c/x"])
    }).pipe(Effect.provide(scripted({ ...script, "a/x": Testing.status(500) }))))

  it.effect("carries out the published example", () =>
    Effect.gen(function*() {
      const completion = yield* create({
        messages: [],
        model: "Model 3",
        fallbacks: [{ model: "openai/gpt-4o-mini" }],
        retry: { onCodes: [429, 500, 502, 503, 504] },
        cache: { ttl: 3600, type: "exact_match" },
        loadBalancer: { type: "weight_based", models: [{ model: "openai/gpt-4o", weight: 0.7 }] },
        timeout: { callTimeout: 30000 }
      })
      assert.strictEqual(completion.route.served, "openai/gpt-4o-mini")
      assert.deepStrictEqual(
        yield* targets,
        ["openai/gpt-4o", "openai/gpt-4o", "openai/gpt-4o", "openai/gpt-4o", "openai/gpt-4o-mini"]
      )
    }).pipe(Effect.provide(scripted({
      "openai/gpt-4o": Testing.status(503),
      "openai/gpt-4o-mini": Testing.completion("Hello")
    }))))
})

describe("cache", () => {
  const request: ChatRequest.ChatRequest = { model: "a/x", messages, cache: { type: "exact_match", ttl: 10 } }
  const cached = (more: Partial<ChatRequest.ChatRequest> = {}) =>
    Effect.map(ChatCompletions.create({ ...request, ...more }), (completion) => completion.route.cache)

  it.effect("answers the second call, until exactly its ttl", () =>
    Effect.gen(function*() {
      const first = yield* ChatCompletions.create(request)
      yield* TestClock.adjust("9999 millis")
      const second = yield* ChatCompletions.create(request)
      yield* TestClock.adjust("1 millis")
      const third = yield* ChatCompletions.create(request)
      assert.deepStrictEqual([first, second, third].map((_) => _.route.cache), ["miss", "hit", "miss"])
      assert.deepStrictEqual(second.route, {
        served: "a/x",
        attempts: [],
        skipped: [],
        cache: "hit",
        cacheAgeMillis: 9_999
      })
      assert.deepStrictEqual({ ...second, route: undefined }, { ...first, route: undefined })
      assert.strictEqual((yield* targets).length, 2)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.completion("Hello") }))))

  it.effect("does not care how the answer is to be had, but for what is asked and of whom", () =>
    Effect.gen(function*() {
      yield* ChatCompletions.create(request)
      const statuses = [
        yield* cached({ retry: { count: 1 } }),
        yield* cached({ timeout: { callTimeout: 5 } }),
        yield* cached({ cache: { type: "exact_match", ttl: 20 } }),
        yield* cached({ temperature: 1 })
      ]
      assert.deepStrictEqual(statuses, ["hit", "hit", "hit", "miss"])
    }).pipe(Effect.provide(scripted({ "a/x": Testing.completion("Hello") }))))

  it.effect("shares one call among identical ones, each with the attempts in its route", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.all([1, 2, 3].map(() => ChatCompletions.create(request)), {
        concurrency: "unbounded"
      }))
      yield* TestClock.adjust("1 second")
      const completions = yield* Fiber.join(fiber)
      assert.deepStrictEqual(completions.map((_) => _.route.cache), ["miss", "shared", "shared"])
      assert.deepStrictEqual(completions.map((_) => outcomes(_.route)), [["success"], ["success"], ["success"]])
      assert.strictEqual((yield* targets).length, 1)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.completion("Hello", { delay: "1 second" }) }))))

  it.effect("leaves each caller of a shared call its own deadline", () =>
    Effect.gen(function*() {
      const patient = yield* Effect.fork(ChatCompletions.create(request))
      const hasty = yield* Effect.fork(
        Effect.flip(ChatCompletions.create({ ...request, timeout: { totalTimeout: 400 } }))
      )
      yield* TestClock.adjust("400 millis")
      assert.strictEqual((yield* Fiber.join(hasty))._tag, "DeadlineExceeded")
      yield* TestClock.adjust("600 millis")
      assert.strictEqual((yield* Fiber.join(patient)).route.cache, "miss")
      assert.strictEqual((yield* targets).length, 1)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.completion("Hello", { delay: "1 second" }) }))))

  it.effect("shares a failure once, each caller with its own route", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.all([1, 2].map(() => Effect.flip(ChatCompletions.create(request))), {
        concurrency: "unbounded"
      }))
      yield* TestClock.adjust("1 second")
      const errors = yield* Fiber.join(fiber)
      assert.deepStrictEqual(errors.map((error) => error.route?.cache), ["miss", "shared"])
      assert.strictEqual((yield* targets).length, 1)
      const later = yield* Effect.fork(Effect.flip(ChatCompletions.create(request)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(later)
      assert.strictEqual((yield* targets).length, 2)
    }).pipe(Effect.provide(scripted({ "a/x": Testing.status(500, { delay: "1 second" }) }))))

  it.effect("keeps neither an answer that was cut short nor one of a fallback", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual([yield* cached(), yield* cached()], ["miss", "miss"])
      const withFallback = { model: "b/x", fallbacks: [{ model: "c/x" }] }
      assert.deepStrictEqual([yield* cached(withFallback), yield* cached(withFallback)], ["miss", "miss"])
    }).pipe(Effect.provide(scripted({
      "a/x": Testing.completion("Hel", { finishReason: "length" }),
      "b/x": Testing.status(500),
      "c/x": Testing.completion("Hello")
    }))))

  it.effect("keeps that of a fallback where it is told to", () =>
    Effect.gen(function*() {
      const withFallback = { model: "b/x", fallbacks: [{ model: "c/x" }] }
      assert.deepStrictEqual([yield* cached(withFallback), yield* cached(withFallback)], ["miss", "hit"])
    }).pipe(Effect.provide(scripted(
      { "b/x": Testing.status(500), "c/x": Testing.completion("Hello") },
      undefined,
      { cacheFallbacks: true }
    ))))

  it.effect("is not shared between keys", () =>
    Effect.gen(function*() {
      const cache = yield* ResponseCache.ResponseCache
      const call = (key: string) =>
        ChatCompletions.create(request).pipe(
          Effect.provide(scripted({ "a/x": Testing.completion(key) }, Redacted.make(key))),
          Effect.provideService(ResponseCache.ResponseCache, cache)
        )
      const texts = yield* Effect.all([call("key-one"), call("key-two")])
      assert.deepStrictEqual(texts.map((_) => _.choices[0]?.message.content), ["key-one", "key-two"])
    }).pipe(Effect.provide(ResponseCache.layerMemory())))
})

describe("RouterDefaults", () => {
  const script = { "a/x": Testing.status(500), "b/x": Testing.completion("b"), "c/x": Testing.completion("c") }

  it.effect("sets what a request does not name, and the request wins", () =>
    Effect.gen(function*() {
      const byDefault = yield* create({ model: "a/x", messages })
      const own = yield* create({ model: "a/x", messages, fallbacks: [{ model: "c/x" }], retry: { count: 1 } })
      assert.strictEqual(byDefault.route.served, "b/x")
      assert.strictEqual(own.route.served, "c/x")
      assert.deepStrictEqual(outcomes(byDefault.route), ["Unavailable", "Unavailable", "Unavailable", "success"])
      assert.deepStrictEqual(outcomes(own.route), ["Unavailable", "Unavailable", "success"])
    }).pipe(
      Effect.provide(RouterDefaults.layer({ retry: { count: 2 }, fallbacks: [{ model: "b/x" }] })),
      Effect.provide(scripted(script))
    ))

  it.effect("ends the whole call at its deadline, and begins no wait that would not fit", () =>
    Effect.gen(function*() {
      const hanging = yield* Effect.fork(Effect.flip(ChatCompletions.create({ model: "h/x", messages })))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(hanging))._tag, "DeadlineExceeded")
      // 1 + 2 s fit into 5, 4 more do not: it fails at 3 s
      const before = (yield* Testing.calls).length
      const failing = yield* Effect.fork(
        Effect.flip(ChatCompletions.create({ model: "a/x", messages, retry: { count: 5 } }))
      )
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* Fiber.join(failing))._tag, "Unavailable")
      assert.strictEqual((yield* Testing.calls).length - before, 3)
    }).pipe(Effect.provide(scripted(
      { ...script, "h/x": Testing.hang },
      undefined,
      { ...evenBackoff, timeout: { totalTimeout: 5000 } }
    ))))

  it.effect("is merged clock by clock, and a clock that is undefined is not named", () =>
    Effect.gen(function*() {
      const timeout = { firstByteTimeout: undefined, callTimeout: 9000 }
      const error = yield* Effect.flip(create({ model: "h/x", messages, timeout }))
      assert.strictEqual(error._tag === "Timeout" ? error.phase : error._tag, "firstByte")
    }).pipe(
      Effect.provide(RouterDefaults.layer({ timeout: { firstByteTimeout: 1000 } })),
      Effect.provide(scripted({ "h/x": Testing.hang }))
    ))

  it("throws for a default out of bounds", () => {
    assert.throws(() => RouterDefaults.layer({ retry: { count: 9 } }), /retry.count/)
  })
})
