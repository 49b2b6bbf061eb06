import { limit, unsupported } from "./templateFailure.js"
import { isNode, type Value } from "./templateJinjaLibrary.js"
import { maxDepth, maxWork, memberWork } from "./templateLimits.js"

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

/** A function that is called for each word, line or match. */
const perCall = 100

/** Of every character: the first of each word is replaced by a function, and there is a word in every two characters. */
const perTitle = 60

/** Of every character, when it is none of ASCII. */
const perCase = 4

/** Of every character, when it is written as a number. */
const perEscape = 15

/** The library makes an entry for each member: a key, a value, and a list of both. */
const perEntry = 500

/** The library copies an object into a namespace. */
const perCopy = 30

/** The tests that look into what they are given. */
const searching = new Set(["eq", "equalto", "in", "lower", "ne", "upper"])

/**
 * The cost of an operand, before the operation is carried out.
 *
 * @internal
 */
export const operandCost = (operation: string, operand: Value, scales: Scales): number => {
  if (operation.startsWith("is ") && !searching.has(operation.slice(operation.lastIndexOf(" ") + 1))) return 1
  const isText = typeof operand.value === "string"
  switch (operation) {
    case "~":
    case "+":
      // texts are joined without being copied; a list that is joined to a text is printed
      return isText ? 1 : scales.weigh(operand).work
    case "default":
    case "safe":
    case "length":
    case "first":
    case "last":
    case "list":
    case "get":
      return isText ? operand.value.length : 1
    case "()":
      return isText ? operand.value.length : lengthOf(operand) * perCopy
    case "title":
      return lengthOf(operand) * perTitle
    case "capitalize":
    case "is lower":
    case "is not lower":
    case "is not upper":
    case "is upper":
    case "lower":
    case "max":
    case "min":
    case "upper":
      return scales.weigh(operand).work * perCase
    case "items":
    case "keys":
    case "values":
      return lengthOf(operand) * perEntry
    case "dictsort":
      return lengthOf(operand) * perEntry + scales.weigh(operand).work * perSort
    case "string":
    case "tojson":
      return scales.weigh(operand).work * 2
    case "split":
    case "join":
      return isText ? operand.value.length * perValue : scales.weigh(operand).work
    case "sort":
      return scales.weigh(operand).work * perSort
    default:
      return scales.weigh(operand).work
  }
}

const textLength = (value: Value | undefined): number => typeof value?.value === "string" ? value.value.length : 1

const numberIn = (value: Value): number => typeof value.value === "number" ? Math.abs(value.value) : 0

const matchesOf = ({ value }: Value, old: Value | undefined): number => {
  if (typeof value !== "string" || typeof old?.value !== "string") return 0
  if (old.value === "") return value.length + 1
  let matches = 0
  for (let i = value.indexOf(old.value); i !== -1; i = value.indexOf(old.value, i + old.value.length)) matches++
  return matches
}

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
      const search = length * textLength(old) / 8
      // the search for how many there are takes as long as that
      return search > maxWork ? search : search + matchesOf(subject, old) * (perCall + textLength(by))
    }
    case "indent":
      return typeof subject.value === "string" ? linesOf(subject.value) * (perCall + sumOf(args, numberIn)) : 0
    case "tojson": {
      const { depth, work } = scales.weigh(subject)
      return work *
        sumOf(
          args,
          (arg) => arg.value === true ? perEscape : numberIn(arg) * depth + scales.weigh(arg).work / memberWork
        )
    }
    case "join":
    case "map":
    case "sort":
      return length * sumOf(args, textLength)
    case "in":
    case "not in":
    case "split":
      return length * sumOf(args, textLength) / 16
    case "is in":
    case "is not in":
      return sumOf(args, (arg) => lengthOf(arg) * textLength(subject) / 16)
    case "lstrip":
    case "rstrip":
    case "strip":
    case "trim":
      return args.length === 0 ? 0 : length * memberWork
    case "reject":
    case "rejectattr":
    case "select":
    case "selectattr":
      // a test looks at the whole of its argument, and a search for each text at all of it
      return length * (perCall + sumOf(args, (arg) => scales.weigh(arg).work)) +
        scales.weigh(subject).work * (perCase + sumOf(args, textLength) / 16)
    default:
      return 0
  }
}
