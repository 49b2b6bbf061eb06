/**
 * What all the routes have in common: an id for each request, and an answer to whatever method.
 *
 * @since 0.1.0
 */
import type * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Problem from "./Problem.js"
import * as Reply from "./Reply.js"

/**
 * Answers a request, which has this id.
 *
 * @since 0.1.0
 * @category models
 */
export type Handler<R = Scope.Scope | HttpLayerRouter.RouteContext> = (
  request: HttpServerRequest.HttpServerRequest,
  id: string
) => Effect.Effect<HttpServerResponse.HttpServerResponse, never, R>

/**
 * A handler as a route is given it: the id of a request is the client's own or a new one, and in the answer.
 *
 * @since 0.1.0
 * @category combinators
 */
export const identified = <R>(handler: Handler<R>) => (request: HttpServerRequest.HttpServerRequest) =>
  Effect.flatMap(
    Reply.requestId(request.headers["x-request-id"]),
    (id) => Effect.map(handler(request, id), HttpServerResponse.setHeader("x-request-id", id))
  )

/** What is allowed on a path with this method. A `HEAD` is answered as a `GET`; the server leaves its body out. */
const allowed = { GET: "GET, HEAD, OPTIONS", POST: "POST, OPTIONS" } as const

/**
 * A handler of one method, and of `OPTIONS`; the other methods get a 405.
 *
 * @since 0.1.0
 * @category combinators
 */
export const only = (method: keyof typeof allowed, handler: Handler): Handler => {
  const headers = { allow: allowed[method] }
  const options = HttpServerResponse.empty({ status: 204, headers })
  const wrong = Reply.problem(Problem.make(405, `expected the method ${method}`, { headers }))
  return (request, id) => {
    if (request.method === method || request.method === "HEAD" && method === "GET") {
      return handler(request, id)
    }
    return Effect.succeed(request.method === "OPTIONS" ? options : wrong)
  }
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const nothingHere: Handler<never> = () =>
  Effect.succeed(Reply.problem(Problem.make(404, "there is nothing at this path")))
