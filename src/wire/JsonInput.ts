/**
 * Whether a value can be sent as JSON, checked before anything else looks at it: a later `JSON.stringify` cannot throw,
 * and no input makes a recursive function run out of stack.
 *
 * @since 0.1.0
 */
import { isPlainObject } from "../internal/plainObject.js"
import type { Members } from "./Keys.js"

/**
 * How many levels of objects and arrays a request may have: far more than any provider reads, far less than the stack.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxDepth = 128

/**
 * How many values a request may have in all. JSON text of this size is refused by every provider; an object that holds
 * itself many times over (small in memory, endless as JSON) is found by it.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxValues = 1_000_000

/**
 * How many members one object of a request may have: of the objects that users name the members of (variables, a schema's properties) none
 * has as many, and an object that is used like a table is copied for each use.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxMembers = 10_000

/**
 * How many elements one list of a request may have: a conversation, or the data that a template prints.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxElements = 100_000

/**
 * @since 0.1.0
 * @category models
 */
export interface Problem {
  readonly path: ReadonlyArray<PropertyKey>
  readonly message: string
}

/**
 * What was found. When it is not `bounded`, the input must not be looked at any further.
 *
 * @since 0.1.0
 * @category models
 */
export interface Report {
  readonly bounded: boolean
  readonly found: ReadonlyArray<Problem>
}

interface State {
  /** Where the walk is: one segment for each level, valid up to the depth of the value looked at. */
  readonly path: Array<PropertyKey>
  readonly found: Array<Problem>
  values: number
}

const fine: Report = { bounded: true, found: [] }

// One path segment is enough to find what is nested too deeply; the whole path would have as many as there are levels.
const unbounded = (state: State, depth: number, message: string): boolean => {
  state.found.push({ path: state.path.slice(0, Math.min(depth, 1)), message })
  return false
}

const wrong = (state: State, depth: number, message: string): boolean => {
  state.found.push({ path: state.path.slice(0, depth), message })
  return true
}

const walkArray = (values: ReadonlyArray<unknown>, depth: number, state: State): boolean => {
  if (values.length > maxElements) return unbounded(state, depth, `expected lists of at most ${maxElements} elements`)
  for (let i = 0; i < values.length; i++) {
    state.path[depth] = i
    if (!walk(values[i], depth + 1, state)) return false
  }
  return true
}

const walkMembers = (members: Members, depth: number, state: State): boolean => {
  const keys = Object.keys(members)
  if (keys.length > maxMembers) return unbounded(state, depth, `expected objects of at most ${maxMembers} members`)
  for (const key of keys) {
    state.path[depth] = key
    if (!walk(members[key], depth + 1, state)) return false
  }
  return true
}

/** Recursive, but never deeper than `maxDepth`. Depth first, so that a cycle meets that limit at once. */
const walk = (value: unknown, depth: number, state: State): boolean => {
  if (++state.values > maxValues) return unbounded(state, depth, `expected at most ${maxValues} values in all`)
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return true
    case "number":
      return Number.isFinite(value) || wrong(state, depth, "expected a finite number")
    case "object":
      if (value === null) return true
      if (depth === maxDepth) return unbounded(state, depth, `expected at most ${maxDepth} levels of nesting`)
      if (Array.isArray(value)) return walkArray(value, depth, state)
      return isPlainObject(value) ? walkMembers(value, depth, state) : wrong(state, depth, "expected a JSON value")
    default:
      return wrong(state, depth, "expected a JSON value")
  }
}

/**
 * Checks an input: strings, finite numbers, booleans, null, arrays and plain objects, within the limits above. A member
 * that is `undefined` is as if it was absent. Objects with a serialisation of their own (a `Date`, a `Map`) are
 * refused.
 *
 * @since 0.1.0
 * @category validation
 */
export const check = (input: unknown): Report => {
  const state: State = { path: [], found: [], values: 0 }
  const bounded = walk(input, 0, state)
  return bounded && state.found.length === 0 ? fine : { bounded, found: state.found }
}
