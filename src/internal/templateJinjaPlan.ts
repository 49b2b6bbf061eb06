import { limit, syntax, unsupported } from "./templateFailure.js"
import { filters as own, stripping, synonyms } from "./templateJinjaFilters.js"
import { isNode, type Library, type Node } from "./templateJinjaLibrary.js"
import { type Marked, parse, type Parsed } from "./templateJinjaParse.js"
import { maxDepth } from "./templateLimits.js"

/**
 * What the value of a node is used for, which decides what it may be and what it costs:
 *
 * - `text`: text between tags.
 * - `printed`: written out.
 * - `passed`: not looked into here.
 * - `needed`: looked into; a missing one is an error.
 * - `iterated`: walked through by a loop.
 * - `sliced`, `accessed`: a part of it is taken.
 * - `key`: names a part.
 * - `operand`, `argument`, `receiver`: of an `Operation`.
 * - `callee`: called.
 *
 * @internal
 */
export type Use =
  | "text"
  | "printed"
  | "passed"
  | "needed"
  | "iterated"
  | "sliced"
  | "accessed"
  | "key"
  | "operand"
  | "argument"
  | "receiver"
  | "callee"

/**
 * A node whose cost depends on several values: a filter, a call, an operator.
 *
 * @internal
 */
export interface Operation {
  readonly name: string
  readonly operands: number
  /** Whether it is one of `templateJinjaFilters`. */
  readonly isOwn?: boolean | undefined
}

/** @internal */
export interface Role {
  readonly use: Use
  readonly offset?: number | undefined
  /** Of an operand: whether it may be missing. */
  readonly isOptional?: boolean
  /** The name as it is written, of a variable or a member of one. */
  readonly name?: string | undefined
  /** How many nodes are inside of it. */
  readonly size: number
}

/**
 * A template that may be run: every node of it is of a known kind, with a role.
 *
 * @internal
 */
export interface Plan {
  readonly program: Node
  readonly roles: ReadonlyMap<Node, Role>
  readonly operations: ReadonlyMap<Node, Operation>
  /** The names of the variables that it may use, and where each is used first. */
  readonly variables: ReadonlyMap<string, number | undefined>
}

/** Those of the library that are used; the others are in `templateJinjaFilters`. @internal */
export const libraryFilters = new Set([
  "abs",
  "bool",
  "capitalize",
  "default",
  "dictsort",
  "first",
  "float",
  "get",
  "indent",
  "int",
  "items",
  "join",
  "keys",
  "last",
  "length",
  "list",
  "lower",
  "replace",
  "reverse",
  "safe",
  "sort",
  "string",
  "title",
  "tojson",
  "unique",
  "upper",
  "values"
])

const methods = new Set([
  "capitalize",
  "dictsort",
  "endswith",
  "get",
  "items",
  "keys",
  "lower",
  "lstrip",
  "replace",
  "rstrip",
  "split",
  "startswith",
  "strip",
  "title",
  "upper",
  "values"
])

const nodesOf = (u: unknown): ReadonlyArray<Node> => Array.isArray(u) ? u.filter(isNode) : []

const isTest = (name: string): boolean => name.startsWith("is ")

class Planner {
  readonly roles = new Map<Node, Role>()
  readonly operations = new Map<Node, Operation>()
  readonly variables = new Map<string, number | undefined>()
  private depth = 0
  private loops = 0
  private offset: number | undefined

  constructor(private readonly parsed: Parsed) {}

  block(nodes: unknown): void {
    for (const node of nodesOf(nodes)) this.visit(node, "printed")
  }

  /** Gives a name back its own form. */
  private rename(node: unknown): Marked {
    if (!isNode(node) || node.type !== "Identifier" || typeof node.value !== "string") {
      throw unsupported("what is written for a name", this.offset)
    }
    const marked = this.parsed.nameOf(node.value)
    node.value = marked.name
    this.offset = marked.offset ?? this.offset
    return marked
  }

  private target(node: unknown): void {
    if (isNode(node) && node.type === "TupleLiteral") {
      for (const item of nodesOf(node.value)) this.rename(item)
    } else if (isNode(node) && node.type === "MemberExpression") {
      this.visit(node.object, "accessed")
      this.rename(node.property)
    } else {
      this.rename(node)
    }
  }

  private parameters(nodes: unknown): void {
    for (const node of nodesOf(nodes)) {
      if (node.type === "KeywordArgumentExpression") {
        this.rename(node.key)
        this.visit(node.value, "passed")
      } else {
        this.rename(node)
      }
    }
  }

  private arguments(nodes: unknown): number {
    const args = nodesOf(nodes)
    for (const arg of args) {
      if (arg.type === "KeywordArgumentExpression") {
        this.rename(arg.key)
        this.visit(arg.value, "argument")
      } else if (arg.type === "SpreadExpression" || arg.type === "KeywordSpreadExpression") {
        this.visit(arg.argument, "argument")
      } else {
        this.visit(arg, "argument")
      }
    }
    return args.length
  }

  /** A call of a function or a macro by its name, or of a method that is known. */
  private call(node: Node, call: unknown): void {
    if (!isNode(call) || call.type !== "CallExpression" || !isNode(call.callee)) {
      throw unsupported("this call", this.offset)
    }
    const args = this.arguments(call.args)
    const { callee } = call
    if (callee.type === "Identifier") {
      this.visit(callee, "callee")
      this.operations.set(node, { name: "()", operands: args })
      return
    }
    if (callee.type !== "MemberExpression" || callee.computed === true) throw unsupported("this call", this.offset)
    this.visit(callee.object, "receiver")
    const { name, offset } = this.rename(callee.property)
    if (!methods.has(name)) throw unsupported(`the method "${name}"`, offset)
    this.roles.set(callee, { use: "callee", offset, name: `${this.nameOf(callee.object) ?? ""}.${name}`, size: 0 })
    this.operations.set(node, { name, operands: args + 1, isOwn: args > 0 && stripping.has(name) })
  }

  private filter(node: Node): void {
    const { filter } = node
    const isCall = isNode(filter) && filter.type === "CallExpression"
    // the operand first: it is evaluated first
    const operand = node.operand
    const args = isCall ? nodesOf(filter.args).length : 0
    const before = this.offset
    const { name: written, offset } = this.rename(isCall ? filter.callee : filter)
    const name = this.known(written, offset ?? before)
    const named = isCall ? filter.callee : filter
    if (isNode(named)) named.value = name
    this.visit(operand, "operand", name === "default" || isTest(name))
    if (own.has(name) && isCall && nodesOf(filter.args).some(({ type }) => type.endsWith("SpreadExpression"))) {
      throw unsupported("a list or an object in place of arguments", offset)
    }
    if (isCall) this.arguments(filter.args)
    this.operations.set(node, { name, operands: args + 1, isOwn: own.has(name) })
  }

  private known(written: string, offset: number | undefined): string {
    const name = synonyms.get(written) ?? written
    if (own.has(name) || libraryFilters.has(name)) return name
    throw unsupported(
      isTest(name) ? `the test "${name.slice(name.lastIndexOf(" ") + 1)}"` : `the filter "${name}"`,
      offset
    )
  }

  /** `with`, see `templateJinjaRewrite`. */
  private scope(node: Node): void {
    const { filter } = node
    if (isNode(filter)) this.rename(filter.callee)
    for (const arg of isNode(filter) ? nodesOf(filter.args) : []) {
      if (arg.type !== "KeywordArgumentExpression") {
        throw syntax("expected names and values: with name = value", this.offset)
      }
      this.rename(arg.key)
      this.visit(arg.value, "passed")
    }
    this.block(node.body)
  }

  private binary(node: Node): void {
    const operator = isNode(node.operator) ? String(node.operator.value) : ""
    if (operator === "and" || operator === "or") {
      this.visit(node.left, "passed")
      this.visit(node.right, "passed")
      return
    }
    const isEquality = operator === "==" || operator === "!="
    this.visit(node.left, "operand", isEquality)
    this.visit(node.right, "operand", isEquality || operator === "in" || operator === "not in")
    this.operations.set(node, { name: operator, operands: 2 })
  }

  private member(node: Node): void {
    const { computed, object, property } = node
    if (isNode(property) && property.type === "SliceExpression") {
      this.visit(object, "sliced")
      for (const bound of [property.start, property.stop, property.step]) {
        if (bound !== undefined) this.visit(bound, "passed")
      }
      return
    }
    this.visit(object, "accessed")
    if (computed === true) this.visit(property, "key")
    else if (isNode(property) && property.type === "Identifier") this.rename(property)
  }

  private nameOf(node: unknown): string | undefined {
    return isNode(node) ? this.roles.get(node)?.name : undefined
  }

  /** As it is written: `user.name`. */
  private nameOfMember(node: Node): string | undefined {
    const object = this.nameOf(node.object)
    const { computed, property } = node
    if (object === undefined || !isNode(property) || property.type === "SliceExpression") return object
    return computed === true ? `${object}[]` : `${object}.${String(property.value)}`
  }

  visit(node: unknown, use: Use, isOptional = false): void {
    if (!isNode(node)) throw unsupported("an empty expression", this.offset)
    if (++this.depth > maxDepth) throw limit(`the template is nested deeper than ${maxDepth}`)
    const before = this.roles.size
    const name = this.enter(node)
    const size = this.roles.size - before
    const isText = use === "printed" && node.type === "StringLiteral" && this.isText(node)
    if (node.type === "StringLiteral") node.value = this.parsed.textOf(String(node.value))
    this.roles.set(node, { use: isText ? "text" : use, offset: this.offset, isOptional, name, size })
    this.depth--
  }

  private isText(node: Node): boolean {
    return this.parsed.isText(String(node.value))
  }

  /** Visits what is inside of the node, and gives its name, if it has one. */
  private enter(node: Node): string | undefined {
    switch (node.type) {
      case "Program":
        this.block(node.body)
        return
      case "If":
        this.visit(node.test, "passed")
        this.block(node.body)
        this.block(node.alternate)
        return
      case "For":
        this.loop(node)
        return
      case "Set":
        this.target(node.assignee)
        if (node.value !== null) this.visit(node.value, "passed")
        this.block(node.body)
        return
      case "Macro":
        this.rename(node.name)
        this.parameters(node.args)
        this.block(node.body)
        return
      case "CallStatement":
        this.call(node, node.call)
        this.parameters(node.callerArgs)
        this.block(node.body)
        return
      case "Break":
      case "Continue":
        if (this.loops === 0) throw syntax("a loop is left or continued where there is none", this.offset)
        return
      case "Identifier": {
        const { name, offset } = this.rename(node)
        if (!this.variables.has(name)) this.variables.set(name, offset)
        return name
      }
      case "MemberExpression":
        this.member(node)
        return this.nameOfMember(node)
      case "CallExpression":
        this.call(node, node)
        return
      case "FilterExpression":
        this.filter(node)
        return
      case "FilterStatement":
        this.scope(node)
        return
      case "SelectExpression":
        this.visit(node.test, "passed")
        this.visit(node.lhs, "needed")
        return
      case "Ternary":
        this.visit(node.condition, "passed")
        this.visit(node.trueExpr, "passed")
        this.visit(node.falseExpr, "passed")
        return
      case "UnaryExpression":
        this.visit(node.argument, isNode(node.operator) && node.operator.value === "not" ? "passed" : "needed")
        return
      case "BinaryExpression":
        this.binary(node)
        return
      case "ArrayLiteral":
      case "TupleLiteral":
        for (const item of nodesOf(node.value)) this.visit(item, "passed")
        return
      case "ObjectLiteral":
        for (const [key, value] of node.value instanceof Map ? node.value : []) {
          this.visit(key, "key")
          this.visit(value, "passed")
        }
        return
      case "Comment":
      case "IntegerLiteral":
      case "FloatLiteral":
      case "StringLiteral":
        return
      default:
        throw unsupported(`a ${node.type}`, this.offset)
    }
  }

  private loop(node: Node): void {
    const { iterable } = node
    this.target(node.loopvar)
    if (isNode(iterable) && iterable.type === "SelectExpression") {
      this.visit(iterable.lhs, "iterated")
      this.visit(iterable.test, "passed")
    } else {
      this.visit(iterable, "iterated")
    }
    this.loops++
    this.block(node.body)
    this.loops--
    this.block(node.defaultBlock)
  }
}

/**
 * Throws a `Failure` for what is not known to be bounded.
 *
 * @internal
 */
export const plan = (library: Library, text: string): Plan => {
  const parsed = parse(library, text)
  const planner = new Planner(parsed)
  planner.block(parsed.program.body)
  const { operations, roles, variables } = planner
  return { program: parsed.program, roles, operations, variables }
}
