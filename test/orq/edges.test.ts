/** What goes wrong around a call: credentials in headers, a router that does not start, readers that leave early, input that is none. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Stream } from "effect"
import { ChatCompletions } from "effect-llm-router"
import * as Orq from "effect-llm-router/Orq"
import * as Testing from "effect-llm-router/Testing"
import { getEventListeners } from "node:events"
import { inspect } from "node:util"
import { closesInTime, inTime } from "../support/live.js"
import { attempt, rejects } from "../support/sdk.js"

const request = { model: "m", messages: [{ role: "user", content: "Hello" }] } as const

const completion = { choices: [], route: { attempts: [], skipped: [], cache: "off" } } as const

const service: ChatCompletions.ChatCompletions["Type"] = {
  create: () => Effect.succeed(completion),
  stream: () => Stream.empty
}

const hanging = Layer.succeed(ChatCompletions.ChatCompletions, { ...service, create: () => Effect.never })

describe("credentials in headers", () => {
  for (
    const [name, options, value] of [
      ["headers", { headers: { authorization: "Bearer tok-secret-1" } }, "Bearer tok-secret-1"],
      ["fetchOptions", { fetchOptions: { headers: { Authorization: "Basic tok-secret-1" } } }, "Basic tok-secret-1"],
      ["another header", { headers: { "x-api-key": "tok-secret-1" } }, undefined],
      ["a header of a proxy", { headers: { "x-edge-client-secret": "tok-secret-1" } }, undefined]
    ] as const
  ) {
    for (const repeated of ["Bearer tok-secret-1", "Basic tok-secret-1", "tok-secret-1"]) {
      for (const status of [401, 200]) {
        it.scopedLive(`${name}: no error shows what a server repeats (${repeated}, ${status})`, () =>
          Effect.gen(function*() {
            const { calls, url } = yield* Testing.serve({
              "*": Testing.status(status, { message: `wrong: ${repeated}`, headers: { "x-seen": repeated } })
            })
            const orq = new Orq.Orq({ serverURL: url, apiKey: "the-client-key" })
            const error = yield* rejects(Orq.OrqError, () => orq.router.chat.completions.create(request, options))
            assert.include(error.body, "<redacted>")
            assert.notInclude(inspect(error, { depth: 12, showHidden: true }), "tok-secret-1")
            const [call] = yield* calls
            assert.strictEqual(call?.headers["authorization"], value ?? "Bearer the-client-key")
          }))
      }
    }
  }

  it.scopedLive("that are none for HTTP are not shown", () =>
    Effect.gen(function*() {
      const { url } = yield* Testing.serve({ "*": Testing.completion("Hi") })
      const orq = new Orq.Orq({ serverURL: url })
      for (const authorization of ["Bearer tok-secret-1\nx", "Bearer tok-secret-1é"]) {
        const error = yield* rejects(Orq.InvalidRequestError, () =>
          orq.router.chat.completions.create(request, { headers: { authorization } }))
        assert.notInclude(inspect(error, { depth: 12, showHidden: true }), "tok-secret-1")
      }
    }))
})

describe("a router that does not start", () => {
  /** Its first build fails, after it has acquired something. */
  const failingOnce = () => {
    const log: Array<string> = []
    let builds = 0
    const router = Layer.scoped(
      ChatCompletions.ChatCompletions,
      Effect.gen(function*() {
        const build = ++builds
        log.push(`acquire ${build}`)
        yield* Effect.addFinalizer(() =>
          Effect.zipRight(Effect.sleep(20), Effect.sync(() => log.push(`release ${build}`)))
        )
        yield* Effect.sleep(20)
        return build === 1 ? yield* Effect.fail(new Error("redis://secret is down")) : service
      })
    )
    return { log, router }
  }

  it.live("fails all calls that wait for it; the next one builds another, when the first is released", () =>
    Effect.gen(function*() {
      const { log, router } = failingOnce()
      const orq = new Orq.Orq({ router })
      const failed = rejects(Orq.UnexpectedClientError, () => orq.router.chat.completions.create(request))
      for (const error of yield* Effect.all([failed, failed, failed], { concurrency: 3 })) {
        assert.strictEqual(error.message, "The router could not be built")
        assert.match(String(error.cause), /redis:\/\/secret is down/)
      }
      const call = attempt(() => orq.router.chat.completions.create(request))
      yield* Effect.all([call, call], { concurrency: 2 })
      yield* call
      assert.deepStrictEqual(log, ["acquire 1", "release 1", "acquire 2"])
      yield* Effect.promise(() => orq.close())
      assert.deepStrictEqual(log, ["acquire 1", "release 1", "acquire 2", "release 2"])
    }))

  it.live("is within the time of the call", () =>
    Effect.gen(function*() {
      const orq = new Orq.Orq({ router: Layer.unwrapEffect(Effect.as(Effect.never, hanging)) })
      yield* rejects(
        Orq.RequestTimeoutError,
        () => orq.router.chat.completions.create(request, { timeoutMs: 50 })
      )
      yield* Effect.promise(() => orq.close())
    }), 5000)
})

describe("a reader that leaves", () => {
  const slow = Testing.stream(["Hel", "lo"], { cut: { after: 2, how: "stall" } })
  const opened = Effect.gen(function*() {
    const upstream = yield* Testing.serve({ "*": slow })
    const orq = new Orq.Orq({ serverURL: upstream.url })
    const events = yield* attempt(() => orq.router.chat.completions.create({ ...request, stream: true }))
    return { upstream, events, iterator: events[Symbol.asyncIterator]() }
  })

  inTime("before the first event", () =>
    Effect.gen(function*() {
      const { events, iterator, upstream } = yield* opened
      assert.deepStrictEqual(yield* Effect.promise(async () => iterator.return?.()), { done: true, value: undefined })
      yield* closesInTime(upstream)
      assert.isFalse(events.locked)
      assert.deepStrictEqual(yield* Effect.promise(() => iterator.next()), { done: true, value: undefined })
    }))

  inTime("by an error", () =>
    Effect.gen(function*() {
      const { iterator, upstream } = yield* opened
      const error = yield* Effect.flip(attempt(async () => iterator.throw?.("enough")))
      assert.strictEqual(error, "enough")
      yield* closesInTime(upstream)
    }))

  inTime("while it waits for an event", () =>
    Effect.gen(function*() {
      const { iterator, upstream } = yield* opened
      const results = yield* Effect.promise(async () => {
        await iterator.next()
        await iterator.next()
        const waiting = iterator.next()
        await iterator.return?.()
        return waiting
      })
      assert.isTrue(results.done)
      yield* closesInTime(upstream)
    }))
})

describe("a signal for many calls", () => {
  const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length

  it.live("has one listener, and ends them all", () =>
    Effect.gen(function*() {
      const [one, other] = [new Orq.Orq({ router: hanging }), new Orq.Orq({ router: hanging })]
      const controller = new AbortController()
      const calls = Array.from({ length: 30 }, (_, index) =>
        Orq.routerChatCompletionsCreate(index % 2 === 0 ? one : other, request, { signal: controller.signal }))
      assert.strictEqual(listeners(controller.signal), 1)
      controller.abort()
      const results = yield* Effect.promise(() =>
        Promise.all(calls)
      )
      assert.isTrue(results.every(({ error }) => error instanceof Orq.RequestAbortedError))
      assert.strictEqual(listeners(controller.signal), 0)
    }))

  it.live("keeps nothing of calls that are over", () =>
    Effect.gen(function*() {
      const orq = new Orq.Orq({ router: Layer.succeed(ChatCompletions.ChatCompletions, service) })
      const { signal } = new AbortController()
      for (let round = 0; round < 20; round++) {
        yield* Effect.promise(() =>
          Promise.all(Array.from({ length: 100 }, () => orq.router.chat.completions.create(request, { signal })))
        )
      }
      assert.strictEqual(listeners(signal), 0)
    }))
})

describe("a function that gives no key", () => {
  it.scopedLive("is within the time of the call", () =>
    Effect.gen(function*() {
      const { calls, url } = yield* Testing.serve({ "*": Testing.completion("Hi") })
      const orq = new Orq.Orq({ serverURL: url, apiKey: () => new Promise(() => {}), timeoutMs: 50 })
      yield* rejects(Orq.RequestTimeoutError, () => orq.router.chat.completions.create(request))
      assert.lengthOf(yield* calls, 0)
    }), 5000)

  it.scopedLive("and a slow one leaves the request the rest", () =>
    Effect.gen(function*() {
      const { url } = yield* Testing.serve({ "*": Testing.hang })
      const apiKey = () => new Promise<string>((resolve) => setTimeout(() => resolve("a-key"), 1000))
      const orq = new Orq.Orq({ serverURL: url, apiKey, timeoutMs: 1300 })
      const [time] = yield* Effect.timed(
        rejects(Orq.RequestTimeoutError, () => orq.router.chat.completions.create(request))
      )
      // not one time for each of the two
      assert.isBelow(Duration.toMillis(time), 2200)
    }))
})

describe("the function never rejects", () => {
  const orq = new Orq.OrqCore({ router: Layer.succeed(ChatCompletions.ChatCompletions, service) })
  const throwing = (name: string) =>
    Object.defineProperty({}, name, {
      enumerable: true,
      get: () => {
        throw new Error("a secret getter")
      }
    })
  /** What code without types may give. */
  const create = (args: ReadonlyArray<unknown>): Promise<Orq.Result<unknown>> =>
    Reflect.apply(Orq.routerChatCompletionsCreate, undefined, args)

  for (
    const [name, args, expected] of [
      ["options that are null", [orq, request, null], Orq.InvalidRequestError],
      ["options that are a text", [orq, request, "fast"], Orq.InvalidRequestError],
      ["a signal that is none", [orq, request, { signal: {} }], Orq.InvalidRequestError],
      ["a getter that throws", [orq, request, throwing("signal")], Orq.UnexpectedClientError],
      ["a getter that throws later", [orq, request, throwing("timeoutMs")], Orq.UnexpectedClientError],
      ["a getter of the request", [orq, throwing("model"), {}], Orq.UnexpectedClientError],
      ["no request", [orq, null], Orq.SDKValidationError],
      ["no client", [null, request], Orq.UnexpectedClientError],
      ["another client", [{}, request], Orq.UnexpectedClientError]
    ] as const
  ) {
    it.live(name, () =>
      Effect.gen(function*() {
        const result = yield* attempt(() => create(args))
        assert.isFalse(result.ok)
        assert.isTrue(result.error instanceof expected, result.error?.name)
        assert.notInclude(result.error?.message, "secret")
      }))
  }
})
