/**
 * A hosted router: the request goes there as it is, and is carried out there.
 *
 * @since 0.1.0
 */
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Endpoint from "../internal/endpoint.js"
import { client } from "../internal/onion.js"
import * as Attempts from "../policy/Attempts.js"
import * as Timeout from "../policy/Timeout.js"
import * as Route from "../Route.js"
import * as RouterDefaults from "../RouterDefaults.js"
import type * as RouterError from "../RouterError.js"
import * as Calls from "../service/Calls.js"
import * as RequestBody from "../wire/RequestBody.js"
import * as RouterReport from "../wire/RouterReport.js"
import * as Settle from "../wire/Settle.js"
import * as Body from "./Body.js"
import * as Reports from "./Reports.js"
import type * as Settings from "./Settings.js"

type Client<E> = HttpClient.HttpClient.With<E>

const accepts = { completion: "application/json", stream: "text/event-stream" } as const

/** The client of the router: it knows where the router is, and has the key. */
const endpoint = (
  transport: HttpClient.HttpClient,
  { headers, url }: Settings.Settings
): Client<HttpClientError.HttpClientError | RouterError.InvalidRequest> => {
  const send = Endpoint.guarded(transport)
  return client((request) =>
    Effect.flatMap(
      Either.flatMap(RequestBody.toJson(request), Endpoint.encode),
      (body) =>
        send(HttpClientRequest.post(url, {
          headers: { ...request.headers, [RouterReport.requestHeader]: "1", ...headers },
          body: HttpBody.uint8Array(body, "application/json")
        }))
    )
  )
}

const pipeline = (
  router: ReturnType<typeof endpoint>,
  { host, retries, secrets, server, timeoutMs }: Settings.Settings,
  { limits }: RouterDefaults.Defaults,
  { commit, totalTimeout }: Body.Body
): Client<RouterError.RouterError> => {
  const remote = router.pipe(
    Settle.settle({ target: host, secrets, limits, commit }),
    Timeout.withClocks({ call: timeoutMs }),
    Attempts.withAttempt(host, server),
    retries,
    Reports.withReports
  )
  return totalTimeout === undefined ? remote : remote.pipe(Timeout.withDeadline(totalTimeout))
}

/**
 * The service over a hosted router.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (settings: Settings.Settings) =>
  Effect.gen(function*() {
    const router = endpoint(yield* HttpClient.HttpClient, settings)
    const defaults = Calls.currentDefaults(yield* RouterDefaults.RouterDefaults)
    return yield* Calls.make((request, kind, recorder) =>
      Effect.flatMap(defaults, (defaults) =>
        Effect.flatMap(Body.make(request, kind, defaults), (body) =>
          pipeline(router, settings, defaults, body).execute(
            HttpClientRequest.post("/", { headers: { accept: accepts[kind] }, body: RequestBody.fromJson(body.json) })
          ))).pipe(Effect.provideService(Route.CurrentRecorder, recorder))
    )
  })
