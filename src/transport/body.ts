import * as Effect from "effect/Effect"

/** Where the bytes come from. */
export interface Source {
  /** No more for now; what is under way may still come. */
  readonly pause: () => void
  readonly resume: () => void
  /** No more at all: closes the connection. */
  readonly close: () => void
}

/** How a body ended. One that is cut was longer than its reader wanted. */
type End = { readonly _tag: "Complete" | "Cut" } | { readonly _tag: "Broken"; readonly cause: unknown }

/** Bytes, and whether they are all that there were. */
export interface Bytes {
  readonly bytes: Uint8Array
  readonly complete: boolean
}

/** Who reads: nobody yet, all of it at once, or part by part. */
type Reader = "nobody" | "whole" | "parts"

/**
 * How many bytes wait for a reader before the source is paused: 64 KiB, what undici reads from a socket at once. Twice that may be
 * held, for what was read is not given back.
 */
export const maxHeldBytes = 64 * 1024

const complete: End = { _tag: "Complete" }

const leftBefore = "the body was left half read"

const left: End = { _tag: "Broken", cause: leftBefore }

const usedBefore = "the body was read before"

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => parts.length === 1 ? parts[0]! : Buffer.concat(parts)

/**
 * The bytes of an answer between the socket and the reader.
 *
 * What is there is given at once; a reader that is ahead of the socket waits, and a socket that is ahead of the reader is paused. All of
 * it can be read any number of times, part by part only once.
 */
export class Body {
  private reader: Reader = "nobody"
  private parts: Array<Uint8Array> = []
  private held = 0
  private received = 0
  private paused = false
  private end: End | undefined
  private readonly waiting: Array<() => void> = []
  private wanted = Infinity
  private onRead: ((part: Uint8Array) => void) | undefined

  constructor(
    private readonly source: Source,
    private readonly maxBytes: number,
    private readonly onTooLarge: () => unknown
  ) {}

  get isOpen(): boolean {
    return this.end === undefined
  }

  push(part: Uint8Array): void {
    if (this.end !== undefined) {
      return
    }
    this.received += part.length
    if (this.received > this.maxBytes) {
      this.settle({ _tag: "Broken", cause: this.onTooLarge() })
      this.source.close()
      return
    }
    this.parts.push(part)
    this.held += part.length
    this.onRead?.(part)
    if (this.received > this.wanted) {
      this.cut()
      return
    }
    if (this.reader === "parts") {
      this.wake()
    }
    if (this.held > maxHeldBytes && this.reader !== "whole" && !this.paused) {
      this.paused = true
      this.source.pause()
    }
  }

  complete(): void {
    this.settle(complete)
  }

  fail(cause: unknown): void {
    this.settle({ _tag: "Broken", cause })
  }

  /** Whoever leaves a body that is not at its end closes the connection. */
  leave(): void {
    if (this.end === undefined) {
      this.settle(left)
      this.source.close()
    }
  }

  /** All bytes: whoever comes later gets them, too. It is to be called when they are wanted. */
  readAll(): Effect.Effect<Uint8Array, unknown> {
    return Effect.flatMap(
      this.readThere(),
      (bytes) => this.end?._tag === "Cut" ? Effect.fail(leftBefore) : Effect.succeed(bytes)
    )
  }

  /** `readAll`, but for what goes beyond so many bytes: then the connection is closed. `onRead` is told of each part as it comes. */
  readAtMost(maxBytes: number, onRead: ((part: Uint8Array) => void) | undefined): Effect.Effect<Bytes, unknown> {
    if (this.end === undefined) {
      this.wanted = maxBytes
      this.onRead = onRead
    }
    this.parts.forEach((part) => onRead?.(part))
    if (this.received > maxBytes && this.end === undefined) {
      this.cut()
    }
    return Effect.map(this.readThere(), (bytes) => ({
      bytes: bytes.subarray(0, maxBytes),
      complete: bytes.length <= maxBytes
    }))
  }

  /** All that there is when the body has ended, however it did. */
  private readThere(): Effect.Effect<Uint8Array, unknown> {
    if (this.reader === "parts") {
      return Effect.fail(usedBefore)
    }
    this.reader = "whole"
    if (this.end !== undefined) {
      return this.gather(this.end)
    }
    this.goOn()
    return Effect.flatMap(this.wait(), () => this.readThere())
  }

  /** Gives the parts to the one who says it first: what has come since the last time, or nothing at the end. */
  readParts(): Effect.Effect<ReadonlyArray<Uint8Array>, unknown> | undefined {
    if (this.reader !== "nobody") {
      return undefined
    }
    this.reader = "parts"
    const next: Effect.Effect<ReadonlyArray<Uint8Array>, unknown> = Effect.suspend(() =>
      this.parts.length === 0 && this.end === undefined ? Effect.zipRight(this.untilPart(), next) : this.take()
    )
    return next
  }

  private take(): Effect.Effect<ReadonlyArray<Uint8Array>, unknown> {
    const { end, parts } = this
    if (parts.length === 0 && end?._tag === "Broken") {
      return Effect.fail(end.cause)
    }
    this.parts = []
    this.held = 0
    this.goOn()
    return Effect.succeed(parts)
  }

  private gather(end: End): Effect.Effect<Uint8Array, unknown> {
    if (end._tag === "Broken") {
      this.parts = []
      return Effect.fail(end.cause)
    }
    const bytes = concat(this.parts)
    this.parts = [bytes]
    return Effect.succeed(bytes)
  }

  private cut(): void {
    this.settle({ _tag: "Cut" })
    this.source.close()
  }

  private settle(end: End): void {
    if (this.end === undefined) {
      this.end = end
      this.wake()
    }
  }

  private wake(): void {
    if (this.waiting.length > 0) {
      this.waiting.splice(0).forEach((resume) => resume())
    }
  }

  private goOn(): void {
    if (this.paused) {
      this.paused = false
      this.source.resume()
    }
  }

  /** Nothing is to be done when it is given up: whoever reads part by part leaves by himself. */
  private untilPart(): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      this.waiting.push(() => resume(Effect.void))
    })
  }

  /** Where all of it is wanted, the last one who does not wait any more closes the connection. */
  private wait(): Effect.Effect<void> {
    return Effect.async<void>((resume) => {
      const wake = () => resume(Effect.void)
      this.waiting.push(wake)
      return Effect.sync(() => {
        const index = this.waiting.indexOf(wake)
        if (index >= 0) {
          this.waiting.splice(index, 1)
        }
        if (this.waiting.length === 0) {
          this.leave()
        }
      })
    })
  }
}
