import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/TestClock"
import * as Failure from "../../src/policy/Failure.js"
import * as Fallback from "../../src/policy/Fallback.js"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"

type Client = HttpClient.HttpClient.With<unknown>

const request = HttpClientRequest.post("http://localhost/v1/chat/completions")

const respond = (name: string) => HttpClientResponse.fromWeb(request, new Response(null, { headers: { server: name } }))

/** Targets that write their names into one trace when they are called. */
const makeWorld = () => {
  const trace: Array<string> = []
  const target = <E>(
    name: string,
    outcome: Effect.Effect<HttpClientResponse.HttpClientResponse, E>
  ): HttpClient.HttpClient.With<E> =>
    HttpClient.makeWith(
      (incoming: Effect.Effect<HttpClientRequest.HttpClientRequest>) =>
        Effect.zipRight(
          incoming,
          Effect.suspend(() => {
            trace.push(name)
            return outcome
          })
        ),
      Effect.succeed
    )
  return {
    trace,
    target,
    up: (name: string) => target(name, Effect.sync(() => respond(name))),
    down: <E>(name: string, error: E) => target(name, Effect.fail(error))
  }
}

const unavailable = (target: string) => new RouterError.Unavailable({ target, status: 503 })

const invalid = (target: string) => new RouterError.InvalidRequest({ target, status: 400 })

const served = <E>(client: HttpClient.HttpClient.With<E>) =>
  Effect.map(client.execute(request), (response) => response.headers["server"])

const failureOf = <E>(client: HttpClient.HttpClient.With<E>) => Effect.flip(client.execute(request))

const failuresOf = <E>(client: HttpClient.HttpClient.With<E>) =>
  Effect.map(
    failureOf(client),
    (error) => error instanceof RouterError.AllTargetsFailed ? error.failures : [error]
  )

const answer = { status: 500, headers: {}, body: Redacted.make("") }

const transport = (reason: "Transport" | "Encode" | "InvalidUrl") =>
  new HttpClientError.RequestError({ request, reason })

const platformStatus = (status: number) =>
  new HttpClientError.ResponseError({
    request,
    response: HttpClientResponse.fromWeb(request, new Response(null, { status })),
    reason: "StatusCode"
  })

/** Table 2.1: which failures another target may mend. */
const movesOn: ReadonlyArray<readonly [string, unknown]> = [
  ["Transport (connect)", new RouterError.Transport({ stage: "connect" })],
  ["Transport (exchange)", new RouterError.Transport({ stage: "exchange", code: "ECONNRESET" })],
  ["Timeout", new RouterError.Timeout({ phase: "call", limit: Duration.seconds(1) })],
  ...[408, 409, 425, 500, 502, 503, 504, 520, 524].map((status) =>
    [`Unavailable ${status}`, new RouterError.Unavailable({ ...answer, status })] as const
  ),
  ["Overloaded", new RouterError.Overloaded({ ...answer, status: 529 })],
  ["RateLimited", new RouterError.RateLimited({ ...answer, status: 429 })],
  ["RateLimited with a hint", new RouterError.RateLimited({ status: 429, retryAfter: Duration.hours(5) })],
  ["QuotaExhausted 402", new RouterError.QuotaExhausted({ ...answer, status: 402 })],
  ["QuotaExhausted 429", new RouterError.QuotaExhausted({ ...answer, status: 429 })],
  ["Auth 401", new RouterError.Auth({ ...answer, status: 401 })],
  ["Auth 403", new RouterError.Auth({ ...answer, status: 403 })],
  ["NotFound", new RouterError.NotFound({ ...answer, status: 404 })],
  ["ContextLengthExceeded", new RouterError.ContextLengthExceeded({ ...answer, status: 400 })],
  ["BadResponse 200", new RouterError.BadResponse({ status: 200, reason: "the answer is not JSON" })],
  ["BadResponse 302", new RouterError.BadResponse({ status: 302, reason: "a redirect, which is not followed" })],
  ["EmptyCompletion", new RouterError.EmptyCompletion({ status: 200 })],
  ["ResponseTooLarge", new RouterError.ResponseTooLarge({ status: 200, limit: "bytes", maximum: 1 })],
  ["StreamTruncated", new RouterError.StreamTruncated({ status: 200 })],
  ["AllTargetsFailed", RouterError.allTargetsFailed([unavailable("x")])],
  ["platform: a broken connection", transport("Transport")],
  ...[401, 404, 408, 429, 500, 503].map((status) => [`platform: ${status}`, platformStatus(status)] as const),
  ["Effect's TimeoutException", new Cause.TimeoutException()]
]

const staysPut: ReadonlyArray<readonly [string, unknown]> = [
  ...[400, 405, 413, 415, 422, 501, 505].map((status) =>
    [`InvalidRequest ${status}`, new RouterError.InvalidRequest({ ...answer, status })] as const
  ),
  ["InvalidRequest, found here", RouterError.invalidField("model", "is missing")],
  ["ContentFiltered", new RouterError.ContentFiltered({ ...answer, status: 400 })],
  ["DeadlineExceeded", new RouterError.DeadlineExceeded({ limit: Duration.seconds(1) })],
  [
    "StreamInterrupted",
    new RouterError.StreamInterrupted({
      cause: unavailable("x"),
      delivered: 1,
      partial: Redacted.make({ choices: [] })
    })
  ],
  ...[400, 405, 413, 415, 422, 501, 505].map((status) => [`platform: ${status}`, platformStatus(status)] as const),
  ["platform: a body that cannot be encoded", transport("Encode")],
  ["platform: a URL that is none", transport("InvalidUrl")],
  ["an error that nobody knows", { _tag: "Unheard" }],
  ["undefined", undefined]
]

describe("which failures move on", () => {
  for (const [name, error] of movesOn) {
    it.effect(`${name} does`, () =>
      Effect.gen(function*() {
        const world = makeWorld()
        const client = Fallback.chain<unknown, never>([world.down("a", error), world.up("b")])
        assert.strictEqual(yield* served(client), "b")
        assert.deepStrictEqual(world.trace, ["a", "b"])
        assert.isTrue(Failure.of(error, 0).fallback)
      }))
  }

  for (const [name, error] of staysPut) {
    it.effect(`${name} does not, and is passed through as it is`, () =>
      Effect.gen(function*() {
        const world = makeWorld()
        const client = Fallback.chain<unknown, never>([world.down("a", error), world.up("b")])
        assert.strictEqual(yield* failureOf(client), error)
        assert.deepStrictEqual(world.trace, ["a"])
        assert.isFalse(Failure.of(error, 0).fallback)
      }))
  }

  it.effect("`when` overrides the classes, both ways", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const targets = [world.down("a", invalid("a")), world.down("b", unavailable("b")), world.up("c")] as const
      const client = Fallback.chain<unknown, never>(targets, {
        when: (error) => error instanceof RouterError.InvalidRequest
      })
      assert.deepStrictEqual(yield* failureOf(client), unavailable("b"))
      assert.deepStrictEqual(world.trace, ["a", "b"])
    }))
})

describe("chain", () => {
  it.effect("asks the targets in order, the next one only after a failure", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const client = Fallback.chain<unknown, never>([
        world.down("a", unavailable("a")),
        world.down("b", unavailable("b")),
        world.up("c"),
        world.up("d")
      ])
      assert.strictEqual(yield* served(client), "c")
      assert.deepStrictEqual(world.trace, ["a", "b", "c"])
    }))

  it.effect("L20: the first one's success is the end of it", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      assert.strictEqual(yield* served(Fallback.chain([world.up("a"), world.up("b")])), "a")
      assert.deepStrictEqual(world.trace, ["a"])
    }))

  it.effect("passes the very request on to each target", () =>
    Effect.gen(function*() {
      const seen: Array<HttpClientRequest.HttpClientRequest> = []
      const target = HttpClient.makeWith(
        (incoming: Effect.Effect<HttpClientRequest.HttpClientRequest>) =>
          Effect.flatMap(incoming, (one) => {
            seen.push(one)
            return Effect.fail(unavailable("x"))
          }),
        Effect.succeed
      )
      yield* failureOf(target.pipe(Fallback.withFallbacks([HttpClient.tapRequest(target, () => Effect.void)])))
      assert.lengthOf(seen, 2)
      assert.strictEqual(seen[0], seen[1])
      assert.strictEqual(seen[0]?.url, request.url)
    }))

  it.effect("L23: when all fail the error lists all, in order", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const errors = [unavailable("a"), new RouterError.Auth({ status: 401 }), transport("Transport")] as const
      const error = yield* failureOf(Fallback.chain<unknown, never>([
        world.down("a", errors[0]),
        world.down("b", errors[1]),
        world.down("c", errors[2])
      ]))
      assert.instanceOf(error, RouterError.AllTargetsFailed)
      assert.lengthOf(error.failures, 3)
      errors.forEach((one, index) => assert.strictEqual(error.failures[index], one))
    }))

  it.effect("L18: one target keeps its own error", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const error = unavailable("a")
      assert.strictEqual(yield* failureOf(Fallback.chain([world.down("a", error)])), error)
      assert.strictEqual(yield* failureOf(world.down("a", error).pipe(Fallback.withFallbacks([]))), error)
      assert.deepStrictEqual(world.trace, ["a", "a"])
    }))

  it.effect("L21: a target that is there twice is asked once, and keeps its own error", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const error = unavailable("a")
      const a = world.down("a", error)
      assert.strictEqual(yield* failureOf(Fallback.chain([a, a, a])), error)
      assert.deepStrictEqual(world.trace, ["a"])
    }))

  it.effect("targets that fail with one shared error object are all asked and all listed", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const error = unavailable("shared")
      const client = Fallback.chain([world.down("a", error), world.down("b", error), world.down("c", error)])
      assert.deepStrictEqual(yield* failuresOf(client), [error, error, error])
      assert.deepStrictEqual(world.trace, ["a", "b", "c"])
    }))

  it.effect("errors that are no objects are listed as well", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const client = Fallback.chain([world.down("a", "no"), world.down("b", "no")], { when: () => true })
      assert.deepStrictEqual(yield* failuresOf(client), ["no", "no"])
    }))

  it.effect("a decisive failure of a later target is the error, alone", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const decisive = invalid("b")
      const client = Fallback.chain<unknown, never>([
        world.down("a", unavailable("a")),
        world.down("b", decisive),
        world.up("c")
      ])
      assert.strictEqual(yield* failureOf(client), decisive)
      assert.deepStrictEqual(world.trace, ["a", "b"])
    }))

  it.effect("a call begins anew: nothing is remembered of the one before, not even by concurrent ones", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const client = Fallback.chain([world.down("a", unavailable("a")), world.up("b")])
      yield* served(client)
      yield* Effect.all([served(client), served(client)], { concurrency: 2 })
      assert.deepStrictEqual(world.trace.slice().sort(), ["a", "a", "a", "b", "b", "b"])
    }))

  it.effect("a defect does not move on", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const defect = new Error("broken")
      const exit = yield* Effect.exit(
        Fallback.chain<unknown, never>([world.target("a", Effect.die(defect)), world.up("b")]).execute(request)
      )
      assert.deepStrictEqual(exit, Exit.die(defect))
      assert.deepStrictEqual(world.trace, ["a"])
    }))

  it.effect("a `when` that throws is a defect", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const defect = new Error("broken")
      const client = Fallback.chain([world.down("a", unavailable("a")), world.up("b")], {
        when: () => {
          throw defect
        }
      })
      assert.deepStrictEqual(yield* Effect.exit(client.execute(request)), Exit.die(defect))
    }))

  it.effect("interruption stops the chain", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      let interrupted = 0
      const hanging = world.target("a", Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++)))
      const fiber = yield* Effect.fork(Fallback.chain<unknown, never>([hanging, world.up("b")]).execute(request))
      yield* Effect.yieldNow()
      const exit = yield* Fiber.interrupt(fiber)
      assert.isTrue(Exit.isInterrupted(exit))
      assert.strictEqual(interrupted, 1)
      assert.deepStrictEqual(world.trace, ["a"])
    }))

  it.effect("a timeout of one target moves on, and the target is left", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      let interrupted = 0
      const hanging = world.target("a", Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++)))
      const client = Fallback.chain<unknown, never>([
        hanging.pipe(Timeout.withCallTimeout("1 second")),
        world.up("b")
      ])
      const fiber = yield* Effect.fork(served(client))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "b")
      assert.strictEqual(interrupted, 1)
    }))
})

describe("with a deadline", () => {
  const failAfter = (world: ReturnType<typeof makeWorld>, name: string, delay: Duration.DurationInput) =>
    world.target(name, Effect.delay(Effect.fail(unavailable(name)), delay))

  const run = (delay: Duration.DurationInput) =>
    Effect.gen(function*() {
      const world = makeWorld()
      // the margin on the outside lets the chain see how little is left
      const client = Fallback.chain<unknown, never>([failAfter(world, "a", delay), world.up("b")]).pipe(
        Timeout.withDeadline("1 second")
      )
      const fiber = yield* Effect.fork(Effect.either(served(client)))
      yield* TestClock.adjust("999 millis")
      yield* TestClock.adjust("1 millis")
      return { trace: world.trace, exit: yield* Fiber.join(fiber) }
    })

  it.effect("a target is begun while there is a millisecond left", () =>
    Effect.gen(function*() {
      const { trace } = yield* run("999 millis")
      assert.deepStrictEqual(trace, ["a", "b"])
    }))

  it.effect("a target is not begun with less, and the failures so far are the error", () =>
    Effect.gen(function*() {
      const { exit, trace } = yield* run(Duration.micros(999_500n))
      assert.deepStrictEqual(trace, ["a"])
      assert.deepStrictEqual(exit._tag === "Left" ? exit.left : undefined, unavailable("a"))
    }))

  it.effect("all failures so far are listed", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const client = Fallback.chain<unknown, never>([
        world.down("a", unavailable("a")),
        failAfter(world, "b", Duration.micros(999_500n)),
        world.up("c")
      ]).pipe(Timeout.withDeadline("1 second"))
      const fiber = yield* Effect.fork(failuresOf(client))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [unavailable("a"), unavailable("b")])
      assert.deepStrictEqual(world.trace, ["a", "b"])
    }))
})

describe("nested chains", () => {
  it.effect("a target is asked once in a pass, wherever it stands", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const [a, b, c] = ["a", "b", "c"].map((name) => world.down(name, unavailable(name))) as [Client, Client, Client]
      const client = Fallback.chain<unknown, never>([Fallback.chain([a, b]), Fallback.chain([b, c]), c, a])
      assert.deepStrictEqual(yield* failuresOf(client), ["a", "b", "c"].map(unavailable))
      assert.deepStrictEqual(world.trace, ["a", "b", "c"])
    }))

  it.effect("a chain of which nothing is left adds nothing", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const [a, b] = ["a", "b"].map((name) => world.down(name, unavailable(name))) as [Client, Client]
      const client = Fallback.chain<unknown, never>([Fallback.chain([a, b]), Fallback.chain([a, b])])
      assert.deepStrictEqual(yield* failuresOf(client), ["a", "b"].map(unavailable))
      assert.deepStrictEqual(world.trace, ["a", "b"])
    }))

  it.effect("nor does it when its first target is a chain itself", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const [a, b] = ["a", "b"].map((name) => world.down(name, unavailable(name))) as [Client, Client]
      const inner = () => Fallback.chain<unknown, never>([Fallback.chain([b, a]), a])
      assert.deepStrictEqual(yield* failuresOf(Fallback.chain([a, inner(), b, inner()])), ["a", "b"].map(unavailable))
      assert.deepStrictEqual(world.trace, ["a", "b"])
    }))

  it.effect("a retry around a nested chain begins a new pass", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const [a, b, c] = ["a", "b", "c"].map((name) => world.down(name, unavailable(name))) as [Client, Client, Client]
      const retried = Fallback.chain([a, b]).pipe(Retry.withRetry({ count: 1, backoff: Schedule.recurs(5) }))
      const client = Fallback.chain<unknown, never>([c, retried, b])
      assert.deepStrictEqual(yield* failuresOf(client), ["c", "a", "b"].map(unavailable))
      assert.deepStrictEqual(world.trace, ["c", "a", "b", "a", "b"])
    }))

  it.effect("a retry around the whole begins a new pass", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const [a, b] = ["a", "b"].map((name) => world.down(name, unavailable(name))) as [Client, Client]
      const client = Fallback.chain<unknown, never>([a, Fallback.chain([a, b])]).pipe(
        Retry.withRetry({ count: 1, backoff: Schedule.recurs(5) })
      )
      assert.deepStrictEqual(yield* failuresOf(client), ["a", "b"].map(unavailable))
      assert.deepStrictEqual(world.trace, ["a", "b", "a", "b"])
    }))

  it.effect("a target that a retried pass has served is not one that failed", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      let calls = 0
      const flaky = world.target(
        "a",
        Effect.suspend(() => calls++ === 0 ? Effect.fail(unavailable("a")) : Effect.succeed(respond("a")))
      )
      const retried = Fallback.chain([flaky]).pipe(Retry.withRetry({ count: 1, backoff: Schedule.recurs(5) }))
      assert.strictEqual(yield* served(Fallback.chain([retried, world.up("b")])), "a")
      assert.deepStrictEqual(world.trace, ["a", "a"])
    }))

  it.effect("a decisive failure inside ends the chain outside", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const decisive = invalid("b")
      const inner = Fallback.chain<unknown, never>([world.down("a", unavailable("a")), world.down("b", decisive)])
      assert.strictEqual(yield* failureOf(Fallback.chain([inner, world.up("c")])), decisive)
      assert.deepStrictEqual(world.trace, ["a", "b"])
    }))

  it.effect("the outer `when` sees the failure of the inner chain", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const inner = Fallback.chain([world.down("a", unavailable("a")), world.down("b", unavailable("b"))])
      const seen: Array<unknown> = []
      const client = Fallback.chain<unknown, never>([inner, world.up("c")], {
        when: (error) => {
          seen.push(error)
          return true
        }
      })
      assert.strictEqual(yield* served(client), "c")
      assert.lengthOf(seen, 1)
      assert.instanceOf(seen[0], RouterError.AllTargetsFailed)
    }))

  it.effect("one shared error object does not confuse nested chains", () =>
    Effect.gen(function*() {
      const world = makeWorld()
      const error = unavailable("shared")
      const [a, b, c] = ["a", "b", "c"].map((name) => world.down(name, error)) as [Client, Client, Client]
      const client = Fallback.chain<unknown, never>([Fallback.chain([a, b]), Fallback.chain([a]), c])
      assert.deepStrictEqual(yield* failuresOf(client), [error, error, error])
      assert.deepStrictEqual(world.trace, ["a", "b", "c"])
    }))
})

/** A chain of chains over the targets 0 to 4, some of them in it more than once. */
type Tree = number | ReadonlyArray<Tree>

const { tree: arbitraryTree } = FastCheck.letrec<{ tree: Tree; leaf: number; node: ReadonlyArray<Tree> }>((tie) => ({
  tree: FastCheck.oneof({ maxDepth: 3, withCrossShrink: true }, tie("leaf"), tie("node")),
  leaf: FastCheck.nat({ max: 4 }),
  node: FastCheck.array(tie("tree"), { minLength: 1, maxLength: 3 })
}))

type Outcome = "up" | "down" | "decisive"

const arbitraryOutcomes = FastCheck.array(
  FastCheck.oneof(
    { weight: 1, arbitrary: FastCheck.constant<Outcome>("up") },
    { weight: 4, arbitrary: FastCheck.constant<Outcome>("down") },
    { weight: 1, arbitrary: FastCheck.constant<Outcome>("decisive") }
  ),
  { minLength: 5, maxLength: 5 }
)

/** Whether all failing targets fail with one object, which is what must not matter. */
const arbitraryShared = FastCheck.boolean()

const leaves = (tree: Tree): ReadonlyArray<number> => typeof tree === "number" ? [tree] : tree.flatMap(leaves)

/** What the laws say: the targets in order of their first appearance, each once, until one of them decides. */
const expected = (tree: Tree, outcomes: ReadonlyArray<Outcome>) => {
  const trace: Array<number> = []
  for (const leaf of new Set(leaves(tree))) {
    trace.push(leaf)
    if (outcomes[leaf] !== "down") {
      return { trace, exit: `${outcomes[leaf]} ${leaf}` }
    }
  }
  return { trace, exit: `all of ${trace.join()}` }
}

const shared = unavailable("shared")

const errors = Array.from(
  { length: 5 },
  (_, index) => ({ down: unavailable(`${index}`), decisive: invalid(`${index}`) })
)

const actual = (tree: Tree, outcomes: ReadonlyArray<Outcome>, isShared: boolean) =>
  Effect.gen(function*() {
    const world = makeWorld()
    const targets = outcomes.map((outcome, index): Client =>
      outcome === "up"
        ? world.up(`${index}`)
        : world.down(`${index}`, isShared && outcome === "down" ? shared : errors[index]![outcome])
    )
    const build = (node: Tree): Client =>
      typeof node === "number"
        ? targets[node]!
        : Fallback.chain(node.map(build) as unknown as Arr.NonEmptyReadonlyArray<Client>)
    const exit = yield* Effect.match(served(build(tree)), {
      onSuccess: (name) => `up ${name}`,
      onFailure: (error) => {
        const failures: ReadonlyArray<unknown> = error instanceof RouterError.AllTargetsFailed
          ? error.failures
          : [error]
        assert.isFalse(failures.some((failure) => failure instanceof RouterError.AllTargetsFailed), "a list in a list")
        // one target keeps its own error
        assert.strictEqual(error instanceof RouterError.AllTargetsFailed, failures.length > 1)
        if (error instanceof RouterError.InvalidRequest) {
          return `decisive ${error.target}`
        }
        return isShared
          ? `all of ${failures.length}`
          : `all of ${failures.map((failure) => failure instanceof RouterError.Unavailable ? failure.target : "?")}`
      }
    })
    return { trace: world.trace.map(Number), exit }
  })

const laws = { fastCheck: { numRuns: 1000 } }

// `it.effect.prop` sets a test environment up for each run, which costs more than the run
const runSync = (tree: Tree, outcomes: ReadonlyArray<Outcome>, isShared = false) =>
  Effect.runSync(actual(tree, outcomes, isShared))

describe("laws", () => {
  it.prop(
    "L18 to L23: chains of chains are the one chain of their distinct targets",
    { tree: arbitraryTree, outcomes: arbitraryOutcomes, isShared: arbitraryShared },
    ({ isShared, outcomes, tree }) => {
      const { exit, trace } = expected(tree, outcomes)
      assert.deepStrictEqual(runSync(tree, outcomes, isShared), {
        trace,
        exit: isShared && exit.startsWith("all of") ? `all of ${trace.length}` : exit
      })
    },
    laws
  )

  it.prop(
    "L19: (a, b), c is a, (b, c), also when they share targets",
    { a: arbitraryTree, b: arbitraryTree, c: arbitraryTree, outcomes: arbitraryOutcomes },
    ({ a, b, c, outcomes }) => assert.deepStrictEqual(runSync([[a, b], c], outcomes), runSync([a, [b, c]], outcomes)),
    laws
  )

  it.prop(
    "L21: a chain that is its own fallback is that chain",
    { tree: arbitraryTree, outcomes: arbitraryOutcomes },
    ({ outcomes, tree }) => assert.deepStrictEqual(runSync([tree, tree], outcomes), runSync(tree, outcomes)),
    laws
  )
})

describe("withFallbacks", () => {
  const world = makeWorld()
  const down = world.down("a", unavailable("a"))
  const up = world.up("b")
  const when = (error: unknown) => error instanceof RouterError.Auth

  it.effect("data-last", () =>
    Effect.map(served(down.pipe(Fallback.withFallbacks([up]))), (name) => assert.strictEqual(name, "b")))

  it.effect("data-first", () =>
    Effect.map(served(Fallback.withFallbacks(down, [up])), (name) => assert.strictEqual(name, "b")))

  it.effect("with options, both ways", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* failureOf(down.pipe(Fallback.withFallbacks([up], { when }))), unavailable("a"))
      assert.deepStrictEqual(yield* failureOf(Fallback.withFallbacks(down, [up], { when })), unavailable("a"))
    }))
})
