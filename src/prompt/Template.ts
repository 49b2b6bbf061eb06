/**
 * Templates of prompts: texts that are filled in with variables, by one of three engines.
 *
 * - `text`, the default: `{{name}}` and nothing else. A name is made of letters (a to z), digits and underscores; what else
 *   stands in braces is left as it is.
 * - `mustache`: interpolation, sections, inverted sections, comments and delimiters of the Mustache specification.
 * - `jinja`: filters, loops, conditions, macros and namespaces, as the chat templates of model cards use them.
 *
 * The same holds for each of them:
 *
 * - A text is rendered alone: a value cannot open a role, add a part, or be taken for a template.
 * - Values are printed as they are: texts unchanged (nothing is HTML-escaped: in mustache `{{x}}` and `{{{x}}}` are the
 *   same), numbers and booleans as text, lists and objects as JSON, `null` as nothing. Sections and loops walk through lists
 *   and objects as data.
 * - A value is JSON: null, a boolean, a finite number, a text, a list or a plain object of such. An object with a `toJSON` is
 *   what that gives: a `Date` is its ISO text. As in JSON, a member that is `undefined` is not there, and an item that is
 *   `undefined` is null. All else is an error that names the variable: a function, a symbol, a bigint, `NaN`, an invalid
 *   `Date`, a getter, a cycle, and an object of a class (`Map`, `Set`, `Error`, `new String("x")`, `Uint8Array`, one of
 *   yours) without a `toJSON`.
 * - A variable that is printed and not given is an error. A condition is not: a missing section of mustache is false, and so
 *   is `{% if x %}` of jinja, `x is defined`, `x | default("y")`.
 * - A template reads no files (no partials, includes or imports), sees own members of plain data only, calls no functions
 *   but those of its engine, and does no more work than a fraction of a second.
 * - A text without tags is passed on as it is.
 *
 * What `jinja` knows; all else is a typed error, most of it when the template is compiled:
 *
 * | | |
 * | --- | --- |
 * | statements | `if` `for` (with `if`, `else`, `break`, `continue`) `set` `macro` `call` `with` `raw` `generation` |
 * | operators | `+ - * / // % ** ~` `== != < <= > >=` `in` `not in` `and` `or` `not` `is` `if … else …` `[a:b:c]` |
 * | filters | `abs` `bool` `capitalize` `count` `d` `default` `dictsort` `first` `float` `get` `indent` `int` `items` `join` `keys` `last` `length` `list` `lower` `map` `max` `min` `reject` `rejectattr` `replace` `reverse` `round` `safe` `select` `selectattr` `sort` `string` `sum` `title` `tojson` `trim` `truncate` `unique` `upper` `values` |
 * | tests | `boolean` `callable` `defined` `divisibleby` `even` `false` `float` `in` `integer` `iterable` `lower` `mapping` `none` `number` `odd` `sameas` `sequence` `string` `true` `undefined` `upper`; `eq` `ne` `lt` `le` `gt` `ge` and their other names, signs in `select` |
 * | methods | of texts `capitalize` `endswith` `lower` `lstrip` `replace` `rstrip` `split` `startswith` `strip` `title` `upper`; of objects `dictsort` `get` `items` `keys` `values` |
 * | functions | `namespace` `raise_exception` `range` |
 * | in loops | `loop.index` `index0` `revindex` `revindex0` `first` `last` `length` `previtem` `nextitem` |
 *
 * Blocks take the newline behind them and the spaces in front of them away (`trim_blocks`, `lstrip_blocks`), as those who
 * render chat templates of model cards do. There is no clock: what a chat template calls `strftime_now` is not defined, so that
 * it falls back, or takes the date as a variable. Not there, either: `{% filter %}`, `{% do %}`, blocks, includes and imports, `dict`,
 * `cycler`, `joiner`, `loop.cycle`, `groupby`, `batch`, `format`, and filters with arguments in `map`. `capitalize` and `title`
 * leave the other letters of a word as they are, and `==` and `in` compare lists and objects by identity: `is eq` and `is in`
 * compare what is in them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type TemplateError } from "../error/Prompt.js"
import { Lru } from "../internal/lru.js"
import { Failure } from "../internal/templateFailure.js"
import * as Render from "../internal/templateRender.js"
import type { Compiled, EngineImplementation } from "../internal/templateRun.js"
import { text as textEngine } from "../internal/templateText.js"
import type { Message } from "../wire/Messages.js"
import type { Variables } from "./Variables.js"

export {
  /**
   * @since 0.1.0
   * @category messages
   */
  assistant,
  /**
   * Messages that are filled in together.
   *
   * @since 0.1.0
   * @category models
   */
  type Chat,
  /**
   * Messages with templates, and messages that are there already, in their order. It is filled in with the variables of all.
   *
   * @since 0.1.0
   * @category messages
   */
  chat,
  /**
   * @since 0.1.0
   * @category messages
   */
  developer,
  /**
   * The schemas of the variables, by name.
   *
   * @since 0.1.0
   * @category models
   */
  type Fields,
  /**
   * A template whose placeholders are read from its text by the compiler: a schema that is missing, one too many, and at each
   * use a variable that is missing, unknown or of another type, do not compile.
   *
   * @since 0.1.0
   * @category constructors
   */
  make,
  /**
   * The names of the placeholders of a template. Of a text that is no literal, any name.
   *
   * @since 0.1.0
   * @category models
   */
  type Placeholders,
  /**
   * @since 0.1.0
   * @category messages
   */
  system,
  /**
   * A template of the engine `text` with the schemas of its variables.
   *
   * @since 0.1.0
   * @category models
   */
  type Template,
  /**
   * A message with a template for its content.
   *
   * @since 0.1.0
   * @category models
   */
  type TypedMessage,
  /**
   * @since 0.1.0
   * @category messages
   */
  user,
  /**
   * The variables that a template is filled in with, by name.
   *
   * @since 0.1.0
   * @category models
   */
  type Values
} from "./TypedTemplate.js"

/**
 * @since 0.1.0
 * @category schemas
 */
export const Engine = Schema.Literal("text", "mustache", "jinja").annotations({ identifier: "Engine" })

/**
 * @since 0.1.0
 * @category models
 */
export type Engine = typeof Engine.Type

/**
 * The engine of a template that does not name one.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultEngine: Engine = "text"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** `"text"` by default. */
  readonly engine?: Engine | undefined
  /** What a missing variable is where it is printed: an error, or nothing. An error by default. */
  readonly missing?: "error" | "empty" | undefined
  /** The prompt that the texts belong to, for errors. */
  readonly prompt?: { readonly id: string; readonly version?: string | undefined } | undefined
}

/**
 * How many compiled templates are kept: 1,000, more than the prompts of most programs.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxEntries = 1_000

/**
 * How much text the templates that are kept may have together, in UTF-16 units: 2 Mi. Compiled, a template takes 10 to 50
 * times the memory of its text.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultMaxLength = 2 ** 21

/**
 * Compiled templates; the least recently used make room for new ones. What is kept here changes no result.
 *
 * @since 0.1.0
 * @category cache
 */
export class TemplateCache {
  private readonly lru: Lru<Compiled>

  constructor(
    { maxEntries = defaultMaxEntries, maxLength = defaultMaxLength }: {
      readonly maxEntries?: number | undefined
      readonly maxLength?: number | undefined
    } = {}
  ) {
    this.lru = new Lru({ maxEntries, maxWeight: maxLength })
  }

  /** @internal */
  compiled(engine: Engine, text: string, compile: (text: string) => Compiled): Compiled {
    const key = `${engine}:${text}`
    return Option.getOrElse(this.lru.get(key, 0n), () => {
      const compiled = compile(text)
      this.lru.set(key, compiled, { weight: text.length, expiresAt: undefined, now: 0n })
      return compiled
    })
  }
}

/**
 * The cache that templates are compiled into: one for the process, unless another is provided.
 *
 * @since 0.1.0
 * @category cache
 */
export class Cache extends Context.Reference<Cache>()("effect-llm-router/Template/Cache", {
  defaultValue: () => new TemplateCache()
}) {}

// the libraries take 10 to 20 ms to load: those who do not use them do not wait
const engines: Readonly<Record<Engine, Effect.Effect<EngineImplementation>>> = {
  text: Effect.succeed(textEngine),
  mustache: Effect.promise(async () => {
    const [library, engine] = await Promise.all([import("mustache"), import("../internal/templateMustache.js")])
    return engine.make(library.default)
  }),
  jinja: Effect.promise(async () => {
    const [library, engine] = await Promise.all([import("@huggingface/jinja"), import("../internal/templateJinja.js")])
    return engine.make(library)
  })
}

const implementation = (
  engine: Engine,
  prompt: Options["prompt"]
): Effect.Effect<EngineImplementation, TemplateError> =>
  Object.hasOwn(engines, engine)
    ? engines[engine]
    : Effect.fail(
      Render.errorFor({ reason: "unknownEngine", message: "expected \"text\", \"mustache\" or \"jinja\"" }, "", prompt)
    )

const optionsOf = (variables: Variables, { engine = defaultEngine, missing, prompt }: Options) =>
  Effect.map(
    Effect.zip(implementation(engine, prompt), Cache),
    ([implementation, cache]): Render.Options => ({
      engine: implementation,
      compile: (text) => cache.compiled(engine, text, implementation.compile),
      variables,
      lenient: missing === "empty",
      prompt
    })
  )

/**
 * Puts the variables into the texts of the messages: string contents and text parts of every role, never roles, URLs, names
 * or tool arguments. The given array comes back when nothing changes.
 *
 * All that is missing is told at once, up to ten things.
 *
 * @since 0.1.0
 * @category rendering
 */
export const renderMessages = (
  messages: ReadonlyArray<Message>,
  variables: Variables,
  options: Options = {}
): Effect.Effect<ReadonlyArray<Message>, TemplateError> =>
  Effect.flatMap(optionsOf(variables, options), (options) => Render.renderMessages(messages, options))

/**
 * Puts the variables into one text.
 *
 * @since 0.1.0
 * @category rendering
 */
export const renderText = (
  text: string,
  variables: Variables,
  options: Options = {}
): Effect.Effect<string, TemplateError> =>
  Effect.flatMap(optionsOf(variables, options), (options) => Render.renderText(text, options))

/**
 * Compiles a text without rendering it: finds what is wrong with a template before it is used.
 *
 * @since 0.1.0
 * @category rendering
 */
export const check = (
  text: string,
  { engine = defaultEngine, prompt }: Options = {}
): Effect.Effect<void, TemplateError> =>
  Effect.flatMap(implementation(engine, prompt), ({ compile, hasTags }) =>
    Either.try({
      try: () => {
        if (hasTags(text)) compile(text)
      },
      catch: (error) => {
        if (error instanceof Failure) return Render.errorFor(error.problem, text, prompt)
        throw error
      }
    }))
