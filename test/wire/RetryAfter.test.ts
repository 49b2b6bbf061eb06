import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as FastCheck from "effect/FastCheck"
import * as RetryAfter from "../../src/wire/RetryAfter.js"

const now = Date.UTC(2026, 7, 19, 14, 34, 17)

const millis = (headers: Record<string, string>, nowMillis = now): number | undefined => {
  const wait = RetryAfter.fromHeaders(headers, nowMillis)
  return wait === undefined ? undefined : Duration.toMillis(wait)
}

const httpDate = (time: number): string => new Date(time).toUTCString()

/** Whole seconds from 2000 to 2100. */
const second = FastCheck.integer({ min: 946_684_800, max: 4_102_444_800 }).map((seconds) => seconds * 1000)

describe("RetryAfter.fromHeaders", () => {
  it("reads seconds, milliseconds and dates", () => {
    assert.strictEqual(millis({}), undefined)
    assert.strictEqual(millis({ "retry-after": "0" }), 0)
    assert.strictEqual(millis({ "retry-after": "62" }), 62_000)
    assert.strictEqual(millis({ "retry-after-ms": "250" }), 250)
    assert.strictEqual(millis({ "retry-after-ms": "12.5" }), 12.5)
    assert.strictEqual(millis({ "retry-after": "Wed, 19 Aug 2026 14:34:47 GMT" }), 30_000)
    assert.strictEqual(millis({ "retry-after": "Tue, 30 Jun 2026 23:59:60 GMT" }, Date.UTC(2026, 6, 1)), 0)
  })

  it("takes milliseconds before seconds, and seconds where the milliseconds are none", () => {
    assert.strictEqual(millis({ "retry-after-ms": "0", "retry-after": "1" }), 0)
    assert.strictEqual(millis({ "retry-after-ms": "NaN", "retry-after": "1" }), 1000)
  })

  const absent = [
    "",
    " ",
    "-5",
    "+5",
    "1e3",
    "0x10",
    "120, 240",
    "NaN",
    "Infinity",
    "12abc",
    "1_000",
    "٣",
    " 5",
    "5 ",
    "5.",
    ".5",
    "5s",
    "null"
  ]
  const notSeconds = [
    "1.5",
    "Wed, 19 Aug 2026 14:34:17",
    "Wed, 19 Aug 2026 14:34:17 UTC",
    "Wed, 19 Aug 2026 24:00:00 GMT",
    "Sat, 31 Feb 2026 14:34:17 GMT",
    "wed, 19 aug 2026 14:34:17 gmt",
    "Wednesday, 19-Aug-26 14:34:17 GMT",
    "Wed Aug 19 14:34:17 2026",
    "2026-08-19T14:34:17Z"
  ]

  for (const value of absent) {
    it(`takes ${JSON.stringify(value)} for absent`, () => {
      assert.strictEqual(millis({ "retry-after": value }), undefined)
      assert.strictEqual(millis({ "retry-after-ms": value }), undefined)
    })
  }

  for (const value of notSeconds) {
    it(`takes retry-after: ${value} for absent`, () => {
      assert.strictEqual(millis({ "retry-after": value }), undefined)
    })
  }

  it.prop("no digits overflow", [FastCheck.stringMatching(/^[0-9]{1,400}$/)], ([text]) => {
    const longest = RetryAfter.maxSeconds * 1000
    for (const value of [millis({ "retry-after": text }), millis({ "retry-after-ms": text })]) {
      assert.isTrue(value !== undefined && value >= 0 && value <= longest)
    }
    assert.strictEqual(millis({ "retry-after": `9${"9".repeat(400)}` }), longest)
  })

  it.prop("any text is a wait from 0 on, or absent", [FastCheck.string(), FastCheck.string()], ([a, b]) => {
    const value = millis({ "retry-after": a, "retry-after-ms": b })
    assert.isTrue(value === undefined || value >= 0 && Number.isFinite(value))
  })

  it.prop(
    "a date counts from the response's own clock, however wrong ours is",
    [second, FastCheck.integer({ min: 0, max: 100_000 }), FastCheck.integer({ min: -1e12, max: 1e12 })],
    ([sent, seconds, skew]) => {
      const headers = { date: httpDate(sent), "retry-after": httpDate(sent + seconds * 1000) }
      assert.strictEqual(millis(headers, sent + skew), seconds * 1000)
    }
  )

  it.prop(
    "a date counts from our clock where the response has none that can be read, and the past is no wait",
    [second, FastCheck.integer({ min: -100_000, max: 100_000 }), FastCheck.constantFrom("", "yesterday", "0")],
    ([received, seconds, date]) => {
      const retryAfter = httpDate(received + seconds * 1000)
      assert.strictEqual(millis({ "retry-after": retryAfter }, received), Math.max(0, seconds * 1000))
      assert.strictEqual(millis({ "retry-after": retryAfter, date }, received), Math.max(0, seconds * 1000))
    }
  )
})

describe("RetryAfter.shouldRetry", () => {
  it("is what the header says, in its own words only", () => {
    assert.strictEqual(RetryAfter.shouldRetry({ "x-should-retry": "true" }), true)
    assert.strictEqual(RetryAfter.shouldRetry({ "x-should-retry": "false" }), false)
    assert.strictEqual(RetryAfter.shouldRetry({ "x-should-retry": "no" }), undefined)
    assert.strictEqual(RetryAfter.shouldRetry({}), undefined)
  })
})

describe("RetryAfter.fromText", () => {
  const waits: ReadonlyArray<readonly [text: string, millis: number | undefined]> = [
    ["Rate limit reached. Please try again in 6ms. Visit …", 6],
    ["Please try again in 17.359s. Need more tokens?", 17_359],
    ["Please try again in 9m38.016s.", 578_016],
    ["Please try again in 1m47.5854s", 107_585.4],
    ["please try again in 114h18m0s", 411_480_000],
    ["Please retry after 86400 seconds.", 86_400_000],
    ["* Quota exceeded for metric: x, limit: 20\nPlease retry in 20.5s.", 20_500],
    ["Try again in 1 minute 5 seconds", 65_000],
    ["Wait for 2 hours", 7_200_000],
    ["Retry in 99999999999d", RetryAfter.maxSeconds * 1000],
    ["Please try again later", undefined],
    ["try again in 5 models", undefined],
    ["try again in 5", undefined],
    ["used 9m38s of GPU time", undefined],
    ["", undefined]
  ]
  for (const [text, expected] of waits) {
    it(`finds ${expected} ms in ${JSON.stringify(text)}`, () => {
      const wait = RetryAfter.fromText(text)
      assert.strictEqual(wait === undefined ? undefined : Math.round(Duration.toMillis(wait) * 10) / 10, expected)
    })
  }

  it.prop("reads what Go prints", [FastCheck.nat(200), FastCheck.nat(59), FastCheck.nat(59_999)], ([h, m, ms]) => {
    const wait = RetryAfter.fromText(`Please try again in ${h}h${m}m${ms / 1000}s.`)
    assert.strictEqual(
      wait === undefined ? undefined : Math.round(Duration.toMillis(wait)),
      h * 3_600_000 + m * 60_000 + ms
    )
  })
})
