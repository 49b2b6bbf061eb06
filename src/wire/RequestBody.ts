/**
 * The JSON of a chat request inside an `HttpClientRequest`.
 *
 * The router passes it on as a value, so that each target encodes it once and nobody parses it; a request that a user made with
 * `HttpClientRequest.bodyUnsafeJson` is parsed here.
 *
 * @since 0.1.0
 */
import * as HttpBody from "@effect/platform/HttpBody"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as RouterError from "../RouterError.js"
import * as Json from "./Json.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface JsonObject {
  readonly [member: string]: unknown
}

/**
 * A body that holds the value itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromJson = (json: JsonObject): HttpBody.HttpBody => HttpBody.raw(json, { contentType: "application/json" })

const isJsonObject = (u: unknown): u is JsonObject => Predicate.isRecord(u)

const notJson = () => RouterError.invalidField("", "expected a request with a JSON object as its body")

/**
 * The JSON object that the request carries, or `InvalidRequest` when it carries something else.
 *
 * @since 0.1.0
 * @category getters
 */
export const toJson = (
  request: HttpClientRequest.HttpClientRequest
): Either.Either<JsonObject, RouterError.InvalidRequest> => {
  const { body } = request
  if (body._tag === "Raw" && isJsonObject(body.body)) {
    return Either.right(body.body)
  }
  if (body._tag === "Uint8Array") {
    const json = Json.parse(new TextDecoder().decode(body.body))
    if (Either.isRight(json) && isJsonObject(json.right)) {
      return Either.right(json.right)
    }
  }
  return Either.left(notJson())
}
