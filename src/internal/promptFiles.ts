import type * as PlatformError from "@effect/platform/Error"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import { PromptInvalid, PromptNotFound, PromptUnavailable } from "../error/Prompt.js"
import type { Prompt } from "../prompt/Definition.js"
import * as PromptFile from "./promptFile.js"
import * as Name from "./promptName.js"
import { VersionOrder } from "./promptVersion.js"

type StoreError = PromptNotFound | PromptInvalid | PromptUnavailable

const extension = ".md"

/** How large a file may be, in bytes: 1 MiB, more than the context of most models. */
const maxBytes = 2 ** 20

/**
 * For how long after a change another one may leave the same time on a file, in milliseconds: the coarsest file system counts in steps of
 * two seconds.
 */
const coarsestTick = 2_000

/** How often a file that changes all the time is read before the last good prompt is used. */
const maxReads = 10

/** What tells a file from the same file after a change. */
interface Stamp {
  readonly mtime: number
  readonly size: bigint
  readonly inode: number | undefined
  readonly device: number
}

const stampOf = (info: FileSystem.File.Info): Stamp => ({
  mtime: Option.match(info.mtime, { onNone: () => NaN, onSome: (date) => date.getTime() }),
  size: info.size,
  inode: Option.getOrUndefined(info.ino),
  device: info.dev
})

/** `NaN` is never the same: where a file has no time, it is read each time. */
const isSame = (a: Stamp, b: Stamp): boolean =>
  a.mtime === b.mtime && a.size === b.size && a.inode === b.inode && a.device === b.device

/** A file as it was read last. Each field is replaced as a whole. */
interface Known {
  stamp: Stamp
  /** Whether the time of the file is old enough for every change to be seen by it. */
  settled: boolean
  /** What was read; `undefined` where that was no text. */
  text: string | undefined
  outcome: Either.Either<Prompt, PromptInvalid>
  /** The last one that was complete and right. */
  good: Prompt | undefined
  told: boolean
}

interface Where {
  readonly id: string
  readonly version: string
  readonly path: string
  /** Relative to the directory of the store. */
  readonly file: string
}

const isAbsent = (error: PlatformError.PlatformError): boolean =>
  error._tag === "SystemError" && (error.reason === "NotFound" || error.reason === "BadResource")

const codeOf = (error: PlatformError.PlatformError): string => error._tag === "SystemError" ? error.reason : error._tag

const utf8 = new TextDecoder("utf-8", { fatal: true })

/**
 * A prompt in each file `<id>/<version>.md` of a directory.
 *
 * A file is looked at (not read) when its prompt is asked for, and read again when it has changed. Nobody sees a prompt that is being
 * written: it is replaced when the whole of the new one is understood, and until then the old one serves.
 *
 * @internal
 */
export class PromptFiles {
  private readonly known = new Map<string, Known>()
  /** The version that each id last had as its newest. */
  private readonly newest = new Map<string, string>()

  constructor(
    private readonly fs: FileSystem.FileSystem,
    private readonly path: Path.Path,
    private readonly directory: string
  ) {}

  readonly get = (id: string, version: string | undefined): Effect.Effect<Prompt, StoreError> => {
    const segments = Name.directories(id)
    const exact = version === Name.latest ? undefined : version
    if (segments === undefined || exact !== undefined && !Name.isVersion(exact)) {
      return Effect.fail(new PromptNotFound({ promptId: id, version: exact }))
    }
    const folder = this.path.join(this.directory, ...segments)
    return exact === undefined ? this.latest(id, folder) : this.exact(this.where(id, exact, folder))
  }

  private where(id: string, version: string, folder: string): Where {
    const name = `${version}${extension}`
    return { id, version, path: this.path.join(folder, name), file: `${id}/${name}` }
  }

  private latest(id: string, folder: string): Effect.Effect<Prompt, StoreError> {
    return this.fs.readDirectory(folder).pipe(
      Effect.catchAll((error) => {
        if (isAbsent(error)) return Effect.succeed([])
        const last = this.newest.get(id)
        // what was there a moment ago is better than nothing
        return last === undefined
          ? Effect.fail(new PromptUnavailable({ promptId: id, reason: codeOf(error) }))
          : Effect.succeed([`${last}${extension}`])
      }),
      Effect.flatMap((names) => {
        if (names.includes(`${Name.latest}${extension}`)) {
          return Effect.fail(
            new PromptInvalid({
              promptId: id,
              file: `${id}/${Name.latest}${extension}`,
              issues: [{ path: "", message: "no version may be called so: it stands for the newest" }]
            })
          )
        }
        const versions = names.filter((name) => name.endsWith(extension))
          .map((name) => name.slice(0, -extension.length))
          .filter(Name.isVersion)
          .sort(Order.reverse(VersionOrder))
        return this.firstOf(id, versions, folder)
      })
    )
  }

  /** The newest; while its file was never complete, the one that was the newest before. */
  private firstOf(
    id: string,
    [version, ...older]: ReadonlyArray<string>,
    folder: string
  ): Effect.Effect<Prompt, StoreError> {
    if (version === undefined) return Effect.fail(new PromptNotFound({ promptId: id }))
    const where = this.where(id, version, folder)
    return this.exact(where).pipe(
      Effect.tap(() => {
        this.newest.set(id, version)
      }),
      Effect.catchTags({
        // removed since the directory was read
        PromptNotFound: () => this.firstOf(id, older, folder),
        PromptInvalid: (error): Effect.Effect<Prompt, StoreError> => {
          const last = this.newest.get(id)
          return last === undefined || !older.includes(last)
            ? Effect.fail(error)
            : Effect.zipRight(this.tell(where, error), this.exact(this.where(id, last, folder)))
        }
      })
    )
  }

  private exact(where: Where): Effect.Effect<Prompt, StoreError> {
    return this.refreshed(where).pipe(
      Effect.catchAll((error): Effect.Effect<Either.Either<Prompt, PromptInvalid>, StoreError> => {
        const good = this.known.get(where.path)?.good
        if (isAbsent(error)) {
          this.known.delete(where.path)
          return Effect.fail(new PromptNotFound({ promptId: where.id, version: where.version }))
        }
        return good === undefined
          ? Effect.fail(
            new PromptUnavailable({ promptId: where.id, version: where.version, reason: codeOf(error) })
          )
          : Effect.succeed(Either.right(good))
      }),
      Effect.flatMap((outcome) => {
        if (Either.isRight(outcome)) return outcome
        const good = this.known.get(where.path)?.good
        return good === undefined ? outcome : Effect.as(this.tell(where, outcome.left), good)
      })
    )
  }

  /** Says once, of each state of a file, that an older prompt serves in its place. */
  private tell({ path }: Where, error: PromptInvalid): Effect.Effect<void> {
    const known = this.known.get(path)
    if (known === undefined || known.told) return Effect.void
    known.told = true
    return Effect.logWarning(`an older prompt is used, because the new one cannot be: ${error.message}`)
  }

  private refreshed(where: Where): Effect.Effect<Known["outcome"], PlatformError.PlatformError> {
    return Effect.flatMap(this.fs.stat(where.path), (info) => {
      const known = this.known.get(where.path)
      return known !== undefined && known.settled && isSame(known.stamp, stampOf(info))
        ? Effect.succeed(known.outcome)
        : this.load(where)
    })
  }

  private load(where: Where): Effect.Effect<Known["outcome"], PlatformError.PlatformError> {
    return Effect.gen(this, function*() {
      const now = yield* Clock.currentTimeMillis
      const [root, path] = yield* Effect.zip(this.fs.realPath(this.directory), this.fs.realPath(where.path))
      // looked at before it is read: what changes in between is read again the next time
      const info = yield* this.fs.stat(path)
      const stamp = stampOf(info)
      const settled = now - stamp.mtime >= coarsestTick
      const text = !path.startsWith(root.endsWith(this.path.sep) ? root : root + this.path.sep)
        ? Either.left("expected a file inside the directory, not a link out of it")
        : info.type !== "File"
        ? Either.left("expected a file")
        : info.size > BigInt(maxBytes)
        ? Either.left(`expected at most ${maxBytes} bytes`)
        : settled
        ? yield* Effect.map(this.fs.readFile(path), decode)
        : yield* this.readTwice(path, this.known.get(where.path)?.text, maxReads)
      return yield* this.noted(where, stamp, settled, text)
    })
  }

  /**
   * A file that is written while it is read can come as the beginning of what it was and the end of what it becomes. What has just changed
   * is read until it comes the same twice.
   */
  private readTwice(
    path: string,
    before: string | undefined,
    reads: number
  ): Effect.Effect<Either.Either<string, string>, PlatformError.PlatformError> {
    return Effect.flatMap(this.fs.readFile(path), (bytes) => {
      const text = decode(bytes)
      if (Either.isLeft(text) || text.right === before) return Effect.succeed(text)
      return reads === 1
        ? Effect.succeed(Either.left("expected a file that is not being written"))
        : this.readTwice(path, text.right, reads - 1)
    })
  }

  private noted(
    where: Where,
    stamp: Stamp,
    settled: boolean,
    text: Either.Either<string, string>
  ): Effect.Effect<Known["outcome"]> {
    const before = this.known.get(where.path)
    if (before !== undefined && Either.isRight(text) && before.text === text.right) {
      before.stamp = stamp
      before.settled = settled
      return Effect.succeed(before.outcome)
    }
    return Effect.map(outcomeOf(where, text), (outcome) => {
      const good = Either.getOrUndefined(outcome) ?? this.known.get(where.path)?.good
      this.known.set(where.path, {
        stamp,
        settled,
        text: Either.getOrUndefined(text),
        outcome,
        good,
        told: false
      })
      return outcome
    })
  }
}

const decode = (bytes: Uint8Array): Either.Either<string, string> =>
  Either.try({ try: () => utf8.decode(bytes), catch: () => "expected a text in UTF-8" })

const outcomeOf = (
  { file, id, version }: Where,
  text: Either.Either<string, string>
): Effect.Effect<Either.Either<Prompt, PromptInvalid>> =>
  Either.mapLeft(text, (message): PromptFile.Unreadable => ({ issues: [{ path: "", message }] })).pipe(
    Effect.flatMap(PromptFile.parse),
    Effect.mapBoth({
      onFailure: (unreadable) => new PromptInvalid({ promptId: id, version, file, ...unreadable }),
      onSuccess: (definition): Prompt => ({ ...definition, id, version })
    }),
    Effect.either
  )
