import { assert, describe, it } from "@effect/vitest"
import type { Duration } from "effect"
import { Clock, Effect, Either, Exit, Redacted, Schedule, Stream } from "effect"
import { ChatCompletions, ChatRequest, RouterDefaults, RouterError } from "effect-llm-router"
import * as Testing from "effect-llm-router/Testing"
import { event, events, finish, ping, role, text } from "./support/policies.js"
import { elapse, isHosted, messages, scripted, targets } from "./support/router.js"

const hello = Testing.stream(["Hel", "lo"])

interface Outcome {
  readonly text: string
  /** How often each chunk came, by the time it came. */
  readonly at: ReadonlyArray<readonly [millis: number, text: string]>
  readonly error: RouterError.RouterError | undefined
  readonly millis: number
  readonly outcomes: ReadonlyArray<string>
}

/** What a caller of `stream` sees, who is busy for some time with each content. */
const stream = (request: ChatRequest.ChatRequest, busy: Duration.DurationInput = 0) =>
  elapse(Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    const at: Array<readonly [number, string]> = []
    let outcomes: ReadonlyArray<string> = []
    const exit = yield* Effect.either(Stream.runForEach(ChatCompletions.stream(request), (chunk) =>
      Effect.gen(function*() {
        const part = chunk.choices[0]?.delta.content ?? ""
        outcomes = chunk.route.attempts.map((attempt) => attempt.outcome)
        if (part !== "") {
          at.push([(yield* Clock.currentTimeMillis) - start, part])
          yield* Effect.sleep(busy)
        }
      })))
    const error = Either.isLeft(exit) ? exit.left : undefined
    return {
      at,
      text: at.map(([, part]) =>
        part
      ).join(""),
      error,
      millis: (yield* Clock.currentTimeMillis) - start,
      outcomes: error?.route?.attempts.map((attempt) => attempt.outcome) ?? outcomes
    } satisfies Outcome
  }))

const create = (request: ChatRequest.ChatRequest) =>
  elapse(Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    const result = yield* Effect.either(ChatCompletions.create(request))
    return { result, millis: (yield* Clock.currentTimeMillis) - start }
  }))

const allClosed = Effect.map(Testing.open, (open) => assert.strictEqual(open, 0))

const phaseOf = (error: RouterError.RouterError | undefined): string | undefined => {
  const cause = error?._tag === "StreamInterrupted" ? error.cause : error
  return cause?._tag === "Timeout" ? cause.phase : cause?._tag
}

describe("clocks of a request", () => {
  const timeout = {
    firstByteTimeout: 1000,
    firstContentTimeout: 2000,
    idleTimeout: 1500,
    progressTimeout: 1800,
    callTimeout: 10_500
  }

  for (
    const [phase, at, answer] of [
      ["firstByte", 1000, Testing.hang],
      ["firstContent", 2000, events([role, ...Array.from({ length: 40 }, () => role)], { between: 100 })],
      ["idle", 1500, events([role], { end: "stall" })],
      ["progress", 1800, events([role, ...Array.from({ length: 40 }, () => ping)], { between: 100 })]
    ] as const
  ) {
    it.effect(`${phase} before the commit: retried, failed over, and each upstream is closed at that moment`, () =>
      Effect.gen(function*() {
        const { outcomes, text } = yield* stream({
          model: "a/x",
          messages,
          timeout,
          retry: { count: 1, onCodes: [504] },
          fallbacks: [{ model: "b/x" }]
        })
        assert.strictEqual(text, "Hello")
        assert.deepStrictEqual(outcomes, ["Timeout", "Timeout", "success"])
        const calls = yield* Testing.calls
        assert.deepStrictEqual(
          calls.map(({ abortedAtMillis, startedAtMillis, target }) => [
            target,
            abortedAtMillis === undefined ? undefined : abortedAtMillis - startedAtMillis
          ]),
          [["a/x", at], ["a/x", at], ["b/x", undefined]]
        )
        yield* allClosed
      }).pipe(Effect.provide(scripted({ "a/x": answer, "b/x": hello }))))

    it.effect(`${phase} is not retried when 504 is not listed`, () =>
      Effect.gen(function*() {
        const { error } = yield* stream({ model: "a/x", messages, timeout, retry: { count: 1, onCodes: [503] } })
        assert.strictEqual(phaseOf(error), phase)
        assert.deepStrictEqual(yield* targets, ["a/x"])
      }).pipe(Effect.provide(scripted({ "a/x": answer }))))
  }

  for (
    const [phase, at, answer] of [
      ["idle", 2500, events([role, text("Hel")], { between: 1000, end: "stall" })],
      ["progress", 2800, events([role, text("Hel"), ...Array.from({ length: 9 }, () => ping)], { between: 1000 })],
      ["call", 10_500, events([role, ...[..."Helooooooooooo"].map(text)], { between: 1000 })]
    ] as const
  ) {
    it.effect(`${phase} after the commit ends the stream, with the clock and the text so far`, () =>
      Effect.gen(function*() {
        const { error, millis, text } = yield* stream({
          model: "a/x",
          messages,
          timeout,
          retry: { count: 3 },
          fallbacks: [{ model: "b/x" }]
        })
        assert.strictEqual(error?._tag, "StreamInterrupted")
        assert.deepStrictEqual([phaseOf(error), millis], [phase, at])
        if (error?._tag === "StreamInterrupted") {
          assert.strictEqual(Redacted.value(error.partial).choices[0]?.message.content, text)
          assert.isTrue(text.startsWith("Hel"))
          assert.strictEqual(error.target, "a/x")
        }
        const calls = yield* Testing.calls
        assert.deepStrictEqual(calls.map((call) => [call.target, call.abortedAtMillis]), [["a/x", at]])
        yield* allClosed
      }).pipe(Effect.provide(scripted({ "a/x": answer, "b/x": hello }))))
  }

  it.effect("a slow consumer trips none but those of the whole attempt and call", () =>
    Effect.gen(function*() {
      const { callTimeout: _, ...others } = timeout
      const patient = yield* stream({ model: "a/x", messages, timeout: others }, "1 minute")
      assert.deepStrictEqual([patient.text, patient.millis], ["Hello", 120_000])
      const limited = yield* stream({ model: "b/x", messages, timeout }, "1 minute")
      assert.strictEqual(phaseOf(limited.error), "call")
      yield* allClosed
    }).pipe(Effect.provide(scripted({
      "a/x": hello,
      "b/x": Testing.stream(["Hel", "lo"], { cut: { after: 3, how: "stall" } })
    }))))

  for (
    const [phase, at, answer] of [
      ["firstByte", 1000, Testing.hang],
      ["firstContent", 2000, events(Array.from({ length: 40 }, () => "\n"), { between: 100 })],
      ["idle", 1500, events(["{"], { end: "stall" })],
      ["progress", 1800, events(["{", ..."\n".repeat(40)], { between: 100 })]
    ] as const
  ) {
    it.effect(`${phase} of a completion is retried and failed over`, () =>
      Effect.gen(function*() {
        const { result } = yield* create({
          model: "a/x",
          messages,
          timeout: phase === "firstContent" ? { ...timeout, progressTimeout: 2100 } : timeout,
          retry: { count: 1 },
          fallbacks: [{ model: "b/x" }]
        })
        assert.strictEqual(Either.getOrThrow(result).choices[0]?.message.content, "Hello")
        const calls = yield* Testing.calls
        assert.deepStrictEqual(
          calls.map(({ abortedAtMillis = NaN, startedAtMillis }) => abortedAtMillis - startedAtMillis),
          [at, at, NaN]
        )
        yield* allClosed
      }).pipe(Effect.provide(scripted({
        "a/x": answer,
        "b/x": Testing.completion("Hello")
      }))))
  }

  it.effect("each attempt has its own clocks, and the total is for all of them and the waits between", () =>
    Effect.gen(function*() {
      const request = { model: "a/x", messages, retry: { count: 5 }, timeout: { firstByteTimeout: 1000 } }
      const { error, millis } = yield* stream({ ...request, timeout: { ...request.timeout, totalTimeout: 4500 } })
      // 1 s, a wait of 1 s, 1 s; the wait of 2 s that would end after the total is not begun
      assert.deepStrictEqual([phaseOf(error), millis], ["firstByte", 3000])
      const long = yield* stream({ ...request, timeout: { firstByteTimeout: 9000, totalTimeout: 4500 } })
      assert.deepStrictEqual([phaseOf(long.error), long.millis], ["DeadlineExceeded", 4500])
      yield* allClosed
    }).pipe(Effect.provide(
      scripted({ "a/x": Testing.hang }, undefined, { backoff: Schedule.fromDelays(1000, 2000, 4000) })
    )))

  it.effect("the total covers the stream, also while the consumer is busy", () =>
    Effect.gen(function*() {
      const request = { model: "a/x", messages, timeout: { totalTimeout: 2500, idleTimeout: 2000 } }
      const { error, millis, text } = yield* stream(request)
      assert.deepStrictEqual([error?._tag, phaseOf(error), millis, text], [
        "StreamInterrupted",
        "DeadlineExceeded",
        2500,
        "Hel"
      ])
      const busy = yield* stream(request, "1 minute")
      assert.deepStrictEqual([phaseOf(busy.error), busy.text], ["DeadlineExceeded", "Hel"])
      const calls = yield* Testing.calls
      assert.deepStrictEqual(
        calls.map(({ abortedAtMillis = NaN, startedAtMillis }) => abortedAtMillis - startedAtMillis),
        [2500, 2500]
      )
      yield* allClosed
    }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(["Hel", "lo"], { between: 1400 }) }))))

  it.effect("the total counts what fallbacks take, and no target is begun after it", () =>
    Effect.gen(function*() {
      const { millis, result } = yield* create({
        model: "a/x",
        messages,
        timeout: { firstByteTimeout: 1000, totalTimeout: 1500 },
        fallbacks: [{ model: "b/x" }, { model: "c/x" }]
      })
      assert.strictEqual(Either.isLeft(result) && result.left._tag, "DeadlineExceeded")
      assert.strictEqual(millis, 1500)
      assert.deepStrictEqual(yield* targets, ["a/x", "b/x"])
      yield* allClosed
    }).pipe(Effect.provide(scripted({ "*": Testing.hang, "a": Testing.hang, "b": Testing.hang, "c": hello }))))
})

describe("clocks of a request, as fields", () => {
  const fields = [
    ["callTimeout", "call_timeout"],
    ["firstByteTimeout", "first_byte_timeout"],
    ["firstContentTimeout", "first_content_timeout"],
    ["idleTimeout", "idle_timeout"],
    ["progressTimeout", "progress_timeout"],
    ["totalTimeout", "total_timeout"]
  ] as const

  for (const [name, wire] of fields) {
    it(`${name} alone is valid, from 1 ms, and is ${wire} on the wire`, () => {
      const request = { model: "a/x", messages, timeout: { [name]: 1 } }
      assert.isTrue(Either.isRight(ChatRequest.validate(request)))
      const json = ChatRequest.toWire(request)
      assert.deepStrictEqual(json.timeout, { [wire]: 1 })
      assert.deepStrictEqual(Either.getOrThrow(ChatRequest.fromWire(json)).timeout, { [name]: 1 })
      const enveloped = { model: "a/x", messages, orq: { timeout: { [wire]: 7 } } }
      assert.deepStrictEqual(ChatRequest.routing(Either.getOrThrow(ChatRequest.fromWire(enveloped))).timeout, {
        [name]: 7
      })
      for (const wrong of [0, 0.5, -1, Number.NaN, Infinity, "1", null]) {
        const error = ChatRequest.validate({ ...request, timeout: { callTimeout: 1, [name]: wrong } })
        assert.strictEqual(Either.isLeft(error) && error.left.path, `timeout.${name}`, String(wrong))
        const onWire = ChatRequest.fromWire({ ...json, timeout: { [wire]: wrong } })
        assert.strictEqual(Either.isLeft(onWire) && onWire.left.path, `timeout.${wire}`, String(wrong))
      }
    })
  }

  it.effect("no clock at all is a wrong request, found before any call", () =>
    Effect.gen(function*() {
      for (const timeout of [{}, { callTimeout: undefined }]) {
        const { result } = yield* create({ model: "a/x", messages, timeout })
        assert.isTrue(Either.isLeft(result) && result.left._tag === "InvalidRequest")
        if (Either.isLeft(result) && result.left._tag === "InvalidRequest") {
          assert.strictEqual(result.left.path, "timeout.callTimeout")
        }
      }
      assert.deepStrictEqual(yield* targets, [])
    }).pipe(Effect.provide(scripted({ "a/x": hello }))))

  it.effect("nothing of it goes to the provider", () =>
    Effect.gen(function*() {
      yield* stream({ model: "a/x", messages, timeout: { idleTimeout: 1 }, commit: "whole" })
      const [call] = yield* Testing.calls
      assert.doesNotHaveAnyKeys(call?.body, ["timeout", "commit"])
    }).pipe(Effect.provide(scripted({ "a/x": hello }))))
})

describe("clocks by default", () => {
  const silent = events([role], { end: "stall" })

  it.effect("are merged clock by clock, and the request wins", () =>
    Effect.gen(function*() {
      const ends = (timeout?: ChatRequest.ChatRequest["timeout"]) =>
        Effect.map(stream({ model: "a/x", messages, timeout }), ({ error, millis }) => [phaseOf(error), millis])
      assert.deepStrictEqual(yield* ends(), ["idle", 3000])
      assert.deepStrictEqual(yield* ends({ callTimeout: 5000 }), ["idle", 3000])
      assert.deepStrictEqual(yield* ends({ callTimeout: 2000 }), ["call", 2000])
      assert.deepStrictEqual(yield* ends({ idleTimeout: 7000 }), ["progress", 4000])
      assert.deepStrictEqual(yield* ends({ idleTimeout: 7000, progressTimeout: 8000 }), ["idle", 7000])
      assert.deepStrictEqual(yield* ends({ idleTimeout: 9000, progressTimeout: 9000 }), ["DeadlineExceeded", 8500])
    }).pipe(
      Effect.provide(scripted({ "a/x": silent })),
      Effect.provide(RouterDefaults.layer({
        timeout: { idleTimeout: 3000, progressTimeout: 4000, totalTimeout: 8500 }
      }))
    ))

  it("are bounded like those of a request", () => {
    for (
      const [timeout, path] of [
        [{ idleTimeout: 0 }, "timeout.idleTimeout"],
        [{ progressTimeout: Number.NaN }, "timeout.progressTimeout"],
        [{}, "timeout.callTimeout"]
      ] as const
    ) {
      try {
        RouterDefaults.layer({ timeout })
        assert.fail(path)
      } catch (error) {
        assert.instanceOf(error, RouterError.InvalidRequest)
        assert.strictEqual(error.path, path)
      }
    }
  })
})

describe("commit: whole", () => {
  const request: ChatRequest.ChatRequest = {
    model: "a/x",
    messages,
    commit: "whole",
    retry: { count: 1, onCodes: [429, 502, 504] },
    fallbacks: [{ model: "b/x" }]
  }
  const letters = (count: number) => Array.from({ length: count }, (_, index) => text(`${index},`))

  for (const tokens of [0, 1, 2, 500]) {
    const parts = [role, ...letters(tokens)]
    for (
      const [name, answer, outcome] of [
        ["a clean end", events(parts), "StreamTruncated"],
        ["a reset", events(parts, { end: "reset" }), "Transport"],
        ["a stall", events(parts, { end: "stall" }), "Timeout"],
        ["an error event", events([...parts, event({ error: { code: 429, message: "slow" } })]), "RateLimited"],
        ["a malformed event", events([...parts, "data: {\"choices\":[{\n\n", finish]), "BadResponse"],
        ["an end in the middle of an event", events([...parts, finish.slice(0, 20)]), "StreamTruncated"]
      ] as const
    ) {
      it.effect(`${name} after ${tokens} tokens is retried and failed over; the caller sees one whole answer`, () =>
        Effect.gen(function*() {
          const { at, error, outcomes, text } = yield* stream({ ...request, timeout: { idleTimeout: 1000 } })
          assert.strictEqual(error, undefined)
          assert.deepStrictEqual([text, at.length], ["Hello", 2])
          assert.deepStrictEqual(outcomes, [outcome, outcome, "success"])
          assert.deepStrictEqual(yield* targets, ["a/x", "a/x", "b/x"])
          yield* allClosed
        }).pipe(Effect.provide(scripted({ "a/x": answer, "b/x": hello }))))
    }
  }

  it.effect("nothing is handed over before the end, and then all of it, each chunk once and in order", () =>
    Effect.gen(function*() {
      const { at, millis, text } = yield* stream(request)
      assert.deepStrictEqual([at.length, at.every(([millis]) => millis === 201_000)], [200, true])
      assert.strictEqual(text, Array.from({ length: 200 }, (_, index) => `${index},`).join(""))
      assert.strictEqual(millis, 201_000)
      yield* allClosed
    }).pipe(Effect.provide(scripted({
      "a/x": events([role, ...letters(200), finish], { between: 1000 }),
      "b/x": Testing.hang
    }))))

  it.effect("a complete answer is the same as with any other commit, usage included", () =>
    Effect.gen(function*() {
      const collect = (commit: ChatRequest.ChatRequest["commit"]) =>
        Effect.map(
          Stream.runCollect(ChatCompletions.stream({ model: "a/x", messages, commit })),
          (chunks) => [...chunks].map(({ route: _, ...chunk }) => chunk)
        )
      const chunks = yield* collect("whole")
      assert.deepStrictEqual(chunks, yield* collect("firstContent"))
      assert.deepStrictEqual(chunks, yield* collect(undefined))
      assert.deepStrictEqual([chunks.length, chunks.at(-1)?.usage], [5, { totalTokens: 3 }])
    }).pipe(Effect.provide(scripted({ "a/x": Testing.stream(["Hel", "lo"], { usage: { total_tokens: 3 } }) }))))

  it.effect("an answer that is complete before its connection breaks is whole", () =>
    Effect.gen(function*() {
      const { text } = yield* stream(request)
      assert.strictEqual(text, "0,1,")
      assert.deepStrictEqual(yield* targets, ["a/x"])
    }).pipe(Effect.provide(scripted({
      "a/x": events([role, ...letters(2), finish], { end: "reset" }),
      "b/x": Testing.hang
    }))))

  it.effect("when all fail, the error is that of an attempt, and the caller has seen nothing", () =>
    Effect.gen(function*() {
      const { error, text } = yield* stream({ model: "a/x", messages, commit: "whole" })
      assert.deepStrictEqual([error?._tag, text], ["StreamTruncated", ""])
    }).pipe(Effect.provide(scripted({ "a/x": events([role, ...letters(9)]) }))))

  it.effect("the clocks and the total run meanwhile", () =>
    Effect.gen(function*() {
      const drip = { model: "a/x", messages, commit: "whole" } as const
      const call = yield* stream({ ...drip, timeout: { callTimeout: 5500, firstContentTimeout: 1500 } })
      assert.deepStrictEqual([call.error?._tag, phaseOf(call.error), call.millis], ["Timeout", "call", 5500])
      const total = yield* stream({ ...drip, timeout: { totalTimeout: 5500 } })
      assert.deepStrictEqual([total.error?._tag, total.millis, total.text], ["DeadlineExceeded", 5500, ""])
      yield* allClosed
    }).pipe(Effect.provide(scripted({ "a/x": events([role, ...letters(100)], { between: 1000 }) }))))

  it.effect("what it holds is limited: an answer without an end is too large", () =>
    Effect.gen(function*() {
      const { error, outcomes, text } = yield* stream({ model: "a/x", messages, commit: "whole", retry: { count: 1 } })
      assert.deepStrictEqual([error?._tag, text], ["ResponseTooLarge", ""])
      assert.deepStrictEqual(outcomes, ["ResponseTooLarge"])
      const [call] = yield* Testing.calls
      assert.isTrue(call?.aborted)
      yield* allClosed
    }).pipe(Effect.provide(scripted(
      { "a/x": events(letters(1000), { between: 10, end: "stall" }) },
      undefined,
      { limits: { responseBytes: 10_000 } }
    ))))

  it.effect("as a default; a request that says otherwise wins", () =>
    Effect.gen(function*() {
      const { commit: _, ...unsaid } = request
      assert.strictEqual((yield* stream(unsaid)).text, "Hello")
      const own = yield* stream({ ...unsaid, commit: "firstContent" })
      assert.deepStrictEqual([own.error?._tag, own.text], ["StreamInterrupted", "0,1,"])
    }).pipe(
      Effect.provide(RouterDefaults.layer({ commit: "whole" })),
      Effect.provide(scripted({ "a/x": events([role, ...letters(2)]), "b/x": hello }))
    ))

  it("is the same word on the wire, and no other", () => {
    const json = { model: "a/x", messages, commit: "whole" }
    const decoded = Either.getOrThrow(ChatRequest.fromWire(json))
    assert.strictEqual(decoded.commit, "whole")
    assert.deepInclude(ChatRequest.toWire(decoded), { commit: "whole" })
    for (const wrong of ["first_content", "never", 1, null]) {
      const error = ChatRequest.validate({ ...json, commit: wrong })
      assert.strictEqual(Either.isLeft(error) && error.left.path, "commit")
    }
    assert.throws(() => RouterDefaults.layer(JSON.parse("{\"commit\":\"never\"}")), RouterError.InvalidRequest)
  })

  it.effect("changes nothing for a completion", () =>
    Effect.gen(function*() {
      const { result } = yield* create({ model: "a/x", messages, commit: "whole" })
      assert.isTrue(Either.isRight(result))
    }).pipe(Effect.provide(scripted({ "a/x": Testing.completion("Hello") }))))

  it.effect("a caller who leaves closes the upstream of what is held", () =>
    Effect.gen(function*() {
      const exit = yield* elapse(Effect.exit(Effect.timeout(
        Stream.runDrain(ChatCompletions.stream({ model: "a/x", messages, commit: "whole" })),
        "5 seconds"
      )))
      assert.isTrue(Exit.isFailure(exit))
      const [call] = yield* Testing.calls
      assert.strictEqual(call?.abortedAtMillis, 5000)
      yield* allClosed
    }).pipe(Effect.provide(scripted({ "a/x": events([role, ...letters(2)], { end: "stall" }) }))))
})

describe("limits by default", () => {
  const layer = (limits: NonNullable<RouterDefaults.Defaults["limits"]>, answer: Testing.Answer) =>
    scripted({ "a/x": answer }, undefined, { limits })

  const tooLarge = (limits: NonNullable<RouterDefaults.Defaults["limits"]>, answer: Testing.Answer) =>
    Effect.gen(function*() {
      const { error } = yield* stream({ model: "a/x", messages })
      const { result } = yield* create({ model: "a/x", messages })
      yield* allClosed
      return [
        error?._tag === "StreamInterrupted" ? error.cause : error,
        Either.isLeft(result) ? result.left : undefined
      ]
        .map((error) => error?._tag === "ResponseTooLarge" ? [error.limit, error.maximum] : error?._tag)
    }).pipe(Effect.provide(layer(limits, answer)))

  it.effect("hold for streams and for completions", () =>
    Effect.gen(function*() {
      const any = (body: string) => Testing.raw({ headers: {}, body })
      const completion = JSON.stringify({ choices: [{ index: 0, message: { content: "x".repeat(1000) } }] })
      assert.deepStrictEqual(yield* tooLarge({ responseBytes: 900 }, any(`data: ${completion}\n\n`)), [
        ["bytes", 900],
        ["bytes", 900]
      ])
      const [inStream] = yield* tooLarge({ eventBytes: 900 }, any(`data: ${completion}\n\n`))
      assert.deepStrictEqual(inStream, ["eventBytes", 900])
      const deep = JSON.stringify({ choices: [], x: [[[[]]]] })
      const [ofEvent] = yield* tooLarge({ jsonDepth: 4 }, any(`data: ${deep}\n\n`))
      assert.deepStrictEqual(ofEvent, ["depth", 4])
      const [, ofBody] = yield* tooLarge({ jsonDepth: 4 }, any(deep))
      assert.deepStrictEqual(ofBody, ["depth", 4])
    }))

  // what a provider wrote does not pass a gateway
  it.effect.skipIf(isHosted)("of the body of an error keep a part of it", () =>
    Effect.gen(function*() {
      const { error } = yield* stream({ model: "a/x", messages })
      assert.strictEqual(error?._tag, "Unavailable")
      if (error?._tag === "Unavailable") {
        assert.strictEqual(error.body && Redacted.value(error.body), "x".repeat(100))
      }
      yield* allClosed
    }).pipe(Effect.provide(layer({ errorBodyBytes: 100 }, Testing.raw({ status: 503, body: "x".repeat(1000) })))))

  it("are named when they are wrong", () => {
    for (const name of ["responseBytes", "eventBytes", "errorBodyBytes", "jsonDepth"] as const) {
      for (const wrong of [0, -1, Number.NaN]) {
        try {
          RouterDefaults.layer({ limits: { [name]: wrong } })
          assert.fail(name)
        } catch (error) {
          assert.instanceOf(error, RouterError.InvalidRequest)
          assert.strictEqual(error.path, `limits.${name}`)
        }
      }
    }
  })
})
