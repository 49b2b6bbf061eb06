/**
 * One event of a streamed chat completion: camelCase, null is absent, every enum open, unknown members kept.
 *
 * @since 0.1.0
 */
import type { Usage } from "./Completion.js"

/**
 * A piece of a tool call. Pieces with one `index` belong together; the `arguments` of all pieces are one JSON text.
 *
 * @since 0.1.0
 * @category models
 */
export interface ToolCallDelta {
  readonly index: number
  readonly id?: string | undefined
  readonly type?: string | undefined
  readonly function?: {
    readonly name?: string | undefined
    readonly arguments?: string | undefined
    readonly [member: string]: unknown
  } | undefined
  readonly [member: string]: unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Delta {
  readonly role?: string | undefined
  readonly content?: string | undefined
  readonly refusal?: string | undefined
  readonly reasoning?: string | undefined
  readonly toolCalls?: ReadonlyArray<ToolCallDelta> | undefined
  readonly audio?: unknown
  readonly [member: string]: unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export interface ChunkChoice {
  readonly index: number
  readonly delta: Delta
  readonly finishReason?: string | undefined
  readonly logprobs?: unknown
  readonly [member: string]: unknown
}

/**
 * @since 0.1.0
 * @category models
 */
export interface Chunk {
  readonly id?: string | undefined
  readonly object?: string | undefined
  readonly created?: number | undefined
  readonly model?: string | undefined
  readonly choices: ReadonlyArray<ChunkChoice>
  readonly usage?: Usage | undefined
  readonly [member: string]: unknown
}
