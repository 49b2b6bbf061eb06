/** How a client is made: its key, its server, its router, and what holds it. */
import { assert, describe, it } from "@effect/vitest"
import { Config, Effect, Layer, ManagedRuntime, Redacted, Stream } from "effect"
import { ChatCompletions } from "effect-llm-router"
import * as Orq from "effect-llm-router/Orq"
import * as Testing from "effect-llm-router/Testing"
import { inspect } from "node:util"
import { attempt, rejects } from "../support/sdk.js"

const request = { model: "m", messages: [{ role: "user", content: "Hello" }] } as const

const create = (orq: Orq.Orq, options?: Orq.RequestOptions) =>
  attempt(() => orq.router.chat.completions.create(request, options))

const server = (answers: Testing.Answers = Testing.completion("Hi")) => Testing.serve({ "*": answers })

/** With these variables in the environment, for as long as the scope is open. */
const environment = (variables: Readonly<Record<string, string | undefined>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      set(Object.entries(variables))
      return before
    }),
    (before) => Effect.sync(() => set(before))
  )

const set = (variables: ReadonlyArray<readonly [string, string | undefined]>) => {
  for (const [name, value] of variables) {
    if (value === undefined) {
      delete process.env[name]
    } else {
      process.env[name] = value
    }
  }
}

describe("the key", () => {
  const keysSent = (options: Orq.ClientOptions) =>
    Effect.gen(function*() {
      const { calls, url } = yield* server()
      const orq = new Orq.Orq({ serverURL: url, ...options })
      yield* create(orq)
      yield* create(orq)
      return (yield* calls).map(({ headers }) => headers["authorization"])
    })

  it.scopedLive("is a text", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* keysSent({ apiKey: "a-key" }), ["Bearer a-key", "Bearer a-key"])
      assert.deepStrictEqual(yield* keysSent({ apiKey: "Bearer a-key" }), ["Bearer a-key", "Bearer a-key"])
      assert.deepStrictEqual(yield* keysSent({ apiKey: "" }), [undefined, undefined])
    }))

  it.scopedLive("is what a function gives at each call", () =>
    Effect.gen(function*() {
      let calls = 0
      const keys = yield* keysSent({ apiKey: () => Promise.resolve(`key-${++calls}`) })
      assert.deepStrictEqual(keys, ["Bearer key-1", "Bearer key-2"])
    }))

  it.scopedLive("is in the environment, or nowhere", () =>
    Effect.gen(function*() {
      yield* environment({ ORQ_API_KEY: "from-env" })
      assert.deepStrictEqual(yield* keysSent({}), ["Bearer from-env", "Bearer from-env"])
      assert.deepStrictEqual(yield* keysSent({ apiKey: "own" }), ["Bearer own", "Bearer own"])
      yield* environment({ ORQ_API_KEY: undefined })
      assert.deepStrictEqual(yield* keysSent({}), [undefined, undefined])
    }))

  it.scopedLive("that cannot be had: nothing is sent", () =>
    Effect.gen(function*() {
      const { calls, url } = yield* server()
      const orq = new Orq.Orq({ serverURL: url, apiKey: () => Promise.reject(new Error("the vault is secret")) })
      const error = yield* rejects(Orq.UnexpectedClientError, () => orq.router.chat.completions.create(request))
      assert.notInclude(error.message, "secret")
      assert.instanceOf(error.cause, Error)
      assert.lengthOf(yield* calls, 0)
    }))

  it.scopedLive("that is none for a header: nothing is sent, and it is not shown", () =>
    Effect.gen(function*() {
      const { calls, url } = yield* server()
      const orq = new Orq.Orq({ serverURL: url, apiKey: "a-secret\nkey" })
      const error = yield* rejects(Orq.InvalidRequestError, () => orq.router.chat.completions.create(request))
      assert.notInclude(inspect(error, { depth: 9 }), "a-secret")
      assert.lengthOf(yield* calls, 0)
    }))

  it.scopedLive("is shown by no error and no log, even if the server repeats it", () =>
    Effect.gen(function*() {
      const { url } = yield* server(Testing.status(401, {
        message: "wrong key: a-secret-key",
        headers: { "x-key": "a-secret-key" }
      }))
      const orq = new Orq.Orq({ serverURL: url, apiKey: "a-secret-key" })
      const error = yield* rejects(Orq.APIError, () => orq.router.chat.completions.create(request))
      assert.include(error.body, "wrong key: <redacted>")
      assert.notInclude(inspect([error, orq], { depth: 9, showHidden: true }), "a-secret-key")
    }))
})

describe("the server", () => {
  it.scopedLive("is an option of the call, of the client, or in the environment", () =>
    Effect.gen(function*() {
      const [first, second, third] = [yield* server(), yield* server(), yield* server()]
      yield* environment({ ORQ_SERVER_URL: third.url })
      yield* create(new Orq.Orq({ serverURL: second.url }), { serverURL: new URL(first.url) })
      yield* create(new Orq.Orq({ serverURL: second.url }))
      yield* create(new Orq.Orq())
      for (const one of [first, second, third]) {
        assert.lengthOf(yield* one.calls, 1)
      }
    }))

  it.scopedLive("is no address", () =>
    rejects(
      Orq.InvalidRequestError,
      () => new Orq.Orq({ serverURL: "nowhere" }).router.chat.completions.create(request)
    ).pipe(
      Effect.map((error) => assert.match(error.message, /serverURL: expected/))
    ))

  it.scopedLive("knows the user agent", () =>
    Effect.gen(function*() {
      const { calls, url } = yield* server()
      yield* create(new Orq.Orq({ serverURL: url, userAgent: "me/1" }), { fetchOptions: { headers: { "x-a": "b" } } })
      const [call] = yield* calls
      assert.strictEqual(call?.headers["user-agent"], "me/1")
      assert.strictEqual(call?.headers["x-a"], "b")
    }))

  it.scopedLive("is asked as often as the client says", () =>
    Effect.gen(function*() {
      const { calls, url } = yield* server([Testing.status(503), Testing.completion("Hi")])
      const backoff = { initialInterval: 0, maxInterval: 1, exponent: 1, maxElapsedTime: 5000 }
      yield* create(new Orq.Orq({ serverURL: url, retryConfig: { strategy: "backoff", backoff } }))
      assert.lengthOf(yield* calls, 2)
    }))

  it.scopedLive("headers and retries that are none are refused", () =>
    Effect.gen(function*() {
      const { calls, url } = yield* server()
      const orq = new Orq.Orq({ serverURL: url })
      for (const options of [{ headers: { "a b": "c" } }, { retryCodes: ["many"] }]) {
        yield* rejects(Orq.InvalidRequestError, () => orq.router.chat.completions.create(request, options))
      }
      assert.lengthOf(yield* calls, 0)
    }))
})

describe("a router in this process", () => {
  const completion = { choices: [], route: { attempts: [], skipped: [], cache: "off" } } as const

  /** It counts how often it is built, and how often released. */
  const counting = () => {
    const counts = { built: 0, released: 0 }
    const router = Layer.scoped(
      ChatCompletions.ChatCompletions,
      Effect.acquireRelease(
        Effect.sync(() => {
          counts.built++
          return { create: () => Effect.succeed(completion), stream: () => Stream.empty }
        }),
        () => Effect.sync(() => counts.released++)
      )
    )
    return { counts, router }
  }

  it.live("is built at the first call, once, and released at the end", () =>
    Effect.gen(function*() {
      const { counts, router } = counting()
      const orq = new Orq.Orq({ router })
      assert.strictEqual(counts.built, 0)
      yield* Effect.all([create(orq), create(orq)], { concurrency: 2 })
      yield* create(orq)
      assert.deepStrictEqual(counts, { built: 1, released: 0 })
      yield* Effect.promise(() => orq.close())
      assert.deepStrictEqual(counts, { built: 1, released: 1 })
    }))

  it.live("a runtime stays its owner's", () =>
    Effect.gen(function*() {
      const { counts, router } = counting()
      const runtime = ManagedRuntime.make(router)
      const orq = new Orq.Orq({ router: runtime })
      yield* create(orq)
      yield* Effect.promise(() => orq.close())
      assert.deepStrictEqual(counts, { built: 1, released: 0 })
      yield* Effect.promise(() => runtime.dispose())
      assert.deepStrictEqual(counts, { built: 1, released: 1 })
    }))

  it.live("that cannot be built", () =>
    Effect.gen(function*() {
      const router = Layer.unwrapEffect(Effect.as(Config.string("NO_SUCH_VARIABLE"), counting().router))
      const orq = new Orq.Orq({ router })
      const error = yield* rejects(Orq.UnexpectedClientError, () => orq.router.chat.completions.create(request))
      assert.isDefined(error.cause)
    }))

  it.live("with a bug", () =>
    Effect.gen(function*() {
      const bug = new Error("secret")
      const router = Layer.succeed(ChatCompletions.ChatCompletions, {
        create: () => Effect.die(bug),
        stream: () => Stream.die(bug)
      })
      for (const stream of [false, true]) {
        const orq = new Orq.Orq({ router })
        const error = yield* rejects(Orq.UnexpectedClientError, () =>
          orq.router.chat.completions.create({ ...request, stream }))
        assert.strictEqual(error.cause, bug)
        assert.notInclude(error.message, "secret")
      }
    }))

  it.live("a stream without a chunk is one without an event", () =>
    Effect.gen(function*() {
      const orq = new Orq.Orq({ router: counting().router })
      const events = yield* attempt(() => orq.router.chat.completions.create({ ...request, stream: true }))
      assert.isTrue((yield* Effect.promise(() => events.getReader().read())).done)
    }))

  it.scopedLive("no key is needed, and nothing is asked of the environment", () =>
    Effect.gen(function*() {
      const { calls, url } = yield* server()
      yield* environment({ ORQ_SERVER_URL: url, ORQ_API_KEY: Redacted.value(Redacted.make("k")) })
      yield* create(new Orq.Orq({ router: counting().router }))
      assert.lengthOf(yield* calls, 0)
    }))
})
