/** What is measured: something that makes calls, and answers each with the text that came. */
import * as Effect from "effect/Effect"
import type * as ManagedRuntime from "effect/ManagedRuntime"

/** Calls to be made one after the other by one worker. */
export interface Job {
  /** What to ask, or `undefined` when it is enough. No two are the same. */
  readonly next: () => string | undefined
  readonly done: (answer: Answer, millis: number) => void
}

/** The text of a completion, or how much came of a stream. */
export interface Answer {
  readonly text: string
  /** How many chunks had content: 0 for a completion. */
  readonly chunks: number
}

export interface Worker {
  (job: Job): Promise<void>
}

export interface Contender {
  readonly complete: Worker
  /** Absent where the contender has no way to stream. */
  readonly stream?: Worker
  readonly close: () => Promise<void>
}

export interface Make {
  /** `base` is where the provider answers in the wanted way, e.g. `http://127.0.0.1:1234/completion`. */
  (base: string): Promise<Contender>
}

/** How long a call may take, in milliseconds, where a contender has a clock for it: longer than any of the bench takes. */
export const callTimeout = 120_000

export const apiKey = "sk-bench-0123456789abcdef"

export const model = "bench-model"

export const system =
  "You are the assistant of a library for routing. Answer in plain English, in at most three sentences, and name no product."

export const messages = (prompt: string) => [
  { role: "system" as const, content: system },
  { role: "user" as const, content: prompt }
]

export const completed = (text: string): Answer => ({ text, chunks: 0 })

/** One asynchronous function for each worker. */
export const fromPromise = (call: (prompt: string) => Promise<Answer>): Worker => async (job) => {
  for (let prompt = job.next(); prompt !== undefined; prompt = job.next()) {
    const from = performance.now()
    const answer = await call(prompt)
    job.done(answer, performance.now() - from)
  }
}

/** One fiber for each worker: that is how a program written with Effect makes its calls. */
export const fromEffect = <R, E>(
  runtime: ManagedRuntime.ManagedRuntime<R, never>,
  call: (prompt: string) => Effect.Effect<Answer, E, R>
): Worker =>
(job) =>
  runtime.runPromise(Effect.gen(function*() {
    for (let prompt = job.next(); prompt !== undefined; prompt = job.next()) {
      const from = performance.now()
      const answer = yield* call(prompt)
      job.done(answer, performance.now() - from)
    }
  }))
