import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Activity from "./activity.js"
import { type Body, type BoundedResponse, isBounded, readBounded } from "./boundedBody.js"
import { withReference } from "./here.js"

/** Whether the headers promise a body within the limit. With a content encoding they count other bytes than ours. */
const isWithin = (headers: Readonly<Record<string, string | undefined>>, maxBytes: number): boolean => {
  const length = headers["content-length"]
  return length !== undefined && headers["content-encoding"] === undefined && /^\d+$/.test(length) &&
    Number(length) <= maxBytes
}

/** Some routers keep a slow connection alive with blanks before the JSON: like comments, these are no data. */
const isBlank = (part: Uint8Array): boolean => part.every((byte) => byte <= space)

const space = 32

/** The body of an error is read as data, but it has no content. */
const look = (response: HttpClientResponse.HttpClientResponse) => (parts: Iterable<Uint8Array>): Activity.Seen => {
  const isData = !Array.from(parts).every(isBlank)
  return { isData, isContent: isData && response.status < 300 }
}

/** Whoever reads waits from one part to the next, and after the last one for the end. */
const readItself = (
  response: BoundedResponse,
  maxBytes: number,
  activity: Activity.Activity | undefined
): Effect.Effect<Body, HttpClientError.ResponseError> =>
  activity === undefined
    ? response[readBounded](maxBytes, undefined)
    : Effect.flatMap(Activity.readClock, (now) => {
      const lookAt = look(response)
      activity.wait(now())
      return Effect.ensuring(
        response[readBounded](maxBytes, (part) => {
          activity.received(now(), lookAt([part]))
          activity.wait(now())
        }),
        Effect.sync(() => activity.released(now()))
      )
    })

/**
 * Reads the whole body of a response as text, but never more than `maxBytes` of it, counted after decompression.
 *
 * Where a clock watches the attempt, each read is noted. The error is replaced before the stream is run, for running a stream forks,
 * and what a fiber fails with is logged: a `ResponseError` shows the request with its prompt. A response that can have no body (204
 * over fetch) has an empty one.
 *
 * @internal
 */
export const readText = <E>(
  response: HttpClientResponse.HttpClientResponse,
  maxBytes: number,
  onError: (error: HttpClientError.ResponseError) => E
): Effect.Effect<Body, E> =>
  withReference(Activity.CurrentActivity, (activity) => {
    if (isBounded(response)) {
      return Effect.mapError(readItself(response, maxBytes, activity), onError)
    }
    return activity === undefined && isWithin(response.headers, maxBytes)
      ? Effect.mapBoth(response.text, { onFailure: onError, onSuccess: (text) => ({ text, complete: true }) })
      : Effect.flatMap(Activity.readClock, (now) => {
        // a response without a body is an error to some transports, and an empty text here
        const bytes = Stream.catchAll(
          response.stream,
          (error) => error.reason === "EmptyBody" ? Stream.empty : Stream.fail(onError(error))
        )
        return collect(
          activity === undefined ? bytes : Activity.noteReads(bytes, activity, now, look(response)),
          maxBytes
        )
      })
  })

/** By pulling: to run a stream costs several times as much. */
const collect = <E>(bytes: Stream.Stream<Uint8Array, E>, maxBytes: number): Effect.Effect<Body, E> =>
  Effect.scoped(Effect.flatMap(Stream.toPull(bytes), (pull) => {
    const decoder = new TextDecoder()
    let text = ""
    let length = 0
    const ended = (): Body => ({ text: text + decoder.decode(), complete: length <= maxBytes })
    const read: Effect.Effect<Body, E> = Effect.matchEffect(pull, {
      onSuccess: (parts) => {
        for (const part of parts) {
          text += decoder.decode(part.subarray(0, Math.max(0, maxBytes - length)), { stream: true })
          length += part.length
        }
        return length > maxBytes ? Effect.succeed(ended()) : read
      },
      onFailure: Option.match({ onNone: () => Effect.succeed(ended()), onSome: Effect.fail })
    })
    return read
  }))
