import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { isStreamResponse } from "../wire/StreamResponse.js"

/**
 * Closes the connection of a response that nobody will read. That of a `StreamResponse` is closed with the scope of its call.
 *
 * @internal
 */
export const abandon = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  isStreamResponse(response)
    ? Effect.void
    // a body is let go by whoever has begun to read it: the first one of a race begins first
    : Effect.asVoid(Effect.raceFirst(
      Effect.exit(Effect.scoped(Effect.flatten(Stream.toPull(response.stream)))),
      Effect.yieldNow()
    ))
