/** One call of a simulation, and what its caller is promised. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as ChatCompletions from "../../src/ChatCompletions.js"
import type * as Route from "../../src/Route.js"
import * as RouterError from "../../src/RouterError.js"
import type { ChatRequest } from "../../src/wire/ChatRequest.js"
import type { Monitor } from "./simulation-monitor.js"
import type { Call, Scenario } from "./simulation-scenario.js"
import { nameOf } from "./simulation-upstream.js"

/** Longer than any call takes whose clocks work, in hours: its attempts, waits, queues, and a consumer that is busy. */
const patience = "6 hours"

const requestOf = (scenario: Scenario, key: string): ChatRequest => {
  const [first, ...others] = scenario.heads
  return {
    model: nameOf(first!.target),
    messages: [{ role: "user", content: key }],
    timeout: scenario.timeout,
    commit: scenario.commit,
    fallbacks: scenario.fallbacks.map((target) => ({ model: nameOf(target) })),
    ...(others.length > 0 && {
      loadBalancer: {
        type: "weight_based",
        models: scenario.heads.map(({ target, weight }) => ({ model: nameOf(target), weight }))
      }
    }),
    ...(scenario.retries > 0 && { retry: { count: scenario.retries } }),
    ...(scenario.cache && { cache: { type: "exact_match", ...scenario.cache } })
  }
}

/** What a caller has, and from where. */
interface Answer {
  readonly text: string
  readonly route: Route.Route | undefined
  readonly isWhole: boolean
}

/** L56: nobody has a text but one that a target sent as the answer to this very call, from its start. */
const isFrom = (monitor: Monitor, key: string, { isWhole, route, text }: Answer): boolean =>
  text === "" && !isWhole ||
  monitor.of(key).some((exchange) =>
    (isWhole ? exchange.isWhole && exchange.text === text : exchange.text.startsWith(text)) &&
    (route?.served === exchange.target || route?.cache !== "off")
  )

const create = (request: ChatRequest) =>
  Effect.map(ChatCompletions.create(request), ({ choices, route }): Answer => ({
    text: choices[0]?.message.content ?? "",
    route,
    isWhole: true
  }))

const stream = (monitor: Monitor, request: ChatRequest, key: string, call: Call) =>
  Effect.suspend(() => {
    let text = ""
    let route: Route.Route | undefined
    let chunks = 0
    const consume = Stream.runForEachWhile(ChatCompletions.stream(request), (chunk) => {
      text += chunk.choices[0]?.delta.content ?? ""
      route = chunk.route
      const answer = { text, route, isWhole: false }
      monitor.check("L56", isFrom(monitor, key, answer), () => [key, answer])
      return Effect.as(Effect.sleep(call.busyMillis), ++chunks !== call.takes)
    })
    return consume.pipe(
      Effect.map((): Answer => ({ text, route, isWhole: chunks !== call.takes })),
      Effect.tapError((error) =>
        Effect.sync(() => {
          const partial = error._tag === "StreamInterrupted"
            ? Redacted.value(error.partial).choices[0]?.message.content ?? ""
            : ""
          monitor.check("an error has the text that was delivered", partial === text, () => [key, partial, text])
        })
      )
    )
  })

/** The attempts of the route are the requests that the targets saw. */
const checkRoute = (monitor: Monitor, key: string, route: Route.Route | undefined): void => {
  const seen = monitor.of(key).map(({ target }) => target)
  const noted = route?.attempts.map(({ target }) => target)
  if (!key.startsWith("shared")) {
    monitor.check("the route is what happened", seen.join() === noted?.join(), () => ({ key, seen, noted }))
  } else if (route?.cache === "hit") {
    monitor.check("L37", noted?.length === 0, () => ({ key, noted }))
  }
}

const countFailure = (monitor: Monitor, error: RouterError.RouterError): void => {
  monitor.count(error._tag)
  for (const failure of error._tag === "AllTargetsFailed" ? error.failures : [error]) {
    if ("retryBudgetExhausted" in failure && failure.retryBudgetExhausted === true) {
      monitor.count("retry budget exhausted")
    }
  }
}

const checkExit = (
  monitor: Monitor,
  key: string,
  exit: Exit.Exit<Answer, RouterError.RouterError>,
  mayLeave: boolean
): void => {
  if (Exit.isSuccess(exit)) {
    monitor.count(`cache ${exit.value.route?.cache ?? "unknown"}`)
    monitor.check("L56", isFrom(monitor, key, exit.value), () => [key, exit.value])
    if (exit.value.route !== undefined) {
      checkRoute(monitor, key, exit.value.route)
    }
    return
  }
  const { cause } = exit
  if (Cause.isInterruptedOnly(cause)) {
    monitor.count("interrupted")
    monitor.check("nobody is interrupted who does not leave", mayLeave, () => key)
    return
  }
  monitor.check(
    "no defects",
    Cause.isFailType(cause) && RouterError.isRouterError(cause.error),
    () => [key, Cause.pretty(cause)]
  )
  if (Cause.isFailType(cause)) {
    countFailure(monitor, cause.error)
    checkRoute(monitor, key, cause.error.route)
  }
}

/** The callers that there are. */
export type Callers = Map<Fiber.RuntimeFiber<unknown, unknown>, string>

/** All of them leave. Between two of them others may come to run, whom the first one has made way for. */
export const leaveAll = (monitor: Monitor, callers: Callers): Effect.Effect<void> =>
  Effect.flatMap(Random.shuffle(callers), (order) =>
    Effect.forEach(order, ([fiber, key]) => {
      monitor.leaves(key)
      return Effect.zipRight(
        Fiber.interruptFork(fiber),
        Effect.flatMap(Random.nextIntBetween(0, 20), (turns) => Effect.repeatN(Effect.yieldNow(), turns))
      )
    }, { discard: true }))

/** Makes the call, and looks at how it ended. */
export const run = (
  scenario: Scenario,
  monitor: Monitor,
  callers: Callers,
  call: Call,
  index: number
): Effect.Effect<void, never, ChatCompletions.ChatCompletions> =>
  Effect.gen(function*() {
    const isShared = scenario.cache !== undefined && call.prompt !== undefined
    const key = isShared ? `shared ${call.prompt}` : `call ${index}`
    const request = requestOf(scenario, key)
    const start = yield* Clock.currentTimeMillis
    yield* monitor.begins(key)
    const fiber = yield* Effect.fork(
      call.kind === "create" ? create(request) : stream(monitor, request, key, call)
    )
    callers.set(fiber, key)
    if (call.leavesAfterMillis !== undefined) {
      const leave = Effect.zipRight(Effect.sync(() => monitor.leaves(key)), Fiber.interrupt(fiber))
      yield* Effect.fork(Effect.delay(leave, call.leavesAfterMillis))
    }
    const exit = yield* Effect.timeoutOption(Fiber.await(fiber), patience)
    monitor.check("every call ends", exit._tag === "Some", () => key)
    if (exit._tag === "None") {
      return yield* Fiber.interrupt(fiber)
    }
    callers.delete(fiber)
    monitor.ends(key)
    checkExit(monitor, key, exit.value, call.leavesAfterMillis !== undefined || scenario.shutdowns.length > 0)
    const millis = (yield* Clock.currentTimeMillis) - start
    const { totalTimeout = Infinity } = scenario.timeout
    monitor.check("L16", call.kind === "stream" || millis <= totalTimeout, () => ({ key, millis }))
  })
