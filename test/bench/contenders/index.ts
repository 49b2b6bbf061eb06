/** The contenders by name. A process loads the one that it is. */
import type { Make } from "./contender.js"
import type { Policy, TransportName } from "./router.js"

const sdk = (name: "openai" | "orq" | "ai" | "langchain"): Make => async (base) =>
  (await import("./sdks.js"))[name](base)

const platform = (name: "undici" | "fetched" | "lean"): Make => async (base) =>
  (await import("./platform.js"))[name](base)

const router = (
  transport: TransportName,
  policies: ReadonlyArray<Policy> | "all",
  options?: { readonly repeated?: boolean }
): Make =>
async (base) => {
  const { all, router } = await import("./router.js")
  return router(transport, policies === "all" ? all : policies, options)(base)
}

/** What all others are compared with. */
export const baseline = "undici"

/** Those that are compared with each other. */
export const peers: Readonly<Record<string, Make>> = {
  [baseline]: async (base) => (await import("./raw.js")).makeUndici(base),
  "fetch": async (base) => (await import("./raw.js")).fetched(base),
  "platform-lean": platform("lean"),
  "platform-undici": platform("undici"),
  "platform-fetch": platform("fetched"),
  "router-lean": router("lean", "all"),
  "router-lean-bare": router("lean", []),
  "router-undici": router("undici", "all"),
  "router-fetch": router("fetch", "all"),
  "cockatiel": async (base) => (await import("./raw.js")).cockatiel(base),
  "openai": sdk("openai"),
  "orq": sdk("orq"),
  "ai-retry": sdk("ai"),
  "langchain": sdk("langchain")
}

const each: ReadonlyArray<Policy> = [
  "retry",
  "fallbacks",
  "weighted",
  "timeout",
  "cache",
  "breaker",
  "budget",
  "concurrency",
  "rateLimit",
  "tracer"
]

const alone = (transport: "lean" | "memory"): Readonly<Record<string, Make>> => ({
  [`${transport}: bare`]: router(transport, []),
  ...Object.fromEntries(each.map((policy) => [`${transport}: ${policy}`, router(transport, [policy])])),
  [`${transport}: all`]: router(transport, "all")
})

/** This router with one policy, over sockets and without. */
export const policies = { lean: alone("lean"), memory: alone("memory") }

/** A call that the cache answers. */
export const cached: Readonly<Record<string, Make>> = {
  "cache hit": router("memory", ["cache"], { repeated: true }),
  "cache hit, all policies": router("memory", "all", { repeated: true })
}

export const contenders: Readonly<Record<string, Make>> = { ...peers, ...policies.lean, ...policies.memory, ...cached }
