/** The two snippets of the published SDK's page, as they stand there: as examples, and on the wire. */
import { assert, describe, it } from "@effect/vitest"
import { Orq as PublishedOrq } from "@orq-ai/node"
import { OrqCore as PublishedCore } from "@orq-ai/node/core.js"
import { routerChatCompletionsCreate as publishedCreate } from "@orq-ai/node/funcs/routerChatCompletionsCreate.js"
import { Effect } from "effect"
import * as Orq from "effect-llm-router/Orq"
import * as Testing from "effect-llm-router/Testing"
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"

const examples = fileURLToPath(new URL("../../examples", import.meta.url))

const method = {
  name: "orq.ts",
  imports: {
    published: "import { Orq } from \"@orq-ai/node\";\n",
    ours: "import { Orq } from \"effect-llm-router/Orq\";\n"
  },
  names: { Orq: Orq.Orq },
  published: (serverURL: string) => ({
    // it has no variable for its server
    Orq: class extends PublishedOrq {
      constructor(options: object) {
        super({ ...options, serverURL })
      }
    }
  }),
  snippet: `import { Orq } from "@orq-ai/node";

const orq = new Orq({
  apiKey: process.env["ORQ_API_KEY"] ?? "",
});

async function run() {
  const result = await orq.router.chat.completions.create({
    messages: [],
    model: "Model 3",
    fallbacks: [
      {
        model: "openai/gpt-4o-mini",
      },
    ],
    retry: {
      onCodes: [
        429,
        500,
        502,
        503,
        504,
      ],
    },
    cache: {
      ttl: 3600,
      type: "exact_match",
    },
    loadBalancer: {
      type: "weight_based",
      models: [
        {
          model: "openai/gpt-4o",
          weight: 0.7,
        },
      ],
    },
    timeout: {
      callTimeout: 30000,
    },
  });

  console.log(result);
}

run();
`
}

const standalone = {
  name: "orq-standalone.ts",
  imports: {
    published: "import { OrqCore } from \"@orq-ai/node/core.js\";\n" +
      "import { routerChatCompletionsCreate } from \"@orq-ai/node/funcs/routerChatCompletionsCreate.js\";\n",
    ours: "import { OrqCore, routerChatCompletionsCreate } from \"effect-llm-router/Orq\";\n"
  },
  names: { OrqCore: Orq.OrqCore, routerChatCompletionsCreate: Orq.routerChatCompletionsCreate },
  published: (serverURL: string) => ({
    OrqCore: class extends PublishedCore {
      constructor(options: object) {
        super({ ...options, serverURL })
      }
    },
    routerChatCompletionsCreate: publishedCreate
  }),
  snippet: `import { OrqCore } from "@orq-ai/node/core.js";
import { routerChatCompletionsCreate } from "@orq-ai/node/funcs/routerChatCompletionsCreate.js";

// Use \`OrqCore\` for best tree-shaking performance.
// You can create one instance of it to use across an application.
const orq = new OrqCore({
  apiKey: process.env["ORQ_API_KEY"] ?? "",
});

async function run() {
  const res = await routerChatCompletionsCreate(orq, {
    messages: [],
    model: "Model 3",
    fallbacks: [
      {
        model: "openai/gpt-4o-mini",
      },
    ],
    retry: {
      onCodes: [
        429,
        500,
        502,
        503,
        504,
      ],
    },
    cache: {
      ttl: 3600,
      type: "exact_match",
    },
    loadBalancer: {
      type: "weight_based",
      models: [
        {
          model: "openai/gpt-4o",
          weight: 0.7,
        },
      ],
    },
    timeout: {
      callTimeout: 30000,
    },
  });
  if (res.ok) {
    const { value: result } = res;
    console.log(result);
  } else {
    console.log("routerChatCompletionsCreate failed:", res.error);
  }
}

run();
`
}

const environment = process.env

/** Runs a snippet with these names for those that it imports; what it logs. */
const run = (
  code: string,
  names: Readonly<Record<string, unknown>>,
  url: string
): Effect.Effect<ReadonlyArray<unknown>> =>
  Effect.promise(async () => {
    const logged: Array<unknown> = []
    const console = { log: (...values: ReadonlyArray<unknown>) => logged.push(values) }
    const process = { env: { ORQ_API_KEY: "a-key" } }
    const all = { ...names, console, process }
    environment["ORQ_SERVER_URL"] = url
    try {
      const main = new Function(...Object.keys(all), code.replace(/run\(\);\n$/, "return run();"))
      await (main(...Object.values(all)) as Promise<void>)
    } finally {
      delete environment["ORQ_SERVER_URL"]
    }
    return logged
  })

describe("the snippets", () => {
  for (const { imports, name, names, published, snippet } of [method, standalone]) {
    it(`${name} is the snippet, with another import`, () => {
      assert.isTrue(snippet.startsWith(imports.published))
      const text = readFileSync(resolve(examples, name), "utf8")
      const code = text.replace(/^(?:\/\/.*\n|\/\*.*\*\/\n)*import "\.\/_hosted\.js";\n/, "")
      assert.notStrictEqual(code, text)
      assert.strictEqual(code, snippet.replace(imports.published, imports.ours))
    })

    it.scopedLive(`${name}: every field arrives, and the answer is logged`, () =>
      Effect.gen(function*() {
        const { calls, url } = yield* Testing.serve({ "*": Testing.completion("Hi") })
        const code = snippet.replace(imports.published, "")
        const theirs = yield* run(code, published(url), url)
        const own = yield* run(code, names, url)
        const [first, second] = yield* calls
        const body = {
          messages: [],
          model: "Model 3",
          fallbacks: [{ model: "openai/gpt-4o-mini" }],
          retry: { on_codes: [429, 500, 502, 503, 504] },
          cache: { ttl: 3600, type: "exact_match" },
          load_balancer: { type: "weight_based", models: [{ model: "openai/gpt-4o", weight: 0.7 }] },
          timeout: { call_timeout: 30000 },
          stream: false
        }
        assert.deepStrictEqual(second?.body, body)
        // the count is the default of both routers: the SDK writes it down
        assert.deepStrictEqual(first?.body, { ...body, retry: { ...body.retry, count: 3 } })
        assert.strictEqual(second?.headers["authorization"], "Bearer a-key")
        assert.strictEqual(second?.url, first?.url)
        const withoutRoute = JSON.parse(
          JSON.stringify(own),
          (key, value: unknown) => key === "route" ? undefined : value
        )
        assert.deepStrictEqual<unknown>(withoutRoute, JSON.parse(JSON.stringify(theirs)))
      }))
  }

  it.scopedLive("the standalone snippet logs an error", () =>
    Effect.gen(function*() {
      const { url } = yield* Testing.serve({ "*": Testing.status(401) })
      const { imports, names, snippet } = standalone
      const [logged] = yield* run(snippet.replace(imports.published, ""), names, url)
      assert.isTrue(Array.isArray(logged) && logged[0] === "routerChatCompletionsCreate failed:")
      assert.isTrue(Array.isArray(logged) && logged[1] instanceof Orq.APIError)
    }))
})
