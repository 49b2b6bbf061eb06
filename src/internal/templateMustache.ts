import type { TemplateSpans } from "mustache"
import type Mustache from "mustache"
import { limit, syntax, unsupported } from "./templateFailure.js"
import { guard } from "./templateGuard.js"
import { expressionWork, iterationWork, maxDelimitedLength, maxDepth, memberWork } from "./templateLimits.js"
import type { Compiled, EngineImplementation, Run } from "./templateRun.js"
import { type Data, isObject } from "./templateValue.js"

interface Text {
  readonly tag: "text"
  readonly text: string
}

interface Name {
  readonly written: string
  /** The name in parts. The first is empty when the name begins with a dot: it is the item itself, `.` is only that. */
  readonly parts: ReadonlyArray<string>
  readonly offset: number
}

interface Print extends Name {
  readonly tag: "print"
}

interface Section extends Name {
  readonly tag: "section" | "inverted"
  readonly nodes: ReadonlyArray<Node>
}

type Node = Text | Print | Section

const nameOf = (written: string, offset: number): Name => ({
  written,
  parts: written === "." ? [""] : written.split("."),
  offset
})

type Span = TemplateSpans[number]

const nodesOf = (spans: ReadonlyArray<Span>, depth: number): ReadonlyArray<Node> => {
  if (depth > maxDepth) throw limit(`the sections are nested deeper than ${maxDepth}`)
  return spans.flatMap((span): ReadonlyArray<Node> => {
    const [type, value, offset, , inner] = span
    switch (type) {
      case "text":
        return [{ tag: "text", text: value }]
      case "name":
      case "&":
        return [{ tag: "print", ...nameOf(value, offset) }]
      case "#":
      case "^":
        return [{
          tag: type === "#" ? "section" : "inverted",
          nodes: Array.isArray(inner) ? nodesOf(inner, depth + 1) : [],
          ...nameOf(value, offset)
        }]
      case ">":
        throw unsupported("a partial", offset)
      default:
        return []
    }
  })
}

/** Whether the template sets other delimiters. Until it does, a tag begins with two braces. */
const hasDelimiters = (text: string): boolean => /\{\{\s*=/.test(text)

/** What the parser says names the place, and the section; only the place is taken over. */
const syntaxError = (error: unknown, text: string): unknown => {
  if (!(error instanceof Error)) return error
  const offset = Number(/ at (\d+)$/.exec(error.message)?.[1])
  if (error.message.startsWith("Unclosed tag")) {
    return syntax("a tag is not closed", hasDelimiters(text) ? offset : text.lastIndexOf("{{"))
  }
  if (error.message.startsWith("Unopened section")) return syntax("a section is closed that is not open", offset)
  if (error.message.startsWith("Unclosed section")) return syntax("a section is not closed", offset)
  return syntax("expected two delimiters", text.search(/\{\{\s*=/))
}

const parse = (library: typeof Mustache, text: string): ReadonlyArray<Node> => {
  guard(text)
  if (hasDelimiters(text) && text.length > maxDelimitedLength) {
    throw limit(`a template that sets delimiters is longer than ${maxDelimitedLength} characters`)
  }
  let spans: TemplateSpans
  try {
    // a writer of its own: the library's keeps every template that it ever parsed
    spans = new library.Writer().parse(text)
  } catch (error) {
    throw syntaxError(error, text)
  }
  return nodesOf(spans, 0)
}

/** The innermost item is the last. What is not found in any item is a variable. */
type Items = ReadonlyArray<Data>

/** Own members only: of lists these are the items and `length`. */
const member = (data: Data | undefined, name: string): Data | undefined => {
  if (isObject(data)) return data[name]
  if (!Array.isArray(data)) return undefined
  return name === "length" ? data.length : /^\d{1,9}$/.test(name) ? data[Number(name)] : undefined
}

const first = (name: string, offset: number, items: Items, run: Run): Data | undefined => {
  if (name === "") return items.at(-1)
  for (let i = items.length - 1; i >= 0; i--) {
    const item = items[i]
    if (isObject(item) && name in item) return item[name]
  }
  return run.lookup(name, offset)
}

const lookup = ({ offset, parts }: Name, items: Items, run: Run): Data | undefined => {
  run.spend(parts.length * memberWork)
  let data = first(parts[0]!, offset, items, run)
  for (let i = 1; i < parts.length; i++) {
    data = member(data, parts[i]!)
  }
  return data
}

const isFalsy = (data: Data | undefined): boolean => !data || (Array.isArray(data) && data.length === 0)

const renderSection = (node: Section, items: Items, run: Run): string => {
  const data = lookup(node, items, run)
  if ((node.tag === "inverted") !== isFalsy(data)) return ""
  if (data === undefined || node.tag === "inverted") return renderAll(node.nodes, items, run)
  if (!Array.isArray(data)) return renderAll(node.nodes, typeof data === "boolean" ? items : [...items, data], run)
  let out = ""
  for (const item of data) {
    run.spend(iterationWork)
    out += renderAll(node.nodes, [...items, item], run)
  }
  return out
}

const renderAll = (nodes: ReadonlyArray<Node>, items: Items, run: Run): string => {
  let out = ""
  for (const node of nodes) {
    run.spend(expressionWork + items.length)
    switch (node.tag) {
      case "text": {
        out += run.write(node.text)
        break
      }
      case "print": {
        const data = lookup(node, items, run)
        out += data === undefined ? run.absent(node.written, node.offset) : run.print(data)
        break
      }
      default:
        out += renderSection(node, items, run)
    }
  }
  return out
}

/**
 * The library parses, and the values are put in here: its own rendering calls functions, reads prototypes, has no limits,
 * and prints nothing for what is missing.
 *
 * @internal
 */
export const make = (library: typeof Mustache): EngineImplementation => ({
  hasTags: (text) => text.includes("{{"),
  compile: (text): Compiled => {
    const nodes = parse(library, text)
    return (run) => renderAll(nodes, [], run)
  }
})
