/**
 * What there is to read: the models, and how the gateway is doing.
 *
 * @since 0.1.0
 */
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Providers from "../provider/Providers.js"
import * as Resilience from "../Resilience.js"
import type * as Access from "./Access.js"
import type * as Gate from "./Gate.js"
import type * as Handler from "./Handler.js"
import * as Problem from "./Problem.js"
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
  readonly models: Handler.Handler
  /** One model: the rest of the path is its id, slashes included. */
  readonly model: Handler.Handler
  readonly health: Handler.Handler
}

const providerOf = (model: string): string => model.slice(0, Math.max(0, model.indexOf("/")))

const modelOf = (id: string, startedAtMillis: number) => ({
  id,
  object: "model",
  created: Math.floor(startedAtMillis / 1000),
  owned_by: providerOf(id)
})

/** For those who have access. */
const guarded = (access: Access.Access, handler: Handler.Handler): Handler.Handler => (request, id) => {
  const refused = access(request)
  return refused === undefined ? handler(request, id) : Effect.succeed(Reply.problem(refused))
}

const listOf = ({ models, startedAtMillis }: Options, providers: ReadonlyArray<string>) => ({
  object: "list",
  data: models.map((id) => modelOf(id, startedAtMillis)),
  // a member that OpenAI's list does not have: of a provider any model may be called
  providers
})

const notListed = Reply.problem(
  Problem.make(404, "there is no model of that id in the list", { code: "model_not_found", param: "model" })
)

const model = ({ models, startedAtMillis }: Options): Handler.Handler => () =>
  Effect.map(
    HttpLayerRouter.params,
    ({ "*": id }) => id !== undefined && models.includes(id) ? Reply.json(200, modelOf(id, startedAtMillis)) : notListed
  )

/** A probe has no key: it hears whether requests are taken, and nothing else. */
const health = ({ access, gate }: Options, context: Context.Context<never>): Handler.Handler => (request) =>
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
      models: guarded(options.access, () => Effect.succeed(Reply.json(200, models))),
      model: guarded(options.access, model(options)),
      health: health(options, context)
    }
  })
