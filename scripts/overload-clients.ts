/** The clients that `overload.ts` compares: one call each, and whether it was answered. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Random from "effect/Random"
import * as Http from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import * as ChatCompletions from "../src/ChatCompletions.js"
import * as ResponseCache from "../src/policy/ResponseCache.js"
import * as Retry from "../src/policy/Retry.js"
import * as OpenAiCompatible from "../src/provider/OpenAiCompatible.js"
import * as Providers from "../src/provider/Providers.js"
import * as RouterDefaults from "../src/RouterDefaults.js"

export interface Client {
  readonly call: () => Promise<boolean>
  readonly close: () => Promise<void>
}

export type MakeClient = (baseUrl: string, seed: number) => Client

/** What all of them do alike: extra attempts, and the time that each attempt has, in milliseconds. */
const retries = 3
const callTimeout = 1_000

const request = { model: "a/m", messages: [{ role: "user" as const, content: "Hello" }] }

/** The router with a state, or with none. Its waits between attempts are as short as those of the naive client. */
export const router = <State>(state: Layer.Layer<State>): MakeClient => (baseUrl, seed) => {
  const runtime = ManagedRuntime.make(
    ChatCompletions.layer.pipe(
      Layer.provide([
        Providers.layer({ a: OpenAiCompatible.make({ baseUrl }) }),
        ResponseCache.layerMemory(),
        RouterDefaults.layer({ backoff: Retry.fullJitter, retry: { count: retries }, timeout: { callTimeout } }),
        state
      ]),
      Layer.provide(NodeHttpClient.layerUndici)
    )
  )
  const random = Random.make(seed)
  const completion = Effect.withRandom(ChatCompletions.create(request), random)
  return {
    call: async () => {
      const exit = await runtime.runPromiseExit(completion)
      if (Exit.isFailure(exit) && !Cause.isFailure(exit.cause)) {
        throw new Error("a call of the router ended with a defect")
      }
      return Exit.isSuccess(exit)
    },
    close: () => runtime.dispose()
  }
}

const body = JSON.stringify({ model: "m", messages: request.messages })

/**
 * What is often written by hand: a timeout after which nobody listens any more, while the request goes on, and retries of everything, with
 * full jitter, for as long as there are some left.
 */
export const naive: MakeClient = (baseUrl) => {
  const agent = new Http.Agent({ keepAlive: true })
  const options = { agent, method: "POST", headers: { "content-type": "application/json" } }

  const attempt = () =>
    new Promise<boolean>((resolve) => {
      setTimeout(() => resolve(false), callTimeout)
      Http.request(`${baseUrl}/chat/completions`, options, (response) => {
        response.resume().once("end", () => resolve(response.statusCode === 200)).once("error", () => resolve(false))
      }).once("error", () => resolve(false)).end(body)
    })

  return {
    call: async () => {
      for (let retry = 0; retry <= retries; retry++) {
        if (await attempt()) {
          return true
        }
        await sleep(Math.random() * 100 * 2 ** retry)
      }
      return false
    },
    close: async () => agent.destroy()
  }
}
