/**
 * The response of a streamed completion that has reached its commit point: an `HttpClientResponse` that carries the decoded chunks
 * beside the bytes, so that nothing above has to parse them again.
 *
 * @since 0.1.0
 */
import type * as Cookies from "@effect/platform/Cookies"
import type * as Headers from "@effect/platform/Headers"
import * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import * as UrlParams from "@effect/platform/UrlParams"
import * as EffectChunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Inspectable from "effect/Inspectable"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type * as RouterError from "../RouterError.js"
import type { Chunk } from "./Chunk.js"

/** An error shows its request: this one is without the prompt. */
const decodeError = (response: StreamResponse, cause: unknown): HttpClientError.ResponseError => {
  const { method, url } = response.request
  return new HttpClientError.ResponseError({
    request: HttpClientRequest.make(method)(url),
    response,
    reason: "Decode",
    cause
  })
}

/**
 * What one read from the network brought.
 *
 * @since 0.1.0
 * @category models
 */
export interface Batch {
  readonly bytes: Uint8Array
  readonly chunks: ReadonlyArray<Chunk>
  /**
   * Whether the answer is complete with it: every choice that was seen has a finish reason. More may follow (the usage, `[DONE]`), but
   * that it does not is no failure.
   */
  readonly complete: boolean
}

/**
 * Only one of its bodies (`batches`, `chunks`, `stream`, `text`, …) can be read, and only once.
 *
 * @since 0.1.0
 * @category models
 */
export class StreamResponse extends Inspectable.Class implements HttpClientResponse.HttpClientResponse {
  /**
   * @since 0.1.0
   */
  readonly [HttpClientResponse.TypeId]: HttpClientResponse.TypeId = HttpClientResponse.TypeId
  /**
   * @since 0.1.0
   */
  readonly [HttpIncomingMessage.TypeId]: HttpIncomingMessage.TypeId = HttpIncomingMessage.TypeId

  constructor(
    private readonly source: HttpClientResponse.HttpClientResponse,
    /**
     * @since 0.1.0
     */
    readonly batches: Stream.Stream<Batch, RouterError.TargetError>,
    /**
     * What was asked: by default, the request that went to the source.
     *
     * @since 0.1.0
     */
    readonly request: HttpClientRequest.HttpClientRequest = source.request
  ) {
    super()
  }

  /**
   * The same response with another stream of batches, for another request if one is given.
   *
   * @since 0.1.0
   */
  withBatches(
    batches: Stream.Stream<Batch, RouterError.TargetError>,
    request: HttpClientRequest.HttpClientRequest = this.request
  ): StreamResponse {
    return new StreamResponse(this.source, batches, request)
  }

  /**
   * @since 0.1.0
   */
  get chunks(): Stream.Stream<Chunk, RouterError.TargetError> {
    return Stream.mapChunks(this.batches, chunksOf)
  }

  /**
   * @since 0.1.0
   */
  get status(): number {
    return this.source.status
  }
  /**
   * @since 0.1.0
   */
  get headers(): Headers.Headers {
    return this.source.headers
  }
  /**
   * @since 0.1.0
   */
  get cookies(): Cookies.Cookies {
    return this.source.cookies
  }
  /**
   * @since 0.1.0
   */
  get remoteAddress(): Option.Option<string> {
    return this.source.remoteAddress
  }
  /**
   * The bytes as they were received. A failure of the stream is the `cause` of the `ResponseError`.
   *
   * @since 0.1.0
   */
  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.mapError(Stream.map(this.batches, (batch) => batch.bytes), (cause) => decodeError(this, cause))
  }
  /**
   * @since 0.1.0
   */
  get text(): Effect.Effect<string, HttpClientError.ResponseError> {
    return Stream.mkString(Stream.decodeText(this.stream))
  }
  /**
   * @since 0.1.0
   */
  get json(): Effect.Effect<unknown, HttpClientError.ResponseError> {
    return Effect.fail(decodeError(this, "an event stream is not JSON"))
  }
  /**
   * @since 0.1.0
   */
  get urlParamsBody(): Effect.Effect<UrlParams.UrlParams, HttpClientError.ResponseError> {
    return Effect.map(this.text, (text) => UrlParams.fromInput(new URLSearchParams(text)))
  }
  /**
   * @since 0.1.0
   */
  get formData(): Effect.Effect<FormData, HttpClientError.ResponseError> {
    return Effect.fail(decodeError(this, "an event stream is not form data"))
  }
  /**
   * @since 0.1.0
   */
  get arrayBuffer(): Effect.Effect<ArrayBuffer, HttpClientError.ResponseError> {
    return Effect.map(Stream.runCollect(this.stream), (parts) => new Uint8Array(Buffer.concat([...parts])).buffer)
  }
  /**
   * @since 0.1.0
   */
  toJSON(): unknown {
    return { _id: "effect-llm-router/StreamResponse", status: this.status }
  }
}

/** Nearly always there is one batch, whose chunks are taken as they are. */
const chunksOf = (batches: EffectChunk.Chunk<Batch>): EffectChunk.Chunk<Chunk> =>
  batches.length === 1
    ? EffectChunk.unsafeFromArray(EffectChunk.unsafeHead(batches).chunks)
    : EffectChunk.fromIterable(Array.from(batches, ({ chunks }) => chunks).flat())

/**
 * @since 0.1.0
 * @category guards
 */
export const isStreamResponse = (response: HttpClientResponse.HttpClientResponse): response is StreamResponse =>
  response instanceof StreamResponse
