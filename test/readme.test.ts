/** Every `ts` fence that a reader may copy, from README.md and from the doc comments of src, compiles as it stands. */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const root = fileURLToPath(new URL("..", import.meta.url))

interface Snippet {
  /** The document, relative to the project. */
  readonly document: string
  /** The line of the opening fence, counted from 1. */
  readonly line: number
  readonly code: string
}

const openingFence = /^\s*(?:\* ?)?```(?:ts|typescript)\b/
const closingFence = /^\s*(?:\* ?)?```\s*$/

const snippetsOf = (document: string): ReadonlyArray<Snippet> => {
  const snippets: Array<Snippet> = []
  let open: { readonly line: number; readonly code: Array<string> } | undefined
  readFileSync(resolve(root, document), "utf8").split("\n").forEach((text, index) => {
    if (open === undefined) {
      if (openingFence.test(text)) open = { line: index + 1, code: [] }
    } else if (closingFence.test(text)) {
      snippets.push({ document, line: open.line, code: open.code.join("\n") })
      open = undefined
    } else {
      open.code.push(document.endsWith(".ts") ? text.replace(/^\s*\* ?/, "") : text)
    }
  })
  assert.isUndefined(open, `${document}:${open?.line} opens a fence that nothing closes`)
  return snippets
}

const readme = existsSync(resolve(root, "README.md")) ? snippetsOf("README.md") : []
const docComments = readdirSync(resolve(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .sort()
  .flatMap((path) => snippetsOf(`src/${path}`))

/** Where the compiler is told that a snippet lies: beside the document, as a module of its own. */
const fileOf = (snippet: Snippet) =>
  resolve(root, dirname(snippet.document), `snippet-${snippet.line}-of.${snippet.document.replace(/\W/g, "-")}.ts`)

const compile = (): ts.Program => {
  const files = new Map([...readme, ...docComments].map((snippet) => [fileOf(snippet), snippet.code]))
  const config = ts.getParsedCommandLineOfConfigFile(resolve(root, "tsconfig.json"), {
    noUnusedLocals: false
  }, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: (diagnostic) => assert.fail(String(diagnostic.messageText)) })
  assert.isDefined(config)
  const host = ts.createCompilerHost(config.options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (path) => files.has(path) || fileExists(path)
  host.readFile = (path) => files.get(path) ?? readFile(path)
  host.getSourceFile = (path, options, ...rest) => {
    const code = files.get(path)
    return code === undefined
      ? getSourceFile(path, options, ...rest)
      : ts.createSourceFile(path, code, options, true)
  }
  return ts.createProgram([...files.keys()], config.options, host)
}

let program: ts.Program | undefined

const errorsOf = (snippet: Snippet): ReadonlyArray<string> => {
  program ??= compile()
  const file = program.getSourceFile(fileOf(snippet))
  assert.isDefined(file)
  return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map((diagnostic) => {
    const { line } = file.getLineAndCharacterOfPosition(diagnostic.start ?? 0)
    const message = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n")
    return `${snippet.document}:${snippet.line + 1 + line} TS${diagnostic.code}: ${message}`
  })
}

const check = (snippet: Snippet) =>
  it(`${snippet.document}:${snippet.line}`, () => {
    const errors = errorsOf(snippet)
    assert.isEmpty(errors, errors.join("\n"))
  }, 60_000) // milliseconds: the first one compiles them all

describe("README.md", () => {
  it("exists and shows code", () => {
    assert.isTrue(existsSync(resolve(root, "README.md")), "there is no README.md")
    assert.isNotEmpty(readme, "README.md has no ts fence")
  })
  readme.forEach(check)
})

describe("doc comments", () => {
  docComments.forEach(check)
})
