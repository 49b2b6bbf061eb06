import type * as Jinja from "@huggingface/jinja"
import { Failure, limit } from "./templateFailure.js"
import { type Environment, type Library, library } from "./templateJinjaLibrary.js"
import { type Plan, plan } from "./templateJinjaPlan.js"
import { interpreter } from "./templateJinjaRun.js"
import { hasTags } from "./templateJinjaTags.js"
import { memberWork } from "./templateLimits.js"
import type { Compiled, EngineImplementation, Run } from "./templateRun.js"

/** The words that the library knows by their names, as if they were variables. */
const constants: Readonly<Record<string, boolean | null>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null
}

/** The library makes a value of about 100 bytes for each number. */
const rangeWork = 100

const badRange = new Failure({ reason: "invalidValue", message: "range() takes one to three whole numbers" })

const range = (run: Run) => (...args: ReadonlyArray<unknown>): ReadonlyArray<number> => {
  const [a, b, step = 1] = args
  const [start, stop] = b === undefined ? [0, a] : [a, b]
  if (!isWhole(start) || !isWhole(stop) || !isWhole(step) || step === 0) throw badRange
  const length = Math.max(Math.ceil((stop - start) / step), 0)
  run.spend(length * rangeWork)
  return Array.from({ length }, (_, i) => start + i * step)
}

const isWhole = (u: unknown): u is number => Number.isSafeInteger(u)

const raise = (): never => {
  throw new Failure({ reason: "raised", message: "the template refuses its variables" })
}

const environmentOf = ({ Environment }: Library, { variables }: Plan, run: Run): Environment => {
  const environment = new Environment()
  const namespace = environment.variables.get("namespace")
  environment.variables.clear()
  for (const [name, value] of Object.entries(constants)) environment.set(name, value)
  for (const [name, offset] of variables) {
    const value = Object.hasOwn(constants, name) ? undefined : run.lookup(name, offset)
    if (value !== undefined) environment.set(name, value)
  }
  // as in Jinja, a variable hides a function of the same name
  const functions = { range: range(run), raise_exception: raise }
  for (const [name, value] of Object.entries(functions)) {
    if (!environment.variables.has(name)) environment.set(name, value)
  }
  if (namespace !== undefined && !environment.variables.has("namespace")) {
    environment.variables.set("namespace", namespace)
  }
  run.spend(variables.size * memberWork)
  return environment
}

/** What the library throws names types and texts: nothing of it is taken over. */
const failureOf = (error: unknown, offset: number | undefined): Failure => {
  if (error instanceof Failure) {
    const { problem } = error
    return problem.offset === undefined ? new Failure({ ...problem, offset }) : error
  }
  if (error instanceof RangeError) return limit("the template is nested too deep, or a text becomes too long")
  return new Failure({
    reason: "invalidValue",
    message: "a value is not what the template uses it as",
    offset
  })
}

/**
 * The library parses and interprets; what it cannot keep within bounds is refused when a template is compiled.
 *
 * @internal
 */
export const make = (jinja: typeof Jinja): EngineImplementation => {
  const lib = library(jinja)
  const Metered = interpreter(lib)
  return {
    hasTags,
    compile: (text): Compiled => {
      const compiled = plan(lib, text)
      return (run) => {
        const metered = new Metered(environmentOf(lib, compiled, run), compiled, run)
        try {
          return String(metered.run(compiled.program).value)
        } catch (error) {
          throw failureOf(error, metered.offset)
        }
      }
    }
  }
}
