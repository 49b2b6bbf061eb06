/** What the mock provider says, made once. */

/** The text of every answer. */
export const content =
  "A router stands between a program and the models that it calls. It tries again what has failed for a moment, goes to the next model " +
  "when one is down, and tells afterwards what it did."

const created = 1_790_000_000
const identity = {
  id: "chatcmpl-9f8e7d6c5b4a39281706",
  created,
  model: "bench-model-2026-01-01",
  system_fingerprint: "fp_b"
}

const completion = JSON.stringify({
  ...identity,
  object: "chat.completion",
  choices: [{
    index: 0,
    message: { role: "assistant", content, refusal: null },
    logprobs: null,
    finish_reason: "stop"
  }],
  usage: {
    prompt_tokens: 92,
    completion_tokens: 41,
    total_tokens: 133,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 }
  }
})

export const completionAnswer = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${
    Buffer.byteLength(completion)
  }\r\nx-request-id: req_bench\r\nconnection: keep-alive\r\n\r\n${completion}`
)

/** The text of each chunk of a stream. */
export const word = " tokens"

const event = (delta: unknown, finish: string | null = null): string =>
  `data: ${
    JSON.stringify({
      ...identity,
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }]
    })
  }\n\n`

/** The events of a stream with as many chunks of content. */
export const events = (chunks: number): ReadonlyArray<string> => [
  event({ role: "assistant", content: "" }),
  ...Array.from({ length: chunks }, () => event({ content: word })),
  event({}, "stop"),
  "data: [DONE]\n\n"
]

export const streamHead = Buffer.from(
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: keep-alive\r\n\r\n"
)

/** A chunk of the transfer encoding. */
export const framed = (text: string): Buffer => Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)

export const lastFrame = Buffer.from("0\r\n\r\n")

/** As proxies pass on what comes all at once. */
const frameLength = 16 * 1024

/** A whole stream in one write. */
export const bulkAnswer = (chunks: number): Buffer => {
  const text = events(chunks).join("")
  const frames: Array<Buffer> = []
  for (let from = 0; from < text.length; from += frameLength) {
    frames.push(framed(text.slice(from, from + frameLength)))
  }
  return Buffer.concat([streamHead, ...frames, lastFrame])
}
