import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as Json from "../wire/Json.js"
import type { Backing } from "./cachePersisted.js"
import { sha256 } from "./hash.js"
import { nowMillis } from "./monotonic.js"

/** The directory is looked through for what has expired at most this often, in milliseconds: each time every file is looked at. */
const sweepIntervalMillis = 60_000

/**
 * After a part of the allowed bytes was written, it is looked through all the same. Each process counts what it writes itself, so by so much
 * each of those that share the directory may exceed the bound: eight of them may have twice the bytes.
 */
const sweepFraction = 1 / 8

/** How long a file may take to be written, in milliseconds: one that is older was left behind by a process that is gone. */
const abandonedMillis = 60_000

/** The modification time of a file is when it expires: it is seen without reading the file. This one is never, as far as disks can say it. */
const never = Date.UTC(2100, 0, 1)

const hexDigest = /^[0-9a-f]{64}$/

/** Only a hash names a file: any other key could lead out of the directory, or be too long for a name. */
const nameOf = (key: string): string => hexDigest.test(key) ? key : sha256([key])

const entryFile = /^[0-9a-f]{64}\.json$/
const unfinishedFile = /^[0-9a-f]{64}\.[-0-9a-f]+\.tmp$/

const orNothing = (error: PlatformError.PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "NotFound"

interface Seen {
  readonly path: string
  readonly bytes: number
  readonly expiresAt: number
}

/** What is in the directory and has not expired; what has is removed. Files that are not of this store are left alone. */
const live = (fs: FileSystem.FileSystem, path: Path.Path, directory: string, now: number) =>
  Effect.flatMap(
    fs.readDirectory(directory),
    (names) =>
      Effect.forEach(names.filter((name) => entryFile.test(name) || unfinishedFile.test(name)), (name) => {
        const file = path.join(directory, name)
        return Effect.flatMap(
          fs.stat(file),
          (info): Effect.Effect<ReadonlyArray<Seen>, PlatformError.PlatformError> => {
            const expiresAt = Option.match(info.mtime, { onNone: () => 0, onSome: (date) => date.getTime() })
            if (expiresAt + (entryFile.test(name) ? 0 : abandonedMillis) <= now) {
              return Effect.as(fs.remove(file), [])
            }
            return Effect.succeed([{ path: file, bytes: Number(info.size), expiresAt }])
          }
        ).pipe(
          // another process is looking through the directory, too; and one file that cannot be removed must not keep the others
          Effect.orElseSucceed(() => [])
        )
      })
  )

/** Removes what has expired and, while there are too many bytes, what expires next. */
const sweep = (fs: FileSystem.FileSystem, path: Path.Path, directory: string, maxBytes: number) =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const files = (yield* live(fs, path, directory, now)).flat().sort((a, b) => a.expiresAt - b.expiresAt)
    let excess = files.reduce((sum, file) => sum + file.bytes, -maxBytes)
    for (const file of files) {
      if (excess <= 0) {
        break
      }
      const isGone = yield* Effect.match(fs.remove(file.path), { onFailure: orNothing, onSuccess: () => true })
      excess -= isGone ? file.bytes : 0
    }
  })

/**
 * JSON values in the files of a directory, one for each key, named by it if it is a SHA-256 in hexadecimal digits, and by its hash if
 * not. A file is written under another name and renamed when it is complete: whoever reads sees the old one or the new one, whoever else
 * writes.
 *
 * The key-value store of `@effect/platform` writes in place, so that a reader can see a half, and keeps for ever what nobody asks for.
 *
 * @internal
 */
export const make = (
  directory: string,
  maxBytes: number
): Effect.Effect<
  Backing<PlatformError.PlatformError>,
  PlatformError.PlatformError,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const scope = yield* Effect.scope
    const writer = randomUUID()
    const pathOf = (key: string) => path.join(directory, `${nameOf(key)}.json`)
    const state = { files: 0, written: 0, sweptAt: -Infinity, sweeping: false }
    const makeDirectory = fs.makeDirectory(directory, { recursive: true, mode: 0o700 })
    yield* makeDirectory

    const write = (key: string, text: string, expiresAt: number) =>
      Effect.suspend(() => {
        const unfinished = path.join(directory, `${nameOf(key)}.${writer}-${(state.files++).toString(16)}.tmp`)
        return fs.writeFileString(unfinished, text, { flag: "wx", mode: 0o600 }).pipe(
          Effect.zipRight(fs.utimes(unfinished, new Date(expiresAt), new Date(expiresAt))),
          Effect.zipRight(fs.rename(unfinished, pathOf(key))),
          Effect.onError(() => Effect.ignore(fs.remove(unfinished)))
        )
      })

    const sweepWhenDue = (bytes: number) =>
      Effect.flatMap(nowMillis, (now) => {
        state.written += bytes
        if (
          state.sweeping ||
          state.written < maxBytes * sweepFraction && now - state.sweptAt < sweepIntervalMillis
        ) {
          return Effect.void
        }
        Object.assign(state, { written: 0, sweptAt: now, sweeping: true })
        return sweep(fs, path, directory, maxBytes).pipe(
          Effect.ignore,
          Effect.ensuring(Effect.sync(() => {
            state.sweeping = false
          })),
          Effect.forkIn(scope)
        )
      })

    return {
      get: (key) =>
        fs.readFileString(pathOf(key)).pipe(
          Effect.map((text) => Either.getRight(Json.parse(text))),
          // also of a file that is there and cannot be read: an error would have the whole store be left alone for a while
          Effect.orElseSucceed(Option.none)
        ),
      set: (key, value, ttl) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const text = JSON.stringify(value)
          const bytes = Buffer.byteLength(text)
          if (bytes > maxBytes) {
            return Effect.ignore(fs.remove(pathOf(key)))
          }
          const expiresAt = Math.min(
            never,
            Option.match(ttl, {
              onNone: () => never,
              onSome: (ttl) => now + Math.ceil(Duration.toMillis(ttl))
            })
          )
          return write(key, text, expiresAt).pipe(
            // somebody has removed the directory: the quickest way to empty the cache
            Effect.catchIf(orNothing, () => Effect.zipRight(makeDirectory, write(key, text, expiresAt))),
            Effect.zipRight(sweepWhenDue(bytes))
          )
        })
    }
  })
