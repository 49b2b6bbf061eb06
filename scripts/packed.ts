/**
 * `npm run packed -- [tarball]`: whether the package works for somebody who has installed it into an empty project.
 *
 * Packs the project, unless a tarball is given, and installs it twice: with the required peers alone, and with all of them. In
 * both, every subpath of package.json's `exports` is loaded with `import` and with `require`, which have to find the same names,
 * and is compiled with `tsc`. What needs an optional peer has to fail for want of it, and nothing else may. It fetches from the
 * registry, which is why `npm run check` leaves it out.
 */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"

/** The subpaths that need an optional peer. Any other has to load, and to compile, without them. */
const optionalPeers: ReadonlyMap<string, string> = new Map([
  ["./Redis", "ioredis"],
  ["./RouterLanguageModel", "@effect/ai"],
  ["./Transport", "undici"]
])

/** The subpaths that export types alone, and so no name that can be seen when they are loaded. */
const typesOnly: ReadonlySet<string> = new Set(["./Provider"])

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, unknown>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>
  readonly devDependencies: Readonly<Record<string, string>>
}

const root = fileURLToPath(new URL("..", import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest
const subpaths = Object.keys(manifest.exports)
const peers = Object.keys(manifest.peerDependencies)
const isOptional = (peer: string) => manifest.peerDependenciesMeta[peer]?.optional === true

const specifierOf = (subpath: string) => manifest.name + subpath.slice(1)
const isJson = (subpath: string) => subpath.endsWith(".json")

/** A signal ends the command that runs, and lets this process remove its directory. */
const stop = new AbortController()
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort())

/** Runs one command, and resolves with what it has written to its standard output. */
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = execFile(command, args, { cwd, signal: stop.signal }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      const failure = new Error(`${error.message.split("\n", 1)[0]}\n${stdout}${stderr}`.trimEnd())
      const isRunning = child.pid !== undefined && child.exitCode === null && child.signalCode === null
      // a command that has been aborted may still write to the directory
      if (isRunning) child.once("exit", () => reject(failure))
      else reject(failure)
    })
  })

const pack = async (folder: string): Promise<string> => {
  await run(root, "npm", "pack", "--pack-destination", folder)
  return join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "no tarball")
}

/** Names the peers with their versions: npm adds the required ones by itself, but the newest, and never the optional ones. */
const install = (project: string, tarball: string, installed: ReadonlyArray<string>): Promise<string> => {
  mkdirSync(project)
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true }))
  const versions = installed.map((peer) => `${peer}@${manifest.devDependencies[peer]}`)
  return run(project, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", tarball, ...versions)
}

/** The optional peer that a subpath needs and that is not installed. */
type MissingPeer = (subpath: string) => string | undefined

/** The names that a subpath exports, or why it does not load. */
type Outcome = { readonly names: ReadonlyArray<string> } | { readonly code?: string; readonly message: string }

const loaders = {
  import: {
    file: "load.mjs",
    // a JSON module has its members in the default export, where require returns them
    load: `async (name, json) => json ? (await import(name, { with: { type: "json" } })).default : import(name)`
  },
  require: { file: "load.cjs", load: "(name) => require(name)" }
}

/** Loads every subpath in one process. */
const loadAll = async (project: string, how: keyof typeof loaders): Promise<Readonly<Record<string, Outcome>>> => {
  const { file, load } = loaders[how]
  const wanted = subpaths.map((subpath) => [subpath, specifierOf(subpath), isJson(subpath)])
  writeFileSync(
    join(project, file),
    `const load = ${load}
const main = async () => {
  const outcomes = {}
  for (const [subpath, name, json] of ${JSON.stringify(wanted)}) {
    try {
      outcomes[subpath] = { names: Object.keys(await load(name, json)).sort() }
    } catch (error) {
      outcomes[subpath] = { code: error.code, message: error.message }
    }
  }
  console.log(JSON.stringify(outcomes))
}
main()
`
  )
  return JSON.parse(await run(project, process.execPath, file)) as Readonly<Record<string, Outcome>>
}

const isMissing = (outcome: Outcome, peer: string) =>
  "message" in outcome && outcome.code === "ERR_MODULE_NOT_FOUND" &&
  outcome.message.startsWith(`Cannot find package '${peer}'`)

/** What is wrong with a subpath that needs a peer which is not installed. */
const problemWithout = (peer: string, outcome: Outcome): string | undefined => {
  if ("names" in outcome) return `loads without ${peer}`
  return isMissing(outcome, peer) ? undefined : `should fail for want of ${peer}: ${outcome.code} ${outcome.message}`
}

/** What is wrong with a subpath that has all it needs. */
const problemWith = (subpath: string, outcome: Outcome): string | undefined => {
  if ("message" in outcome) return `does not load: ${outcome.code} ${outcome.message}`
  if (typesOnly.has(subpath) === (outcome.names.length === 0)) return undefined
  return outcome.names.length === 0 ? "exports nothing" : `exports more than types: ${outcome.names.join(", ")}`
}

const namesOf = (outcome: Outcome) => ("names" in outcome ? outcome.names.join(", ") : "")

/** Loads every subpath in both ways, and tells what is wrong. */
const checkLoading = async (project: string, missingPeer: MissingPeer): Promise<ReadonlyArray<string>> => {
  const imported = await loadAll(project, "import")
  const required = await loadAll(project, "require")
  const problemOf = (subpath: string, outcome: Outcome) => {
    const missing = missingPeer(subpath)
    return missing === undefined ? problemWith(subpath, outcome) : problemWithout(missing, outcome)
  }
  return subpaths.flatMap((subpath) => {
    const [byImport, byRequire] = [imported[subpath]!, required[subpath]!]
    const problems = Object.entries({ import: byImport, require: byRequire }).flatMap(([how, outcome]) => {
      const problem = problemOf(subpath, outcome)
      return problem === undefined ? [] : [`${subpath} (${how}) ${problem}`]
    })
    if (problems.length > 0 || namesOf(byImport) === namesOf(byRequire)) return problems
    return [`${subpath} exports ${namesOf(byImport)} to import, but ${namesOf(byRequire)} to require`]
  })
}

/**
 * Compiles a module that imports the subpaths and a script that requires them. The libraries are checked as well: otherwise a
 * declaration that names a peer which is not installed would silently make `any` of it. The types of Node come from this project,
 * since those of undici and of the gateway need them, and no package brings them along.
 */
const checkTypes = async (project: string, compiled: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const write = (file: string, attributes: string) => {
    const lines = compiled.map((subpath, index) =>
      `import * as m${index} from "${specifierOf(subpath)}"${isJson(subpath) ? attributes : ""}\nexport { m${index} }\n`
    )
    writeFileSync(join(project, file), lines.join(""))
  }
  write("types.mts", ` with { type: "json" }`)
  write("types.cts", "")
  const modules = join(root, "node_modules")
  const options = ["--noEmit", "--module", "nodenext", "--strict", "--skipLibCheck", "false"]
  const nodeTypes = ["--typeRoots", join(modules, "@types"), "--types", "node"]
  const tsc = join(modules, "typescript", "bin", "tsc")
  return run(project, process.execPath, tsc, ...options, ...nodeTypes, "types.mts", "types.cts")
    .then(() => [], (error: Error) => [error.message])
}

/** Installs the tarball with some of the peers, prints what comes of it, and tells whether it is as it should be. */
const check = async (project: string, tarball: string, installed: ReadonlyArray<string>): Promise<boolean> => {
  const begun = performance.now()
  const missingPeer: MissingPeer = (subpath) => {
    const peer = optionalPeers.get(subpath)
    return peer === undefined || installed.includes(peer) ? undefined : peer
  }
  const complete = subpaths.filter((subpath) => missingPeer(subpath) === undefined)
  await install(project, tarball, installed)
  const problems = [...await checkLoading(project, missingPeer), ...await checkTypes(project, complete)]
  const seconds = ((performance.now() - begun) / 1000).toFixed(1)
  const result = problems.length === 0
    ? `${complete.length} subpaths load and compile, ${subpaths.length - complete.length} lack their peer`
    : `${problems.length} problem(s)`
  console.log(`${problems.length === 0 ? "ok    " : "FAILED"}  with ${installed.join(", ")}: ${result}  (${seconds} s)`)
  for (const problem of problems) console.log(problem.replace(/^/gm, "        "))
  return problems.length === 0
}

const main = async (folder: string, given: string | undefined): Promise<boolean> => {
  const unknown = [...optionalPeers.keys(), ...typesOnly].filter((subpath) => !subpaths.includes(subpath))
  if (unknown.length > 0) throw new Error(`scripts/packed.ts has subpaths that are not exported: ${unknown.join(", ")}`)
  const tarball = given === undefined ? await pack(folder) : resolve(given)
  const alone = await check(join(folder, "required"), tarball, peers.filter((peer) => !isOptional(peer)))
  const together = await check(join(folder, "all"), tarball, peers)
  return alone && together
}

const folder = mkdtempSync(join(tmpdir(), "effect-llm-router-"))
try {
  if (!await main(folder, process.argv[2])) process.exitCode = 1
} catch (error) {
  console.error(`packed failed: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
