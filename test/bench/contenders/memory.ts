/** A transport without sockets: what is left is the cost of what stands on it. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { MemoryResponse } from "../../../src/internal/memoryResponse.js"
import { client } from "../../../src/internal/onion.js"
import { completionAnswer } from "../programs/answers.js"

const answer = {
  status: 200,
  headers: { "content-type": "application/json" },
  text: Effect.succeed(completionAnswer.toString().split("\r\n\r\n")[1]!)
}

export const inMemory: Layer.Layer<HttpClient.HttpClient> = Layer.sync(
  HttpClient.HttpClient,
  () => client((request) => Effect.sync(() => new MemoryResponse(request, answer)))
)
