/**
 * The body of a request: read within a limit, as UTF-8, as JSON of a bounded depth, as a chat request.
 *
 * @since 0.1.0
 */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as ChatRequest from "../wire/ChatRequest.js"
import * as Json from "../wire/Json.js"
import * as Problem from "./Problem.js"

const isJson = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/(?:[\w.-]+\+)?json *(?:;|$)/i.test(contentType.trim())

const isPlain = (encoding: string | undefined): boolean =>
  encoding === undefined || encoding.trim() === "" || encoding.trim().toLowerCase() === "identity"

/**
 * Whether the headers announce JSON that can be read. A body in a compressed form is refused: its size is not known before it is unpacked.
 *
 * @since 0.1.0
 * @category validation
 */
export const checkType = (
  { headers }: HttpServerRequest.HttpServerRequest
): Effect.Effect<void, Problem.Problem> =>
  !isJson(headers["content-type"])
    ? Effect.fail(Problem.make(415, "expected the content type application/json"))
    : !isPlain(headers["content-encoding"])
    ? Effect.fail(Problem.make(415, "expected a body without a content encoding"))
    : Effect.void

/**
 * How much of a body beyond the limit is read and thrown away, as a multiple of the limit. A client sees the answer only when it could
 * send its body to the end: closed before, the connection is reset, and the answer is lost with it. What is larger is cut off.
 */
const discarded = 2

const tooLarge = (maxBytes: number, headers?: Record<string, string>): Problem.Problem =>
  Problem.make(413, `the body is larger than ${maxBytes} bytes`, { headers })

const broken = Problem.make(400, "the body could not be read")

const readBytes = (
  request: HttpServerRequest.HttpServerRequest,
  maxBytes: number
): Effect.Effect<Uint8Array, Problem.Problem> =>
  Effect.suspend(() => {
    const close = { connection: "close" }
    if (Number(request.headers["content-length"] ?? 0) > (1 + discarded) * maxBytes) {
      return Effect.fail(tooLarge(maxBytes, close))
    }
    const held: Array<Uint8Array> = []
    let size = 0
    return request.stream.pipe(
      Stream.mapError(() => broken),
      Stream.runForEach((bytes) => {
        size += bytes.length
        if (size <= maxBytes) {
          held.push(bytes)
        } else {
          held.length = 0
        }
        return size > (1 + discarded) * maxBytes ? Effect.fail(tooLarge(maxBytes, close)) : Effect.void
      }),
      Effect.flatMap(() => size > maxBytes ? Effect.fail(tooLarge(maxBytes)) : Effect.sync(() => Buffer.concat(held)))
    )
  })

const decode = (bytes: Uint8Array): Either.Either<string, Problem.Problem> =>
  Either.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => Problem.make(400, "the body is not UTF-8", { code: "invalid_json" })
  })

const parse = (text: string): Either.Either<unknown, Problem.Problem> =>
  Either.mapLeft(Json.parse(text), ({ reason }) =>
    Problem.make(
      400,
      reason === "depth" ? `the body is nested deeper than ${Json.defaultMaxDepth} levels` : "the body is not JSON",
      { code: "invalid_json" }
    ))

/**
 * The chat request in the body. `maxBytes` is the largest body that is read.
 *
 * @since 0.1.0
 * @category decoding
 */
export const chatRequest = (
  request: HttpServerRequest.HttpServerRequest,
  maxBytes: number
): Effect.Effect<ChatRequest.ChatRequest, Problem.Problem> =>
  Effect.flatMap(readBytes(request, maxBytes), (bytes) =>
    decode(bytes).pipe(
      Either.flatMap(parse),
      Either.flatMap((json) => Either.mapLeft(ChatRequest.fromWire(json), ({ issues }) => Problem.ofFields(issues)))
    ))
