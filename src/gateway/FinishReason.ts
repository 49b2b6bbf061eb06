/**
 * Why an answer ended, in the words of the published API. Its SDK refuses a whole answer for any other word, and providers have many.
 *
 * An answer is told as whole only for a word that is known to say so: a client stops reading at `stop`, and takes what it has for all.
 *
 * @since 0.1.0
 */

/** Providers write the same word as `max_tokens`, `MAX_TOKENS`, `MaxTokens` and `max-tokens`. */
const bare = (reason: string): string => reason.toLowerCase().replace(/[^a-z0-9]/g, "")

const whole = [
  "stop",
  "stopped",
  "stopsequence",
  "stopstringfound",
  "end",
  "endturn",
  "endofturn",
  "eos",
  "eosfound",
  "eostoken",
  "complete",
  "completed",
  "finish",
  "finished",
  "done"
]

/** The words that are known, without separators. */
const published: ReadonlyMap<string, string> = new Map([
  ...whole.map((word) => [word, "stop"] as const),
  ["toolcall", "tool_calls"],
  ["toolcalls", "tool_calls"],
  ["tooluse", "tool_calls"],
  ["functioncall", "function_call"]
])

/** `content_filter`, `SAFETY`, `IMAGE_SAFETY`, `PROHIBITED_CONTENT`, `guardrail_intervened`, … */
const filtered =
  /filter(?:ed)?$|safety$|recitation$|^(?:sensitive|refusal|refused|blocklist|spii)$|^guardrail|prohibited/

/** `error`, `network_error`, `ERROR_LIMIT`, `aborted`, `cancelled`, `USER_CANCEL`, `MALFORMED_FUNCTION_CALL`, … */
const broken =
  /error|^abort|cancel|fail(?:ed|ure)$|^insufficient|^malformed|^unexpected|^interrupted$|timeout$|^timedout$|unloaded$/

/** What is not known may have been cut, as it was for `max_tokens` and `model_context_window_exceeded`. */
const otherwise = "length"

/** The word of the API; `undefined` for an answer that failed. */
const meaning = (reason: string): string | undefined => {
  const word = bare(reason)
  return published.get(word) ?? (filtered.test(word) ? "content_filter" : broken.test(word) ? undefined : otherwise)
}

/**
 * Whether the word says that the answer failed: the API has none for that, it has errors.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isFailure = (reason: string | undefined): boolean =>
  reason !== undefined && reason !== "" && meaning(reason) === undefined

/**
 * The members of a choice that tell why it ended. A word that is not the API's is still there as `native_finish_reason`, as other routers
 * have it.
 *
 * @since 0.1.0
 * @category encoding
 */
export const toWire = (
  reason: unknown
): { readonly finish_reason: string | null; readonly native_finish_reason?: string } => {
  if (typeof reason !== "string" || reason === "") {
    return { finish_reason: null }
  }
  const finish_reason = meaning(reason) ?? otherwise
  return finish_reason === reason ? { finish_reason } : { finish_reason, native_finish_reason: reason }
}
