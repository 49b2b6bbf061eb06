/**
 * `npm run exports`, after src/index.ts has gained or lost a module: writes the subpaths of package.json, and the files that
 * docgen.json leaves out of the documentation. test/exports.test.ts fails until they agree.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const read = (path: string) => readFileSync(root + path, "utf8")

const update = (path: string, members: Readonly<Record<string, unknown>>) =>
  writeFileSync(root + path, JSON.stringify({ ...JSON.parse(read(path)), ...members }, null, 2) + "\n")

const target = (path: string) => ({ types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` })

/** The path of each public module below `src`, without its extension. */
const modules = [
  ...Array.from(read("src/index.ts").matchAll(/^export \* as \w+ from "\.\/(.+)\.js"$/gm), ([, path]) => path!),
  // subpaths only: what needs an optional peer, or node:http, which a browser does not have
  "Gateway",
  "Orq",
  "Redis",
  "RouterLanguageModel",
  "Testing",
  "Transport"
]

const subpaths = modules.map((path) => [`./${path.split("/").at(-1)}`, target(path)] as const)
  .sort(([a], [b]) => (a < b ? -1 : 1))

/** Rooms without a public module. */
const privateRooms = readdirSync(root + "src", { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !modules.some((path) => path.startsWith(`${entry.name}/`)))
  .map((entry) => `src/${entry.name}/`)

const privateFiles = readdirSync(root + "src", { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && path !== "index.ts" && !modules.includes(path.slice(0, -".ts".length)))
  .map((path) => `src/${path}`)
  .filter((path) => !privateRooms.some((room) => path.startsWith(room)))

update("package.json", {
  exports: { "./package.json": "./package.json", ".": target("index"), ...Object.fromEntries(subpaths) }
})
update("docgen.json", { exclude: [...privateRooms.map((room) => `${room}**/*.ts`), ...privateFiles].sort() })
