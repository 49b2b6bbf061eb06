/**
 * A stream as a completion: the chunks put together.
 *
 * - `id`, `model`, `created`, `systemFingerprint`, `serviceTier`: the first that is not empty (Azure's first chunk has empty ones).
 *   `object` is `"chat.completion"`.
 * - `usage`: the last one, never a sum: some providers send the running total with every chunk.
 * - `content`, `refusal`, `reasoning`: the pieces in order. `content` is absent only if none was sent, not even `""`; the other
 *   two are absent when empty. `role`: the first. `finishReason`: the last that is not empty.
 * - `toolCalls`: pieces of one call share an index, an id, or nothing but their order; a call begins with another id, another
 *   name, or with a name where the last call's arguments are complete. The first name of a call counts.
 * - Log probabilities are one list. Of audio, `data` and `transcript` are put together.
 * - Unknown members: the last value that is not null, but arrays of a delta (`reasoning_details`, `images`) are concatenated.
 *   Left out are padding (`obfuscation`, `p`), `rawContent`, and the `message` that Perplexity repeats in every choice.
 *
 * @since 0.1.0
 */
import { addObject, joinedMembers, listsJoined, Members, present, replaced } from "../internal/members.js"
import { ToolCalls } from "../internal/toolCalls.js"
import type { Chunk, ChunkChoice, Delta } from "./Chunk.js"
import type { Choice, Completion, Message, Usage } from "./Completion.js"

/**
 * An accumulator for the chunks of one stream. It is mutable; what it gives is not affected by later chunks.
 *
 * @since 0.1.0
 * @category models
 */
export interface Fold {
  readonly add: (chunk: Chunk) => void
  /** The completion as far as it has come. */
  readonly completion: () => Completion
  /** Whether at least one choice was seen, and every choice seen has a finish reason. */
  readonly complete: boolean
  /** How many chunks were added. */
  readonly chunks: number
}

class MessageFold {
  private role: string | undefined
  private content: string | undefined
  private refusal = ""
  private reasoning = ""
  private audio: Members | undefined
  private functionCall: Members | undefined
  private readonly toolCalls = new ToolCalls()
  private readonly others = new Members(listsJoined)

  add(delta: Delta): void {
    for (const member in delta) {
      switch (member) {
        case "role":
          this.role = this.role || delta.role
          break
        case "content":
          if (delta.content !== undefined) {
            this.content = this.content === undefined ? delta.content : this.content + delta.content
          }
          break
        case "refusal":
          this.refusal += delta.refusal ?? ""
          break
        case "reasoning":
          this.reasoning += delta.reasoning ?? ""
          break
        case "toolCalls":
          for (const piece of delta.toolCalls ?? []) {
            this.toolCalls.add(piece)
          }
          break
        case "audio":
          this.audio = addObject(this.audio, delta.audio, audioText)
          break
        case "function_call":
          this.functionCall = addObject(this.functionCall, delta.function_call, functionCallText)
          break
        case "rawContent":
          break
        default:
          this.others.add(member, delta[member])
      }
    }
  }

  message(): Message {
    return present({
      ...this.others.toObject(),
      role: this.role,
      content: this.content,
      refusal: this.refusal || undefined,
      reasoning: this.reasoning || undefined,
      toolCalls: this.toolCalls.toArray(),
      audio: this.audio?.toObject(),
      function_call: this.functionCall?.toObject()
    })
  }
}

const audioText = joinedMembers("data", "transcript")
const functionCallText = joinedMembers("arguments")

class ChoiceFold {
  finishReason: string | undefined
  private logprobs: Members | undefined
  private otherLogprobs: unknown
  private readonly messageFold = new MessageFold()
  private readonly others = new Members(replaced)

  constructor(readonly index: number) {}

  add(choice: ChunkChoice): void {
    for (const member in choice) {
      switch (member) {
        case "index":
        case "message":
          break
        case "delta":
          this.messageFold.add(choice.delta)
          break
        case "finishReason":
          this.finishReason = choice.finishReason || this.finishReason
          break
        case "logprobs":
          this.logprobs = addObject(this.logprobs, choice.logprobs, listsJoined)
          this.otherLogprobs = choice.logprobs ?? this.otherLogprobs
          break
        default:
          this.others.add(member, choice[member])
      }
    }
  }

  choice(): Choice {
    return present({
      ...this.others.toObject(),
      index: this.index,
      message: this.messageFold.message(),
      finishReason: this.finishReason,
      // A few providers send a bare number.
      logprobs: this.logprobs === undefined ? this.otherLogprobs : this.logprobs.toObject()
    })
  }
}

class ChunkFold implements Fold {
  chunks = 0
  private id: string | undefined
  private model: string | undefined
  private created: number | undefined
  private systemFingerprint: string | undefined
  private serviceTier: string | undefined
  private usage: Usage | undefined
  private readonly choices = new Map<number, ChoiceFold>()
  private readonly others = new Members(replaced)

  readonly add = (chunk: Chunk): void => {
    this.chunks++
    for (const member in chunk) {
      switch (member) {
        case "object":
        case "obfuscation":
        case "p":
          break
        case "id":
          this.id = this.id || chunk.id
          break
        case "model":
          this.model = this.model || chunk.model
          break
        case "created":
          this.created = this.created || chunk.created
          break
        case "systemFingerprint":
          this.systemFingerprint = this.systemFingerprint || chunk.systemFingerprint
          break
        case "serviceTier":
          this.serviceTier = this.serviceTier || chunk.serviceTier
          break
        case "usage":
          this.usage = chunk.usage ?? this.usage
          break
        case "choices":
          this.addChoices(chunk.choices)
          break
        default:
          this.others.add(member, chunk[member])
      }
    }
  }

  private addChoices(choices: ReadonlyArray<ChunkChoice>): void {
    for (const choice of choices) {
      let fold = this.choices.get(choice.index)
      if (fold === undefined) {
        fold = new ChoiceFold(choice.index)
        this.choices.set(choice.index, fold)
      }
      fold.add(choice)
    }
  }

  readonly completion = (): Completion =>
    present({
      ...this.others.toObject(),
      id: this.id || undefined,
      object: "chat.completion",
      created: this.created || undefined,
      model: this.model || undefined,
      choices: Array.from(this.choices.values(), (fold) => fold.choice()).sort((a, b) => a.index - b.index),
      usage: this.usage,
      systemFingerprint: this.systemFingerprint || undefined,
      serviceTier: this.serviceTier || undefined
    })

  get complete(): boolean {
    for (const choice of this.choices.values()) {
      if (choice.finishReason === undefined) {
        return false
      }
    }
    return this.choices.size > 0
  }
}

/**
 * An accumulator that has seen nothing yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Fold => new ChunkFold()
