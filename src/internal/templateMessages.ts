import type { Message } from "../wire/Messages.js"

/**
 * Which text of a list of messages: the content of a message, or the text of one of its parts.
 *
 * @internal
 */
export interface Place {
  readonly messageIndex: number
  readonly partIndex?: number | undefined
}

type Part = Extract<NonNullable<Message["content"]>, ReadonlyArray<unknown>>[number]

type Render = (text: string, place: Place) => string

const renderParts = <P extends Part>(
  parts: ReadonlyArray<P>,
  messageIndex: number,
  render: Render
): ReadonlyArray<P> => {
  let out: Array<P> | undefined
  for (const [partIndex, part] of parts.entries()) {
    if (part.type !== "text") continue
    const text = render(part.text, { messageIndex, partIndex })
    if (text !== part.text) {
      out ??= parts.slice()
      out[partIndex] = { ...part, text }
    }
  }
  return out ?? parts
}

const renderMessage = (message: Message, messageIndex: number, render: Render): Message => {
  const content = <P extends Part>(content: string | ReadonlyArray<P>): string | ReadonlyArray<P> =>
    typeof content === "string" ? render(content, { messageIndex }) : renderParts(content, messageIndex, render)
  switch (message.role) {
    case "user": {
      const rendered = content(message.content)
      return rendered === message.content ? message : { ...message, content: rendered }
    }
    case "assistant": {
      if (message.content === undefined || message.content === null) return message
      const rendered = content(message.content)
      return rendered === message.content ? message : { ...message, content: rendered }
    }
    default: {
      const rendered = content(message.content)
      return rendered === message.content ? message : { ...message, content: rendered }
    }
  }
}

/**
 * Renders the string contents and the text parts of every role, one by one. The given array comes back when nothing changes.
 *
 * @internal
 */
export const renderTexts = (messages: ReadonlyArray<Message>, render: Render): ReadonlyArray<Message> => {
  let out: Array<Message> | undefined
  for (const [index, message] of messages.entries()) {
    const rendered = renderMessage(message, index, render)
    if (rendered !== message) {
      out ??= messages.slice()
      out[index] = rendered
    }
  }
  return out ?? messages
}
