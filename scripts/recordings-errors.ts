/**
 * Classifies recorded error answers: `tsx scripts/recordings-errors.ts <folder>` prints the class of each file of
 * `<folder>/errors` (JSON with `status`, `headers` and `rawBody`) and fails when one has none that fits its status.
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as Classify from "../src/wire/Classify.js"
import * as ErrorTable from "../src/wire/ErrorTable.js"

const Recording = Schema.parseJson(Schema.Struct({
  status: Schema.Number,
  headers: Schema.optionalWith(Schema.Record({ key: Schema.String, value: Schema.String }), { default: () => ({}) }),
  rawBody: Schema.String
}))

export interface Result {
  readonly file: string
  readonly ok: boolean
  readonly detail: string
}

/** A class fits when the table gives it to the status, or lets it refine that status. */
const fits = (tag: string, status: number): boolean => {
  const listed = ErrorTable.rows.some((row) => row.statuses.includes(status))
  const row = ErrorTable.rows.find((row) => row.tag === tag)
  return row !== undefined &&
    (row.statuses.includes(status) || row.refines.includes(status) ||
      !listed && tag === (status < 500 ? "InvalidRequest" : "Unavailable"))
}

const checkFile = (folder: string, file: string): Result => {
  try {
    const { headers, rawBody: body, status } = Schema.decodeUnknownSync(Recording)(
      fs.readFileSync(path.join(folder, file), "utf8")
    )
    const answer = { status, headers, body, nowMillis: 0 }
    const error = status >= 200 && status < 300
      ? Classify.fromBody({ ...answer, json: JSON.parse(body) })
      : Classify.fromResponse(answer)
    const wait = error.retryAfter === undefined ? "" : ` after ${Duration.format(error.retryAfter)}`
    return {
      file,
      ok: fits(error._tag, error.impliedStatus ?? status),
      detail: `${error._tag}${wait}: ${error.message}`
    }
  } catch (cause) {
    return { file, ok: false, detail: String(cause) }
  }
}

/** Every recorded error of the folder with its class. `ok` is false where there is none that fits the status. */
export const check = (folder: string): ReadonlyArray<Result> =>
  fs.readdirSync(path.join(folder, "errors"))
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => checkFile(path.join(folder, "errors"), file))

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const folder = process.argv[2]
  if (folder === undefined) {
    process.stderr.write("usage: tsx scripts/recordings-errors.ts <folder>\n")
    process.exit(2)
  }
  const results = check(folder)
  const failed = results.filter((result) => !result.ok)
  for (const { detail, file, ok } of results) {
    process.stdout.write(`${ok ? "ok  " : "FAIL"} ${file}  ${detail}\n`)
  }
  process.stdout.write(`${results.length} errors, ${failed.length} without a class that fits\n`)
  process.exitCode = failed.length === 0 ? 0 : 1
}
