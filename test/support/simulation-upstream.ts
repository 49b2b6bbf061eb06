/** The upstreams of a simulation: what they answer at a time, and every exchange that they had. */
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { WatchedResponse } from "../../src/internal/watchedResponse.js"
import * as Testing from "../../src/Testing.js"
import type { Behaviour, Scenario, Target } from "./simulation-scenario.js"

/** One request, and what was answered. */
export interface Exchange {
  readonly id: number
  /** The prompt: it names the call, or the calls that ask for the same. */
  readonly key: string
  readonly target: string
  readonly startedAt: number
  readonly behaviour: Behaviour
  /** All the text that there is to be read of the answer. */
  readonly text: string
  readonly isWhole: boolean
  endedAt: number | undefined
}

export const nameOf = (target: number): string => `${"abcd"[target]}/m`

const ok: Behaviour = { kind: "ok" }

const behaviourAt = ({ outages }: Target, millis: number): Behaviour => {
  let until = 0
  return outages.find(({ seconds }) => millis < (until += seconds * 1_000))?.behaviour ?? ok
}

/** The texts of an answer: no two exchanges have the same, so that it is known whose text a caller has. */
const textsOf = (id: number): ReadonlyArray<string> => ["0", "1", "2"].map((part) => `${id}:${part} `)

/** How many texts come before a cut of a stream; the role comes first. */
const textsBefore = (after: number): number => Math.min(3, Math.max(0, after - 1))

/** A complete answer is one with its finish reason: that is the fifth event. */
const isWhole = (behaviour: Behaviour, streamed: boolean): boolean =>
  behaviour.kind === "ok" || behaviour.kind === "slow" || behaviour.kind === "cut" && streamed && behaviour.after >= 5

const textOf = (behaviour: Behaviour, id: number, streamed: boolean): string =>
  isWhole(behaviour, streamed)
    ? textsOf(id).join("")
    : behaviour.kind === "cut" && streamed
    ? textsOf(id).slice(0, textsBefore(behaviour.after)).join("")
    : ""

const cutBody = (after: number, how: "end" | "reset" | "stall") =>
  Testing.raw({
    headers: { "content-type": "application/json" },
    chunks: after === 0 ? [] : ["{\"choices\":[{\"ind"],
    end: how === "end" ? "complete" : how
  })

const answer = (behaviour: Behaviour, id: number, streamed: boolean): Testing.Answer => {
  const texts = textsOf(id)
  switch (behaviour.kind) {
    case "ok":
      return streamed ? Testing.stream(texts, { between: 50 }) : Testing.completion(texts.join(""), { delay: 150 })
    case "slow":
      return streamed
        ? Testing.stream(texts, { delay: behaviour.delayMillis, between: behaviour.betweenMillis })
        : Testing.completion(texts.join(""), { delay: behaviour.delayMillis + behaviour.betweenMillis })
    case "cut":
      return streamed
        ? Testing.stream(texts, { between: 50, cut: behaviour })
        : cutBody(behaviour.after, behaviour.how)
    case "empty":
      return Testing.raw({ headers: { "content-type": streamed ? "text/event-stream" : "application/json" } })
    case "status":
      return Testing.status(behaviour.status)
    case "limited":
      return Testing.status(429, { retryAfter: behaviour.retryAfter })
    case "reset":
      return Testing.delayed(Testing.reset, 20)
    case "refuse":
      return Testing.refuse
    case "hang":
      return Testing.hang
  }
}

interface Body {
  readonly model: string
  readonly stream: boolean
  readonly messages: ReadonlyArray<{ readonly content: string }>
}

const bodyOf = ({ body }: HttpClientRequest.HttpClientRequest): Body => {
  if (body._tag !== "Uint8Array") {
    throw new Error("the router sends its requests as bytes")
  }
  return JSON.parse(new TextDecoder().decode(body.body)) as Body
}

export interface Upstream {
  readonly exchanges: ReadonlyArray<Exchange>
  readonly client: HttpClient.HttpClient
}

const header = "x-exchange"

/**
 * All targets of a scenario behind one transport. `onArrival` is run for each request before it is answered; the exchange is then the last
 * one in the list.
 */
export const make = (
  scenario: Scenario,
  onArrival: (exchange: Exchange) => Effect.Effect<void>
): Effect.Effect<Upstream> =>
  Effect.gen(function*() {
    const exchanges: Array<Exchange> = []
    const byName = new Map(scenario.targets.map((target, index) => [nameOf(index), target]))
    const transport = yield* Testing.makeTransport({
      "*": ({ body, headers }) => {
        const { behaviour, id } = exchanges[Number(headers[header])]!
        return answer(behaviour, id, (body as Body).stream)
      }
    })

    const begin = (request: HttpClientRequest.HttpClientRequest) =>
      Effect.map(Clock.currentTimeMillis, (startedAt) => {
        const { messages, model, stream } = bodyOf(request)
        const target = `${new URL(request.url).pathname.split("/")[1]}/${model}`
        const id = exchanges.length
        const behaviour = behaviourAt(byName.get(target)!, startedAt)
        const exchange: Exchange = {
          id,
          key: messages[0]!.content,
          target,
          startedAt,
          behaviour,
          text: textOf(behaviour, id, stream),
          isWhole: isWhole(behaviour, stream),
          endedAt: undefined
        }
        exchanges.push(exchange)
        return exchange
      })

    const play = (request: HttpClientRequest.HttpClientRequest, exchange: Exchange) => {
      const end = Effect.map(Clock.currentTimeMillis, (now) => {
        exchange.endedAt ??= now
      })
      // other fibers may run before the request is on its way, as with a real transport
      return Effect.flatMap(Random.nextIntBetween(0, 4), (turns) => Effect.repeatN(Effect.yieldNow(), turns)).pipe(
        Effect.zipRight(transport.client.execute(HttpClientRequest.setHeader(request, header, String(exchange.id)))),
        Effect.onError(() => end),
        Effect.map((response): HttpClientResponse.HttpClientResponse =>
          new WatchedResponse(response, Stream.ensuring(response.stream, end))
        )
      )
    }

    return {
      exchanges,
      client: HttpClient.makeWith<HttpClientError.HttpClientError, never, HttpClientError.HttpClientError, never>(
        Effect.flatMap((request) =>
          Effect.flatMap(begin(request), (exchange) => Effect.zipRight(onArrival(exchange), play(request, exchange)))
        ),
        Effect.succeed
      )
    }
  })
