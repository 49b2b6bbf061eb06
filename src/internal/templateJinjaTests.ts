import type { Value } from "./templateJinjaLibrary.js"

/** What a test or a filter was given that it cannot work with. What is shown of it is said elsewhere. */
class Unfit extends Error {}

/** @internal */
export const unfit = (): never => {
  throw new Unfit()
}

/** @internal */
export const isMissing = (value: Value): boolean => value.type === "UndefinedValue"

/** @internal */
export const listOf = ({ value }: Value): ReadonlyArray<Value> | undefined => Array.isArray(value) ? value : undefined

/** @internal */
export const textOf = ({ value }: Value): string | undefined => typeof value === "string" ? value : undefined

/** A number, or a boolean as one, as in Python. @internal */
export const numberOf = ({ value }: Value): number | undefined =>
  typeof value === "number" || typeof value === "boolean" ? Number(value) : undefined

const mapOf = ({ value }: Value): ReadonlyMap<string, Value> | undefined => value instanceof Map ? value : undefined

const isNull = ({ type }: Value): boolean => type === "NullValue"

/** As in Python: by value, of whatever depth. */
const isEqual = (a: Value, b: Value): boolean => {
  const [left, right] = [numberOf(a), numberOf(b)]
  if (left !== undefined || right !== undefined) return left === right
  const [list, other] = [listOf(a), listOf(b)]
  if (list !== undefined && other !== undefined) {
    return list.length === other.length && list.every((item, i) => isEqual(item, other[i]!))
  }
  const [map, otherMap] = [mapOf(a), mapOf(b)]
  if (map !== undefined && otherMap !== undefined) {
    return map.size === otherMap.size && [...map].every(([key, member]) => {
      const same = otherMap.get(key)
      return same !== undefined && isEqual(member, same)
    })
  }
  if (isNull(a) || isMissing(a)) return a.type === b.type
  return a.value === b.value
}

/**
 * Texts by their characters, numbers by size. Other things have no order.
 *
 * @internal
 */
export const compare = (a: Value, b: Value): number => {
  const [left, right] = [numberOf(a), numberOf(b)]
  if (left !== undefined && right !== undefined) return left - right
  const [text, other] = [textOf(a), textOf(b)]
  if (text === undefined || other === undefined) return unfit()
  return text < other ? -1 : text > other ? 1 : 0
}

const isIn = (value: Value, [all]: ReadonlyArray<Value>): boolean => {
  if (all === undefined) return unfit()
  const [list, map, text, part] = [listOf(all), mapOf(all), textOf(all), textOf(value)]
  if (list !== undefined) return list.some((item) => isEqual(item, value))
  if (part === undefined) return unfit()
  return map?.has(part) ?? text?.includes(part) ?? unfit()
}

const whole = (value: Value): number => {
  const number = numberOf(value)
  return number !== undefined && Number.isSafeInteger(number) ? number : unfit()
}

type Test = (value: Value, args: ReadonlyArray<Value>) => boolean

const only = (test: (value: Value) => boolean): Test => (value, args) => args.length === 0 ? test(value) : unfit()

const two = (test: (a: Value, b: Value) => boolean): Test => (value, args) => {
  const [other] = args
  return other !== undefined && args.length === 1 ? test(value, other) : unfit()
}

const type = (...types: ReadonlyArray<string>): Test => only((value) => types.includes(value.type))

const equal = two(isEqual)
const different = two((a, b) => !isEqual(a, b))
const less = two((a, b) => compare(a, b) < 0)
const atMost = two((a, b) => compare(a, b) <= 0)
const greater = two((a, b) => compare(a, b) > 0)
const atLeast = two((a, b) => compare(a, b) >= 0)

const texts = (test: (text: string) => boolean): Test =>
  only((value) => {
    const text = textOf(value)
    return text !== undefined && test(text)
  })

/**
 * The tests of Jinja, by name, as they stand behind `is` and in `select`.
 *
 * @internal
 */
export const tests: ReadonlyMap<string, Test> = new Map(Object.entries<Test>({
  boolean: type("BooleanValue"),
  callable: type("FunctionValue"),
  defined: only((value) => !isMissing(value)),
  divisibleby: two((a, b) => whole(b) === 0 ? unfit() : whole(a) % whole(b) === 0),
  even: only((value) => whole(value) % 2 === 0),
  false: only(({ value }) => value === false),
  float: type("FloatValue"),
  in: isIn,
  integer: type("IntegerValue"),
  iterable: only(({ value }) => typeof value === "string" || Array.isArray(value) || value instanceof Map),
  lower: texts((text) => text === text.toLowerCase()),
  mapping: only(({ type, value }) => value instanceof Map && type !== "NamespaceValue"),
  none: type("NullValue"),
  number: type("IntegerValue", "FloatValue"),
  odd: only((value) => whole(value) % 2 !== 0),
  sameas: two((a, b) => a === b || isScalar(a) && a.type === b.type && a.value === b.value),
  sequence: only(({ value }) => typeof value === "string" || Array.isArray(value) || value instanceof Map),
  string: type("StringValue"),
  true: only(({ value }) => value === true),
  undefined: only(isMissing),
  upper: texts((text) => text === text.toUpperCase()),
  "==": equal,
  eq: equal,
  equalto: equal,
  "!=": different,
  ne: different,
  "<": less,
  lt: less,
  lessthan: less,
  "<=": atMost,
  le: atMost,
  ">": greater,
  gt: greater,
  greaterthan: greater,
  ">=": atLeast,
  ge: atLeast
}))

const isScalar = ({ value }: Value): boolean => typeof value !== "object" || value === null

/** As in Python: what is empty or zero is not. @internal */
export const isTruthy = ({ value }: Value): boolean => {
  if (Array.isArray(value)) return value.length > 0
  return value instanceof Map ? value.size > 0 : Boolean(value)
}
