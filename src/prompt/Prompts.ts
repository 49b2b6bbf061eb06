/**
 * Prompts that are kept apart from the program, by id and version. A request names one and fills it in:
 *
 * ```ts
 * import { ChatCompletions, Prompts, Providers, ResponseCache } from "effect-llm-router"
 * import { FetchHttpClient } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const program = ChatCompletions.create({
 *   prompt: { id: "greeting", version: "2" }, // without a version, or "latest": the newest
 *   variables: { name: "Ada" }
 * })
 *
 * const PromptsLive = Prompts.layerMemory({
 *   greeting: {
 *     "1": { model: "openai/gpt-4o", messages: [{ role: "user", content: "Say hello to {{name}}" }] },
 *     "2": {
 *       model: "openai/gpt-4o",
 *       parameters: { temperature: 0.2 },
 *       messages: [
 *         { role: "system", content: "You are brief." },
 *         { role: "user", content: "Say hello to {{name}}" }
 *       ]
 *     }
 *   }
 * })
 *
 * const RouterLive = ChatCompletions.layer.pipe(
 *   Layer.provide([Providers.layerConfig, ResponseCache.layerMemory(), PromptsLive]),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * export const main = Effect.provide(program, RouterLive)
 * ```
 *
 * The fields of the request win over those of the prompt, one by one: a field that is there, be it `null`, replaces that of the prompt
 * as a whole. Of `messages` an empty list is as none.
 *
 * @since 0.1.0
 */
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Order from "effect/Order"
import { PromptInvalid, PromptNotFound, type PromptUnavailable } from "../error/Prompt.js"
import * as Issues from "../internal/issues.js"
import { PromptFiles } from "../internal/promptFiles.js"
import { inspect } from "../internal/promptIssues.js"
import { latest } from "../internal/promptName.js"
import { VersionOrder as order } from "../internal/promptVersion.js"
import type { Definition, Prompt } from "./Definition.js"

export {
  /**
   * A prompt without its name: what a request that names it has no field of its own for is taken from here. How a call is routed
   * (`fallbacks`, `retry`, `cache`, …) is not part of it: the request says that, or `RouterDefaults`.
   *
   * @since 0.1.0
   * @category schemas
   */
  Definition,
  /**
   * The parameters of a model: `temperature`, `tools`, `responseFormat`, … as in a request. Members that nobody knows are kept, and
   * passed to the provider.
   *
   * @since 0.1.0
   * @category schemas
   */
  Parameters,
  /**
   * A prompt in one version.
   *
   * @since 0.1.0
   * @category models
   */
  type Prompt
} from "./Definition.js"

/**
 * A store of prompts. For one of your own give a Layer of this: `Layer.succeed(Prompts.Prompts, { get })`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /**
   * The prompt in that version, or in the newest when `version` is `undefined` (a request that asks for `"latest"` comes here without a
   * version). It is asked for in each call, so a store that is far away keeps what it has read.
   */
  readonly get: (
    id: string,
    version: string | undefined
  ) => Effect.Effect<Prompt, PromptNotFound | PromptInvalid | PromptUnavailable>
}

/**
 * @since 0.1.0
 * @category context
 */
export class Prompts extends Context.Tag("effect-llm-router/Prompts")<Prompts, Service>() {}

/**
 * The older version first, by which the stores of this module know the newest.
 *
 * Versions are compared from left to right, digits as numbers and all else by its characters: `9` before `10`, `1.9.0` before `1.10.0`,
 * `2026-01-31` before `2026-02-01`. What goes on with a dash comes before what ends there: `2.0.0-beta` before `2.0.0`.
 *
 * @since 0.1.0
 * @category ordering
 */
export const VersionOrder: Order.Order<string> = order

const invalid = (id: string, version: string, issues: PromptInvalid["issues"]): PromptInvalid =>
  new PromptInvalid({ promptId: id, version, issues })

/**
 * Checks what a store gives. The prompt that comes back is the input itself.
 *
 * @since 0.1.0
 * @category validation
 */
export const validate = (prompt: Prompt): Either.Either<Prompt, PromptInvalid> =>
  Either.mapBoth(inspect(prompt), {
    onLeft: (found) => invalid(prompt.id, prompt.version, Issues.invalidRequest(found).issues),
    onRight: () => prompt
  })

/**
 * The versions of a prompt by their names, or a prompt that has one version only, `"1"`.
 *
 * @since 0.1.0
 * @category models
 */
export type Versions = Definition | { readonly [version: string]: Definition }

/** A version may be called `messages`, but it is no list. */
const isSingle = (versions: Versions): versions is Definition => Array.isArray(versions.messages)

const prompts = (id: string, versions: Versions): ReadonlyMap<string, Prompt> => {
  const named: { readonly [version: string]: Definition } = isSingle(versions) ? { "1": versions } : versions
  return new Map(
    Object.keys(named).sort(VersionOrder).map((version) => {
      if (version === latest || version === "") {
        throw invalid(id, version, [{ path: "", message: "no version may be called so" }])
      }
      return [version, Either.getOrThrowWith(validate({ ...named[version]!, id, version }), (error) => error)]
    })
  )
}

/**
 * Prompts of the program itself, by id. Throws `PromptInvalid` when one of them is none. The newest version is the last by
 * `VersionOrder`, wherever it stands in the record.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerMemory = (record: { readonly [id: string]: Versions }): Layer.Layer<Prompts> => {
  const store = new Map(Object.entries(record).map(([id, versions]) => [id, prompts(id, versions)]))
  return Layer.succeed(Prompts, {
    get: (id, version) => {
      const versions = store.get(id)
      const prompt = version === undefined || version === latest
        ? Array.from(versions?.values() ?? []).at(-1)
        : versions?.get(version)
      return prompt === undefined ? Effect.fail(new PromptNotFound({ promptId: id, version })) : Effect.succeed(prompt)
    }
  })
}

/**
 * Prompts in the files of a directory: `<directory>/<id>/<version>.md`, one for each prompt and version. An id may have slashes, each
 * a directory more. The newest version is the last by `VersionOrder`.
 *
 * ```md
 * ---
 * description: Greets a customer. For people; it is not sent.
 * model: openai/gpt-4o
 * templateEngine: jinja
 * parameters:
 *   temperature: 0.2
 *   maxCompletionTokens: 200
 * ---
 *
 * # system
 *
 * You are {{ tone | default("friendly") }}.
 *
 * # user
 *
 * Say hello to {{ name }}.
 *
 * # end
 * ```
 *
 * - Between the lines `---`, which may be left out together with what is between them, stands YAML 1.2 without tags, anchors
 *   and aliases: up to 64 Ki characters, 16 Ki words and signs, 1,000 members of a map and 100 levels. `parameters` are spelled as in a request, in camelCase.
 * - A line `# system`, `# developer`, `# user` or `# assistant` begins a message, `# end` ends the last one. All lines between are its
 *   text, other headings of Markdown included, but for one empty line at its beginning and one at its end: a text that begins or ends
 *   with an empty line has two there.
 * - A line of a text that reads like one of these five (in capitals, too, and without the space) has a backslash before it: `\# user`.
 *   With backslashes before it already it gets one more.
 * - Messages that are more than a text (images, tool calls, names) stand in the front matter, as `messages` of a request; nothing
 *   but `# end` is below it then.
 * - Line ends are those of Unix; those of Windows are read as such. A file is UTF-8 of at most 1 MiB.
 *
 * A change is seen by the next request. `# end` and the end of its line tell a whole file from one that is still being written, so that no
 * request sees half a prompt, whether a file is renamed or written from its beginning to its end. (Bytes that are changed in the middle of
 * a file are seen as they are.) While a file cannot be used (cut, or wrong) the last good prompt of that file serves, and for the newest
 * version the one that was the newest before it; a warning is logged. Where there is none, a request fails with `PromptInvalid`, which
 * names the file and the line. A file that is removed is gone at once.
 *
 * No id leads out of the directory, nor does a symbolic link. Fails when the directory cannot be read.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerFileSystem = (
  directory: string
): Layer.Layer<Prompts, PlatformError.PlatformError, FileSystem.FileSystem | Path.Path> =>
  Layer.effect(
    Prompts,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const absolute = path.resolve(directory)
      yield* fs.readDirectory(absolute)
      return { get: new PromptFiles(fs, path, absolute).get }
    })
  )
