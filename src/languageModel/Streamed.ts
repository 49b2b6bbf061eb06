/**
 * From the chunks of a streamed completion to the parts of a streamed response.
 *
 * @since 0.1.0
 */
import type * as AiError from "@effect/ai/AiError"
import * as IdGenerator from "@effect/ai/IdGenerator"
import type * as Response from "@effect/ai/Response"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import type { RoutedChunk, RoutedCompletion } from "../ChatCompletions.js"
import { ToolCalls } from "../internal/toolCalls.js"
import * as Route from "../Route.js"
import type { ChunkChoice, Delta, ToolCallDelta } from "../wire/Chunk.js"
import * as Fold from "../wire/Fold.js"
import * as Parts from "./Parts.js"

type Part = Response.StreamPartEncoded

interface Text {
  readonly kind: "text" | "reasoning"
  readonly id: string
}

/** The parts of one stream. Text and reasoning are one after the other; a tool call may come in pieces among those of others. */
class Assembly {
  private readonly fold = Fold.make()
  private readonly toolCalls = new ToolCalls()
  /** The calls in order, with their ids; one that has no name yet has none. */
  private readonly announced = new Map<object, string | undefined>()
  private readonly taken = new Set<string>()
  private open: Text | undefined
  private signature: string | undefined
  private choice: number | undefined
  private route: Route.Route = Route.empty
  private hasMetadata = false
  private ids = 0

  constructor(private readonly prefix: string) {}

  add(chunk: RoutedChunk): Array<Part> {
    const { route, ...bare } = chunk
    this.route = route
    this.fold.add(bare)
    const out: Array<Part> = []
    if (!this.hasMetadata && (chunk.id || chunk.model)) {
      this.hasMetadata = true
      out.push(Parts.responseMetadata(chunk))
    }
    for (const choice of chunk.choices) {
      this.choice ??= choice.index
      if (choice.index === this.choice) {
        this.addChoice(choice, out)
      }
    }
    return out
  }

  /** A call is given out only now: until the answer is complete, nobody is to act on it. */
  end(): Either.Either<
    { readonly parts: Array<Part>; readonly completion: RoutedCompletion },
    AiError.MalformedOutput
  > {
    const completion = { ...this.fold.completion(), route: this.route }
    const choice = completion.choices.find(({ index }) => index === this.choice) ?? { index: 0, message: {} }
    const ids = Array.from(this.announced.values())
    return Either.map(Parts.toolCalls(choice, ids, { method: "streamText", completion }), (calls) => {
      const parts: Array<Part> = []
      this.close(parts)
      for (const call of calls) {
        parts.push({ type: "tool-params-end", id: call.id }, call)
      }
      parts.push(Parts.finish(completion, choice, this.route))
      return { parts, completion }
    })
  }

  private addChoice({ delta }: ChunkChoice, out: Array<Part>): void {
    this.addText("reasoning", delta.reasoning, out)
    this.signature = Parts.textMember(delta, "reasoning_signature") ?? this.signature
    this.addText("text", delta.content, out)
    this.addToolCalls(delta, out)
  }

  private addText(kind: Text["kind"], delta: string | undefined, out: Array<Part>): void {
    if (delta === undefined || delta === "") return
    if (this.open?.kind !== kind) {
      this.close(out)
      this.open = { kind, id: this.nextId() }
      out.push({ type: `${kind}-start`, id: this.open.id })
    }
    out.push({ type: `${kind}-delta`, id: this.open.id, delta })
  }

  private close(out: Array<Part>): void {
    if (this.open === undefined) return
    const { id, kind } = this.open
    const signature = kind === "reasoning" ? this.signature : undefined
    out.push({ type: `${kind}-end`, id, ...(signature !== undefined && { metadata: { router: { signature } } }) })
    this.open = undefined
  }

  private addToolCalls({ toolCalls = [] }: Delta, out: Array<Part>): void {
    for (const piece of toolCalls) {
      this.addToolCall(piece, out)
    }
  }

  /** A call is announced with its name; what came of its arguments before is told then. */
  private addToolCall(piece: ToolCallDelta, out: Array<Part>): void {
    const call = this.toolCalls.add(piece)
    const known = this.announced.get(call)
    if (known !== undefined) {
      this.addArguments(known, piece.function?.arguments, out)
      return
    }
    const { function: called, id: given } = call.toToolCall()
    // its place among the calls is that of its first piece
    this.announced.set(call, undefined)
    if (called === undefined || called.name === "") return
    // two calls may have one id, and what each gives back has to be told apart
    const id = given === undefined || this.taken.has(given) ? this.nextId() : given
    this.taken.add(id)
    this.announced.set(call, id)
    out.push({ type: "tool-params-start", id, name: called.name })
    this.addArguments(id, called.arguments, out)
  }

  private addArguments(id: string, delta: string | undefined, out: Array<Part>): void {
    if (delta !== undefined && delta !== "") {
      out.push({ type: "tool-params-delta", id, delta })
    }
  }

  private nextId(): string {
    return `${this.prefix}_${this.ids++}`
  }
}

/**
 * The parts of a stream. It fails where the chunks do, and then gives out no tool call and no finish part. `onComplete` is told of the whole
 * answer.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parts = <E>(
  chunks: Stream.Stream<RoutedChunk, E>,
  onComplete: (completion: RoutedCompletion) => void
): Stream.Stream<Part, E | AiError.MalformedOutput, IdGenerator.IdGenerator> =>
  Stream.suspend(() => {
    let assembly: Assembly | undefined
    // With the first chunk, not before: an id takes numbers of `Random`, and the load balancer is to have the first.
    const assembled = Effect.suspend(() =>
      assembly === undefined
        ? Effect.map(
          Effect.flatMap(IdGenerator.IdGenerator, (ids) => ids.generateId()),
          (prefix) => assembly = new Assembly(prefix)
        )
        : Effect.succeed(assembly)
    )
    return Stream.concat(
      Stream.mapChunksEffect(chunks, (chunk) =>
        Effect.map(assembled, (assembly) =>
          Chunk.flatMap(chunk, (one) => Chunk.unsafeFromArray(assembly.add(one))))),
      Stream.unwrap(Effect.flatMap(assembled, (assembly) =>
        Effect.map(assembly.end(), ({ completion, parts }) => {
          onComplete(completion)
          return Stream.fromIterable(parts)
        })))
    )
  })
