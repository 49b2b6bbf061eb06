/** Processes of the bench: each does one thing, on a core of its own where the machine can do that. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { availableParallelism } from "node:os"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import type { Answer, Handlers, Order } from "./rpc.js"

const build = fileURLToPath(new URL("../.build/test/bench/programs/", import.meta.url))

/** Where a process runs: what is measured has a core for itself, and what it talks to has another. */
export type Side = "measured" | "other"

const cores = availableParallelism()

/** Whether processes can be held on a core. */
export const isPinned: boolean = cores > 1 && spawnSync("taskset", ["-c", "0", "true"]).status === 0

const command = (side: Side, args: ReadonlyArray<string>): [string, ReadonlyArray<string>] =>
  isPinned
    ? ["taskset", ["-c", side === "other" ? "0" : "1", process.execPath, ...args]]
    : [process.execPath, args]

type Argument<H> = H extends (argument: infer A) => unknown ? A : never
type Value<H> = H extends (...args: ReadonlyArray<never>) => infer A ? Awaited<A> : never

export interface Running<H extends Handlers> {
  readonly ask: <K extends keyof H & string>(name: K, argument: Argument<H[K]>) => Promise<Value<H[K]>>
  readonly end: () => Promise<void>
}

const running = new Set<ChildProcess>()

/** How long an order may take, in milliseconds: a contender that hangs is not to hold up the others. */
const patience = 60_000

/** Starts a program of `programs/`, and waits until it is ready. */
export const start = async <H extends Handlers>(
  program: string,
  side: Side,
  args: ReadonlyArray<string> = [],
  nodeOptions: ReadonlyArray<string> = []
): Promise<Running<H>> => {
  const [file, all] = command(side, [...nodeOptions, resolve(build, `${program}.js`), ...args])
  const child = spawn(file, all, { stdio: ["ignore", "ignore", "inherit", "ipc"] })
  running.add(child)
  const waiting = new Map<number, (answer: Answer) => void>()
  const exited = new Promise<void>((resolve) => {
    child.once("exit", (code) => {
      running.delete(child)
      waiting.forEach((settle, id) => settle({ id, error: `${program} ${args.join(" ")} has ended with ${code}` }))
      resolve()
    })
  })
  child.on("message", (answer: Answer) => waiting.get(answer.id)?.(answer))
  const answerTo = (id: number) =>
    new Promise<unknown>((resolve, reject) => {
      const late = () => reject(new Error(`${program} ${args.join(" ")}: no answer in ${patience} ms`))
      const timer = setTimeout(late, patience)
      waiting.set(id, (answer) => {
        clearTimeout(timer)
        waiting.delete(id)
        if ("error" in answer) reject(new Error(answer.error))
        else resolve(answer.value)
      })
    })
  await answerTo(0)
  let orders = 0
  return {
    ask: (name, argument) => {
      const id = ++orders
      const answer = answerTo(id)
      child.send({ id, name, argument } satisfies Order)
      return answer as Promise<Value<H[typeof name]>>
    },
    end: async () => {
      if (child.connected) child.disconnect()
      await exited
    }
  }
}

/** Nothing is left when the bench ends before its time. */
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")))
