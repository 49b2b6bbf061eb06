import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const read = (path: string) => readFileSync(resolve(root, path), "utf8")

interface Target {
  readonly types: string
  readonly default: string
}

const packageJson = JSON.parse(read("package.json")) as { readonly exports: Readonly<Record<string, string | Target>> }
const docgenJson = JSON.parse(read("docgen.json")) as { readonly exclude: ReadonlyArray<string> }

// subpaths only: what needs an optional peer, or node:http, which a browser does not have
const subpathsOnly = ["Gateway", "Orq", "Redis", "RouterLanguageModel", "Testing", "Transport"]

/** The path of each public module below `src`, without its extension. */
const publicModules: ReadonlyMap<string, string> = new Map([
  ...Array.from(
    read("src/index.ts").matchAll(/^export \* as (\w+) from "\.\/(.+)\.js"$/gm),
    ([, name, path]) => [name!, path!] as const
  ),
  ...subpathsOnly.map((name) => [name, name] as const)
])

const sources = readdirSync(resolve(root, "src"), { recursive: true, encoding: "utf8" }).filter((path) =>
  path.endsWith(".ts")
)

describe("exports", () => {
  it("src/index.ts names each module after its file, and nothing else", () => {
    const lines = read("src/index.ts").split("\n").filter((line) => line.startsWith("export"))
    assert.strictEqual(lines.length, publicModules.size - subpathsOnly.length)
    for (const [name, path] of publicModules) {
      assert.strictEqual(path.split("/").at(-1), name)
    }
  })

  it("package.json has a subpath for each public module, and no other", () => {
    assert.deepStrictEqual(
      Object.keys(packageJson.exports).sort(),
      ["./package.json", ".", ...Array.from(publicModules.keys(), (name) => `./${name}`)].sort()
    )
  })

  it("each subpath leads to what is built from the module", () => {
    for (const [name, path] of [["", "index"], ...publicModules]) {
      assert.deepStrictEqual(packageJson.exports[name === "" ? "." : `./${name}`], {
        types: `./dist/${path}.d.ts`,
        default: `./dist/${path}.js`
      })
      assert.isTrue(existsSync(resolve(root, `src/${path}.ts`)), `src/${path}.ts does not exist`)
    }
  })

  it("docgen.json leaves out what is not public, and only that", () => {
    const documented = (path: string) =>
      !docgenJson.exclude.some((glob) =>
        glob.endsWith("/**/*.ts") ? `src/${path}`.startsWith(glob.slice(0, -"**/*.ts".length)) : `src/${path}` === glob
      )
    assert.deepStrictEqual(
      sources.filter(documented).sort(),
      ["index.ts", ...Array.from(publicModules.values(), (path) => `${path}.ts`)].sort()
    )
  })
})
