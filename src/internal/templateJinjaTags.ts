import { syntax } from "./templateFailure.js"

/**
 * A tag of a jinja template: `{{ … }}`, `{% … %}` or `{# … #}`.
 *
 * @internal
 */
export interface Tag {
  readonly offset: number
  readonly end: number
  /** Of a block whose text is no template: the text, and where whitespace around the block is taken away. */
  readonly raw?: { readonly text: string; readonly before: boolean; readonly after: boolean }
}

/** @internal */
export const hasTags = (text: string): boolean => /\{[{%#]/.test(text)

const endOfString = (text: string, start: number): number => {
  const quote = text[start]
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === "\\") i++
    else if (text[i] === quote) return i
  }
  return text.length
}

/** After the closing delimiter. Texts are skipped, and an object's braces do not close an expression. */
const endOfTag = (text: string, offset: number): number => {
  const isExpression = text[offset + 1] === "{"
  let braces = 0
  for (let i = offset + 2; i < text.length; i++) {
    const char = text[i]
    if (char === "\"" || char === "'") i = endOfString(text, i)
    else if (!isExpression && char === "%" && text[i + 1] === "}") return i + 2
    else if (isExpression && braces === 0 && char === "}" && text[i + 1] === "}") return i + 2
    else if (char === "{") braces++
    else if (char === "}") braces--
  }
  throw syntax("a tag is not closed", offset)
}

const endOfComment = (text: string, offset: number): number => {
  const end = text.indexOf("#}", offset + 2)
  if (end === -1) throw syntax("a comment is not closed", offset)
  return end + 2
}

/** The library takes this tag of one other library out, before anything else. */
const generation = /^\{%-?\s*(?:end)?generation\s*-?%\}$/

const rawBegin = /\{%(-?)\s*raw\s*(-?)%\}/y
const rawEnd = /\{%(-?)\s*endraw\s*(-?)%\}/g

/** As a block does: without the spaces in front of it, where it begins its line. */
const withoutIndentation = (text: string): string => {
  const line = text.lastIndexOf("\n") + 1
  return line > 0 && /^[ \t]*$/.test(text.slice(line)) ? text.slice(0, line) : text
}

const rawBlock = (text: string, offset: number): Tag | undefined => {
  rawBegin.lastIndex = offset
  const begin = rawBegin.exec(text)
  if (begin === null) return undefined
  rawEnd.lastIndex = rawBegin.lastIndex
  const end = rawEnd.exec(text)
  if (end === null) throw syntax("a raw block is not closed", offset)
  const whole = text.slice(offset + begin[0].length, end.index)
  const started = begin[2] === "-" ? whole.trimStart() : whole
  return {
    offset,
    end: rawEnd.lastIndex,
    raw: {
      text: end[1] === "-" ? started.trimEnd() : withoutIndentation(started),
      before: begin[1] === "-",
      after: end[2] === "-"
    }
  }
}

/**
 * Where the tags of a template are, for the library does not say. Throws a `Failure` for a tag that is not closed.
 *
 * @internal
 */
export const scan = (text: string): ReadonlyArray<Tag> => {
  const tags: Array<Tag> = []
  for (let offset = text.indexOf("{"); offset !== -1; offset = text.indexOf("{", offset)) {
    const kind = text[offset + 1]
    if (kind !== "{" && kind !== "%" && kind !== "#") {
      offset++
      continue
    }
    const raw = kind === "%" ? rawBlock(text, offset) : undefined
    if (raw !== undefined) {
      tags.push(raw)
      offset = raw.end
      continue
    }
    const end = kind === "#" ? endOfComment(text, offset) : endOfTag(text, offset)
    if (!generation.test(text.slice(offset, end))) tags.push({ offset, end })
    offset = end
  }
  return tags
}
