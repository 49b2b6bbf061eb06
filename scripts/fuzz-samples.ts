/** What `fuzz.ts` mutates: good and bad answers as providers send them, and the beginnings of known trouble. */

export const secret = "sk-fuzz-0123456789abcdef"

const event = (json: unknown): string => `data: ${JSON.stringify(json)}\n\n`

const piece = (delta: unknown, finish_reason: string | null = null, index = 0) =>
  event({
    id: "c",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index, delta, finish_reason }]
  })

const callPiece = (index: unknown, more: object) => piece({ tool_calls: [{ index, ...more }] })

const done = "data: [DONE]\n\n"

export const streams: ReadonlyArray<string> = [
  [
    piece({ role: "assistant", content: "" }),
    piece({ content: "Hel" }),
    piece({ content: "lo 🦊 é" }),
    piece({}, "stop"),
    done
  ],
  [
    piece({ reasoning_content: "hm" }),
    piece({ content: "a" }, null, 1),
    piece({ content: "b" }),
    piece({}, "stop", 1),
    piece({}, "stop")
  ],
  [
    callPiece(0, { id: "1", type: "function", function: { name: "f", arguments: "" } }),
    callPiece(0, { function: { arguments: "{\"a\":" } }),
    callPiece(0, { function: { arguments: "[1,2]}" } }),
    callPiece(1, { id: "2", function: { name: "g", arguments: "{}" } }),
    piece({}, "tool_calls"),
    event({ choices: [], usage: { prompt_tokens: 1, total_tokens: 3, prompt_tokens_details: { cached_tokens: 1 } } }),
    done
  ],
  [
    ": ping\n\n",
    "event: message\nid: 1\nretry: 10\n",
    piece({ content: "x" }),
    ":\n",
    piece({ refusal: "no" }, "stop"),
    done
  ],
  [piece({ content: "part" }), event({ error: { message: `overloaded ${secret}`, type: "server_error", code: 503 } })],
  [piece({ content: "part" }), "event: error\ndata: {\"message\":\"no\"}\n\n"],
  [
    piece({ content: [{ type: "thinking", thinking: [{ text: "t" }] }, { text: "x" }] }),
    piece({ audio: { data: "AA" } }, "stop")
  ],
  [
    "data: {\"choices\":[{\"index\":0,\ndata: \"delta\":{\"content\":\"two lines\"},\"finish_reason\":\"stop\"}]}\n\n",
    done
  ]
].map((events) => events.join(""))

export const bodies: ReadonlyArray<string> = [
  {
    id: "c",
    created: "1700000000",
    choices: [{
      index: 0,
      message: { role: "assistant", content: "Hello", tool_calls: [{ function: { name: "f", arguments: {} } }] }
    }],
    usage: { prompt_tokens: 1, completion_tokens_details: { reasoning_tokens: 1 } }
  },
  {
    choices: [{
      message: { content: [{ type: "text", text: "x" }], reasoning: "r" },
      finish_reason: "stop",
      logprobs: { content: [] }
    }]
  },
  {
    error: {
      message: `Rate limit. Please try again in 1m20.5s. ${secret}`,
      type: "tokens",
      code: "rate_limit_exceeded"
    }
  },
  [{
    error: {
      code: 429,
      status: "RESOURCE_EXHAUSTED",
      details: [{ "@type": "RetryInfo", retryDelay: "20s" }],
      message: "no"
    }
  }],
  { type: "error", error: { type: "overloaded_error", message: "Overloaded" }, request_id: "r" },
  { detail: [{ loc: ["body"], msg: "field required" }] },
  { error: { innererror: { code: "ResponsibleAIPolicyViolation" }, code: "content_filter", message: "filtered" } },
  { object: "error", message: "context length", code: 400 },
  { errors: [{ message: "no such model" }], success: false }
].map((body) => JSON.stringify(body))

export const headerValues: ReadonlyArray<string> = [
  ...["0", "7", "120", "1e3", "-5", "0x10", "120, 240", "NaN", "12abc", " 3", "999999999999999999999", "1.5", "20s"],
  ...[
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Sun, 31 Feb 2021 23:59:60 GMT",
    "Wednesday, 21-Oct-15 07:28:00 GMT",
    "true",
    "false"
  ],
  ...[secret, "Please try again in 9m38.016s", "retry after 86400 seconds", "wait 1 d 2 h 3 m 4 s"]
]

/** What is put in between: the beginnings of known trouble. */
export const tokens: ReadonlyArray<string> = [
  ...[
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    "\r\r",
    "\uFEFF",
    "data:",
    "data",
    ":",
    "event: error\n",
    done,
    "[DONE]",
    "\0",
    "\u2028"
  ],
  ...["{", "}", "[", "]", "\"", "\\", ",", "null", "true", "1e999", "-0", "NaN", "\"\\ud800\"", "\"\\u0000\""],
  ...[
    "\"index\":4294967294,",
    "\"index\":-1,",
    "\"index\":1.5,",
    "\"index\":\"0\",",
    "\"__proto__\":{\"polluted\":1},"
  ],
  ...[
    "\"constructor\":{\"prototype\":{\"polluted\":1}},",
    "\"toJSON\":1,",
    "\"error\":{},",
    "\"finish_reason\":\"stop\","
  ],
  ...["\"choices\":[null],", "\"choices\":{},", "\"tool_calls\":[[]],", "\"content\":{\"a\":1},", secret]
]

export const invalidUtf8: ReadonlyArray<ReadonlyArray<number>> = [
  [0xff],
  [0xc0, 0xaf],
  [0xe2, 0x82],
  [0xf0, 0x9f, 0x92],
  [0xed, 0xa0, 0x80],
  [0xef, 0xbb, 0xbf],
  [0x80]
]
