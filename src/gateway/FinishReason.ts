/**
 * Why an answer ended, in the words of the published API. Its SDK refuses a whole answer for any other word, and providers have many.
 *
 * @since 0.1.0
 */

/** The words of the API, and what providers say instead of them. */
const published: ReadonlyMap<string, string> = new Map([
  ["stop", "stop"],
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["completed", "stop"],
  ["eos", "stop"],
  ["length", "length"],
  ["max_tokens", "length"],
  ["max_output_tokens", "length"],
  ["tool_calls", "tool_calls"],
  ["tool_call", "tool_calls"],
  ["tool_use", "tool_calls"],
  ["function_call", "function_call"],
  ["content_filter", "content_filter"],
  ["safety", "content_filter"],
  ["refusal", "content_filter"]
])

/** The answer has ended, which `null` would deny. */
const otherwise = "stop"

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
  const finish_reason = published.get(reason.toLowerCase()) ?? otherwise
  return finish_reason === reason ? { finish_reason } : { finish_reason, native_finish_reason: reason }
}
