/** Makes the bench ready: its package installed, and its programs and the library compiled as for a release. */
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"

export const here = fileURLToPath(new URL("..", import.meta.url))

const root = resolve(here, "../..")

const run = (command: string, args: ReadonlyArray<string>): void => {
  const { error, status } = spawnSync(command, args, { cwd: here, stdio: ["ignore", "inherit", "inherit"] })
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(" ")} has ended with ${status}`)
}

/** Compiled, because a loader of TypeScript would be measured with it. Types are the affair of `npm run check`. */
export const prepare = (): void => {
  if (!existsSync(resolve(here, "node_modules"))) {
    run("npm", ["ci", "--no-audit", "--no-fund"])
  }
  run(process.execPath, [resolve(root, "node_modules/typescript/bin/tsc"), "-p", here, "--noCheck"])
}
