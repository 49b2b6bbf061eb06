import type { ToolCallDelta } from "../wire/Chunk.js"
import type { ToolCall } from "../wire/Completion.js"
import { addObject, joinedMembers, Members, present, replaced } from "./members.js"

const quote = 34
const openBracket = 91
const backslash = 92
const closeBracket = 93
const openBrace = 123
const closeBrace = 125

/** Follows the nesting of a JSON text that comes in pieces: parsing what there is after each piece would take quadratic time. */
class Nesting {
  /** Whether the object or array that the text began with is closed. */
  closed = false
  private depth = 0
  private inString = false
  private escaped = false

  add(text: string): void {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (this.inString) {
        this.inString = this.escaped || code !== quote
        this.escaped = !this.escaped && code === backslash
      } else if (code === quote) {
        this.inString = true
      } else if (code === openBrace || code === openBracket) {
        this.depth++
      } else if (code === closeBrace || code === closeBracket) {
        this.depth--
        this.closed = this.depth === 0
      }
    }
  }
}

const customText = joinedMembers("input")

class Call {
  id: string | undefined
  name: string | undefined
  readonly nesting = new Nesting()
  private type: string | undefined
  private hasFunction = false
  private argumentsText = ""
  private custom: Members | undefined
  // Made when they are needed: a hostile stream may begin a call with each of its events.
  private functionOthers: Members | undefined
  private others: Members | undefined

  add(piece: ToolCallDelta): void {
    for (const member in piece) {
      switch (member) {
        case "index":
          break
        case "id":
          this.id = this.id || piece.id
          break
        case "type":
          this.type = this.type || piece.type
          break
        case "function":
          this.addFunction(piece.function ?? {})
          break
        case "custom":
          this.custom = addObject(this.custom, piece.custom, customText)
          break
        default:
          this.others ??= new Members(replaced)
          this.others.add(member, piece[member])
      }
    }
  }

  private addFunction(piece: NonNullable<ToolCallDelta["function"]>): void {
    this.hasFunction = true
    for (const member in piece) {
      switch (member) {
        case "name":
          this.name = this.name || piece.name
          break
        case "arguments":
          this.argumentsText += piece.arguments ?? ""
          this.nesting.add(piece.arguments ?? "")
          break
        default:
          this.functionOthers ??= new Members(replaced)
          this.functionOthers.add(member, piece[member])
      }
    }
  }

  toToolCall(): ToolCall {
    return present({
      ...this.others?.toObject(),
      id: this.id || undefined,
      type: this.type || "function",
      function: this.hasFunction
        ? { ...this.functionOthers?.toObject(), name: this.name ?? "", arguments: this.argumentsText }
        : undefined,
      custom: this.custom?.toObject()
    })
  }
}

const key = (index: number | undefined, id: string): string => `${index ?? ""}#${id}`

/**
 * Two whole calls under one index (Gemini, Cerebras) differ in their ids; where there are none, a name tells them apart that is
 * another one, or that comes when the arguments are complete.
 */
const isAnother = (call: Call, piece: ToolCallDelta): boolean => {
  if (piece.id && call.id) {
    return piece.id !== call.id
  }
  const name = piece.function?.name
  return !!name && (!!call.name && name !== call.name || call.nesting.closed)
}

/**
 * The tool calls of a choice, put together from their pieces, in the order in which they began.
 *
 * A piece belongs to the call with its id or, without one, to the last call under its index (or to the last call, without an
 * index), unless it begins another one. A call's name is the first that is not empty.
 *
 * @internal
 */
export class ToolCalls {
  private readonly calls: Array<Call> = []
  private readonly byIndex = new Map<number, Call>()
  private readonly byId = new Map<string, Call>()
  private last: Call | undefined

  /** Gives the call that the piece belongs to. */
  add(piece: ToolCallDelta): Call {
    const call = this.find(piece) ?? this.begin()
    call.add(piece)
    this.last = call
    if (piece.index !== undefined) {
      this.byIndex.set(piece.index, call)
    }
    if (piece.id) {
      this.byId.set(key(piece.index, piece.id), call)
      this.byId.set(key(undefined, piece.id), call)
    }
    return call
  }

  private find(piece: ToolCallDelta): Call | undefined {
    const known = piece.id ? this.byId.get(key(piece.index, piece.id)) : undefined
    if (known !== undefined) {
      return known
    }
    const last = piece.index === undefined ? this.last : this.byIndex.get(piece.index)
    return last === undefined || isAnother(last, piece) ? undefined : last
  }

  private begin(): Call {
    const call = new Call()
    this.calls.push(call)
    return call
  }

  toArray(): ReadonlyArray<ToolCall> | undefined {
    return this.calls.length === 0 ? undefined : this.calls.map((call) => call.toToolCall())
  }
}
