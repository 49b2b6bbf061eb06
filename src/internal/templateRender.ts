import * as Either from "effect/Either"
import { TemplateError, type TemplateIssue } from "../error/Prompt.js"
import type { Message } from "../wire/Messages.js"
import { formatPath } from "./issues.js"
import { Failure, type Problem } from "./templateFailure.js"
import { type Place, renderTexts } from "./templateMessages.js"
import { type Compiled, type EngineImplementation, Run } from "./templateRun.js"

/** @internal */
export interface PromptName {
  readonly id: string
  readonly version?: string | undefined
}

/** How many issues an error lists. More of them would be noise of one cause. */
const maxIssues = 10

/** A text alone, or one of a list of messages. */
type Where = Place | undefined

interface Found {
  readonly where: Where
  readonly issue: TemplateIssue
}

const pathOf = (where: Where): string => {
  if (where === undefined) return ""
  const { messageIndex, partIndex } = where
  return formatPath([
    "messages",
    messageIndex,
    "content",
    ...(partIndex === undefined ? [] : [partIndex, "text"])
  ])
}

const found = ({ message, offset, reason, variable }: Problem, text: string, where: Where): Found => {
  const before = offset === undefined ? undefined : text.slice(0, offset).split("\n")
  return {
    where,
    issue: {
      path: pathOf(where),
      message,
      reason,
      variable,
      line: before?.length,
      column: before && before.at(-1)!.length + 1
    }
  }
}

const errorOf = ([first, ...rest]: readonly [Found, ...ReadonlyArray<Found>], prompt?: PromptName): TemplateError => {
  const issues = new Map<string, TemplateIssue>()
  for (const { issue } of [first, ...rest]) {
    const key = `${issue.path}: ${issue.message}`
    if (issues.size < maxIssues && !issues.has(key)) issues.set(key, issue)
  }
  const { column, line, reason, variable } = first.issue
  return new TemplateError({
    reason,
    variable,
    line,
    column,
    ...first.where,
    promptId: prompt?.id,
    version: prompt?.version,
    issues: [...issues.values()]
  })
}

/**
 * @internal
 */
export const errorFor = (problem: Problem, text = "", prompt?: PromptName): TemplateError =>
  errorOf([found(problem, text, undefined)], prompt)

/** What one rendering shares: its limits, its variables, and what was found to be wrong. */
class Renderer {
  private readonly found: Array<Found> = []

  constructor(
    private readonly engine: EngineImplementation,
    private readonly compile: (text: string) => Compiled,
    private readonly run: Run,
    private readonly prompt: PromptName | undefined
  ) {}

  readonly text = (text: string, where: Where): string => {
    if (!this.engine.hasTags(text)) return text
    this.run.problems = []
    try {
      return this.compile(text)(this.run)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      this.run.problems.push(error.problem)
      // beyond a limit, nothing else is looked at
      if (error.problem.reason === "limit") throw error
      return ""
    } finally {
      for (const problem of this.run.problems) {
        if (this.found.length < 10 * maxIssues) this.found.push(found(problem, text, where))
      }
    }
  }

  outcome<A>(render: () => A): Either.Either<A, TemplateError> {
    let value: A | undefined
    try {
      value = render()
      if (this.found.length === 0) return Either.right(value)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
    }
    const [first, ...rest] = this.found
    if (first === undefined) throw new Error("a template failed for no reason")
    return Either.left(errorOf([first, ...rest], this.prompt))
  }
}

/** @internal */
export interface Options {
  readonly engine: EngineImplementation
  /** Compiles, or gives what was compiled before. */
  readonly compile?: ((text: string) => Compiled) | undefined
  readonly variables: { readonly [name: string]: unknown }
  readonly lenient?: boolean | undefined
  readonly prompt?: PromptName | undefined
}

const rendererOf = ({ compile, engine, lenient, prompt, variables }: Options): Renderer =>
  new Renderer(engine, compile ?? engine.compile, new Run(variables, lenient ?? false), prompt)

/** @internal */
export const renderMessages = (
  messages: ReadonlyArray<Message>,
  options: Options
): Either.Either<ReadonlyArray<Message>, TemplateError> => {
  const renderer = rendererOf(options)
  return renderer.outcome(() => renderTexts(messages, renderer.text))
}

/** @internal */
export const renderText = (text: string, options: Options): Either.Either<string, TemplateError> => {
  const renderer = rendererOf(options)
  return renderer.outcome(() => renderer.text(text, undefined))
}
