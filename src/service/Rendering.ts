/**
 * From a request as it was given to one whose texts are final: validated, with the prompt that it names, and with its variables put in.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { nowMillis } from "../internal/monotonic.js"
import * as Prompts from "../prompt/Prompts.js"
import * as Template from "../prompt/Template.js"
import * as Variables from "../prompt/Variables.js"
import type * as Route from "../Route.js"
import type * as RouterDefaults from "../RouterDefaults.js"
import * as RouterError from "../RouterError.js"
import * as ChatRequest from "../wire/ChatRequest.js"
import type { Message } from "../wire/Messages.js"
import * as RequestKeys from "../wire/RequestKeys.js"
import type * as Routing from "../wire/Routing.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Rendered {
  /** With what the prompt gives. */
  readonly request: ChatRequest.Whole
  readonly routing: Routing.Routing
  /** The messages as they are sent. */
  readonly messages: ReadonlyArray<Message>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly prompts: Option.Option<Prompts.Service>
  readonly defaults: RouterDefaults.Defaults
  readonly recorder: Route.Recorder
}

type Reference = NonNullable<Routing.Routing["prompt"]>

type Failure = RouterError.InvalidRequest | RouterError.PromptError

const supported = <A extends ChatRequest.ChatRequest>(request: A): Either.Either<A, RouterError.InvalidRequest> => {
  const issue = ChatRequest.unsupported(request) ?? ChatRequest.misspelled(request)
  return issue === undefined ? Either.right(request) : Either.left(new RouterError.InvalidRequest({ issues: [issue] }))
}

const noStore = () => RouterError.invalidField("prompt", "expected none: there is no prompt store")

/** Prompts that were checked: a store gives the same one to many requests. */
const known = new WeakSet<Prompts.Prompt>()

const validated = (prompt: Prompts.Prompt): Either.Either<Prompts.Prompt, RouterError.PromptInvalid> =>
  known.has(prompt) ? Either.right(prompt) : Either.map(Prompts.validate(prompt), (prompt) => {
    known.add(prompt)
    return prompt
  })

/** A store is somebody else's code: what it dies of may hold an address or a password, and is not shown. */
const ask = (store: Prompts.Service, { id, version }: Reference): Effect.Effect<Prompts.Prompt, Failure> => {
  const unavailable = (reason: string) => new RouterError.PromptUnavailable({ promptId: id, version, reason })
  return Effect.suspend(() => store.get(id, version === "latest" ? undefined : version)).pipe(
    Effect.catchAllDefect(() => Effect.fail(unavailable("Defect"))),
    Effect.filterOrFail(
      (prompt) => Predicate.isRecord(prompt) && prompt.id === id && typeof prompt.version === "string",
      () => unavailable("NoPrompt")
    ),
    // a deadline is kept whatever the store does
    Effect.disconnect
  )
}

const lookup = (reference: Reference, { prompts }: Options): Effect.Effect<Prompts.Prompt, Failure> =>
  Option.match(prompts, {
    onNone: () => Effect.fail(noStore()),
    onSome: (store) => Effect.flatMap(ask(store, reference), validated)
  })

/** The time that a store takes is part of the call's: what is left of the deadline is for the rest. */
const withinDeadline = <E>(
  rendered: Effect.Effect<Rendered, E>,
  { timeout }: Routing.Routing,
  { defaults }: Options
): Effect.Effect<Rendered, E | RouterError.DeadlineExceeded> => {
  const total = timeout?.totalTimeout ?? defaults.timeout?.totalTimeout
  if (total === undefined) return rendered
  const exceeded = () => new RouterError.DeadlineExceeded({ limit: Duration.millis(total) })
  return Effect.gen(function*() {
    const start = yield* nowMillis
    const { routing, ...others } = yield* Effect.timeoutFail(rendered, { duration: total, onTimeout: exceeded })
    const left = total - Math.floor((yield* nowMillis) - start)
    return left > 0
      ? { ...others, routing: { ...routing, timeout: { ...routing.timeout, totalTimeout: left } } }
      : yield* exceeded()
  })
}

/** Two names of one thing: whoever gives one of them means to replace the other. */
const maxima: ReadonlyArray<string> = ["maxTokens", "maxCompletionTokens"]

const namesOf = (parameter: string): ReadonlyArray<string> =>
  (maxima.includes(parameter) ? maxima : [parameter]).flatMap((name) => [
    name,
    RequestKeys.request.toWire.get(name)?.wire ?? name
  ])

const given = (members: { readonly [name: string]: unknown }, keep: (name: string) => boolean) =>
  Object.fromEntries(Object.entries(members).filter(([name, value]) => value !== undefined && keep(name)))

/** The request's own fields over those of the prompt, and nothing left to look up. */
const merged = (request: ChatRequest.ChatRequest, { messages, model, parameters }: Prompts.Prompt): unknown => {
  const { messages: ownMessages = [], model: ownModel = model, orq, prompt: _, ...own } = request
  const all: { readonly [name: string]: unknown } = { ...own }
  return {
    ...given(
      { ...parameters },
      (parameter) =>
        !RequestKeys.notForUpstream.has(parameter) && namesOf(parameter).every((name) => all[name] === undefined)
    ),
    ...given(all, () => true),
    ...(orq && { orq: { ...orq, prompt: undefined } }),
    model: ownModel,
    messages: ownMessages.length > 0 ? ownMessages : messages
  }
}

const whole = (request: ChatRequest.ChatRequest, prompt: Prompts.Prompt) =>
  request.model === undefined && prompt.model === undefined
    ? Either.left(RouterError.invalidField("model", "is missing in the request and in the prompt"))
    : ChatRequest.validateWhole(merged(request, prompt))

/** Whether the texts of the request are templates: without variables and without an engine they are sent as they are. */
const isTemplate = (request: ChatRequest.ChatRequest, { variables }: Routing.Routing): boolean =>
  variables !== undefined || request.templateEngine !== undefined

const withPrompt = (
  request: ChatRequest.ChatRequest,
  routing: Routing.Routing,
  prompt: Prompts.Prompt,
  recorder: Route.Recorder
): Effect.Effect<Rendered, Failure> => {
  const { variables = {} } = routing
  recorder.prompt = { id: prompt.id, version: prompt.version, variables: Object.keys(variables) }
  const isOwn = (request.messages ?? []).length > 0
  const engine = request.templateEngine ?? prompt.templateEngine
  return Effect.flatMap(whole(request, prompt), (complete) =>
    Effect.map(
      isOwn && !isTemplate(request, routing)
        ? Effect.succeed(complete.messages)
        : Template.renderMessages(complete.messages, variables, { engine, prompt: isOwn ? undefined : prompt }),
      (messages) => ({ request: complete, routing: ChatRequest.routing(complete), messages })
    ))
}

const withoutPrompt = (
  request: ChatRequest.Whole,
  routing: Routing.Routing
): Effect.Effect<ReadonlyArray<Message>, RouterError.TemplateError> => {
  if (!isTemplate(request, routing)) return Either.right(request.messages)
  const { templateEngine: engine = Template.defaultEngine } = request
  const { variables = {} } = routing
  return engine === "text"
    ? Variables.render(request.messages, variables)
    : Template.renderMessages(request.messages, variables, { engine })
}

/**
 * What is wrong with a request, a prompt or a variable is found here, before any call.
 *
 * @since 0.1.0
 * @category constructors
 */
export const render = (
  input: unknown,
  options: Options
): Effect.Effect<Rendered, Failure | RouterError.DeadlineExceeded> =>
  Effect.flatMap(Either.flatMap(ChatRequest.validate(input), supported), (request) => {
    const routing = ChatRequest.routing(request)
    if (routing.prompt !== undefined) {
      const prompt = lookup(routing.prompt, options)
      return withinDeadline(
        Effect.flatMap(prompt, (prompt) => withPrompt(request, routing, prompt, options.recorder)),
        routing,
        options
      )
    }
    // without a prompt nothing can be missing: this says so to the compiler
    return ChatRequest.isWhole(request)
      ? Effect.map(withoutPrompt(request, routing), (messages) => ({ request, routing, messages }))
      : Effect.fail(noStore())
  })
