/** What `fuzz.ts` does to bytes. */
import { type Draw, pick } from "./fuzz-chance.js"
import { bodies, invalidUtf8, streams, tokens } from "./fuzz-samples.js"

const splice = (bytes: Buffer, at: number, remove: number, insert: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)])

const nothing = new Uint8Array(0)

const lineAround = (bytes: Buffer, at: number): Buffer => {
  const start = bytes.lastIndexOf(10, Math.max(at - 1, 0)) + 1
  const end = bytes.indexOf(10, at)
  return bytes.subarray(start, end === -1 ? bytes.length : end + 1)
}

const nested = (draw: Draw): string => {
  const depth = 1 + draw(draw(10) === 0 ? 20_000 : 200)
  const [open, close] = pick(draw, [["[", "]"], ["{\"a\":", "}"], ["[", ""]] as const)
  return `${open.repeat(depth)}0${close.repeat(depth)}`
}

const newMembers = tokens.filter((token) => /^"\w+":.*,$/.test(token))

const indices = ["4294967294", "128", "127", "-1", "1.5", "1e2", "1e999", "\"0\"", "null", "[]"]

const mutations: ReadonlyArray<(bytes: Buffer, at: number, draw: Draw) => Buffer> = [
  (bytes, at, draw) => {
    const flipped = Buffer.from(bytes)
    flipped[at] = (flipped[at] ?? 0) ^ (1 << draw(8))
    return flipped
  },
  (bytes, at) => bytes.subarray(0, at),
  (bytes, at, draw) => splice(bytes, at, draw(32), nothing),
  (bytes, at, draw) => splice(bytes, at, 0, Buffer.from(pick(draw, tokens))),
  (bytes, at, draw) => splice(bytes, at, draw(8), Buffer.from(pick(draw, tokens))),
  (bytes, at, draw) => splice(bytes, at, 0, Uint8Array.from(pick(draw, invalidUtf8))),
  (bytes, at, draw) => splice(bytes, at, 0, Uint8Array.from({ length: 1 + draw(24) }, () => draw(256))),
  (bytes, at, draw) => {
    const line = lineAround(bytes, at)
    return splice(bytes, at, 0, Buffer.concat(Array.from({ length: 1 + draw(20) }, () => line)))
  },
  (bytes, at, draw) => {
    const other = Buffer.from(pick(draw, draw(2) === 0 ? streams : bodies))
    return splice(bytes, at, draw(64), other.subarray(draw(other.length)))
  },
  (bytes, at, draw) => splice(bytes, bytes.indexOf("{", at) + 1, 0, Buffer.from(pick(draw, newMembers))),
  (bytes, at, draw) => splice(bytes, bytes.indexOf("{", at) + 1, 0, Buffer.from(`"deep":${nested(draw)},`)),
  (bytes, at, draw) => {
    const number = bytes.indexOf("\"index\":", at) + 8
    return splice(bytes, number, 1, Buffer.from(pick(draw, indices)))
  },
  (bytes, at, draw) => splice(bytes, at, 0, Buffer.from(nested(draw)))
]

/** A case is read some ten times, also byte by byte: it must not grow without a bound. */
const maxBytes = 64 * 1024

interface Mutated {
  readonly original: Buffer
  readonly bytes: Buffer
  /** All bytes before it are those of the original. */
  readonly intact: number
}

export const mutate = (draw: Draw, original: Buffer, most: number): Mutated => {
  let bytes = original
  for (let left = draw(most + 1); left > 0; left--) {
    bytes = pick(draw, mutations)(bytes, draw(bytes.length + 1), draw)
  }
  bytes = bytes.subarray(0, maxBytes)
  let intact = 0
  while (intact < bytes.length && bytes[intact] === original[intact]) {
    intact++
  }
  return { original, bytes, intact }
}
