/**
 * A process that asks for each of its paths once, with a cache in Redis, and prints what the cache did. Its upstream answers with the name of
 * the process. Started by ResponseCache.test.ts: `cacher.ts <url> <name> <path>…`.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as ResponseCache from "../../src/policy/ResponseCache.js"
import * as Redis from "../../src/Redis.js"
import { scripted } from "../support/scripted.js"

const [url = "", name = "", ...paths] = process.argv.slice(2)

const { client } = scripted((request) => Effect.succeed(HttpClientResponse.fromWeb(request, new Response(name))))
const cached = client.pipe(ResponseCache.withCache({ ttl: "1 minute" }))

const answers = await Effect.runPromise(
  Effect.forEach(paths, (path) =>
    Effect.flatMap(
      cached.execute(HttpClientRequest.get(`http://scripted.invalid/${path}`)),
      (response) => response.text
    )).pipe(
      Effect.provide(ResponseCache.layer().pipe(Layer.provide(Redis.layer({ url: Redacted.make(url) }))))
    )
)
process.stdout.write(`${answers.join(" ")}\n`)
