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
      for (const x of [() => calls++, Symbol("s"), 1n, cycle, getter]) {
        assert.include(yield* failure(engine, "{{x}}", { x }), { reason: "invalidValue", variable: "x" })
      }
      assert.strictEqual(yield* render(engine, "{{x}}", { x: { f: () => calls++, a: 1 } }), "{\"a\":1}")
      assert.include(yield* failure(engine, "{{a}}", getter), { reason: "invalidValue", variable: "a" })
      assert.strictEqual(calls, 0)
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
  ["jinja", "{{ ''.__class__.mro() }}", "unsupported", { line: 1, column: 1 }],
  ["mustache", "{{a}}" + " ".repeat(1001), "limit", {}],
  ["jinja", "{{a}}" + " ".repeat(1001), "limit", {}],
  ["mustache", "{{a}}" + "x".repeat(2 ** 18), "limit", {}],
  ["jinja", "{{a}}" + "x".repeat(2 ** 18), "limit", {}],
  ["mustache", "{{=| |=}}" + "|a|".repeat(3000), "limit", {}],
  ["mustache", "{{#a}}".repeat(300) + "{{/a}}".repeat(300), "limit", {}],
  ["jinja", `{{ ${"(".repeat(50_000)} }}`, "limit", {}],
  ["jinja", `{{ a${" + a".repeat(1000)} }}`, "limit", {}],
  ["jinja", "{% if a %}".repeat(10_000), "limit", {}]
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
  [`{% for i in range(90000) %}${"y".repeat(5000)}{% endfor %}`, {}]
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
    ["{% set ns = namespace(n=0) %}{% for i in range(5) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", {}, "10"]
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
        variable: "date"
      })
      const error = yield* Effect.flip(greeting.renderUnknown({ name: { secret: 1 }, date: new Date(0) }))
      assert.include(error, { reason: "invalidValue", variable: "name" })
      assert.notInclude(JSON.stringify(error), "secret")
    }))

  it("checks a text that is no literal when it is made", () => {
    const text: string = "{{a}}"
    assert.strictEqual(Template.make(text, { a: Schema.String }).text, text)
    assert.throws(() => Template.make(text, {}), /no schema for "a"/)
    assert.throws(() => Template.make(text, { a: Schema.String, b: Schema.String }), /no placeholder for "b"/)
  })
})
