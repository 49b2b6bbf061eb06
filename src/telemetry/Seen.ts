/**
 * What is known of an answer: all at once from a completion, or chunk by chunk from a stream.
 *
 * @since 0.1.0
 */
import type { Chunk } from "../wire/Chunk.js"
import type { Completion, Usage } from "../wire/Completion.js"
import * as Names from "./Names.js"

/**
 * The finish reason of a choice that ended without one, as the conventions call it.
 *
 * @since 0.1.0
 * @category defaults
 */
export const unfinished = "error"

/**
 * It is mutable and belongs to one answer.
 *
 * @since 0.1.0
 * @category models
 */
export class Seen {
  /**
   * @since 0.1.0
   */
  id: string | undefined
  /**
   * @since 0.1.0
   */
  model: string | undefined
  /**
   * @since 0.1.0
   */
  usage: Usage | undefined
  private readonly reasons = new Map<number, string | undefined>()

  /**
   * @since 0.1.0
   */
  addChunk(chunk: Chunk): void {
    this.addHead(chunk)
    for (const { finishReason, index } of chunk.choices) {
      this.reasons.set(index, Names.bounded(finishReason) ?? this.reasons.get(index))
    }
  }

  /**
   * @since 0.1.0
   */
  addCompletion(completion: Completion): void {
    this.addHead(completion)
    for (const { finishReason, index } of completion.choices) {
      this.reasons.set(index, Names.bounded(finishReason))
    }
  }

  /**
   * By choice, in the order of their indices.
   *
   * @since 0.1.0
   */
  get finishReasons(): ReadonlyArray<string> {
    return [...this.reasons].sort(([a], [b]) => a - b).map(([, reason]) => reason ?? unfinished)
  }

  /**
   * Whether at least one choice was seen, and each that was is finished.
   *
   * @since 0.1.0
   */
  get complete(): boolean {
    for (const reason of this.reasons.values()) {
      if (reason === undefined) {
        return false
      }
    }
    return this.reasons.size > 0
  }

  private addHead({ id, model, usage }: Pick<Chunk, "id" | "model" | "usage">): void {
    this.id ??= Names.bounded(id)
    this.model ??= Names.bounded(model)
    this.usage = usage ?? this.usage
  }
}
