import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import type * as Chunk from "../../src/wire/Chunk.js"
import * as ChunkDecoder from "../../src/wire/ChunkDecoder.js"
import * as Limits from "../../src/wire/Limits.js"
import * as Sse from "../../src/wire/Sse.js"

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

const event = (json: unknown): string => `data: ${typeof json === "string" ? json : JSON.stringify(json)}\n\n`

const choice = (delta: unknown, finishReason: string | null = null, index = 0) => ({
  choices: [{ index, delta, finish_reason: finishReason }]
})

const role = event(choice({ role: "assistant", content: "" }))
const text = (content: string, index = 0) => event(choice({ content }, null, index))
const finish = (index = 0, reason = "stop") => event(choice({}, reason, index))
const usage = event({ choices: [], usage: { total_tokens: 3 } })
const done = "data: [DONE]\n\n"

const contentOf = (chunks: ReadonlyArray<Chunk.Chunk>): string =>
  chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? "")).join("")

/** Everything that can be seen of a decoder after these bytes. */
const decode = (slices: ReadonlyArray<Uint8Array>, options?: ChunkDecoder.Options) => {
  const decoder = ChunkDecoder.make(options)
  const chunks = slices.flatMap((slice) => decoder.feed(slice))
  chunks.push(...decoder.end())
  const { complete, done, problem } = decoder
  return { chunks, complete, done, problem }
}

const read = (parts: ReadonlyArray<string>, options?: ChunkDecoder.Options) =>
  decode([bytesOf(parts.join(""))], options)

const problemOf = (...parts: ReadonlyArray<string>) => read(parts).problem?._tag

describe("whether an answer is complete", () => {
  it("is: a finish reason and [DONE]", () => {
    const result = read([role, text("Hel"), text("lo"), finish(), done])
    assert.strictEqual(result.problem, undefined)
    assert.isTrue(result.complete)
    assert.isTrue(result.done)
    assert.strictEqual(contentOf(result.chunks), "Hello")
    assert.lengthOf(result.chunks, 4)
  })

  it("is: a finish reason, without [DONE]", () => {
    assert.strictEqual(problemOf(role, text("Hello"), finish()), undefined)
  })

  it("is: a finish reason in the chunk of the last content, or before it", () => {
    assert.strictEqual(problemOf(event(choice({ content: "Hello" }, "stop"))), undefined)
    assert.strictEqual(problemOf(text("Hel"), finish(), text("lo"), done), undefined)
  })

  it("is: any finish reason that is a word", () => {
    for (const reason of ["length", "content_filter", "tool_calls", "eos"]) {
      assert.strictEqual(problemOf(text("Hello"), finish(0, reason)), undefined)
    }
  })

  it("is not: a clean end without a finish reason, with or without [DONE]", () => {
    assert.strictEqual(problemOf(role, text("Hello")), "Truncated")
    assert.strictEqual(problemOf(role, text("Hello"), usage), "Truncated")
    assert.strictEqual(problemOf(role, text("Hello"), done), "Truncated")
    assert.strictEqual(problemOf(text("Hello"), finish(0, "")), "Truncated")
  })

  it("is: [DONE] without a finish reason, where that is how the provider ends", () => {
    const options = { doneTerminates: true }
    assert.strictEqual(read([role, text("Hello"), done], options).problem, undefined)
    assert.strictEqual(read([role, text("Hello")], options).problem?._tag, "Truncated")
    assert.strictEqual(read([done], options).problem?._tag, "Empty")
    assert.strictEqual(read([text("Hello"), "data: [DONE]"], options).problem, undefined)
  })

  it("every choice that was seen needs its own finish reason", () => {
    const two = [text("a", 0), text("b", 1)]
    assert.strictEqual(problemOf(...two, finish(0)), "Truncated")
    assert.strictEqual(problemOf(...two, finish(1)), "Truncated")
    assert.strictEqual(problemOf(...two, finish(1), finish(0)), undefined)
    assert.strictEqual(problemOf(text("a"), finish(0), text("b", 1), done), "Truncated")
    assert.strictEqual(
      problemOf(event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }, { index: 1, delta: {} }] })),
      "Truncated"
    )
  })

  it("a finish reason is not taken back by a chunk without one", () => {
    assert.strictEqual(problemOf(text("a"), finish(), event(choice({ content: "" })), done), undefined)
  })

  it("an answer without any choice is empty", () => {
    assert.strictEqual(problemOf(""), "Empty")
    assert.strictEqual(problemOf(done), "Empty")
    assert.strictEqual(problemOf(usage, usage, done), "Empty")
    assert.strictEqual(problemOf(": ping\n\n", ": ping\n\n"), "Empty")
    assert.strictEqual(problemOf("<html><body>Bad gateway</body></html>"), "Empty")
  })

  it("a last event that no blank line ends counts", () => {
    assert.strictEqual(problemOf(text("Hello"), finish().trimEnd()), undefined)
    assert.strictEqual(problemOf(text("Hello"), finish().trimEnd().slice(0, -1)), "Truncated")
  })

  it("`complete` is known as soon as it is so", () => {
    const decoder = ChunkDecoder.make()
    assert.isFalse(decoder.complete)
    decoder.feed(bytesOf(text("Hello")))
    assert.isFalse(decoder.complete)
    decoder.feed(bytesOf(finish()))
    assert.isTrue(decoder.complete)
    assert.isFalse(decoder.done)
  })
})

describe("after [DONE]", () => {
  it("nothing belongs to the answer, in the same read or in another", () => {
    const parts = [text("Hello"), finish(), done]
    const after = [event({ choices: [], cost: "0" }), text("more"), "data: {\n\n", event({ error: { code: 500 } })]
    assert.deepStrictEqual(read([...parts, ...after]), read(parts))
    assert.deepStrictEqual(decode([...parts, ...after].map(bytesOf)), read(parts))
  })

  it("nothing is mended either", () => {
    assert.strictEqual(problemOf(text("Hello"), done, finish()), "Truncated")
  })

  it("the verdict is there without waiting for the end", () => {
    const decoder = ChunkDecoder.make()
    decoder.feed(bytesOf(`${text("Hello")}${done}`))
    assert.isTrue(decoder.done)
    assert.strictEqual(decoder.problem?._tag, "Truncated")
  })
})

describe("errors that arrive as events", () => {
  const forms: Readonly<Record<string, string>> = {
    "an event that is only an error": event({ error: { message: "m", code: "rate_limit_exceeded" } }),
    "the event type `error` (Groq)":
      `event: error\ndata: {"error":{"message":"m","type":"server_error","status_code":500}}\n\n`,
    "the event type `error` around another form": `event: error\ndata: {"type":"overloaded_error"}\n\n`,
    "the event type `error` around plain text": "event: error\ndata: upstream failed\n\n",
    "an error beside empty choices": event({ id: "1", choices: [], error: { message: "m", code: 502 } }),
    "an error beside a finish reason (OpenRouter)": event({
      ...choice({ content: "" }, "stop"),
      native_finish_reason: "MALFORMED_FUNCTION_CALL",
      error: { message: "m", code: 502 }
    }),
    "an error in a choice": event({ choices: [{ index: 0, delta: {}, error: { message: "m", code: 502 } }] }),
    "an error beside details (OpenAI audio)": event({ error: "failed", detail: "d" }),
    "an error that is a text": event({ error: "overloaded" })
  }

  for (const [name, form] of Object.entries(forms)) {
    it(`${name}: after the chunks before it`, () => {
      for (const rest of ["", done, `${text("more")}${finish()}${done}`]) {
        const { chunks, problem } = read([role, text("Hel"), form, rest])
        assert.strictEqual(problem?._tag, "Error")
        assert.strictEqual(contentOf(chunks), "Hel")
      }
    })

    it(`${name}: as the first event`, () => {
      const { chunks, problem } = read([form, finish(), done])
      assert.strictEqual(problem?._tag, "Error")
      assert.deepStrictEqual(chunks, [])
    })
  }

  it("an `error:` field line (gpustack) is nothing to the grammar: the missing finish reason tells", () => {
    assert.strictEqual(problemOf(text("Hel"), "error: {\"code\": 500}\n\n"), "Truncated")
    assert.strictEqual(problemOf("error: {\"code\": 500}\n\n"), "Empty")
  })

  it("`error: null` is none", () => {
    assert.strictEqual(problemOf(event({ ...choice({ content: "a" }, "stop"), error: null })), undefined)
  })

  it("an empty event of the type `error` is none", () => {
    assert.strictEqual(problemOf(text("a"), "event: error\ndata:\n\n", finish()), undefined)
  })
})

describe("what is no chunk", () => {
  it("is malformed, and nothing of it is in the reason", () => {
    for (
      const data of [
        "secret text",
        "{\"choices\": [",
        "\"secret\"",
        "[]",
        "42",
        "null",
        "{\"choices\": \"secret\"}",
        "{\"choices\": [1]}",
        "{\"choices\": [{\"index\": 4294967294}]}",
        "{\"choices\": [{\"index\": -1}]}",
        "{\"choices\": [{\"index\": 128}]}",
        "{\"choices\": [{\"index\": 1.5}]}",
        "{\"choices\": [{\"delta\": {\"tool_calls\": [{\"index\": 1e9}]}}]}"
      ]
    ) {
      const { chunks, problem } = read([text("Hel"), event(data), finish(), done])
      assert.strictEqual(problem?._tag, "Malformed", data)
      assert.notInclude(JSON.stringify(problem), "secret")
      assert.strictEqual(contentOf(chunks), "Hel")
    }
  })

  it("is too deep beyond 128 levels, and does not overflow the stack", () => {
    const nested = (depth: number) => event(`{"choices":[],"x":${"[".repeat(depth)}${"]".repeat(depth)}}`)
    assert.strictEqual(read([nested(127), finish()]).problem, undefined)
    assert.deepStrictEqual(read([nested(128)]).problem, { _tag: "TooLarge", limit: "depth", maximum: 128 })
    assert.strictEqual(read([nested(1_000_000)]).problem?._tag, "TooLarge")
  })

  it("`__proto__` changes no prototype", () => {
    const { chunks, problem } = read([event("{\"__proto__\":{\"polluted\":1},\"choices\":[]}"), finish()])
    assert.strictEqual(problem, undefined)
    assert.isUndefined((chunks[0] as { readonly polluted?: unknown }).polluted)
    assert.isFalse("polluted" in {})
  })
})

describe("limits", () => {
  const mebibyte = 1024 * 1024

  it("an event beyond 16 MiB is too large, after the chunks before it", () => {
    const part = bytesOf(`data: ${"x".repeat(mebibyte - 6)}`)
    const decoder = ChunkDecoder.make()
    const chunks = [...decoder.feed(bytesOf(text("Hel")))]
    for (let i = 0; i < 17; i++) {
      chunks.push(...decoder.feed(part))
    }
    assert.deepStrictEqual(decoder.problem, {
      _tag: "TooLarge",
      limit: "eventBytes",
      maximum: Sse.defaultMaxEventBytes
    })
    assert.strictEqual(contentOf(chunks), "Hel")
    assert.deepStrictEqual(decoder.feed(bytesOf(`\n\n${text("lo")}`)), [])
  })

  it("an answer beyond 64 MiB is too large, however small its events are", () => {
    // comments cost nothing to read
    const part = bytesOf(`:${" ".repeat(mebibyte - 2)}\n`)
    const decoder = ChunkDecoder.make()
    for (let i = 0; i < 64; i++) {
      decoder.feed(part)
    }
    assert.strictEqual(decoder.problem, undefined)
    decoder.feed(bytesOf("\n"))
    assert.deepStrictEqual(decoder.problem, {
      _tag: "TooLarge",
      limit: "bytes",
      maximum: Limits.defaults.responseBytes
    })
    assert.deepStrictEqual(decoder.end(), [])
  })

  it("a read of very many events is decoded whole", () => {
    const count = 200_000
    const result = read([event(choice({ content: "a" })).repeat(count), finish()])
    assert.strictEqual(result.chunks.length, count + 1)
    assert.strictEqual(result.problem, undefined)
  })
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
    "retry: 10\n\n",
    "id: 1\n",
    event({ error: { code: 502 } }),
    "event: error\ndata: {}\n\n",
    event("{"),
    event("[]"),
    "data: {\"choi",
    "error: x\n\n"
  ),
  FastCheck.string({ unit: "grapheme", maxLength: 12 }).map((content) => text(content))
)

const arbitraryStream = FastCheck.record({
  parts: FastCheck.array(arbitraryPart, { maxLength: 12 }),
  ending: FastCheck.constantFrom("\n", "\r\n", "\r"),
  doneTerminates: FastCheck.boolean()
})

const laws = { fastCheck: { numRuns: 1000 } }

describe("laws", () => {
  it.prop(
    "L50, L51: neither the reads nor the line ends make a difference",
    { stream: arbitraryStream, offsets: FastCheck.array(FastCheck.nat(), { maxLength: 20 }) },
    ({ offsets, stream: { doneTerminates, ending, parts } }) => {
      const plain = parts.join("")
      const bytes = bytesOf(plain.replaceAll("\n", ending))
      const cuts = offsets.map((offset) => offset % (bytes.length + 1)).sort((a, b) => a - b)
      const slices = [0, ...cuts].map((start, index) => bytes.subarray(start, cuts[index] ?? bytes.length))
      const whole = decode([bytesOf(plain)], { doneTerminates })
      assert.deepStrictEqual(decode(slices, { doneTerminates }), whole)
      assert.deepStrictEqual(decode(Array.from(bytes, (byte) => Uint8Array.of(byte)), { doneTerminates }), whole)
    },
    laws
  )

  it.prop(
    "L55: any bytes have a verdict",
    { slices: FastCheck.array(FastCheck.uint8Array({ maxLength: 64 }), { maxLength: 8 }) },
    ({ slices }) => {
      assert.isDefined(decode(slices).problem)
    },
    laws
  )

  it.prop(
    "L56: of a stream that is cut, a prefix arrives, and it is complete only with all of its text",
    {
      texts: FastCheck.array(FastCheck.string({ unit: "grapheme", minLength: 1, maxLength: 8 }), {
        minLength: 1,
        maxLength: 6
      }),
      at: FastCheck.nat()
    },
    ({ at, texts }) => {
      const bytes = bytesOf([role, ...texts.map((content) => text(content)), finish(), done].join(""))
      const { chunks, problem } = decode([bytes.subarray(0, at % (bytes.length + 1))])
      const upstream = texts.join("")
      assert.strictEqual(upstream.slice(0, contentOf(chunks).length), contentOf(chunks))
      if (problem === undefined) {
        assert.strictEqual(contentOf(chunks), upstream)
      }
    },
    laws
  )
})
