/**
 * What a router of this library says of a call beyond the published API (see `RouterReport`): its error, and its route.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { type Execute, onion } from "../internal/onion.js"
import { isObject } from "../internal/wire.js"
import * as Route from "../Route.js"
import * as RouterError from "../RouterError.js"
import * as Json from "../wire/Json.js"
import * as RouterReport from "../wire/RouterReport.js"
import { isStreamResponse } from "../wire/StreamResponse.js"

type Headers = Readonly<Record<string, string>>

/** The attempts that were made over there take the place of the one that they were made for. */
const noteRoute = (headers: Headers): Effect.Effect<void> =>
  Effect.map(Route.CurrentRecorder, (recorder) => {
    const route = RouterReport.decodeRoute(headers[RouterReport.routeHeader])
    if (recorder !== undefined && route !== undefined) {
      recorder.attempts.pop()
      for (const attempt of route.attempts) {
        recorder.attempts.push(attempt)
      }
      for (const skip of route.skipped) {
        recorder.skipped.push(skip)
      }
      recorder.served = route.served
      recorder.cache = route.cache
      recorder.cacheAgeMillis = route.cacheAgeMillis
      recorder.prompt = route.prompt
    }
  })

const bodyOf = (error: RouterError.TargetError): string | undefined =>
  "body" in error && error.body !== undefined ? Redacted.value(error.body) : undefined

const reported = (error: RouterError.TargetError): ReturnType<typeof RouterReport.decode> => {
  const text = bodyOf(error)
  const json = text === undefined ? undefined : Either.getOrUndefined(Json.parse(text))
  return isObject(json) ? RouterReport.decode(json["router"]) : undefined
}

const noteFailure = (error: RouterError.TargetError): Effect.Effect<never, RouterError.RouterError> => {
  const failure = Effect.fail(reported(error) ?? error)
  return "headers" in error && error.headers !== undefined
    ? Effect.zipRight(noteRoute(error.headers), failure)
    : failure
}

/** Of a stream that broke, what broke it. */
const causeOf = (error: RouterError.TargetError): RouterError.TargetError => {
  const cause = reported(error)
  return RouterError.isTargetError(cause) ? cause : error
}

/**
 * Gives the errors and notes the routes that come in reports. Without a report the error is that of the answer, and the route what was done
 * here.
 *
 * @since 0.1.0
 * @category policies
 */
export const withReports = <R>(
  self: HttpClient.HttpClient.With<RouterError.TargetError, R>
): HttpClient.HttpClient.With<RouterError.RouterError, R> =>
  onion(self, (request, execute: Execute<RouterError.TargetError, R>) =>
    Effect.matchEffect(execute(request), {
      onFailure: noteFailure,
      onSuccess: (response) =>
        Effect.as(
          noteRoute(response.headers),
          isStreamResponse(response)
            ? response.withBatches(Stream.mapError(response.batches, causeOf))
            : response
        )
    }))
