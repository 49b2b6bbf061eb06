import { assert, describe, it } from "@effect/vitest"
import { runCases } from "../../scripts/fuzz.js"

/** Replays with `npx tsx scripts/fuzz.ts 1 <seed> <index>`. */
const seed = Number(process.env.FAST_CHECK_SEED ?? 1)

describe("mutated bytes", () => {
  for (const part of [0, 1, 2, 3]) {
    it(`end in a value or a typed problem, the same for any slicing and line ends (seed ${seed}, part ${part})`, () => {
      const { failures, passed } = runCases(seed, part * 500, 500)
      assert.deepStrictEqual(failures, [])
      assert.strictEqual(passed, 500)
    })
  }
})
