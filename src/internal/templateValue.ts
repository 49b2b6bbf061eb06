import * as Predicate from "effect/Predicate"
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

class NotData extends Error {}

const isAccessor = (descriptor: PropertyDescriptor): boolean =>
  descriptor.get !== undefined || descriptor.set !== undefined

/** Made by braces, by a JSON parser, or without a prototype; of whichever realm. Not of a class. */
const isPlain = (object: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(object)
  return prototype === null || typeof prototype === "object" && Object.getPrototypeOf(prototype) === null
}

type Spend = (work: number) => void

const copyObject = (object: object, spend: Spend, depth: number): DataObject => {
  if (!isPlain(object)) throw new NotData()
  const out: Record<string, Data> = Object.create(null)
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
    if (descriptor.enumerable !== true) continue
    if (isAccessor(descriptor)) throw new NotData()
    if (descriptor.value !== undefined) out[key] = copy(descriptor.value, spend, depth)
  }
  return out
}

/** Not by a method of the list: it may have one of its own. */
const copyList = (list: ReadonlyArray<unknown>, spend: Spend, depth: number): ReadonlyArray<Data> => {
  const out: Array<Data> = []
  for (let i = 0; i < list.length; i++) {
    const descriptor = Object.getOwnPropertyDescriptor(list, i)
    if (descriptor !== undefined && isAccessor(descriptor)) throw new NotData()
    out.push(copy(descriptor?.value ?? null, spend, depth))
  }
  return out
}

/** What the object says it is as JSON. A date that is none says that it is null. */
const ownJson = (object: object): { readonly json: unknown } | undefined => {
  const descriptor = Object.getOwnPropertyDescriptor(object, "toJSON")
  if (descriptor !== undefined && isAccessor(descriptor)) throw new NotData()
  if (!("toJSON" in object) || typeof object.toJSON !== "function") return undefined
  if (Predicate.isDate(object) && Number.isNaN(object.getTime())) throw new NotData()
  return { json: object.toJSON() }
}

const copy = (value: unknown, spend: Spend, depth: number): Data => {
  spend(memberWork)
  if (depth > maxDepth) throw new NotData()
  switch (typeof value) {
    case "string":
    case "boolean":
      return value
    case "number":
      if (!Number.isFinite(value)) throw new NotData()
      return value
    case "object": {
      if (value === null) return null
      if (Array.isArray(value)) return copyList(value, spend, depth + 1)
      const own = ownJson(value)
      return own === undefined ? copyObject(value, spend, depth + 1) : copy(own.json, spend, depth + 1)
    }
    default:
      throw new NotData()
  }
}

/**
 * A copy of the value as plain data, or `undefined` when it is not data. What JSON has is data: null, booleans, finite
 * numbers, texts, lists, and plain objects, of data. An object with a `toJSON` is what that gives: a `Date` its ISO text. As
 * in JSON, a member that is `undefined` is not there, and an item that is `undefined` is null. Nothing else is data: no
 * function, symbol, bigint, `NaN`, cycle, object with getters or of a class (`Map`, `Set`, `Error`, `String`, `Uint8Array`).
 *
 * @internal
 */
export const toData = (value: unknown, spend: Spend): Data | undefined => {
  try {
    return copy(value, spend, 0)
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
