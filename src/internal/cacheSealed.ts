import type { Batch } from "../wire/StreamResponse.js"

/**
 * JSON is not deeper than the limits of the answer that it came with.
 */
const freeze = (value: unknown): void => {
  if (typeof value === "object" && value !== null) {
    Object.freeze(value)
    for (const member in value) {
      freeze(value[member as keyof typeof value])
    }
  }
}

/**
 * A batch that several callers and the store read: what one of them does to it reaches no other. Its chunks are frozen. Bytes cannot be,
 * so whoever asks for them gets a copy.
 *
 * @internal
 */
export const sealed = ({ bytes, chunks, complete }: Batch): Batch => {
  freeze(chunks)
  return Object.freeze({
    get bytes() {
      // the slice of a Buffer is no copy
      return new Uint8Array(bytes)
    },
    chunks,
    complete
  })
}
