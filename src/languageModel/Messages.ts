/**
 * From a prompt of `@effect/ai` to the messages of a chat request.
 *
 * @since 0.1.0
 */
import type * as AiError from "@effect/ai/AiError"
import type * as Prompt from "@effect/ai/Prompt"
import * as Either from "effect/Either"
import * as Encoding from "effect/Encoding"
import { jsonText } from "../internal/wire.js"
import type * as Messages from "../wire/Messages.js"
import * as Failure from "./Failure.js"

type Result<A> = Either.Either<A, AiError.MalformedInput>

type AssistantMessage = typeof Messages.AssistantMessage.Type
type TextPart = typeof Messages.TextPart.Type
type ToolCall = typeof Messages.ToolCall.Type
type ToolMessage = typeof Messages.ToolMessage.Type

const malformed = (description: string) => Failure.malformedInput("prepareMessages", description)

/** What a handler gave that has no value (`Schema.Void`) is `null`, because a message has to have a content. */
const toJson = (value: unknown, where: string): Result<string> =>
  Either.fromNullable(
    value === undefined ? "null" : jsonText(value),
    () => malformed(`${where} cannot be written as JSON`)
  )

// Files

/** What a text says that begins with a scheme: an address, or data with its own media type. Base64 has no colon. */
const isUrl = (text: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(text)

type Source = { readonly url: string } | { readonly base64: string }

const sourceOf = ({ data }: Prompt.FilePart): Source => {
  if (data instanceof Uint8Array) return { base64: Encoding.encodeBase64(data) }
  const text = typeof data === "string" ? data : data.href
  return isUrl(text) ? { url: text } : { base64: text }
}

const toUrl = (source: Source, mediaType: string): string =>
  "url" in source ? source.url : `data:${mediaType};base64,${source.base64}`

/** `audio/mpeg` is what everybody else calls mp3. */
const audioFormats: Readonly<Record<string, string>> = { mpeg: "mp3", "x-wav": "wav", wave: "wav" }

const subtypeOf = (mediaType: string): string => mediaType.slice(mediaType.indexOf("/") + 1).split(";")[0]!.trim()

const audioPart = (source: Source, mediaType: string, where: string): Result<Messages.UserPart> => {
  const data = "base64" in source ? source.base64 : /^data:[^,]*;base64,(.*)$/is.exec(source.url)?.[1]
  const subtype = subtypeOf(mediaType)
  return data === undefined
    ? Either.left(malformed(`${where}: audio has to be given as data, not by its address`))
    : Either.right({ type: "input_audio", inputAudio: { data, format: audioFormats[subtype] ?? subtype } })
}

/** A document by its address is for those that fetch it themselves; they have to be told what it is. */
const documentPart = (source: Source, part: Prompt.FilePart, position: number): Messages.UserPart => {
  const { fileName: filename, mediaType } = part
  return "url" in source && !/^data:/i.test(source.url)
    ? { type: "file", file: { uri: source.url, mimeType: mediaType, filename } }
    : {
      type: "file",
      file: { fileData: toUrl(source, mediaType), filename: filename ?? `part-${position}.${subtypeOf(mediaType)}` }
    }
}

const filePart = (part: Prompt.FilePart, where: string, position: number): Result<Messages.UserPart> => {
  const source = sourceOf(part)
  const mediaType = part.mediaType.toLowerCase()
  if (mediaType.startsWith("image/")) {
    const url = toUrl(source, mediaType === "image/*" ? "image/jpeg" : mediaType)
    return Either.right({ type: "image_url", imageUrl: { url, detail: part.options.router?.imageDetail } })
  }
  return mediaType.startsWith("audio/")
    ? audioPart(source, mediaType, where)
    : Either.right(documentPart(source, part, position))
}

// Messages

const textPart = (text: string, cacheControl: TextPart["cacheControl"]): TextPart => ({
  type: "text",
  text,
  cacheControl
})

const systemMessage = ({ content, options }: Prompt.SystemMessage): Messages.Message => {
  const cacheControl = options.router?.cacheControl
  return { role: "system", content: cacheControl === undefined ? content : [textPart(content, cacheControl)] }
}

/** A single text is sent as one: not every provider takes parts. */
const userMessage = (message: Prompt.UserMessage, where: string): Result<Messages.Message> =>
  Either.map(
    Either.all(message.content.map((part, position): Result<Messages.UserPart> =>
      part.type === "text"
        ? Either.right(textPart(part.text, part.options.router?.cacheControl))
        : filePart(part, `${where}[${position}]`, position)
    )),
    (content) => {
      const [first] = content
      return {
        role: "user",
        content: content.length === 1 && first?.type === "text" && first.cacheControl === undefined
          ? first.text
          : content
      }
    }
  )

const toolCall = ({ id, name, options, params }: Prompt.ToolCallPart, where: string): Result<ToolCall> =>
  Either.map(toJson(params ?? {}, `${where}: the parameters of the tool "${name}"`), (json) => ({
    id,
    type: "function",
    function: { name, arguments: json },
    thoughtSignature: options.router?.thoughtSignature
  }))

/** A text is sent as it is, without quotes around it. */
const toolMessage = ({ id, name, result }: Prompt.ToolResultPart, where: string): Result<ToolMessage> =>
  Either.map(
    typeof result === "string" ? Either.right(result) : toJson(result, `${where}: the result of the tool "${name}"`),
    (content) => ({ role: "tool", content, toolCallId: id })
  )

/** Reasoning that was signed has to be sent back as the part that it was, or the provider refuses it. */
const contentOf = (
  text: string,
  reasoning: ReadonlyArray<Prompt.ReasoningPart>,
  hasCalls: boolean
): AssistantMessage["content"] => {
  const signed = reasoning.flatMap(({ options, text }) => {
    const signature = options.router?.signature
    return signature === undefined ? [] : [{ type: "reasoning" as const, reasoning: text, signature }]
  })
  if (signed.length > 0) {
    return text === "" ? signed : [...signed, { type: "text", text }]
  }
  return text === "" && hasCalls ? null : text
}

const parts = <Type extends Prompt.AssistantMessagePart["type"]>(message: Prompt.AssistantMessage, type: Type) =>
  message.content.filter((part): part is Extract<Prompt.AssistantMessagePart, { type: Type }> => part.type === type)

/** What a provider did itself (its own tools) is not sent back: a chat completion has no place for it. */
const assistantMessages = (
  message: Prompt.AssistantMessage,
  where: string
): Result<ReadonlyArray<Messages.Message>> =>
  Either.gen(function*() {
    if (parts(message, "file").length > 0) {
      return yield* Either.left(malformed(`${where}: a message of the assistant cannot hold a file`))
    }
    const text = parts(message, "text").map(({ text }) => text).join("")
    const reasoning = parts(message, "reasoning")
    const calls = yield* Either.all(
      parts(message, "tool-call").filter((part) => !part.providerExecuted).map((part) => toolCall(part, where))
    )
    const results = yield* Either.all(
      parts(message, "tool-result").filter((part) => !part.providerExecuted).map((part) => toolMessage(part, where))
    )
    if (text === "" && reasoning.length === 0 && calls.length === 0) {
      return results
    }
    const unsigned = reasoning.filter(({ options }) => options.router?.signature === undefined)
    const spoken: AssistantMessage = {
      role: "assistant",
      content: contentOf(text, reasoning, calls.length > 0),
      reasoningContent: unsigned.length === 0 ? undefined : unsigned.map(({ text }) => text).join(""),
      toolCalls: calls.length === 0 ? undefined : calls
    }
    return [spoken, ...results]
  })

const messagesOf = (message: Prompt.Message, where: string): Result<ReadonlyArray<Messages.Message>> => {
  switch (message.role) {
    case "system":
      return Either.right([systemMessage(message)])
    case "user":
      return Either.map(userMessage(message, where), (one) => [one])
    case "assistant":
      return assistantMessages(message, where)
    case "tool":
      return Either.all(message.content.map((part) => toolMessage(part, where)))
  }
}

/**
 * The messages of a prompt. It fails where something cannot be said in a chat completion; the error names the place, not the content.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromPrompt = (prompt: Prompt.Prompt): Result<ReadonlyArray<Messages.Message>> =>
  Either.map(
    Either.all(prompt.content.map((message, index) => messagesOf(message, `prompt.content[${index}]`))),
    (messages) => messages.flat()
  )
