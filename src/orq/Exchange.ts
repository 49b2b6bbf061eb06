/**
 * The last HTTP answer of a call, as it came: the errors of the published SDK show it.
 *
 * @since 0.1.0
 */
import * as redaction from "../internal/redaction.js"
import { maxErrorBodyBytes } from "../wire/Classify.js"

/**
 * An answer, as far as it has been read.
 *
 * @since 0.1.0
 * @category models
 */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** The first 64 KiB of the body. Of a stream of events nothing is kept. */
  readonly text: () => string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Exchange {
  /** `fetch`, watched. */
  readonly fetch: typeof globalThis.fetch
  /** The answer to the last request, or `undefined` as long as there is none. */
  readonly last: () => Answer | undefined
}

/** `new Response` takes no others. */
const isRepresentable = (status: number): boolean => status >= 200 && status <= 599

const isEventStream = (headers: Headers): boolean =>
  (headers.get("content-type") ?? "").toLowerCase().startsWith("text/event-stream")

/** The response with a body that is noted as it passes. That adds no buffer, and a cancellation is handed on. */
const watch = (response: Response): readonly [Response, Answer] => {
  const { body, headers, status, statusText } = response
  const pieces: Array<Uint8Array> = []
  let room = isEventStream(headers) ? 0 : maxErrorBodyBytes
  const text = () => {
    const decoder = new TextDecoder()
    return pieces.map((piece) => decoder.decode(piece, { stream: true })).join("")
  }
  if (body === null || !isRepresentable(status)) {
    return [response, { status, headers, text }]
  }
  const reader = body.getReader()
  const watched = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await reader.read()
      if (done) {
        controller.close()
        return
      }
      if (room > 0) {
        pieces.push(value.subarray(0, room))
        room -= value.length
      }
      controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason)
  }, { highWaterMark: 0 })
  return [new Response(watched, { status, statusText, headers }), { status, headers, text }]
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Exchange => {
  let last: Answer | undefined
  return {
    fetch: async (input, init) => {
      last = undefined
      const [response, answer] = watch(await globalThis.fetch(input, init))
      last = answer
      return response
    },
    last: () => last
  }
}

/**
 * An answer without what is secret: headers that carry a credential, and the texts given.
 *
 * @since 0.1.0
 * @category constructors
 */
export const toResponse = (
  answer: Answer,
  secrets: ReadonlyArray<string>,
  text: string = answer.text()
): { readonly response: Response; readonly body: string } => {
  const body = redaction.scrub(text, secrets)
  const headers = new Headers(redaction.withoutSecrets(Object.fromEntries(answer.headers), secrets))
  return { response: response(answer.status, headers, body), body }
}

/** Statuses whose answers have no body. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304])

/**
 * A response of its parts.
 *
 * @since 0.1.0
 * @category constructors
 */
export const response = (status: number, headers: Headers, body: string): Response =>
  // a text would bring a content-type
  new Response(bodiless.has(status) ? null : new TextEncoder().encode(body), {
    status: isRepresentable(status) ? status : 502,
    headers
  })
