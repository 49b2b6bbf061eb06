/**
 * Every attempt that the calls of `interrupts.ts` make, seen from both sides: when nobody wants it any more, and when the server sees
 * that its request was closed.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import { subscribe } from "node:diagnostics_channel"
import type { IncomingMessage, ServerResponse } from "node:http"
import { watchLag } from "./interrupts-lag.js"

/** How long a request may be open when nobody wants it any more, in milliseconds. */
export const maxCloseMillis = 100

export const problems: Array<string> = []

interface Attempt {
  /** When its callers began to leave, or the next attempt of their call began. */
  overAt: number | undefined
  /** When it came to the server, if it did: a request that is given up on its way may come later than that. */
  seenAt: number | undefined
  closedAt: number | undefined
}

interface Cycle {
  readonly attempts: Array<Attempt>
  /** Done when an attempt has ended, or has come to its headers. */
  readonly answered: Deferred.Deferred<void>
  /** Done when a second attempt begins. */
  readonly again: Deferred.Deferred<void>
  isOver: boolean
}

const lag = watchLag()
const cycles = new Map<string, Cycle>()
const attempts = new Map<string, Attempt>()

const makeCounts = () => ({
  attempts: 0,
  /** Requests that were open when nobody wanted them any more, with the time until they were closed. */
  closed: 0,
  slowestMillis: 0,
  slow: 0,
  excused: 0
})

export let counts = makeCounts()

export const resetCounts = (): void => {
  counts = makeCounts()
}

/** Header of an attempt: its number. */
const header = "x-attempt"

let numbers = 0

subscribe("http.server.request.start", (message) => {
  const { request, response } = message as { readonly request: IncomingMessage; readonly response: ServerResponse }
  const attempt = attempts.get(String(request.headers[header]))
  if (attempt !== undefined) {
    attempt.seenAt = performance.now()
    response.once("close", () => {
      attempt.closedAt = performance.now()
    })
  }
})

const cycleOf = (name: string): Cycle => {
  const known = cycles.get(name) ?? {
    attempts: [],
    answered: Deferred.unsafeMake(FiberId.none),
    again: Deferred.unsafeMake(FiberId.none),
    isOver: false
  }
  cycles.set(name, known)
  return known
}

export const answered = (cycle: string): Effect.Effect<void> => Deferred.await(cycleOf(cycle).answered)

export const again = (cycle: string): Effect.Effect<void> => Deferred.await(cycleOf(cycle).again)

/** The last callers of a cycle are about to leave: from now on, nobody wants its attempts. */
export const leaving = (cycle: string): void => {
  for (const attempt of cycleOf(cycle).attempts) {
    attempt.overAt ??= performance.now()
  }
}

/** They have left: no attempt may start. */
export const hasLeft = (cycle: string): void => {
  leaving(cycle)
  cycleOf(cycle).isOver = true
}

/** The prompt names the cycle, so every attempt does. */
const nameOf = (body: HttpClientRequest.HttpClientRequest["body"]): string =>
  body._tag === "Uint8Array" ? /cycle-\d+/.exec(new TextDecoder().decode(body.body))?.[0] ?? "" : ""

/** Sees every attempt before the transport does. */
export const watched = (client: HttpClient.HttpClient): HttpClient.HttpClient =>
  HttpClient.makeWith<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
    Effect.flatMap((request) => {
      const name = nameOf(request.body)
      const cycle = cycleOf(name)
      counts.attempts++
      if (cycle.isOver) {
        problems.push("an attempt started after its callers had left")
      }
      // attempts of a call come one after the other
      leaving(name)
      const attempt: Attempt = { overAt: undefined, seenAt: undefined, closedAt: undefined }
      const number = String(numbers++)
      if (cycle.attempts.push(attempt) > 1) {
        Deferred.unsafeDone(cycle.again, Exit.void)
      }
      attempts.set(number, attempt)
      return Effect.ensuring(
        client.execute(HttpClientRequest.setHeader(request, header, number)),
        Deferred.succeed(cycle.answered, undefined)
      )
    }),
    Effect.succeed
  )

/**
 * Looks at how long the requests of a round were open when nobody wanted them any more, and forgets the round.
 *
 * Client and server share an event loop. What it stood still for is nobody's fault, and is taken off: the machine may be busy, the
 * close may not wait for anything.
 */
export const endRound = (): void => {
  const now = performance.now()
  for (const { closedAt = now, overAt, seenAt } of attempts.values()) {
    if (seenAt === undefined || overAt === undefined || closedAt < overAt) {
      continue
    }
    const from = Math.max(overAt, seenAt)
    const millis = closedAt - from
    counts.closed++
    counts.slowestMillis = Math.max(counts.slowestMillis, millis)
    if (millis > maxCloseMillis) {
      counts.slow++
      if (millis - lag.lostMillis(from, closedAt) <= maxCloseMillis) {
        counts.excused++
      } else {
        problems.push(`a request was open for more than ${maxCloseMillis} ms after nobody wanted it`)
      }
    }
  }
  attempts.clear()
  cycles.clear()
  lag.forget()
}
