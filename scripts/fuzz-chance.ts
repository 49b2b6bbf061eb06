/** Chance that is the same for the same seed. */

/** A whole number from 0 to below `bound`. */
export type Draw = (bound: number) => number

/** Mulberry32: small, fast, and the same on every machine. */
export const makeDraw = (seed: number, index: number): Draw => {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound
  }
}

export const pick = <A>(draw: Draw, list: ReadonlyArray<A>): A => list[draw(list.length)]!
