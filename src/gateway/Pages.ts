/**
 * What there is to read: the models, and how the gateway is doing.
 *
 * @since 0.1.0
 */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Providers from "../provider/Providers.js"
import * as Resilience from "../Resilience.js"
import type * as Access from "./Access.js"
import type * as Gate from "./Gate.js"
import * as Reply from "./Reply.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly access: Access.Access
  readonly gate: Gate.Gate
  /** `provider/model` */
  readonly models: ReadonlyArray<string>
  /** What is said to be the age of the models: providers do not say it of all of theirs. */
  readonly startedAtMillis: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Pages {
  readonly models: Page
  readonly health: Page
}

type Page = (
  request: HttpServerRequest.HttpServerRequest
) => Effect.Effect<HttpServerResponse.HttpServerResponse>

const providerOf = (model: string): string => model.slice(0, Math.max(0, model.indexOf("/")))

const listOf = ({ models, startedAtMillis }: Options, providers: ReadonlyArray<string>) => ({
  object: "list",
  data: models.map((id) => ({
    id,
    object: "model",
    created: Math.floor(startedAtMillis / 1000),
    owned_by: providerOf(id)
  })),
  // a member that OpenAI's list does not have: of a provider any model may be called
  providers
})

/** A probe has no key: it hears whether requests are taken, and nothing else. */
const health = ({ access, gate }: Options, context: Context.Context<never>): Page => (request) =>
  Effect.gen(function*() {
    const status = gate.isClosing() ? "draining" : "ok"
    const details = access(request) === undefined
      ? { inFlight: gate.inFlight(), targets: yield* Effect.provide(Resilience.health, context) }
      : undefined
    return gate.isClosing()
      ? Reply.json(503, { status, ...details }, { connection: "close", "retry-after": "1" })
      : Reply.json(200, { status, ...details })
  })

/**
 * The providers and the state of the targets are those of the services that are there where the pages are made.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Pages> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<never>()
    const known = Option.match(yield* Effect.serviceOption(Providers.Providers), {
      onNone: () => [...new Set(options.models.map(providerOf))],
      onSome: ({ names }) => names
    })
    const models = listOf(options, known)
    return {
      models: (request) => {
        const refused = options.access(request)
        return Effect.succeed(refused === undefined ? Reply.json(200, models) : Reply.problem(refused))
      },
      health: health(options, context)
    }
  })
