/**
 * Runs the readers over a folder of recorded answers: `npx tsx scripts/recordings.ts <folder>`.
 *
 * The folder holds `responses/*.json` (bodies), `streams/*.sse` (raw event streams) and `streams-expected.jsonl` (per stream:
 * its events, and what the chunks make when they are folded), and
 * `errors/*.json` (see `recordings-errors.ts`). Prints a line for each failure and a summary.
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Assert from "node:assert"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Chunk from "../src/wire/Chunk.js"
import * as Completion from "../src/wire/Completion.js"
import * as Fold from "../src/wire/Fold.js"
import * as Json from "../src/wire/Json.js"
import * as Sse from "../src/wire/Sse.js"
import { check as recordedErrors } from "./recordings-errors.js"

/** One recording: its name, and a function that throws when it is not read as expected. */
interface Check {
  readonly name: string
  readonly run: () => void
}

const filesIn = (folder: string, kind: string, extension: string): Array<string> => {
  const directory = Path.join(folder, kind)
  return Fs.existsSync(directory)
    ? Fs.readdirSync(directory).filter((name) => name.endsWith(extension)).sort().map((name) => `${kind}/${name}`)
    : []
}

const parse = (text: string): unknown =>
  Either.getOrElse(Json.parse(text), (error) => Assert.fail(`not JSON: ${error.reason}`))

const readChunk = (json: unknown): Chunk.Chunk =>
  Either.getOrElse(Chunk.fromWire(json), (reason) => Assert.fail(`not a chunk: ${reason}`))

// ---- responses ------------------------------------------------------------------------------------------------------

const isCompletion = Schema.is(Completion.Completion)

/** Every body is either an error or a completion with an answer in it, of the type that it is said to have. */
const checkResponse = (text: string): void => {
  const json = parse(text)
  if (Chunk.errorOf(json) !== undefined) {
    return
  }
  const completion = Either.getOrElse(Completion.fromWire(json), (reason) => Assert.fail(`not a completion: ${reason}`))
  Assert.ok(isCompletion(completion), "the completion is not of its type")
  Assert.ok(completion.choices.length > 0, "the completion has no choices")
}

const responses = (folder: string): Array<Check> =>
  filesIn(folder, "responses", ".json").map((name) => ({
    name,
    run: () => checkResponse(Fs.readFileSync(Path.join(folder, name), "utf8"))
  }))

// ---- streams --------------------------------------------------------------------------------------------------------

interface ExpectedStream {
  readonly file: string
  readonly events: number
  readonly eventsSha256: string
  readonly comments: number
  readonly done: boolean
  readonly eventsAfterDone: number
  readonly undispatchedTail: string | null
  readonly chunks: number
  readonly choices: ReadonlyArray<unknown>
  readonly usage: unknown
  readonly errors: ReadonlyArray<unknown>
}

type Slices = (bytes: Uint8Array) => Iterable<Uint8Array>

const whole: Slices = (bytes) => [bytes]

const bySizes = (sizes: () => number): Slices =>
  function*(bytes) {
    for (let start = 0, end = 0; start < bytes.length; start = end) {
      end = start + sizes()
      yield bytes.subarray(start, end)
    }
  }

/** The same sizes from 1 to 64 in each run: a failure can be repeated. */
const uneven = (): Slices => {
  let state = 1
  return bySizes(() => {
    state = (state * 48271) % 2147483647
    return 1 + state % 64
  })
}

const decode = (bytes: Uint8Array, slices: Slices) => {
  const decoder = Sse.makeDecoder()
  const events: Array<Sse.Event> = []
  for (const slice of slices(bytes)) {
    events.push(...decoder.feed(slice))
  }
  return { events, tail: decoder.end(), comments: decoder.comments }
}

const choiceRow = (choice: Completion.Choice) => ({
  index: choice.index,
  content: choice.message.content ?? "",
  reasoning: choice.message.reasoning ?? "",
  refusal: choice.message.refusal ?? "",
  toolCalls: (choice.message.toolCalls ?? []).map((call) => ({
    id: call.id ?? "",
    name: call.function?.name ?? "",
    arguments: call.function?.arguments ?? ""
  })),
  finishReason: choice.finishReason ?? null
})

const member = (json: unknown, name: string): unknown =>
  typeof json === "object" && json !== null ? Object.getOwnPropertyDescriptor(json, name)?.value : undefined

const lastOf = (jsons: ReadonlyArray<unknown>, usageOf: (json: unknown) => unknown): unknown =>
  jsons.map((json) => usageOf(json) ?? null).filter((usage) => usage !== null).at(-1) ?? null

const usageMember = (json: unknown): unknown => member(json, "usage")

/** Groq also reports it in a member of its own, which the expected rows leave out. */
const anyUsage = (json: unknown): unknown => usageMember(json) ?? member(member(json, "x_groq"), "usage")

const streamRow = (bytes: Uint8Array, slices: Slices) => {
  const { comments, events, tail } = decode(bytes, slices)
  const endOfStream = events.findIndex((event) => event.data === Sse.done)
  const end = endOfStream === -1 ? events.length : endOfStream
  const jsons = [...events.slice(0, end), ...tail].filter((event) => event.data !== Sse.done)
    .map((event) => parse(event.data))
  const fold = Fold.make()
  jsons.forEach((json) => fold.add(readChunk(json)))
  const completion = fold.completion()
  const usage = Completion.usageFromWire(lastOf(jsons, anyUsage))
  Assert.deepStrictEqual(completion.usage, usage, "the folded usage is not the last one")
  return {
    row: {
      events: events.length,
      eventsSha256: Crypto.createHash("sha256")
        .update(JSON.stringify(events.map((event) => [event.event ?? "message", event.data]))).digest("hex"),
      comments,
      done: endOfStream !== -1,
      eventsAfterDone: endOfStream === -1 ? 0 : events.length - endOfStream - 1,
      undispatchedTail: tail[0]?.data ?? null,
      chunks: fold.chunks,
      choices: completion.choices.map(choiceRow),
      usage: lastOf(jsons, usageMember),
      errors: jsons.map(Chunk.errorOf).filter((error) => error !== undefined)
    },
    completion
  }
}

const checkStream = (bytes: Uint8Array, expected: ExpectedStream): void => {
  const { completion, row } = streamRow(bytes, whole)
  for (const [name, value] of Object.entries(row)) {
    Assert.deepStrictEqual(value, member(expected, name), `${name} differs`)
  }
  Assert.ok(isCompletion(completion), "the completion is not of its type")
  for (const slices of [bySizes(() => 1), uneven()]) {
    Assert.deepStrictEqual(streamRow(bytes, slices), { completion, row }, "the result depends on how the bytes are cut")
  }
}

const streams = (folder: string): Array<Check> => {
  const file = Path.join(folder, "streams-expected.jsonl")
  const lines = Fs.existsSync(file) ? Fs.readFileSync(file, "utf8").split("\n").filter((line) => line !== "") : []
  const rows = new Map(lines.map((line): [string, ExpectedStream] => {
    const row: ExpectedStream = JSON.parse(line)
    return [row.file, row]
  }))
  return filesIn(folder, "streams", ".sse").map((name) => ({
    name,
    run: () => {
      const expected = rows.get(name)
      checkStream(Fs.readFileSync(Path.join(folder, name)), expected ?? Assert.fail("no row in streams-expected.jsonl"))
    }
  }))
}

// ---- errors ---------------------------------------------------------------------------------------------------------

const errors = (folder: string): Array<Check> =>
  recordedErrors(folder).map(({ detail, file, ok }) => ({
    name: `errors/${file}`,
    run: () => Assert.ok(ok, detail)
  }))

// ---- all ------------------------------------------------------------------------------------------------------------

/** Each kind of recording, as a list of checks over a folder. */
const kinds: ReadonlyArray<(folder: string) => Array<Check>> = [responses, streams, errors]

const failure = (check: Check): string | undefined => {
  try {
    check.run()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.split("\n")[0] : String(error)
  }
}

const main = (folder: string): boolean => {
  const checks = kinds.flatMap((kind) => kind(folder))
  let failed = 0
  for (const check of checks) {
    const message = failure(check)
    if (message !== undefined) {
      failed++
      console.log(`${check.name}: ${message}`)
    }
  }
  console.log(`${checks.length - failed} passed, ${failed} failed`)
  return failed === 0 && checks.length > 0
}

const folder = process.argv[2]
if (folder === undefined) {
  console.log("usage: npx tsx scripts/recordings.ts <folder>")
}
process.exitCode = folder !== undefined && main(folder) ? 0 : 1
