/** The calls of the published SDK over both routers: behind HTTP, and in this process. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import * as Orq from "effect-llm-router/Orq"
import * as Testing from "effect-llm-router/Testing"
import { gateway, routerOver } from "./support/gateway.js"
import { closesInTime, inTime } from "./support/live.js"
import { attempt, collect, rejects } from "./support/sdk.js"

interface Opened {
  readonly orq: Orq.Orq
  readonly upstream: Testing.LoopbackServer
}

interface Door {
  readonly name: string
  readonly open: (
    script: Testing.Script,
    options?: Orq.ClientOptions
  ) => Effect.Effect<Opened, unknown, Scope.Scope>
}

const opened = (options: Orq.ClientOptions) =>
  Effect.acquireRelease(Effect.sync(() => new Orq.Orq(options)), (orq) => Effect.promise(() => orq.close()))

const hosted: Door = {
  name: "hosted",
  open: (script, options) =>
    Effect.gen(function*() {
      const { upstream, url } = yield* gateway(script, { keys: [Redacted.make("a-key")] })
      return { upstream, orq: yield* opened({ apiKey: "a-key", serverURL: url, ...options }) }
    })
}

const inProcess: Door = {
  name: "in process",
  open: (script, options) =>
    Effect.gen(function*() {
      const upstream = yield* Testing.serve(script)
      return { upstream, orq: yield* opened({ router: routerOver(upstream, script), ...options }) }
    })
}

const doors = [hosted, inProcess]

const messages = [{ role: "user", content: "Hello" }] as const
const request = { model: "a/x", messages }
const streamed = { ...request, stream: true } as const

const textOf = (events: ReadonlyArray<Orq.ChunkEvent>): string =>
  events.map(({ data }) => data.choices[0]?.delta.content ?? "").join("")

const slow = Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "stall" } })

for (const door of doors) {
  describe(door.name, () => {
    it.scopedLive("a completion, with its route", () =>
      Effect.gen(function*() {
        const { orq } = yield* door.open({
          "a/x": Testing.status(503),
          "b/y": Testing.completion("Hi", {
            usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
            body: { citations: ["c"] }
          })
        })
        const completion = yield* attempt(() =>
          orq.router.chat.completions.create({ ...request, fallbacks: [{ model: "b/y" }] })
        )
        const { choices: [choice], route, usage } = completion
        assert.strictEqual(choice?.message.content, "Hi")
        assert.strictEqual(choice?.finishReason, "stop")
        assert.deepStrictEqual(usage, { promptTokens: 1, completionTokens: 2, totalTokens: 3 })
        assert.deepStrictEqual(completion["citations"], ["c"])
        assert.strictEqual(route.served, "b/y")
        assert.deepStrictEqual(route.attempts.map(({ target }) => target), ["a/x", "b/y"])
      }))

    it.scopedLive("as a function: a value or an error", () =>
      Effect.gen(function*() {
        const { orq } = yield* door.open({ "a/x": [Testing.completion("Hi"), Testing.status(400)] })
        const first = yield* Effect.promise(() => Orq.routerChatCompletionsCreate(orq, request))
        assert.strictEqual(first.ok && first.value.choices[0]?.message.content, "Hi")
        const second = yield* Effect.promise(() => Orq.routerChatCompletionsCreate(orq, request))
        assert.isFalse(second.ok)
        assert.instanceOf(second.error, Orq.APIError)
      }))

    it.scopedLive("a stream of events", () =>
      Effect.gen(function*() {
        const { orq } = yield* door.open({ "a/x": Testing.stream(["Hel", "lo"]) })
        const events = yield* attempt(() => orq.router.chat.completions.create(streamed))
        assert.instanceOf(events, ReadableStream)
        const all = yield* Effect.promise(() => collect(events))
        assert.strictEqual(textOf(all), "Hello")
        assert.strictEqual(all.at(-1)?.data.choices[0]?.finishReason, "stop")
        assert.isTrue(all.every(({ data }) => data.route.served === "a/x"))
      }))

    it.scopedLive("a stream for a reader", () =>
      Effect.gen(function*() {
        const { orq } = yield* door.open({ "a/x": Testing.stream(["Hel", "lo"]) })
        const events = yield* attempt(() => orq.router.chat.completions.create(streamed))
        const all: Array<Orq.ChunkEvent> = []
        yield* Effect.promise(() =>
          events.pipeTo(
            new WritableStream({
              write: (event) => {
                all.push(event)
              }
            })
          )
        )
        assert.strictEqual(textOf(all), "Hello")
      }))

    inTime("whoever leaves the loop closes the connection", () =>
      Effect.gen(function*() {
        const { orq, upstream } = yield* door.open({ "a/x": slow })
        yield* attempt(async () => {
          for await (const { data } of await orq.router.chat.completions.create(streamed)) {
            if (data.choices[0]?.delta.content === "Hel") {
              break
            }
          }
        })
        yield* closesInTime(upstream)
      }))

    inTime("a stream that nobody reads is closed by its cancellation", () =>
      Effect.gen(function*() {
        const { orq, upstream } = yield* door.open({ "a/x": slow })
        yield* attempt(async () => (await orq.router.chat.completions.create(streamed)).cancel())
        yield* closesInTime(upstream)
      }))

    inTime("a signal while the answer is waited for", () =>
      Effect.gen(function*() {
        const { orq, upstream } = yield* door.open({ "a/x": Testing.hang })
        const controller = new AbortController()
        const call = orq.router.chat.completions.create(request, { signal: controller.signal })
        yield* upstream.awaitCall(0)
        controller.abort("enough")
        const error = yield* rejects(Orq.RequestAbortedError, () => call)
        assert.strictEqual(error.cause, "enough")
        yield* closesInTime(upstream)
      }))

    for (const reads of [true, false]) {
      inTime(`a signal in the middle of a stream (somebody reads: ${reads})`, () =>
        Effect.gen(function*() {
          const { orq, upstream } = yield* door.open({ "a/x": slow })
          const controller = new AbortController()
          const events = yield* attempt(() =>
            orq.router.chat.completions.create(streamed, { fetchOptions: { signal: controller.signal } })
          )
          const reader = events.getReader()
          yield* Effect.promise(() => reader.read())
          yield* Effect.promise(() => reader.read())
          const reading = reads ? yield* Effect.fork(Effect.flip(attempt(() => reader.read()))) : undefined
          yield* Effect.yieldNow()
          controller.abort()
          yield* closesInTime(upstream)
          const failed = reading ?? Effect.flip(attempt(() => reader.read()))
          assert.instanceOf(yield* failed, Orq.RequestAbortedError)
        }))
    }

    it.scopedLive("a stream that breaks throws, and what had come is there", () =>
      Effect.gen(function*() {
        const { orq } = yield* door.open({ "a/x": Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "reset" } }) })
        const events = yield* attempt(() => orq.router.chat.completions.create(streamed))
        const texts: Array<string | undefined> = []
        const error = yield* rejects(Orq.APIError, async () => {
          for await (const { data } of events) {
            texts.push(data.choices[0]?.delta.content)
          }
        })
        assert.strictEqual(texts.join(""), "Hel")
        assert.strictEqual(error.statusCode, 502)
        assert.strictEqual(Orq.partialOf(error)?.choices[0]?.message.content, "Hel")
        assert.notInclude(error.message, "Hel")
        assert.strictEqual(Orq.routerErrorOf(error)?._tag, "StreamInterrupted")
      }))

    describe("an error", () => {
      for (
        const [name, status, code, more, answer] of [
          ["an unknown provider", 404, "model_not_found", { model: "Model 3" }, Testing.hang],
          ["the provider's own no", 400, "invalid_request", {}, Testing.status(400)],
          ["a limit", 429, "rate_limit_exceeded", {}, Testing.status(429, { retryAfter: 7 })],
          ["a key that the provider refuses", 502, "provider_refused_key", {}, Testing.status(401)],
          ["a provider that is down", 503, "service_unavailable", {}, Testing.status(500)],
          ["a provider that takes too long", 504, "provider_timeout", { timeout: { callTimeout: 50 } }, Testing.hang],
          ["a template without its variable", 400, "invalid_request_body", {
            messages: [{ role: "user", content: "{{name}}" }],
            variables: {}
          }, Testing.hang]
        ] as const
      ) {
        for (const stream of [false, true]) {
          it.scopedLive(`${status}: ${name} (stream: ${stream})`, () =>
            Effect.gen(function*() {
              const { orq } = yield* door.open({ "a/x": answer })
              const error = yield* rejects(Orq.APIError, () =>
                orq.router.chat.completions.create({ ...request, ...more, stream }))
              assert.strictEqual(error.statusCode, status)
              assert.strictEqual(error.rawResponse.status, status)
              assert.strictEqual(error.contentType, "application/json")
              const { error: body } = JSON.parse(error.body) as { readonly error: { readonly code: string } }
              assert.strictEqual(body.code, code)
              assert.strictEqual(error.message, `API error occurred: Status ${status}${shown(error.body)}`)
              assert.strictEqual(error.headers.get("retry-after"), { 429: "7", 503: "1" }[String(status)] ?? null)
              assert.isDefined(Orq.routerErrorOf(error)?.route)
            }))
        }
      }

      it.scopedLive("all targets fail: each of them is known", () =>
        Effect.gen(function*() {
          const { orq } = yield* door.open({ "a/x": Testing.status(500), "b/y": Testing.status(429) })
          const error = yield* rejects(Orq.OrqError, () =>
            orq.router.chat.completions.create({ ...request, fallbacks: [{ model: "b/y" }] }))
          assert.strictEqual(error.statusCode, 429)
          const cause = Orq.routerErrorOf(error)
          assert.isTrue(cause?._tag === "AllTargetsFailed" && cause.failures.length === 2)
        }))
    })

    it.scopedLive("bad input is not sent: the error names the field", () =>
      Effect.gen(function*() {
        const { orq, upstream } = yield* door.open({ "a/x": Testing.completion("Hi") })
        const input = { ...request, messages: [{ role: "user", content: "secret" }] as const, retry: { count: 99 } }
        const error = yield* rejects(Orq.SDKValidationError, () => orq.router.chat.completions.create(input))
        assert.match(error.message, /^Input validation failed: retry\.count: expected /)
        assert.match(error.pretty(), /^Input validation failed\n {2}retry\.count: expected /)
        assert.strictEqual(error.rawValue, input)
        assert.notInclude(JSON.stringify(error) + error.message + error.pretty(), "secret")
        const misspelled = Object.assign({}, request, { load_balancer: {} })
        const other = yield* rejects(Orq.SDKValidationError, () => orq.router.chat.completions.create(misspelled))
        assert.match(other.message, /load_balancer/)
        assert.lengthOf(yield* upstream.calls, 0)
      }))

    for (const stream of [false, true]) {
      it.scopedLive(`the time is over (stream: ${stream})`, () =>
        Effect.gen(function*() {
          const { orq, upstream } = yield* door.open({ "a/x": Testing.hang })
          yield* rejects(Orq.RequestTimeoutError, () =>
            orq.router.chat.completions.create({ ...request, stream }, { timeoutMs: 250 }))
          yield* closesInTime(upstream)
        }))
    }

    it.scopedLive("the time of the client, and of a stream that hangs", () =>
      Effect.gen(function*() {
        const { orq } = yield* door.open({ "a/x": slow }, { timeoutMs: 700 })
        const events = yield* attempt(() => orq.router.chat.completions.create(streamed))
        const error = yield* rejects(Orq.RequestTimeoutError, () => collect(events))
        assert.instanceOf(error, Orq.HTTPClientError)
      }))

    it.scopedLive("options that are wrong", () =>
      Effect.gen(function*() {
        const { orq, upstream } = yield* door.open({ "a/x": Testing.completion("Hi") })
        yield* rejects(Orq.InvalidRequestError, () => orq.router.chat.completions.create(request, { timeoutMs: -1 }))
        assert.lengthOf(yield* upstream.calls, 0)
      }))

    it.scopedLive("close ends what is under way, and takes no more calls", () =>
      Effect.gen(function*() {
        const { orq, upstream } = yield* door.open({ "a/x": [Testing.hang, slow] })
        const call = attempt(() => orq.router.chat.completions.create(request))
        const waiting = yield* Effect.fork(Effect.flip(call))
        yield* upstream.awaitCall(0)
        const events = yield* attempt(() => orq.router.chat.completions.create(streamed))
        yield* Effect.promise(() => orq[Symbol.asyncDispose]())
        assert.instanceOf(yield* waiting, Orq.RequestAbortedError)
        yield* rejects(Orq.RequestAbortedError, () => collect(events))
        assert.instanceOf(yield* Effect.flip(call), Orq.UnexpectedClientError)
        yield* Effect.promise(() => orq.close())
      }))
  })
}

const shown = (body: string): string => `${body.length > 100 ? "\n" : ". "}Body: ${body}`
