import { Failure } from "./templateFailure.js"
import { maxDepth, memberWork } from "./templateLimits.js"

/**
 * A value as the engines see it: plain data. Its objects have no prototype, so that a template finds own members only.
 *
 * @internal
 */
export type Data = null | boolean | number | string | ReadonlyArray<Data> | DataObject

/** @internal */
export interface DataObject {
  readonly [name: string]: Data
}

/** @internal */
export const isObject = (data: Data | undefined): data is DataObject =>
  typeof data === "object" && data !== null && !Array.isArray(data)

/** What is not data, and no member of data either. */
const absent = Symbol()

class NotData extends Error {}

const isAccessor = (object: object, key: string): boolean => {
  const descriptor = Object.getOwnPropertyDescriptor(object, key)
  return descriptor?.get !== undefined || descriptor?.set !== undefined
}

const copyObject = (object: object, spend: (work: number) => void, depth: number): DataObject => {
  const out: Record<string, Data> = Object.create(null)
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
    if (descriptor.enumerable !== true) continue
    if (isAccessor(object, key)) throw new NotData()
    const member = copy(descriptor.value, spend, depth)
    if (member !== absent) out[key] = member
  }
  return out
}

/** What `JSON.stringify` would write, as data: functions, symbols and `undefined` are no members, `toJSON` is followed. */
const copy = (value: unknown, spend: (work: number) => void, depth: number): Data | typeof absent => {
  spend(memberWork)
  if (depth > maxDepth) throw new NotData()
  switch (typeof value) {
    case "string":
    case "boolean":
    case "number":
      return value
    case "object":
      if (value === null) return null
      if (Array.isArray(value)) {
        return value.map((item: unknown) => {
          const data = copy(item, spend, depth + 1)
          return data === absent ? null : data
        })
      }
      if ("toJSON" in value && !isAccessor(value, "toJSON") && typeof value.toJSON === "function") {
        return copy(value.toJSON(), spend, depth + 1)
      }
      return copyObject(value, spend, depth + 1)
    case "bigint":
      throw new NotData()
    default:
      return absent
  }
}

/**
 * A copy of the value as plain data, or `undefined` when it is not data: a function, a symbol, a bigint, a cycle, an object
 * with getters.
 *
 * @internal
 */
export const toData = (value: unknown, spend: (work: number) => void): Data | undefined => {
  try {
    const data = copy(value, spend, 0)
    return data === absent ? undefined : data
  } catch (error) {
    if (error instanceof Failure) throw error
    // a `toJSON` or a proxy of somebody else: what it throws may show what it likes
    return undefined
  }
}

/**
 * How a value is printed, in every engine: texts as they are, numbers and booleans as text, lists and objects as JSON, null
 * as nothing.
 *
 * @internal
 */
export const toText = (data: Data): string => {
  if (typeof data === "string") return data
  if (data === null) return ""
  return typeof data === "object" ? JSON.stringify(data) : String(data)
}

/**
 * How long the text of a value is at least, in UTF-16 units. What is longer than `enough` is not looked at any further.
 *
 * @internal
 */
export const leastLength = (data: Data, enough: number): number => {
  if (typeof data === "string") return data.length
  if (typeof data !== "object" || data === null) return 0
  let length = 2
  for (const [name, member] of Object.entries(data)) {
    if (length > enough) break
    length += (Array.isArray(data) ? 1 : name.length + 4) + leastLength(member, enough - length)
  }
  return length
}
