/**
 * `npm run check` runs all the steps below, two at a time, and fails when one of them does; `npm run check -- lint types`
 * runs only those. What a step prints is shown when it is over, in the order of the steps.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

interface Outcome {
  readonly ok: boolean
  readonly output: string
}

/** Runs one command in the project with its own tools first on the PATH. */
const run = (command: string, ...args: ReadonlyArray<string>): Promise<Outcome> =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, PATH: join(root, "node_modules", ".bin") + delimiter + process.env.PATH, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let output = ""
    const collect = (data: string) => {
      output += data
    }
    child.stdout.setEncoding("utf8").on("data", collect)
    child.stderr.setEncoding("utf8").on("data", collect)
    child.on("error", (error) => resolve({ ok: false, output: `${output}${command}: ${error.message}\n` }))
    child.on("close", (code) => resolve({ ok: code === 0, output }))
  })

/** A message of the formatting rule quotes the code it wants, and pads every other line to its width. */
const shorten = ({ ok, output }: Outcome): Outcome => ({
  ok,
  output: output.split("\n").map((line) => line.replace(/(\S) {3,}/g, "$1  ")).map((line) =>
    line.length > 160 ? `${line.slice(0, 120)} …${line.slice(line.lastIndexOf("  "))}` : line
  ).join("\n").replace("`--fix` option", "command: npm run lint -- --fix")
})

/** Builds and packs the package, and looks at the tarball as somebody who installs it would. */
const checkPackage = async (): Promise<Outcome> => {
  const folder = mkdtempSync(join(tmpdir(), "effect-llm-router-"))
  try {
    const built = await run("npm", "run", "--silent", "build")
    if (!built.ok) return built
    const packed = await run("npm", "pack", "--ignore-scripts", "--pack-destination", folder)
    if (!packed.ok) return packed
    const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "no tarball")
    const looks = [
      await run("publint", "run", "--strict", tarball),
      await run("attw", "--profile", "esm-only", "--format", "table-flipped", "--no-emoji", tarball),
      await run("tsc", "-p", "tsconfig.dist.json") // whether a declaration names a type that stripInternal has taken away
    ]
    const failed = looks.filter((look) => !look.ok)
    return { ok: failed.length === 0, output: failed.map((look) => look.output).join("\n") }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const steps: Readonly<Record<string, () => Promise<Outcome>>> = {
  types: () => run("tsc", "-p", "tsconfig.json"),
  lint: async () => shorten(await run("eslint", "--max-warnings", "0", ".")),
  circular: () =>
    run(
      "madge",
      "--circular",
      "--no-spinner",
      "--no-color",
      "--extensions",
      "ts",
      "--ts-config",
      "tsconfig.json",
      "src"
    ),
  package: checkPackage
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in steps))
if (unknown.length > 0) {
  console.error(`No such step: ${unknown.join(", ")}. The steps are ${Object.keys(steps).join(", ")}.`)
  process.exit(1)
}

const queue = Object.entries(steps).filter(([name]) => wanted.length === 0 || wanted.includes(name))
const names = queue.map(([name]) => name)
const reports = new Map<string, { readonly outcome: Outcome; readonly seconds: string }>()
const failed: Array<string> = []
let printed = 0

const print = () => {
  for (let name = names[printed]; name !== undefined; name = names[++printed]) {
    const report = reports.get(name)
    if (report === undefined) return
    console.log(`${report.outcome.ok ? "ok    " : "FAILED"}  ${name}  (${report.seconds} s)`)
    if (!report.outcome.ok) {
      failed.push(name)
      console.log(report.outcome.output.trimEnd().replace(/^/gm, "        "))
    }
  }
}

const worker = async () => {
  for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
    const [name, start] = step
    const begun = performance.now()
    const outcome = await start()
    reports.set(name, { outcome, seconds: ((performance.now() - begun) / 1000).toFixed(1) })
    print()
  }
}

await Promise.all([worker(), worker()])
if (failed.length > 0) {
  console.error(`check failed: ${failed.join(", ")}`)
  process.exit(1)
}
