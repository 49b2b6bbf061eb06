import { FileSystem, Path } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, LogLevel, Ref, type Scope } from "effect"
import { Prompts, RouterError } from "effect-llm-router"
import * as FastCheck from "effect/FastCheck"
import { appendFileSync, writeFileSync } from "node:fs"

const likeHeading = /^\\*# *(system|developer|user|assistant|end)[ \t]*$/i

/** Writes a prompt by the documented grammar. */
const written = (messages: Prompts.Definition["messages"], front = "") =>
  [
    front,
    ...messages.map(({ content, role }) => {
      const lines = String(content).split("\n").map((line) => likeHeading.test(line) ? `\\${line}` : line)
      return `# ${role}\n\n${lines.join("\n")}\n\n`
    }),
    "# end\n"
  ].join("")

const user = (content: string) => written([{ role: "user", content }])

/** A store over an empty directory, and what writes to it. */
const makeStore = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = path.join(yield* fs.makeTempDirectoryScoped(), "prompts")
  yield* fs.makeDirectory(directory)
  const fileOf = (name: string) => path.join(directory, name)
  const write = (name: string, text: string | Uint8Array) =>
    fs.makeDirectory(path.dirname(fileOf(name)), { recursive: true }).pipe(
      Effect.zipRight(fs.writeFile(fileOf(name), typeof text === "string" ? new TextEncoder().encode(text) : text))
    )
  const { get } = yield* Effect.provide(Prompts.Prompts, Prompts.layerFileSystem(directory))
  return { fs, directory, fileOf, write, get }
})

type Get = Prompts.Service["get"]

const textOf = (prompt: Prompts.Prompt) =>
  `${prompt.version}: ${prompt.messages.map(({ content }) => content).join("|")}`

/** What a store gives: the texts, or the tag of its error. */
const outcome = (get: Get, id: string, version?: string) =>
  Effect.match(get(id, version), { onFailure: (error) => error._tag, onSuccess: textOf })

const invalid = (get: Get, id: string, version?: string) =>
  Effect.flatMap(Effect.flip(get(id, version)), (error) => {
    assert.instanceOf(error, RouterError.PromptInvalid)
    return Effect.succeed(error)
  })

const scoped = (name: string, test: Effect.Effect<void, unknown, FileSystem.FileSystem | Path.Path | Scope.Scope>) =>
  it.scopedLive(name, () => Effect.provide(test, NodeContext.layer))

describe("layerFileSystem", () => {
  scoped(
    "reads what the documentation shows",
    Effect.gen(function*() {
      const { get, write } = yield* makeStore
      yield* write(
        "support/greeting/2.md",
        `---
description: Greets a customer. For people; it is not sent.
model: openai/gpt-4o
templateEngine: jinja
parameters:
  temperature: 0.2
  tools:
    - function: { name: f, parameters: { type: object } }
  unheardOf: 1
---

# system

You are {{ tone | default("friendly") }}.

## user

It is no heading.

# user

Say hello to {{ name }}.

# end
`
      )
      assert.deepStrictEqual(yield* get("support/greeting", "2"), {
        id: "support/greeting",
        version: "2",
        model: "openai/gpt-4o",
        templateEngine: "jinja",
        parameters: Object.assign(
          { temperature: 0.2, tools: [{ function: { name: "f", parameters: { type: "object" } } }] },
          { unheardOf: 1 }
        ),
        messages: [
          {
            role: "system",
            content: "You are {{ tone | default(\"friendly\") }}.\n\n## user\n\nIt is no heading."
          },
          { role: "user", content: "Say hello to {{ name }}." }
        ]
      })
    })
  )

  scoped(
    "reads any messages from the front matter, line ends of Windows, and a body without front matter",
    Effect.gen(function*() {
      const { get, write } = yield* makeStore
      yield* write(
        "p/1.md",
        "---\nmessages:\n- {role: tool, toolCallId: c, content: \"a\\r\\nb\"}\n- role: user\n  content:\n"
          + "  - {type: image_url, imageUrl: {url: \"https://a.example/b.png\"}}\n---\n# end\n"
      )
      assert.deepStrictEqual((yield* get("p", "1")).messages, [
        { role: "tool", toolCallId: "c", content: "a\r\nb" },
        { role: "user", content: [{ type: "image_url", imageUrl: { url: "https://a.example/b.png" } }] }
      ])
      yield* write("p/2.md", "\uFEFF---\r\nmodel: a/b\r\n---\r\n# developer\r\na\r\n\r\nb\r\n# user\r\n# end\r\n")
      const { messages, model } = yield* get("p", "2")
      assert.deepStrictEqual([model, messages], ["a/b", [
        { role: "developer", content: "a\n\nb" },
        { role: "user", content: "" }
      ]])
      assert.strictEqual(yield* Effect.zipRight(write("p/3.md", user("x")), outcome(get, "p", "3")), "3: x")
    })
  )

  const line = FastCheck.oneof(
    FastCheck.constantFrom(
      "",
      "# user",
      "# end",
      "# end users",
      "#end ",
      "\\# user",
      "\\\\# System",
      "---",
      "{{a}}",
      "# Title",
      "\t",
      "\r"
    ),
    FastCheck.string({ unit: "grapheme" }).map((text) => text.replace(/[\r\n]/g, " "))
  )
  const content = FastCheck.array(line, { maxLength: 6 }).map((lines) => lines.join("\n"))
    .filter((text) => !text.includes("\r\n") && !text.endsWith("\r"))
  const role = FastCheck.constantFrom("system" as const, "developer" as const, "user" as const, "assistant" as const)
  const messages = FastCheck.array(FastCheck.record({ role, content }), { maxLength: 4 })

  it.scopedLive("holds any text, and none when it is cut anywhere", () =>
    Effect.gen(function*() {
      const { get, write } = yield* makeStore
      let version = 0
      for (const sample of FastCheck.sample(messages, { numRuns: 150, seed: 6 })) {
        const text = written(sample)
        yield* write(`p/${++version}.md`, text)
        assert.deepStrictEqual((yield* get("p", `${version}`)).messages, sample)
        const cut = FastCheck.sample(FastCheck.nat({ max: text.length - 1 }), { numRuns: 1, seed: version })[0]
        yield* write(`cut/${version}.md`, text.slice(0, cut))
        assert.strictEqual(
          yield* outcome(get, "cut", `${version}`),
          "PromptInvalid",
          JSON.stringify(text.slice(0, cut))
        )
      }
    }).pipe(Effect.provide(NodeContext.layer)), 30_000)

  it.scopedLive.each<readonly [what: string, text: string, line: number | undefined, said: string]>([
    ["no end", "# user\nx\n", 3, "the file is cut"],
    ["nothing", "", 1, "the file is cut"],
    ["an open front matter", "---\nmodel: a/b\n", 1, "not closed"],
    ["a text without a role", "\nhello\n# end\n", 2, "expected a heading"],
    ["a heading in capitals", "---\n---\n# user\n\n# System\n# end\n", 5, "expected a heading"],
    ["a text after the end", "# user\n# end\n\nrest", 4, "nothing after"],
    ["YAML that is none", "---\nmodel: a/b\nparameters: [\n---\n# end\n", 3, "not plain YAML"],
    ["a duplicate", "---\nmodel: a/b\nmodel: a/c\n---\n# end\n", 3, "DUPLICATE_KEY"],
    ["a tag", "---\nmodel: !!js/function a\n---\n# end\n", 2, "column 8: expected plain YAML: a tag"],
    ["a tag of a list", "---\nparameters:\n  stop: !!seq [a]\n---\n# end\n", 3, "column 9: expected plain YAML: a tag"],
    [
      "a tag of a text",
      "---\nmodel: a/b\ndescription: !!str |\n  x\n---\n# end\n",
      3,
      "column 14: expected plain YAML: a tag"
    ],
    ["a tag of a name", "---\n!!str model: a/b\n---\n# end\n", 2, "column 1: expected plain YAML: a tag"],
    ["a tag of all", "---\n# all\n!!map\nmodel: a/b\n---\n# end\n", 3, "column 1: expected plain YAML: a tag"],
    ["an anchor", "---\nmodel: &a x\n---\n# end\n", 2, "column 8: expected plain YAML: an anchor"],
    [
      "an anchor of nothing",
      "---\nparameters: { stop: [a, &b ] }\n---\n# end\n",
      2,
      "column 25: expected plain YAML: an anchor"
    ],
    ["an alias", "---\nmodel: x\ndescription: *a\n---\n# end\n", 3, "column 14: expected plain YAML: an alias"],
    [
      "an alias in a list",
      "---\nparameters: { stop: [*a] }\n---\n# end\n",
      2,
      "column 22: expected plain YAML: an alias"
    ],
    ["a merge of an alias", "---\nparameters:\n  <<: *a\n---\n# end\n", 3, "column 7: expected plain YAML: an alias"],
    ["a second document", "---\nmodel: a/b\n--- {}\n---\n# end\n", 3, "expected one YAML document"],
    ["a document that is ended", "---\nmodel: a/b\n...\nmodel: a/c\n---\n# end\n", 4, "expected one YAML document"],
    ["a list", "---\n- model\n---\n# end\n", 2, "a map"],
    ["an unknown member", "---\nmodel: a/b\ntemperature: 1\n---\n# end\n", 3, "temperature: is not a known member"],
    [
      "a parameter",
      "---\nparameters:\n  topP: 0\n  temperature: 3\n---\n# end\n",
      4,
      "parameters.temperature: expected"
    ],
    ["messages twice", "---\nmessages: []\n---\n# user\n# end\n", 2, "not both"]
  ])("names the file and the line of %s", ([, text, line, said]) =>
    Effect.gen(function*() {
      const { get, write } = yield* makeStore
      yield* write("a/p/1.md", text.replace("hello", "the text"))
      const error = yield* invalid(get, "a/p", "1")
      assert.deepStrictEqual([error.promptId, error.version, error.file, error.line], ["a/p", "1", "a/p/1.md", line])
      assert.include(error.message, said)
      assert.include(error.message, "a/p/1.md: line ")
      assert.notInclude(error.message, "the text")
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scopedLive("takes what looks like a tag, an anchor or an alias for the text that it is", () =>
    Effect.gen(function*() {
      const { get, write } = yield* makeStore
      const front =
        "---\ndescription: a & b, a * b, so! # &a *b !c\nmodel: \"&a/*b\"\nparameters:\n  user: |\n    *x\n---\n"
      yield* write("p/1.md", written([], front))
      assert.deepStrictEqual<unknown>(yield* get("p", "1"), {
        id: "p",
        version: "1",
        messages: [],
        model: "&a/*b",
        parameters: { user: "*x\n" }
      })
    }).pipe(Effect.provide(NodeContext.layer)))

  // each of these took the library seconds, or ended the process
  const many = (n: number, f: (i: number) => string) => Array.from({ length: n }, (_, i) => f(i)).join("")
  it.scopedLive.each<readonly [what: string, front: string, said: string]>([
    ["names", many(3_500, (i) => `${i.toString(36)}:\n`), "members of a map"],
    ["names in braces", `parameters: {${many(5_000, (i) => `${i.toString(36)}: 1,`)}}\n`, "words and signs"],
    ["names of one name", "a:\n".repeat(3_500), "members of a map"],
    ["names without values", `{${"?,".repeat(3_500)}}\n`, "members of a map"],
    ["brackets that close nothing", `${"]".repeat(16_000)}\n`, "not plain YAML"],
    ["signs", `${"[".repeat(60_000)}\n`, "words and signs"],
    ["lists in lists", `parameters: ${"[".repeat(4_000)}\n`, "levels"],
    ["lists of names", `${"- ? ".repeat(1_600)}\n`, "levels"],
    ["names of names", `${"? ".repeat(4_000)}\n`, "levels"],
    ["maps in maps", many(200, (i) => `${" ".repeat(i)}a:\n`), "levels"],
    ["characters", `description: ${"x".repeat(2 ** 16)}\n`, "characters"]
  ])("takes no front matter of too many %s, soon", ([, front, said]) =>
    Effect.gen(function*() {
      const { get, write } = yield* makeStore
      yield* write("p/1.md", written([], `---\n${front}---\n`))
      const before = performance.now()
      assert.include((yield* invalid(get, "p", "1")).message, said)
      assert.isBelow(performance.now() - before, 1_000)
    }).pipe(Effect.provide(NodeContext.layer)))

  scoped(
    "takes the front matter of many tools",
    Effect.gen(function*() {
      const { get, write } = yield* makeStore
      const tool = (i: number) =>
        `    - type: function
      function:
        name: tool${i}
        parameters:
          type: object
          properties:
            city: { type: string, description: The city }
          required: [city]
`
      yield* write("p/1.md", written([], `---\nparameters:\n  tools:\n${many(150, tool)}---\n`))
      assert.strictEqual((yield* get("p", "1")).parameters?.tools?.length, 150)
    })
  )

  scoped(
    "takes no file that is no text, too large, or a directory",
    Effect.gen(function*() {
      const { fileOf, fs, get, write } = yield* makeStore
      yield* write("p/1.md", Uint8Array.of(0x23, 0x20, 0xff))
      assert.include((yield* invalid(get, "p", "1")).message, "UTF-8")
      yield* write("p/2.md", user("x".repeat(2 ** 20)))
      assert.include((yield* invalid(get, "p", "2")).message, "bytes")
      yield* fs.makeDirectory(fileOf("p/3.md"))
      assert.include((yield* invalid(get, "p", "3")).message, "a file")
    })
  )

  scoped(
    "finds the newest, and nothing that is not there",
    Effect.gen(function*() {
      const { fs, get, write, fileOf } = yield* makeStore
      yield* write("p/9.md", user("nine"))
      yield* write("p/10.md", user("ten"))
      yield* write("p/11-beta.md", user("beta"))
      yield* write("p/.12.md.swp", "x")
      yield* write("p/13.md~", "x")
      yield* write("p/14/1.md", user("another prompt"))
      assert.strictEqual(yield* outcome(get, "p"), "11-beta: beta")
      assert.strictEqual(yield* outcome(get, "p", "latest"), "11-beta: beta")
      assert.strictEqual(yield* outcome(get, "p", "9"), "9: nine")
      assert.strictEqual(yield* outcome(get, "p/14"), "1: another prompt")
      yield* fs.remove(fileOf("p/11-beta.md"))
      assert.strictEqual(yield* outcome(get, "p"), "10: ten")
      assert.strictEqual(yield* outcome(get, "p", "11-beta"), "PromptNotFound")
      for (
        const [id, version] of [["q"], ["q", "1"], ["p", "8"], ["p/9.md", "1"], ["p/9.md"], [""], ["p/"], [
          "/p"
        ]] as const
      ) {
        assert.strictEqual(yield* outcome(get, id, version), "PromptNotFound", `${id} ${version}`)
      }
      yield* write("p/latest.md", user("x"))
      assert.strictEqual(yield* outcome(get, "p"), "PromptInvalid")
    })
  )

  scoped(
    "does not leave its directory",
    Effect.gen(function*() {
      const { directory, fileOf, fs, get, write } = yield* makeStore
      yield* write("../outside/1.md", user("secret"))
      yield* write("p/1.md", user("inside"))
      const names = [
        "../outside",
        "p/../../outside",
        "..",
        ".",
        "p/..",
        `${directory}/p`,
        "p\0",
        "p/./.",
        "..\\outside",
        "C:p",
        "~",
        "p//p"
      ]
      for (const id of names) {
        assert.strictEqual(yield* outcome(get, id, "1"), "PromptNotFound", id)
        assert.strictEqual(yield* outcome(get, id), "PromptNotFound", id)
        assert.strictEqual(yield* outcome(get, "p", id), "PromptNotFound", id)
      }
      yield* fs.symlink(fileOf("../outside"), fileOf("link"))
      yield* fs.symlink(fileOf("../outside/1.md"), fileOf("p/2.md"))
      yield* fs.symlink(fileOf("p/1.md"), fileOf("p/3.md"))
      assert.strictEqual(yield* outcome(get, "link", "1"), "PromptInvalid")
      assert.strictEqual(yield* outcome(get, "link"), "PromptInvalid")
      assert.strictEqual(yield* outcome(get, "p", "2"), "PromptInvalid")
      assert.strictEqual(yield* outcome(get, "p", "3"), "3: inside")
    })
  )

  scoped(
    "sees each change at once, of the same size and time too",
    Effect.gen(function*() {
      const { fileOf, fs, get, write } = yield* makeStore
      const then = new Date(Date.now() - 60_000)
      for (let i = 0; i < 20; i++) {
        yield* write("p/1.md", user(`${i % 10}`))
        assert.strictEqual(yield* outcome(get, "p", "1"), `1: ${i % 10}`)
      }
      yield* fs.utimes(fileOf("p/1.md"), then, then)
      const settled = yield* get("p", "1")
      assert.strictEqual(yield* get("p", "1"), settled)
      yield* fs.writeFileString(fileOf("p/new"), user("replaced"))
      yield* fs.rename(fileOf("p/new"), fileOf("p/1.md"))
      assert.strictEqual(yield* outcome(get, "p", "1"), "1: replaced")
    })
  )

  scoped(
    "keeps the last good prompt while its file cannot be used, and says so once",
    Effect.gen(function*() {
      const { fileOf, fs, get, write } = yield* makeStore
      const logged = yield* Ref.make<ReadonlyArray<string>>([])
      const logger = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ message }) => Effect.runSync(Ref.update(logged, (all) => [...all, String(message)])))
      )
      yield* Effect.gen(function*() {
        yield* write("p/1.md", user("one"))
        assert.strictEqual(yield* outcome(get, "p"), "1: one")
        yield* write("p/1.md", "# user\n\nhalf a te")
        for (const version of [undefined, "1", undefined]) {
          assert.strictEqual(yield* outcome(get, "p", version), "1: one")
        }
        assert.lengthOf(yield* Ref.get(logged), 1)
        assert.include((yield* Ref.get(logged))[0], "p/1.md: line 3: the file is cut")
        yield* write("p/1.md", user("two"))
        assert.strictEqual(yield* outcome(get, "p"), "1: two")

        // a newer version that is not complete yet
        yield* write("p/2.md", "# user\n")
        for (const _ of [1, 2]) assert.strictEqual(yield* outcome(get, "p"), "1: two")
        assert.lengthOf(yield* Ref.get(logged), 2)
        assert.strictEqual(yield* outcome(get, "p", "2"), "PromptInvalid")
        yield* write("p/2.md", user("three"))
        assert.strictEqual(yield* outcome(get, "p"), "2: three")

        yield* fs.remove(fileOf("p"), { recursive: true })
        assert.strictEqual(yield* outcome(get, "p"), "PromptNotFound")
        assert.strictEqual(yield* outcome(get, "p", "2"), "PromptNotFound")
        yield* write("p/2.md", "# user\n")
        assert.strictEqual(yield* outcome(get, "p"), "PromptInvalid")
        assert.lengthOf(yield* Ref.get(logged), 2)
      }).pipe(Effect.provide(logger))
    })
  )

  it.scopedLive("shows nobody half a file, be it written piece by piece or renamed", () =>
    Effect.gen(function*() {
      const { fileOf, fs, get, write } = yield* makeStore
      // a text says itself whether it is whole
      const prompt = (n: number) =>
        written([
          { role: "system", content: `${n}` },
          { role: "user", content: `${n} `.repeat(500 + n % 7 * 400) },
          { role: "assistant", content: `${n}` }
        ])
      const check = (prompt: Prompts.Prompt) => {
        const texts = prompt.messages.map(({ content }) => String(content))
        const n = Number(texts[0])
        assert.deepStrictEqual(texts, [`${n}`, `${n} `.repeat(500 + n % 7 * 400), `${n}`])
        return n
      }
      yield* write("p/1.md", prompt(0))
      yield* get("p", "1")
      let done = false
      /** In place, piece by piece, while others read. */
      const inPlace = (n: number) =>
        Effect.gen(function*() {
          writeFileSync(fileOf("p/1.md"), "")
          const text = prompt(n)
          for (let at = 0; at < text.length; at += 400) {
            appendFileSync(fileOf("p/1.md"), text.slice(at, at + 400))
            yield* Effect.yieldNow()
            if (at % 1600 === 0) yield* Effect.promise(() => new Promise((resume) => setImmediate(resume)))
          }
        })
      const renamed = (n: number) =>
        Effect.zipRight(
          fs.writeFileString(fileOf("p/new"), prompt(n)),
          fs.rename(fileOf("p/new"), fileOf("p/1.md"))
        )
      const seen = new Set<number>()
      const turn = Effect.promise(() => new Promise((resume) => setImmediate(resume)))
      const writer = Effect.gen(function*() {
        for (let n = 1; n <= 60; n++) {
          yield* n % 3 === 0 ? renamed(n) : inPlace(n)
          yield* turn
          // each kind of change is seen while there is nothing newer
          while (n % 5 === 0 && !seen.has(n)) yield* turn
        }
        done = true
      })
      const reader = (version: string | undefined) =>
        Effect.gen(function*() {
          while (!done) seen.add(check(yield* get("p", version)))
        })
      yield* Effect.all([writer, reader("1"), reader("1"), reader(undefined), reader(undefined)], {
        concurrency: "unbounded"
      })
      assert.strictEqual(check(yield* get("p", "1")), 60)
    }).pipe(Effect.provide(NodeContext.layer), Logger.withMinimumLogLevel(LogLevel.None)), 30_000)

  scoped(
    "fails when its directory cannot be read",
    Effect.gen(function*() {
      const { fileOf } = yield* makeStore
      const error = yield* Effect.flip(Effect.provide(Prompts.Prompts, Prompts.layerFileSystem(fileOf("none"))))
      assert.strictEqual(error._tag, "SystemError")
    })
  )
})
