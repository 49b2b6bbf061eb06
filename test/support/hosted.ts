/**
 * A client whose connection leads to a gateway of this process, and all of it runs in the fiber of the call: so a `TestClock`
 * rules both sides. What is set around a call does not reach the router behind the gateway, as over a connection.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Exit, Layer, Redacted, Scope, Stream } from "effect"
import { ChatCompletions, RouterDefaults } from "effect-llm-router"
import * as Gateway from "effect-llm-router/Gateway"
import { MemoryResponse } from "../../src/internal/memoryResponse.js"

const encoder = new TextEncoder()

/** The bytes that the server sends, until the other side leaves. */
const bytesOf = ({ body }: HttpServerResponse.HttpServerResponse): Stream.Stream<Uint8Array, unknown> => {
  switch (body._tag) {
    case "Stream":
      return body.stream
    case "Uint8Array":
      return Stream.succeed(body.body)
    case "Raw":
      return Stream.succeed(encoder.encode(String(body.body)))
    default:
      return Stream.empty
  }
}

class GatewayResponse extends MemoryResponse {
  constructor(
    request: HttpClientRequest.HttpClientRequest,
    response: HttpServerResponse.HttpServerResponse,
    private readonly bytes: Stream.Stream<Uint8Array, HttpClientError.ResponseError>
  ) {
    super(request, {
      status: response.status,
      headers: response.headers,
      text: Stream.mkString(Stream.decodeText(bytes))
    })
  }
  override get stream() {
    return this.bytes
  }
}

const toWeb = (request: HttpClientRequest.HttpClientRequest, url: URL): Request =>
  new Request(url, {
    method: request.method,
    headers: request.headers,
    body: request.body._tag === "Uint8Array" ? request.body.body.slice() : null
  })

const key = Redacted.make("a-key-of-the-gateway")

/** The router behind a gateway, as a hosted one. Whatever else the layer gives is passed on. */
export const behindGateway = <A>(router: Layer.Layer<ChatCompletions.ChatCompletions | A>) => {
  const transport = Layer.scoped(
    HttpClient.HttpClient,
    Effect.map(
      HttpLayerRouter.toHttpEffect(Gateway.layer({ keys: [key] })),
      (app) =>
        HttpClient.make((request, url, signal) =>
          Effect.gen(function*() {
            const scope = yield* Scope.make()
            const close = Scope.close(scope, Exit.void)
            const runFork = Effect.runFork
            // whoever throws a response away without reading it
            signal.addEventListener("abort", () => void runFork(close), { once: true })
            const response = yield* app.pipe(
              Effect.provideService(
                HttpServerRequest.HttpServerRequest,
                HttpServerRequest.fromWeb(toWeb(request, url))
              ),
              Effect.provideService(RouterDefaults.RouterDefaults, {}),
              Scope.extend(scope),
              Effect.orDie,
              Effect.onError(() => close)
            )
            const decodeError = (cause: unknown) =>
              new HttpClientError.ResponseError({ request, response: answer, reason: "Decode", cause })
            const answer: GatewayResponse = new GatewayResponse(
              request,
              response,
              Stream.suspend(() => Stream.mapError(Stream.ensuring(bytesOf(response), close), decodeError))
            )
            return answer
          })
        )
    )
  )
  return ChatCompletions.layerRemote({ serverURL: "http://gateway.invalid", apiKey: key }).pipe(
    Layer.provide(transport),
    Layer.provideMerge(router)
  )
}
