/**
 * The body of a scripted reply, read in the fiber of whoever reads it, so that a `TestClock` rules its gaps.
 *
 * @since 0.1.0
 */
import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Reply } from "./Answer.js"
import type { Call } from "./CallLog.js"
import { dueAtMillis, sleepUntil } from "./Script.js"

/** @internal */
export const connectionError = (code: string): Error => Object.assign(new Error(code), { code })

/**
 * Fails once the request was ended from outside of the fiber that waits: with the scope of the request, or by the
 * garbage collector.
 *
 * @internal
 */
export const untilAborted = <E>(call: Call, error: (cause: Error) => E): Effect.Effect<never, E> =>
  Effect.zipRight(
    Deferred.await(call.ended),
    Effect.suspend(() => Effect.fail(error(connectionError("ABORT_ERR"))))
  )

/** @internal */
export const waitUntil = <E>(call: Call, millis: number, error: (cause: Error) => E): Effect.Effect<void, E> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    if (call.aborted) return untilAborted(call, error)
    // most waits are none: no race for them
    return now >= millis ? Effect.void : Effect.raceFirst(sleepUntil(millis), untilAborted(call, error))
  })

const concat = (chunks: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> => {
  const all = Array.from(chunks)
  const bytes = new Uint8Array(all.reduce((length, chunk) => length + chunk.length, 0))
  let offset = 0
  for (const chunk of all) {
    bytes.set(chunk, offset)
    offset += chunk.length
  }
  return bytes
}

/** @internal */
export class ScriptedResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly status: number
  readonly headers: Headers.Headers
  readonly remoteAddress = Option.none<string>()
  readonly #reply: Reply
  readonly #call: Call
  readonly #headersAtMillis: number
  readonly #chunks: ReadonlyArray<Uint8Array>
  #used = false
  #bytes: Uint8Array<ArrayBuffer> | undefined

  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    reply: Reply,
    call: Call,
    headersAtMillis: number
  ) {
    super()
    this.#reply = reply
    this.#call = call
    this.#headersAtMillis = headersAtMillis
    this.status = reply.status
    this.headers = Headers.fromInput(reply.headers)
    this.#chunks = reply.body(call.arrival.model ?? "")
    // a body without bytes leaves nothing to read
    if (this.#chunks.length === 0 && reply.end === "complete") call.finish()
  }

  get cookies(): Cookies.Cookies {
    return Cookies.fromSetCookie(this.headers["set-cookie"] ?? [])
  }

  /** Without the body and the request: this is printed with every error that holds a response. */
  toJSON(): unknown {
    return { _id: "@effect/platform/HttpClientResponse", status: this.status }
  }

  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.suspend(() => {
      // as with real transports, there is one body and one reader of it
      if (this.#used) return Stream.fail(this.#unreadable(new TypeError("the body was read before")))
      this.#used = true
      return Stream.ensuring(
        Stream.unfoldEffect(0, (index) => this.#next(index)),
        Effect.sync(() => this.#call.abort())
      )
    })
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return Effect.map(this.#read, (bytes) => bytes.slice().buffer)
  }

  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return Effect.map(this.#read, (bytes) => new TextDecoder().decode(bytes))
  }

  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return Effect.flatMap(this.text, (text) => this.#decode((): unknown => text === "" ? null : JSON.parse(text)))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return Effect.flatMap(this.text, (text) => this.#decode(() => UrlParams.fromInput(new URLSearchParams(text))))
  }

  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return Effect.flatMap(this.#read, (bytes) =>
      Effect.tryPromise({
        try: () => new Response(bytes, { headers: this.headers }).formData(),
        catch: (cause) => this.#unreadable(cause)
      }))
  }

  get #read(): Effect.Effect<Uint8Array<ArrayBuffer>, HttpClientError.ResponseError> {
    return Effect.suspend(() =>
      this.#bytes === undefined
        ? Effect.map(Stream.runCollect(this.stream), (chunks) => this.#bytes = concat(chunks))
        : Effect.succeed(this.#bytes)
    )
  }

  #decode<A>(parse: () => A): Effect.Effect<A, HttpClientError.ResponseError> {
    return Effect.try({ try: parse, catch: (cause) => this.#unreadable(cause) })
  }

  #unreadable(cause: unknown): HttpClientError.ResponseError {
    return new HttpClientError.ResponseError({ request: this.request, response: this, reason: "Decode", cause })
  }

  #next(index: number): Effect.Effect<Option.Option<readonly [Uint8Array, number]>, HttpClientError.ResponseError> {
    const chunk = this.#chunks[index]
    if (chunk === undefined) return this.#end
    const last = index === this.#chunks.length - 1 && this.#reply.end === "complete"
    return Effect.map(this.#due(index), () => {
      if (last) this.#call.finish()
      return Option.some([chunk, index + 1] as const)
    })
  }

  get #end(): Effect.Effect<Option.Option<never>, HttpClientError.ResponseError> {
    switch (this.#reply.end) {
      case "complete":
        return Effect.succeedNone
      case "stall":
        return untilAborted(this.#call, (cause) => this.#unreadable(cause))
      case "reset":
        return Effect.flatMap(this.#due(this.#chunks.length), () => {
          this.#call.finish()
          return Effect.fail(this.#unreadable(connectionError("ECONNRESET")))
        })
    }
  }

  #due(index: number): Effect.Effect<void, HttpClientError.ResponseError> {
    const millis = dueAtMillis(this.#reply, this.#headersAtMillis, index)
    return waitUntil(this.#call, millis, (cause) => this.#unreadable(cause))
  }
}
