/** Each clock over real sockets: what it strikes, what it lets pass, and that the upstream's socket is closed when it strikes. */
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ChatCompletions from "../../src/ChatCompletions.js"
import type * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as OpenAiCompatible from "../../src/provider/OpenAiCompatible.js"
import * as Providers from "../../src/provider/Providers.js"
import type { Attempt } from "../../src/Route.js"
import * as RouterDefaults from "../../src/RouterDefaults.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import type { ChatRequest } from "../../src/wire/ChatRequest.js"
import * as Settle from "../../src/wire/Settle.js"
import { chat, closesInTime, drain, steady, transports, withinGrace } from "../support/live.js"

/**
 * Milliseconds of the clocks that must not strike. The one that does is set to twice that, so it finds out whether they did. On a busy
 * machine they are longer.
 */
const shortest = 80

const event = (delta: unknown): string => `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`
const role = event({ role: "assistant", content: "" })
const text = event({ content: "Hel" })
const many = (chunk: string): ReadonlyArray<string> => Array.from({ length: 60 }, () => chunk)
/** In pieces of one byte, and too long to arrive before any clock of these tests strikes. */
const drip = [...event({ content: "lo".repeat(30) })]

type Chunks = ReadonlyArray<string>

/** What an upstream sends, in time with the clocks: ten writes in the shortest. */
type Upstream = (quiet: number) => Testing.Answer

const raw = (type: string, chunks: Chunks): Upstream => (quiet) =>
  Testing.raw({ headers: { "content-type": type }, chunks, between: quiet / 10, end: "stall" })
const events = (...chunks: Chunks) => raw("text/event-stream", chunks)
const json = (...chunks: Chunks) => raw("application/json", chunks)
const hang: Upstream = () => Testing.hang

type Clock = keyof Timeout.Clocks

type Case = readonly [name: string, answer: Upstream, phase: Clock, quiet: ReadonlyArray<Clock>]

const late: Upstream = (quiet) => Testing.stream(["a"], { delay: 6 * quiet })
const ping = ": ping\n\n"

/** The clocks in the last column are those that the traffic keeps from striking. */
const streams: ReadonlyArray<Case> = [
  ["no headers", hang, "firstByte", []],
  ["headers that come too late", late, "firstByte", []],
  ["nothing after the headers", events(), "firstContent", ["firstByte"]],
  ["chunks with a role only", events(...many(role)), "firstContent", ["firstByte", "idle", "progress"]],
  ["comments only", events(...many(ping)), "firstContent", ["firstByte", "idle"]],
  ["a first content byte by byte", events(role, ...drip), "firstContent", ["firstByte", "idle"]],
  ["silence before the content", events(role), "idle", ["firstByte"]],
  ["silence after the content", events(role, text), "idle", ["firstByte", "firstContent"]],
  ["comments before the content", events(role, ...many(ping)), "progress", ["firstByte", "idle"]],
  ["comments after the content", events(role, text, ...many(ping)), "progress", ["firstContent", "idle"]],
  ["a second content byte by byte", events(text, ...drip), "progress", ["firstContent", "idle"]],
  ["content without an end", events(role, ...many(text)), "call", ["firstByte", "firstContent", "idle", "progress"]]
]

const completions: ReadonlyArray<Case> = [
  ["no headers", hang, "firstByte", []],
  ["white space", json(...many("\n")), "firstContent", ["firstByte", "idle"]],
  ["half a body", json("{\"id\":"), "idle", ["firstByte"]]
]

/** A router whose two providers are on the server. */
const router = (server: Testing.LoopbackServer) =>
  ChatCompletions.layer.pipe(
    Layer.provide([
      Providers.layer({
        a: OpenAiCompatible.make({ baseUrl: server.baseUrl("a") }),
        b: OpenAiCompatible.make({ baseUrl: server.baseUrl("b") })
      }),
      ResponseCache.layerMemory(),
      RouterDefaults.layer({ backoff: Schedule.spaced(1) })
    ])
  )

const outcomes = (attempts: ReadonlyArray<Attempt> | undefined) =>
  attempts?.map(({ outcome, target }) => [target, outcome])

/** The text and the attempts of an answer, whichever way it is asked for. */
const ask = (kind: "create" | "stream", request: ChatRequest) =>
  kind === "create"
    ? Effect.map(ChatCompletions.create(request), ({ choices, route }) => ({
      text: choices[0]?.message.content,
      attempts: outcomes(route.attempts)
    }))
    : Stream.runFold(
      ChatCompletions.stream(request),
      { text: "", attempts: outcomes([]) },
      (sum, { choices, route }) => ({
        text: sum.text + (choices[0]?.delta.content ?? ""),
        attempts: outcomes(route.attempts)
      })
    )

/** The upstream was left for good by the time that the next one was asked, or within the grace. */
const leftInTime = (server: Testing.LoopbackServer, index: number) =>
  Effect.gen(function*() {
    const open = yield* server.awaitAborted(index)
    const calls = yield* server.calls
    yield* withinGrace((calls[index]?.abortedAtMillis ?? Infinity) - (calls[index + 1]?.startedAtMillis ?? 0))
    return open
  })

const messages = [{ role: "user" as const, content: "Hello" }]

for (const [transport, layer] of transports) {
  const over = (
    name: string,
    test: (quiet: number) => Effect.Effect<unknown, unknown, HttpClient.HttpClient | Scope.Scope>
  ) => steady(name, shortest, (quiet) => Effect.provide(test(quiet), layer))

  /** The error that a call ends with under a policy; its socket is closed then, and nothing is left. */
  const struck = <E>(policy: HttpPolicy.HttpPolicy<E>, answer: Testing.Answer, streamed: boolean) =>
    Effect.gen(function*() {
      const server = yield* Testing.serve({ openai: answer })
      const client = (yield* HttpClient.HttpClient).pipe(Settle.settle(), policy)
      const error = yield* Effect.flip(Effect.flatMap(client.execute(chat(server, streamed)), (_) => drain(_)))
      const open = yield* closesInTime(server)
      assert.strictEqual(yield* server.open, 0)
      assert.lengthOf(yield* server.calls, 1)
      return { error, open }
    })

  describe.concurrent(`over ${transport}`, () => {
    for (const [kind, cases] of [["stream", streams], ["completion", completions]] as const) {
      for (const [name, answer, phase, others] of cases) {
        over(`${phase} strikes a ${kind} with ${name}, and closes the socket`, (quiet) =>
          Effect.gen(function*() {
            const clocks = Object.fromEntries(others.map((clock) => [clock, quiet]))
            const policy = Timeout.withClocks({ ...clocks, [phase]: 2 * quiet })
            const { error, open } = yield* struck(policy, answer(quiet), kind === "stream")
            assert.instanceOf(error, RouterError.Timeout)
            assert.strictEqual(error.phase, phase)
            assert.isAtLeast(open, quiet)
          }))
      }
    }

    for (
      const [name, answer, streamed] of [
        ["without headers", hang, false],
        ["in the middle of a body", json("{\"id\":"), false],
        ["before the content", events(...many(role)), true],
        ["after the content", events(...many(text)), true]
      ] as const
    ) {
      over(`the deadline strikes ${name}, and closes the socket`, (quiet) =>
        Effect.gen(function*() {
          const { error, open } = yield* struck(Timeout.withDeadline(2 * quiet), answer(quiet), streamed)
          assert.instanceOf(error, RouterError.DeadlineExceeded)
          assert.isAtLeast(open, quiet)
        }))
    }

    over(
      "the deadline counts attempts and the waits between them, and closes the last socket",
      (quiet) =>
        Effect.gen(function*() {
          const server = yield* Testing.serve({ openai: Testing.hang })
          const client = (yield* HttpClient.HttpClient).pipe(
            Settle.settle(),
            Timeout.withFirstByteTimeout(2 * quiet),
            Retry.withRetry({ count: 9, backoff: Schedule.spaced(1) }),
            Timeout.withDeadline(3 * quiet)
          )
          const error = yield* Effect.flip(client.execute(chat(server, true)))
          yield* closesInTime(server, 1)
          assert.instanceOf(error, RouterError.DeadlineExceeded)
          assert.lengthOf(yield* server.calls, 2)
          assert.strictEqual(yield* server.open, 0)
        })
    )

    over("a consumer that is busy is no silence of the upstream", (quiet) =>
      Effect.gen(function*() {
        const server = yield* Testing.serve({ openai: Testing.stream(["a", "b"], { between: quiet / 10 }) })
        const client = (yield* HttpClient.HttpClient).pipe(
          Settle.settle(),
          Timeout.withClocks({ firstByte: quiet, firstContent: quiet, idle: quiet, progress: quiet })
        )
        const response = yield* client.execute(chat(server, true))
        yield* drain(response, Effect.sleep(2 * quiet))
        assert.deepStrictEqual((yield* server.calls).map((call) => call.aborted), [false])
      }))
  })

  describe.concurrent(`a router over ${transport}`, () => {
    for (
      const [field, answer, kind] of [
        ["firstByteTimeout", hang, "create"],
        ["idleTimeout", json("{\"id\":"), "create"],
        ["firstByteTimeout", hang, "stream"],
        ["firstContentTimeout", events(...many(role)), "stream"],
        ["idleTimeout", events(role), "stream"],
        ["progressTimeout", events(role, ...many(ping)), "stream"]
      ] as const
    ) {
      over(
        `${field}: ${kind} gives the answer of the fallback, and each socket before it is closed`,
        (quiet) =>
          Effect.gen(function*() {
            const hello = kind === "create" ? Testing.completion("Hello") : Testing.stream(["Hel", "lo"])
            const server = yield* Testing.serve({ a: answer(quiet), b: hello })
            const { attempts, text } = yield* Effect.provide(
              ask(kind, {
                model: "a/x",
                messages,
                timeout: { [field]: 2 * quiet },
                retry: { count: 1, onCodes: [504] },
                fallbacks: [{ model: "b/x" }]
              }),
              router(server)
            )
            assert.strictEqual(text, "Hello")
            assert.deepStrictEqual(attempts, [["a/x", "Timeout"], ["a/x", "Timeout"], ["b/x", "success"]])
            for (const index of [0, 1]) {
              assert.isAtLeast(yield* leftInTime(server, index), quiet)
            }
            assert.strictEqual(yield* server.open, 0)
          })
      )
    }

    for (
      const [field, answer, expected] of [
        ["idleTimeout", events(role, text), "idle"],
        ["progressTimeout", events(role, text, ...many(ping)), "progress"],
        ["callTimeout", events(...many(text)), "call"],
        ["totalTimeout", events(...many(text)), "DeadlineExceeded"]
      ] as const
    ) {
      over(
        `${field} after the first content ends the stream, closes the socket, and asks nobody else`,
        (quiet) =>
          Effect.gen(function*() {
            const server = yield* Testing.serve({ a: answer(quiet), b: Testing.stream(["no"]) })
            const error = yield* Effect.flip(Effect.provide(
              ask("stream", {
                model: "a/x",
                messages,
                timeout: { [field]: 2 * quiet },
                retry: { count: 3 },
                fallbacks: [{ model: "b/x" }]
              }),
              router(server)
            ))
            assert.isAtLeast(yield* closesInTime(server), quiet)
            assert.instanceOf(error, RouterError.StreamInterrupted)
            assert.strictEqual(error.cause._tag === "Timeout" ? error.cause.phase : error.cause._tag, expected)
            assert.deepStrictEqual((yield* server.calls).map((call) => call.target), ["a/x"])
            assert.strictEqual(yield* server.open, 0)
          })
      )
    }

    over("totalTimeout covers the fallbacks, and closes the socket of the last", (quiet) =>
      Effect.gen(function*() {
        const server = yield* Testing.serve({ a: Testing.hang, b: Testing.hang })
        const error = yield* Effect.flip(Effect.provide(
          ask("create", {
            model: "a/x",
            messages,
            timeout: { firstByteTimeout: 2 * quiet, totalTimeout: 3 * quiet },
            fallbacks: [{ model: "b/x" }]
          }),
          router(server)
        ))
        yield* closesInTime(server, 1)
        assert.instanceOf(error, RouterError.DeadlineExceeded)
        assert.deepStrictEqual(outcomes(error.route?.attempts)?.[0], ["a/x", "Timeout"])
        assert.deepStrictEqual((yield* server.calls).map(({ aborted, target }) => [target, aborted]), [
          ["a/x", true],
          ["b/x", true]
        ])
      }))
  })
}
