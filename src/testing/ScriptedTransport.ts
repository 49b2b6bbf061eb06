/**
 * A script as an `HttpClient` without a network.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Answer } from "./Answer.js"
import type { Call, CallLog } from "./CallLog.js"
import { Calls, makeLedger } from "./CallLog.js"
import type { Script } from "./Script.js"
import { arrival, makePlayer } from "./Script.js"
import { connectionError, ScriptedResponse, untilAborted, waitUntil } from "./ScriptedResponse.js"

/**
 * A scripted upstream without a network.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transport extends CallLog {
  readonly client: HttpClient.HttpClient
}

const transportError = (request: HttpClientRequest.HttpClientRequest) => (cause: Error) =>
  new HttpClientError.RequestError({ request, reason: "Transport", cause })

const bodyText = (
  request: HttpClientRequest.HttpClientRequest
): Effect.Effect<string, HttpClientError.RequestError> => {
  const body = request.body
  switch (body._tag) {
    case "Uint8Array":
      return Effect.succeed(new TextDecoder().decode(body.body))
    case "Raw":
      return Effect.succeed(typeof body.body === "string" ? body.body : "")
    case "Stream":
      return Effect.mapError(
        Stream.mkString(Stream.decodeText(body.stream)),
        (cause) => new HttpClientError.RequestError({ request, reason: "Encode", cause })
      )
    default:
      return Effect.succeed("")
  }
}

const play = (
  request: HttpClientRequest.HttpClientRequest,
  answer: Answer,
  call: Call
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.RequestError> => {
  const error = transportError(request)
  if (answer._tag === "Hang") return untilAborted(call, error)
  const headersAtMillis = call.arrival.startedAtMillis + Duration.toMillis(answer.delay)
  return Effect.flatMap(waitUntil(call, headersAtMillis, error), () =>
    answer._tag === "Reply"
      ? Effect.sync(() => new ScriptedResponse(request, answer, call, headersAtMillis))
      : Effect.fail(error(connectionError(answer.code))))
}

/**
 * An `HttpClient` that answers as the script says, and the log of what it was asked.
 *
 * Nothing happens outside of the calling fiber: delays, gaps and stalls are `Effect.sleep`s, so a `TestClock` rules
 * them to the millisecond. Failures are those of a real transport: a refused or reset connection is a `RequestError`
 * (reason `"Transport"`, the cause is an `Error` with a `code`), a body that breaks is a `ResponseError` (reason
 * `"Decode"`). A body can be read once; `text`, `json` and `arrayBuffer` of a body that was read whole can be asked for
 * again. An answer whose body nobody reads stays open: on a real transport it would hold its connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeTransport = (script: Script): Effect.Effect<Transport> =>
  Effect.map(makeLedger, ({ begin, log }) => {
    const answerTo = makePlayer(script)
    const client = HttpClient.make((request, url, signal) =>
      Effect.gen(function*() {
        const body = yield* bodyText(request)
        const clock = yield* Effect.clock
        const startedAtMillis = clock.unsafeCurrentTimeMillis()
        const { headers, method } = request
        const call = begin(arrival({ url, method, headers, body, startedAtMillis }), clock)
        // the scope of a request, or the garbage collector, ends it from outside of this fiber
        signal.addEventListener("abort", () => call.abort(), { once: true })
        return yield* Effect.suspend(() => play(request, answerTo(call.request), call)).pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              if (Exit.isInterrupted(exit)) call.abort()
              else if (Exit.isFailure(exit)) call.finish()
            })
          )
        )
      })
    )
    return { ...log, client }
  })

/**
 * The base URL under which a scripted transport knows a provider: `http://scripted.invalid/<provider>/v1`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const baseUrl = (provider: string): string => `http://scripted.invalid/${provider}/v1`

/**
 * `makeTransport` as a layer: the `HttpClient` of the program under test, and the log of what it was asked.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerTransport = (script: Script): Layer.Layer<HttpClient.HttpClient | Calls> =>
  Layer.effectContext(
    Effect.map(makeTransport(script), ({ client, ...log }) =>
      Context.make(HttpClient.HttpClient, client).pipe(Context.add(Calls, log)))
  )
