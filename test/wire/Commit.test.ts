import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as EffectChunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { inspect } from "node:util"
import { CallScope } from "../../src/internal/callScope.js"
import * as Fallback from "../../src/policy/Fallback.js"
import * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as Timeout from "../../src/policy/Timeout.js"
import type * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import type * as Chunk from "../../src/wire/Chunk.js"
import * as Commit from "../../src/wire/Commit.js"
import * as Settle from "../../src/wire/Settle.js"
import { isStreamResponse, type StreamResponse } from "../../src/wire/StreamResponse.js"
import { timed, withinTheHour } from "../support/scripted.js"

const request = HttpClientRequest.post(`${Testing.baseUrl("openai")}/chat/completions`).pipe(
  HttpClientRequest.bodyUnsafeJson({ model: "gpt-4o", messages: [{ role: "user", content: "the prompt" }] }),
  HttpClientRequest.accept("text/event-stream")
)

const event = (json: unknown): string => `data: ${typeof json === "string" ? json : JSON.stringify(json)}\n\n`
const choice = (delta: unknown, finishReason: string | null = null, index = 0) => ({
  choices: [{ index, delta, finish_reason: finishReason }]
})
const role = event(choice({ role: "assistant", content: "" }))
const text = (content: string, index = 0) => event(choice({ content }, null, index))
const finish = (index = 0, reason = "stop") => event(choice({}, reason, index))
const usage = event({ choices: [], usage: { total_tokens: 3 } })
const done = event("[DONE]")
const failed = event({ error: { message: "m", code: "rate_limit_exceeded" } })

/** An event stream whose reads are these. */
const reads = (chunks: ReadonlyArray<string | Uint8Array>, end: Testing.Ending = "complete") =>
  Testing.raw({ headers: { "content-type": "text/event-stream" }, chunks, end })

const toStream = (response: HttpClientResponse.HttpClientResponse): StreamResponse =>
  isStreamResponse(response) ? response : assert.fail("it is no stream")

const settled = (client: HttpClient.HttpClient, options: Settle.Options = {}) =>
  Effect.map(client.pipe(Settle.settle(options)).execute(request), toStream)

const contentOf = (chunks: Iterable<Chunk.Chunk>): string =>
  Array.from(chunks).flatMap((chunk) => chunk.choices.map(({ delta }) => delta.content ?? "")).join("")

interface Outcome {
  /** Whether the failure, if there was one, came before the commit point. */
  readonly committed: boolean
  readonly chunks: ReadonlyArray<Chunk.Chunk>
  readonly text: string
  readonly failure: string | undefined
  readonly aborted: boolean | undefined
  readonly open: number
}

/** What a caller who reads everything gets to see, and what the upstream does. */
const outcome = (answer: Testing.Answer, options?: Settle.Options): Effect.Effect<Outcome> =>
  Effect.gen(function*() {
    const transport = yield* Testing.makeTransport({ "*": answer })
    const response = yield* Effect.either(settled(transport.client, options))
    const chunks: Array<Chunk.Chunk> = []
    const end = Either.isLeft(response) ? response : yield* response.right.chunks.pipe(
      Stream.runForEach((chunk) =>
        Effect.sync(() => {
          chunks.push(chunk)
        })
      ),
      Effect.either
    )
    return {
      committed: Either.isRight(response),
      chunks,
      text: contentOf(chunks),
      failure: Either.isLeft(end) ? end.left._tag : undefined,
      aborted: (yield* transport.calls)[0]?.aborted,
      open: yield* transport.open
    }
  })

const expectOutcome = (answer: Testing.Answer, expected: Partial<Outcome>, options?: Settle.Options) =>
  Effect.map(outcome(answer, options), (actual) => {
    for (const key of Object.keys(expected) as Array<keyof Outcome>) {
      assert.deepStrictEqual(actual[key], expected[key], key)
    }
    assert.strictEqual(actual.open, 0, "the upstream request is still open")
  })

/** Fails before the commit point. */
const fails = (answer: Testing.Answer, failure: RouterError.TargetError["_tag"], options?: Settle.Options) =>
  expectOutcome(answer, { committed: false, failure, text: "" }, options)

/** Fails after it, having delivered the text. */
const breaks = (answer: Testing.Answer, failure: RouterError.TargetError["_tag"], text: string) =>
  expectOutcome(answer, { committed: true, failure, text })

const serves = (answer: Testing.Answer, text: string, options?: Settle.Options) =>
  expectOutcome(answer, { committed: true, failure: undefined, text }, options)

describe("the commit point", () => {
  const begin = (chunks: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const transport = yield* Testing.makeTransport({ "*": reads(chunks, "stall") })
      const fiber = yield* Effect.fork(settled(transport.client))
      // with a finish reason the answer is complete, and the wait for the rest of it is limited
      yield* TestClock.adjust(Commit.maxTailMillis - 1)
      const committed = (yield* Fiber.poll(fiber))._tag === "Some"
      yield* Fiber.interrupt(fiber)
      return committed
    })

  const content: Readonly<Record<string, unknown>> = {
    "text": { content: "a" },
    "a space": { content: " " },
    "reasoning": { reasoning: "hm" },
    "reasoning_content": { reasoning_content: "hm" },
    "a refusal": { refusal: "no" },
    "a tool call": { tool_calls: [{ index: 0, id: "1", function: { name: "f", arguments: "" } }] },
    "a function call": { function_call: { name: "f" } },
    "audio": { audio: { transcript: "a" } },
    "Mistral's parts": { content: [{ type: "text", text: "a" }] }
  }

  for (const [name, delta] of Object.entries(content)) {
    it.effect(`is ${name}`, () =>
      Effect.gen(function*() {
        assert.isTrue(yield* begin([role, event(choice(delta))]))
      }))
  }

  const nothing: Readonly<Record<string, string>> = {
    "the role": role,
    "an empty delta": event(choice({})),
    "empty text": text(""),
    "null": event(choice({ content: null, refusal: null, tool_calls: null })),
    "a finish reason": finish(),
    usage,
    "a comment": ": OPENROUTER PROCESSING\n\n",
    "an empty tool call": event(choice({ tool_calls: [] })),
    "half an event": text("a").slice(0, -1)
  }

  for (const [name, part] of Object.entries(nothing)) {
    it.effect(`is not ${name}`, () =>
      Effect.gen(function*() {
        assert.isFalse(yield* begin([part, part]))
      }))
  }

  it.effect("content of any choice counts", () =>
    Effect.gen(function*() {
      assert.isTrue(yield* begin([role, text("a", 3)]))
    }))

  it.effect("what was held back comes first, in order, and nothing is lost or repeated", () =>
    Effect.gen(function*() {
      const parts = [": ping\n\n", role, event(choice({})), text("Hel"), text("lo"), finish(), usage, done]
      const { chunks, text: all } = yield* outcome(reads(parts))
      assert.strictEqual(all, "Hello")
      assert.deepStrictEqual(
        chunks.map((chunk) => chunk.choices[0]?.delta ?? chunk.usage),
        [{ role: "assistant", content: "" }, {}, { content: "Hel" }, { content: "lo" }, {}, { totalTokens: 3 }]
      )
    }))

  it.effect("the first content is handed on without waiting for more", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({
        "*": Testing.stream(["a", "b"], { between: "1 second" })
      })
      const fiber = yield* Effect.fork(
        Effect.flatMap(settled(client), ({ chunks }) => Stream.runCollect(Stream.take(chunks, 2)))
      )
      yield* TestClock.adjust("999 millis")
      assert.isTrue((yield* Fiber.poll(fiber))._tag === "None")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(contentOf(yield* Fiber.join(fiber)), "a")
    }))
})

describe("before the commit point", () => {
  it.effect("every failure is an ordinary one", () =>
    Effect.gen(function*() {
      yield* fails(reads([role, failed]), "RateLimited")
      yield* fails(reads([failed, text("a"), finish()]), "RateLimited")
      yield* fails(reads([role, event("{")]), "BadResponse")
      yield* fails(reads([role], "reset"), "Transport")
      yield* fails(reads([], "reset"), "Transport")
      yield* fails(reads([role]), "StreamTruncated")
      yield* fails(reads([role, done]), "StreamTruncated")
      yield* fails(reads([usage, done]), "EmptyCompletion")
      yield* fails(reads([event({ choices: [] }), event({ choices: [] })]), "EmptyCompletion")
      yield* fails(reads([]), "EmptyCompletion")
      yield* fails(reads([`data: ${"[".repeat(200)}\n\n`]), "ResponseTooLarge")
      yield* fails(reads([text("a").slice(0, 20)], "reset"), "Transport")
    }))

  const forms: Readonly<Record<string, readonly [string, RouterError.TargetError["_tag"]]>> = {
    "groq": [`event: error\ndata: {"error":{"message":"m","status_code":500}}\n\n`, "Unavailable"],
    "only an error": [event({ error: { message: "m", code: "insufficient_quota" } }), "QuotaExhausted"],
    "beside empty choices": [event({ choices: [], error: { message: "m", code: 529 } }), "Overloaded"],
    "beside the finish reason stop": [
      event({ ...choice({ content: "" }, "stop"), error: { message: "m", code: 502 } }),
      "Unavailable"
    ],
    "then [DONE]": [event({ error: { message: "m", code: null }, detail: "d" }) + done, "Unavailable"],
    "plain text": ["event: error\ndata: rate limit reached\n\n", "RateLimited"],
    "an `error:` line": ["error: {\"code\":500}\n\n", "EmptyCompletion"]
  }

  for (const [name, [form, expected]] of Object.entries(forms)) {
    it.effect(`an error event (${name}) is ${expected}, in the middle it breaks the stream`, () =>
      Effect.gen(function*() {
        yield* fails(reads([form]), expected)
        yield* fails(reads([role, form]), expected === "EmptyCompletion" ? "StreamTruncated" : expected)
        yield* breaks(
          reads([role, text("Hel"), form]),
          expected === "EmptyCompletion" ? "StreamTruncated" : expected,
          "Hel"
        )
      }))
  }

  it.effect("an answer without content, but with a finish reason, is one", () =>
    Effect.gen(function*() {
      yield* serves(reads([role, finish(0, "length"), done]), "")
      yield* serves(reads([finish()]), "")
      yield* serves(reads([event(choice({}, "content_filter"))], "reset"), "")
    }))

  it.effect("another target can serve, and the caller sees nothing of the first", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({
        "*": [reads([role, failed], "stall"), Testing.stream(["Hello"])]
      })
      const target = () => client.pipe(Settle.settle())
      const response = toStream(yield* target().pipe(Fallback.withFallbacks([target()])).execute(request))
      assert.strictEqual(contentOf(yield* Stream.runCollect(response.chunks)), "Hello")
      assert.deepStrictEqual((yield* calls).map((call) => call.aborted), [true, false])
    }))
})

describe("after the commit point", () => {
  it.effect("a failure ends the stream, after all that came before it", () =>
    Effect.gen(function*() {
      yield* breaks(reads([role, text("Hel"), text("lo"), failed, text("!")]), "RateLimited", "Hello")
      yield* breaks(reads([text("Hel"), event("{")]), "BadResponse", "Hel")
      yield* breaks(reads([text("Hel")], "reset"), "Transport", "Hel")
      yield* breaks(reads([text("Hel"), text("lo").slice(0, 20)], "reset"), "Transport", "Hel")
      yield* breaks(reads([text("Hel"), text("lo").slice(0, 20)]), "StreamTruncated", "Hel")
      yield* breaks(reads([text("Hel")]), "StreamTruncated", "Hel")
      yield* breaks(reads([text("Hel"), done]), "StreamTruncated", "Hel")
      yield* breaks(reads([text("Hel"), `data: ${"[".repeat(200)}\n\n`]), "ResponseTooLarge", "Hel")
    }))

  it.effect("so does one that came in the same read as the first content", () =>
    Effect.gen(function*() {
      yield* breaks(reads([role + text("Hel") + failed]), "RateLimited", "Hel")
      yield* breaks(reads([text("Hel") + event("{") + text("lo")]), "BadResponse", "Hel")
      yield* breaks(reads([text("Hel") + done]), "StreamTruncated", "Hel")
      yield* breaks(reads([text("Hel")], "reset"), "Transport", "Hel")
    }))

  it.effect("L24: no other target is asked", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({
        "*": [reads([role, text("Hel"), failed]), Testing.stream(["other"])]
      })
      const target = () => client.pipe(Settle.settle())
      const response = toStream(yield* target().pipe(Fallback.withFallbacks([target()])).execute(request))
      const chunks: Array<Chunk.Chunk> = []
      const error = yield* Effect.flip(Stream.runForEach(response.chunks, (chunk) =>
        Effect.sync(() => {
          chunks.push(chunk)
        })))
      assert.strictEqual(error._tag, "RateLimited")
      assert.strictEqual(contentOf(chunks), "Hel")
      assert.lengthOf(yield* calls, 1)
    }))
})

describe("the end", () => {
  it.effect("[DONE] may be missing", () => serves(reads([role, text("Hello"), finish()]), "Hello"))

  it.effect("[DONE] is no finish reason, unless the provider has none", () =>
    Effect.gen(function*() {
      yield* serves(reads([text("Hello"), done]), "Hello", { doneTerminates: true })
      yield* breaks(reads([text("Hello"), done]), "StreamTruncated", "Hello")
    }))

  it.effect("a connection that breaks after the finish reason has cut nothing off", () =>
    Effect.gen(function*() {
      yield* serves(reads([role, text("Hello"), finish()], "reset"), "Hello")
      yield* serves(reads([role, text("Hello"), finish(), usage.slice(0, 10)], "reset"), "Hello")
      yield* serves(reads([text("Hello"), finish().trimEnd()]), "Hello")
      yield* breaks(reads([text("a"), text("b", 1), finish(1)], "reset"), "Transport", "ab")
    }))

  it.effect("the usage that came before it broke is kept, whole or in an event without an end", () =>
    Effect.gen(function*() {
      for (const commit of ["firstContent", "whole"] as const) {
        for (const last of [usage, usage.trimEnd()]) {
          const { chunks, failure } = yield* outcome(reads([text("Hello"), finish(), last], "reset"), { commit })
          assert.strictEqual(failure, undefined)
          assert.deepStrictEqual(chunks.at(-1)?.usage, { totalTokens: 3 })
        }
      }
    }))

  it.effect("all choices have to end", () =>
    Effect.gen(function*() {
      yield* serves(reads([text("a"), text("b", 1), finish(1), text("c"), finish(), done]), "abc")
      yield* breaks(reads([text("a"), text("b", 1), finish(1), done]), "StreamTruncated", "ab")
    }))

  it.effect("what follows [DONE] is ignored, and the connection is closed", () =>
    Effect.gen(function*() {
      const { client, ...upstream } = yield* Testing.makeTransport({
        "*": reads([text("Hello"), finish(), done, event({ choices: [], cost: "0" }), failed], "stall")
      })
      const { chunks } = yield* settled(client)
      assert.strictEqual(contentOf(yield* Stream.runCollect(chunks)), "Hello")
      assert.strictEqual(yield* upstream.open, 0)
      assert.isTrue((yield* upstream.calls)[0]?.aborted)
      yield* serves(reads([text("Hello") + finish() + done + failed + text("more")]), "Hello")
    }))
})

describe("a complete answer whose connection stays open", () => {
  interface Ended {
    readonly text: string
    readonly usage: unknown
    readonly failure: string | undefined
    readonly millis: number
    readonly abortedAt: number | undefined
  }

  /** Reads it to its end, an hour at most; after each chunk the consumer is busy for some time. */
  const read = (
    answer: Testing.Answer,
    options: Settle.Options = {},
    policy: HttpPolicy.HttpPolicy<RouterError.TargetError> = HttpPolicy.identity,
    busyMillis = 0
  ): Effect.Effect<Ended> =>
    Effect.gen(function*() {
      const { calls, client, open } = yield* Testing.makeTransport({ "*": answer })
      const chunks: Array<Chunk.Chunk> = []
      const all = Effect.flatMap(client.pipe(Settle.settle(options), policy).execute(request), (response) =>
        Stream.runForEach(toStream(response).chunks, (chunk) => {
          chunks.push(chunk)
          return Effect.sleep(busyMillis)
        }))
      const limited = Effect.timeoutOption(Effect.either(all), "50 minutes")
      const [exit, millis] = yield* withinTheHour(timed(limited))
      const ended = Option.getOrElse(yield* exit, () =>
        assert.fail("it never ends"))
      assert.strictEqual(yield* open, 0, "the upstream request is still open")
      const { abortedAtMillis, startedAtMillis = 0 } = (yield* calls)[0] ?? {}
      return {
        text: contentOf(chunks),
        usage: chunks.find((chunk) =>
          chunk.usage !== undefined
        )?.usage,
        failure: Either.isLeft(ended) ? ended.left._tag : undefined,
        millis,
        abortedAt: abortedAtMillis === undefined ? undefined : abortedAtMillis - startedAtMillis
      }
    })

  const silent = (chunks: ReadonlyArray<string>, between = 100, end: Testing.Ending = "stall") =>
    Testing.raw({ headers: { "content-type": "text/event-stream" }, chunks, end, between })

  const hello = [role, text("Hel"), text("lo"), finish()]
  const total = { totalTokens: 3 }

  for (const commit of ["firstContent", "whole"] as const) {
    describe(commit, () => {
      it.effect("ends two seconds after its last event, and the connection is closed then", () =>
        Effect.gen(function*() {
          const answer = { text: "Hello", usage: undefined, failure: undefined }
          assert.deepStrictEqual(yield* read(silent(hello), { commit }), { ...answer, millis: 2300, abortedAt: 2300 })
          assert.deepStrictEqual(yield* read(silent([...hello, usage]), { commit }), {
            ...answer,
            usage: total,
            millis: 2400,
            abortedAt: 2400
          })
        }))

      it.effect("comments do not prolong it, data does", () =>
        Effect.gen(function*() {
          const pings = Array.from({ length: 100 }, () => ": ping\n\n")
          const quiet = yield* read(silent([...hello, ...pings], 300), { commit })
          assert.deepStrictEqual([quiet.text, quiet.failure, quiet.millis], ["Hello", undefined, 3 * 300 + 2000])
          const late = yield* read(silent([...hello, text("!"), finish(), usage], 1900), { commit })
          assert.deepStrictEqual([late.text, late.usage, late.millis], ["Hello!", total, 6 * 1900 + 2000])
        }))

      it.effect("with [DONE] it ends at once", () =>
        Effect.gen(function*() {
          const { millis, usage: counts } = yield* read(silent([...hello, usage, done]), { commit })
          assert.deepStrictEqual([counts, millis], [total, 500])
        }))

      it.effect("an event that nothing ended is given when it is whole", () =>
        Effect.gen(function*() {
          const { millis, usage: counts } = yield* read(silent([...hello, usage.trimEnd()]), { commit })
          assert.deepStrictEqual([counts, millis], [total, 2300])
        }))

      it.effect("a choice that begins meanwhile has to end too, and takes its time", () =>
        Effect.gen(function*() {
          const parts = [...hello, text("b", 1), "", text("c", 1)]
          const { failure, millis, text: seen } = yield* read(silent(parts, 1500, "reset"), { commit })
          assert.deepStrictEqual([failure, millis], ["Transport", 7 * 1500])
          assert.strictEqual(seen, commit === "whole" ? "" : "Hellobc")
          const ended = yield* read(silent([...parts, finish(1), done], 1500), { commit })
          assert.deepStrictEqual([ended.failure, ended.text], [undefined, "Hellobc"])
        }))

      it.effect("the clocks between reads do not strike", () =>
        Effect.gen(function*() {
          for (const clocks of [{ idle: 500 }, { progress: 500 }, { idle: 500, progress: 500, firstContent: 500 }]) {
            const { failure, text: seen } = yield* read(silent(hello), { commit }, Timeout.withClocks(clocks))
            assert.deepStrictEqual([failure, seen], [undefined, "Hello"])
          }
        }))

      it.effect("an answer without content is one, and no clock waits for its content", () =>
        Effect.gen(function*() {
          const answer = silent([role, finish(0, "length")])
          const { failure, millis } = yield* read(answer, { commit }, Timeout.withFirstContentTimeout(1000))
          assert.deepStrictEqual([failure, millis], [undefined, 2100])
        }))
    })
  }

  it.effect("what came while the consumer was busy is not lost", () =>
    Effect.gen(function*() {
      const { failure, usage: counts } = yield* read(silent([...hello, usage]), {}, HttpPolicy.identity, 10_000)
      assert.deepStrictEqual([failure, counts], [undefined, total])
    }))

  for (
    const [name, policy] of Object.entries({
      "the call timeout": Timeout.withCallTimeout(1000),
      "the call clock": Timeout.withClocks({ call: 1000, idle: 60_000 }),
      "the deadline": Timeout.withDeadline(1000)
    })
  ) {
    it.effect(`${name} ends it, without a failure`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* read(silent([...hello, usage]), {}, policy), {
          text: "Hello",
          usage: total,
          failure: undefined,
          millis: 1000,
          abortedAt: 1000
        })
      }))

    it.effect(`${name} is no failure for a consumer that was busy with the whole answer`, () =>
      Effect.gen(function*() {
        const { failure, text: seen } = yield* read(silent([...hello, done]), { commit: "whole" }, policy, 600)
        assert.deepStrictEqual([failure, seen], [undefined, "Hello"])
      }))

    it.effect(`${name} fails what is not complete, or not with what was delivered`, () =>
      Effect.gen(function*() {
        const tag = name === "the deadline" ? "DeadlineExceeded" : "Timeout"
        const cut = yield* read(silent([role, text("Hel"), text("lo", 1), finish()]), {}, policy)
        assert.deepStrictEqual([cut.failure, cut.millis], [tag, 1000])
        const busy = yield* read(silent([...hello, done]), {}, policy, 600)
        assert.deepStrictEqual([busy.failure, busy.text], [tag, "Hel"])
      }))
  }
})

describe("what is held back is bounded", () => {
  /** Whether the stream is committed after these reads, although nothing is known to be content. */
  const committed = (chunks: ReadonlyArray<string>) =>
    Effect.map(outcome(reads([...chunks, failed])), (outcome) => outcome.committed)

  const empty = event(choice({}))

  it.effect("64 chunks are held, one more commits", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* committed(Array.from({ length: Commit.maxHeldChunks }, () => empty)))
      assert.isTrue(yield* committed(Array.from({ length: Commit.maxHeldChunks + 1 }, () => empty)))
    }))

  it.effect("64 KiB are held, one more byte commits", () =>
    Effect.gen(function*() {
      const line = `:${"x".repeat(1022)}\n`
      const lines = Array.from({ length: 63 }, () => line)
      const rest = `:${"x".repeat(1022 - empty.length)}\n`
      assert.isFalse(yield* committed([empty, ...lines, rest]))
      assert.isTrue(yield* committed([empty, ...lines, rest, "\n"]))
    }))

  it.effect("comments alone commit nothing, however many there are", () =>
    Effect.gen(function*() {
      assert.isFalse(yield* committed([": still at work\n\n".repeat(10_000)]))
    }))

  it.effect("what was held is delivered then", () =>
    Effect.gen(function*() {
      const { chunks, failure } = yield* outcome(reads([...Array.from({ length: 70 }, () => empty), failed]))
      assert.lengthOf(chunks, 70)
      assert.strictEqual(failure, "RateLimited")
    }))

  it.effect("a read of very many chunks is no harm", () =>
    Effect.gen(function*() {
      const { chunks, failure } = yield* outcome(reads([text("a").repeat(200_000) + finish()]))
      assert.strictEqual(failure, undefined)
      assert.strictEqual(chunks.length, 200_001)
    }))
})

describe("the connection", () => {
  it.effect("is closed when the consumer stops", () =>
    Effect.gen(function*() {
      const { client, ...upstream } = yield* Testing.makeTransport({ "*": reads([text("a"), text("b")], "stall") })
      const { chunks } = yield* settled(client)
      assert.strictEqual(yield* upstream.open, 1)
      assert.strictEqual(contentOf(yield* Stream.runCollect(Stream.take(chunks, 1))), "a")
      assert.strictEqual(yield* upstream.open, 0)
      assert.isTrue((yield* upstream.calls)[0]?.aborted)
    }))

  it.effect("is closed when the consumer fails or dies", () =>
    Effect.gen(function*() {
      for (const stop of [Effect.fail("no"), Effect.die("no")]) {
        const { client, ...upstream } = yield* Testing.makeTransport({ "*": reads([text("a"), text("b")], "stall") })
        const { chunks } = yield* settled(client)
        yield* Effect.exit(Stream.runForEach(chunks, () => stop))
        assert.strictEqual(yield* upstream.open, 0)
      }
    }))

  it.effect("is closed when the consumer is interrupted while it waits", () =>
    Effect.gen(function*() {
      const { client, ...upstream } = yield* Testing.makeTransport({ "*": reads([text("a")], "stall") })
      const { chunks } = yield* settled(client)
      const fiber = yield* Effect.fork(Stream.runDrain(chunks))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* upstream.open, 1)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.strictEqual(yield* upstream.open, 0)
    }))

  it.effect("is closed when the wait for the commit point is interrupted", () =>
    Effect.gen(function*() {
      const { client, ...upstream } = yield* Testing.makeTransport({ "*": reads([role], "stall") })
      const fiber = yield* Effect.fork(settled(client))
      yield* upstream.awaitCall(0)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* upstream.open, 1)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
      assert.strictEqual(yield* upstream.open, 0)
      assert.isTrue((yield* upstream.calls)[0]?.aborted)
    }))

  it.effect("is closed by every failure, before and after the commit point", () =>
    Effect.gen(function*() {
      for (const chunks of [[role, failed], [event("{")], [text("a"), failed], [text("a"), event("{")]]) {
        const { aborted, open } = yield* outcome(reads(chunks, "stall"))
        assert.strictEqual(open, 0)
        assert.isTrue(aborted)
      }
    }))

  it.effect("is closed with the call, when the stream is never read", () =>
    Effect.gen(function*() {
      const { client, ...upstream } = yield* Testing.makeTransport({ "*": reads([text("a")], "stall") })
      const scope = yield* Scope.make()
      yield* Effect.provideService(settled(client), CallScope, scope)
      assert.strictEqual(yield* upstream.open, 1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* upstream.open, 0)
    }))

  it.effect("is not closed with the call, when the stream was read before", () =>
    Effect.gen(function*() {
      const { client, ...upstream } = yield* Testing.makeTransport({ "*": Testing.stream(["a"]) })
      const scope = yield* Scope.make()
      const { chunks } = yield* Effect.provideService(settled(client), CallScope, scope)
      assert.strictEqual(contentOf(yield* Stream.runCollect(chunks)), "a")
      yield* Scope.close(scope, Exit.void)
      assert.isFalse((yield* upstream.calls)[0]?.aborted)
    }))

  it.effect("a second reading gives no second answer", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ "*": reads([text("a"), text("b")], "stall") })
      const { chunks } = yield* settled(client)
      yield* Stream.runCollect(Stream.take(chunks, 1))
      const again = yield* Effect.exit(Stream.runCollect(chunks))
      assert.isTrue(Exit.isFailure(again), "half an answer looks like a whole one")
    }))
})

describe("the response", () => {
  const parts = [role, ": ping\n\n", text("grün 😀"), finish(), done]

  const respond = (answer: Testing.Answer) =>
    Effect.flatMap(Testing.makeTransport({ "*": answer }), ({ client }) => settled(client))

  it.effect("gives the bytes as they came: stream, text, arrayBuffer", () =>
    Effect.gen(function*() {
      const stream = yield* Effect.flatMap(respond(reads(parts)), (_) => Stream.runCollect(_.stream))
      assert.strictEqual(Buffer.concat(Array.from(stream)).toString(), parts.join(""))
      assert.strictEqual(yield* Effect.flatMap(respond(reads(parts)), (_) => _.text), parts.join(""))
      const buffer = yield* Effect.flatMap(respond(reads(parts)), (_) => _.arrayBuffer)
      assert.strictEqual(Buffer.from(buffer).toString(), parts.join(""))
    }))

  it.effect("arrayBuffer keeps bytes that are no UTF-8", () =>
    Effect.gen(function*() {
      const odd = Uint8Array.of(58, 0xff, 0xfe, 10)
      const answer = reads([new TextEncoder().encode("\uFEFF"), odd, text("a"), finish()])
      const buffer = yield* Effect.flatMap(respond(answer), (_) => _.arrayBuffer)
      assert.deepStrictEqual(Array.from(new Uint8Array(buffer).subarray(0, 7)), [0xef, 0xbb, 0xbf, ...odd])
    }))

  it.effect("has the status and the headers of the answer", () =>
    Effect.gen(function*() {
      const response = yield* respond(Testing.stream(["a"], { headers: { "x-request-id": "r-1" } }))
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.headers["x-request-id"], "r-1")
      yield* Stream.runDrain(response.chunks)
    }))

  it.effect("is not JSON and not a form", () =>
    Effect.gen(function*() {
      const response = yield* respond(reads(parts))
      assert.strictEqual((yield* Effect.flip(response.json))._tag, "ResponseError")
      assert.strictEqual((yield* Effect.flip(response.formData))._tag, "ResponseError")
    }))

  it.effect("a failure of its bytes has the typed error as its cause, and shows neither key nor prompt", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ "*": () => reads([text("a completion"), failed]) })
      const keyed = client.pipe(Settle.settle())
      const secret = HttpClientRequest.bearerToken(HttpClientRequest.setHeader(request, "x-own-key", "sk-2"), "sk-1")
      const read = (f: (_: StreamResponse) => Effect.Effect<unknown, HttpClientError.ResponseError>) =>
        Effect.flip(Effect.flatMap(keyed.execute(secret), (response) => f(toStream(response))))
      for (
        const error of [
          yield* read((_) => _.text),
          yield* read((_) => Stream.runDrain(_.stream)),
          yield* read((_) => _.arrayBuffer),
          yield* read((_) => _.json)
        ]
      ) {
        for (const shown of [JSON.stringify(error), inspect(error, { depth: 10 }), Cause.pretty(Cause.fail(error))]) {
          for (const hidden of ["sk-1", "sk-2", "the prompt", "a completion"]) {
            assert.notInclude(shown, hidden)
          }
        }
      }
      assert.strictEqual(((yield* read((_) => _.text)).cause as RouterError.TargetError)._tag, "RateLimited")
    }))
})

const arbitraryPart = FastCheck.oneof(
  FastCheck.constantFrom(
    role,
    text(""),
    text("Hello"),
    text("grün 😀 中"),
    text("b", 1),
    finish(),
    finish(1),
    usage,
    done,
    ": ping\n\n",
    "\n",
    "\uFEFF",
    failed,
    "event: error\ndata: {}\n\n",
    event("{"),
    "data: {\"choi",
    "{\"error\":{\"code\":\"invalid_api_key\"}}"
  )
)

const slice = (bytes: Uint8Array, offsets: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const cuts = offsets.map((offset) => offset % (bytes.length + 1)).sort((a, b) => a - b)
  return [0, ...cuts].map((start, index) => bytes.slice(start, cuts[index] ?? bytes.length))
}

describe("laws", () => {
  it.effect(
    "L50: the reads make no difference, to the chunks, the failure or when it comes",
    () =>
      Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(
            FastCheck.array(arbitraryPart, { maxLength: 10 }),
            FastCheck.array(FastCheck.nat(), { maxLength: 12 }),
            FastCheck.constantFrom("complete" as const, "reset" as const),
            FastCheck.boolean(),
            (parts, offsets, end, everyByte) =>
              Effect.runPromise(Effect.gen(function*() {
                const bytes = new TextEncoder().encode(parts.join(""))
                const slices = everyByte
                  ? Array.from(bytes, (byte) => Uint8Array.of(byte))
                  : slice(bytes, offsets)
                const { aborted: _, ...sliced } = yield* outcome(reads(slices, end))
                const { aborted: __, ...whole } = yield* outcome(reads([bytes], end))
                assert.deepStrictEqual(sliced, whole)
                assert.strictEqual(whole.open, 0)
              }))
          ),
          { numRuns: 1000 }
        )
      ),
    60_000
  )

  it.effect(
    "L56: what is delivered is a prefix of the text, wherever and however the stream is cut",
    () =>
      Effect.promise(() =>
        FastCheck.assert(
          FastCheck.asyncProperty(
            FastCheck.array(FastCheck.string({ unit: "grapheme", minLength: 1, maxLength: 8 }), {
              minLength: 1,
              maxLength: 6
            }),
            FastCheck.nat(),
            FastCheck.array(FastCheck.nat(), { maxLength: 6 }),
            FastCheck.constantFrom("complete" as const, "reset" as const),
            FastCheck.constantFrom("", failed, event("{"), "event: error\ndata: x\n\n"),
            (texts, at, offsets, end, tail) =>
              Effect.runPromise(Effect.gen(function*() {
                const upstream = texts.join("")
                const all = new TextEncoder().encode([role, ...texts.map((_) => text(_)), finish(), done].join(""))
                const cut = all.subarray(0, at % (all.length + 1))
                const bytes = Buffer.concat([cut, new TextEncoder().encode(tail)])
                const result = yield* outcome(reads(slice(bytes, offsets), end))
                assert.strictEqual(upstream.slice(0, result.text.length), result.text)
                // a success is the whole of it
                if (result.failure === undefined) {
                  assert.strictEqual(result.text, upstream)
                }
                if (!result.committed) {
                  assert.strictEqual(result.text, "")
                }
                assert.strictEqual(result.open, 0)
              }))
          ),
          { numRuns: 1000 }
        )
      ),
    60_000
  )

  it.effect("a consumer that stops after any number of chunks closes the connection", () =>
    Effect.promise(() =>
      FastCheck.assert(
        FastCheck.asyncProperty(
          FastCheck.integer({ min: 1, max: 8 }),
          FastCheck.array(FastCheck.nat(), { maxLength: 6 }),
          (count, offsets) =>
            Effect.runPromise(Effect.gen(function*() {
              const bytes = new TextEncoder().encode([role, text("a"), text("b"), text("c"), finish()].join(""))
              const { client, ...upstream } = yield* Testing.makeTransport({
                "*": reads(slice(bytes, offsets), "reset")
              })
              const { chunks } = yield* settled(client)
              const taken = yield* Stream.runCollect(Stream.take(chunks, count))
              assert.strictEqual(EffectChunk.size(taken), Math.min(count, 5))
              assert.strictEqual(yield* upstream.open, 0)
            }))
        ),
        { numRuns: 300 }
      )
    ))
})
