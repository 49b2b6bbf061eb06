/**
 * A script as an HTTP server on the loopback interface, for tests over real sockets.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Answer from "./Answer.js"
import type { Call, CallLog, Ledger, RecordedRequest } from "./CallLog.js"
import { Calls, makeLedger } from "./CallLog.js"
import type { Script } from "./Script.js"
import { arrival, dueAtMillis, makePlayer, sleepUntil } from "./Script.js"

/**
 * The largest request body that the server reads, in bytes (10 MiB); larger ones get a 413. Far above any prompt, and
 * small enough to keep a runaway test from filling the memory.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxRequestBytes = 10 * 1024 * 1024

// a reset throws away what the other side has not read yet: the least time it is given to read what was sent before
const lingerMillis = 25

/**
 * A scripted upstream that listens on 127.0.0.1.
 *
 * @since 0.1.0
 * @category models
 */
export interface LoopbackServer extends CallLog {
  /** `http://127.0.0.1:<port>`, without a slash at its end. */
  readonly url: string
  /** The base URL of a provider on this server: `<url>/<provider>/v1`. */
  readonly baseUrl: (provider: string) => string
}

/**
 * The server of `layerServer`.
 *
 * @since 0.1.0
 * @category context
 */
export class Server extends Context.Tag("effect-llm-router/Testing/Server")<Server, LoopbackServer>() {}

/**
 * The server could not listen on 127.0.0.1.
 *
 * @since 0.1.0
 * @category errors
 */
export class ServerError extends Data.TaggedError("ServerError")<{ readonly cause: unknown }> {
  override get message(): string {
    return "the scripted server could not listen on 127.0.0.1"
  }
}

// the sockets live in real time, also in a test whose clock stands still
const realClock = Clock.make()

const tooLarge = Answer.status(413, { code: "request_too_large" })
const scriptFailed = Answer.status(500, { code: "script_failed", message: "the script threw" })

/** The text of the body, or `undefined` when it is too large. */
const readBody = (request: Http.IncomingMessage): Effect.Effect<string | undefined> =>
  Effect.async((resume) => {
    const chunks: Array<Buffer> = []
    let size = 0
    request.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxRequestBytes) chunks.push(chunk)
    })
    // a body that is too large is read to its end all the same: an earlier answer would be lost in the reset
    request.on("end", () => {
      resume(Effect.succeed(size > maxRequestBytes ? undefined : Buffer.concat(chunks).toString("utf8")))
    })
  })

const headersOf = (request: Http.IncomingMessage): Record<string, string> =>
  Object.fromEntries(
    Object.entries(request.headers).map((
      [name, value]
    ) => [name, Array.isArray(value) ? value.join(", ") : value ?? ""])
  )

const sendReply = (
  response: Http.ServerResponse,
  reply: Answer.Reply,
  model: string,
  headersAtMillis: number,
  breaks: () => void
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const chunks = reply.body(model)
    response.writeHead(reply.status, reply.headers)
    // a body in one piece gets its content-length from node
    if (chunks.length <= 1 && reply.end === "complete") {
      response.end(chunks[0])
      return
    }
    response.flushHeaders()
    for (const [index, chunk] of chunks.entries()) {
      yield* sleepUntil(dueAtMillis(reply, headersAtMillis, index))
      response.write(chunk)
    }
    if (reply.end === "complete") response.end()
    if (reply.end === "reset") {
      const now = yield* Clock.currentTimeMillis
      yield* sleepUntil(Math.max(dueAtMillis(reply, headersAtMillis, chunks.length), now + lingerMillis))
      breaks()
    }
  })

const send = (response: Http.ServerResponse, answer: Answer.Answer, call: Call): Effect.Effect<void> => {
  if (answer._tag === "Hang") return Effect.void
  const breaks = () => {
    call.finish()
    response.socket?.resetAndDestroy()
  }
  const headersAtMillis = call.arrival.startedAtMillis + Duration.toMillis(answer.delay)
  return Effect.zipRight(
    sleepUntil(headersAtMillis),
    answer._tag === "Reply"
      ? sendReply(response, answer, call.arrival.model ?? "", headersAtMillis, breaks)
      : Effect.sync(breaks)
  )
}

const handle = (
  request: Http.IncomingMessage,
  response: Http.ServerResponse,
  begin: Ledger["begin"],
  answerTo: (request: RecordedRequest) => Answer.Answer
): Effect.Effect<void> =>
  Effect.gen(function*() {
    const startedAtMillis = yield* Clock.currentTimeMillis
    const body = yield* readBody(request)
    const url = new URL(request.url ?? "/", `http://${request.headers.host ?? "127.0.0.1"}`)
    const { method = "GET" } = request
    const call = begin(
      arrival({ url, method, headers: headersOf(request), body: body ?? "", startedAtMillis }),
      realClock
    )
    response.once("finish", () => call.finish())
    response.once("close", () => call.abort())
    const answer = body === undefined ? Effect.succeed(tooLarge) : Effect.try(() => answerTo(call.request))
    yield* send(response, yield* Effect.orElseSucceed(answer, () => scriptFailed), call)
  })

const listen = (server: Http.Server): Effect.Effect<string, ServerError> =>
  Effect.async((resume) => {
    server.once("error", (cause) => resume(Effect.fail(new ServerError({ cause }))))
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : undefined
      resume(
        port === undefined
          ? Effect.fail(new ServerError({ cause: "no port" }))
          : Effect.succeed(`http://127.0.0.1:${port}`)
      )
    })
  })

const close = (server: Http.Server): Effect.Effect<void> =>
  Effect.async((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

/**
 * Serves a script over HTTP on 127.0.0.1, on a free port, until the scope closes; then all its connections are closed
 * at once.
 *
 * Its delays and gaps are in real time, whatever clock the test has. `awaitCall` and `awaitAborted` tell a test when a
 * request has come and when the other side has closed it, so no test has to sleep. Each chunk of a reply is one write.
 * A reset comes 25 ms after the last chunk or later: sooner, the chunks before it would be lost with the connection.
 *
 * @since 0.1.0
 * @category constructors
 */
export const serve = (script: Script): Effect.Effect<LoopbackServer, ServerError, Scope.Scope> =>
  Effect.gen(function*() {
    const { begin, log } = yield* makeLedger
    const answerTo = makePlayer(script)
    const run = yield* FiberSet.makeRuntime<never>()
    const server = Http.createServer((request, response) => {
      response.socket?.setNoDelay(true)
      const fiber = run(Effect.withClock(handle(request, response, begin, answerTo), realClock))
      response.once("close", () => fiber.unsafeInterruptAsFork(FiberId.none))
    })
    const url = yield* Effect.acquireRelease(listen(server), () => close(server))
    return { ...log, url, baseUrl: (provider) => `${url}/${provider}/v1` }
  })

/**
 * `serve` as a layer: the server, and its log as `Calls`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerServer = (script: Script): Layer.Layer<Server | Calls, ServerError> =>
  Layer.scopedContext(
    Effect.map(serve(script), (server) => Context.make(Server, server).pipe(Context.add(Calls, server)))
  )
