/**
 * Byte fuzzer of the readers: `npx tsx scripts/fuzz.ts [count] [seed] [index]`.
 *
 * Runs `count` cases (default 100,000) of a seed (default: drawn, and printed), then looks whether the time of the stream decoder is
 * linear. With an index it runs that case alone. Exits with 1 when anything fails.
 */
import { randomInt } from "node:crypto"
import { pathToFileURL } from "node:url"
import * as ChunkDecoder from "../src/wire/ChunkDecoder.js"
import * as Fold from "../src/wire/Fold.js"
import { runCase } from "./fuzz-cases.js"

const defaultCount = 100_000

/** The longest a case may take, in milliseconds: far above any pause of the garbage collector. */
const maxCaseMillis = 1000

/** More failures than this are counted, and not printed. */
const maxPrinted = 20

interface Outcome {
  readonly passed: number
  readonly failures: ReadonlyArray<string>
  readonly bytes: number
  readonly millis: number
  readonly slowestMillis: number
}

/** The cases from `from` on. */
export const runCases = (seed: number, from: number, count: number): Outcome => {
  const failures: Array<string> = []
  let bytes = 0
  let slowestMillis = 0
  const started = performance.now()
  for (let index = from; index < from + count; index++) {
    const before = performance.now()
    try {
      bytes += runCase(seed, index)
    } catch (error) {
      failures.push(`case ${index}: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`)
    }
    slowestMillis = Math.max(slowestMillis, performance.now() - before)
  }
  return { passed: count - failures.length, failures, bytes, millis: performance.now() - started, slowestMillis }
}

// ---- linear time ----------------------------------------------------------------------------------------------------

const mebibyte = 1024 * 1024

/** How much longer twice the input may take; 2 is linear, 4 is quadratic. */
const maxRatio = 3

const choice = (delta: unknown) => `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`

/** What is repeated up to a size, and in how long pieces it is read. */
type Shape = readonly [name: string, before: string, repeated: string, after: string, sliceBytes: number]

const shapes: ReadonlyArray<Shape> = [
  ["events of a word", "", choice({ content: "word" }), "", 4096],
  ["events of a word in reads of 16 bytes", "", choice({ content: "word" }), "", 16],
  ["pieces of one tool call", "", choice({ tool_calls: [{ index: 0, function: { arguments: "{[\"" } }] }), "", 4096],
  ["tool calls with an id each", "", choice({ tool_calls: [{ id: "1", function: { name: "f" } }] }), "", 4096],
  ["one long line in reads of 64 bytes", "data: {\"choices\":[],\"a\":\"", "aaaaaaaa", "\"}\n\n", 64],
  ["one long comment", ":", "aaaaaaaa", "\n\n", 64],
  ["comments", "", ": ping\n\n", "", 4096],
  ["lines of no meaning", "", "x\n", "", 4096],
  ["one event of empty data lines", "", "data\n", "\n", 4096],
  ["carriage returns", "", "\r", "", 4096],
  ["escapes in a string", "data: {\"choices\":[],\"a\":\"", "\\\\\\\"", "\"}\n\n", 4096],
  ["invalid UTF-8", "", "data: {\"choices\":[],\"a\":\"\xff\xe2\x82\"}\n\n", "", 4096]
]

const millisOf = (bytes: Buffer, sliceBytes: number): number => {
  const started = performance.now()
  const decoder = ChunkDecoder.make()
  const fold = Fold.make()
  for (let at = 0; at < bytes.length; at += sliceBytes) {
    decoder.feed(bytes.subarray(at, at + sliceBytes)).forEach(fold.add)
  }
  decoder.end().forEach(fold.add)
  fold.completion()
  return performance.now() - started
}

/** What else the machine does only adds to a time: the shortest of all runs counts, and there are more of them where they disagree. */
const maxRuns = 30

const minRuns = 5

const isLinear = ([name, before, repeated, after, sliceBytes]: Shape): boolean => {
  const inputs = [1, 2, 4].map((size) =>
    Buffer.from(before + repeated.repeat(size * mebibyte / repeated.length) + after, "latin1")
  )
  let millis = [Infinity, Infinity, Infinity]
  let ratios = [Infinity, Infinity]
  for (let run = 1; run <= maxRuns && (run <= minRuns || ratios.some((ratio) => ratio > maxRatio)); run++) {
    millis = inputs.map((input, index) => Math.min(millis[index]!, millisOf(input, sliceBytes)))
    ratios = [millis[1]! / millis[0]!, millis[2]! / millis[1]!]
  }
  console.log(
    `${name}: ${millis.map((each) => each.toFixed(1)).join(", ")} ms for 1, 2, 4 MiB ` +
      `(x${ratios.map((ratio) => ratio.toFixed(2)).join(", x")}; ${((millis[2]! * 1000) / 4096).toFixed(1)} µs/KiB)`
  )
  return ratios.every((ratio) => ratio <= maxRatio)
}

const checkLinear = (): ReadonlyArray<string> =>
  shapes.filter((shape) => !isLinear(shape)).map(([name]) => `not linear: ${name}`)

// ---- the run --------------------------------------------------------------------------------------------------------

const main = (args: ReadonlyArray<string>): number => {
  const [count = defaultCount, seed = randomInt(2 ** 31), index] = args.map(Number)
  if (index !== undefined) {
    runCase(seed, index)
    console.log(`seed ${seed}, case ${index}: passed`)
    return 0
  }
  console.log(`seed ${seed}`)
  const { bytes, failures, millis, passed, slowestMillis } = runCases(seed, 0, count)
  failures.slice(0, maxPrinted).forEach((failure) => console.log(failure))
  console.log(
    `${passed} passed, ${failures.length} failed; ${(bytes / 1024).toFixed(0)} KiB, each read some ten times, in ` +
      `${(millis / 1000).toFixed(1)} s (${((millis * 1000) / (bytes / 1024)).toFixed(0)} µs/KiB), slowest case ${
        slowestMillis.toFixed(0)
      } ms`
  )
  const slow = slowestMillis > maxCaseMillis ? [`a case took ${slowestMillis.toFixed(0)} ms`] : []
  const others = [...slow, ...checkLinear()]
  others.forEach((failure) => console.log(failure))
  return failures.length + others.length === 0 ? 0 : 1
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.exitCode = main(process.argv.slice(2))
}
