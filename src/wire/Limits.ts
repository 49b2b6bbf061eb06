/**
 * How much of an answer is read. All bytes are counted after decompression, as they arrive; what crosses a limit is not read further
 * and its connection is closed.
 *
 * @since 0.1.0
 */
import * as RouterError from "../RouterError.js"
import * as Classify from "./Classify.js"
import * as Json from "./Json.js"
import * as Sse from "./Sse.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Bytes of a whole answer. */
  readonly responseBytes: number
  /** The length of one event of a stream, field names included, and of any single line. */
  readonly eventBytes: number
  /** Bytes of an error answer: what is beyond is left out of the error. */
  readonly errorBodyBytes: number
  /** How deep JSON may be nested. */
  readonly jsonDepth: number
}

/**
 * 64 MiB for an answer, 16 MiB for an event (a large image as base64), 64 KiB of an error, 128 levels of JSON: far beyond any
 * completion, and small enough for a process that holds many.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaults: Limits = {
  responseBytes: 64 * 1024 * 1024,
  eventBytes: Sse.defaultMaxEventBytes,
  errorBodyBytes: Classify.maxErrorBodyBytes,
  jsonDepth: Json.defaultMaxDepth
}

/**
 * The defaults with some limits replaced. Infinity is no limit.
 *
 * Throws `InvalidRequest` when a limit is not a number above 0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (limits: Partial<Limits> = {}): Limits => {
  for (const [name, limit] of Object.entries(limits)) {
    if (limit !== undefined && !(typeof limit === "number" && limit > 0)) {
      throw RouterError.invalidField(`limits.${name}`, "expected a number above 0")
    }
  }
  return {
    responseBytes: limits.responseBytes ?? defaults.responseBytes,
    eventBytes: limits.eventBytes ?? defaults.eventBytes,
    errorBodyBytes: limits.errorBodyBytes ?? defaults.errorBodyBytes,
    jsonDepth: limits.jsonDepth ?? defaults.jsonDepth
  }
}
