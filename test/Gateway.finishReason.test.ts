/** What a client is told of why an answer ended: never that it is whole when it may not be. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Testing from "effect-llm-router/Testing"
import { dataOf, errorOf, gateway, json, post } from "./support/gateway.js"
import { choice, chunks } from "./support/sdk.js"

const messages = [{ role: "user", content: "Hello" }]
const request = { model: "a/x", messages }
const streamed = { ...request, stream: true }

const told = {
  stop: ["stop", "STOP", "end_turn", "EndTurn", "eos", "eos_token", "stop_sequence", "complete", "COMPLETED", "finish"],
  tool_calls: ["tool_calls", "tool_call", "tool_use", "toolUse", "TOOL-CALLS"],
  function_call: ["function_call"],
  content_filter: [
    "content_filter",
    "content_filtered",
    "output_filter",
    "SAFETY",
    "IMAGE_SAFETY",
    "sensitive",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "refusal",
    "guardrail_intervened"
  ],
  length: [
    "length",
    "max_tokens",
    "MAX_TOKENS",
    "max_output_tokens",
    "model_length",
    "model_context_window_exceeded",
    "contextLengthReached",
    "pause_turn",
    "OTHER",
    "whatever comes next",
    "stop it",
    "…"
  ]
}

const failed = [
  "error",
  "ERROR",
  "network_error",
  "NetworkError",
  "internal-server-error",
  "ERROR_LIMIT",
  "abort",
  "aborted",
  "cancelled",
  "USER_CANCEL",
  "insufficient_system_resource",
  "MALFORMED_FUNCTION_CALL",
  "malformed_model_output",
  "UNEXPECTED_TOOL_CALL",
  "failed",
  "timeout"
]

const providerError = { status: 502, type: "server_error", param: null, code: "provider_error" }

/** A stream whose last chunk, with nothing to say, has the word. */
const ending = (word: string): Testing.Reply =>
  chunks([[choice({ role: "assistant", content: "Hel" })], [choice({ content: "lo" })], [choice({}, word)]], {
    between: "30 millis"
  })

type Choices = { readonly choices: ReadonlyArray<Readonly<Record<string, unknown>>> }

const lastChoice = (text: string): Readonly<Record<string, unknown>> | undefined =>
  (JSON.parse(dataOf(text).at(-2) ?? "") as Choices).choices[0]

describe("an answer that is told", () => {
  for (const [finish_reason, words] of Object.entries(told)) {
    it.scopedLive(`as ${finish_reason}: ${words.join(", ")}`, () =>
      Effect.gen(function*() {
        const running = yield* gateway({
          "a/x": words.flatMap((finishReason) => [
            Testing.completion("Hello", { finishReason }),
            Testing.stream(["Hello"], { finishReason })
          ])
        })
        for (const word of words) {
          const expected = word === finish_reason ? {} : { native_finish_reason: word }
          const whole = json(yield* post(running, request)) as Choices
          assert.deepStrictEqual(whole.choices[0], {
            index: 0,
            message: { role: "assistant", content: "Hello" },
            finish_reason,
            ...expected
          })
          const { text } = yield* post(running, streamed)
          assert.deepStrictEqual(lastChoice(text), { index: 0, delta: {}, finish_reason, ...expected })
          assert.strictEqual(dataOf(text).at(-1), "[DONE]")
        }
      }))
  }
})

describe("an answer that failed", () => {
  it.scopedLive("is an error for whoever waits for all of it", () =>
    Effect.gen(function*() {
      const running = yield* gateway({
        "a/x": failed.map((finishReason) => Testing.completion("Hel", { finishReason }))
      })
      for (const word of failed) {
        const answered = yield* post(running, request)
        assert.deepStrictEqual(errorOf(answered), providerError, word)
        assert.strictEqual(answered.headers.get("x-router-attempts"), "1")
        assert.notInclude(answered.text, word === "error" ? "\"error\"}" : word)
      }
    }))

  it.scopedLive("ends its stream with an error event, and without [DONE]", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": failed.map(ending) })
      for (const word of failed) {
        const answered = yield* post(running, streamed)
        assert.strictEqual(answered.status, 200)
        const data = dataOf(answered.text).map((one) => JSON.parse(one) as unknown)
        assert.deepStrictEqual(
          data.slice(0, -1).map((chunk) => (chunk as Choices).choices[0]),
          [choice({ role: "assistant", content: "Hel" }), choice({ content: "lo" })],
          word
        )
        const { error } = data.at(-1) as { readonly error: Readonly<Record<string, unknown>> }
        assert.deepStrictEqual([error.type, error.code], ["server_error", "provider_error"])
      }
    }))

  it.scopedLive("ends a stream that has not begun with a status", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ "a/x": chunks([[choice({ role: "assistant", content: "" }, "error")]]) })
      const answered = yield* post(running, streamed)
      assert.deepStrictEqual(errorOf(answered), providerError)
    }))

  it.scopedLive("closes the provider's stream, which may go on", () =>
    Effect.gen(function*() {
      const running = yield* gateway({
        "a/x": chunks([[choice({ content: "Hel" })], [choice({}, "abort")], [choice({ content: "lo" }, null, 1)]], {
          between: "30 millis",
          end: "stall"
        })
      })
      const answered = yield* post(running, streamed)
      assert.include(dataOf(answered.text).at(-1), "provider_error")
      assert.notInclude(answered.text, "\"lo\"")
      yield* running.upstream.awaitAborted(0)
    }))

  it.scopedLive("is that of every choice when one failed", () =>
    Effect.gen(function*() {
      const choices = [
        { index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" },
        { index: 1, message: { role: "assistant", content: "Hel" }, finish_reason: "error" }
      ]
      const running = yield* gateway({
        "a/x": Testing.raw({ headers: { "content-type": "application/json" }, body: JSON.stringify({ choices }) })
      })
      assert.deepStrictEqual(errorOf(yield* post(running, request)), providerError)
    }))

  it.scopedLive("is told in the provider's own word to a client that wants reports", () =>
    Effect.gen(function*() {
      const running = yield* gateway({
        "a/x": [Testing.completion("Hel", { finishReason: "network_error" }), ending("network_error")]
      })
      const reports = { "x-router-report": "1" }
      const whole = yield* post(running, request, reports)
      assert.strictEqual(whole.status, 200)
      assert.strictEqual((json(whole) as Choices).choices[0]?.finish_reason, "network_error")
      const { text } = yield* post(running, streamed, reports)
      assert.strictEqual(lastChoice(text)?.finish_reason, "network_error")
      assert.strictEqual(dataOf(text).at(-1), "[DONE]")
    }))
})
