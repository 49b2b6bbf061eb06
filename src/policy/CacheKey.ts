/**
 * Keys for an exact-match cache: canonical JSON, a hash of a tuple of texts, and the key of a whole request.
 *
 * @since 0.1.0
 */
import type * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Buffer } from "node:buffer"
import { sha256 } from "../internal/hash.js"
import { endOfString } from "../internal/jsonString.js"
import { isPlainObject } from "../internal/plainObject.js"

/**
 * How many arrays and objects may be nested in a value that is made canonical: far above what a request needs, far
 * below what exhausts the stack. It also ends the walk through a value that contains itself.
 *
 * @since 0.1.0
 * @category defaults
 */
export const maxDepth = 128

/**
 * A value has no canonical JSON. `path` says where (`messages[0].content`; `""` is the value itself), `reason` says
 * why; the value is not shown.
 *
 * @since 0.1.0
 * @category errors
 */
export class KeyError extends Schema.TaggedError<KeyError>("effect-llm-router/CacheKey/KeyError")("KeyError", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.path === "" ? "the value" : this.path}: ${this.reason}`
  }
}

/** Where the walk is, and what was written: parts that are joined at the end, for a text of texts would hold all of them. */
interface State {
  readonly path: Array<string | number>
  readonly parts: Array<string>
}

const reject = ({ path }: State, reason: string): never => {
  let text = ""
  for (const step of path) {
    text += typeof step === "number" ? `[${step}]` : text === "" ? step : `.${step}`
  }
  throw new KeyError({ path: text, reason })
}

const writeString = (text: string, state: State): void => {
  state.parts.push(text.isWellFormed() ? JSON.stringify(text) : reject(state, "contains half of a surrogate pair"))
}

const writeArray = (values: ReadonlyArray<unknown>, state: State): void => {
  state.parts.push("[")
  for (let i = 0; i < values.length; i++) {
    if (i > 0) {
      state.parts.push(",")
    }
    state.path.push(i)
    // JSON has no other way to keep the place of an undefined element
    write(values[i] ?? null, state)
    state.path.pop()
  }
  state.parts.push("]")
}

/** Most objects have few members, and many have them in order: to sort those costs more than to look. */
const sortedKeys = (value: object): ReadonlyArray<string> => {
  const keys = Object.keys(value)
  for (let i = 1; i < keys.length; i++) {
    if (keys[i - 1]! > keys[i]!) {
      return keys.sort()
    }
  }
  return keys
}

const writeObject = (value: object, state: State): void => {
  if (!isPlainObject(value)) {
    // a Map or a Redacted would come out as {}, and all of them as the same one
    return reject(state, "is not a plain object")
  }
  let before = "{"
  for (const key of sortedKeys(value)) {
    const member = value[key]
    if (member !== undefined) {
      state.path.push(key)
      state.parts.push(before)
      writeString(key, state)
      state.parts.push(":")
      write(member, state)
      state.path.pop()
      before = ","
    }
  }
  state.parts.push(before === "{" ? "{}" : "}")
}

const write = (value: unknown, state: State): void => {
  switch (typeof value) {
    case "string":
      return writeString(value, state)
    case "number":
      state.parts.push(Number.isFinite(value) ? String(value) : reject(state, "is not a finite number"))
      return
    case "boolean":
      state.parts.push(String(value))
      return
    case "object": {
      if (value === null) {
        state.parts.push("null")
        return
      }
      if (state.path.length >= maxDepth) {
        return reject(state, `is nested deeper than ${maxDepth} levels`)
      }
      return Array.isArray(value) ? writeArray(value, state) : writeObject(value, state)
    }
    default:
      return reject(state, `is a ${typeof value}`)
  }
}

/**
 * The canonical JSON of a value (RFC 8785): members sorted by UTF-16 code units, arrays in their order, numbers as
 * ECMAScript writes them (`1.0` is `1`, `-0` is `0`), no white space, no Unicode normalisation. Two values have the
 * same canonical JSON exactly when they are the same JSON value.
 *
 * As in `JSON.stringify`, members that are `undefined` are left out and such elements are `null`. What JSON cannot say
 * exactly is refused: NaN and infinities, half a surrogate pair, bigints, functions, symbols, objects that are not
 * plain, and nesting beyond `maxDepth`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const canonical = (value: unknown): Either.Either<string, KeyError> => {
  try {
    const state: State = { path: [], parts: [] }
    write(value, state)
    return Either.right(state.parts.join(""))
  } catch (error) {
    if (error instanceof KeyError) {
      return Either.left(error)
    }
    throw error
  }
}

/**
 * The SHA-256 of a tuple, as 64 hexadecimal digits. Each part is preceded by its length, so two different tuples never
 * become the same text: `["ab", "c"]` and `["a", "bc"]` have different hashes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const hash: (parts: ReadonlyArray<string>) => string = sha256

/**
 * The headers that are no part of a request's key: they name or trace one call, or follow from the body.
 *
 * @since 0.1.0
 * @category defaults
 */
export const ignoredHeaders: ReadonlySet<string> = new Set([
  "b3",
  "baggage",
  "content-length",
  "date",
  "idempotency-key",
  "traceparent",
  "tracestate",
  "user-agent",
  "x-correlation-id",
  "x-request-id"
])

/** How many members the objects of a valid JSON text have: the colons outside of its strings. */
const memberCount = (json: string): number => {
  let count = 0
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i)
    if (code === 0x22) {
      i = endOfString(json, i)
    } else if (code === 0x3a) {
      count++
    }
  }
  return count
}

const parseJson = (text: string): Option.Option<unknown> => {
  try {
    return Option.some(JSON.parse(text))
  } catch {
    return Option.none()
  }
}

const asksForStream = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "stream" in value && value.stream === true

/** `undefined` when the answer will be a stream. */
const textParts = (text: string, contentType: string): ReadonlyArray<string> | undefined => {
  const parsed = contentType.includes("json") ? parseJson(text) : Option.none()
  if (Option.isNone(parsed)) {
    return ["text", text]
  }
  if (asksForStream(parsed.value)) {
    return undefined
  }
  const json = canonical(parsed.value)
  // parsing keeps only the last of two members with one name, so such a text stands for itself
  return Either.isRight(json) && memberCount(json.right) === memberCount(text) ? ["json", json.right] : ["text", text]
}

const bytesParts = (bytes: Uint8Array, contentType: string): ReadonlyArray<string> | undefined => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = buffer.toString("utf8")
  // bytes that are not UTF-8 do not survive the way to a text and back
  return text.includes("\ufffd") ? ["bytes", buffer.toString("base64")] : textParts(text, contentType)
}

/** `undefined` when the body can be read only once, or when it asks for a stream. */
const bodyParts = (body: HttpBody.HttpBody): ReadonlyArray<string> | undefined => {
  const contentType = body.contentType ?? ""
  switch (body._tag) {
    case "Empty":
      return ["empty"]
    case "Uint8Array":
      return bytesParts(body.body, contentType)
    case "Raw":
      return typeof body.body === "string"
        ? textParts(body.body, contentType)
        : body.body instanceof Uint8Array
        ? bytesParts(body.body, contentType)
        : undefined
    case "FormData":
    case "Stream":
      return undefined
  }
}

const byName = (a: readonly [string, string], b: readonly [string, string]): number =>
  a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0

/** A list within the tuple begins with its length, so that it cannot be taken for what follows it. */
const pairs = (entries: ReadonlyArray<readonly [string, string]>): ReadonlyArray<string> => {
  const sorted = entries.slice().sort(byName)
  return [String(sorted.length), ...sorted.flat()]
}

/**
 * The key of a request: its method, URL, URL parameters (in the order of their names), headers without
 * `ignoredHeaders`, and body. A JSON body counts by its canonical form, every other one by its bytes.
 *
 * `none` when there is no such key: the body is a stream or a form, or it is JSON with `"stream": true`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofRequest = (request: HttpClientRequest.HttpClientRequest): Option.Option<string> => {
  const body = bodyParts(request.body)
  if (body === undefined) {
    return Option.none()
  }
  const headers = Object.entries(request.headers).filter(([name]) => !ignoredHeaders.has(name))
  return Option.some(hash([
    request.method,
    request.url,
    ...pairs(request.urlParams),
    ...pairs(headers),
    request.body.contentType ?? "",
    ...body
  ]))
}
