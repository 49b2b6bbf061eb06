import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Sse from "../../src/wire/Sse.js"

const runs = { fastCheck: { numRuns: 1000 } }

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

const decode = (...slices: ReadonlyArray<Uint8Array>): Array<Sse.Event> => {
  const decoder = Sse.makeDecoder()
  return [...slices.flatMap((slice) => decoder.feed(slice)), ...decoder.end()]
}

const read = (text: string): Array<Sse.Event> => decode(bytesOf(text))

const dataOf = (text: string): Array<string> => read(text).map((event) => event.data)

/** The bytes cut at the given offsets. */
const cut = (bytes: Uint8Array, offsets: ReadonlyArray<number>): Array<Uint8Array> => {
  const at = [0, ...offsets.map((offset) => offset % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

const singleBytes = (bytes: Uint8Array): Array<Uint8Array> => Array.from(bytes, (byte) => Uint8Array.of(byte))

/** The standard's algorithm, word for word, over a whole text: events that no blank line ends are not given. */
const standard = (text: string): Array<Sse.Event> => {
  const events: Array<Sse.Event> = []
  let data = ""
  let type = ""
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/)
  for (const line of lines.slice(0, -1)) {
    if (line === "") {
      if (data !== "") {
        events.push({ event: type === "" ? undefined : type, data: data.replace(/\n$/, "") })
      }
      data = ""
      type = ""
    } else {
      const colon = line.indexOf(":")
      const field = colon === -1 ? line : line.slice(0, colon)
      const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "")
      if (field === "data") {
        data += `${value}\n`
      } else if (field === "event") {
        type = value
      }
    }
  }
  return events
}

const line = FastCheck.oneof(
  {
    weight: 4,
    arbitrary: FastCheck.constantFrom("data: {\"text\":\"grün 😀 中\"}", "data: [DONE]", "data:x", "data", "data:")
  },
  { weight: 3, arbitrary: FastCheck.constant("") },
  {
    weight: 2,
    arbitrary: FastCheck.constantFrom(
      "event: error",
      "event:",
      "event",
      ": ping",
      ":",
      "id: 7",
      "retry: 10",
      "data ",
      " data: x",
      "dat",
      "eventual: x",
      "x: y"
    )
  },
  {
    weight: 1,
    arbitrary: FastCheck.string({ unit: FastCheck.constantFrom("d", "a", "t", ":", " ", "\u0000", "é", "\uFEFF") })
  }
)

const lineEnd = FastCheck.constantFrom("\n", "\r", "\r\n")

/** A stream of lines with ends of all kinds, the last one open or not. */
const stream = FastCheck.tuple(
  FastCheck.array(FastCheck.tuple(line, lineEnd)),
  FastCheck.constantFrom("", "data: open")
)
  .map(([lines, last]) => lines.map(([text, end]) => text + end).join("") + last)

describe("Sse", () => {
  describe("the cases of the web platform tests", () => {
    const padding = "x".repeat(2048)
    const cases: ReadonlyArray<readonly [name: string, text: string, data: ReadonlyArray<string>]> = [
      ["bom", "\uFEFFdata:1\n\n\uFEFFdata:2\n\ndata:3\n\n", ["1", "3"]],
      ["bom-2", "\uFEFF\uFEFFdata:1\n\ndata:2\n\ndata:3\n\n", ["2", "3"]],
      [
        "comments",
        `data:1\r:\0\n:\r\ndata:2\n:${padding}\rdata:3\n:data:fail\r:${padding}\ndata:4\n\n`,
        ["1\n2\n3\n4"]
      ],
      ["data before the final empty line", "retry:1000\ndata:test1\n\nid:test\ndata:test2", ["test1"]],
      ["field data", "data:\n\ndata\ndata\n\ndata:test\n\n", ["", "\n", "test"]],
      ["field id", "id: 1\ndata:x\n\nid\ndata:y\n\nid: a\0b\ndata:z\n\n", ["x", "y", "z"]],
      [
        "field parsing",
        "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
        ["\0\n 2\n1\n3\n\n4"]
      ],
      ["field retry bogus", "retry:3000\nretry:1000x\ndata:x\n\n", ["x"]],
      [
        "field unknown",
        "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n",
        ["test\n\ntest"]
      ],
      ["leading space", "data:\ttest\rdata: \ndata:test\n\n", ["\ttest\n\ntest"]],
      ["newlines", "data:test\r\ndata\ndata:test\r\n\r", ["test\n\ntest"]],
      ["null character", "data:\0\n\n\n\n", ["\0"]],
      ["utf-8", "data:ok…\n\n", ["ok…"]]
    ]
    it.each(cases)("%s", (_, text, data) => {
      assert.deepStrictEqual(dataOf(text), data)
    })

    it("field event", () => {
      assert.deepStrictEqual(read("event:test\ndata:x\n\ndata:x\n\n"), [
        { event: "test", data: "x" },
        { event: undefined, data: "x" }
      ])
      assert.deepStrictEqual(read("event:lost\n\ndata:x\n\n"), [{ event: undefined, data: "x" }])
    })

    it("field event empty", () => {
      assert.deepStrictEqual(read("event: \ndata:data\n\n"), [{ event: undefined, data: "data" }])
      assert.deepStrictEqual(read("event:a\nevent\ndata:data\n\n"), [{ event: undefined, data: "data" }])
    })
  })

  it.prop("agrees with the standard's algorithm", [stream], ([text]) => {
    const decoder = Sse.makeDecoder()
    assert.deepStrictEqual(decoder.feed(bytesOf(text)), standard(text))
  }, runs)

  describe("the cuts between the reads do not matter", () => {
    const sample = "\uFEFF: hi\r\ndata: {\"a\":\"grün 😀 中\"}\r\n\r\nevent: é\rdata: 1\rdata:2\r\rdata: [DONE]\n\n"
    const bytes = bytesOf(sample)
    const expected: ReadonlyArray<Sse.Event> = [
      { event: undefined, data: "{\"a\":\"grün 😀 中\"}" },
      { event: "é", data: "1\n2" },
      { event: undefined, data: "[DONE]" }
    ]

    it("one byte at a time", () => {
      assert.deepStrictEqual(decode(...singleBytes(bytes)), expected)
    })

    it("in one, two or three parts, wherever they are cut", () => {
      for (let first = 0; first <= bytes.length; first++) {
        for (let second = first; second <= bytes.length; second++) {
          assert.deepStrictEqual(decode(...cut(bytes, [first, second])), expected, `cut at ${first} and ${second}`)
        }
      }
    })

    it.prop("anyhow", [stream, FastCheck.array(FastCheck.nat())], ([text, offsets]) => {
      const whole = read(text)
      assert.deepStrictEqual(decode(...cut(bytesOf(text), offsets)), whole)
      assert.deepStrictEqual(decode(...singleBytes(bytesOf(text))), whole)
    }, runs)
  })

  it.prop("CR, LF and CRLF are the same", [FastCheck.array(line), lineEnd], ([lines, end]) => {
    const text = lines.map((each) => `${each}\n`).join("")
    assert.deepStrictEqual(read(text.replaceAll("\n", end)), read(text))
  }, runs)

  it.prop("comments change nothing", [FastCheck.array(FastCheck.tuple(line, FastCheck.boolean()))], ([lines]) => {
    const plain = lines.map(([each]) => `${each}\n`).join("")
    const commented = lines.map(([each, comment]) => comment ? `: ping\n${each}\n` : `${each}\n`).join("")
    assert.deepStrictEqual(read(commented), read(plain))
  }, runs)

  it("counts comments", () => {
    const decoder = Sse.makeDecoder()
    decoder.feed(bytesOf(": one\n\n:\n:thr"))
    assert.strictEqual(decoder.comments, 2)
    decoder.feed(bytesOf("ee\n"))
    assert.strictEqual(decoder.comments, 3)
  })

  it("a byte order mark counts at the start only", () => {
    const mark = [0xef, 0xbb, 0xbf]
    const first = bytesOf("data: 1\n\n")
    const second = bytesOf("data: 2\n\n")
    assert.deepStrictEqual(
      decode(...singleBytes(Uint8Array.of(...mark, ...first, ...mark, ...second))).map((event) => event.data),
      ["1"]
    )
    assert.deepStrictEqual(dataOf("data: \uFEFF1\n\n"), ["\uFEFF1"])
    assert.deepStrictEqual(dataOf("ï»¿data: 1\n\n"), [])
  })

  it("an event that ends with CR is given at once", () => {
    const decoder = Sse.makeDecoder()
    assert.deepStrictEqual(decoder.feed(bytesOf("data: 1\r\r")), [{ event: undefined, data: "1" }])
    assert.deepStrictEqual(decoder.feed(bytesOf("\ndata: 2\r\n\r\n")), [{ event: undefined, data: "2" }])
    assert.deepStrictEqual(decoder.end(), [])
  })

  describe("an event that no blank line ends", () => {
    it.each([
      ["[DONE]", "data: [DONE]", ["[DONE]"]],
      ["[DONE] and a line end", "data: [DONE]\n", ["[DONE]"]],
      ["complete JSON", "data: {\"a\":\n data: x\ndata: 1}\n", ["{\"a\":\n1}"]],
      ["cut JSON", "data: {\"a\":1", []],
      ["a text", "data: hello\n", []],
      ["no data", "event: error", []],
      ["a cut code point", "data: [DONE]\n\ndata: \"é", ["[DONE]"]]
    ])("%s", (_, text, data) => {
      assert.deepStrictEqual(dataOf(text), data)
    })

    it("is given once", () => {
      const decoder = Sse.makeDecoder()
      decoder.feed(bytesOf("data: [DONE]"))
      assert.strictEqual(decoder.end().length, 1)
      assert.deepStrictEqual(decoder.end(), [])
      assert.deepStrictEqual(decoder.feed(bytesOf("data: 1\n\n")), [])
    })
  })

  it("bytes that are not UTF-8 become U+FFFD", () => {
    const bytes = Uint8Array.of(...bytesOf("data: "), 0xff, 0xc3, ...bytesOf("x\n\n"))
    assert.deepStrictEqual(decode(bytes).map((event) => event.data), ["\uFFFD\uFFFDx"])
    assert.deepStrictEqual(decode(...singleBytes(bytes)), decode(bytes))
  })

  it.prop("arbitrary bytes neither throw nor depend on the cuts", [
    FastCheck.uint8Array({ maxLength: 200 }),
    FastCheck.array(FastCheck.nat())
  ], ([bytes, offsets]) => {
    assert.deepStrictEqual(decode(...cut(bytes, offsets)), decode(bytes))
  }, runs)

  describe("the limit", () => {
    const overflows = (maxEventBytes: number, text: string): boolean => {
      const decoder = Sse.makeDecoder({ maxEventBytes })
      decoder.feed(bytesOf(text))
      return decoder.overflowed
    }

    it("is met exactly", () => {
      assert.isFalse(overflows(9, "data: 123\n\n"))
      assert.isTrue(overflows(8, "data: 123\n\n"))
      assert.isFalse(overflows(9, "data: 123"))
      assert.isTrue(overflows(8, "data: 123"))
    })

    it("counts names and ends of lines, and all the lines of an event", () => {
      assert.isFalse(overflows(17, "event: x\ndata: 12\n\n"))
      assert.isTrue(overflows(16, "event: x\ndata: 12\n\n"))
      assert.isTrue(overflows(100, "data\n".repeat(21)))
      assert.isTrue(overflows(100, "event\n".repeat(21)))
    })

    it("counts comments and ignored lines for themselves, also in the middle of an event", () => {
      for (const ignored of [": 34567890", "id: 567890", "retry: 890", "x234567890"]) {
        assert.isFalse(overflows(10, `data: 123\n${ignored}`), ignored)
        assert.isFalse(overflows(10, `data: 123\n${`${ignored}\n`.repeat(100)}\n`), ignored)
        assert.isTrue(overflows(9, `data: 123\n${ignored}`), ignored)
        assert.isTrue(overflows(9, `data: 123\n${ignored}\n`), ignored)
      }
    })

    it("counts the last line, which nothing ends, together with the lines before it", () => {
      const ends = (maxEventBytes: number) => {
        const decoder = Sse.makeDecoder({ maxEventBytes })
        return [...decoder.feed(bytesOf("data: 1\ndata: 2")), ...decoder.end(), decoder.overflowed]
      }
      assert.deepStrictEqual(ends(14), [true])
      assert.deepStrictEqual(ends(15), [false])
    })

    it("starts anew with each event", () => {
      assert.isFalse(overflows(20, "data: 12345\n\n".repeat(100)))
      assert.isFalse(overflows(20, ": ping\n".repeat(100)))
    })

    it("holds for a comment and for a field name that do not end", () => {
      assert.isTrue(overflows(100, `:${"x".repeat(100)}`))
      assert.isTrue(overflows(100, "x".repeat(101)))
    })

    it.prop("comments change nothing, also where the event is as long as it may be", [
      FastCheck.array(FastCheck.tuple(line, FastCheck.boolean())),
      FastCheck.integer({ min: 6, max: 60 })
    ], ([lines, maxEventBytes]) => {
      const run = (text: string) => {
        const decoder = Sse.makeDecoder({ maxEventBytes })
        return [...decoder.feed(bytesOf(text)), ...decoder.end(), decoder.overflowed]
      }
      const plain = lines.map(([each]) => `${each}\n`).join("")
      const commented = lines.map(([each, comment]) => comment ? `: ping\n${each}\n` : `${each}\n`).join("")
      assert.deepStrictEqual(run(commented), run(plain))
    }, runs)

    it("gives the events before, and then nothing for ever", () => {
      const decoder = Sse.makeDecoder({ maxEventBytes: 20 })
      assert.strictEqual(decoder.feed(bytesOf(`data: 1\n\ndata: ${"x".repeat(20)}\n\ndata: 2\n\n`)).length, 1)
      assert.isTrue(decoder.overflowed)
      assert.deepStrictEqual(decoder.feed(bytesOf("data: 3\n\n")), [])
      assert.deepStrictEqual(decoder.end(), [])
      assert.isTrue(decoder.overflowed)
    })

    it.prop("does not depend on the cuts", [
      stream,
      FastCheck.array(FastCheck.nat()),
      FastCheck.integer({ min: 1, max: 60 })
    ], ([
      text,
      offsets,
      maxEventBytes
    ]) => {
      const run = (slices: ReadonlyArray<Uint8Array>) => {
        const decoder = Sse.makeDecoder({ maxEventBytes })
        const events = slices.flatMap((slice) => decoder.feed(slice))
        return [...events, ...decoder.end(), decoder.overflowed, decoder.comments]
      }
      const bytes = bytesOf(text)
      assert.deepStrictEqual(run(cut(bytes, offsets)), run([bytes]))
      assert.deepStrictEqual(run(singleBytes(bytes)), run([bytes]))
    }, runs)

    it("is 16 MiB by default", () => {
      const decoder = Sse.makeDecoder()
      const mebibyte = new Uint8Array(1024 * 1024).fill(120)
      for (let i = 0; i < 16; i++) {
        decoder.feed(mebibyte)
      }
      assert.isFalse(decoder.overflowed)
      decoder.feed(mebibyte.subarray(0, 1))
      assert.isTrue(decoder.overflowed)
    })
  })

  // Each takes below 100 ms. Quadratic time would be minutes: the test would not end.
  it.each([
    ["many lines and one CR at the end", `${"x\n".repeat(500_000)}\r`, 1_000_000],
    ["ignored lines", "x\n".repeat(500_000), 65_536],
    ["a long line in small slices", "x".repeat(1_000_000), 16],
    ["empty data lines", "data\n".repeat(200_000), 65_536]
  ])("the time is linear: %s", (_, text, sliceLength) => {
    const bytes = bytesOf(`data: first\n\n${text}\n\ndata: last\n\n`)
    const decoder = Sse.makeDecoder()
    const events = []
    for (let i = 0; i < bytes.length; i += sliceLength) {
      events.push(...decoder.feed(bytes.subarray(i, i + sliceLength)))
    }
    assert.strictEqual(events[0]?.data, "first")
    assert.strictEqual(events[events.length - 1]?.data, "last")
  })
})
