import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"

/** What the request asks for, not what an answer claims: an event stream is asked for in `accept`. */
export const asksForStream = (request: HttpClientRequest.HttpClientRequest): boolean =>
  request.headers["accept"]?.includes("text/event-stream") ?? false
