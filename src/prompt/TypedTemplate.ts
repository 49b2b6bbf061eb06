/**
 * Templates whose variables the compiler checks.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Types from "effect/Types"
import { TemplateError } from "../error/Prompt.js"
import { missing } from "../internal/templateFailure.js"
import * as Render from "../internal/templateRender.js"
import { names, text as engine } from "../internal/templateText.js"
import type { Message } from "../wire/Messages.js"

type Lower =
  | "a"
  | "b"
  | "c"
  | "d"
  | "e"
  | "f"
  | "g"
  | "h"
  | "i"
  | "j"
  | "k"
  | "l"
  | "m"
  | "n"
  | "o"
  | "p"
  | "q"
  | "r"
  | "s"
  | "t"
  | "u"
  | "v"
  | "w"
  | "x"
  | "y"
  | "z"

type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9"

type NameCharacter = Lower | Uppercase<Lower> | Digit | "_"

type TrimStart<S extends string> = S extends ` ${infer Rest}` ? TrimStart<Rest> : S

type TrimEnd<S extends string> = S extends `${infer Rest} ` ? TrimEnd<Rest> : S

type IsName<S extends string> = S extends `${infer Head}${infer Tail}`
  ? Head extends NameCharacter ? Tail extends "" ? true : IsName<Tail> : false
  : false

/** As the engine searches: what is no placeholder is searched again from its second brace on. */
type Parse<S extends string, Found extends string = never> = S extends `${string}{{${infer After}`
  ? After extends `${infer Inner}}}${infer Rest}`
    ? IsName<TrimEnd<TrimStart<Inner>>> extends true ? Parse<Rest, Found | TrimEnd<TrimStart<Inner>>>
    : Parse<`{${After}`, Found>
  : Found
  : Found

/** `string`, and patterns such as `${string}!`: what is written there is not known. */
type IsPattern<Text extends string> = {} extends { readonly [K in Text]: unknown } ? true : false

/**
 * The names of the placeholders of a template. Of a text that is no literal, any name.
 *
 * @since 0.1.0
 * @category models
 */
export type Placeholders<Text extends string> = IsPattern<Text> extends true ? string : Parse<Text>

/**
 * The schemas of the variables, by name.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fields {
  readonly [name: string]: Schema.Schema.AnyNoContext
}

/**
 * The variables that a template is filled in with, by name.
 *
 * @since 0.1.0
 * @category models
 */
export type Values<F extends Fields> = { readonly [K in keyof F]: Schema.Schema.Type<F[K]> }

type KeysOf<A> = A extends unknown ? keyof A : never

/** Nothing may be there beside `Names`: neither in an object that is written out, nor in one whose type is wider. */
type Excess<Given, Names> = { readonly [K in Exclude<KeysOf<Given>, Names>]?: never }

/**
 * A template of the engine `text` with the schemas of its variables.
 *
 * @since 0.1.0
 * @category models
 */
export interface Template<in out F extends Fields> {
  readonly text: string
  readonly fields: F
  /** Encodes the variables by their schemas, and puts them into the text. */
  readonly render: <V extends Values<F>>(values: V & Excess<V, keyof F>) => Effect.Effect<string, TemplateError>
  /** The same for variables of which the compiler knows nothing. Those that the template does not have are left out. */
  readonly renderUnknown: (values: { readonly [name: string]: unknown }) => Effect.Effect<string, TemplateError>
}

type Schemas<Text extends string> = { readonly [K in Placeholders<Text>]: Schema.Schema.AnyNoContext }

/** One of several texts: which variables there are is known only when it runs. */
type IsUnion<A, B = A> = A extends unknown ? [B] extends [A] ? false : true : never

type IsAny<A> = 0 extends 1 & A ? true : false

/** What JSON has no text for. */
type NotJson =
  | bigint
  | symbol
  | undefined
  | void
  | ReadonlyMap<never, unknown>
  | ReadonlySet<unknown>
  | Error
  | ((...args: never) => unknown)

type Plain = string | number | boolean | null | { readonly toJSON: () => unknown }

/** How far into the encoded side of a schema the compiler looks: three levels. A recursive type has no end. */
type MaxDepth = 3

/** What there is in a type that is not JSON. A member of an object may be absent. */
type Unprintable<A, Depth extends ReadonlyArray<unknown> = []> = IsAny<A> extends true ? never
  : Depth["length"] extends MaxDepth ? Extract<A, NotJson>
  : A extends NotJson ? A
  : A extends Plain ? never
  : A extends ReadonlyArray<infer Item> ? Unprintable<Item, [...Depth, unknown]>
  : A extends object ? { [K in keyof A]-?: Unprintable<Exclude<A[K], undefined>, [...Depth, unknown]> }[keyof A]
  : never

/** Whether a variable of the schema has a text: it may not be `undefined`, and its encoded side is JSON. */
type IsPrintable<S> = S extends Schema.Schema<infer A, infer I, never>
  ? [IsAny<A> extends true ? never : Extract<A, undefined | void>] extends [never] ?
    [Unprintable<I>] extends [never] ? true
    : false
  : false
  : false

/** No schema may be there for what is no placeholder, and none of what has no text. */
type Exact<F, Text extends string> =
  & F
  & { readonly [K in Exclude<keyof F, Placeholders<Text>>]: never }
  & { readonly [K in keyof F as IsPrintable<F[K]> extends true ? never : K]: never }

type Single<Text extends string> = IsUnion<Text> extends true ? never : Text

/** What the compiler finds, for those whose templates it does not see. */
const checkNames = (text: string, fields: Fields): void => {
  const wanted = names(text)
  for (const [name, offset] of wanted) {
    if (!Object.hasOwn(fields, name)) {
      throw Render.errorFor({ ...missing(name, offset), message: `there is no schema for "${name}"` }, text)
    }
  }
  for (const name of Object.keys(fields)) {
    if (!wanted.has(name)) {
      throw Render.errorFor({ reason: "syntax", message: `there is no placeholder for "${name}"`, variable: name })
    }
  }
}

type Unknowns = { readonly [name: string]: unknown }

const encode = (text: string, fields: Fields, values: Unknowns): Effect.Effect<Unknowns, TemplateError> => {
  const offsets = names(text)
  return Effect.map(
    Effect.forEach(Object.entries(fields), ([name, schema]) => {
      const value = Object.hasOwn(values, name) ? values[name] : undefined
      const offset = offsets.get(name)
      if (value === undefined) return Effect.fail(Render.errorFor(missing(name, offset), text))
      return Effect.mapBoth(Schema.encodeUnknown(schema)(value), {
        // what a schema says shows the value
        onFailure: () =>
          Render.errorFor({
            reason: "invalidValue",
            message: `the variable "${name}" does not fit its schema`,
            variable: name,
            offset
          }, text),
        onSuccess: (encoded) => [name, encoded] as const
      })
    }),
    Object.fromEntries<unknown>
  )
}

/**
 * A template whose placeholders are read from its text by the compiler: a schema that is missing, one too many, and at each
 * use a variable that is missing, unknown or of another type, do not compile.
 *
 * A variable is given as its schema's `Type` and printed as what the schema encodes it to: a `Schema.Date` as a text. A
 * schema of `undefined` (`Schema.UndefinedOr`), or one that encodes to what JSON does not have (a bigint, a symbol, a map),
 * does not compile, either, nor does a text that is one of several: make a template of each.
 *
 * A text that is no literal is checked when this is called, and a `TemplateError` is thrown.
 *
 * @example
 * import { make } from "effect-llm-router/Template"
 * import { Effect, Schema } from "effect"
 *
 * const greeting = make("Hi {{name}}, you are {{age}}", { name: Schema.String, age: Schema.Number })
 *
 * assert.strictEqual(Effect.runSync(greeting.render({ name: "Ada", age: 36 })), "Hi Ada, you are 36")
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <const Text extends string, F extends Schemas<Text>>(
  text: Text & Single<Text>,
  fields: Exact<F, Text>
): Template<F> => {
  checkNames(text, fields)
  const renderUnknown = (values: Unknowns): Effect.Effect<string, TemplateError> =>
    Effect.flatMap(encode(text, fields, values), (variables) => Render.renderText(text, { engine, variables }))
  return { text, fields, render: renderUnknown, renderUnknown }
}

type Role = "system" | "developer" | "user" | "assistant"

/**
 * A message with a template for its content.
 *
 * @since 0.1.0
 * @category models
 */
export interface TypedMessage<out R extends Role, in out F extends Fields> {
  readonly role: R
  readonly template: Template<F>
  readonly render: <V extends Values<F>>(
    values: V & Excess<V, keyof F>
  ) => Effect.Effect<{ readonly role: R; readonly content: string }, TemplateError>
}

const message = <R extends Role>(role: R) => <F extends Fields>(template: Template<F>): TypedMessage<R, F> => ({
  role,
  template,
  render: (values) => Effect.map(template.render(values), (content) => ({ role, content }))
})

/**
 * @since 0.1.0
 * @category messages
 */
export const system: <F extends Fields>(template: Template<F>) => TypedMessage<"system", F> = message("system")

/**
 * @since 0.1.0
 * @category messages
 */
export const developer: <F extends Fields>(template: Template<F>) => TypedMessage<"developer", F> = message("developer")

/**
 * @since 0.1.0
 * @category messages
 */
export const user: <F extends Fields>(template: Template<F>) => TypedMessage<"user", F> = message("user")

/**
 * @since 0.1.0
 * @category messages
 */
export const assistant: <F extends Fields>(template: Template<F>) => TypedMessage<"assistant", F> = message("assistant")

/** What a chat needs to know of a typed message. */
interface AnyTyped {
  readonly role: Role
  readonly template: {
    readonly fields: Fields
    readonly renderUnknown: (values: Unknowns) => Effect.Effect<string, TemplateError>
  }
}

type ValuesOf<M> = M extends { readonly template: { readonly fields: infer F extends Fields } } ? Values<F> : {}

/** The variables of all messages. One that two of them use has to be of both types. */
type Union<M> = Flat<Types.UnionToIntersection<ValuesOf<M>>>

type Flat<A> = { readonly [K in keyof A]: A[K] }

/**
 * Messages that are filled in together.
 *
 * @since 0.1.0
 * @category models
 */
export interface Chat<in V> {
  /** All messages, in their order. What is wrong is told with the index of its message. */
  readonly render: <A extends V>(values: A & Excess<A, keyof V>) => Effect.Effect<ReadonlyArray<Message>, TemplateError>
}

const inMessage = (error: TemplateError, messageIndex: number): TemplateError =>
  new TemplateError({
    ...error,
    messageIndex,
    issues: error.issues.map((issue) => ({ ...issue, path: `messages[${messageIndex}].content` }))
  })

const renderOne = (
  message: Message | AnyTyped,
  values: Unknowns,
  index: number
): Effect.Effect<Message, TemplateError> =>
  "template" in message
    ? Effect.mapBoth(message.template.renderUnknown(values), {
      onFailure: (error) => inMessage(error, index),
      onSuccess: (content) => ({ role: message.role, content })
    })
    : Effect.succeed(message)

/**
 * Messages with templates, and messages that are there already, in their order. It is filled in with the variables of all.
 *
 * @example
 * import * as Template from "effect-llm-router/Template"
 * import { Effect, Schema } from "effect"
 *
 * const translate = Template.chat(
 *   Template.system(Template.make("Translate into {{language}}.", { language: Schema.String })),
 *   Template.user(Template.make("{{text}}", { text: Schema.String }))
 * )
 *
 * assert.deepStrictEqual(Effect.runSync(translate.render({ language: "French", text: "Hello" })), [
 *   { role: "system", content: "Translate into French." },
 *   { role: "user", content: "Hello" }
 * ])
 *
 * @since 0.1.0
 * @category messages
 */
export const chat = <const Messages extends ReadonlyArray<Message | AnyTyped>>(
  ...messages: Messages
): Chat<Union<Messages[number]>> => ({
  render: (values: Unknowns) => Effect.forEach(messages, (message, index) => renderOne(message, values, index))
})
