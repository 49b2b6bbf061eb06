import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Stream from "effect/Stream"
import * as RouterError from "../RouterError.js"

/** How much of an answer that nobody will look at is read, so that its connection can be used again. */
const drainedBytes = 64 * 1024

const responsesOf = (error: unknown): ReadonlyArray<HttpClientResponse.HttpClientResponse> =>
  HttpClientError.isHttpClientError(error)
    ? error._tag === "ResponseError" ? [error.response] : []
    : error instanceof RouterError.AllTargetsFailed
    ? error.failures.flatMap(responsesOf)
    : []

/** Whatever comes of it: a body that was read before cannot be read again, which some transports throw as a defect. */
const drain = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<unknown> =>
  Effect.exit(Stream.runFoldWhile(
    // running a stream forks, and what a fiber fails with is logged: the error of a response shows its request
    Stream.mapError(response.stream, constVoid),
    0,
    (bytes) => bytes < drainedBytes,
    (bytes, part) => bytes + part.length
  ))

/**
 * The body of an error answer that nobody read holds its connection: reads it while something else goes on, and closes it when that
 * is over. The router's own errors come with their body read.
 *
 * @internal
 */
export const discardWhile = <A, E, R>(error: unknown, other: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  responsesOf(error).reduce<Effect.Effect<A, E, R>>(
    // the first one of a race begins first: what was not begun cannot be closed, however soon the other is over; and it can be
    // interrupted by the race even where nothing else may interrupt it
    (other, response) => Effect.raceFirst(Effect.interruptible(Effect.zipRight(drain(response), Effect.never)), other),
    other
  )
