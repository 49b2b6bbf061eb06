import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Variables from "../../src/prompt/Variables.js"
import type { Message } from "../../src/wire/Messages.js"

const user = (content: string): ReadonlyArray<Message> => [{ role: "user", content }]

const rendered = (content: string, variables: Variables.Variables): unknown =>
  Either.getOrThrowWith(Variables.render(user(content), variables), (error) => error)[0]?.content

const issues = (messages: ReadonlyArray<Message>, variables: Variables.Variables) =>
  Either.match(Variables.render(messages, variables), {
    onLeft: ({ issues }) => issues.map(({ message, path }) => ({ message, path })),
    onRight: () => []
  })

describe("render", () => {
  it.each<readonly [text: string, variables: Variables.Variables, expected: string]>([
    ["Hello {{name}}!", { name: "Ada" }, "Hello Ada!"],
    ["{{ name }}{{name}} {{  name}}", { name: "Ada" }, "AdaAda Ada"],
    ["{{a_1}} {{A_1}}", { a_1: "lower", A_1: "upper" }, "lower upper"],
    ["{{n}} {{b}} {{nil}}.", { n: 1.5, b: false, nil: null }, "1.5 false ."],
    ["{{o}} {{l}}", { o: { a: "b" }, l: [1, "2"] }, "{\"a\":\"b\"} [1,\"2\"]"],
    ["{{a}}", { a: "{{b}}", b: "never" }, "{{b}}"],
    ["{{a}}{b}}", { a: "{", b: "never" }, "{{b}}"],
    ["{{a}}", { a: "$& $1 $$ $'" }, "$& $1 $$ $'"],
    ["{{{a}}}", { a: "x" }, "{x}"],
    ["{a} {{}} {{ }} {{a b}} {{a-b}} {{a.b}} {{a", { a: "never" }, "{a} {{}} {{ }} {{a b}} {{a-b}} {{a.b}} {{a"],
    ["{{__proto__}} {{constructor}}", JSON.parse("{\"__proto__\":\"p\",\"constructor\":\"c\"}"), "p c"]
  ])("%s", (text, variables, expected) => {
    assert.strictEqual(rendered(text, variables), expected)
  })

  it("renders the texts of every role, and nothing else", () => {
    const text = "{{x}}"
    const part = { type: "text", text } as const
    const messages: ReadonlyArray<Message> = [
      { role: "system", content: text, name: text },
      { role: "developer", content: [part] },
      {
        role: "user",
        content: [{ type: "image_url", imageUrl: { url: text } }, part, { type: "text", text: "plain" }]
      },
      {
        role: "assistant",
        content: [part, { type: "refusal", refusal: text }, { type: "reasoning", reasoning: text, signature: text }],
        toolCalls: [{ id: text, type: "function", function: { name: text, arguments: text } }]
      },
      { role: "assistant", content: null },
      { role: "assistant" },
      { role: "tool", content: text, toolCallId: text }
    ]
    const done = { type: "text", text: "1" } as const
    assert.deepStrictEqual(Either.getOrThrow(Variables.render(messages, { x: 1 })), [
      { role: "system", content: "1", name: text },
      { role: "developer", content: [done] },
      {
        role: "user",
        content: [{ type: "image_url", imageUrl: { url: text } }, done, { type: "text", text: "plain" }]
      },
      {
        role: "assistant",
        content: [done, { type: "refusal", refusal: text }, { type: "reasoning", reasoning: text, signature: text }],
        toolCalls: [{ id: text, type: "function", function: { name: text, arguments: text } }]
      },
      { role: "assistant", content: null },
      { role: "assistant" },
      { role: "tool", content: "1", toolCallId: text }
    ])
  })

  it("lists each missing variable with the text it is missing in", () => {
    assert.deepStrictEqual(
      issues([
        { role: "system", content: "{{a}} {{b}} {{a}} {{ok}}" },
        { role: "user", content: [{ type: "text", text: "" }, { type: "text", text: "{{b}}" }] }
      ], { ok: 1 }),
      [
        { path: "messages[0].content", message: "the variable \"a\" is missing" },
        { path: "messages[0].content", message: "the variable \"b\" is missing" },
        { path: "messages[1].content[1].text", message: "the variable \"b\" is missing" }
      ]
    )
  })

  it("counts own members only, and undefined as missing", () => {
    assert.strictEqual(issues(user("{{constructor}} {{__proto__}} {{toString}} {{u}}"), { u: undefined }).length, 4)
  })

  it("fails for values that have no text", () => {
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    for (const a of [() => 1, Symbol("s"), 1n, cycle]) {
      assert.deepStrictEqual(issues(user("{{a}}"), { a }), [
        { path: "messages[0].content", message: "the variable \"a\" is not a JSON value" }
      ])
    }
  })

  it("shows no text of a message but the names", () => {
    const [issue] = issues(user(`the-secret-text {{${"a".repeat(500)}}}`), {})
    assert.notInclude(JSON.stringify(issue), "the-secret-text")
    assert.isBelow(issue?.message.length ?? 0, 100)
  })

  it("gives the same array back when nothing changes, and the same message where nothing does", () => {
    const messages: ReadonlyArray<Message> = [{ role: "system", content: "plain {{" }, ...user("{{a}}")]
    assert.strictEqual(Either.getOrThrow(Variables.render(messages.slice(0, 1), { a: 1 }))[0], messages[0])
    const unchanged = user("plain")
    assert.strictEqual(Either.getOrThrow(Variables.render(unchanged, { a: 1 })), unchanged)
    assert.strictEqual(Either.getOrThrow(Variables.render(messages, { a: 1 }))[0], messages[0])
    assert.deepStrictEqual(messages[1], { role: "user", content: "{{a}}" })
  })

  it("is linear in the text", { timeout: 2000 }, () => {
    for (const hard of ["{{", "{{ ", "{{a", "{", " ", "{{a ", "a"]) {
      const text = `{{${hard.repeat(300_000)}`
      assert.strictEqual(rendered(text, {}), text)
    }
  })

  it.prop("puts any value in as it is, once", [FastCheck.string(), FastCheck.string()], ([value, around]) => {
    const plain = around.replaceAll("{", "")
    assert.strictEqual(rendered(`${plain}{{v}}${plain}`, { v: value }), `${plain}${value}${plain}`)
  })
})
