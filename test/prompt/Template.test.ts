import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import type { TemplateReason } from "../../src/error/Prompt.js"
import * as Template from "../../src/prompt/Template.js"
import type { Variables } from "../../src/prompt/Variables.js"
import type { Message } from "../../src/wire/Messages.js"

const engines: ReadonlyArray<Template.Engine> = ["text", "mustache", "jinja"]

const render = (engine: Template.Engine, text: string, variables: Variables = {}) =>
  Template.renderText(text, variables, { engine })

const failure = (engine: Template.Engine, text: string, variables: Variables = {}) =>
  Effect.flip(render(engine, text, variables))

describe.each(engines)("the engine %s", (engine) => {
  it.effect("prints every kind of value the same way", () =>
    Effect.gen(function*() {
      const text = yield* render(engine, "{{s}}|{{n}}|{{b}}|{{nil}}|{{o}}|{{l}}", {
        s: "<a href=\"x\">'&amp;'</a>",
        n: 1.5,
        b: false,
        nil: null,
        o: { a: [1, null], é: "ü" },
        l: [true, "x"]
      })
      assert.strictEqual(text, "<a href=\"x\">'&amp;'</a>|1.5|false||{\"a\":[1,null],\"é\":\"ü\"}|[true,\"x\"]")
    }))

  it.effect("renders the texts of every role, and nothing else", () =>
    Effect.gen(function*() {
      const text = "{{x}}"
      const messages: ReadonlyArray<Message> = [
        { role: "system", content: text, name: text },
        { role: "user", content: [{ type: "image_url", imageUrl: { url: text } }, { type: "text", text }] },
        { role: "assistant", toolCalls: [{ id: text, type: "function", function: { name: text, arguments: text } }] },
        { role: "tool", content: text, toolCallId: text }
      ]
      const rendered = yield* Template.renderMessages(messages, { x: 1 }, { engine })
      assert.deepStrictEqual(rendered, [
        { role: "system", content: "1", name: text },
        { role: "user", content: [{ type: "image_url", imageUrl: { url: text } }, { type: "text", text: "1" }] },
        { role: "assistant", toolCalls: [{ id: text, type: "function", function: { name: text, arguments: text } }] },
        { role: "tool", content: "1", toolCallId: text }
      ])
    }))

  it.effect("tells all that is missing, with message, part, line and column, before anything else", () =>
    Effect.gen(function*() {
      const messages: ReadonlyArray<Message> = [
        { role: "system", content: "{{ok}}" },
        { role: "user", content: [{ type: "text", text: "" }, { type: "text", text: "secret\n  {{a}} {{b}}" }] },
        { role: "user", content: "{{a}}" }
      ]
      const error = yield* Effect.flip(
        Template.renderMessages(messages, { ok: 1 }, { engine, prompt: { id: "greeting", version: "2" } })
      )
      assert.include(error, {
        _tag: "TemplateError",
        reason: "missingVariable",
        variable: "a",
        messageIndex: 1,
        partIndex: 1,
        line: 2,
        column: 3,
        promptId: "greeting",
        version: "2"
      })
      assert.strictEqual(
        error.message,
        "prompt \"greeting\" (version 2): " +
          "messages[1].content[1].text: the variable \"a\" is missing (line 2, column 3); " +
          "messages[1].content[1].text: the variable \"b\" is missing (line 2, column 9); " +
          "messages[2].content: the variable \"a\" is missing (line 1, column 1)"
      )
    }))

  it.effect("prints nothing for what is missing, when asked for", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Template.renderText("a{{x}}b", {}, { engine, missing: "empty" }), "ab")
    }))

  it.effect("sees no prototype", () =>
    Effect.gen(function*() {
      for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
        assert.include(yield* failure(engine, `{{${name}}}`), { reason: "missingVariable", variable: name })
      }
    }))

  it.effect("takes no value that is not data, and calls nothing", () =>
    Effect.gen(function*() {
      let calls = 0
      const cycle: { self?: unknown } = {}
      cycle.self = cycle
      const getter = {
        get a() {
          return calls++
        }
      }
      class Own {
        readonly a = 1
      }
      const list = Object.assign([1], { map: () => [calls++] })
      const listOfGetters = Object.defineProperty([0], 0, { get: () => calls++ })
      const values = [
        () => calls++,
        Symbol("s"),
        1n,
        NaN,
        Infinity,
        cycle,
        getter,
        listOfGetters,
        new Map([["a", 1]]),
        new Set([1]),
        new Error("e"),
        new String("x"),
        new Number(1),
        new Boolean(true),
        Object(1n),
        new Date(NaN),
        new Uint8Array(1),
        new ArrayBuffer(1),
        /x/,
        new Own(),
        Promise.resolve(1),
        new WeakMap()
      ]
      for (const value of values) {
        for (const x of [value, [value], { a: { b: value } }]) {
          assert.include(yield* failure(engine, "\n {{x}}", { x }), {
            reason: "invalidValue",
            variable: "x",
            line: 2,
            column: 2
          })
        }
      }
      assert.strictEqual(yield* render(engine, "{{x}}", { x: list }), "[1]")
      assert.include(yield* failure(engine, "{{a}}", getter), { reason: "invalidValue", variable: "a" })
      assert.strictEqual(calls, 0)
    }))

  it.effect("prints what an object is as JSON", () =>
    Effect.gen(function*() {
      class Own {
        readonly a = 1
        toJSON() {
          return { b: [this.a] }
        }
      }
      const values: ReadonlyArray<readonly [x: unknown, expected: string]> = [
        [new Date(0), "1970-01-01T00:00:00.000Z"],
        [{ at: new Date(0) }, "{\"at\":\"1970-01-01T00:00:00.000Z\"}"],
        [new URL("https://example.com"), "https://example.com/"],
        [new Own(), "{\"b\":[1]}"],
        [Object.assign(Object.create(null), { a: 1 }), "{\"a\":1}"],
        [{ a: undefined, b: [undefined, null] }, "{\"b\":[null,null]}"],
        [JSON.parse("{\"__proto__\":{\"a\":1},\"constructor\":2}"), "{\"__proto__\":{\"a\":1},\"constructor\":2}"],
        [-0, "0"],
        [1e21, "1e+21"]
      ]
      for (const [x, expected] of values) assert.strictEqual(yield* render(engine, "{{x}}", { x }), expected)
    }))

  it.effect("shows nothing of a value that throws", () =>
    Effect.gen(function*() {
      const fail = () => {
        throw new Error("sesame")
      }
      const values = [
        { toJSON: fail },
        Object.create(Object.defineProperty({}, "toJSON", { get: fail })),
        new Proxy({}, { ownKeys: fail })
      ]
      for (const x of values) {
        const error = yield* failure(engine, "{{x}}", { x })
        assert.include(error, { reason: "invalidValue" })
        assert.notInclude(error.message, "sesame")
      }
    }))

  it.effect("stops before a value is written that is too long", () =>
    Effect.gen(function*() {
      const x = Array.from({ length: 1000 }, () => "x".repeat(1_000_000))
      assert.include(yield* failure(engine, "{{x}}", { x }), { reason: "limit" })
    }))

  it.effect("passes a text without tags as it is", () =>
    Effect.gen(function*() {
      const messages: ReadonlyArray<Message> = [{ role: "user", content: " a } { %\n" }]
      assert.strictEqual(yield* Template.renderMessages(messages, {}, { engine }), messages)
    }))

  it.effect("stops when the text becomes too long", () =>
    Effect.gen(function*() {
      const x = "x".repeat(2 ** 20)
      assert.include(yield* failure(engine, "{{x}}".repeat(17), { x }), { reason: "limit" })
    }))

  it.effect.prop("puts a value in as it is, once", {
    value: FastCheck.oneof(
      FastCheck.string(),
      FastCheck.array(
        FastCheck.constantFrom(
          "{{x}}",
          "{{{x}}}",
          "{%",
          "%}",
          "{#",
          "{{",
          "}}",
          "<|im_start|>system",
          "\n",
          "\"",
          "\\",
          "$&"
        )
      ).map((parts) => parts.join(""))
    ),
    around: FastCheck.string()
  }, ({ around, value }) =>
    Effect.gen(function*() {
      const plain = around.replaceAll(/[{%#\s]/g, "")
      const text = yield* render(engine, `${plain}{{x}}${plain}`, { x: value })
      assert.strictEqual(text, `${plain}${value}${plain}`)
    }))

  it.effect.prop("understands a text, or says what is wrong at one of its tags", {
    parts: FastCheck.array(FastCheck.constantFrom(
      ..."{{ }} {% %} {# #} {%- -%} is not in if else endif for endfor raw endraw with endwith set macro = ( ) [ ] { } , . : |"
        .split(" "),
      ..."'a' ' 1 -1 x l o and or select map max defined odd eq * ** ~ 😀 __proto__ constructor".split(" "),
      "\n",
      "\r\n",
      "{% raw %}",
      "{% endraw %}",
      "{% with a = 1 %}",
      "{% if x is ",
      "{% for i in l %}",
      "{{ x | "
    ))
  }, ({ parts }) =>
    Effect.gen(function*() {
      for (const text of [parts.join(" "), parts.join("")]) {
        const outcome = yield* Effect.either(render(engine, text, { x: 3, l: [1, "a"], o: { a: 1 }, a: "{{x}}" }))
        if (outcome._tag === "Right" || outcome.left.line === undefined) continue
        const { column = 0, line } = outcome.left
        assert.match(text.split("\n")[line - 1]!.slice(column - 1), /^(\{[{%#]|$)/)
      }
    }))

  it.effect.prop("gives the same with and without a cache", {
    names: FastCheck.array(FastCheck.constantFrom("a", "b", "c"))
  }, ({ names }) =>
    Effect.gen(function*() {
      const text = names.map((name) => `-{{${name}}}`).join("")
      const none = Template.renderText(text, { a: 1, b: "2" }, { engine }).pipe(
        Effect.provideService(Template.Cache, new Template.TemplateCache({ maxEntries: 0 })),
        Effect.either
      )
      const cached = Effect.either(Template.renderText(text, { a: 1, b: "2" }, { engine }))
      const [first, second, third] = yield* Effect.all([none, cached, cached])
      assert.deepStrictEqual(JSON.stringify(second), JSON.stringify(first))
      assert.deepStrictEqual(JSON.stringify(third), JSON.stringify(first))
    }))
})

describe("a value that is not JSON", () => {
  const x = new Map()
  it.effect.each<readonly [engine: Template.Engine, text: string, line: number, column: number]>([
    ["mustache", "a\r\n {{x}}", 2, 2],
    ["mustache", "😀 {{{x}}}", 1, 4],
    ["mustache", "{{a.b}}{{x.a.b}}", 1, 8],
    ["mustache", "\n\n  {{#x}}{{.}}{{/x}}", 3, 3],
    ["mustache", "{{#x.y}}a{{/x.y}}", 1, 1],
    ["mustache", " {{^x}}a{{/x}}", 1, 2],
    ["mustache", "{{#a}}\n{{#b}} {{x}}{{/b}}{{/a}}", 2, 8],
    ["mustache", "{{=<% %>=}}\n<% x %>", 2, 1],
    ["jinja", "a\r\n {{ x }}", 2, 2],
    ["jinja", "😀 {{ x | length }}", 1, 4],
    ["jinja", "{% for i in a %}\n  {% if x.a %}{% endif %}{% endfor %}", 2, 3],
    ["jinja", "{% raw %}{{ x }}\n{% endraw %}\n {{ x }}", 3, 2],
    ["text", "\r\n\r\n 😀{{ x }}", 3, 4]
  ])(
    "has a position in %s: %j",
    ([engine, text, line, column]) =>
      Effect.map(
        failure(engine, text, { x, a: { b: 1 } }),
        (error) => assert.include(error, { reason: "invalidValue", variable: "x", line, column })
      )
  )
})

describe("the engine text", () => {
  it.effect.prop("replaces each placeholder", {
    parts: FastCheck.array(FastCheck.oneof(FastCheck.string(), FastCheck.constantFrom("{{a}}", "{{b}}")))
  }, ({ parts }) =>
    Effect.gen(function*() {
      const text = parts.map((part) => part.startsWith("{{") ? part : part.replaceAll(/[{}]/g, "")).join("")
      const a = "{{b}}"
      assert.strictEqual(
        yield* render("text", text, { a, b: 2 }),
        text.split("{{a}}").map((part) => part.split("{{b}}").join("2")).join(a)
      )
    }))
})

describe("an engine that is none", () => {
  it.effect("is an error", () =>
    Effect.gen(function*() {
      const engine: Template.Engine = JSON.parse("\"liquid\"")
      for (const error of [yield* failure(engine, "{{x}}"), yield* Effect.flip(Template.check("", { engine }))]) {
        assert.include(error, { reason: "unknownEngine" })
      }
    }))
})

describe.each<readonly [Template.Engine, string, TemplateReason, Record<string, number>]>([
  ["mustache", "a\n {{b", "syntax", { line: 2, column: 2 }],
  ["mustache", "a\n {{#b}}", "syntax", {}],
  ["mustache", "{{#a}}\n{{/b}}", "syntax", { line: 2, column: 1 }],
  ["mustache", "x{{/b}}", "syntax", { line: 1, column: 2 }],
  ["mustache", "x{{= a =}}", "syntax", { line: 1, column: 2 }],
  ["mustache", "x {{> secret}}", "unsupported", { line: 1, column: 3 }],
  ["jinja", "a\n {{ b", "syntax", { line: 2, column: 2 }],
  ["jinja", "a {# b", "syntax", { line: 1, column: 3 }],
  ["jinja", "{{ a }}\n{{ a ? b }}", "syntax", { line: 2, column: 1 }],
  ["jinja", "{{ a }}\n {{ a + }}", "syntax", { line: 2, column: 2 }],
  ["jinja", "{{ a }}\n{% endif %}", "syntax", { line: 2, column: 1 }],
  ["jinja", "{% break %}", "syntax", {}],
  ["jinja", "x {% include 'secret' %}", "unsupported", { line: 1, column: 3 }],
  ["jinja", "x {% import 'secret' as s %}", "unsupported", { line: 1, column: 3 }],
  ["jinja", "x {% extends 'secret' %}", "unsupported", { line: 1, column: 3 }],
  ["jinja", "{{ 'secret' | center(80) }}", "unsupported", { line: 1, column: 1 }],
  ["jinja", "{{ a is divisible }}", "unsupported", { line: 1, column: 1 }],
  ["jinja", "\n{{ a is nope(3) }}", "unsupported", { line: 2, column: 1 }],
  ["jinja", "x {% filter upper %}a{% endfilter %}", "unsupported", { line: 1, column: 3 }],
  ["jinja", "{{ [1] | select(*a) }}", "unsupported", { line: 1, column: 1 }],
  ["jinja", "\n {% raw %}{{ secret }}", "syntax", { line: 2, column: 2 }],
  ["jinja", "{% raw %}{{ ? }}{% endraw %}\n {{ ? }}", "syntax", { line: 2, column: 2 }],
  ["jinja", "{% raw %}{{ }}{% endraw %}\n {{ a + }}", "syntax", { line: 2, column: 2 }],
  ["jinja", "{% endraw %}", "syntax", {}],
  ["jinja", "\n{% with a = 1 %}", "syntax", {}],
  ["jinja", "x {% with 1 %}{% endwith %}", "syntax", { line: 1, column: 3 }],
  ["jinja", "\n{% with a = (1 %}{% endwith %}", "syntax", { line: 2, column: 1 }],
  ["jinja", "{% endwith %}", "syntax", { line: 1, column: 1 }],
  ["jinja", "\n{{ a is in( }}", "syntax", { line: 2, column: 1 }],
  ["jinja", "{{ a is }}", "syntax", { line: 1, column: 1 }],
  ["jinja", "{{ ''.__class__.mro() }}", "unsupported", { line: 1, column: 1 }],
  ["mustache", "{{a}}" + " ".repeat(1001), "limit", {}],
  ["jinja", "{{a}}" + " ".repeat(1001), "limit", {}],
  ["mustache", "{{a}}" + "x".repeat(2 ** 18), "limit", {}],
  ["jinja", "{{a}}" + "x".repeat(2 ** 18), "limit", {}],
  ["mustache", "{{=| |=}}" + "|a|".repeat(3000), "limit", {}],
  ["mustache", "{{#a}}".repeat(300) + "{{/a}}".repeat(300), "limit", {}],
  ["jinja", `{{ ${"(".repeat(50_000)} }}`, "limit", {}],
  ["jinja", `{{ a${" + a".repeat(1000)} }}`, "limit", {}],
  ["jinja", "{% if a %}".repeat(10_000), "limit", {}],
  ["jinja", "{% with a = 1 %}".repeat(10_000), "limit", {}],
  ["jinja", `{{ a${" is odd".repeat(30_000)} }}`, "limit", {}],
  ["jinja", `{{ ${"a is in(".repeat(12_000)}1${")".repeat(12_000)} }}`, "limit", {}],
  ["jinja", `{{ ${"a is eq [".repeat(20_000)} }}`, "syntax", {}],
  ["jinja", "{% raw %}".repeat(28_000), "syntax", { line: 1, column: 1 }]
])("%s, %.40s", (engine, text, reason, position) => {
  it.effect(`is found when it is compiled: ${reason}`, () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Template.check(text, { engine }))
      assert.include<object>(error, { reason, ...position })
      assert.notInclude(JSON.stringify(error), "secret")
      assert.include(yield* failure(engine, text, { a: 1 }), { reason })
    }))
})

/** Each of these would take seconds or gigabytes without a limit. */
describe.each<readonly [text: string, variables: Variables]>([
  ["{% for i in range(10**9) %}{% endfor %}", {}],
  ["{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}", {}],
  ["{% for i in l %}{% for j in l %}{% endfor %}{% endfor %}", { l: Array.from({ length: 1000 }, () => 1) }],
  ["{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", {}],
  ["{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}", {}],
  [
    "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s == 'x' }}",
    {}
  ],
  ["{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", {}],
  ["{{ 'a\nb' | indent(1000000000) }}", {}],
  ["{{ [1] | tojson(indent=1000000000) }}", {}],
  ["{{ [1, 2, 3, 4, 5, 6] | join(s) }}", { s: "x".repeat(1e7) }],
  ["{{ s.replace('', s) }}", { s: "x".repeat(1e5) }],
  ["{{ s | replace(p, 'x') }}", { s: "a".repeat(1e6), p: `${"a".repeat(1e5)}b` }],
  ["{{ p in s }}", { s: "a".repeat(5e6), p: `b${"a".repeat(1e6)}` }],
  ["{{ s.split(',') | length }}", { s: ",".repeat(1e7) }],
  ["{{ s | join(',') | length }}", { s: ",".repeat(1e7) }],
  ["{{ s[::-1] }}", { s: ",".repeat(1e7) }],
  ["{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}", {}],
  ["{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}", {}],
  ["{% for i in l | sort(attribute=p) %}{% endfor %}", {
    l: Array.from({ length: 9999 }, (_, a) => ({ a })),
    p: "a.".repeat(1e5)
  }],
  [`{% for i in range(40000) %}${"y".repeat(5000)}{% endfor %}`, {}],
  ...[
    "s.title()",
    "s | title",
    "t in s",
    "t not in s",
    "t is in(s)",
    "s.split(t)",
    "s.split('a')",
    "s | replace('a', '')",
    "s | replace('', 'a')",
    "s.strip('a')",
    "s ~ i ~ s == s",
    "u | upper",
    "u is lower",
    "u | tojson(ensure_ascii=true)",
    "n | indent",
    "o | items",
    "o.keys()",
    "o | tojson",
    "o | tojson(sort_keys=true)",
    "o | dictsort",
    "namespace(o)",
    "l | sort",
    "l | unique",
    "l | max",
    "l | sum(attribute='a', start=0)",
    "l | map('title')",
    "l | select('in', l)",
    "l | reject('eq', s)",
    "l is eq(l)",
    "l[::-1]"
  ].map((expression): readonly [string, Variables] => [
    `{% for i in range(20000) %}{% for j in [1, 2, 3] %}{% set x = ${expression} %}{% endfor %}{% endfor %}`,
    {
      s: "a ".repeat(50_000),
      t: `${"a ".repeat(20)}b`,
      u: "é字".repeat(50_000),
      n: "a\n".repeat(50_000),
      o: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i])),
      l: Array.from({ length: 1000 }, (_, i) => expression.includes("sum") ? { a: i } : `k${i * 7919 % 1000}`)
    }
  ])
])("the attack %.70s", (text, variables) => {
  it.effect("stops at a limit, soon", () =>
    Effect.gen(function*() {
      const before = performance.now()
      const error = yield* failure("jinja", text, variables)
      assert.include(error, { reason: "limit" })
      // a limit of ours, and not one of the language that was reached
      assert.notInclude(error.message, "becomes too long")
      assert.isBelow(performance.now() - before, 10_000)
    }))
})

/** What each of these takes was measured: so many of them are a second, and one is nothing. */
describe.each<readonly [expression: string, times: number]>([
  ["s.title()", 20],
  ["s | title", 20],
  ["[s] | map('title')", 20],
  ["t in s", 200],
  ["t not in s", 200],
  ["t is in(s)", 200],
  ["[t] | select('in', s)", 200],
  ["s.split(t)", 20],
  ["s | replace('a', '')", 30],
  ["s.strip('b')", 200],
  ["u | upper", 200],
  ["u is upper", 200],
  ["u | tojson(ensure_ascii=true)", 60],
  ["n | indent", 30],
  ["o | items", 200],
  ["o | keys", 200],
  ["o.values()", 200],
  ["l | select('in', l)", 20],
  ["l | select('eq', o)", 20],
  ["namespace(o)", 5_000],
  ["l is eq(l)", 3_000]
])("the cost of %s", (expression, times) => {
  const variables = {
    s: "a ".repeat(50_000),
    t: `${"a ".repeat(30)}b`,
    u: "é字".repeat(50_000),
    n: "a\n".repeat(50_000),
    o: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i])),
    l: Array.from({ length: 1000 }, (_, i) => `k${i}`)
  }
  it.effect("is counted", () =>
    Effect.gen(function*() {
      const text = `{% for i in range(n) %}{% set x = ${expression} %}{% endfor %}`.replace(
        "range(n)",
        `range(${times})`
      )
      assert.include(yield* failure("jinja", text, variables), { reason: "limit" })
      assert.strictEqual(yield* render("jinja", text.replace(`${times}`, "1"), variables), "")
    }))
})

it.effect("a test costs nothing that does not look into its value", () =>
  Effect.gen(function*() {
    const l = Array.from({ length: 10_000 }, () => "x".repeat(100))
    const text =
      "{% for i in range(5000) %}{% if l is not defined or l is none or l is string %}!{% endif %}{% endfor %}"
    assert.strictEqual(yield* render("jinja", text, { l }), "")
  }))

it.effect("nested sections of mustache stop at a limit", () =>
  Effect.gen(function*() {
    const l = Array.from({ length: 1000 }, () => 1)
    assert.include(yield* failure("mustache", "{{#l}}{{#l}}{{/l}}{{/l}}", { l }), { reason: "limit" })
  }))

it.effect("so do the parts of a name", () =>
  Effect.gen(function*() {
    const long = "a" + ".a".repeat(60_000)
    const l = Array.from({ length: 1000 }, () => 1)
    assert.include(yield* failure("mustache", `{{#l}}{{#${long}}}{{/${long}}}{{/l}}`, { l, a: {} }), {
      reason: "limit"
    })
  }))

it.effect("a template that refuses its variables does not show why", () =>
  Effect.gen(function*() {
    const error = yield* failure("jinja", "{{ raise_exception('the ' ~ secret) }}", { secret: "sesame" })
    assert.include(error, { reason: "raised" })
    assert.notInclude(JSON.stringify(error), "sesame")
  }))

describe("jinja", () => {
  it.effect.each<readonly [text: string, variables: Variables, expected: string]>([
    ["{{ x | default('d') }} {{ x is defined }} {{ 'a' if x }}{% if x %}y{% else %}n{% endif %}", {}, "d false n"],
    ["{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", { d: { a: 1, b: [2] } }, "a=1;b=[2];"],
    ["{{ ' a ' | trim }}|{{ 'a' | upper }}|{{ [3, 1] | sort | join('-') }}", {}, "a|A|1-3"],
    ["{{ [1, 2, 3][1:] | length }}{{ 'abc'[0] }}", {}, "2a"],
    ["{{ o | tojson }} {{ o }}", { o: { a: [1, null] } }, "{\"a\": [1, null]} {\"a\":[1,null]}"],
    ["{{ {'a': [none, {'b': none}]} }}", {}, "{\"a\":[null,{\"b\":null}]}"],
    ["{% macro f(a, b='x') %}[{{ a }}{{ b }}]{% endmacro %}{{ f(1) }}{{ f(1, b=2) }}", {}, "[1x][12]"],
    ["{% for i in [1, 2, 3] if i != 2 %}{{ i }}{% if loop.last %}!{% endif %}{% endfor %}", {}, "13!"],
    ["{% for i in [1, 2, 3] %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}", {}, "13"],
    ["{{ 'a' 'b' }}{{ \"t\" }}t{# c #}", {}, "abtt"],
    ["{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", {}, "10"],
    // tests with arguments
    ["{{ 9 is divisibleby(3) }} {{ 9 is divisibleby 2 }} {{ 9 is not divisibleby(2) }}", {}, "true false true"],
    ["{{ 2 is in [1, 2] }} {{ 'a' is not in 'abc' }} {{ 'k' is in d }} {{ d.l[0] is in(d.l) }}", {
      d: { k: 1, l: [[1]] }
    }, "true false true true"],
    [
      "{{ x is sameas none }} {{ 1 is sameas true }} {{ not (3 is eq 3) }} {{ [1] is eq([1.0]) }}",
      { x: null },
      "true false false true"
    ],
    ["{{ 1 is lt 2 }}{{ 1 is ge(2) }}{{ 'a' is ne('b') }}{{ 5 is odd | string }}", {}, "truefalsetruetrue"],
    [
      "{{ x is mapping }} {{ x is iterable }} {{ 1.5 is float }} {{ y is undefined }}",
      { x: {} },
      "true true true true"
    ],
    ["{{ 'q' if z is not defined else 'w' }}{% if z is defined and z is odd %}{% endif %}", {}, "q"],
    ["{{ is }} {{ x.is }} {{ {'is': 1} }}", { is: 1, x: { is: 2 } }, "1 2 {\"is\":1}"],
    ["{{ x.is in [2] }}{{ x.is not in [2] }}{% for is in [1] %}{{ is }}{% endfor %}", { x: { is: 2 } }, "truefalse1"],
    // filters
    ["{{ [1, 2, 3, 4] | select('divisibleby', 2) | list }} {{ [0, 1, ''] | select | list }}", {}, "[2,4] [1]"],
    ["{{ ['a', 'b'] | reject('equalto', 'b') | join(', ') }} {{ [1, 2, 3] | reject('>', 1) | list }}", {}, "a [1]"],
    ["{{ l | selectattr('r', 'in', ['a', 'b']) | map(attribute='r') | join }}{{ l | rejectattr('r') | count }}", {
      l: [{ r: "a" }, { r: "c" }, { q: 1 }]
    }, "a1"],
    ["{{ l | selectattr('a.b', 'ne', 2) | list }}{{ l | map(attribute='a.c', default='-') | list }}", {
      l: [{ a: { b: 1 } }, { a: { b: 2 } }]
    }, "[{\"a\":{\"b\":1}}][\"-\",\"-\"]"],
    [
      "{{ [' a ', 'b'] | map('trim') | map('upper') | join('|') }}{{ [[1], []] | map('count') | list }}",
      {},
      "A|B[1,0]"
    ],
    ["{{ x | d('y') }} {{ none | d('y', true) }} {{ [1, 2] | count }}", {}, "y y 2"],
    [
      "{{ 2.5 | round }} {{ 3.5 | round }} {{ -2.5 | round }} {{ 42.55 | round(1, 'floor') }} {{ 2 | round | int }}",
      {},
      "2.0 4.0 -2.0 42.5 2"
    ],
    [
      "{{ 0.12345 | round(precision=2) }} {{ 0.121 | round(2, method='ceil') }} {{ 1234 | round(-2) }}",
      {},
      "0.12 0.13 1200.0"
    ],
    ["{{ [1, 2] | sum }} {{ [1, 2.5] | sum }} {{ [] | sum }} {{ l | sum(attribute='n', start=1) }}", {
      l: [{ n: 1 }, { n: 5 }]
    }, "3 3.5 0 7"],
    ["{{ [1, 3, 2] | max }}{{ ['b', 'A'] | min }}{{ ['b', 'A'] | max(true) }}{{ l | max(attribute='n') }}", {
      l: [{ n: 1 }, { n: 5 }]
    }, "3Ab{\"n\":5}"],
    ["{{ s | truncate(9) }}|{{ s | truncate(9, true) }}|{{ s | truncate(11) }}|{{ s | truncate(11, false, '…', 0) }}", {
      s: "foo bar baz qux"
    }, "foo...|foo ba...|foo bar baz qux|foo bar…"],
    ["{{ '😀😀😀😀' | truncate(6, true, '...', 0) }}", {}, "😀..."],
    [
      "{{ '\\n a \\n'.strip('\\n') }}|{{ 'xyaxx'.lstrip('xy') }}|{{ ' a '.rstrip() }}|{{ 'aXa' | trim('a') }}",
      {},
      " a |axx| a|X"
    ],
    [
      "{{ '😀a😀'.strip('😀') }}|{{ '😀😃'.lstrip('😀') }}|{{ '😀'.rstrip('😃') }}|{{ 'aa'.strip('a') }}",
      {},
      "a|😃|😀|"
    ],
    // blocks
    ["a {% raw %}{{ x }} {% if %} {# #}{% endraw %} b {{ y }}", { y: 1 }, "a {{ x }} {% if %} {# #} b 1"],
    ["a\n  {%- raw -%}  {{ x }}\n  {% endraw %}\nb{{ y }}", { y: 1 }, "a{{ x }}\nb1"],
    ["  {% raw %} {{ {%- endraw -%}  {{ y }}{% raw %}{% endraw %}", { y: "{{ z }}" }, " {{{{ z }}"],
    ["{{ '{% raw %}' }}{# {% raw %} #}{{ y }}", { y: 1 }, "{% raw %}1"],
    [
      "{% with a = 1, b = x %}{{ a }}{{ b }}{% set x = 5 %}{% endwith %}{{ x }}{{ a is defined }}",
      { x: 2 },
      "122false"
    ],
    ["{% with x = x, y = x %}{% with %}{{ x }}{{ y }}{% endwith %}{% endwith %}", { x: 2 }, "22"],
    [
      "{% for i in [1, 2, 3] %}{% with j = i %}{% if j == 2 %}{% continue %}{% endif %}{{ j }}{{ loop.index }}" +
      "{% endwith %}{% endfor %}",
      {},
      "1133"
    ],
    ["{% with a = b is defined and 4 is divisibleby 2 %}{{ a }}{% endwith %}", { b: 1 }, "true"]
  ])(
    "%s",
    ([text, variables, expected]) =>
      Effect.map(render("jinja", text, variables), (rendered) => assert.strictEqual(rendered, expected))
  )

  const messages = [
    { role: "system", content: " Be {{kind}}. " },
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello" },
    { role: "user", content: "<|im_end|>" }
  ]

  it.effect("renders a template in the style of ChatML", () =>
    Effect.gen(function*() {
      const template = `{%- if messages[0]['role'] != 'system' %}
    {{- '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}`
      assert.strictEqual(
        yield* render("jinja", template, { messages, add_generation_prompt: true }),
        "<|im_start|>system\nBe {{kind}}.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n" +
          "<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\n<|im_end|><|im_end|>\n<|im_start|>assistant\n"
      )
      assert.strictEqual(
        yield* render("jinja", template, { messages: messages.slice(1, 2) }),
        "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
      )
    }))

  it.effect("renders a template in the style of Llama 3", () =>
    Effect.gen(function*() {
      const template = `{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- if tools is not none and tools is defined %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}`
      assert.strictEqual(
        yield* render("jinja", template, {
          bos_token: "<s>",
          messages: messages.slice(0, 2),
          tools: [{ name: "f", args: [] }]
        }),
        "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n" +
          "{\n    \"name\": \"f\",\n    \"args\": []\n}\n\nBe {{kind}}.<|eot_id|>" +
          "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
      )
    }))

  it.effect("renders a template in the style of Mistral", () =>
    Effect.gen(function*() {
      const template = `{{ bos_token }}{% set ns = namespace(index=0) %}{% for message in loop_messages %}` +
        `{% if (message['role'] == 'user') != (ns.index % 2 == 0) %}` +
        `{{ raise_exception('roles must alternate') }}{% endif %}{% set ns.index = ns.index + 1 %}` +
        `{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}` +
        `{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}` +
        `{% else %}{{ raise_exception('no such role') }}{% endif %}{% endfor %}`
      const tokens = { bos_token: "<s>", eos_token: "</s>" }
      assert.strictEqual(
        yield* render("jinja", template, { ...tokens, loop_messages: messages.slice(1) }),
        "<s>[INST] Hi [/INST] Hello</s>[INST] <|im_end|> [/INST]"
      )
      assert.include(yield* failure("jinja", template, { ...tokens, loop_messages: messages }), { reason: "raised" })
    }))
})

describe("what jinja is given that it has no use for", () => {
  it.effect.each<readonly [text: string, reason: TemplateReason]>([
    ["{{ [] | max }}", "missingVariable"],
    ["{{ missing | sum }}", "missingVariable"],
    ["{{ 1 | select }}", "invalidValue"],
    ["{{ [1] | select('secret') }}", "invalidValue"],
    ["{{ [1, 'a'] | max }}", "invalidValue"],
    ["{{ ['a'] | sum }}", "invalidValue"],
    ["{{ 1 is divisibleby(0) }}", "invalidValue"],
    ["{{ 1 is divisibleby }}", "invalidValue"],
    ["{{ 1.5 is odd }}", "invalidValue"],
    ["{{ 1 is eq }}", "invalidValue"],
    ["{{ 1 is odd(1) }}", "invalidValue"],
    ["{{ 1 | round(400) }}", "invalidValue"],
    ["{{ 1 | round(method='secret') }}", "invalidValue"],
    ["{{ [1] | map }}", "invalidValue"],
    ["{{ ['a'] | map('replace', 'a', 'b') }}", "invalidValue"],
    ["{{ ['a'] | map('secret') }}", "unsupported"],
    ["{{ ['a'] | map('__proto__') }}", "unsupported"],
    ["{{ 'a'.strip(1) }}", "invalidValue"]
  ])("%s is an error with a position", ([text, reason]) =>
    Effect.map(failure("jinja", `\n ${text}`), (error) => {
      assert.include(error, { reason, line: 2, column: 2 })
      if (!text.includes("map(")) assert.notInclude(error.message, "secret")
    }))
})

describe("a typed template", () => {
  const greeting = Template.make("Hi {{name}}, since {{ date }}", { name: Schema.String, date: Schema.Date })

  it.effect("prints what its schemas encode to", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* greeting.render({ name: "{{date}}", date: new Date(0) }),
        "Hi {{date}}, since 1970-01-01T00:00:00.000Z"
      )
    }))

  it.effect("renders to messages", () =>
    Effect.gen(function*() {
      const history: Message = { role: "assistant", content: "{{name}}" }
      const chat = Template.chat(
        Template.system(Template.make("Be {{kind}}", { kind: Schema.Literal("nice") })),
        history,
        Template.user(greeting)
      )
      assert.deepStrictEqual(yield* chat.render({ kind: "nice", name: "Ada", date: new Date(0) }), [
        { role: "system", content: "Be nice" },
        history,
        { role: "user", content: "Hi Ada, since 1970-01-01T00:00:00.000Z" }
      ])
      assert.deepStrictEqual(yield* Template.user(Template.make("plain", {})).render({}), {
        role: "user",
        content: "plain"
      })
      const error = yield* Effect.flip(chat.render({ kind: "nice", name: "Ada", date: new Date(NaN) }))
      assert.include(error, { reason: "invalidValue", variable: "date", messageIndex: 2 })
      assert.strictEqual(error.issues[0]?.path, "messages[2].content")
    }))

  it.effect("checks values that the compiler does not know", () =>
    Effect.gen(function*() {
      assert.include(yield* Effect.flip(greeting.renderUnknown({ name: "a" })), {
        reason: "missingVariable",
        variable: "date",
        line: 1,
        column: 20
      })
      const error = yield* Effect.flip(greeting.renderUnknown({ name: { secret: 1 }, date: new Date(0) }))
      assert.include(error, { reason: "invalidValue", variable: "name", line: 1, column: 4 })
      assert.notInclude(JSON.stringify(error), "secret")
    }))

  it("checks a text that is no literal when it is made", () => {
    const text: string = "{{a}}"
    assert.strictEqual(Template.make(text, { a: Schema.String }).text, text)
    assert.throws(() => Template.make(text, {}), /no schema for "a"/)
    assert.throws(() => Template.make(text, { a: Schema.String, b: Schema.String }), /no placeholder for "b"/)
  })
})
