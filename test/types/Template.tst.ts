import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect, test } from "tstyche"
import type { TemplateError } from "../../src/error/Prompt.js"
import * as Template from "../../src/prompt/Template.js"
import type { Message } from "../../src/wire/Messages.js"

const { Number, String } = Schema

/** The call without its effect: a floating Effect is a mistake by itself, so that every call would be refused. */
const caller = <Args extends Array<unknown>>(_render: (...args: Args) => unknown): (...args: Args) => void => () => {}

describe("Template.Placeholders", () => {
  test("are those that the engine finds", () => {
    expect<Template.Placeholders<"Hi {{name}}, you are {{age}}">>().type.toBe<"name" | "age">()
    expect<Template.Placeholders<"{{ a }}{{  b_1  }}{{a}}">>().type.toBe<"a" | "b_1">()
    expect<Template.Placeholders<"{{{a}}} {a} {{}} {{ }} {{b c}} {{b.c}} {{\nd}} {{e">>().type.toBe<"a">()
    expect<Template.Placeholders<"{{ x {{a}} }} {{A}}">>().type.toBe<"a" | "A">()
    expect<Template.Placeholders<"no placeholder">>().type.toBe<never>()
    expect<Template.Placeholders<string>>().type.toBe<string>()
  })

  test("may be many", () => {
    type Ten<P extends string> =
      `{{${P}0}} {{${P}1}} {{${P}2}} {{${P}3}} {{${P}4}} {{${P}5}} {{${P}6}} {{${P}7}} {{${P}8}} {{${P}9}} lorem ipsum dolor`
    type Names<P extends string> = `${P}${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}`
    expect<Template.Placeholders<`${Ten<"alpha">} ${Ten<"beta">} ${Ten<"gamma">} ${Ten<"delta">}`>>().type.toBe<
      Names<"alpha"> | Names<"beta"> | Names<"gamma"> | Names<"delta">
    >()
  })
})

describe("Template.make", () => {
  test("takes a schema for each placeholder", () => {
    expect(Template.make("Hi {{name}}, you are {{ age }}, {{name}}", { name: String, age: Number })).type.toBe<
      Template.Template<{ name: typeof Schema.String; age: typeof Schema.Number }>
    >()
    expect(Template.make("plain", {})).type.toBe<Template.Template<{}>>()
  })

  test("takes none too few, and none too many", () => {
    expect(Template.make).type.toBeCallableWith("Hi {{name}}, {{age}}", { name: String, age: Number })
    expect(Template.make).type.not.toBeCallableWith("Hi {{name}}, {{age}}", { name: String })
    expect(Template.make).type.not.toBeCallableWith("Hi {{name}}", {})
    expect(Template.make).type.not.toBeCallableWith("Hi {{name}}", { nam: String })
    expect(Template.make).type.not.toBeCallableWith("Hi {{name}}", { name: String, age: Number })
    expect(Template.make).type.not.toBeCallableWith("Hi {{na me}}", { name: String })
    expect(Template.make).type.not.toBeCallableWith("plain", { name: String })
    expect(Template.make).type.not.toBeCallableWith("Hi {{name}}", { name: "Ada" })
  })

  test("takes any schemas for a text that is no literal", () => {
    expect(Template.make("" as string, { name: String })).type.toBe<Template.Template<{ name: typeof Schema.String }>>()
    expect(Template.make).type.toBeCallableWith("" as `${string} {{name}}`, { name: String, age: Number })
  })

  test("takes one text, not one of several", () => {
    const text = "" as "Hi {{name}}" | "You are {{age}}"
    expect(Template.make).type.not.toBeCallableWith(text, { name: String, age: Number })
    expect(Template.make).type.not.toBeCallableWith(text, { name: String })
  })
})

describe("the schemas of Template.make", () => {
  test("are of values that have a text", () => {
    expect(Template.make).type.toBeCallableWith("{{a}}", { a: Schema.NullOr(Schema.DateFromSelf) })
    expect(Template.make).type.toBeCallableWith("{{a}}", { a: Schema.BigInt })
    expect(Template.make).type.toBeCallableWith("{{a}}", { a: Schema.Unknown })
    expect(Template.make).type.toBeCallableWith("{{a}}", { a: Schema.Any })
    expect(Template.make).type.toBeCallableWith("{{a}}", { a: Schema.Option(Number) })
    expect(Template.make).type.toBeCallableWith("{{a}}", { a: Schema.Redacted(String) })
    expect(Template.make).type.toBeCallableWith("{{a}}", { a: String.pipe(Schema.brand("Id")) })
    expect(Template.make).type.toBeCallableWith("{{a}}", { a: Schema.Struct({ x: Schema.optional(String) }) })
    expect(Template.make).type.toBeCallableWith("{{a}}", { a: Schema.Record({ key: String, value: Number }) })
    expect(Template.make).type.toBeCallableWith("{{a}}", { a: Tree })
  })

  test("are of no value that is undefined", () => {
    expect(Template.make).type.not.toBeCallableWith("{{a}}", { a: Schema.UndefinedOr(String) })
    expect(Template.make).type.not.toBeCallableWith("{{a}}", { a: Schema.Undefined })
    expect(Template.make).type.not.toBeCallableWith("{{a}}", { a: Schema.Void })
  })

  test("encode to JSON", () => {
    expect(Template.make).type.not.toBeCallableWith("{{a}}", { a: Schema.BigIntFromSelf })
    expect(Template.make).type.not.toBeCallableWith("{{a}}", { a: Schema.SymbolFromSelf })
    expect(Template.make).type.not.toBeCallableWith("{{a}}", { a: Schema.Union(String, Schema.BigIntFromSelf) })
    expect(Template.make).type.not.toBeCallableWith("{{a}}", {
      a: Schema.Struct({ x: Schema.Array(Schema.BigIntFromSelf) })
    })
    expect(Template.make).type.not.toBeCallableWith("{{a}}", {
      a: Schema.MapFromSelf({ key: String, value: String })
    })
  })

  test("are all looked at", () => {
    expect(Template.make).type.not.toBeCallableWith("{{a}} {{b}}", { a: String, b: Schema.BigIntFromSelf })
  })
})

interface Tree {
  readonly children: ReadonlyArray<Tree>
}

const Tree: Schema.Schema<Tree> = Schema.Struct({ children: Schema.Array(Schema.suspend(() => Tree)) })

describe("a template", () => {
  const greeting = Template.make("Hi {{name}}, you are {{age}}", { name: String, age: Schema.NumberFromString })

  test("takes the type of each variable", () => {
    expect(caller(greeting.render)).type.toBeCallableWith({ name: "Ada", age: 36 })
    expect(greeting.render({ name: "Ada", age: 36 })).type.toBe<Effect.Effect<string, TemplateError>>()
  })

  test("takes none too few, none too many, and none of another type", () => {
    expect(caller(greeting.render)).type.not.toBeCallableWith({ name: "Ada" })
    expect(caller(greeting.render)).type.not.toBeCallableWith({})
    expect(caller(greeting.render)).type.not.toBeCallableWith({ name: "Ada", age: 36, city: "London" })
    expect(caller(greeting.render)).type.not.toBeCallableWith({ name: "Ada", age: "36" })
    expect(caller(greeting.render)).type.not.toBeCallableWith({ name: undefined, age: 36 })
  })

  test("takes no variable too many in an object that is wider", () => {
    const wide = { name: "Ada", age: 36, city: "London" }
    const perhapsWide = wide as { name: string; age: number } | typeof wide
    expect(caller(greeting.render)).type.not.toBeCallableWith(wide)
    expect(caller(greeting.render)).type.not.toBeCallableWith(perhapsWide)
    expect(caller(Template.user(greeting).render)).type.not.toBeCallableWith(wide)
    expect(caller(greeting.render)).type.toBeCallableWith({ name: wide.name, age: wide.age })
  })

  test("takes none without placeholders", () => {
    const plain = Template.make("plain", {})
    const one = { name: "Ada" }
    expect(caller(plain.render)).type.toBeCallableWith({})
    expect(caller(plain.render)).type.not.toBeCallableWith({ name: "Ada" })
    expect(caller(plain.render)).type.not.toBeCallableWith(one)
    expect(caller(Template.user(plain).render)).type.not.toBeCallableWith(one)
    expect(caller(plain.render)).type.not.toBeCallableWith(one as Record<string, string>)
  })

  test("is rendered by code that does not know its variables", () => {
    const twice = <F extends Template.Fields>(template: Template.Template<F>, values: Template.Values<F>) =>
      [template.render(values), Template.user(template).render(values)] as const
    expect(twice).type.toBeCallableWith(greeting, { name: "Ada", age: 36 })
  })

  test("is none with other variables", () => {
    type Name = { name: typeof Schema.String }
    expect(greeting).type.not.toBeAssignableTo<Template.Template<Template.Fields>>()
    expect(greeting).type.not.toBeAssignableTo<Template.Template<Name>>()
    expect(Template.user(greeting)).type.not.toBeAssignableTo<Template.TypedMessage<"user", Name>>()
    expect(Template.chat(Template.user(greeting))).type.not.toBeAssignableTo<Template.Chat<{ readonly name: string }>>()
    expect(Template.user(greeting)).type.toBeAssignableTo<
      Template.TypedMessage<"user" | "system", { name: typeof Schema.String; age: typeof Schema.NumberFromString }>
    >()
  })

  test("renders to a message", () => {
    expect(Template.user(greeting).render({ name: "Ada", age: 36 })).type.toBe<
      Effect.Effect<{ readonly role: "user"; readonly content: string }, TemplateError>
    >()
    expect(caller(Template.user(greeting).render)).type.toBeCallableWith({ name: "Ada", age: 36 })
    expect(caller(Template.user(greeting).render)).type.not.toBeCallableWith({ name: "Ada" })
  })
})

describe("a chat", () => {
  const history: Message = { role: "assistant", content: "Hello" }
  const chat = Template.chat(
    Template.system(Template.make("Be {{kind}} to {{name}}", { kind: Schema.Literal("nice"), name: String })),
    history,
    Template.user(Template.make("I am {{name}}, {{age}}", { name: String, age: Number }))
  )

  test("takes the variables of all of its messages", () => {
    expect(chat.render({ kind: "nice", name: "Ada", age: 36 })).type.toBe<
      Effect.Effect<ReadonlyArray<Message>, TemplateError>
    >()
    expect(caller(chat.render)).type.toBeCallableWith({ kind: "nice", name: "Ada", age: 36 })
    expect(caller(chat.render)).type.not.toBeCallableWith({ kind: "nice", name: "Ada" })
    expect(caller(chat.render)).type.not.toBeCallableWith({ kind: "bad", name: "Ada", age: 36 })
    expect(caller(chat.render)).type.not.toBeCallableWith({ kind: "nice", name: "Ada", age: 36, city: "London" })
  })

  test("takes no variable too many in an object that is wider", () => {
    const wide = { kind: "nice", name: "Ada", age: 36, city: "London" } as const
    expect(caller(chat.render)).type.not.toBeCallableWith(wide)
  })

  test("needs nothing when its messages do not, and takes nothing", () => {
    const one = { name: "Ada" }
    expect(caller(Template.chat(history).render)).type.toBeCallableWith({})
    expect(caller(Template.chat(history).render)).type.not.toBeCallableWith(one)
    expect(caller(Template.chat(history).render)).type.not.toBeCallableWith({ name: "Ada" })
  })
})
