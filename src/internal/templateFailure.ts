import type { TemplateReason } from "../error/Prompt.js"

/**
 * What is wrong in one text. `message` is made of fixed words and names, for it is shown.
 *
 * @internal
 */
export interface Problem {
  readonly reason: TemplateReason
  readonly message: string
  readonly variable?: string | undefined
  /** Where the tag begins in the text of the template, in UTF-16 units from 0. */
  readonly offset?: number | undefined
}

/**
 * Ends the rendering of one text. It is thrown, because it has to pass through the libraries.
 *
 * @internal
 */
export class Failure extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message)
  }
}

/** How much of a name an error shows: a prompt can hold a very long one. */
const maxNameLength = 64

const short = (name: string): string => name.slice(0, maxNameLength)

/** @internal */
export const missing = (name: string | undefined, offset?: number): Problem =>
  name === undefined
    ? { reason: "missingVariable", message: "a value is missing", offset }
    : { reason: "missingVariable", message: `the variable "${short(name)}" is missing`, variable: short(name), offset }

/** @internal */
export const notJson = (name: string, offset: number | undefined): Failure =>
  new Failure({
    reason: "invalidValue",
    message: `the variable "${short(name)}" is not a JSON value`,
    variable: short(name),
    offset
  })

/** @internal */
export const syntax = (message: string, offset?: number): Failure => new Failure({ reason: "syntax", message, offset })

/** @internal */
export const unsupported = (what: string, offset?: number): Failure =>
  new Failure({ reason: "unsupported", message: `${short(what)} is not supported`, offset })

/** @internal */
export const limit = (what: string): Failure => new Failure({ reason: "limit", message: what })
