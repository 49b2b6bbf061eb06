import * as Cookies from "@effect/platform/Cookies"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Lru } from "../../src/internal/lru.js"
import * as CacheStore from "../../src/policy/CacheStore.js"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Route from "../../src/Route.js"
import * as RouterError from "../../src/RouterError.js"

const url = "http://upstream.test/v1/chat/completions"

/** An upstream that numbers its answers and takes a second for each. */
const makeUpstream = (respond: (n: number) => Response = (n) => Response.json({ n })) => {
  const upstream = { calls: 0, interrupted: 0 }
  const client = HttpClient.make((request) =>
    Effect.suspend(() => {
      const n = ++upstream.calls
      return Effect.sleep("1 second").pipe(
        Effect.map(() => HttpClientResponse.fromWeb(request, respond(n))),
        Effect.onInterrupt(() => Effect.sync(() => upstream.interrupted++))
      )
    })
  )
  return { upstream, client }
}

/** Lets the second pass in which the upstream answers. */
const finish = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<A, E> =>
  Effect.zipRight(TestClock.adjust("1 second"), Fiber.join(fiber))

const call = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.fork(effect), finish)

const post = (body: unknown, headers: Record<string, string> = {}) =>
  HttpClientRequest.post(url, { headers }).pipe(HttpClientRequest.bodyUnsafeJson(body))

const recorded = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const recorder = Route.makeRecorder()
    return Effect.map(
      Effect.provideService(Effect.exit(effect), Route.CurrentRecorder, recorder),
      (exit) => ({ exit, route: Route.snapshot(recorder) })
    )
  })

const textOf = <E, R>(effect: Effect.Effect<HttpClientResponse.HttpClientResponse, E, R>) =>
  Effect.flatMap(effect, (response) => response.text)

const cached = ResponseCache.withCache({ ttl: "1 minute" })

const attempt = (target: string): Route.Attempt => ({
  target,
  startedAtMillis: 0,
  durationMillis: 1_000,
  waitMillis: 0,
  outcome: "success"
})

/** What a router does inside: it says who was asked and who answered. */
const recording = (target: string) => (self: HttpClient.HttpClient): HttpClient.HttpClient =>
  HttpClient.transform(self, (effect) =>
    Effect.flatMap(Route.CurrentRecorder, (recorder) =>
      Effect.tap(effect, () => {
        recorder?.attempts.push(attempt(target))
        if (recorder !== undefined) {
          recorder.served = target
        }
      })))

const memory = Effect.provide(ResponseCache.layerMemory())

describe("ResponseCache.withCache", () => {
  it.effect("L36, L37: an identical request is answered with the same response and without a call", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream((n) =>
        Response.json({ n }, { status: 201, headers: { "x-request-id": `r${n}` } })
      )
      const http = cached(client)
      const first = yield* call(http.execute(post({ a: 1, b: 2.0 })))
      const second = yield* http.execute(post({ b: 2, a: 1 }))
      assert.strictEqual(upstream.calls, 1)
      for (const response of [first, second]) {
        assert.strictEqual(response.status, 201)
        assert.strictEqual(response.headers["x-request-id"], "r1")
        assert.deepStrictEqual(yield* response.json, { n: 1 })
        assert.strictEqual(yield* response.text, "{\"n\":1}")
      }
      assert.deepStrictEqual(yield* call(Effect.flatMap(http.execute(post({ a: 1, b: 3 })), (_) => _.json)), { n: 2 })
    }).pipe(memory))

  it.effect("a response can be read in every way, any number of times", () =>
    Effect.gen(function*() {
      const body = "a=1&b=%C3%A9"
      const { client } = makeUpstream(() =>
        new Response(body, { headers: { "content-type": "application/x-www-form-urlencoded" } })
      )
      const http = cached(client)
      const miss = yield* call(http.get(url))
      const hit = yield* http.get(url)
      for (const response of [miss, hit, miss, hit]) {
        const bytes = yield* Stream.runCollect(response.stream)
        assert.strictEqual(Buffer.concat(Chunk.toReadonlyArray(bytes)).toString(), body)
        assert.strictEqual(Buffer.from(yield* response.arrayBuffer).toString(), body)
        assert.strictEqual(yield* response.text, body)
        assert.deepStrictEqual(yield* response.urlParamsBody, [["a", "1"], ["b", "é"]])
        assert.strictEqual((yield* response.formData).get("b"), "é")
        assert.strictEqual((yield* Effect.flip(response.json)).reason, "Decode")
        assert.isTrue(Cookies.isEmpty(response.cookies))
      }
    }).pipe(memory))

  it.effect("what logs of a response show has neither its body nor its credentials", () =>
    Effect.gen(function*() {
      const { client } = makeUpstream(() => Response.json({ secret: "completion" }))
      const response = yield* call(cached(client).execute(post({ content: "prompt" }, { authorization: "Bearer key" })))
      const shown = `${response.toString()} ${JSON.stringify(response)}`
      assert.notMatch(shown, /completion"|prompt|Bearer/)
      const notJson = makeUpstream(() => new Response("secret text", { headers: { "content-type": "text/plain" } }))
      const error = yield* Effect.flip(Effect.flatMap(call(cached(notJson.client).get(url)), (_) => _.json))
      assert.notInclude(`${error.message} ${String(error.cause)}`, "secret")
    }).pipe(memory))

  it.effect("L38: no two credentials share an answer, and no two scopes", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const names = ["authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "openai-organization"]
      const requests = [{}, ...names.flatMap((name) => [{ [name]: "one" }, { [name]: "two" }])]
      const policies = [
        cached,
        ResponseCache.withCache({ ttl: "1 minute", scope: "tenant" }),
        ResponseCache.withCache({ ttl: "1 minute", key: () => Effect.succeed(Option.some("constant")) })
      ]
      for (const policy of policies) {
        for (const headers of requests) {
          yield* call(policy(client).execute(post({}, headers)))
        }
      }
      assert.strictEqual(upstream.calls, policies.length * requests.length)
      for (const policy of policies) {
        for (const headers of requests) {
          yield* policy(client).execute(post({}, headers))
        }
      }
      assert.strictEqual(upstream.calls, policies.length * requests.length)
    }).pipe(memory))

  it.effect("L40: errors and responses that are not a success are not stored", () =>
    Effect.gen(function*() {
      const statuses = makeUpstream((n) => Response.json({ n }, { status: n === 1 ? 503 : n === 2 ? 404 : 200 }))
      const http = cached(statuses.client)
      assert.strictEqual((yield* call(http.get(url))).status, 503)
      assert.strictEqual((yield* call(http.get(url))).status, 404)
      assert.strictEqual((yield* call(http.get(url))).status, 200)
      assert.strictEqual((yield* http.get(url)).status, 200)
      assert.strictEqual(statuses.upstream.calls, 3)

      const failing = makeUpstream((n) => Response.json({ n }, { status: n === 1 ? 503 : 200 }))
      const ok = cached(HttpClient.filterStatusOk(failing.client))
      const error = yield* Effect.flip(call(ok.get(`${url}/other`)))
      assert.strictEqual(error._tag, "ResponseError")
      assert.strictEqual((yield* call(ok.get(`${url}/other`))).status, 200)
    }).pipe(memory))

  it.effect("L40: `storable` sees the response and the route, and decides", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const seen: Array<CacheStore.Candidate> = []
      const http = client.pipe(
        recording("openai/gpt-4o"),
        ResponseCache.withCache({
          ttl: "1 minute",
          storable: (candidate) => {
            seen.push(candidate)
            return seen.length > 1
          }
        })
      )
      yield* call(http.get(url))
      yield* call(http.get(url))
      yield* http.get(url)
      assert.strictEqual(upstream.calls, 2)
      assert.deepStrictEqual(
        seen.map(({ route, status, text }) => ({ route, status, text })),
        [1, 2].map((n) => ({
          status: 200,
          text: `{"n":${n}}`,
          route: { served: "openai/gpt-4o", attempts: [attempt("openai/gpt-4o")], skipped: [], cache: "miss" as const }
        }))
      )
      assert.strictEqual(seen[0]!.headers["content-type"], "application/json")
    }).pipe(memory))

  it.effect("a mode that is none is refused, or a bypass when a function gives it", () =>
    Effect.gen(function*() {
      const unknown: ReadonlyArray<unknown> = ["nostore", "No-Store", "", "toString", null, undefined, 1, {}]
      const { client, upstream } = makeUpstream()
      for (const value of unknown) {
        // what a program without types, or with a cast, gives
        const mode = (): ResponseCache.Mode => JSON.parse(JSON.stringify({ value })).value
        const http = ResponseCache.withCache({ ttl: "1 minute", mode })(client)
        for (const _ of [1, 2]) {
          assert.strictEqual((yield* call(recorded(textOf(http.get(url))))).route.cache, "bypass")
        }
      }
      assert.strictEqual(upstream.calls, 2 * unknown.length)
      assert.throws(() => ResponseCache.withCache({ ttl: "1 minute", mode: JSON.parse("\"nostore\"") }))
      // none of them was stored
      assert.strictEqual((yield* call(recorded(textOf(cached(client).get(url))))).route.cache, "miss")
    }).pipe(memory))

  it.effect("L41: identical requests at one time are one call, and each of them knows its route", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const http = client.pipe(recording("openai/gpt-4o"), cached)
      const responses = yield* call(
        Effect.forEach(Array.from({ length: 1_000 }), () => recorded(textOf(http.get(url))), {
          concurrency: "unbounded"
        })
      )
      assert.strictEqual(upstream.calls, 1)
      for (const [i, { exit, route }] of responses.entries()) {
        assert.deepStrictEqual(exit, Exit.succeed("{\"n\":1}"))
        assert.deepStrictEqual(route, {
          served: "openai/gpt-4o",
          attempts: [attempt("openai/gpt-4o")],
          skipped: [],
          cache: i === 0 ? "miss" : "shared"
        })
      }
      const hit = yield* recorded(textOf(http.get(url)))
      assert.deepStrictEqual(hit, {
        exit: Exit.succeed("{\"n\":1}"),
        route: { served: "openai/gpt-4o", attempts: [], skipped: [], cache: "hit", cacheAgeMillis: 0 }
      })
    }).pipe(memory))

  it.effect("L41: a policy that is rebuilt for each request shares the calls of its service", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const rebuilt = Effect.suspend(() => textOf(ResponseCache.withCache({ ttl: 60_000 })(client).get(url)))
      yield* call(Effect.all([rebuilt, rebuilt, rebuilt], { concurrency: "unbounded" }))
      yield* rebuilt
      assert.strictEqual(upstream.calls, 1)
    }).pipe(memory))

  it.effect("a call that ends while another caller is still looking into the store is not made again", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const store = yield* CacheStore.makeMemory()
      const slow = yield* ResponseCache.make({
        set: store.set,
        // a caller learns after 150 ms what was there when it asked
        get: (key) => Effect.tap(store.get(key), () => Effect.sleep("150 millis"))
      })
      const http = Effect.provideService(textOf(cached(client).get(url)), ResponseCache.ResponseCache, slow)
      const first = yield* Effect.fork(http)
      yield* TestClock.adjust("1100 millis")
      const second = yield* Effect.fork(recorded(http))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(first)
      const { exit, route } = yield* Fiber.join(second)
      assert.deepStrictEqual(exit, Exit.succeed("{\"n\":1}"))
      assert.strictEqual(route.cache, "hit")
      assert.strictEqual(upstream.calls, 1)
    }).pipe(Effect.scoped))

  it.effect("H32: the first caller may leave, and the others get their answer; it is stored", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const http = client.pipe(recording("openai/gpt-4o"), cached)
      const first = yield* Effect.fork(textOf(http.get(url)))
      const second = yield* Effect.fork(recorded(textOf(http.get(url))))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("500 millis")
      const { exit, route } = yield* Fiber.join(second)
      assert.deepStrictEqual(exit, Exit.succeed("{\"n\":1}"))
      assert.deepStrictEqual(route.cache, "shared")
      assert.strictEqual(yield* textOf(http.get(url)), "{\"n\":1}")
      assert.deepStrictEqual(upstream, { calls: 1, interrupted: 0 })
    }).pipe(memory))

  it.effect("H32: the call is interrupted when all have left, and nothing is stored", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const http = cached(client)
      const callers = yield* Effect.replicateEffect(Effect.fork(textOf(http.get(url))), 3)
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interruptAll(callers)
      assert.deepStrictEqual(upstream, { calls: 1, interrupted: 1 })
      assert.strictEqual(yield* call(textOf(http.get(url))), "{\"n\":2}")
    }).pipe(memory))

  it.effect("each caller has its own timeout", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const http = cached(client)
      const hurried = yield* Effect.fork(Effect.timeoutOption(textOf(http.get(url)), "300 millis"))
      const patient = yield* Effect.fork(Effect.timeoutOption(textOf(http.get(url)), "3 seconds"))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Option.isNone(yield* Fiber.join(hurried)))
      assert.strictEqual(Option.getOrUndefined(yield* Fiber.join(patient)), "{\"n\":1}")
      assert.strictEqual(upstream.calls, 1)
    }).pipe(memory))

  it.effect("a failure reaches everybody who waits, once, with the attempts that were made", () =>
    Effect.gen(function*() {
      const error = RouterError.invalidField("model", "is unknown")
      let calls = 0
      const http = cached(HttpClient.makeWith(
        () =>
          Effect.flatMap(Route.CurrentRecorder, (recorder) =>
            Effect.suspend(() => {
              calls++
              recorder?.attempts.push(attempt("openai/gpt-4o"))
              return Effect.delay(Effect.fail(error), "1 second")
            })),
        Effect.succeed
      ))
      const [a, b] = yield* call(
        Effect.all([recorded(http.get(url)), recorded(http.get(url))], { concurrency: "unbounded" })
      )
      assert.deepStrictEqual([a.exit, b.exit], [Exit.fail(error), Exit.fail(error)])
      assert.deepStrictEqual([a.route.attempts.length, b.route.attempts.length, calls], [1, 1, 1])
      assert.deepStrictEqual([a.route.cache, b.route.cache], ["miss", "shared"])
      assert.strictEqual(yield* Effect.flip(call(http.get(url))), error)
      assert.strictEqual(calls, 2)
    }).pipe(memory))

  it.effect("L42: what a caller does to a response does not reach the next one", () =>
    Effect.gen(function*() {
      const { client } = makeUpstream((n) => Response.json({ n, deep: { list: [1] } }, { headers: { "x-a": "1" } }))
      const http = cached(client)
      yield* call(http.get(url))
      for (let i = 0; i < 3; i++) {
        const response = yield* http.get(url)
        const value = yield* response.json
        assert.deepStrictEqual(value, { n: 1, deep: { list: [1] } })
        assert.strictEqual(response.headers["x-a"], "1")
        Object.assign(value as object, { n: 99 })
        Object.assign(response.headers, { "x-a": "99" })
        new Uint8Array(yield* response.arrayBuffer).fill(0)
        yield* Stream.runForEach(response.stream, (bytes) => Effect.sync(() => bytes.fill(0)))
      }
    }).pipe(memory))

  it.effect("L42: a store is given frozen entries that are plain JSON, under keys that show nothing", () =>
    Effect.gen(function*() {
      const entries: Array<readonly [string, CacheStore.Entry, CacheStore.Lifetime]> = []
      const cache = yield* ResponseCache.make({
        get: () => Effect.succeed(Option.none()),
        set: (...entry) => Effect.sync(() => entries.push(entry))
      })
      const { client } = makeUpstream()
      const http = client.pipe(recording("openai/gpt-4o"), cached)
      yield* TestClock.setTime(5_000)
      yield* call(http.execute(post({ content: "prompt" }, { authorization: "Bearer key" }))).pipe(
        Effect.provideService(ResponseCache.ResponseCache, cache)
      )
      const [key, entry, { staleFor, ttl }] = entries[0]!
      assert.match(key, /^[0-9a-f]{64}$/)
      assert.deepStrictEqual(entry, {
        status: 200,
        headers: { "content-type": "application/json" },
        body: "{\"n\":1}",
        served: "openai/gpt-4o",
        storedAtMillis: 6_000
      })
      assert.isTrue(Object.isFrozen(entry) && Object.isFrozen(entry.headers))
      assert.deepStrictEqual(yield* Schema.decode(Schema.parseJson(CacheStore.Entry))(JSON.stringify(entry)), entry)
      assert.deepStrictEqual([Duration.toMillis(ttl), Duration.toMillis(staleFor)], [60_000, 0])
    }).pipe(Effect.scoped))

  it.effect("L44: an answer has expired at exactly its time to live, and a hit does not extend it", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const http = cached(client)
      yield* call(http.get(url))
      yield* TestClock.adjust("30 seconds")
      yield* http.get(url)
      yield* TestClock.adjust("29999 millis")
      yield* http.get(url)
      assert.strictEqual(upstream.calls, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* call(textOf(http.get(url))), "{\"n\":2}")
    }).pipe(memory))

  it.effect("an infinite time to live is one without an end", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const http = ResponseCache.withCache({ ttl: Duration.infinity })(client)
      yield* call(http.get(url))
      yield* TestClock.adjust("10000 days")
      yield* http.get(url)
      assert.strictEqual(upstream.calls, 1)
    }).pipe(memory))

  it.effect("a session cookie goes to the caller that it was given to, and to nobody else", () =>
    Effect.gen(function*() {
      const { client } = makeUpstream(() => Response.json({}, { headers: { "set-cookie": "session=1" } }))
      const http = cached(client)
      const [miss, shared] = yield* call(Effect.all([http.get(url), http.get(url)], { concurrency: "unbounded" }))
      const hit = yield* http.get(url)
      assert.deepStrictEqual(Cookies.toRecord(miss.cookies), { session: "1" })
      assert.strictEqual(miss.headers["set-cookie"], "session=1")
      for (const response of [shared, hit]) {
        assert.isTrue(Cookies.isEmpty(response.cookies))
        assert.isUndefined(response.headers["set-cookie"])
      }
    }).pipe(memory))

  it.effect("a body that cannot be read is for its readers to see, and not stored", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream((n) =>
        n === 1
          ? new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) }), {
            headers: { "content-type": "application/json" }
          })
          : Response.json({ n })
      )
      const http = cached(client)
      const broken = yield* call(http.get(url))
      assert.strictEqual(broken.status, 200)
      assert.instanceOf(yield* Effect.flip(broken.text), HttpClientError.ResponseError)
      assert.instanceOf(yield* Effect.flip(Stream.runDrain(broken.stream)), HttpClientError.ResponseError)
      assert.strictEqual(yield* call(textOf(http.get(url))), "{\"n\":2}")
      assert.strictEqual(upstream.calls, 2)
    }).pipe(memory))

  it.effect("event streams and bodies that are not text pass through unread, each caller with a call of its own", () =>
    Effect.gen(function*() {
      for (const contentType of ["text/event-stream; charset=utf-8", "image/png", "text/plain; charset=iso-8859-1"]) {
        const bytes = Uint8Array.of(0xff, 0x00, 0xfe)
        const { client, upstream } = makeUpstream(() =>
          new Response(bytes.slice(), { headers: { "content-type": contentType } })
        )
        const http = cached(client)
        const get = recorded(Effect.flatMap(http.get(url), (response) => Stream.runCollect(response.stream)))
        const callers = yield* Effect.fork(Effect.all([get, get, get], { concurrency: "unbounded" }))
        yield* TestClock.adjust("1 second")
        const results = yield* finish(callers)
        for (const { exit, route } of results) {
          const chunks = yield* exit
          assert.deepStrictEqual(Buffer.concat(Chunk.toReadonlyArray(chunks)), Buffer.from(bytes))
          assert.strictEqual(route.cache, "bypass")
        }
        assert.strictEqual(upstream.calls, 3)
        yield* call(get)
        assert.strictEqual(upstream.calls, 4)
      }
    }).pipe(memory))

  it.effect("requests that cannot be cached go straight through", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const http = cached(client)
      const requests = [
        HttpClientRequest.put(url),
        HttpClientRequest.del(url),
        HttpClientRequest.get(url, { accept: "text/event-stream" }),
        post({ stream: true }),
        HttpClientRequest.post(url, { body: HttpBody.stream(Stream.make(new Uint8Array(1))) }),
        HttpClientRequest.post(url, { body: HttpBody.formData(new FormData()) })
      ]
      for (const request of requests) {
        for (const _ of [1, 2]) {
          const { route } = yield* call(recorded(http.execute(request)))
          assert.strictEqual(route.cache, "bypass")
        }
      }
      assert.strictEqual(upstream.calls, 2 * requests.length)
      const none = ResponseCache.withCache({ ttl: "1 minute", key: () => Effect.succeed(Option.none()) })(client)
      assert.strictEqual((yield* call(recorded(none.get(url)))).route.cache, "bypass")
    }).pipe(memory))

  it.effect("a key of one's own may need services and may fail", () =>
    Effect.gen(function*() {
      class Tenant extends Context.Tag("test/Tenant")<Tenant, string>() {}
      const { client, upstream } = makeUpstream()
      const http = ResponseCache.withCache({
        ttl: "1 minute",
        key: (request) =>
          Effect.flatMap(Tenant, (tenant) =>
            tenant === "" ? Effect.fail("no tenant") : Effect.succeed(Option.some(`${tenant} ${request.method}`)))
      })(client)
      const as = (tenant: string, path: string) =>
        Effect.provideService(http.get(`${url}/${path}`), Tenant, tenant)
      yield* call(as("a", "1"))
      yield* as("a", "2")
      assert.strictEqual(upstream.calls, 1)
      yield* call(as("b", "1"))
      assert.strictEqual(upstream.calls, 2)
      assert.strictEqual(yield* Effect.flip(as("", "1")), "no tenant")
    }).pipe(memory))

  it.effect("closing the layer interrupts the calls that are under way", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const caller = yield* Effect.scoped(Effect.gen(function*() {
        const cache = yield* ResponseCache.make(yield* CacheStore.makeMemory())
        const caller = yield* Effect.forkDaemon(
          Effect.provideService(cached(client).get(url), ResponseCache.ResponseCache, cache)
        )
        yield* TestClock.adjust("500 millis")
        return caller
      }))
      assert.strictEqual(upstream.interrupted, 1)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(caller)))
    }))

  it("refuses a time to live that is none", () => {
    for (const ttl of [0, -1, NaN, "0 seconds", Duration.zero, "soon" as Duration.DurationInput] as const) {
      try {
        ResponseCache.withCache({ ttl })
        assert.fail("accepted")
      } catch (error) {
        assert.instanceOf(error, RouterError.InvalidRequest)
        assert.strictEqual(error.path, "ttl")
      }
    }
  })
})

describe("ResponseCache.layerMemory", () => {
  const ask = (client: HttpClient.HttpClient, path: string) => call(textOf(cached(client).get(`${url}/${path}`)))

  it.effect("L43: keeps so many entries, and forgets the one that was used least recently", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      yield* ask(client, "a")
      yield* ask(client, "b")
      yield* ask(client, "a")
      yield* ask(client, "c")
      assert.strictEqual(upstream.calls, 3)
      yield* ask(client, "a")
      assert.strictEqual(upstream.calls, 3)
      yield* ask(client, "b")
      assert.strictEqual(upstream.calls, 4)
    }).pipe(Effect.provide(ResponseCache.layerMemory({ maxEntries: 2 }))))

  it.effect("L43: keeps so many bytes, and nothing that is larger alone", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream((n) => new Response("x".repeat(n === 3 ? 6_000 : 2_000)))
      yield* ask(client, "a")
      yield* ask(client, "b")
      yield* ask(client, "too large")
      yield* ask(client, "a")
      yield* ask(client, "b")
      assert.strictEqual(upstream.calls, 3)
      yield* ask(client, "too large")
      yield* ask(client, "a")
      assert.strictEqual(upstream.calls, 5)
    }).pipe(Effect.provide(ResponseCache.layerMemory({ maxBytes: 10_000 }))))

  it.effect("every build of the layer is a cache of its own", () =>
    Effect.gen(function*() {
      const { client, upstream } = makeUpstream()
      const layer = ResponseCache.layerMemory()
      yield* Effect.provide(ask(client, "a"), layer)
      yield* Effect.provide(ask(client, "a"), layer)
      assert.strictEqual(upstream.calls, 2)
    }))

  it("refuses bounds that are not whole numbers of 1 or more", () => {
    for (const value of [0, -1, 1.5, NaN, Infinity]) {
      for (const path of ["maxEntries", "maxBytes"]) {
        try {
          ResponseCache.layerMemory({ [path]: value })
          assert.fail("accepted")
        } catch (error) {
          assert.instanceOf(error, RouterError.InvalidRequest)
          assert.strictEqual(error.path, path)
        }
      }
    }
  })
})

describe("Lru", () => {
  const operation = FastCheck.record({
    kind: FastCheck.constantFrom("get", "set", "set"),
    key: FastCheck.constantFrom("a", "b", "c", "d", "e", "f"),
    weight: FastCheck.nat({ max: 12 }),
    ttl: FastCheck.option(FastCheck.integer({ min: 1, max: 8 }), { nil: undefined }),
    after: FastCheck.nat({ max: 3 })
  })

  it.prop("L43, L44: holds what a list of the live entries in the order of their use would hold", [
    FastCheck.array(operation, { maxLength: 60 }),
    FastCheck.record({
      maxEntries: FastCheck.integer({ min: 1, max: 5 }),
      maxWeight: FastCheck.integer({ min: 1, max: 30 })
    })
  ], ([operations, bounds]) => {
    const lru = new Lru<number>(bounds)
    let model: Array<{ key: string; value: number; weight: number; expiresAt: number }> = []
    let now = 0
    for (const [value, { after, key, kind, ttl, weight }] of operations.entries()) {
      now += after
      model = model.filter(({ expiresAt }) => expiresAt > now)
      const found = model.find((slot) => slot.key === key)
      if (kind === "get") {
        assert.strictEqual(Option.getOrUndefined(lru.get(key, BigInt(now))), found?.value)
        model = found === undefined ? model : [...model.filter((slot) => slot !== found), found]
      } else {
        const expiresAt = ttl === undefined ? Infinity : now + ttl
        lru.set(key, value, {
          weight,
          now: BigInt(now),
          expiresAt: ttl === undefined ? undefined : BigInt(expiresAt)
        })
        model = model.filter((slot) => slot !== found)
        if (weight <= bounds.maxWeight) {
          const total = () => model.reduce((sum, slot) => sum + slot.weight, weight)
          while (model.length >= bounds.maxEntries || total() > bounds.maxWeight) {
            model.shift()
          }
          model.push({ key, value, weight, expiresAt })
        }
      }
      assert.isAtMost(lru.size, bounds.maxEntries)
      assert.isAtMost(lru.weight, bounds.maxWeight)
    }
    for (const key of ["a", "b", "c", "d", "e", "f"]) {
      const slot = model.find((slot) => slot.key === key)
      assert.strictEqual(Option.getOrUndefined(lru.get(key, BigInt(now))), slot?.value)
    }
    assert.strictEqual(lru.size, model.length)
    assert.strictEqual(lru.weight, model.reduce((sum, slot) => sum + slot.weight, 0))
  }, { fastCheck: { numRuns: 2_000 } })
})
