/** What must hold of bodies, of errors and of headers, whatever their bytes are. */
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Assert from "node:assert/strict"
import * as Chunk from "../src/wire/Chunk.js"
import * as Classify from "../src/wire/Classify.js"
import * as Completion from "../src/wire/Completion.js"
import * as Json from "../src/wire/Json.js"
import * as ResponseKeys from "../src/wire/ResponseKeys.js"
import * as RetryAfter from "../src/wire/RetryAfter.js"
import { type Draw, pick } from "./fuzz-chance.js"
import { mutate } from "./fuzz-mutations.js"
import { bodies, headerValues, secret } from "./fuzz-samples.js"
import { checkFold } from "./fuzz-streams.js"

const headerNames = [
  "retry-after",
  "retry-after-ms",
  "date",
  "x-should-retry",
  "content-type",
  "x-request-id",
  "server",
  "__proto__"
]

/** Header values are latin1 on the wire. */
const headers = (draw: Draw): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: draw(5) }, () => [
      pick(draw, headerNames),
      mutate(draw, Buffer.from(pick(draw, headerValues)), 2).bytes.toString("latin1")
    ])
  )

const checkWait = (wait: Duration.Duration | undefined): void => {
  const millis = wait === undefined ? 0 : Duration.toMillis(wait)
  Assert.ok(millis >= 0 && millis <= RetryAfter.maxSeconds * 1000, "a wait is not a bounded time")
}

const checkError = (error: unknown): void => {
  Assert.ok(error instanceof Error && "_tag" in error && typeof error._tag === "string", "an error without a tag")
  for (const shown of [error.message, String(error), JSON.stringify(error)]) {
    Assert.ok(!shown.includes(secret), "an error shows a secret")
  }
}

export const checkBody = (draw: Draw): number => {
  const { bytes } = mutate(draw, Buffer.from(pick(draw, bodies)), 4)
  const text = bytes.toString("utf8")
  const all = { ...headers(draw) }
  const answer = {
    target: "a/b",
    status: pick(draw, [200, 302, 400, 401, 404, 413, 429, 500, 503, 529, 0, 999, NaN]),
    headers: all,
    body: text,
    nowMillis: pick(draw, [0, 1_700_000_000_000, NaN]),
    secrets: [Redacted.make(secret)]
  }
  checkError(Classify.fromResponse(answer))
  checkWait(RetryAfter.fromHeaders(all, answer.nowMillis))
  checkWait(RetryAfter.fromText(text))
  checkWait(RetryAfter.fromDelay(all["retry-after"] ?? ""))
  Assert.ok([true, false, undefined].includes(RetryAfter.shouldRetry(all)))
  const json = Json.parse(text)
  if (Either.isLeft(json)) {
    return bytes.length
  }
  checkError(Classify.fromBody({ ...answer, json: json.right }))
  Chunk.errorOf(json.right)
  const chunk = Chunk.fromWire(json.right)
  if (Either.isRight(chunk)) {
    checkFold([chunk.right, chunk.right])
  }
  const completion = Completion.fromWire(json.right)
  if (Either.isRight(completion)) {
    const again = Completion.fromWire(JSON.parse(JSON.stringify(ResponseKeys.completionToWire(completion.right))))
    Assert.ok(Either.isRight(again) && again.right.choices.length === completion.right.choices.length)
  }
  return bytes.length
}
