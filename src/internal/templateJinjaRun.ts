import { Failure, limit } from "./templateFailure.js"
import { lengthOf, operandCost, operationCost, Scales } from "./templateJinjaCost.js"
import {
  type Environment,
  type Interpreter,
  isNode,
  type Library,
  type Node,
  type Value
} from "./templateJinjaLibrary.js"
import type { Operation, Plan, Role } from "./templateJinjaPlan.js"
import { expressionWork, iterationWork, maxDepth, maxOutput, memberWork } from "./templateLimits.js"
import type { Run } from "./templateRun.js"

/** An operation that is waiting for its operands. */
interface Pending extends Operation {
  readonly values: Array<{ readonly role: Role; readonly value: Value }>
}

/** What writes by itself, through the nodes inside of it. */
const statements = new Set(["If", "For", "Set", "Macro", "Comment", "Break", "Continue"])

/** A variable that is not there is searched for with an exception, by the library. */
const missWork = 1_000

const isMissing = (value: Value): boolean => value.type === "UndefinedValue"

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
export const interpreter = ({ Interpreter }: Library): MeteredInterpreter =>
  class Metered extends Interpreter {
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
        value = super.evaluate(node, environment) ?? super.evaluate(undefined, environment)
      } finally {
        this.depth--
        if (operation !== undefined) this.pending.pop()
      }
      return this.used(node, role, value, environment)
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
        if (node.type === "Identifier") this.meter.spend(missWork)
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
