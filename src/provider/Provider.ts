/**
 * A provider is what speaks to one host of models: `(transport: HttpClient) => (model: string) => HttpClient`.
 *
 * The client that it gives takes the router's own request (the OpenAI form, as JSON) to one model of the host: it sets the URL, the
 * credentials and the `model`, and translates where the host speaks another wire. It makes one HTTP request for each of its own and
 * knows nothing of policies.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import type * as Redacted from "effect/Redacted"
import type * as RouterError from "../RouterError.js"
import type { Server } from "../telemetry/Server.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Provider {
  /** The client of one model. */
  readonly client: (
    transport: HttpClient.HttpClient
  ) => (
    model: string
  ) => HttpClient.HttpClient.With<HttpClientError.HttpClientError | RouterError.InvalidRequest>
  /**
   * Where it is and what else its answers may depend on, such as plain headers that each request carries: with the credentials, what tells
   * two providers of one name apart.
   */
  readonly identity: ReadonlyArray<string>
  /** The credentials: texts that no error may show. */
  readonly secrets: ReadonlyArray<Redacted.Redacted>
  /** Whether `[DONE]` ends a stream that has no finish reason. */
  readonly doneTerminates: boolean
  /** Where it is, for spans and metrics. Absent for one that is nowhere in particular. */
  readonly server?: Server | undefined
}
