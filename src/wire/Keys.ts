/**
 * The spelling of members: camelCase in TypeScript, snake_case on the wire.
 *
 * Renaming goes by tables of known members, never by a rule, so that a member nobody knows and whatever lies inside a
 * free-form map (`variables`, a JSON schema, `metadata`) arrives exactly as it was written.
 *
 * @since 0.1.0
 */

/**
 * How the members of one kind of object are spelled. Members that are not in it keep their name and value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Table {
  readonly toWire: ReadonlyMap<string, Member>
  readonly fromWire: ReadonlyMap<string, Member>
}

/**
 * One known member. `inside` says how what it holds is spelled.
 *
 * @since 0.1.0
 * @category models
 */
export interface Member {
  readonly name: string
  readonly wire: string
  readonly inside?: Inside | undefined
}

/**
 * @since 0.1.0
 * @category models
 */
export type Inside = { readonly kind: "object" | "list"; readonly table: Table }

/**
 * An object with own members by name, in either spelling.
 *
 * @since 0.1.0
 * @category models
 */
export interface Members {
  readonly [member: string]: unknown
}

/**
 * A table from what is written for each camelCase member: its wire name, or that and what is inside.
 *
 * @since 0.1.0
 * @category constructors
 */
export const table = (
  members: { readonly [name: string]: string | readonly [wire: string, inside: Inside] }
): Table => {
  const all = Object.entries(members).map(([name, written]): Member =>
    typeof written === "string" ? { name, wire: written } : { name, wire: written[0], inside: written[1] }
  )
  return {
    toWire: new Map(all.map((member) => [member.name, member])),
    fromWire: new Map(all.map((member) => [member.wire, member]))
  }
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const object = (table: Table): Inside => ({ kind: "object", table })

/**
 * @since 0.1.0
 * @category constructors
 */
export const list = (table: Table): Inside => ({ kind: "list", table })

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Sets an own member, whatever it is called: assigning to `__proto__` would set the prototype.
 *
 * @since 0.1.0
 * @category utils
 */
export const setOwn = (target: { [member: string]: unknown }, name: string, value: unknown): void => {
  if (name === "__proto__") {
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true })
  } else {
    target[name] = value
  }
}

type Direction = "toWire" | "fromWire"

const opposite = { toWire: "fromWire", fromWire: "toWire" } as const
const spelling = { toWire: "wire", fromWire: "name" } as const

const renameInside = (inside: Inside, value: unknown, direction: Direction): unknown => {
  if (inside.kind === "list") {
    return Array.isArray(value)
      ? value.map((element: unknown) => isMembers(element) ? rename(inside.table, element, direction) : element)
      : value
  }
  return isMembers(value) ? rename(inside.table, value, direction) : value
}

const rename = (
  table: Table,
  value: Members,
  direction: Direction,
  omitted?: ReadonlySet<string>
): { [member: string]: unknown } => {
  const known = table[direction]
  const taken = table[opposite[direction]]
  const out: { [member: string]: unknown } = {}
  for (const key of Object.keys(value)) {
    const content = value[key]
    if (content === undefined || omitted?.has(key) === true) continue
    const member = known.get(key)
    if (member !== undefined) {
      out[member[spelling[direction]]] = member.inside === undefined
        ? content
        : renameInside(member.inside, content, direction)
    } else {
      // both spellings of one member: the one that belongs here counts
      const other = taken.get(key)
      if (other === undefined || !isGiven(value, other[spelling[opposite[direction]]])) setOwn(out, key, content)
    }
  }
  return out
}

const isGiven = (value: Members, name: string): boolean => Object.hasOwn(value, name) && value[name] !== undefined

/**
 * The wire form of an object: known members in snake_case, members that are `undefined` left out, those named in
 * `omitted` (in either spelling) left out at the top, everything else as it is.
 *
 * @since 0.1.0
 * @category encoding
 */
export const toWire = (
  table: Table,
  value: Members,
  omitted?: ReadonlySet<string>
): { [member: string]: unknown } => rename(table, value, "toWire", omitted)

/**
 * The wire form of each object of a list.
 *
 * @since 0.1.0
 * @category encoding
 */
export const listToWire = (table: Table, values: ReadonlyArray<Members>): Array<{ [member: string]: unknown }> =>
  values.map((value) => rename(table, value, "toWire"))

/**
 * Undoes `toWire`. What is not an object is given back as it is.
 *
 * @since 0.1.0
 * @category decoding
 */
export const fromWire = (table: Table, value: unknown): unknown =>
  isMembers(value) ? rename(table, value, "fromWire") : value

/**
 * The wire spelling of a path to a member.
 *
 * @since 0.1.0
 * @category encoding
 */
export const pathToWire = (table: Table, path: ReadonlyArray<PropertyKey>): ReadonlyArray<PropertyKey> => {
  let here: Inside | undefined = object(table)
  return path.map((segment) => {
    if (typeof segment !== "string") {
      here = here?.kind === "list" ? object(here.table) : undefined
      return segment
    }
    const member: Member | undefined = here?.kind === "object" ? here.table.toWire.get(segment) : undefined
    here = member?.inside
    return member === undefined ? segment : member.wire
  })
}

/**
 * Where a known member stands in the spelling of the wire, at any depth: the first such path.
 *
 * @since 0.1.0
 * @category getters
 */
export const findWireName = (table: Table, value: Members): ReadonlyArray<PropertyKey> | undefined => {
  for (const key of Object.keys(value)) {
    if (table.fromWire.has(key) && !table.toWire.has(key)) return [key]
    const inside = table.toWire.get(key)?.inside
    const path = inside && findInside(inside, value[key])
    if (path !== undefined) return [key, ...path]
  }
  return undefined
}

const findInside = ({ kind, table }: Inside, value: unknown): ReadonlyArray<PropertyKey> | undefined => {
  if (kind === "object") return isMembers(value) ? findWireName(table, value) : undefined
  if (!Array.isArray(value)) return undefined
  for (const [index, element] of value.entries()) {
    const path = isMembers(element) ? findWireName(table, element) : undefined
    if (path !== undefined) return [index, ...path]
  }
  return undefined
}
