import * as Cookies from "@effect/platform/Cookies"
import * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type BoundedResponse, readBounded } from "../internal/boundedBody.js"
import { type Pull, type PulledResponse, pullParts } from "../internal/pullParts.js"
import type { Body } from "./body.js"
import type { Head } from "./exchange.js"

/** An answer that nobody reads holds its connection: it is closed when nobody can read it any more. */
const unread = new FinalizationRegistry<Body>((body) => body.leave())

/** A byte order mark is no part of a text, for `fetch` neither. */
const hasMark = (bytes: Uint8Array): boolean => bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf

const decode = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", hasMark(bytes) ? 3 : 0)

type Failure = HttpClientError.ResponseError

/** An answer over a connection. Its `text`, `json`, … can be read any number of times, its `stream` once. */
export class SocketResponse extends Inspectable.Class implements BoundedResponse, PulledResponse {
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  readonly remoteAddress = Option.none<string>()
  private readonly isRegistered: boolean
  private allHeaders: Headers.Headers | undefined
  private allCookies: Cookies.Cookies | undefined
  private allText: string | undefined

  constructor(
    readonly request: HttpClientRequest.HttpClientRequest,
    private readonly head: Head,
    private readonly body: Body
  ) {
    super()
    this.isRegistered = body.isOpen
    if (this.isRegistered) {
      unread.register(this, body, this)
    }
  }

  get status(): number {
    return this.head.status
  }

  get headers(): Headers.Headers {
    return this.allHeaders ??= Headers.fromInput(this.head.headers)
  }

  get cookies(): Cookies.Cookies {
    return this.allCookies ??= this.readCookies()
  }

  private readCookies(): Cookies.Cookies {
    const header = this.head.headers["set-cookie"]
    return header === undefined ? Cookies.empty : Cookies.fromSetCookie(header)
  }

  get stream(): Stream.Stream<Uint8Array, Failure> {
    return Stream.unwrapScoped(Effect.map(this[pullParts], Stream.repeatEffectChunkOption))
  }

  /** The parts of one read of the socket at a time. */
  get [pullParts](): Effect.Effect<Pull, never, Scope.Scope> {
    return Effect.suspend(() => {
      this.isBeingRead()
      const next = this.body.readParts()
      return next === undefined
        ? Stream.toPull(Stream.fromEffect(this.bytes))
        : Effect.as(
          Effect.addFinalizer(() => Effect.sync(() => this.body.leave())),
          Effect.matchEffect(next, {
            onFailure: (cause) => Effect.fail(Option.some(this.failure(cause))),
            onSuccess: (parts) =>
              parts.length === 0 ? Effect.fail(Option.none()) : Effect.succeed(Chunk.unsafeFromArray(parts))
          })
        )
    })
  }

  private get bytes(): Effect.Effect<Uint8Array, Failure> {
    return Effect.suspend(() => {
      this.isBeingRead()
      return Effect.mapError(this.body.readAll(), (cause) => this.failure(cause))
    })
  }

  get text(): Effect.Effect<string, Failure> {
    return Effect.map(this.bytes, (bytes) => this.allText ??= decode(bytes))
  }

  [readBounded](
    maxBytes: number,
    onRead: ((part: Uint8Array) => void) | undefined
  ): Effect.Effect<{ readonly text: string; readonly complete: boolean }, Failure> {
    return Effect.suspend(() => {
      this.isBeingRead()
      return Effect.mapBoth(this.body.readAtMost(maxBytes, onRead), {
        onFailure: (cause) => this.failure(cause),
        onSuccess: ({ bytes, complete }) => ({ text: decode(bytes), complete })
      })
    })
  }

  get json(): Effect.Effect<unknown, Failure> {
    return Effect.flatMap(this.text, (text) =>
      Effect.try({
        try: (): unknown => text === "" ? null : JSON.parse(text),
        catch: () => this.failure("the body is not JSON")
      }))
  }

  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, Failure> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }

  get formData(): Effect.Effect<FormData, Failure> {
    return Effect.flatMap(this.arrayBuffer, (bytes) =>
      Effect.tryPromise({
        try: () => new Response(bytes, { headers: { "content-type": this.headers["content-type"] ?? "" } }).formData(),
        catch: () => this.failure("the body is not a form")
      }))
  }

  get arrayBuffer(): Effect.Effect<ArrayBuffer, Failure> {
    return Effect.map(this.bytes, (bytes) => new Uint8Array(bytes).buffer)
  }

  private isBeingRead(): void {
    if (this.isRegistered) {
      unread.unregister(this)
    }
  }

  private failure(cause: unknown): Failure {
    const { request } = this
    return typeof cause === "string"
      ? new HttpClientError.ResponseError({ request, response: this, reason: "Decode", description: cause })
      : new HttpClientError.ResponseError({ request, response: this, reason: "Decode", cause })
  }

  /** Neither the body nor the request: both hold what users wrote, and this is what a log prints. */
  toJSON(): unknown {
    return {
      _id: "@effect/platform/HttpClientResponse",
      status: this.status,
      headers: Inspectable.redact(this.headers)
    }
  }
}
