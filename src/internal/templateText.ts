import { Failure } from "./templateFailure.js"
import type { Compiled, EngineImplementation, Run } from "./templateRun.js"

// No character is in two neighbouring classes, so a failed match never has two ways to be tried: linear.
const placeholder = /\{\{ *([A-Za-z0-9_]+) *\}\}/g

interface Placeholder {
  readonly before: string
  readonly name: string
  readonly offset: number
}

interface Parsed {
  readonly placeholders: ReadonlyArray<Placeholder>
  readonly end: string
}

const parse = (text: string): Parsed => {
  const placeholders: Array<Placeholder> = []
  let done = 0
  for (const match of text.matchAll(placeholder)) {
    placeholders.push({ before: text.slice(done, match.index), name: match[1]!, offset: match.index })
    done = match.index + match[0].length
  }
  return { placeholders, end: text.slice(done) }
}

/**
 * The names of the placeholders, each once, in the order of their first use, and where that is.
 *
 * @internal
 */
export const names = (text: string): ReadonlyMap<string, number> =>
  new Map(parse(text).placeholders.map(({ name, offset }) => [name, offset] as const).reverse())

const valueOf = ({ name, offset }: Placeholder, run: Run): string => {
  try {
    const data = run.lookup(name, offset)
    return data === undefined ? run.absent(name, offset) : run.print(data)
  } catch (error) {
    // the other placeholders are looked at, too, so that all that is wrong is told at once
    if (!(error instanceof Failure) || error.problem.reason !== "invalidValue") throw error
    run.problems.push(error.problem)
    return ""
  }
}

const compile = (text: string): Compiled => {
  const { end, placeholders } = parse(text)
  return (run) => {
    let out = ""
    for (const one of placeholders) {
      out += run.write(one.before)
      out += valueOf(one, run)
    }
    return out + run.write(end)
  }
}

/**
 * `{{name}}`, and nothing else.
 *
 * @internal
 */
export const text: EngineImplementation = { hasTags: (text) => text.includes("{{"), compile }
