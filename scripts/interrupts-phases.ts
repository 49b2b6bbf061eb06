/** The calls that `interrupts.ts` interrupts, and what the upstream answers them: one for each phase in which a caller may leave. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as ChatCompletions from "../src/ChatCompletions.js"
import * as HttpPolicy from "../src/policy/HttpPolicy.js"
import * as Retry from "../src/policy/Retry.js"
import * as Timeout from "../src/policy/Timeout.js"
import * as Testing from "../src/Testing.js"
import type { ChatRequest } from "../src/wire/ChatRequest.js"
import * as Settle from "../src/wire/Settle.js"
import * as StreamResponse from "../src/wire/StreamResponse.js"

const words = Array.from({ length: 20 }, (_, index) => `word ${index} `)

const events = (data: ReadonlyArray<unknown>) =>
  Testing.raw({
    headers: { "content-type": "text/event-stream" },
    chunks: data.map((json) => `data: ${JSON.stringify(json)}\n\n`),
    end: "stall"
  })

const role = { choices: [{ index: 0, delta: { role: "assistant", content: "" } }] }

export const script: Testing.Script = {
  "a/hang": Testing.hang,
  "a/late": Testing.completion("Hello", { delay: "5 millis" }),
  "a/body": Testing.raw({
    headers: { "content-type": "application/json" },
    chunks: ["{\"choices\":[", "{\"message\":{\"content\":\"", "Hel"],
    between: "3 millis",
    end: "stall"
  }),
  "a/preamble": Testing.stream(words, { cut: { after: 1, how: "stall" } }),
  "a/middle": Testing.stream(words, { between: "1 millis" }),
  "a/stalled": Testing.stream(words, { between: "1 millis", cut: { after: 6, how: "stall" } }),
  // an error after which the upstream does not hang up: to close the connection is up to the caller
  "a/open-error": events([role, { error: { message: "busy", code: 503 } }]),
  "a/down": Testing.status(503),
  "a/limited": Testing.status(429, { retryAfter: 30 }),
  "a/reset": Testing.reset
}

/** One kind of call; the prompt is the only thing that differs. */
export interface Phase {
  readonly name: string
  readonly call: (
    prompt: string,
    baseUrl: string
  ) => Effect.Effect<unknown, unknown, ChatCompletions.ChatCompletions | HttpClient.HttpClient>
  /** Whether callers with the same prompt share one call. */
  readonly isShared: boolean
  /** Whether the callers stay until a second attempt is under way, long enough to see that the first one is closed. */
  readonly isPatient?: boolean
}

const messages = (content: string) => [{ role: "user" as const, content }]

const routed = (
  name: string,
  kind: "create" | "stream",
  model: string,
  more: Partial<ChatRequest> = {}
): Phase => ({
  name,
  isShared: more.cache !== undefined,
  call: (prompt) => {
    const request: ChatRequest = { model: `a/${model}`, messages: messages(prompt), ...more }
    return kind === "create" ? ChatCompletions.create(request) : Stream.runDrain(ChatCompletions.stream(request))
  }
})

const drain = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void, unknown> =>
  StreamResponse.isStreamResponse(response) ? Stream.runDrain(response.batches) : Effect.asVoid(response.text)

/** A stream through policies alone: there is no router around them that would clean up after its call. */
const composed = (name: string, model: string, policy: HttpPolicy.HttpPolicy<unknown>): Phase => ({
  name: `${name}, without a router`,
  isShared: false,
  call: (prompt, baseUrl) =>
    Effect.flatMap(HttpClient.HttpClient, (transport) =>
      HttpClientRequest.post(`${baseUrl}/chat/completions`).pipe(
        HttpClientRequest.bodyUnsafeJson({ model, messages: messages(prompt), stream: true }),
        HttpClientRequest.accept("text/event-stream"),
        transport.pipe(Settle.settle(), policy).execute,
        Effect.flatMap(drain)
      ))
})

const patient = (phase: Phase): Phase => ({ ...phase, isPatient: true })

const retry = { count: 3 }
const cache = { type: "exact_match" as const }
const soon = Retry.withRetry({ count: 5, backoff: Schedule.spaced(5) })
const fallbacks = [{ model: "a/limited" }, { model: "a/reset" }, { model: "a/down" }, { model: "a/hang" }]

export const phases: ReadonlyArray<Phase> = [
  routed("headers", "create", "hang", { retry, fallbacks }),
  routed("headers of a stream", "stream", "hang", { retry }),
  routed("around the headers", "create", "late"),
  routed("body read", "create", "body"),
  routed("preamble", "stream", "preamble"),
  routed("mid stream", "stream", "middle"),
  routed("stalled stream", "stream", "stalled", { timeout: { callTimeout: 60_000 } }),
  routed("retry wait", "create", "down", { retry }),
  routed("retry-after wait", "stream", "limited", { retry }),
  routed("retry after a reset", "create", "reset", { retry }),
  routed("fallbacks", "create", "down", { fallbacks }),
  routed("fallbacks of a stream", "stream", "reset", { fallbacks }),
  routed("fallback of a stream with an error", "stream", "open-error", { fallbacks: [{ model: "a/hang" }] }),
  patient(routed("second attempt after a stream with an error", "stream", "open-error", {
    fallbacks: [{ model: "a/hang" }]
  })),
  patient(routed("second attempt after a stream that is late", "stream", "preamble", {
    timeout: { firstContentTimeout: 10 },
    fallbacks: [{ model: "a/stalled" }]
  })),
  routed("fallbacks of streams that are late and with an error", "stream", "preamble", {
    timeout: { firstContentTimeout: 10 },
    fallbacks: [{ model: "a/open-error" }, { model: "a/stalled" }]
  }),
  routed("shared call", "create", "late", { cache }),
  routed("shared call that hangs", "create", "hang", { cache, retry }),
  routed("shared stream", "stream", "middle", { cache }),
  routed("shared stream that stalls", "stream", "stalled", { cache }),
  composed("preamble", "preamble", HttpPolicy.identity),
  composed("stalled stream", "stalled", HttpPolicy.identity),
  composed("retry of a stream with an error", "open-error", soon),
  composed("retry of a stream that is late", "preamble", HttpPolicy.compose(Timeout.withFirstContentTimeout(10), soon))
]
