import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as UrlParams from "@effect/platform/UrlParams"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as Supervisor from "effect/Supervisor"
import * as TestClock from "effect/TestClock"
import * as HttpPolicy from "../../src/policy/HttpPolicy.js"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Retry from "../../src/policy/Retry.js"
import * as Timeout from "../../src/policy/Timeout.js"
import * as RouterError from "../../src/RouterError.js"
import * as Testing from "../../src/Testing.js"
import * as Settle from "../../src/wire/Settle.js"
import * as StreamResponse from "../../src/wire/StreamResponse.js"
import * as Policies from "../support/policies.js"
import { choice, done, event, finish, ping, plain, role, streamed, text, url, withMemory } from "../support/policies.js"
import { simulate, timed, VirtualClock, withinTheHour } from "../support/scripted.js"

const pings = (count: number): ReadonlyArray<string> => Array.from({ length: count }, () => ping)

/** One event a read; what follows them is silence. */
const events = (chunks: ReadonlyArray<string>, options: Parameters<typeof Policies.events>[1] = {}) =>
  Policies.events(chunks, { end: "stall", ...options })

const json = (chunks: ReadonlyArray<string>, options: Omit<Testing.RawOptions, "chunks" | "body"> = {}) =>
  Testing.raw({ headers: { "content-type": "application/json" }, end: "stall", ...options, chunks })

const completion =
  "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}"

/** How something ended: the clock of a timeout, wherever it is, or else what it failed with. */
const ending = (error: unknown): string => {
  const cause = HttpClientError.isHttpClientError(error) ? error.cause : error
  return cause instanceof RouterError.Timeout ? cause.phase : RouterError.isRouterError(cause) ? cause._tag : "other"
}

interface Outcome {
  /** `"complete"`, or what it ended with. */
  readonly ended: string
  readonly millis: number
  readonly text: string
  /** When the upstream was left, if it was, since it was called. */
  readonly abortedAt: number | undefined
  readonly open: number
}

/** Reads an answer to its end; after each content the consumer is busy for some time. */
const outcome = (
  policy: HttpPolicy.HttpPolicy<RouterError.TargetError>,
  answer: Testing.Answer,
  options: { readonly request?: HttpClientRequest.HttpClientRequest; readonly busy?: Duration.DurationInput } = {}
): Effect.Effect<Outcome> =>
  Effect.gen(function*() {
    const { calls, client, open } = yield* Testing.makeTransport({ p: answer })
    let seen = ""
    const read = Effect.flatMap(
      client.pipe(Settle.settle(), policy).execute(options.request ?? streamed),
      (response): Effect.Effect<void, RouterError.TargetError | HttpClientError.ResponseError> =>
        StreamResponse.isStreamResponse(response)
          ? Stream.runForEach(response.chunks, (chunk) => {
            const part = chunk.choices.map((choice) => choice.delta.content ?? "").join("")
            seen += part
            return Effect.sleep(part === "" ? 0 : options.busy ?? 0)
          })
          : Effect.asVoid(response.json)
    )
    const [exit, millis] = yield* withinTheHour(timed(Effect.flip(read)))
    const { abortedAtMillis, startedAtMillis = 0 } = (yield* calls)[0] ?? {}
    return {
      // to succeed is to fail, once flipped
      ended: Exit.isSuccess(exit) ? ending(exit.value) : Cause.isFailure(exit.cause) ? "complete" : "defect",
      millis,
      text: seen,
      abortedAt: abortedAtMillis === undefined ? undefined : abortedAtMillis - startedAtMillis,
      open: yield* open
    }
  })

/** It strikes at that very moment, and closes the upstream then. */
const strikes = (
  clocks: Timeout.Clocks,
  answer: Testing.Answer,
  expected: { readonly phase: keyof Timeout.Clocks; readonly at: number; readonly text?: string },
  options: Parameters<typeof outcome>[2] = {}
) =>
  Effect.map(outcome(Timeout.withClocks(clocks), answer, options), (actual) =>
    assert.deepStrictEqual(actual, {
      ended: expected.phase,
      millis: expected.at,
      text: expected.text ?? "",
      abortedAt: expected.at,
      open: 0
    }))

const completes = (
  clocks: Timeout.Clocks,
  answer: Testing.Answer,
  expected: { readonly at: number; readonly text?: string },
  options: Parameters<typeof outcome>[2] = {}
) =>
  Effect.map(outcome(Timeout.withClocks(clocks), answer, options), (actual) =>
    assert.deepStrictEqual(actual, {
      ended: "complete",
      millis: expected.at,
      text: expected.text ?? "",
      abortedAt: undefined,
      open: 0
    }))

const whole = [role, text("a"), text("b"), finish, done]

describe("firstByte", () => {
  for (const [name, request] of Object.entries({ "a stream": streamed, "a completion": plain })) {
    it.effect(`without headers it strikes: ${name}`, () =>
      strikes({ firstByte: 1000 }, Testing.hang, { phase: "firstByte", at: 1000 }, { request }))

    it.effect(`with headers a millisecond later it has struck: ${name}`, () =>
      strikes({ firstByte: 1000 }, Testing.completion("hi", { delay: 1001 }), { phase: "firstByte", at: 1000 }, {
        request
      }))
  }

  it.effect("with headers in time it never strikes, however long the rest takes", () =>
    Effect.gen(function*() {
      const slow = { delay: 999, between: 60_000, end: "complete" } as const
      const parts = [role, text("a"), text("b"), finish + done]
      yield* completes({ firstByte: 1000 }, events(parts, slow), { at: 999 + 3 * 60_000, text: "ab" })
      yield* completes({ firstByte: 1000 }, json(["", completion], slow), { at: 60_999 }, { request: plain })
    }))
})

describe("firstContent", () => {
  it.effect("preamble and comments are no content: it strikes that long after the start of the attempt", () =>
    Effect.gen(function*() {
      const parts = [role, ping, role, event(choice({})), event({ choices: [], usage: {} }), ...pings(50)]
      yield* strikes({ firstContent: 1000 }, events(parts, { delay: 300, between: 50 }), {
        phase: "firstContent",
        at: 1000
      })
      yield* strikes({ firstContent: 1000 }, Testing.hang, { phase: "firstContent", at: 1000 })
      yield* strikes({ firstContent: 1000 }, events([]), { phase: "firstContent", at: 1000 })
    }))

  const contents: Readonly<Record<string, unknown>> = {
    text: { content: "a" },
    reasoning: { reasoning: "hm" },
    "a refusal": { refusal: "no" },
    "a tool call": { tool_calls: [{ index: 0, id: "1", function: { name: "f", arguments: "" } }] }
  }
  for (const [name, delta] of Object.entries(contents)) {
    it.effect(`${name} in time stops it for ever`, () =>
      Effect.gen(function*() {
        const answer = events([role, event(choice(delta)), ping, finish, done], { between: 999, end: "complete" })
        const actual = yield* outcome(Timeout.withClocks({ firstContent: 1000 }), answer)
        assert.deepInclude(actual, { ended: "complete", millis: 4 * 999, open: 0 })
      }))
  }

  it.effect("goes on in a stream that was committed without content, because too much was held back", () =>
    strikes({ firstContent: 10_000 }, events([`: ${"x".repeat(70_000)}\n\n`, ...pings(50)], { between: 1000 }), {
      phase: "firstContent",
      at: 10_000
    }))

  it.effect("of a completion it waits for the JSON: blanks that keep the connection alive are none", () =>
    Effect.gen(function*() {
      const clocks = { firstContent: 1000 }
      const blanks = Array.from({ length: 50 }, () => "\n         \n")
      const request = { request: plain }
      yield* strikes(clocks, json([]), { phase: "firstContent", at: 1000 }, request)
      yield* strikes(clocks, json(blanks, { between: 100 }), { phase: "firstContent", at: 1000 }, request)
      const late = json(["\n", completion.slice(0, 9), completion.slice(9)], { between: 900, end: "complete" })
      yield* completes(clocks, late, { at: 1800 }, request)
    }))

  it.effect("the body of an error is none", () =>
    strikes({ firstContent: 1000 }, json(["{\"error\":"], { status: 503 }), { phase: "firstContent", at: 1000 }, {
      request: plain
    }))
})

describe("idle", () => {
  it.effect("does not run before the headers", () =>
    completes({ idle: 1000 }, events(whole, { delay: 60_000, end: "complete" }), { at: 60_000, text: "ab" }))

  it.effect("strikes that long after the last bytes, and comments are bytes", () =>
    Effect.gen(function*() {
      const clocks = { idle: 1000 }
      yield* strikes(clocks, events([]), { phase: "idle", at: 1000 })
      yield* strikes(clocks, events([], { delay: 7000 }), { phase: "idle", at: 8000 })
      yield* strikes(clocks, events([role, ...pings(9)], { between: 999 }), { phase: "idle", at: 9 * 999 + 1000 })
      const half = text("b").slice(0, 9)
      yield* strikes(clocks, events([role, text("a"), ping, half], { between: 999 }), {
        phase: "idle",
        at: 3 * 999 + 1000,
        text: "a"
      })
    }))

  it.effect("a gap that is a millisecond too long is one", () =>
    Effect.gen(function*() {
      yield* completes({ idle: 1000 }, events(whole, { between: 999, end: "complete" }), { at: 4 * 999, text: "ab" })
      yield* strikes({ idle: 1000 }, events(whole, { between: 1001 }), { phase: "idle", at: 1000 })
    }))

  it.effect("a slow consumer does not trip it while the upstream is ready", () =>
    completes({ idle: 1000 }, events(whole, { end: "complete" }), { at: 120_000, text: "ab" }, { busy: "1 minute" }))

  it.effect("an upstream that is silent after a slow consumer asks again has as long as any other", () =>
    strikes({ idle: 1000 }, events([role, text("a"), text("b")]), { phase: "idle", at: 121_000, text: "ab" }, {
      busy: "1 minute"
    }))

  it.effect("watches the JSON of a completion, and the body of an error", () =>
    Effect.gen(function*() {
      const request = { request: plain }
      yield* strikes({ idle: 1000 }, json(["{", "\n"], { between: 700 }), { phase: "idle", at: 1700 }, request)
      yield* strikes({ idle: 1000 }, json(["{"], { status: 500 }), { phase: "idle", at: 1000 }, request)
      const slow = json([...completion], { between: 999, end: "complete" })
      yield* completes({ idle: 1000 }, slow, { at: (completion.length - 1) * 999 }, request)
    }))

  it.effect("a body whose length is promised is watched as well", () =>
    strikes(
      { idle: 1000 },
      json(["{"], { headers: { "content-type": "application/json", "content-length": "20" } }),
      { phase: "idle", at: 1000 },
      { request: plain }
    ))
})

describe("progress", () => {
  it.effect("comments keep a connection alive and are no progress", () =>
    Effect.gen(function*() {
      const clocks = { idle: 1000, progress: 4200 }
      yield* strikes(clocks, events([role, text("a"), ...pings(90)], { between: 500 }), {
        phase: "progress",
        at: 500 + 4200,
        text: "a"
      })
      yield* strikes(clocks, events(pings(90), { delay: 300, between: 500 }), { phase: "progress", at: 4500 })
      yield* strikes(clocks, events([role, ...pings(90)], { between: 500 }), { phase: "progress", at: 4200 })
    }))

  it.effect("a part of an event is no event, and each event starts it anew", () =>
    Effect.gen(function*() {
      const a = text("a")
      const drip = [role, ...Array.from({ length: 5 }, () => [...pings(3), a]).flat(), a.slice(0, 5), a.slice(5, 9)]
      yield* strikes({ progress: 4200 }, events(drip, { between: 1000 }), {
        phase: "progress",
        at: 20_000 + 4200,
        text: "aaaaa"
      })
    }))

  it.effect("the time of a busy consumer does not count", () =>
    Effect.gen(function*() {
      const clocks = { progress: 4200 }
      yield* completes(clocks, events(whole, { between: 4000, end: "complete" }), {
        at: 4000 + 120_000,
        text: "ab"
      }, { busy: "1 minute" })
      yield* strikes(clocks, events([role, text("a"), ...pings(3)], { between: 1000 }), {
        phase: "progress",
        at: 1000 + 60_000 + 4200,
        text: "a"
      }, { busy: "1 minute" })
    }))

  // a short one ends before the watchdog looks again, a long one does not
  for (const busy of [1500, 60_000]) {
    it.effect(`what was waited before ${busy} busy milliseconds counts after them`, () =>
      Effect.gen(function*() {
        const { calls, client } = yield* Testing.makeTransport({ p: events([text("a"), ping], { between: 3000 }) })
        let batches = 0
        const read = Effect.flatMap(
          client.pipe(Settle.settle(), Timeout.withClocks({ progress: 4000 })).execute(streamed),
          (response) =>
            Stream.runForEach(
              response.stream,
              // busy with the comment, which came after 3 of the 4 seconds
              () => Effect.suspend(() => Effect.sleep(++batches === 2 ? busy : 0))
            )
        )
        const [exit, millis] = yield* withinTheHour(timed(Effect.flip(read)))
        assert.strictEqual(Exit.isSuccess(exit) ? ending(exit.value) : "", "progress")
        assert.strictEqual(millis, 3000 + busy + 1000)
        assert.strictEqual((yield* calls)[0]?.abortedAtMillis, millis)
      }))
  }

  it.effect("of a completion: blanks are no progress", () =>
    strikes({ idle: 1000, progress: 3000 }, json(["{", ..."\n".repeat(50)], { between: 900 }), {
      phase: "progress",
      at: 3000
    }, { request: plain }))
})

describe("several clocks", () => {
  it.effect("a drip of data dies by the call clock, and not before", () =>
    strikes(
      { firstByte: 1500, firstContent: 1500, idle: 1500, progress: 1500, call: 10_500 },
      events([role, ..."abcdefghijklmnop"].map((part) => part === role ? role : text(part)), { between: 1000 }),
      { phase: "call", at: 10_500, text: "abcdefghij" }
    ))

  it.effect("the nearest strikes, in whatever order they are given", () =>
    Effect.gen(function*() {
      const names = ["call", "firstByte", "firstContent", "idle", "progress"] as const
      for (const near of names) {
        const clocks = Object.fromEntries([...names].reverse().map((name) => [name, name === near ? 1000 : 1001]))
        const answer = near === "firstByte" ? Testing.hang : events([])
        yield* strikes(clocks, answer, { phase: near, at: 1000 })
      }
    }))

  it.effect("the call clock counts the time of a busy consumer, and closes the upstream meanwhile", () =>
    Effect.gen(function*() {
      const actual = yield* outcome(
        Timeout.withClocks({ call: 2000, idle: 1000 }),
        events([role, text("a"), text("b")]),
        { busy: "1 minute" }
      )
      assert.deepStrictEqual(actual, { ended: "call", millis: 60_000, text: "a", abortedAt: 2000, open: 0 })
    }))

  it.effect("it is the deadline of what is inside, like the call timeout", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({ p: Testing.refuse })
      const retry = Retry.withRetry({ count: 5, backoff: Schedule.spaced("1 second") })
      const limited = client.pipe(retry, Timeout.withClocks({ call: 2500, idle: 60_000 }))
      const [exit, millis] = yield* withinTheHour(timed(Effect.flip(limited.execute(plain))))
      // the wait that would end at 3000 is not begun
      assert.isTrue(Exit.isSuccess(exit) && exit.value._tag === "RequestError")
      assert.deepStrictEqual([millis, (yield* calls).length], [2000, 3])
    }))

  // no tie is possible: all times are even, all clocks odd
  const even = (max: number) => FastCheck.nat({ max }).map((n) => 2 * n)
  const clock = FastCheck.option(FastCheck.integer({ min: 1, max: 300 }).map((n) => 2 * n + 1), { nil: undefined })
  const scenario = FastCheck.record({
    clocks: FastCheck.record({ call: clock, firstByte: clock, firstContent: clock, idle: clock, progress: clock })
      .filter(({ call, idle, progress }) => (call ?? idle ?? progress) !== undefined),
    delay: even(100),
    between: even(60),
    parts: FastCheck.array(
      FastCheck.record({ part: FastCheck.constantFrom(ping, role, text("a")), busy: even(150) }),
      { maxLength: 12 }
    )
  })
  type Scenario = typeof scenario extends FastCheck.Arbitrary<infer A> ? A : never

  /** What should happen, one read after the other. */
  const predict = ({ between, clocks, delay, parts }: Scenario): readonly [phase: string, at: number] => {
    const { call = Infinity, firstByte = Infinity, firstContent = Infinity } = clocks
    const { idle = Infinity, progress = Infinity } = clocks
    const first = (dues: ReadonlyArray<readonly [phase: string, at: number]>) =>
      dues.reduce((a, b) => b[1] < a[1] ? b : a)
    const onTheWay = first([["call", call], ["firstByte", firstByte], ["firstContent", firstContent]])
    if (onTheWay[1] < delay) {
      return onTheWay
    }
    let now = delay
    let waitedSinceData = 0
    let hasContent = false
    for (let index = 0;; index++) {
      const next = parts[index]
      const arrival = next === undefined ? Infinity : Math.max(now, delay + index * between)
      const due = first([
        ["call", call],
        ["firstContent", hasContent ? Infinity : firstContent],
        ["idle", now + idle],
        ["progress", now + progress - waitedSinceData]
      ])
      if (next === undefined || due[1] < arrival) {
        return due
      }
      waitedSinceData = next.part === ping ? waitedSinceData + arrival - now : 0
      hasContent ||= next.part === text("a")
      now = arrival + (hasContent ? next.busy : 0)
      if (call < now) {
        return ["call", call]
      }
    }
  }

  // live: a test clock of its own for each run costs more than the run
  it.live.prop("strike as a model says, whatever comes when, and whatever the consumer does", { scenario }, (
    { scenario }
  ) =>
    simulate(Effect.gen(function*() {
      const { between, clocks, delay, parts } = scenario
      const answer = events(parts.map(({ part }) => part), { delay, between })
      const { calls, client, open } = yield* Testing.makeTransport({ p: answer })
      const response = Effect.flatMap(
        client.pipe(Settle.settle(), Timeout.withClocks(clocks)).execute(streamed),
        (response) => {
          const content = parts.findIndex(({ part }) => part === text("a"))
          let index = content
          return Stream.runForEach(response.stream, () => Effect.suspend(() => Effect.sleep(parts[index++]?.busy ?? 0)))
        }
      )
      const phase = ending(yield* Effect.flip(response))
      assert.deepStrictEqual([phase, (yield* calls)[0]?.abortedAtMillis], [...predict(scenario)])
      assert.strictEqual(yield* open, 0)
    })), { fastCheck: { numRuns: 1000 } })
})

describe("the body of a plain response", () => {
  it.effect("that a reader has left is a failure to the next one, not an interruption", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ "*": json(["{"]) })
      const response = yield* client.pipe(Timeout.withClocks({ idle: "1 hour" })).execute(plain)
      const reader = yield* Effect.fork(response.text)
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(reader)))
      assert.strictEqual((yield* Effect.flip(response.text))._tag, "ResponseError")
    }))

  const views: Readonly<
    Record<
      string,
      (response: HttpClientResponse.HttpClientResponse) => Effect.Effect<unknown, HttpClientError.ResponseError>
    >
  > = {
    text: (response) => response.text,
    json: (response) => response.json,
    arrayBuffer: (response) => response.arrayBuffer,
    urlParamsBody: (response) => response.urlParamsBody,
    formData: (response) => response.formData,
    stream: (response) => Stream.runDrain(response.stream)
  }

  for (const [view, read] of Object.entries(views)) {
    for (const phase of ["firstContent", "idle", "progress"] as const) {
      it.effect(`${view}: ${phase} strikes, and says so again`, () =>
        Effect.gen(function*() {
          const { calls, client, open } = yield* Testing.makeTransport({
            p: json(phase === "firstContent" ? [] : ["{", "}"], { delay: 500, between: 700 })
          })
          const response = yield* withinTheHour(client.pipe(Timeout.withClocks({ [phase]: 1000 })).execute(plain))
          // nobody reads yet
          yield* TestClock.setTime(500)
          for (const at of phase === "firstContent" ? [500, 0] : [1700, 0]) {
            const [exit, millis] = yield* withinTheHour(timed(Effect.flip(read(response))))
            assert.strictEqual(Exit.isSuccess(exit) ? ending(exit.value) : "", phase)
            assert.strictEqual(millis, at)
          }
          assert.strictEqual((yield* calls)[0]?.aborted, true)
          assert.strictEqual(yield* open, 0)
        }))
    }
  }

  const clocks = Timeout.withClocks({ idle: "1 second" })

  it.effect("each view is what it is without a clock, and can be taken again and at the same time", () =>
    Effect.gen(function*() {
      const body = "{\"a\":\"grün 😀\"}"
      const bytes = [...new TextEncoder().encode(body)].map((byte) => Uint8Array.of(byte))
      const { client, open } = yield* Testing.makeTransport({ p: Testing.raw({ chunks: bytes, between: 500 }) })
      const response = yield* clocks(client).execute(plain)
      const { arrayBuffer, json, text, urlParamsBody } = response
      const all = Effect.all([text, json, Effect.map(arrayBuffer, (buffer) => new TextDecoder().decode(buffer))], {
        concurrency: "unbounded"
      })
      const expected: [string, unknown, string] = [body, { a: "grün 😀" }, body]
      const [first, millis] = yield* withinTheHour(timed(all))
      assert.deepStrictEqual([first, millis], [Exit.succeed(expected), (bytes.length - 1) * 500])
      assert.deepStrictEqual(yield* all, expected)
      assert.deepStrictEqual(UrlParams.toString(yield* urlParamsBody), new URLSearchParams(body).toString())
      assert.strictEqual(yield* open, 0)
    }))

  it.effect("what one reader does with its bytes is not seen by the next", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ p: Testing.raw({ body: "abc" }) })
      const response = yield* clocks(client).execute(plain)
      new Uint8Array(yield* response.arrayBuffer).fill(0)
      assert.strictEqual(yield* response.text, "abc")
      assert.strictEqual((yield* response.arrayBuffer).byteLength, 3)
    }))

  it.effect("a file in a form is not taken for a text", () =>
    Effect.gen(function*() {
      const bytes = Uint8Array.of(0xff, 0xfe, 0, 0x80)
      const form = new FormData()
      form.append("file", new Blob([bytes]), "f")
      const source = new Response(form)
      const body = new Uint8Array(yield* Effect.promise(() => source.arrayBuffer()))
      const headers = { "content-type": source.headers.get("content-type") ?? "" }
      const { client } = yield* Testing.makeTransport({ p: Testing.raw({ headers, body }) })
      const read = yield* Effect.flatMap(clocks(client).execute(plain), (response) => response.formData)
      const file = read.get("file")
      assert.isTrue(file instanceof Blob)
      if (file instanceof Blob) {
        assert.deepStrictEqual(new Uint8Array(yield* Effect.promise(() => file.arrayBuffer())), bytes)
      }
      const wrong = yield* Testing.makeTransport({ p: Testing.raw({ body: "secret" }) })
      const error = yield* Effect.flip(
        Effect.flatMap(clocks(wrong.client).execute(plain), (response) => response.formData)
      )
      assert.isTrue(error._tag === "ResponseError" && error.reason === "Decode")
      assert.notInclude(error.message, "secret")
    }))

  it.scopedLive("a response that can have no body has an empty one, over a real socket", () =>
    Effect.gen(function*() {
      const server = yield* Testing.serve({ p: Testing.raw({ status: 204 }) })
      const client = clocks(yield* HttpClient.HttpClient)
      const response = yield* client.get(server.baseUrl("p"))
      assert.deepStrictEqual([yield* response.text, yield* response.json, (yield* response.arrayBuffer).byteLength], [
        "",
        null,
        0
      ])
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.effect("its stream does not trip over a slow consumer", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({ p: json(["a", "b", "c"], { between: 100 }) })
      const read = Effect.flatMap(
        Timeout.withClocks({ idle: 1000, progress: 1000 })(client).execute(plain),
        (response) => Stream.runForEach(response.stream, () => Effect.sleep("1 minute"))
      )
      const [exit, millis] = yield* withinTheHour(timed(Effect.flip(read)))
      assert.deepStrictEqual([Exit.isSuccess(exit) && ending(exit.value), millis], ["idle", 181_000])
      assert.strictEqual((yield* calls)[0]?.abortedAtMillis, 181_000)
    }))

  it.effect("the rest is that of the response", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({
        p: Testing.raw({ status: 201, headers: { "X-Id": "7", "set-cookie": "a=1" }, body: "x" })
      })
      const response = yield* clocks(client).execute(plain)
      assert.deepStrictEqual(
        [response.status, response.headers["x-id"], Object.keys(response.cookies.cookies), response.request.url],
        [201, "7", ["a"], url]
      )
      assert.strictEqual(response.remoteAddress._tag, "None")
      assert.deepStrictEqual(response.toJSON(), { _id: "@effect/platform/HttpClientResponse", status: 201 })
    }))
})

describe("what is not a strike", () => {
  it.effect("a broken stream, an error, a bug and an interruption are what they are", () =>
    Effect.gen(function*() {
      const all = Timeout.withClocks({ call: 5000, firstByte: 5000, firstContent: 5000, idle: 5000, progress: 5000 })
      const broken = yield* outcome(all, events([role, text("a")], { end: "reset", between: 1000 }))
      assert.deepStrictEqual([broken.ended, broken.millis, broken.text, broken.open], ["Transport", 2000, "a", 0])
      const status = yield* outcome(all, Testing.status(429))
      assert.deepStrictEqual([status.ended, status.millis, status.open], ["RateLimited", 0, 0])
      const defect = HttpClient.makeWith<never, never, never, never>(() => Effect.die("a bug"), Effect.succeed)
      const exit = yield* Effect.exit(all(defect).get(url))
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
    }))

  it.effect("an interrupted caller closes the upstream, whatever it waits for", () =>
    Effect.gen(function*() {
      for (const answer of [Testing.hang, events([role]), events([role, text("a")])]) {
        const { client, open } = yield* Testing.makeTransport({ p: answer })
        const limited = client.pipe(Settle.settle(), Timeout.withClocks({ firstByte: 9000, idle: 9000 }))
        const fiber = yield* Effect.fork(
          Effect.flatMap(limited.execute(streamed), (response) => Stream.runDrain(response.stream))
        )
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* open, 1)
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
        assert.strictEqual(yield* open, 0)
      }
    }))
})

describe("one watchdog", () => {
  const clocks = Timeout.withClocks({ call: 9000, firstByte: 3000, firstContent: 4000, idle: 1000, progress: 2000 })
  const many = (count: number) => [role, ...Array.from({ length: count }, () => text("a")), finish, done]

  const read = (answer: Testing.Answer, policy = clocks) =>
    Effect.gen(function*() {
      const clock = new VirtualClock()
      let fibers = 0
      let most = 0
      const supervisor = new class extends Supervisor.AbstractSupervisor<void> {
        override readonly value = Effect.void
        override onStart(): void {
          most = Math.max(most, ++fibers)
        }
        override onEnd(): void {
          fibers--
        }
      }()
      const { client, open } = yield* Testing.makeTransport({ p: answer })
      const count = yield* client.pipe(Settle.settle(), policy).execute(streamed).pipe(
        Effect.flatMap((response) => Stream.runCount(response.stream)),
        Effect.supervised(supervisor),
        Effect.withClock(clock)
      )
      assert.deepStrictEqual([clock.pending, fibers, yield* open], [0, 0, 0])
      return { count, sleeps: clock.slept, most }
    })

  it.effect("10,000 chunks set a handful of timers and have a handful of fibers", () =>
    Effect.gen(function*() {
      const { count, most, sleeps } = yield* read(events(many(10_000), { end: "complete" }))
      assert.isAbove(count, 10_000)
      assert.isAtMost(sleeps.length, 4)
      assert.isAtMost(most, 8)
    }))

  it.effect("chunks over a long time set about one timer for each span of the shortest clock", () =>
    Effect.gen(function*() {
      const policy = Timeout.withClocks({ idle: 1000, progress: 1000 })
      const { sleeps } = yield* read(events(many(10_000), { between: 7, end: "complete" }), policy)
      const own = sleeps.filter((millis) => millis !== 7)
      assert.isAtLeast(own.length, 50)
      assert.isAtMost(own.length, 10_000 * 7 / 900)
    }))

  it.effect("while the consumer is busy no timer runs for the clocks that stand still", () =>
    Effect.gen(function*() {
      const clock = new VirtualClock()
      const { client } = yield* Testing.makeTransport({ p: events(whole, { end: "complete" }) })
      const policy = Timeout.withClocks({ idle: 10, progress: 10 })
      yield* client.pipe(Settle.settle(), policy).execute(streamed).pipe(
        Effect.flatMap((response) => Stream.runForEach(response.stream, () => Effect.sleep("1 hour"))),
        Effect.withClock(clock)
      )
      assert.isAtMost(clock.slept.filter((millis) => millis <= 10).length, 10)
    }))

  it.effect("a consumer that has enough stops it", () =>
    Effect.gen(function*() {
      const clock = new VirtualClock()
      const { client, open } = yield* Testing.makeTransport({ p: events([role, text("a"), text("b")]) })
      yield* client.pipe(Settle.settle(), clocks).execute(streamed).pipe(
        Effect.flatMap((response) => Stream.runDrain(Stream.take(response.stream, 2))),
        Effect.withClock(clock)
      )
      assert.deepStrictEqual([clock.pending, yield* open], [0, 0])
    }))

  it.effect("calls at the same time have each their own", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({ p: events([role, ping], { between: 700 }) })
      const call = Effect.exit(client.pipe(Settle.settle(), Timeout.withClocks({ idle: 1000 })).execute(streamed))
      yield* withinTheHour(Effect.all([call, Effect.delay(call, 500)], { concurrency: "unbounded" }))
      assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [1700, 2200])
    }))
})

describe("nested clocks", () => {
  const nested = (inner: Timeout.Clocks, outer: Timeout.Clocks) =>
    HttpPolicy.compose(Timeout.withClocks(inner), Timeout.withClocks(outer))

  it.effect("both see what is read", () =>
    Effect.gen(function*() {
      const answer = events([role, text("a"), ...pings(20)], { between: 500 })
      for (
        const [inner, outer] of [[{ progress: 4200 }, { idle: 1000 }], [{ idle: 1000 }, { progress: 4200 }]] as const
      ) {
        const actual = yield* outcome(nested(inner, outer), answer)
        assert.deepStrictEqual(actual, { ended: "progress", millis: 4700, text: "a", abortedAt: 4700, open: 0 })
      }
      const silent = events([role, text("a"), ping], { between: 500 })
      for (
        const [inner, outer] of [[{ progress: 4200 }, { idle: 1000 }], [{ idle: 1000 }, { progress: 4200 }]] as const
      ) {
        const actual = yield* outcome(nested(inner, outer), silent)
        assert.deepStrictEqual(actual, { ended: "idle", millis: 2000, text: "a", abortedAt: 2000, open: 0 })
      }
    }))

  it.effect("a busy consumer trips neither", () =>
    Effect.gen(function*() {
      const clocks = { idle: 1000, progress: 1000 }
      const answer = events(whole, { end: "complete" })
      const actual = yield* outcome(nested(clocks, clocks), answer, { busy: "1 minute" })
      assert.deepInclude(actual, { ended: "complete", text: "ab", millis: 120_000 })
    }))

  it.effect("a clock below the decoder takes no comment for content in the eyes of one above it", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({ p: events(pings(90), { between: 500 }) })
      for (const [index, phase] of (["firstContent", "progress"] as const).entries()) {
        const limited = client.pipe(
          Timeout.withClocks({ idle: 1000 }),
          Settle.settle(),
          Timeout.withClocks({ [phase]: 4200 })
        )
        const [exit, millis] = yield* withinTheHour(timed(Effect.flip(limited.execute(streamed))))
        assert.deepStrictEqual([Exit.isSuccess(exit) ? ending(exit.value) : "", millis], [phase, 4200])
        assert.strictEqual((yield* calls)[index]?.aborted, true)
      }
    }))

  it.effect("a clock below the decoder strikes too", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ p: events([role, text("a"), ping], { between: 500 }) })
      const limited = client.pipe(Timeout.withClocks({ idle: 1000 }), Settle.settle())
      const read = Effect.flatMap(limited.execute(streamed), (response) => Stream.runDrain(response.stream))
      const [exit, millis] = yield* withinTheHour(timed(Effect.flip(read)))
      assert.strictEqual(millis, 2000)
      const cause = Exit.isSuccess(exit) ? exit.value.cause : undefined
      assert.isTrue(cause instanceof RouterError.Timeout && cause.phase === "idle")
    }))

  it.effect("the time that a policy in between takes is nobody's silence, and no progress either", () =>
    Effect.gen(function*() {
      const slow = HttpPolicy.make((request, execute) =>
        Effect.map(execute(request), (response) =>
          StreamResponse.isStreamResponse(response)
            ? response.withBatches(Stream.tap(response.batches, () => Effect.sleep(700)))
            : response)
      )
      const { calls, client } = yield* Testing.makeTransport({ p: events([text("a"), ping], { between: 900 }) })
      const limited = client.pipe(Settle.settle(), slow, Timeout.withClocks({ idle: 1000, progress: 1500 }))
      const read = Effect.flatMap(limited.execute(streamed), (response) => Stream.runDrain(response.stream))
      const [exit, millis] = yield* withinTheHour(timed(Effect.flip(read)))
      // from 700 to 900 for the comment, from 1600 on for what never comes
      assert.deepStrictEqual([Exit.isSuccess(exit) && ending(exit.value), millis], ["idle", 2600])
      assert.strictEqual((yield* calls)[0]?.abortedAtMillis, 2600)
      const texts = yield* Testing.makeTransport({ p: events([text("a"), text("b")], { between: 900 }) })
      const again = texts.client.pipe(Settle.settle(), slow, Timeout.withClocks({ progress: 1000 }))
      const [, later] = yield* withinTheHour(timed(
        Effect.flip(Effect.flatMap(again.execute(streamed), (response) => Stream.runDrain(response.stream)))
      ))
      assert.strictEqual(later, 1600 + 1000)
    }))

  const inners: ReadonlyArray<readonly [name: string, inner: HttpPolicy.HttpPolicy<RouterError.Timeout>]> = [
    ["alone", HttpPolicy.identity],
    ["over another", Timeout.withIdleTimeout(900)]
  ]
  for (const [name, inner] of inners) {
    it.effect(`outside of a retry, ${name}, the waits between attempts are nobody's silence`, () =>
      Effect.gen(function*() {
        const failures = [
          Testing.status(503),
          events([role], { end: "reset" }),
          events([role], { end: "complete" }),
          json([], { end: "complete" })
        ]
        const { calls, client } = yield* Testing.makeTransport({
          p: [...failures, events(whole, { end: "complete" })]
        })
        const limited = client.pipe(
          Settle.settle(),
          inner,
          Retry.withRetry({ count: 4, backoff: Schedule.spaced("1 minute") }),
          Timeout.withClocks({ idle: 1000, progress: 1000 })
        )
        const [exit, millis] = yield* withinTheHour(timed(
          Effect.flatMap(limited.execute(streamed), (response) => Stream.runDrain(response.stream))
        ))
        assert.deepStrictEqual([exit, millis], [Exit.void, 240_000])
        assert.strictEqual((yield* calls).length, 5)
      }))
  }
})

describe("around a cache", () => {
  type Cached = HttpClient.HttpClient.With<
    RouterError.TargetError | HttpClientError.HttpClientError,
    ResponseCache.ResponseCache
  >
  const cached = ResponseCache.withCache({ ttl: "1 day" })
  const settledAndCached = (client: HttpClient.HttpClient): Cached => client.pipe(Settle.settle(), cached)
  const stalled = events([role, text("a"), ping], { between: 500 })
  const end = finish + done

  /** What a caller has of an answer in the end, and when. */
  const read = <E, R>(
    client: HttpClient.HttpClient.With<E, R>,
    options: { readonly request?: HttpClientRequest.HttpClientRequest; readonly busy?: Duration.DurationInput } = {}
  ) =>
    Effect.suspend(() => {
      let seen = ""
      type Read = Effect.Effect<void, RouterError.TargetError | HttpClientError.ResponseError>
      const response = Effect.flatMap(client.execute(options.request ?? streamed), (response): Read =>
        StreamResponse.isStreamResponse(response)
          ? Stream.runForEach(response.chunks, (chunk) => {
            const part = chunk.choices.map((choice) =>
              choice.delta.content ?? ""
            ).join("")
            seen += part
            return Effect.sleep(part === "" ? 0 : options.busy ?? 0)
          })
          : Effect.map(response.text, (body) => {
            seen = body
          }))
      return Effect.map(timed(response), ([exit, millis]) => {
        const ended = Exit.isSuccess(exit) ? "complete" : ending(Cause.squash(exit.cause))
        return { ended, millis, seen }
      })
    })

  const settled = (answer: Testing.Answer) =>
    Effect.map(Testing.makeTransport({ p: answer }), ({ calls, client, open }) => ({
      calls,
      client: settledAndCached(client),
      open
    }))

  const all = { firstByte: 1000, firstContent: 1000, idle: 1000, progress: 1000 }

  it.effect("a hit has nothing to wait for, however slow its consumer is", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* settled(events(whole, { end: "complete" }))
      const limited = Timeout.withClocks(all)(client)
      yield* withinTheHour(read(limited))
      const again = yield* withinTheHour(read(limited, { busy: "1 minute" }))
      assert.deepStrictEqual(again, { ended: "complete", millis: 60_000, seen: "ab" })
      assert.strictEqual((yield* calls).length, 1)
    }).pipe(withMemory))

  it.effect("a hit that is begun long after it was given is still there", () =>
    Effect.gen(function*() {
      const { client } = yield* settled(events(whole, { end: "complete" }))
      const limited = Timeout.withClocks(all)(client)
      yield* withinTheHour(read(limited))
      const response = yield* limited.execute(streamed)
      yield* TestClock.adjust("1 hour")
      assert.include(yield* withinTheHour(response.text), "ab")
    }).pipe(withMemory))

  it.effect("a miss flows however slow its consumer is, and however fast another one", () =>
    Effect.gen(function*() {
      const parts = [role, text("a"), text("b"), finish, done]
      const { calls, client } = yield* settled(events(parts, { between: 900, end: "complete" }))
      const limited = Timeout.withClocks({ ...all, firstContent: 1500 })(client)
      const ends = yield* withinTheHour(Effect.all([
        read(limited, { busy: "1 minute" }),
        read(limited),
        Effect.delay(read(limited, { busy: "2 minutes" }), 100)
      ], { concurrency: "unbounded" }))
      assert.deepStrictEqual(ends, [
        { ended: "complete", millis: 120_900, seen: "ab" },
        { ended: "complete", millis: 4 * 900, seen: "ab" },
        { ended: "complete", millis: 240_800, seen: "ab" }
      ])
      assert.strictEqual((yield* calls).length, 1)
    }).pipe(withMemory))

  it.effect("the silence that a fast consumer waits in is not that of a busy one", () =>
    Effect.gen(function*() {
      const { client, open } = yield* settled(events([role, text("a"), text("b"), end], {
        between: 20_000,
        end: "complete"
      }))
      const idle = Timeout.withClocks({ idle: 5000 })(client)
      // both wait in the same silence, before the first content
      const early = yield* withinTheHour(Effect.all([read(idle), read(client)], { concurrency: "unbounded" }))
      assert.deepStrictEqual(early.map(({ ended, millis }) => [ended, millis]), [["idle", 5000], ["complete", 60_000]])
      yield* Effect.provide(
        Effect.gen(function*() {
          const parts = events([text("a"), text("b"), end], { between: 20_000, end: "complete" })
          const { client } = yield* settled(parts)
          const ends = yield* withinTheHour(Effect.all([
            read(Timeout.withClocks({ idle: 5000 })(client), { busy: "1 minute" }),
            read(client)
          ], { concurrency: "unbounded" }))
          assert.deepStrictEqual(ends, [
            { ended: "complete", millis: 120_000, seen: "ab" },
            { ended: "complete", millis: 40_000, seen: "ab" }
          ])
        }),
        ResponseCache.layerMemory()
      )
      assert.strictEqual(yield* open, 0)
    }).pipe(withMemory))

  it.effect("one who joins is told that the headers and the content came before", () =>
    Effect.gen(function*() {
      const slow = events([role, ...pings(3), text("a"), text("b"), finish, done], {
        delay: 500,
        between: 800,
        end: "complete"
      })
      const { client } = yield* settled(slow)
      const ends = yield* withinTheHour(Effect.all([
        read(client),
        // while nothing but the headers has come
        Effect.delay(read(Timeout.withClocks({ firstByte: 1000, idle: 1000 })(client)), 600),
        // after the first content
        Effect.delay(read(Timeout.withClocks({ firstByte: 50, firstContent: 50, idle: 1000 })(client)), 3710)
      ], { concurrency: "unbounded" }))
      assert.deepStrictEqual(ends.map(({ ended, seen }) => [ended, seen]), Array(3).fill(["complete", "ab"]))
    }).pipe(withMemory))

  it.effect("whom a clock watches does not join a completion that none does, and is watched", () =>
    Effect.gen(function*() {
      const { calls, client, open } = yield* settled(json([...completion], { between: 2000, end: "complete" }))
      const request = { request: plain }
      const ends = yield* withinTheHour(Effect.all([
        read(client, request),
        read(client, request),
        Effect.delay(read(Timeout.withClocks({ idle: 1000 })(client), request), 500)
      ], { concurrency: "unbounded" }))
      assert.deepStrictEqual(ends.map(({ ended, seen }) => [ended, seen]), [
        ["complete", completion],
        ["complete", completion],
        ["idle", ""]
      ])
      assert.strictEqual((yield* calls).length, 2)
      assert.strictEqual(yield* open, 0)
    }).pipe(withMemory))

  it.effect("each who waits has its own clocks, which strike for it alone", () =>
    Effect.gen(function*() {
      const { calls, client, open } = yield* settled(stalled)
      const idle = (millis: number) => read(Timeout.withClocks({ idle: millis })(client))
      const ends = yield* withinTheHour(Effect.all([
        idle(9000),
        idle(2000),
        // joins between the content and the comment
        Effect.delay(read(Timeout.withClocks({ progress: 2000 })(client)), 700),
        // joins in the silence
        Effect.delay(idle(1000), 5000)
      ], { concurrency: "unbounded" }))
      assert.deepStrictEqual(ends.map(({ ended, millis }) => [ended, millis]), [
        ["idle", 1000 + 9000],
        ["idle", 1000 + 2000],
        ["progress", 2000],
        ["idle", 1000]
      ])
      assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [10_000])
      assert.strictEqual(yield* open, 0)
    }).pipe(withMemory))

  const policies: ReadonlyArray<readonly [name: string, policy: (client: HttpClient.HttpClient) => Cached]> = [
    ["settled", settledAndCached],
    ["not settled", cached]
  ]
  for (const [name, policy] of policies) {
    const request = plain

    it.effect(`a completion that is ${name}: a miss, one who joins it and a hit`, () =>
      Effect.gen(function*() {
        const parts = [completion.slice(0, 1), ...Array.from({ length: 8 }, () => " "), completion.slice(1)]
        const answer = json(parts, { delay: 900, between: 900, end: "complete" })
        const { calls, client } = yield* Testing.makeTransport({ p: answer })
        const limited = Timeout.withClocks({ firstByte: 1000, firstContent: 1000, idle: 1000 })(policy(client))
        const [miss, joined] = yield* withinTheHour(Effect.all([
          read(limited, { request }),
          Effect.delay(read(limited, { request }), 2000)
        ], { concurrency: "unbounded" }))
        const hit = yield* read(limited, { request })
        const seen = parts.join("")
        assert.deepStrictEqual([miss, joined, hit], [
          { ended: "complete", millis: 9000, seen },
          { ended: "complete", millis: 7000, seen },
          { ended: "complete", millis: 0, seen }
        ])
        assert.strictEqual((yield* calls).length, 1)
      }).pipe(withMemory))

    it.effect(`a completion that is ${name}: silence strikes whoever waits in it, each by its own clock`, () =>
      Effect.gen(function*() {
        const { calls, client, open } = yield* Testing.makeTransport({ p: json(["{"], { delay: 500 }) })
        const shared = policy(client)
        const [patient, joined, before] = yield* withinTheHour(Effect.all([
          read(Timeout.withClocks({ idle: 9000 })(shared), { request }),
          Effect.delay(read(Timeout.withClocks({ idle: 1000, firstByte: 50 })(shared), { request }), 2000),
          read(Timeout.withClocks({ idle: 1000, firstByte: 100 })(shared), { request })
        ], { concurrency: "unbounded" }))
        assert.deepStrictEqual([patient, joined, before].map(({ ended, millis }) => [ended, millis]), [
          ["idle", 9500],
          ["idle", 1000],
          ["firstByte", 100]
        ])
        assert.deepStrictEqual((yield* calls).map((call) => call.abortedAtMillis), [9500])
        assert.strictEqual(yield* open, 0)
      }).pipe(withMemory))
  }

  it.effect("who gives up waiting for it and tries again is not silent meanwhile", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({ p: [json(["{"]), json([completion], { end: "complete" })] })
      const limited = settledAndCached(client).pipe(
        Timeout.withCallTimeout(500),
        Retry.withRetry({ count: 1, onCodes: [504], backoff: Schedule.spaced("1 minute") }),
        Timeout.withClocks({ idle: 1000, progress: 1000 })
      )
      const { ended, millis } = yield* withinTheHour(read(limited, { request: plain }))
      assert.deepStrictEqual([ended, millis], ["complete", 60_500])
    }).pipe(withMemory))

  it.effect("who gives up while nobody waits has waited no longer than that", () =>
    Effect.gen(function*() {
      const { client } = yield* Testing.makeTransport({
        p: [Testing.status(503), json([completion], { delay: 500, end: "complete" })]
      })
      // unlike a timeout it is no deadline for what is inside
      const onTimeout = () => new RouterError.Timeout({ phase: "call", limit: Duration.seconds(30) })
      const impatient = HttpPolicy.make<RouterError.Timeout>((request, execute) =>
        Effect.timeoutFail(execute(request), { duration: "30 seconds", onTimeout })
      )
      const limited = client.pipe(
        Settle.settle(),
        Retry.withRetry({ count: 1, backoff: Schedule.spaced("1 minute") }),
        cached,
        impatient,
        Retry.withRetry({ count: 1, onCodes: [504], backoff: Schedule.spaced("1 minute") }),
        Timeout.withClocks({ idle: 1000, progress: 1000 })
      )
      const { ended, millis } = yield* withinTheHour(read(limited, { request: plain }))
      assert.deepStrictEqual([ended, millis], ["complete", 90_500])
    }).pipe(withMemory))

  it.effect("who joins an open stream does not wait before it reads", () =>
    Effect.gen(function*() {
      const { client } = yield* settled(events([text("a"), text("b"), text("c"), end], {
        between: 20_000,
        end: "complete"
      }))
      const late = HttpPolicy.make((request, execute) =>
        Effect.delay(execute(request), 0).pipe(Effect.tap(Effect.sleep(5000)))
      )
      const ends = yield* withinTheHour(Effect.all([
        read(client),
        Effect.delay(read(client.pipe(late, Timeout.withClocks({ idle: 1000 }))), 18_000),
        Effect.delay(read(client.pipe(late, Timeout.withClocks({ idle: 17_100 }))), 18_000)
      ], { concurrency: "unbounded" }))
      // the second begins to read at 23 s, and the next content comes at 40
      assert.deepStrictEqual(ends.map(({ ended, millis }) => [ended, millis]), [
        ["complete", 60_000],
        ["idle", 6000],
        ["idle", 22_000 + 17_100]
      ])
    }).pipe(withMemory))
})

describe("how they are built", () => {
  const names = ["call", "firstByte", "firstContent", "idle", "progress"] as const

  it("none, or only infinite ones, are the policy that changes nothing", () => {
    assert.strictEqual(Timeout.withClocks({}), HttpPolicy.identity)
    for (const name of names) {
      assert.strictEqual(Timeout.withClocks({ [name]: Infinity }), HttpPolicy.identity)
      assert.strictEqual(Timeout.withClocks({ [name]: undefined }), HttpPolicy.identity)
    }
    assert.strictEqual(Timeout.withFirstByteTimeout(Duration.infinity), HttpPolicy.identity)
    assert.strictEqual(Timeout.withFirstContentTimeout(Duration.infinity), HttpPolicy.identity)
    assert.strictEqual(Timeout.withIdleTimeout(Duration.infinity), HttpPolicy.identity)
    assert.strictEqual(Timeout.withProgressTimeout(Duration.infinity), HttpPolicy.identity)
  })

  it("a clock is a duration above 0, and the error names it", () => {
    for (const name of names) {
      for (const wrong of [0, -1, Number.NaN, -Infinity, Duration.zero, "0 seconds"] as const) {
        try {
          Timeout.withClocks({ [name]: wrong })
          assert.fail(`${name}: ${String(wrong)}`)
        } catch (error) {
          assert.instanceOf(error, RouterError.InvalidRequest)
          assert.strictEqual(error.path, name)
        }
      }
    }
  })

  it.effect("those with a name of their own are that clock", () =>
    Effect.gen(function*() {
      const alone = {
        firstByte: Timeout.withFirstByteTimeout,
        firstContent: Timeout.withFirstContentTimeout,
        idle: Timeout.withIdleTimeout,
        progress: Timeout.withProgressTimeout
      }
      for (const [phase, policy] of Object.entries(alone)) {
        const answer = phase === "firstByte" ? Testing.hang : events([])
        const actual = yield* outcome(policy("1 second"), answer)
        assert.deepStrictEqual([actual.ended, actual.millis, actual.open], [phase, 1000, 0])
      }
    }))

  it.effect("the error says what the clock was set to, and is the 504 that a retry looks for", () =>
    Effect.gen(function*() {
      const { calls, client } = yield* Testing.makeTransport({ p: [Testing.hang, events([]), events(whole)] })
      const start = yield* Clock.currentTimeMillis
      const limited = client.pipe(
        Settle.settle(),
        Timeout.withClocks({ firstByte: 1000, idle: "3 seconds" }),
        Retry.withRetry({ count: 1, onCodes: [504], backoff: Schedule.spaced("1 second") })
      )
      const [exit, millis] = yield* withinTheHour(timed(Effect.flip(limited.execute(streamed))))
      assert.isTrue(Exit.isSuccess(exit) && exit.value instanceof RouterError.Timeout)
      if (Exit.isSuccess(exit) && exit.value instanceof RouterError.Timeout) {
        assert.deepStrictEqual([exit.value.phase, Duration.toMillis(exit.value.limit)], ["idle", 3000])
        assert.include(exit.value.message, "idle timeout of 3s")
      }
      assert.deepStrictEqual([start, millis], [0, 5000])
      assert.deepStrictEqual((yield* calls).map((call) => [call.startedAtMillis, call.abortedAtMillis]), [
        [0, 1000],
        [2000, 5000]
      ])
    }))
})
