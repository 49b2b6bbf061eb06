/**
 * What a request asks of the router, resolved: the deprecated envelope folded in, the defaults filled.
 *
 * @since 0.1.0
 */
import type * as Schema from "effect/Schema"
import { setOwn } from "./Keys.js"
import type {
  Cache as CacheOptions,
  CacheMode,
  Commit,
  Envelope,
  fields,
  PromptReference,
  Timeout
} from "./RouterOptions.js"

/**
 * Extra attempts when `retry` is given without `count`: the published default.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultRetryCount = 3

/**
 * The statuses that are tried again when `retry` is given without `onCodes`: those that every published example lists,
 * because each of them can be gone a moment later.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultRetryCodes: ReadonlyArray<number> = [429, 500, 502, 503, 504]

/**
 * How long an answer is kept when `cache` is given without `ttl`, in seconds: the published default, half an hour.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultCacheTtl = 1800

/**
 * The weight of a load balancer's model that has none: the published default, the middle of its range.
 *
 * @since 0.1.0
 * @category defaults
 */
export const defaultWeight = 0.5

/**
 * @since 0.1.0
 * @category models
 */
export interface Cache {
  readonly ttl: number
  readonly staleIfError?: number | undefined
  readonly mode?: typeof CacheMode.Type | undefined
}

/**
 * What a request asks of the router. A member that is absent was not asked for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Routing {
  /** `provider/model`. Not called when there is a `loadBalancer`. Absent where the prompt is to give it. */
  readonly model: string | undefined
  /** `provider/model` of each, in the order in which they are tried. */
  readonly fallbacks: ReadonlyArray<string>
  /** `count` is extra attempts. */
  readonly retry?: { readonly count: number; readonly onCodes: ReadonlyArray<number> } | undefined
  /** `ttl` and `staleIfError` in seconds. */
  readonly cache?: Cache | undefined
  readonly loadBalancer?: ReadonlyArray<{ readonly model: string; readonly weight: number }> | undefined
  /** In milliseconds; all but `totalTimeout` for one attempt. */
  readonly timeout?: typeof Timeout.Type | undefined
  readonly commit?: typeof Commit.Type | undefined
  readonly variables?: { readonly [name: string]: unknown } | undefined
  readonly prompt?: typeof PromptReference.Type | undefined
  /** The display name of the call in traces. */
  readonly name?: string | undefined
}

const cacheOf = ({ mode, staleIfError, ttl = defaultCacheTtl }: typeof CacheOptions.Type): Cache => ({
  ttl,
  ...(staleIfError !== undefined && { staleIfError }),
  ...(mode && { mode })
})

type Fields = Schema.Struct.Type<typeof fields> & { readonly model?: string | undefined }
type Inputs = (typeof Envelope.Type)["inputs"]

/** A list says the same as a map; the last of two entries with one key counts. */
const variablesOf = (inputs: Inputs): Routing["variables"] => {
  if (!isList(inputs)) return inputs
  const variables: { [name: string]: unknown } = {}
  for (const { key, value } of inputs) setOwn(variables, key, value)
  return variables
}

const isList = (inputs: Inputs): inputs is Extract<Inputs, ReadonlyArray<unknown>> => Array.isArray(inputs)

const nonEmpty = <A>(list: ReadonlyArray<A> | undefined): ReadonlyArray<A> | undefined =>
  list === undefined || list.length === 0 ? undefined : list

/**
 * The routing of a valid request. Each member of the envelope `orq` counts only where the request itself has none;
 * empty `fallbacks` are none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (request: Fields): Routing => {
  const { orq } = request
  const retry = request.retry ?? orq?.retry
  const cache = request.cache ?? orq?.cache
  const loadBalancer = request.loadBalancer ?? orq?.loadBalancer
  const timeout = request.timeout ?? orq?.timeout
  const variables = request.variables ?? variablesOf(orq?.inputs)
  const prompt = request.prompt ?? orq?.prompt
  const name = request.name ?? orq?.name
  return {
    model: request.model,
    fallbacks: (nonEmpty(request.fallbacks) ?? orq?.fallbacks ?? []).map((target) => target.model),
    ...(retry && {
      retry: { count: retry.count ?? defaultRetryCount, onCodes: retry.onCodes ?? defaultRetryCodes }
    }),
    ...(cache && { cache: cacheOf(cache) }),
    ...(loadBalancer && {
      loadBalancer: loadBalancer.models.map(({ model, weight }) => ({ model, weight: weight ?? defaultWeight }))
    }),
    ...(timeout && { timeout }),
    ...(request.commit && { commit: request.commit }),
    ...(variables && { variables }),
    ...(prompt && { prompt }),
    ...(name !== undefined && { name })
  }
}
