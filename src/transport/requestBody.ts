import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import { Readable } from "node:stream"
import type { Dispatcher } from "undici"

/** What undici sends. */
export type Outgoing = NonNullable<Dispatcher.DispatchOptions["body"]> | null

const isIterable = (body: unknown): body is AsyncIterable<unknown> | Iterable<unknown> =>
  Predicate.hasProperty(body, Symbol.asyncIterator) || Predicate.hasProperty(body, Symbol.iterator)

/** What `fetch` takes as a body, and Node's streams: `undefined` for anything else. */
const fromRaw = (body: unknown): Outgoing | undefined => {
  if (body === null || body === undefined) {
    return null
  }
  if (typeof body === "string" || body instanceof Uint8Array || body instanceof Readable) {
    return body
  }
  if (body instanceof URLSearchParams) {
    return body.toString()
  }
  if (body instanceof ArrayBuffer) {
    return new Uint8Array(body)
  }
  if (ArrayBuffer.isView(body)) {
    return new Uint8Array(body.buffer, body.byteOffset, body.byteLength)
  }
  const parts = body instanceof Blob ? body.stream() : body
  return isIterable(parts) ? Readable.from(parts) : undefined
}

/** What is sent with a request. */
export interface Payload {
  readonly body: Outgoing
  readonly headers: Readonly<Record<string, string>>
}

const encode = async (form: FormData, headers: Payload["headers"]): Promise<Payload> => {
  const response = new Response(form)
  return {
    body: new Uint8Array(await response.arrayBuffer()),
    headers: { "content-type": response.headers.get("content-type") ?? "", ...headers }
  }
}

/** A form as bytes: undici takes none but its own, and a server that is to read one likes to know its length. */
const formPayload = (request: HttpClientRequest.HttpClientRequest, form: FormData) =>
  Effect.tryPromise({
    try: () => encode(form, request.headers),
    catch: (cause) => new HttpClientError.RequestError({ request, reason: "Encode", cause })
  })

/** A body as undici sends it, in one piece wherever it is one. */
export const payload = (
  request: HttpClientRequest.HttpClientRequest
): Payload | Effect.Effect<Payload, HttpClientError.RequestError> => {
  const { body, headers } = request
  switch (body._tag) {
    case "Empty":
      return { body: null, headers }
    case "Uint8Array":
      return { body: body.body, headers }
    case "FormData":
      return formPayload(request, body.formData)
    case "Stream":
      return Effect.map(Stream.toAsyncIterableEffect(body.stream), (parts) => ({ body: Readable.from(parts), headers }))
    case "Raw": {
      if (body.body instanceof FormData) {
        return formPayload(request, body.body)
      }
      const raw = fromRaw(body.body)
      return raw !== undefined
        ? { body: raw, headers }
        : new HttpClientError.RequestError({ request, reason: "Encode", description: "the body cannot be sent" })
    }
  }
}
