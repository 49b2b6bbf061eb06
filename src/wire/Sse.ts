/**
 * Server-sent events: bytes to events, by the WHATWG rules, however the bytes are cut.
 *
 * The lines are split here and not by `eventsource-parser`, for what that parser does with hostile input: it builds an `Error`
 * with a stack trace for each line that it ignores (6 µs for the two bytes `x\n`, three seconds for a megabyte of them), its
 * size limit counts neither field names nor event types and is only looked at after a whole read, it holds the last event back
 * when the lines end in CR, and it takes a text that begins with `ï»¿` for one with a byte order mark.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Json from "./Json.js"

/**
 * An event with data. `event` is its type, absent when the stream does not name one. `id` and `retry` serve reconnection, which
 * chat completions do not have: they are ignored.
 *
 * @since 0.1.0
 * @category models
 */
export interface Event {
  readonly event: string | undefined
  /** The data lines, joined by `"\n"`. */
  readonly data: string
}

/**
 * The decoder of one stream. It is mutable: one for each response.
 *
 * @since 0.1.0
 * @category models
 */
export interface Decoder {
  /** Takes the next bytes and gives the events that they complete. */
  readonly feed: (bytes: Uint8Array) => ReadonlyArray<Event>
  /**
   * To be called once, after the last bytes. By the WHATWG rules an event that no blank line ends is lost; providers do leave
   * out the last one, so such an event is given if it cannot be a part of a longer one: its data is complete JSON or `[DONE]`.
   */
  readonly end: () => ReadonlyArray<Event>
  /** Whether an event or a line was longer than the limit. From then on `feed` and `end` give nothing. */
  readonly overflowed: boolean
  /** How many comment lines there were: keep-alives, mostly. */
  readonly comments: number
}

/**
 * How long an event may be: 16 MiB, which holds a large image as base64. It bounds what a decoder keeps in memory: one event and one
 * line.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultMaxEventBytes = 16 * 1024 * 1024

/**
 * The data of the event that ends an OpenAI-style stream.
 *
 * @since 0.1.0
 * @category constants
 */
export const done = "[DONE]"

const lineFeed = 10
const space = 32
const colon = 58

/** The value of the field `name` in the line from `start` to `end`; `undefined` if it is the line of another field. */
const fieldValue = (text: string, start: number, end: number, name: string): string | undefined => {
  const after = start + name.length
  if (after > end || !text.startsWith(name, start)) {
    return undefined
  }
  if (after === end) {
    return ""
  }
  if (text.charCodeAt(after) !== colon) {
    return undefined
  }
  return text.slice(after + 1 < end && text.charCodeAt(after + 1) === space ? after + 2 : after + 1, end)
}

const isWhole = (data: string): boolean => data === done || Either.isRight(Json.parse(data))

class EventStream implements Decoder {
  overflowed = false
  comments = 0
  private ended = false
  /** It keeps the start of a code point that the reads cut in two, and knows the offset 0 of the byte order mark. */
  private readonly utf8 = new TextDecoder()
  private afterCarriageReturn = false
  /** The parts of a line whose end has not come. Joined once: `+` for each part would take quadratic time. */
  private parts: Array<string> = []
  private partsLength = 0
  /** The event so far, and the length of its lines. */
  private type: string | undefined
  private data: Array<string> = []
  private size = 0
  /** What the present call will give. */
  private events: Array<Event> = []

  constructor(private readonly limit: number) {}

  readonly feed = (bytes: Uint8Array): ReadonlyArray<Event> => {
    if (!this.ended) {
      this.text(this.utf8.decode(bytes, { stream: true }))
    }
    return this.take()
  }

  readonly end = (): ReadonlyArray<Event> => {
    if (!this.ended) {
      this.text(this.utf8.decode())
      this.lastLine()
      if (this.data.length > 0 && isWhole(this.data.join("\n"))) {
        this.dispatch()
      }
      this.close()
    }
    return this.take()
  }

  private take(): ReadonlyArray<Event> {
    const events = this.events
    this.events = []
    return events
  }

  /** CR, LF and CRLF all end a line. A CR ends it at once: a LF that follows, be it in the next read, is skipped. */
  private text(text: string): void {
    if (text === "") {
      return
    }
    const rest = this.afterCarriageReturn && text.charCodeAt(0) === lineFeed ? text.slice(1) : text
    this.afterCarriageReturn = text.endsWith("\r")
    this.lines(rest.includes("\r") ? rest.replace(/\r\n?/g, "\n") : rest)
  }

  private lines(text: string): void {
    let start = 0
    for (let end = text.indexOf("\n"); end !== -1 && !this.ended; end = text.indexOf("\n", start)) {
      if (this.partsLength === 0) {
        this.line(text, start, end)
      } else {
        this.hold(text.slice(start, end))
        this.lastLine()
      }
      start = end + 1
    }
    if (start < text.length && !this.ended) {
      this.hold(text.slice(start))
    }
  }

  private hold(part: string): void {
    this.parts.push(part)
    this.partsLength += part.length
    if (this.partsLength > this.limit) {
      this.overflow()
    }
  }

  /** Takes what is held for a whole line. */
  private lastLine(): void {
    if (this.partsLength > 0) {
      const text = this.parts.join("")
      this.parts = []
      this.partsLength = 0
      this.line(text, 0, text.length)
    }
  }

  private line(text: string, start: number, end: number): void {
    if (start === end) {
      return this.dispatch()
    }
    const length = end - start
    if (length > this.limit) {
      return this.overflow()
    }
    if (text.charCodeAt(start) === colon) {
      this.comments++
      return
    }
    const data = fieldValue(text, start, end, "data")
    const type = data === undefined ? fieldValue(text, start, end, "event") : undefined
    if (data === undefined && type === undefined) {
      return
    }
    if (this.size + length > this.limit) {
      return this.overflow()
    }
    if (data !== undefined) {
      this.data.push(data)
    } else {
      this.type = type === "" ? undefined : type
    }
    // With its end, so that a million empty data lines count as well.
    this.size += length + 1
  }

  private dispatch(): void {
    if (this.data.length > 0) {
      this.events.push({ event: this.type, data: this.data.length === 1 ? this.data[0]! : this.data.join("\n") })
    }
    if (this.size > 0) {
      this.clear()
    }
  }

  private clear(): void {
    this.type = undefined
    this.data = []
    this.size = 0
  }

  private close(): void {
    this.ended = true
    this.parts = []
    this.partsLength = 0
    this.clear()
  }

  private overflow(): void {
    this.overflowed = true
    this.close()
  }
}

/**
 * A decoder for one stream.
 *
 * `maxEventBytes` (default 16 MiB) bounds the `data` and `event` lines of an event together, field names included, and any
 * single line, comments included. Comments and lines that are ignored are no part of an event, however many of them stand in it:
 * nothing of them is kept. Lines are counted in the decoded text, where a character of several bytes is one (or two, outside the
 * basic plane). The events before the one that is too long are still given.
 *
 * A byte order mark is skipped at the start of the stream only; bytes that are not UTF-8 become U+FFFD. Neither `feed` nor `end`
 * ever throws, and their time is linear in the length of the stream.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeDecoder = (options?: { readonly maxEventBytes?: number | undefined }): Decoder =>
  new EventStream(options?.maxEventBytes ?? defaultMaxEventBytes)
