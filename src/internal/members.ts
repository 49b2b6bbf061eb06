import { isObject } from "./wire.js"

/** @internal */
export type Joins = (member: string, value: unknown) => boolean

/** @internal */
export const replaced: Joins = () => false

/** @internal */
export const listsJoined: Joins = (_, value) => Array.isArray(value)

/** @internal */
export const joinedMembers = (...members: ReadonlyArray<string>): Joins => (member) => members.includes(member)

/**
 * The members of objects that come one after the other as one object: the last value that is not null stays, except that
 * texts and arrays that `joins` names are put together. A map, because a member may be called `__proto__`.
 *
 * @internal
 */
export class Members {
  private readonly values = new Map<string, unknown>()

  constructor(private readonly joins: Joins) {}

  add(member: string, value: unknown): void {
    if (value === null || value === undefined) {
      return
    }
    this.values.set(member, this.joins(member, value) ? join(this.values.get(member), value) : value)
  }

  addAll(object: { readonly [member: string]: unknown }): void {
    for (const member in object) {
      this.add(member, object[member])
    }
  }

  toObject(): { [member: string]: unknown } {
    // Defines the members, where an assignment to `__proto__` would set the prototype.
    return Object.fromEntries(
      Array.from(this.values, ([member, value]) => [member, Array.isArray(value) ? value.slice() : value])
    )
  }
}

/**
 * Adds an object to members that are made when the first comes; what is no object adds nothing.
 *
 * @internal
 */
export const addObject = (before: Members | undefined, object: unknown, joins: Joins): Members | undefined => {
  if (!isObject(object)) {
    return before
  }
  const members = before ?? new Members(joins)
  members.addAll(object)
  return members
}

const join = (before: unknown, value: unknown): unknown => {
  if (typeof value === "string") {
    return typeof before === "string" ? before + value : value
  }
  if (!Array.isArray(value)) {
    return value
  }
  // The first array is copied, so that the ones that follow can be added to it: a new array for each takes quadratic time.
  const joined: Array<unknown> = Array.isArray(before) ? before : []
  for (const element of value) {
    joined.push(element)
  }
  return joined
}

/**
 * The object without the members that are undefined. Its type stays the same, as only optional members can be that.
 *
 * @internal
 */
export const present = <A extends object>(object: A): A =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as A
