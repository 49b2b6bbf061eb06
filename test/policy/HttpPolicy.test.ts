import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import type * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import { failing, ok, outcome, scripted, simulate, timed, withinTheHour } from "../support/scripted.js"

const url = Testing.baseUrl("p")

/** A policy that writes down when it is entered and left. */
const noting = (log: Array<string>, name: string) =>
  HttpPolicy.make((request, execute) =>
    Effect.suspend(() => {
      log.push(`${name} (`)
      return Effect.ensuring(execute(request), Effect.sync(() => log.push(`) ${name}`)))
    })
  )

describe("HttpPolicy.wrap", () => {
  it.effect("everything that the wrapped client does happens inside", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const { client } = scripted(() => Effect.die("unused"))
      const inner = HttpPolicy.wrap(client, (request) =>
        Effect.zipRight(Effect.sync(() => log.push("transport")), ok(request)))
      yield* inner.pipe(noting(log, "inner"), noting(log, "outer")).get(url)
      assert.deepStrictEqual(log, ["outer (", "inner (", "transport", ") inner", ") outer"])
    }))

  it.effect("each run is a request, and none is sent that is not run", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(ok)
      const never = HttpPolicy.wrap(client, (request) => ok(request))
      const thrice = HttpPolicy.wrap((request, execute: HttpPolicy.Execute<never, never>) =>
        Effect.zipRight(execute(request), Effect.zipRight(execute(request), execute(request)))
      )(client)
      yield* never.get(url)
      assert.strictEqual(startedAt.length, 0)
      yield* thrice.get(url)
      assert.strictEqual(startedAt.length, 3)
    }))

  it.effect("the request can be another one, and nothing is done before the call", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({ p: Testing.raw({ body: "x" }) })
      const keyed = HttpPolicy.wrap(client, (request, execute) =>
        execute(HttpClientRequest.setHeader(request, "x-key", "k")))
      const call = keyed.get(url)
      assert.strictEqual((yield* calls).length, 0)
      yield* call
      yield* keyed.post(`${url}/chat`)
      assert.deepStrictEqual(
        (yield* calls).map((_) => [_.method, _.headers["x-key"]]),
        [["GET", "k"], ["POST", "k"]]
      )
    }))

  it.effect("a call can be run again: it is a new request each time", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(failing("busy"), ok)
      const call = HttpPolicy.wrap(client, (request, execute) => execute(request)).get(url)
      yield* Effect.retry(call, { times: 1 })
      assert.strictEqual(startedAt.length, 2)
    }))

  it.effect("interruption reaches the wrapped client", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({ p: Testing.hang })
      const wrapped = HttpPolicy.wrap(client, (request, execute) =>
        Effect.timeoutOption(execute(request), "3 seconds").pipe(
          Effect.flatMap(() =>
            Effect.fail("late" as const)
          )
        ))
      assert.strictEqual(yield* withinTheHour(Effect.flip(wrapped.get(url))), "late")
      assert.deepStrictEqual((yield* calls).map((_) => _.abortedAtMillis), [3000])
    }))
})

describe("HttpPolicy and the combinators of HttpClient", () => {
  /** A request that says how many were made before it: what a weighted pick or a budget would do. */
  const numbering = () => {
    let count = 0
    return (request: HttpClientRequest.HttpClientRequest) =>
      Effect.sync(() => HttpClientRequest.setHeader(request, "x-number", `${++count}`))
  }

  const upstream = Testing.makeTransport({ p: [Testing.status(503), Testing.status(503), Testing.raw({ body: "x" })] })

  const numbers = (calls: ReadonlyArray<Testing.RecordedRequest>) => calls.map((_) => _.headers["x-number"])

  it.effect("P-1: outside of HttpClient.retry a mapRequest still runs for every attempt", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* upstream
      yield* client.pipe(
        HttpClient.filterStatusOk,
        HttpClient.retry({ times: 2 }),
        HttpClient.mapRequestEffect(numbering())
      ).get(url)
      assert.deepStrictEqual(numbers(yield* calls), ["1", "2", "3"])
    }))

  it.effect("outside of a policy it runs once for the call, inside once for each attempt", () =>
    Effect.gen(function*() {
      const retry = Retry.withRetry({ count: 2, backoff: Schedule.forever })
      const outside = yield* upstream
      yield* outside.client.pipe(HttpClient.filterStatusOk, retry, HttpClient.mapRequestEffect(numbering())).get(url)
      assert.deepStrictEqual(numbers(yield* outside.calls), ["1", "1", "1"])
      const inside = yield* upstream
      yield* inside.client.pipe(HttpClient.filterStatusOk, HttpClient.mapRequestEffect(numbering()), retry).get(url)
      assert.deepStrictEqual(numbers(yield* inside.calls), ["1", "2", "3"])
    }))

  it.effect("a policy runs where it stands: once outside of a retry, for each attempt inside", () =>
    Effect.gen(function*() {
      const retry = Retry.withRetry({ count: 2, backoff: Schedule.forever })
      const policy = (number: ReturnType<typeof numbering>) =>
        HttpPolicy.make((request, execute) => Effect.flatMap(number(request), execute))
      const outside = yield* upstream
      yield* outside.client.pipe(HttpClient.filterStatusOk, retry, policy(numbering())).get(url)
      assert.deepStrictEqual(numbers(yield* outside.calls), ["1", "1", "1"])
      const inside = yield* upstream
      yield* inside.client.pipe(HttpClient.filterStatusOk, policy(numbering()), retry).get(url)
      assert.deepStrictEqual(numbers(yield* inside.calls), ["1", "2", "3"])
    }))

  it.effect("a policy decorates the HttpClient of a layer", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const decorated = Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, noting(log, "policy")))
        .pipe(
          Layer.provide(Testing.layerTransport({ p: Testing.raw({ body: "x" }) }))
        )
      yield* Effect.provide(HttpClient.get(url), decorated)
      assert.deepStrictEqual(log, ["policy (", ") policy"])
    }))
})

describe("HttpPolicy.make", () => {
  class Budget extends Context.Tag("Budget")<Budget, { left: number }>() {}

  const withBudget = HttpPolicy.make<"spent", Budget>((request, execute) =>
    Effect.gen(function*() {
      const budget = yield* Budget
      return budget.left-- > 0 ? yield* execute(request) : yield* Effect.fail("spent" as const)
    })
  )

  it.effect("a policy of one's own may need services and add errors", () =>
    Effect.gen(function*() {
      const { client, startedAt } = scripted(ok)
      const call = withBudget(client).get(url)
      const error = yield* Effect.flip(Effect.all([call, call, call])).pipe(Effect.provideService(Budget, { left: 2 }))
      assert.strictEqual(error, "spent")
      assert.strictEqual(startedAt.length, 2)
    }))

  it.effect("compose(inner, outer) is the order of pipe, in both of its forms", () =>
    Effect.gen(function*() {
      const { client } = scripted(ok)
      const log: Array<string> = []
      const [inner, outer] = [noting(log, "inner"), noting(log, "outer")]
      const orders: Array<ReadonlyArray<string>> = []
      for (
        const composed of [
          client.pipe(inner, outer),
          HttpPolicy.compose(inner, outer)(client),
          HttpPolicy.compose(outer)(inner)(client)
        ]
      ) {
        yield* composed.get(url)
        orders.push(log.splice(0))
      }
      assert.deepStrictEqual(orders[0], ["outer (", "inner (", ") inner", ") outer"])
      assert.deepStrictEqual(orders[1], orders[0])
      assert.deepStrictEqual(orders[2], orders[0])
    }))

  it("the identity is the client itself", () => {
    const { client } = scripted(ok)
    assert.strictEqual(HttpPolicy.identity(client), client)
  })
})

type Policy = HttpPolicy.HttpPolicy<RouterError.RouterError>

/** What makes a difference to the order: retries, clocks, and a policy that stops everything. */
const policies: FastCheck.Arbitrary<Policy> = FastCheck.oneof(
  FastCheck.constant<Policy>(HttpPolicy.identity),
  FastCheck.record({ count: FastCheck.nat(3), millis: FastCheck.integer({ min: 1, max: 900 }) }).map((
    { count, millis }
  ): Policy => Retry.withRetry({ count, backoff: Schedule.spaced(millis) })),
  FastCheck.integer({ min: 1, max: 3000 }).map((millis): Policy => Timeout.withCallTimeout(millis + 0.5)),
  FastCheck.integer({ min: 1, max: 3000 }).map((millis): Policy => Timeout.withDeadline(millis + 0.25))
)

const traces = FastCheck.array(
  FastCheck.oneof(
    FastCheck.record({ status: FastCheck.constantFrom(200, 200, 400, 429, 503), delay: FastCheck.nat(1000) }),
    FastCheck.record({ status: FastCheck.constant(0), delay: FastCheck.nat(1000) })
  ),
  { minLength: 1, maxLength: 5 }
)

const observe = (policy: Policy, trace: ReadonlyArray<{ readonly status: number; readonly delay: number }>) =>
  simulate(Effect.gen(function*() {
    const { calls, client, open } = yield* Testing.makeTransport({
      p: trace.map(({ delay, status }) =>
        status === 0 ? Testing.delayed(Testing.reset, delay) : Testing.raw({ status, body: "x", delay })
      )
    })
    const call = Effect.flatMap(policy(HttpClient.filterStatusOk(client)).get(url), (_) => _.text)
    const [exit, millis] = yield* timed(call)
    return {
      exit: Exit.match(exit, {
        onSuccess: (text) => text,
        onFailure: (cause) => Cause.pretty(cause).split("\n")[0]
      }),
      millis,
      open: yield* open,
      calls: (yield* calls).map((_) => [_.startedAtMillis, _.abortedAtMillis])
    }
  }))

describe("HttpPolicy laws", () => {
  const runs = { fastCheck: { numRuns: 1000 }, timeout: 60_000 }

  it.live.prop(
    "L57: the identity is neutral on both sides",
    { p: policies, trace: traces },
    ({ p, trace }) =>
      Effect.gen(function*() {
        const alone = yield* observe(p, trace)
        assert.deepStrictEqual(yield* observe(HttpPolicy.compose(HttpPolicy.identity, p), trace), alone)
        assert.deepStrictEqual(yield* observe(HttpPolicy.compose(p, HttpPolicy.identity), trace), alone)
      }),
    runs
  )

  it.live.prop(
    "L57: a policy that only passes on is neutral too",
    { p: policies, trace: traces },
    ({ p, trace }) =>
      Effect.gen(function*() {
        const passing = HttpPolicy.make((request, execute) => execute(request))
        const alone = yield* observe(p, trace)
        assert.deepStrictEqual(yield* observe(HttpPolicy.compose(passing, p), trace), alone)
        assert.deepStrictEqual(yield* observe(HttpPolicy.compose(p, passing), trace), alone)
      }),
    runs
  )

  it.live.prop(
    "L58: composition is associative",
    { p: policies, q: policies, r: policies, trace: traces },
    ({ p, q, r, trace }) =>
      Effect.gen(function*() {
        const { compose } = HttpPolicy
        assert.deepStrictEqual(
          yield* observe(compose(compose(p, q), r), trace),
          yield* observe(compose(p, compose(q, r)), trace)
        )
      }),
    runs
  )

  it.effect("L59: a timeout inside of a retry is not one outside of it", () =>
    Effect.gen(function*() {
      const retry = Retry.withRetry({ count: 1, backoff: Schedule.forever })
      const timeout = Timeout.withCallTimeout("1 second")
      const ends = (policy: Policy) =>
        Effect.gen(function*() {
          const { calls, client } = yield* Testing.makeTransport({ p: [Testing.hang, Testing.raw({ body: "hello" })] })
          const [exit, millis] = yield* withinTheHour(timed(Effect.flatMap(policy(client).get(url), (_) => _.text)))
          return [outcome(exit), millis, (yield* calls).length]
        })
      assert.deepStrictEqual(yield* ends(HttpPolicy.compose(timeout, retry)), ["hello", 1000, 2])
      assert.deepStrictEqual(yield* ends(HttpPolicy.compose(retry, timeout)), ["Timeout", 1000, 1])
    }))

  it.live.prop(
    "L60: clients that share a policy value share nothing else",
    { p: policies, one: traces, two: traces },
    ({ one, p, two }) =>
      Effect.gen(function*() {
        const alone = [yield* observe(p, one), yield* observe(p, two)]
        const together = yield* Effect.all([observe(p, one), observe(p, two)], { concurrency: "unbounded" })
        assert.deepStrictEqual(together, [alone[0]!, alone[1]!])
        assert.deepStrictEqual(yield* observe(p, one), alone[0])
      }),
    runs
  )
})

describe("HttpPolicy.provideService", () => {
  class Name extends Context.Tag("Name")<Name, string>() {}

  const stamped = HttpPolicy.make<never, Name>((request, execute) =>
    Effect.flatMap(Name, (name) => execute(HttpClientRequest.setHeader(request, "x-name", name)))
  )

  it.effect("is what the policy sees, data first and last", () =>
    Effect.gen(function*() {
      const { client, calls } = yield* Testing.makeTransport({ p: Testing.completion("Hello") })
      yield* client.pipe(HttpPolicy.provideService(stamped, Name, "first")).post(url)
      yield* client.pipe(HttpPolicy.provideService(Name, "last")(stamped)).post(url)
      assert.deepStrictEqual((yield* calls).map(({ headers }) => headers["x-name"]), ["first", "last"])
    }))
})
