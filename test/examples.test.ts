/** Runs every example as a user would, but without the keys of any provider: an example has to work offline. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const folder = resolve(root, "examples")

const examples = existsSync(folder)
  ? readdirSync(folder).filter((name) => name.endsWith(".ts") && !name.startsWith("_")).sort()
  : []

/** What an example is to be told, for one that would go on for ever. */
const args: Readonly<Record<string, ReadonlyArray<string>>> = { "gateway.ts": ["--once"] }

const timeout = 60_000 // milliseconds

interface Ended {
  readonly code: number | string | null
  readonly stdout: string
  readonly stderr: string
}

const run = (example: string): Promise<Ended> =>
  new Promise((done) => {
    const child = execFile(
      process.execPath,
      ["--import", "tsx", `examples/${example}`, ...args[example] ?? []],
      { cwd: root, env: { PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: "1" }, timeout },
      (error, stdout, stderr) => done({ code: error === null ? 0 : error.code ?? error.signal ?? null, stdout, stderr })
    )
    child.stdin?.end()
  })

it("there are examples", () => {
  assert.isNotEmpty(examples, "examples/ holds no .ts file")
})

// vitest.config.ts says how many run at a time
describe.concurrent("examples", () => {
  for (const example of examples) {
    it(example, async () => {
      const { code, stderr, stdout } = await run(example)
      assert.strictEqual(code, 0, `${example} ended with ${code}\n--- stdout\n${stdout}\n--- stderr\n${stderr}`)
      assert.notStrictEqual(stdout.trim(), "", `${example} printed nothing\n--- stderr\n${stderr}`)
    }, timeout + 1000)
  }
})
