import { Failure, limit, missing, notJson, type Problem } from "./templateFailure.js"
import { maxOutput, maxWork } from "./templateLimits.js"
import { type Data, leastLength, toData, toText } from "./templateValue.js"

/**
 * A template that is ready to be filled in. Gives the text, or throws a `Failure`; what is missing it tells the run, and
 * goes on.
 *
 * @internal
 */
export type Compiled = (run: Run) => string

/** @internal */
export interface EngineImplementation {
  /** Whether there is anything to render in the text. One without tags is passed on as it is. */
  readonly hasTags: (text: string) => boolean
  /** Throws a `Failure`. */
  readonly compile: (text: string) => Compiled
}

/**
 * One rendering, of one text or of all texts of a request: its variables, and what it has used of its limits.
 *
 * @internal
 */
export class Run {
  /** What is wrong in the text that is being rendered. */
  problems: Array<Problem> = []
  private readonly known = new Map<string, Data | undefined>()
  private work = 0
  private written = 0

  constructor(
    private readonly variables: { readonly [name: string]: unknown },
    private readonly lenient: boolean
  ) {}

  readonly spend = (work: number): void => {
    this.work += work
    // the negation, so that NaN is too much
    if (!(this.work <= maxWork)) throw limit("rendering is more work than a template may be")
  }

  /** Counts what is written. */
  write(text: string): string {
    this.room(text.length)
    this.written += text.length
    return text
  }

  private room(length: number): void {
    if (this.written + length > maxOutput) throw limit(`the text is longer than ${maxOutput} characters`)
  }

  print(data: Data): string {
    // before it is written: a list of long texts is longer than any text may be
    this.room(leastLength(data, maxOutput - this.written))
    return this.write(toText(data))
  }

  /** The variable, if it is given. Own members only: `constructor` is not a variable. The offset is that of the tag. */
  lookup(name: string, offset: number | undefined): Data | undefined {
    if (this.known.has(name)) return this.known.get(name)
    const descriptor = Object.getOwnPropertyDescriptor(this.variables, name)
    if (descriptor?.get !== undefined) throw notJson(name, offset)
    const value: unknown = descriptor?.value
    const data = value === undefined ? undefined : toData(value, this.spend)
    if (value !== undefined && data === undefined) throw notJson(name, offset)
    this.known.set(name, data)
    return data
  }

  /** What is printed where there is nothing to print. */
  absent(name: string | undefined, offset: number | undefined): string {
    if (!this.lenient) this.problems.push(missing(name, offset))
    return ""
  }

  /** What is done where a value is needed for more than to be printed. */
  needed(name: string | undefined, offset: number | undefined): Failure {
    return new Failure(missing(name, offset))
  }
}
