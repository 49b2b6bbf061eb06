/**
 * A chat completion over HTTP: from the request of a client to the answer, as JSON or as events.
 *
 * @since 0.1.0
 */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as ChatCompletions from "../ChatCompletions.js"
import * as ChatRequest from "../wire/ChatRequest.js"
import * as RouterReport from "../wire/RouterReport.js"
import type * as Access from "./Access.js"
import * as Answer from "./Answer.js"
import * as Body from "./Body.js"
import type * as Gate from "./Gate.js"
import type * as Handler from "./Handler.js"
import * as Problem from "./Problem.js"
import * as Reply from "./Reply.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface Door {
  readonly router: ChatCompletions.Service
  readonly gate: Gate.Gate
  readonly access: Access.Access
  /** The largest body that is read. */
  readonly maxBodyBytes: number
}

/** Whoever the answer is for waits no longer than it says here, in milliseconds. */
const timeoutHeader = "x-request-timeout-ms"

/** The longest wait that a timer can be set to, in milliseconds: some 24 days. */
const maxTimeoutMillis = 2 ** 31 - 1

/** The request, with the time that its client has for it as its deadline: its own may be shorter, never longer. */
const withClientsTime = (
  request: ChatRequest.ChatRequest,
  given: string | undefined
): Effect.Effect<ChatRequest.ChatRequest, Problem.Problem> => {
  if (given === undefined) {
    return Effect.succeed(request)
  }
  const millis = Number(given)
  if (!/^\d{1,10}$/.test(given) || millis < 1 || millis > maxTimeoutMillis) {
    return Effect.fail(
      Problem.make(400, `${timeoutHeader}: expected a whole number of milliseconds from 1 to ${maxTimeoutMillis}`, {
        code: "invalid_header"
      })
    )
  }
  const { timeout } = ChatRequest.routing(request)
  const totalTimeout = Math.min(millis, timeout?.totalTimeout ?? Infinity)
  return Effect.succeed({ ...request, timeout: { ...timeout, totalTimeout } })
}

const callOf = (request: ChatRequest.ChatRequest, id: string, reports: boolean): Effect.Effect<Answer.Stated> =>
  Effect.map(Clock.currentTimeMillis, (millis) => ({
    reports,
    id: `chatcmpl-${id}`,
    created: Math.floor(millis / 1000),
    model: request.model ?? ""
  }))

const whole = (router: ChatCompletions.Service, request: ChatRequest.ChatRequest, call: Answer.Stated) =>
  Effect.flatMap(
    Effect.mapError(router.create(request), Problem.ofRouterError),
    (completion) =>
      Answer.hasFailed(completion, call)
        ? Effect.fail(Problem.brokenAnswer(completion.route))
        : Effect.succeed(
          Reply.json(200, Answer.completion(completion, call), Reply.routeHeaders(completion.route, call.reports))
        )
  )

const eventHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  // nginx would hold the events back
  "x-accel-buffering": "no"
}

/** What cannot happen is told to the client by its class only, and to the operator in full. */
const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.logError("the gateway failed to answer a request", cause)

/** The last event of a stream that breaks. A client that left hears nothing any more. */
const ending = (reports: boolean) => (cause: Cause.Cause<Problem.Problem>): Stream.Stream<Uint8Array> => {
  if (Cause.isInterruptedOnly(cause)) {
    return Stream.fromEffect(Effect.interrupt)
  }
  const problem = Cause.failureOption(cause)
  return Option.isSome(problem)
    ? Stream.succeed(Answer.failed(problem.value, reports))
    : Stream.unwrap(Effect.as(report(cause), Stream.succeed(Answer.failed(Problem.internal, reports))))
}

type Chunks = Chunk.Chunk<ChatCompletions.RoutedChunk>

/** The chunks up to the one that says that the answer failed, and the problem then. */
const untilFailure = (chunks: Chunks, call: Answer.Stated): readonly [before: Chunks, problem?: Problem.Problem] => {
  const [before, after] = Chunk.splitWhere(chunks, (chunk) => Answer.hasFailed(chunk, call))
  const failed = Chunk.head(after)
  return Option.isSome(failed) ? [before, Problem.brokenAnswer(failed.value.route)] : [before]
}

/**
 * The status of a stream is known with its first chunks. The chunks after it are asked for one batch at a time, when the socket has taken
 * what was there before.
 */
const streamed = (
  { gate, router }: Door,
  request: ChatRequest.ChatRequest,
  call: Answer.Stated,
  passage: Gate.Passage
): Effect.Effect<HttpServerResponse.HttpServerResponse, Problem.Problem, Scope.Scope> =>
  Effect.gen(function*() {
    const pull = yield* Stream.toPull(router.stream(request))
    const next: typeof pull = Effect.flatMap(pull, (chunks) => Chunk.isEmpty(chunks) ? next : Effect.succeed(chunks))
    const first = yield* Effect.catchAll(
      next,
      Option.match({
        onNone: (): Effect.Effect<Chunks> => Effect.succeed(Chunk.empty()),
        onSome: (error) => Effect.fail(Problem.ofRouterError(error))
      })
    )
    const [, early] = untilFailure(first, call)
    if (early !== undefined) {
      return yield* Effect.fail(early)
    }
    passage.streaming = true
    // a router takes what there is, as it does from a provider
    const withUsage = request.streamOptions?.includeUsage === true || call.reports
    let failure: Problem.Problem | undefined
    const more = Stream.repeatEffectChunkOption(Effect.suspend(() => {
      const over = gate.isOver() ? Problem.shuttingDown : failure
      return over === undefined
        ? Effect.mapBoth(pull, {
          onFailure: Option.map(Problem.ofRouterError),
          onSuccess: (chunks) => {
            const [before, problem] = untilFailure(chunks, call)
            failure = problem
            return before
          }
        })
        : Effect.fail(Option.some(over))
    }))
    const body = Stream.fromChunk(first).pipe(
      Stream.concat(Chunk.isEmpty(first) ? Stream.empty : more),
      Stream.mapChunks((chunks) => Chunk.of(Answer.events(Chunk.toReadonlyArray(chunks), call, withUsage))),
      Stream.concat(Stream.succeed(Answer.done)),
      Stream.catchAllCause(ending(call.reports))
    )
    const [head] = first
    const routeHeaders = Reply.routeHeaders(head?.route, call.reports)
    return HttpServerResponse.stream(body, { headers: { ...eventHeaders, ...routeHeaders } })
  })

const answer = (
  door: Door,
  request: HttpServerRequest.HttpServerRequest,
  id: string,
  reports: boolean
): Effect.Effect<HttpServerResponse.HttpServerResponse, Problem.Problem, Scope.Scope> =>
  Effect.gen(function*() {
    const refused = door.access(request)
    if (refused !== undefined) {
      return yield* Effect.fail(refused)
    }
    const passage = yield* door.gate.enter
    yield* Body.checkType(request)
    const body = yield* Body.chatRequest(request, door.maxBodyBytes)
    const chat = yield* withClientsTime(body, request.headers[timeoutHeader])
    const call = yield* callOf(chat, id, reports)
    return yield* chat.stream === true ? streamed(door, chat, call, passage) : whole(door.router, chat, call)
  })

/** An interruption is of the client, who hears nothing any more, or of the gate, and then the client is told. */
const onCause = (gate: Gate.Gate, reports: boolean) => (cause: Cause.Cause<Problem.Problem>) => {
  const problem = Cause.failureOption(cause)
  if (Option.isSome(problem)) {
    return Effect.succeed(Reply.problem(problem.value, reports))
  }
  if (Cause.isInterruptedOnly(cause)) {
    return gate.isOver() ? Effect.succeed(Reply.farewell) : Effect.interrupt
  }
  return Effect.as(report(cause), Reply.problem(Problem.internal))
}

/**
 * The handler of a request. It is to be run where it cannot be interrupted, which only its work can be: so that it can answer all the same.
 *
 * @since 0.1.0
 * @category constructors
 */
export const handler = (door: Door): Handler.Handler => (request, id) => {
  const reports = request.headers[RouterReport.requestHeader] !== undefined
  return Effect.interruptible(answer(door, request, id, reports)).pipe(
    Effect.catchAllCause(onCause(door.gate, reports)),
    Effect.map((response) =>
      door.gate.isClosing() ? HttpServerResponse.setHeader(response, "connection", "close") : response
    )
  )
}
