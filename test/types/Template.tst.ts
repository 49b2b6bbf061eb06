import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { describe, expect, test } from "tstyche"
import type { TemplateError } from "../../src/error/Prompt.js"
import * as Template from "../../src/prompt/Template.js"
import type { Message } from "../../src/wire/Messages.js"

const { Number, String } = Schema

/** The call without its effect: a floating Effect is a mistake by itself, so that every call would be refused. */
const caller = <A>(_render: (values: A) => unknown) => (_values: A): void => {}

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
  })
})

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

  test("needs nothing when its messages do not", () => {
    expect(caller(Template.chat(history).render)).type.toBeCallableWith({})
  })
})
