/** What a pick and a call cost as there are more targets: in memory, one after the other. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as ChatCompletions from "../../../src/ChatCompletions.js"
import * as LoadBalancer from "../../../src/policy/LoadBalancer.js"
import * as ResponseCache from "../../../src/policy/ResponseCache.js"
import * as Resilience from "../../../src/Resilience.js"
import type { ChatRequest } from "../../../src/wire/ChatRequest.js"
import { messages } from "../contenders/contender.js"
import { inMemory } from "../contenders/memory.js"
import { providersAt } from "../contenders/router.js"
import { answer } from "../lib/rpc.js"
import * as Answers from "./answers.js"

const base = "http://127.0.0.1:1"

const upTo = <A>(count: number, make: (index: number) => A): Array<A> =>
  Array.from({ length: count }, (_, i) => make(i))

const modelOf = (index: number): string => `p0/model-${index}`

const entriesOf = (targets: number) => upTo(targets, (index) => ({ weight: 1 + index % 7, value: index }))

const routerWith = (providers: number, resilience: Layer.Layer<never>) =>
  ChatCompletions.layer.pipe(
    Layer.provide(resilience),
    Layer.provide([providersAt(base, upTo(providers, (index) => `p${index}`)), ResponseCache.layerMemory()]),
    Layer.provide(inMemory)
  )

const create = (routing: Partial<ChatRequest>, model = modelOf(0)) =>
  Effect.map(ChatCompletions.create({ model, messages: messages("How many?"), ...routing }), (completion) => {
    if (completion.choices[0]?.message.content !== Answers.content) throw new Error("wrong answer")
  })

const without: Layer.Layer<never> = Layer.empty

interface Subject<R> {
  readonly layer: Layer.Layer<R>
  readonly before: Effect.Effect<unknown, unknown, R>
  readonly each: Effect.Effect<unknown, unknown, R>
}

const calls = (
  routing: Partial<ChatRequest>,
  { before = Effect.void, providers = 1, resilience = without }: {
    readonly before?: Effect.Effect<unknown, unknown, ChatCompletions.ChatCompletions>
    readonly providers?: number
    readonly resilience?: Layer.Layer<never>
  } = {}
): Subject<ChatCompletions.ChatCompletions> => ({
  layer: routerWith(providers, resilience),
  before,
  each: create(routing)
})

/** By what there are more of. */
export const subjects = {
  "`LoadBalancer.pick`, made once": (targets: number) => ({
    layer: without,
    before: Effect.void,
    each: LoadBalancer.pick(entriesOf(targets))
  }),
  "`LoadBalancer.pick`, made for each": (targets: number) => {
    const entries = entriesOf(targets)
    return { layer: without, before: Effect.void, each: Effect.suspend(() => LoadBalancer.pick(entries)) }
  },
  "call; idle providers": (targets: number) => calls({}, { providers: targets }),
  "call; idle targets with a breaker and a budget": (targets: number) =>
    calls({}, {
      resilience: Resilience.layer(),
      before: Effect.forEach(upTo(targets, (index) => modelOf(index)), (model) => create({}, model))
    }),
  "call; fallbacks in the request": (targets: number) =>
    calls({ fallbacks: upTo(targets, (index) => ({ model: modelOf(index + 1) })) }),
  "call; fallbacks, with a breaker and a budget": (targets: number) =>
    calls({ fallbacks: upTo(targets, (index) => ({ model: modelOf(index + 1) })) }, { resilience: Resilience.layer() }),
  "call; weighted models in the request": (targets: number) =>
    calls({
      loadBalancer: {
        type: "weight_based",
        models: upTo(targets, (index) => ({ model: modelOf(index), weight: (1 + index % 7) / 10 }))
      }
    })
} as const

export type SubjectName = keyof typeof subjects

interface Wanted {
  readonly name: SubjectName
  readonly targets: number
  /** Milliseconds of CPU. */
  readonly millis: number
}

/** How many are made between two looks at the CPU time. */
const batch = 20

const measure = <R>({ before, each, layer }: Subject<R>, millis: number): Promise<number> => {
  const runtime = ManagedRuntime.make(layer)
  const round = (millis: number) =>
    Effect.gen(function*() {
      let made = 0
      let micros = 0
      const before = process.cpuUsage()
      while (micros < millis * 1000) {
        for (let i = 0; i < batch; i++) yield* each
        made += batch
        const { system, user } = process.cpuUsage(before)
        micros = system + user
      }
      return micros / made
    })
  return runtime.runPromise(Effect.zipRight(before, Effect.zipRight(round(millis), round(millis))))
    .finally(() => runtime.dispose())
}

const handlers = {
  /** Microseconds of CPU for each. */
  measure: ({ millis, name, targets }: Wanted) => {
    const subject: Subject<never> | Subject<ChatCompletions.ChatCompletions> = subjects[name](targets)
    return measure(subject as Subject<ChatCompletions.ChatCompletions>, millis)
  }
}

export type TargetsHandlers = typeof handlers

answer(handlers)
