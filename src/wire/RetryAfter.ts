/**
 * How long a provider asks to wait, and whether it wants to be asked again.
 *
 * The grammar is strict, because a lenient one turns `120, 240` into two minutes and `-5` into a loop without a pause:
 * what is not exactly in it counts as absent, and the policy's own backoff decides.
 *
 * Header names are looked up in lower case, as `HttpClientResponse` gives them.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"

/**
 * The longest wait that is read, in seconds (68 years): more digits than that mean "never", and must not become
 * `Infinity`.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxSeconds = 2_147_483_647

const decimal = /^\d+(?:\.\d+)?$/

const digits = /^\d+$/

const imfFixdate =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d{2}) ([A-Z][a-z]{2}) (\d{4}) ([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60) GMT$/

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

const wait = (millis: number): Duration.Duration => Duration.millis(Math.min(Math.max(millis, 0), maxSeconds * 1000))

const parseDate = (text: string | undefined): number | undefined => {
  const match = text === undefined ? null : imfFixdate.exec(text)
  if (match === null) {
    return undefined
  }
  const [, day, month, year, hour, minute, second] = match
  const millis = Date.UTC(
    Number(year),
    months.indexOf(month!),
    Number(day),
    Number(hour),
    Number(minute),
    Number(second)
  )
  // `Date.UTC` takes 31 February for 2 March and an unknown month (-1) for a December: neither is a date.
  // A leap second (60) is the next minute, so the day is looked at without it.
  const date = new Date(millis - Number(second) * 1000)
  return date.getUTCDate() === Number(day) && date.getUTCFullYear() === Number(year) ? millis : undefined
}

/**
 * The wait that a response's headers name: `retry-after-ms` (milliseconds, a decimal) before `retry-after` (whole
 * seconds or an IMF-fixdate). `undefined`: none, or none in this grammar.
 *
 * A date counts from the response's own `date` header, which takes the difference of the two clocks out, and from
 * `nowMillis` (milliseconds since 1970) when there is none. A date in the past is no wait.
 *
 * @since 0.1.0
 * @category parsing
 */
export const fromHeaders = (
  headers: Readonly<Record<string, string>>,
  nowMillis: number
): Duration.Duration | undefined => {
  const inMillis = headers["retry-after-ms"]
  if (inMillis !== undefined && decimal.test(inMillis)) {
    return wait(Number(inMillis))
  }
  const value = headers["retry-after"]
  if (value === undefined) {
    return undefined
  }
  if (digits.test(value)) {
    return wait(Number(value) * 1000)
  }
  const date = parseDate(value)
  const now = parseDate(headers["date"]) ?? nowMillis
  return date === undefined || !Number.isFinite(now) ? undefined : wait(date - now)
}

/**
 * What an `x-should-retry` header says. `undefined`: nothing.
 *
 * @since 0.1.0
 * @category parsing
 */
export const shouldRetry = (headers: Readonly<Record<string, string>>): boolean | undefined => {
  const value = headers["x-should-retry"]
  return value === "true" ? true : value === "false" ? false : undefined
}

/**
 * A number and its unit. The number of digits is bounded, and a unit ends every part, so no input makes these
 * backtrack.
 */
const part =
  /(\d{1,12}(?:\.\d{1,12})?)\s?(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])/giy

const lead = /\b(?:try again|retry|wait)(?: in| after| for)? (?=\d)/gi

const unitMillis = (unit: string): number => {
  const lower = unit.toLowerCase()
  if (lower.startsWith("ms") || lower.startsWith("milli")) {
    return 1
  }
  switch (lower[0]) {
    case "s":
      return 1000
    case "m":
      return 60_000
    case "h":
      return 3_600_000
    default:
      return 86_400_000
  }
}

/** The sum of the parts that follow each other from `index` on. */
const partsFrom = (text: string, index: number): number | undefined => {
  let total: number | undefined
  let at = index
  for (;;) {
    part.lastIndex = at
    const match = part.exec(text)
    if (match === null) {
      return total
    }
    total = (total ?? 0) + Number(match[1]) * unitMillis(match[2]!)
    at = text[part.lastIndex] === " " ? part.lastIndex + 1 : part.lastIndex
  }
}

/**
 * The wait that a provider's message names in words, for the providers that send no header: "Please try again in
 * 9m38.016s", "Please retry after 86400 seconds". `undefined`: none.
 *
 * @since 0.1.0
 * @category parsing
 */
export const fromText = (text: string): Duration.Duration | undefined => {
  for (const match of text.matchAll(lead)) {
    const millis = partsFrom(text, match.index + match[0].length)
    if (millis !== undefined) {
      return wait(millis)
    }
  }
  return undefined
}

/**
 * A duration on its own, as Google's `RetryInfo.retryDelay` writes it: `"20s"`, `"0.5s"`. `undefined`: not one.
 *
 * @since 0.1.0
 * @category parsing
 */
export const fromDelay = (text: string): Duration.Duration | undefined =>
  /^\d{1,12}(?:\.\d{1,12})?s$/.test(text) ? wait(Number(text.slice(0, -1)) * 1000) : undefined
