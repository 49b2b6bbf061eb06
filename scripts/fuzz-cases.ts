/**
 * The cases of `fuzz.ts`: bytes made from a seed and a number, the readers that get them, and what must hold of the results.
 */
import * as Assert from "node:assert/strict"
import { checkBody } from "./fuzz-bodies.js"
import { type Draw, makeDraw, pick } from "./fuzz-chance.js"
import { checkStream } from "./fuzz-streams.js"

const kinds: ReadonlyArray<(draw: Draw) => number> = [checkStream, checkStream, checkBody]

/**
 * Runs one case, which is the same for the same seed and index, and gives how many bytes it was about. Throws when something does not
 * hold that must.
 */
export const runCase = (seed: number, index: number): number => {
  const draw = makeDraw(seed, index)
  const length = pick(draw, kinds)(draw)
  Assert.equal(Object.keys(Object.prototype).length, 0, "the prototype of all objects was written to")
  return length
}
