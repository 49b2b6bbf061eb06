/**
 * Completions and chunks as strict clients read them: with the members that the published API requires, whatever a provider left out.
 *
 * @since 0.1.0
 */
import type { RoutedChunk, RoutedCompletion } from "../ChatCompletions.js"
import { isObject } from "../internal/wire.js"
import * as ResponseKeys from "../wire/ResponseKeys.js"
import * as Sse from "../wire/Sse.js"
import * as FinishReason from "./FinishReason.js"
import * as Problem from "./Problem.js"

/**
 * What stands in for members that a provider left out.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stated {
  readonly id: string
  /** Seconds since the Unix epoch. */
  readonly created: number
  /** The model that was asked for. */
  readonly model: string
  /** Whether the client wants reports: it is a router then, which reads whatever words a provider has. */
  readonly reports: boolean
}

type Wire = { readonly [member: string]: unknown }

const withHead = (wire: Wire, stated: Stated, object: string): Wire => ({
  id: stated.id,
  object,
  created: stated.created,
  model: stated.model,
  ...wire
})

/** `null` is absent in here, and must be there as `null` out there. */
const withFinishReason = ({ reports }: Stated) => (choice: unknown): unknown => {
  if (!isObject(choice)) {
    return choice
  }
  const { finish_reason = null } = choice
  return reports ? { ...choice, finish_reason } : { ...choice, ...FinishReason.toWire(finish_reason) }
}

const withMessage = (choice: unknown): unknown => {
  if (!isObject(choice) || !isObject(choice.message)) {
    return choice
  }
  const { message } = choice
  return { ...choice, message: { ...message, role: message.role ?? "assistant", content: message.content ?? null } }
}

/**
 * Whether the provider says of a choice that it failed. A client that wants reports is told so by the provider's own word.
 *
 * @since 0.1.0
 * @category predicates
 */
export const hasFailed = (
  { choices }: { readonly choices: ReadonlyArray<{ readonly finishReason?: string | undefined }> },
  { reports }: Stated
): boolean => !reports && choices.some(({ finishReason }) => FinishReason.isFailure(finishReason))

const mapChoices = (wire: Wire, f: (choice: unknown) => unknown): Wire =>
  Array.isArray(wire.choices) ? { ...wire, choices: wire.choices.map(f) } : wire

/**
 * The body of a completion.
 *
 * @since 0.1.0
 * @category encoding
 */
export const completion = ({ route: _, ...completion }: RoutedCompletion, stated: Stated): Wire =>
  mapChoices(
    withHead(ResponseKeys.completionToWire(completion), stated, "chat.completion"),
    (choice) => withFinishReason(stated)(withMessage(choice))
  )

const chunk = ({ route: _, ...chunk }: RoutedChunk, stated: Stated): Wire =>
  mapChoices(withHead(ResponseKeys.chunkToWire(chunk), stated, "chat.completion.chunk"), withFinishReason(stated))

const event = (data: string): string => `data: ${data}\n\n`

const encoder = new TextEncoder()

/** Clients that did not ask for it look at the first choice of every chunk. */
const isUsageOnly = (chunk: RoutedChunk): boolean => chunk.choices.length === 0 && chunk.usage !== undefined

/**
 * Chunks as the bytes of a stream of events. The chunk with the usage only is left out unless it is wanted.
 *
 * @since 0.1.0
 * @category encoding
 */
export const events = (
  chunks: ReadonlyArray<RoutedChunk>,
  stated: Stated,
  withUsage: boolean
): Uint8Array =>
  encoder.encode(
    chunks.filter((one) => withUsage || !isUsageOnly(one))
      .map((one) => event(JSON.stringify(chunk(one, stated))))
      .join("")
  )

/**
 * The end of a stream that is complete.
 *
 * @since 0.1.0
 * @category encoding
 */
export const done: Uint8Array = encoder.encode(event(Sse.done))

/**
 * The end of a stream that broke: nothing follows.
 *
 * @since 0.1.0
 * @category encoding
 */
export const failed = (problem: Problem.Problem, reports: boolean): Uint8Array =>
  encoder.encode(event(JSON.stringify(Problem.toBody(problem, reports))))
