import type { Value } from "./templateJinjaLibrary.js"
import { compare, isMissing, isTruthy, listOf, numberOf, tests, textOf, unfit } from "./templateJinjaTests.js"

/**
 * What a filter is given, and what makes its result.
 *
 * @internal
 */
export interface Call {
  readonly subject: Value
  readonly args: ReadonlyArray<Value>
  readonly named: ReadonlyMap<string, Value>
  /** A value of the library of plain data, of a list of such values, or none. */
  readonly of: (data: string | number | boolean | undefined) => Value
  readonly list: (items: ReadonlyArray<Value>) => Value
  readonly float: (number: number) => Value
  /** What a filter of this name, without arguments, makes of a value. */
  readonly apply: (filter: string, value: Value) => Value
}

type Filter = (call: Call) => Value

const itemsOf = ({ subject }: Call): ReadonlyArray<Value> => listOf(subject) ?? unfit()

/** An argument by its place or by its name. */
const argument = ({ args, named }: Call, index: number, name: string): Value | undefined =>
  args[index] ?? named.get(name)

const text = (call: Call, index: number, name: string): string | undefined => {
  const value = argument(call, index, name)
  return value === undefined || value.type === "NullValue" ? undefined : textOf(value) ?? unfit()
}

const number = (call: Call, index: number, name: string, otherwise: number): number => {
  const value = argument(call, index, name)
  return value === undefined ? otherwise : numberOf(value) ?? unfit()
}

const flag = (call: Call, index: number, name: string): boolean => {
  const value = argument(call, index, name)
  return value !== undefined && isTruthy(value)
}

/** A member of a member: `user.name`, `items.0`. */
const memberOf = (value: Value, path: ReadonlyArray<string>, { of }: Call): Value =>
  path.reduce((value, name): Value => {
    const { value: raw } = value
    const member: Value | undefined = raw instanceof Map
      ? raw.get(name)
      : Array.isArray(raw) && /^\d{1,9}$/.test(name)
      ? raw[Number(name)]
      : undefined
    return member ?? of(undefined)
  }, value)

const attribute = (call: Call, index: number): (value: Value) => Value => {
  const value = argument(call, index, "attribute")
  if (value === undefined || value.type === "NullValue") return (value) => value
  const path = String(textOf(value) ?? numberOf(value) ?? unfit()).split(".")
  return (value) => memberOf(value, path, call)
}

const tested = ([name, ...args]: ReadonlyArray<Value>): (value: Value) => boolean => {
  if (name === undefined) return isTruthy
  const test = tests.get(textOf(name) ?? "")
  return test === undefined ? unfit() : (value) => test(value, args)
}

const choose = (isWanted: boolean): Filter => (call) => {
  const test = tested(call.args)
  return call.list(itemsOf(call).filter((item) => test(item) === isWanted))
}

const chooseBy = (isWanted: boolean): Filter => (call) => {
  const member = attribute(call, 0)
  const test = tested(call.args.slice(1))
  return call.list(itemsOf(call).filter((item) => test(member(item)) === isWanted))
}

const map: Filter = (call) => {
  const items = itemsOf(call)
  const { apply, args: [name, ...rest], list, named } = call
  if (name !== undefined) {
    const filter = rest.length === 0 && named.size === 0 ? textOf(name) : undefined
    return filter === undefined ? unfit() : list(items.map((item) => apply(filter, item)))
  }
  if (!named.has("attribute")) return unfit()
  const member = attribute(call, 1)
  const otherwise = named.get("default")
  return list(items.map((item) => {
    const value = member(item)
    return isMissing(value) && otherwise !== undefined ? otherwise : value
  }))
}

const isWhole = ({ type }: Value): boolean => type !== "FloatValue"

const sum: Filter = (call) => {
  const start = argument(call, 1, "start")
  const items = [...itemsOf(call).map(attribute(call, 0)), ...(start === undefined ? [] : [start])]
  const total = items.reduce((sum, item) => sum + (numberOf(item) ?? unfit()), 0)
  return items.every(isWhole) ? call.of(total) : call.float(total)
}

const extreme = (sign: 1 | -1): Filter => (call) => {
  const member = attribute(call, 1)
  const isSensitive = flag(call, 0, "case_sensitive")
  const keyOf = (item: Value): Value => {
    const key = member(item)
    const text = isSensitive ? undefined : textOf(key)
    return text === undefined ? key : { type: key.type, value: text.toLowerCase() }
  }
  let best: { readonly item: Value; readonly key: Value } | undefined
  for (const item of itemsOf(call)) {
    const key = keyOf(item)
    if (best === undefined || compare(key, best.key) * sign > 0) best = { item, key }
  }
  return best?.item ?? call.of(undefined)
}

/** Halves go to the even neighbour, as in Python. */
const even = (x: number): number => {
  const floor = Math.floor(x)
  return x - floor === 0.5 ? floor + Math.abs(floor % 2) : Math.round(x)
}

const methods = new Map([["common", even], ["ceil", Math.ceil], ["floor", Math.floor]])

/** More places than that a number does not have. */
const maxPlaces = 15

const round: Filter = (call) => {
  const value = numberOf(call.subject)
  const places = number(call, 0, "precision", 0)
  const method = methods.get(text(call, 1, "method") ?? "common")
  if (value === undefined || method === undefined || !Number.isInteger(places) || Math.abs(places) > maxPlaces) {
    return unfit()
  }
  const factor = 10 ** places
  return call.float(method(value * factor) / factor)
}

/** Not in the middle of a character that is two units long. */
const cut = (text: string, length: number): string => {
  const end = Math.max(length, 0)
  const code = text.charCodeAt(end - 1)
  return text.slice(0, code >= 0xd800 && code <= 0xdbff ? end - 1 : end)
}

const truncate: Filter = (call) => {
  const whole = textOf(call.subject) ?? unfit()
  const length = number(call, 0, "length", 255)
  const end = text(call, 2, "end") ?? "..."
  if (whole.length <= length + number(call, 3, "leeway", 5)) return call.subject
  const start = cut(whole, length - end.length)
  const space = flag(call, 1, "killwords") ? -1 : start.lastIndexOf(" ")
  return call.of((space === -1 ? start : start.slice(0, space)) + end)
}

const trimmed = (text: string, chars: string, atStart: boolean, atEnd: boolean): string => {
  const set = new Set(chars)
  const has = (start: number, end: number): boolean => set.has(text.slice(start, end))
  // a character is one unit long, or two
  const unitsAt = (start: number): number => has(start, start + 1) ? 1 : has(start, start + 2) ? 2 : 0
  const unitsBefore = (end: number): number => has(end - 1, end) ? 1 : end > 1 && has(end - 2, end) ? 2 : 0
  let [from, to] = [0, text.length]
  for (let units = 1; atStart && from < to && units > 0; from += units) units = unitsAt(from)
  for (let units = 1; atEnd && from < to && units > 0; to -= units) units = unitsBefore(to)
  return text.slice(from, Math.max(from, to))
}

const strip = (atStart: boolean, atEnd: boolean): Filter => (call) => {
  const whole = textOf(call.subject) ?? unfit()
  const chars = text(call, 0, "chars")
  if (chars !== undefined) return call.of(trimmed(whole, chars, atStart, atEnd))
  const started = atStart ? whole.trimStart() : whole
  return call.of(atEnd ? started.trimEnd() : started)
}

const is = (isWanted: boolean) => (name: string): Filter => ({ args, named, of, subject }) => {
  const test = tests.get(name)
  return test === undefined || named.size > 0 ? unfit() : of(test(subject, args) === isWanted)
}

/**
 * The filters that the library does not have, or has a part of only; and the tests, which are written as filters here.
 *
 * @internal
 */
export const filters: ReadonlyMap<string, Filter> = new Map(Object.entries<Filter>({
  map,
  max: extreme(1),
  min: extreme(-1),
  reject: choose(false),
  rejectattr: chooseBy(false),
  round,
  select: choose(true),
  selectattr: chooseBy(true),
  sum,
  trim: strip(true, true),
  truncate,
  ...Object.fromEntries([...tests.keys()].flatMap((name) => [
    [`is ${name}`, is(true)(name)],
    [`is not ${name}`, is(false)(name)]
  ]))
}))

/** The methods that the library gives no arguments. @internal */
export const stripping: ReadonlyMap<string, Filter> = new Map(Object.entries<Filter>({
  lstrip: strip(true, false),
  rstrip: strip(false, true),
  strip: strip(true, true)
}))

/** Other names of filters. @internal */
export const synonyms: ReadonlyMap<string, string> = new Map([["d", "default"], ["count", "length"]])
