/** The provider of `overload.ts` as its scenarios see it. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Counts, Mode, Order, Ready } from "./overload-provider.js"

export interface Upstream {
  readonly baseUrl: string
  /** Gives how many requests came since it was set before. */
  readonly setMode: (mode: Mode) => Promise<number>
}

const program = fileURLToPath(new URL("./overload-provider.ts", import.meta.url))

/** Each scenario has a provider of its own, with nothing left of the scenario before. */
export const withUpstream = async <A>(use: (upstream: Upstream) => Promise<A>): Promise<A> => {
  const child = fork(program)
  const exited = once(child, "exit")
  try {
    const [{ port }] = await once(child, "message") as [Ready]
    return await use({
      baseUrl: `http://127.0.0.1:${port}/v1`,
      setMode: async (mode) => {
        const counts = once(child, "message")
        child.send({ mode } satisfies Order)
        const [{ requests }] = await counts as [Counts]
        return requests
      }
    })
  } finally {
    child.disconnect()
    await exited
  }
}
