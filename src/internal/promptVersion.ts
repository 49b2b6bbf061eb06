import * as Order from "effect/Order"

/** A number, or one other character. */
const tokens = /\d+|\D/g

const isNumber = (token: string): boolean => /^\d/.test(token)

/** The end of a version: newer than what goes on with a dash (`2.0.0-beta`), older than what goes on otherwise (`2.0.0.1`). */
const end = ""

const rank = (token: string): number => token === "-" ? 0 : token === end ? 1 : 2

const compareTokens = (a: string, b: string): -1 | 0 | 1 => {
  if (rank(a) !== rank(b)) return rank(a) < rank(b) ? -1 : 1
  return isNumber(a) && isNumber(b) ? Order.bigint(BigInt(a), BigInt(b)) : Order.string(a, b)
}

/**
 * The older version first: digits are compared as numbers, all else by its characters.
 *
 * @internal
 */
export const VersionOrder: Order.Order<string> = Order.make((a, b) => {
  const [left, right] = [a.match(tokens) ?? [], b.match(tokens) ?? []]
  for (let i = 0; i < left.length || i < right.length; i++) {
    const order = compareTokens(left[i] ?? end, right[i] ?? end)
    if (order !== 0) return order
  }
  // 1 and 01 are one number and two versions
  return Order.string(a, b)
})
