/** What the tests with published SDKs share: promises as effects, and answers that `Testing` has no constructor for. */
import { Effect, Schedule } from "effect"
import * as Testing from "effect-llm-router/Testing"
import type { Running } from "./gateway.js"

/** What a promise of an SDK rejects with is its error, as it is. */
export const attempt = <A>(make: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, unknown> =>
  Effect.tryPromise({ try: make, catch: (error) => error })

/** The error of an SDK, which is to be of this class. */
export const rejects = <E>(
  errorClass: abstract new(...args: never) => E,
  make: (signal: AbortSignal) => Promise<unknown>
): Effect.Effect<E> =>
  attempt(make).pipe(
    Effect.flip,
    Effect.orElse(() => Effect.dieMessage("it did not fail")),
    Effect.flatMap((error) =>
      error instanceof errorClass
        ? Effect.succeed(error)
        : Effect.die(new Error(`expected ${errorClass.name}`, { cause: error }))
    )
  )

/** Everything that an async iterable gives. */
export const collect = async <A>(items: AsyncIterable<A>): Promise<Array<A>> => {
  const all: Array<A> = []
  for await (const item of items) {
    all.push(item)
  }
  return all
}

/** Waits until nothing is under way, a second at most. */
export const idle = (running: Pick<Running, "inFlight">) =>
  running.inFlight.pipe(
    Effect.filterOrFail((count) => count === 0, () => "requests are under way"),
    Effect.retry({ times: 200, schedule: Schedule.spaced("5 millis") }),
    Effect.asVoid
  )

/** Choices as a stream of events, one event for each list. */
export const chunks = (
  choices: ReadonlyArray<ReadonlyArray<unknown>>,
  options: Omit<Testing.RawOptions, "headers" | "chunks" | "body"> = {}
): Testing.Reply =>
  Testing.raw({
    ...options,
    headers: { "content-type": "text/event-stream" },
    chunks: [
      ...choices.map((some) =>
        `data: ${
          JSON.stringify({
            id: "chatcmpl-1",
            object: "chat.completion.chunk",
            created: 1_700_000_000,
            model: "x",
            choices: some
          })
        }\n\n`
      ),
      "data: [DONE]\n\n"
    ]
  })

/** One choice of a chunk. */
export const choice = (delta: unknown, finish_reason: string | null = null, index = 0) => ({
  index,
  delta,
  finish_reason
})

/** A stream of two calls of tools, their arguments in pieces, one between the other's. */
export const twoToolCalls = chunks([
  [choice({ role: "assistant", content: null })],
  [choice({
    tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "weather", arguments: "" } }]
  })],
  [choice({ tool_calls: [{ index: 0, function: { arguments: "{\"city\":" } }] })],
  [choice({
    tool_calls: [{ index: 1, id: "call_2", type: "function", function: { name: "time", arguments: "{\"zone\"" } }]
  })],
  [choice({ tool_calls: [{ index: 0, function: { arguments: "\"Zürich\"}" } }] })],
  [choice({ tool_calls: [{ index: 1, function: { arguments: ":\"CET\"}" } }] })],
  [choice({}, "tool_calls")]
])
