import { Failure, limit, unsupported } from "./templateFailure.js"
import { lengthOf, operandCost, operationCost, Scales } from "./templateJinjaCost.js"
import { type Call, filters, stripping, synonyms } from "./templateJinjaFilters.js"
import {
  type Environment,
  type Interpreter,
  isNode,
  type Library,
  type Node,
  type Value
} from "./templateJinjaLibrary.js"
import { libraryFilters, type Operation, type Plan, type Role } from "./templateJinjaPlan.js"
import { isMissing } from "./templateJinjaTests.js"
import { expressionWork, iterationWork, maxDepth, maxOutput, memberWork } from "./templateLimits.js"
import type { Run } from "./templateRun.js"

/** An operation that is waiting for its operands. */
interface Pending extends Operation {
  readonly values: Array<{ readonly role: Role; readonly value: Value }>
}

const argumentsOf = (call: unknown): ReadonlyArray<Node> =>
  isNode(call) && Array.isArray(call.args) ? call.args.filter(isNode) : []

/** What writes by itself, through the nodes inside of it. */
const statements = new Set(["If", "For", "Set", "Macro", "FilterStatement", "Comment", "Break", "Continue"])

/** The library searches with an exception, which takes longer than all else, where there is no such variable. */
const lookup = (name: string, environment: Environment): Value | undefined => {
  for (let scope: Environment | undefined = environment; scope !== undefined; scope = scope.parent) {
    const value = scope.variables.get(name)
    if (value !== undefined) return value
  }
  return undefined
}

const invalid = (message: string, role: Role): Failure =>
  new Failure({ reason: "invalidValue", message, offset: role.offset })

/** What a list or an object is as JSON. The library's null has no value. */
const toPlain = ({ value }: Value): unknown => {
  if (Array.isArray(value)) {
    return value.map((item) => isNode(item) && "value" in item ? toPlain(withValue(item)) : null)
  }
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [key, toPlain(withValue(item))]))
  }
  return typeof value === "function" ? undefined : value ?? null
}

const withValue = (u: { readonly type: string; readonly value?: unknown }): Value => ({ type: u.type, value: u.value })

/** @internal */
export interface MeteredInterpreter {
  new(environment: Environment, plan: Plan, run: Run): Interpreter & {
    /** Where the run is, for errors. */
    readonly offset: number | undefined
  }
}

/**
 * The library's interpreter, with every step of it counted, and every value looked at before it is used: each expression
 * goes through `evaluate`, which asks the plan what the value is for.
 *
 * @internal
 */
export const interpreter = ({ Environment, Interpreter }: Library): MeteredInterpreter => {
  const valueOf = (data: unknown): Value => new Environment().set("value", data)

  const makeList = (items: ReadonlyArray<Value>): Value => {
    const list = valueOf([])
    if (Array.isArray(list.value)) { for (const item of items) list.value.push(item) }
    return list
  }

  return class Metered extends Interpreter {
    offset: number | undefined
    private depth = 0
    private readonly scales = new Scales()
    private readonly pending: Array<Pending> = []
    /** The last variable that was not there. */
    private missed: Role | undefined

    constructor(environment: Environment, private readonly plan: Plan, private readonly meter: Run) {
      super(environment)
    }

    override evaluate(node: Node | undefined, environment: Environment): Value {
      const role = node === undefined ? undefined : this.plan.roles.get(node)
      if (node === undefined || role === undefined) return super.evaluate(node, environment)
      this.meter.spend(expressionWork)
      if (this.depth >= maxDepth) throw limit(`expressions and calls are nested deeper than ${maxDepth}`)
      this.offset = role.offset ?? this.offset
      if (role.use === "printed") this.missed = undefined
      if (node.type === "Macro" || node.type === "CallStatement") this.meter.spend(role.size * memberWork)
      const operation = this.plan.operations.get(node)
      if (operation !== undefined) this.pending.push({ ...operation, values: [] })
      this.depth++
      let value: Value
      try {
        // some filters give a plain `undefined` for what is not there
        value = this.carriedOut(node, operation, environment) ?? super.evaluate(undefined, environment)
      } finally {
        this.depth--
        if (operation !== undefined) this.pending.pop()
      }
      return this.used(node, role, value, environment)
    }

    private carriedOut(node: Node, operation: Operation | undefined, environment: Environment): Value {
      if (operation?.isOwn === true) return this.own(node, operation, environment)
      if (node.type === "Identifier") return lookup(String(node.value), environment) ?? valueOf(undefined)
      return node.type === "FilterStatement" ? this.scoped(node, environment) : super.evaluate(node, environment)
    }

    /** `with`: all of its values are those outside of it. */
    private scoped(node: Node, environment: Environment): Value {
      const scope = new Environment(environment)
      for (const { name, value } of this.namedOf(node.filter, environment)) scope.variables.set(name, value)
      return super.evaluate({ type: "Program", body: node.body }, scope)
    }

    private namedOf(call: unknown, environment: Environment): ReadonlyArray<{ name: string; value: Value }> {
      return argumentsOf(call).flatMap(({ key, type, value }) =>
        type === "KeywordArgumentExpression" && isNode(key) && isNode(value)
          ? [{ name: String(key.value), value: this.evaluate(value, environment) }]
          : []
      )
    }

    /** A filter of ours, or a method. The operands are looked at as those of the library's are. */
    private own(node: Node, { name }: Operation, environment: Environment): Value {
      const isFilter = node.type === "FilterExpression"
      const filter = (isFilter ? filters : stripping).get(name)
      const object = isFilter ? node.operand : isNode(node.callee) ? node.callee.object : undefined
      const call = isFilter ? node.filter : node
      if (filter === undefined || !isNode(object)) throw new Error(`no filter ${name}`)
      const before = isFilter ? this.evaluate(object, environment) : undefined
      const args = argumentsOf(call)
        .filter(({ type }) => type !== "KeywordArgumentExpression")
        .map((arg) => this.evaluate(arg, environment))
      const named = this.namedOf(call, environment)
      const subject = before ?? this.evaluate(object, environment)
      return filter(this.callOf(subject, args, new Map(named.map(({ name, value }) => [name, value]))))
    }

    private callOf(subject: Value, args: ReadonlyArray<Value> = [], named: Call["named"] = new Map()): Call {
      return {
        subject,
        args,
        named,
        of: valueOf,
        list: makeList,
        float: (value) => super.evaluate({ type: "FloatLiteral", value }, new Environment()),
        apply: (filter, value) => this.applied(filter, value)
      }
    }

    /** A filter by a name that is a value, without arguments. */
    private applied(name: string, value: Value): Value {
      const filter = synonyms.get(name) ?? name
      this.meter.spend(iterationWork + operandCost(filter, value, this.scales))
      this.meter.spend(operationCost(filter, value, [], this.scales))
      const own = filters.get(filter)
      if (own === undefined && !libraryFilters.has(filter)) throw unsupported(`the filter "${name}"`, this.offset)
      if (own !== undefined) return own(this.callOf(value))
      const scope = new Environment()
      scope.variables.set("item", value)
      return super.evaluate({
        type: "FilterExpression",
        operand: { type: "Identifier", value: "item" },
        filter: { type: "Identifier", value: filter }
      }, scope) ?? valueOf(undefined)
    }

    private used(node: Node, role: Role, value: Value, environment: Environment): Value {
      if (typeof value.value === "string" && value.value.length > maxOutput) {
        throw limit(`a text is longer than ${maxOutput} characters`)
      }
      if (role.use !== "callee" && node.type === "MemberExpression" && typeof value.value === "function") {
        // a method that is not called: as if it were not there
        value = super.evaluate(undefined, environment)
      }
      if (isMissing(value) && (node.type === "Identifier" || node.type === "MemberExpression")) {
        this.missed = role
      }
      switch (role.use) {
        case "text":
          this.meter.write(String(value.value))
          return value
        case "printed":
          return statements.has(node.type) ? value : this.printed(node, role, value, environment)
        case "needed":
          return this.present(role, value)
        case "iterated":
          this.meter.spend(lengthOf(this.present(role, value)) * iterationWork)
          return value
        case "sliced":
          this.meter.spend(lengthOf(value) * memberWork)
          return value
        case "accessed":
        case "key":
          if (typeof value.value === "string") this.meter.spend(value.value.length / 16)
          return value
        case "callee":
          this.meter.spend(iterationWork)
          if (typeof this.present(role, value).value !== "function") {
            throw invalid("what is called is no function", role)
          }
          return value
        case "operand":
        case "argument":
        case "receiver":
          return this.operand(role, value)
        case "passed":
          return value
      }
    }

    private present(role: Role, value: Value): Value {
      if (!isMissing(value)) return value
      const { name, offset } = this.missed ?? role
      throw this.meter.needed(name, offset)
    }

    private printed(node: Node, role: Role, value: Value, environment: Environment): Value {
      if (isMissing(value)) {
        // `{{ "a" if b }}` prints nothing when there is no b
        if (node.type !== "SelectExpression") this.meter.absent((this.missed ?? role).name, role.offset)
        return value
      }
      if (typeof value.value === "function") throw invalid("a function cannot be printed", role)
      if (!Array.isArray(value.value) && !(value.value instanceof Map)) {
        if (value.type !== "NullValue") this.meter.write(String(value.value))
        return value
      }
      this.meter.spend(this.scales.weigh(value).work)
      return super.evaluate(
        { type: "StringLiteral", value: this.meter.write(JSON.stringify(toPlain(value))) },
        environment
      )
    }

    private operand(role: Role, value: Value): Value {
      const pending = this.pending.at(-1)
      if (pending === undefined) return value
      if (role.use !== "argument" && role.isOptional !== true) this.present(role, value)
      this.meter.spend(operandCost(pending.name, value, this.scales))
      pending.values.push({ role, value })
      if (pending.values.length === pending.operands) this.complete(pending)
      return value
    }

    private complete({ name, values }: Pending): void {
      const all = values.map(({ value }) => value)
      // `in` searches its right side, and what is in front of a method is evaluated last
      const isLast = name.endsWith("in") || values.at(-1)?.role.use === "receiver"
      const subject = isLast ? all.at(-1) : all[0]
      if (subject === undefined) return
      this.meter.spend(operationCost(name, subject, isLast ? all.slice(0, -1) : all.slice(1), this.scales))
    }
  }
}
