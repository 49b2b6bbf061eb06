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
    if (error instanceof NotData) return undefined
    throw error
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
