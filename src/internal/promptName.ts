/**
 * What may stand between two slashes of an id, and what a version may be called: letters, digits and `_ . @ + -`, not beginning with a
 * dot, a dash or a sign, nor ending with a dot. No `..`, no separator, no drive, nothing that a shell or a file system knows.
 */
const segment = /^[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N}_.@+-]*[\p{L}\p{M}\p{N}_@+-])?$/u

/** File systems allow 255 bytes, and a letter has up to four. */
const maxSegmentLength = 60

/** Of any depth that is meant. */
const maxSegments = 10

const isSegment = (text: string): boolean => text.length <= maxSegmentLength && segment.test(text)

/**
 * The asked-for version that is no version: the newest.
 *
 * @internal
 */
export const latest = "latest"

/** @internal */
export const isVersion = (text: string): boolean => text !== latest && isSegment(text)

/**
 * The directories of an id, or `undefined` for one that no file can have.
 *
 * @internal
 */
export const directories = (id: string): ReadonlyArray<string> | undefined => {
  const segments = id.split("/", maxSegments + 1)
  return segments.length <= maxSegments && segments.every(isSegment) ? segments : undefined
}
