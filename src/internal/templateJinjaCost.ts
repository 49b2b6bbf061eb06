import { limit, unsupported } from "./templateFailure.js"
import { isNode, type Value } from "./templateJinjaLibrary.js"
import { maxDepth, memberWork } from "./templateLimits.js"

/** @internal */
export interface Weight {
  /** The work of walking through all of a value, about its length as JSON. A part that is used twice counts twice. */
  readonly work: number
  readonly depth: number
}

const scalar: Weight = { work: memberWork, depth: 0 }

const isValue = (u: unknown): u is Value => isNode(u) && "value" in u

/**
 * Weighs values. Lists and objects never change, so that each is looked through once, however often it is used: a value
 * that holds another one a thousand times costs as much as it would take to print.
 *
 * @internal
 */
export class Scales {
  private readonly known = new WeakMap<object, Weight>()

  weigh(value: Value, depth = 0): Weight {
    if (depth > maxDepth) throw limit(`a value is nested deeper than ${maxDepth}`)
    const { value: raw } = value
    if (typeof raw === "string") return { work: raw.length + 1, depth: 0 }
    if (!Array.isArray(raw) && !(raw instanceof Map)) return scalar
    // a namespace is the one value that changes, and could come to hold itself
    if (value.type === "NamespaceValue") {
      if (depth > 0) throw unsupported("a namespace inside of a value")
      return this.sum(raw, depth)
    }
    const known = this.known.get(value)
    if (known !== undefined) return known
    const weight = this.sum(raw, depth)
    if (depth + weight.depth > maxDepth) throw limit(`a value is nested deeper than ${maxDepth}`)
    this.known.set(value, weight)
    return weight
  }

  private sum(raw: ReadonlyArray<unknown> | ReadonlyMap<unknown, unknown>, depth: number): Weight {
    let work = memberWork
    let inner = 0
    for (const [key, member] of raw.entries()) {
      const weight = isValue(member) ? this.weigh(member, depth + 1) : scalar
      work += memberWork + weight.work + (typeof key === "string" ? key.length : 0)
      inner = Math.max(inner, weight.depth)
    }
    return { work, depth: inner + 1 }
  }
}

/** How many members a value has, or characters. @internal */
export const lengthOf = ({ value }: Value): number => {
  if (typeof value === "string" || Array.isArray(value)) return value.length
  return value instanceof Map ? value.size : 1
}

/** Of every member, when the library makes a value of its own for each: about 100 bytes. */
const perValue = 100

/** A sort compares each member so often, at the limits. */
const perSort = 20

/**
 * The cost of an operand, before the operation is carried out.
 *
 * @internal
 */
export const operandCost = (operation: string, operand: Value, scales: Scales): number => {
  const isText = typeof operand.value === "string"
  switch (operation) {
    case "~":
    case "+":
      // texts are joined without being copied; a list that is joined to a text is printed
      return isText ? 1 : scales.weigh(operand).work
    case "is":
    case "default":
    case "safe":
    case "length":
    case "first":
    case "last":
    case "list":
    case "get":
    case "()":
      return isText ? operand.value.length : 1
    case "split":
    case "join":
      return isText ? operand.value.length * perValue : scales.weigh(operand).work
    case "sort":
    case "dictsort":
      return scales.weigh(operand).work * perSort
    default:
      return scales.weigh(operand).work
  }
}

const textLength = (value: Value | undefined): number => typeof value?.value === "string" ? value.value.length : 1

const numberIn = (value: Value): number => typeof value.value === "number" ? Math.abs(value.value) : 0

const linesOf = (text: string): number => {
  let lines = 1
  for (let i = text.indexOf("\n"); i !== -1; i = text.indexOf("\n", i + 1)) lines++
  return lines
}

const sumOf = (values: ReadonlyArray<Value>, f: (value: Value) => number): number =>
  values.reduce((sum, value) => sum + f(value), 0)

/**
 * The cost of what an operation makes of all of its operands, and of its searches, beyond what each operand costs. The first
 * operand is the one in front of a filter, and the last one that in front of a method.
 *
 * @internal
 */
export const operationCost = (
  operation: string,
  subject: Value,
  args: ReadonlyArray<Value>,
  scales: Scales
): number => {
  const length = lengthOf(subject)
  switch (operation) {
    case "replace": {
      const [old, by] = args
      const matches = length / Math.max(textLength(old), 1) + 1
      return length * textLength(old) / 8 + matches * textLength(by)
    }
    case "indent":
      return typeof subject.value === "string" ? linesOf(subject.value) * sumOf(args, numberIn) : 0
    case "tojson": {
      const { depth, work } = scales.weigh(subject)
      return work * (sumOf(args, (arg) => numberIn(arg) * depth + scales.weigh(arg).work / memberWork))
    }
    case "join":
    case "map":
    case "sort":
      return length * sumOf(args, textLength)
    case "in":
    case "not in":
    case "split":
      return length * sumOf(args, textLength) / 64
    default:
      return 0
  }
}
