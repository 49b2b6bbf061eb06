import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as CacheKey from "../../src/policy/CacheKey.js"

const runs = { fastCheck: { numRuns: 1_000 } }

const canonical = (value: unknown): string => Either.getOrThrow(CacheKey.canonical(value))

const failure = (value: unknown): CacheKey.KeyError => Either.getOrThrow(Either.flip(CacheKey.canonical(value)))

/** Without lone surrogates, and without -0 and 0 side by side, which are one number in JSON. */
const json = FastCheck.jsonValue({ noUnicodeString: false, maxDepth: 5 })

/** The same JSON value written differently: other order of members, white space, and spelling of numbers. */
const respell = (value: unknown, indent: string): string => {
  if (Array.isArray(value)) {
    return `[${indent}${value.map((element) => respell(element, indent)).join(` ,${indent}`)} ]`
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).reverse().map(([key, member]) =>
      `${JSON.stringify(key)} :${indent}${respell(member, indent)}`
    )
    return `{${indent}${members.join(`,${indent}`)}}`
  }
  if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) < 1e15) {
    return `${value}.0e0`
  }
  return JSON.stringify(value)
}

const replaced = <A>(values: ReadonlyArray<A>, at: number, value: A): Array<A> =>
  values.map((old, index) => index === at ? value : old)

/** Every value that differs from `value` in exactly one place. */
const edits = (value: unknown): Array<unknown> => {
  if (Array.isArray(value)) {
    return [
      [...value, null],
      ...value.map((_, at) => value.filter((_, index) => index !== at)),
      ...value.flatMap((element, at) => edits(element).map((edited) => replaced(value, at, edited)))
    ]
  }
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value)
    return [
      Object.fromEntries([...entries, [`${entries.map(([key]) => key).join("")}+`, null]]),
      ...entries.map((_, at) => Object.fromEntries(entries.filter((_, index) => index !== at))),
      ...entries.flatMap(([key, member], at) =>
        edits(member).map((edited) => Object.fromEntries(replaced(entries, at, [key, edited])))
      )
    ]
  }
  switch (typeof value) {
    case "string":
      return [`${value} `, value.length]
    case "number":
      return [value === 0 ? 1 : -value, String(value)]
    case "boolean":
      return [!value, String(value)]
    default:
      return [0, "null", {}]
  }
}

describe("CacheKey.canonical", () => {
  it("sorts members by UTF-16 code units and keeps the order of arrays", () => {
    // the example of RFC 8785, section 3.2.3
    const value = {
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis"
    }
    assert.deepStrictEqual(Object.values(value).sort(), Object.values(JSON.parse(canonical(value))).sort())
    assert.strictEqual(
      canonical(value),
      "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"\u00f6\":\"Latin Small Letter O With Diaeresis\","
        + "\"\u20ac\":\"Euro Sign\",\"\ud83d\ude00\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}"
    )
    assert.strictEqual(canonical({ 2: 1, b: 2, 10: 3, a: [3, 1, 2] }), "{\"10\":3,\"2\":1,\"a\":[3,1,2],\"b\":2}")
  })

  it("writes numbers as ECMAScript does", () => {
    assert.strictEqual(canonical([1.0, -0, 1e21, 1e-7, 0.1 + 0.2]), "[1,0,1e+21,1e-7,0.30000000000000004]")
  })

  it("treats undefined as JSON does", () => {
    assert.strictEqual(canonical({ a: undefined, b: [undefined, 1] }), "{\"b\":[null,1]}")
  })

  it("keeps different code points apart", () => {
    assert.notStrictEqual(canonical("\u00e9"), canonical("e\u0301"))
  })

  it.prop("is JSON of the same value", [json], ([value]) => {
    assert.deepStrictEqual(JSON.parse(canonical(value)), JSON.parse(JSON.stringify(value)))
  }, runs)

  it.prop("L39: is the same for every order of members, white space and spelling of numbers", [
    json,
    FastCheck.constantFrom("", " ", "\n\t")
  ], ([value, indent]) => {
    assert.strictEqual(canonical(JSON.parse(respell(value, indent))), canonical(value))
  }, runs)

  it.prop("L39: changes with every other edit", [json], ([value]) => {
    for (const edited of edits(value)) {
      assert.notStrictEqual(canonical(edited), canonical(value))
    }
  }, runs)

  it("refuses what JSON cannot say, names the place, and does not show the value", () => {
    const cases: ReadonlyArray<readonly [unknown, string]> = [
      [NaN, ""],
      [{ a: [0, { b: Infinity }] }, "a[1].b"],
      [{ a: 10n }, "a"],
      [{ a: () => "secret" }, "a"],
      [[Symbol("secret")], "[0]"],
      [undefined, ""],
      [{ messages: [{ content: "secret\ud800" }] }, "messages[0].content"],
      [{ ["secret\udc00"]: 1 }, "secret\udc00"],
      [{ at: new Date(0) }, "at"],
      [{ key: Redacted.make("secret") }, "key"],
      [new Map([["secret", 1]]), ""]
    ]
    for (const [value, path] of cases) {
      const error = failure(value)
      assert.strictEqual(error.path, path)
      assert.notInclude(error.reason, "secret")
    }
    assert.include(failure({ a: [NaN] }).message, "a[0]")
  })

  it("accepts objects without a prototype", () => {
    assert.strictEqual(canonical(Object.assign(Object.create(null), { a: 1 })), "{\"a\":1}")
  })

  it("refuses deep nesting and values that contain themselves, whatever their depth", () => {
    const nested = (depth: number) => JSON.parse("[".repeat(depth) + "]".repeat(depth))
    assert.strictEqual(canonical(nested(CacheKey.maxDepth)).length, 2 * CacheKey.maxDepth)
    assert.include(failure(nested(CacheKey.maxDepth + 1)).reason, "128")
    assert.include(failure(nested(100_000)).reason, "128")
    const cyclic: Record<string, unknown> = {}
    cyclic["a"] = cyclic
    cyclic["b"] = cyclic
    assert.include(failure(cyclic).reason, "128")
  })
})

describe("CacheKey.hash", () => {
  it("is the SHA-256 of a length-prefixed tuple", () => {
    assert.match(CacheKey.hash(["a"]), /^[0-9a-f]{64}$/)
    assert.strictEqual(CacheKey.hash(["a", "b"]), CacheKey.hash(["a", "b"]))
  })

  const part = FastCheck.oneof(
    FastCheck.string16bits({ maxLength: 3 }),
    FastCheck.constantFrom("", "1:", "1:a", "0:", "~", "\ud800", "\udc00", "\ufffd")
  )
  const tuple = FastCheck.array(part, { maxLength: 4 })

  it.prop("has no two tuples in common", [tuple, tuple], ([a, b]) => {
    assert.strictEqual(CacheKey.hash(a) === CacheKey.hash(b), JSON.stringify(a) === JSON.stringify(b))
  }, { fastCheck: { numRuns: 5_000 } })

  it("keeps apart what concatenation, an empty part, or an encoding would merge", () => {
    const tuples = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"], [], [""], ["\ud800"], ["\udc00"], [
      "\ufffd"
    ], ["\"\\ud800\""]]
    assert.strictEqual(new Set(tuples.map(CacheKey.hash)).size, tuples.length)
  })
})

describe("CacheKey.ofRequest", () => {
  const post = (body: string, contentType = "application/json") =>
    HttpClientRequest.post("http://router.test/v1/chat/completions").pipe(
      HttpClientRequest.bodyText(body, contentType)
    )
  const key = (request: HttpClientRequest.HttpClientRequest): string => Option.getOrThrow(CacheKey.ofRequest(request))

  it.prop(
    "L39: sees only the value of a JSON body",
    [json, FastCheck.constantFrom("", " ", "\n\t")],
    ([value, indent]) => {
      assert.strictEqual(key(post(respell(value, indent))), key(post(JSON.stringify(value))))
    },
    runs
  )

  it.prop("L39: changes with every edit of a JSON body", [json], ([value]) => {
    for (const edited of edits(value)) {
      assert.notStrictEqual(key(post(JSON.stringify(edited))), key(post(JSON.stringify(value))))
    }
  }, runs)

  it("tells a text with a repeated member from the value that is left of it", () => {
    assert.notStrictEqual(key(post("{\"a\":1,\"a\":2}")), key(post("{\"a\":2}")))
    assert.notStrictEqual(key(post("{\"a\":1,\"a\":2}")), key(post("{\"a\":3,\"a\":2}")))
    assert.strictEqual(key(post("{ \"a:\\\"\\\\\": 1 }")), key(post("{\"a:\\\"\\\\\":1.0}")))
  })

  it("takes bodies that are not JSON as they are", () => {
    assert.notStrictEqual(key(post("{\"a\": 1}", "text/plain")), key(post("{\"a\":1}", "text/plain")))
    assert.notStrictEqual(key(post("{\"a\": ")), key(post("{\"a\":")))
    const bytes = (...values: Array<number>) =>
      key(HttpClientRequest.post("http://router.test/").pipe(HttpClientRequest.bodyUint8Array(Uint8Array.from(values))))
    assert.notStrictEqual(bytes(0xff), bytes(0xfe))
    assert.notStrictEqual(bytes(0xff), bytes(0xef, 0xbf, 0xbd))
  })

  it("differs by method, URL, parameters and headers, but not by their order or by what traces a call", () => {
    const get = (url: string, options?: HttpClientRequest.Options.NoBody) => key(HttpClientRequest.get(url, options))
    const base = get("http://a.test/", { urlParams: { a: "1", b: "2" }, headers: { x: "1", y: "2" } })
    const different = [
      base,
      get("http://b.test/", { urlParams: { a: "1", b: "2" }, headers: { x: "1", y: "2" } }),
      get("http://a.test/", { urlParams: { a: "2", b: "1" }, headers: { x: "1", y: "2" } }),
      get("http://a.test/", { urlParams: { a: "1", b: "2" }, headers: { x: "2", y: "1" } }),
      get("http://a.test/", { urlParams: { a: "1" }, headers: { b: "2", x: "1", y: "2" } }),
      get("http://a.test/", { urlParams: [["a", "1"], ["a", "2"]] }),
      get("http://a.test/", { urlParams: [["a", "2"], ["a", "1"]] }),
      key(HttpClientRequest.head("http://a.test/", { urlParams: { a: "1", b: "2" }, headers: { x: "1", y: "2" } }))
    ]
    assert.strictEqual(new Set(different).size, different.length)
    assert.strictEqual(
      get("http://a.test/", {
        urlParams: { b: "2", a: "1" },
        headers: { y: "2", traceparent: "00-1", "x-request-id": "7", x: "1" }
      }),
      base
    )
  })

  it("has no key for what can be read only once, nor for a request for a stream", () => {
    const request = HttpClientRequest.post("http://a.test/")
    const bodies = [
      HttpBody.stream(Stream.make(new Uint8Array(1))),
      HttpBody.formData(new FormData()),
      HttpBody.raw(new ReadableStream()),
      HttpBody.unsafeJson({ model: "m", stream: true })
    ]
    for (const body of bodies) {
      assert.isTrue(Option.isNone(CacheKey.ofRequest(HttpClientRequest.setBody(request, body))))
    }
    const kept = [HttpBody.raw("a"), HttpBody.raw(new Uint8Array(1)), HttpBody.unsafeJson({ stream: false })]
    for (const body of kept) {
      assert.isTrue(Option.isSome(CacheKey.ofRequest(HttpClientRequest.setBody(request, body))))
    }
  })

  it("shows nothing of the request", () => {
    assert.match(key(post("{\"a\":\"secret\"}")), /^[0-9a-f]{64}$/)
  })
})
