import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Fiber from "effect/Fiber"
import * as FiberRef from "effect/FiberRef"
import { globalValue } from "effect/GlobalValue"
import * as Tracer from "effect/Tracer"
import { unobserved, type UnobservedClient } from "../internal/unobserved.js"
import * as RouterError from "../RouterError.js"
import { type Address, makeResolver } from "./address.js"
import { type Carrier, Exchange, type Head } from "./exchange.js"
import { type Payload, payload } from "./requestBody.js"
import { SocketResponse } from "./response.js"

type Request = HttpClientRequest.HttpClientRequest

/** The tracer that is there when nobody set one: what it records goes nowhere. */
const noTracer = Context.get(DefaultServices.liveServices, Tracer.Tracer)

const isTraced = (request: Request, fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean =>
  fiber.currentTracer !== noTracer && fiber.getFiberRef(FiberRef.currentTracerEnabled) &&
  !fiber.getFiberRef(HttpClient.currentTracerDisabledWhen)(request)

/**
 * What `HttpClient.withScope` closes with its scope. That function and the clients that `HttpClient.make` makes know each other by this
 * map alone, and a client that is not made so must look into it.
 */
const scopedRequests = globalValue(
  "@effect/platform/HttpClient/scopedRequests",
  () => new WeakMap<Request, AbortController>()
)

const tooLarge = (maximum: number) => ({ status }: Head): RouterError.ResponseTooLarge =>
  new RouterError.ResponseTooLarge({ status, limit: "bytes", maximum })

type Sent = Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.RequestError>

/** A client that sends its requests by a carrier. Without a tracer it makes no span, and sends no trace headers. */
export const make = (carrier: Carrier, maxResponseBytes: number): UnobservedClient => {
  const resolve = makeResolver()
  const onTooLarge = tooLarge(maxResponseBytes)

  const exchange = (
    request: Request,
    address: Address,
    { body, headers }: Payload,
    signal: AbortSignal | undefined
  ): Sent =>
    Effect.async((resume) => {
      const exchange = new Exchange(
        {
          origin: address.origin,
          path: address.path,
          method: request.method,
          headers,
          body,
          headersTimeout: 0,
          bodyTimeout: 0
        },
        {
          onAnswer: (head, body) => resume(Effect.sync(() => new SocketResponse(request, head, body))),
          onFailure: (cause) =>
            resume(Effect.fail(new HttpClientError.RequestError({ request, reason: "Transport", cause })))
        },
        maxResponseBytes,
        onTooLarge
      )
      if (signal !== undefined) {
        signal.addEventListener("abort", () => exchange.abort(signal.reason), { once: true })
      }
      try {
        carrier.send(exchange)
      } catch (cause) {
        exchange.abort(cause)
      }
      return Effect.sync(() => exchange.leave())
    })

  const send = (request: Request, signal: AbortSignal | undefined): Sent => {
    const address = resolve(request)
    if (Either.isLeft(address)) {
      return new HttpClientError.RequestError({ request, reason: "InvalidUrl", cause: address.left })
    }
    const sent = payload(request)
    return Effect.isEffect(sent)
      ? Effect.flatMap(sent, (sent) => exchange(request, address.right, sent, signal))
      : exchange(request, address.right, sent, signal)
  }

  const traced = HttpClient.make((request, _url, signal) => send(request, signal))

  const execute = (request: Request) =>
    Effect.withFiberRuntime<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError>((fiber) =>
      isTraced(request, fiber) ? traced.execute(request) : send(request, scopedRequests.get(request)?.signal)
    )

  const client = HttpClient.makeWith(
    (request: Effect.Effect<Request>) => Effect.flatMap(request, execute),
    Effect.succeed
  )
  return Object.assign(client, {
    [unobserved]: (request: Request) => Effect.suspend(() => send(request, scopedRequests.get(request)?.signal))
  })
}
