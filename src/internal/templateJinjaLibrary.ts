import type * as Jinja from "@huggingface/jinja"

/**
 * What is used of `@huggingface/jinja`. Its own types are lost on the module resolution of Node (they import each other
 * without extensions), and the classes of its tree and of its values are not exported: both are told by their `type`.
 *
 * @internal
 */
export interface Library {
  readonly tokenize: (source: string, options?: WhitespaceOptions) => Array<Token>
  readonly parse: (tokens: ReadonlyArray<Token>) => Node
  readonly Environment: new(parent?: Environment) => Environment
  readonly Interpreter: new(environment: Environment) => Interpreter
}

interface WhitespaceOptions {
  readonly lstrip_blocks: boolean
  readonly trim_blocks: boolean
}

/** @internal */
export interface Token {
  readonly type: string
  readonly value: string
}

/** @internal */
export interface Node {
  readonly type: string
  [member: string]: unknown
}

/** @internal */
export interface Value {
  readonly type: string
  readonly value: unknown
}

/** @internal */
export interface Environment {
  readonly parent?: Environment
  readonly variables: Map<string, Value>
  readonly set: (name: string, value: unknown) => Value
}

/** @internal */
export interface Interpreter {
  run(program: Node): Value
  evaluate(node: Node | undefined, environment: Environment): Value
}

/** @internal */
export const isNode = (u: unknown): u is Node =>
  typeof u === "object" && u !== null && "type" in u && typeof u.type === "string"

/** @internal */
export const library = ({ Environment, Interpreter, parse, tokenize }: typeof Jinja): Library => ({
  Environment,
  Interpreter,
  parse,
  tokenize
})
