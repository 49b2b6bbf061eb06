import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as CacheStore from "../policy/CacheStore.js"
import { foundAt, keep, type Kept } from "./cacheKept.js"
import { nowNanos } from "./monotonic.js"
import { guard } from "./storeGuard.js"

/**
 * A store as the calls use it: it never fails, a look takes no longer than the limit of a store, and nobody waits for a write.
 *
 * @internal
 */
export interface Access extends CacheStore.Store {
  /**
   * Runs a call that looks for a key. What identical calls store meanwhile is known to it as `latest`, without another look into the store,
   * however slow that is.
   */
  readonly visit: <A, E, R>(key: string, call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** What was stored under the key while somebody visits it, or earlier. */
  readonly latest: (key: string) => Effect.Effect<Option.Option<CacheStore.Found>>
}

/** What is known of a key without its store, for as long as a call or a write needs it. */
interface Place {
  users: number
  kept: Kept | undefined
}

class Places {
  // Everything that reads and writes this table does so within one step of one fiber.
  private readonly places = new Map<string, Place>()

  peek(key: string): Kept | undefined {
    return this.places.get(key)?.kept
  }

  enter(key: string): Place {
    const place = this.places.get(key) ?? { users: 0, kept: undefined }
    this.places.set(key, place)
    place.users++
    return place
  }

  leave(key: string, place: Place): void {
    place.users--
    if (place.users === 0) {
      this.places.delete(key)
    }
  }
}

/**
 * Of a store that does neither fail nor wait: one in memory. It knows the latest itself.
 *
 * @internal
 */
export const direct = (store: CacheStore.Store): Access => ({
  get: store.get,
  set: store.set,
  visit: (_, call) => call,
  latest: store.get
})

const make = (
  store: CacheStore.Store,
  write: (access: Effect.Effect<void>) => Effect.Effect<void>
): Access => {
  const places = new Places()
  const latest = (key: string) =>
    Effect.map(nowNanos, (now) => Option.map(Option.fromNullable(places.peek(key)), foundAt(now)))
  return {
    latest,
    visit: (key, call) =>
      Effect.acquireUseRelease(
        Effect.sync(() => places.enter(key)),
        () => call,
        (place) => Effect.sync(() => places.leave(key, place))
      ),
    get: (key) =>
      Effect.flatMap(
        latest(key),
        (known) =>
          Option.isSome(known) && known.value.staleMillis === undefined ? Effect.succeed(known) : store.get(key)
      ),
    set: (key, entry, lifetime) =>
      Effect.uninterruptible(Effect.flatMap(nowNanos, (now) => {
        const place = places.enter(key)
        place.kept = keep(entry, lifetime, now)
        return write(Effect.ensuring(
          store.set(key, entry, lifetime),
          Effect.sync(() => places.leave(key, place))
        ))
      }))
  }
}

const name = "response_cache"

/**
 * Of any store. When the scope is closed, writes that are under way are waited for: a program may end with its answer.
 *
 * @internal
 */
export const guarded = <E>(store: CacheStore.Store<E>): Effect.Effect<Access, never, Scope.Scope> =>
  Effect.gen(function*() {
    // apart, because a store that is full can still be read
    const reading = guard()
    const writing = guard()
    const writes = new Set<Fiber.RuntimeFiber<void>>()
    yield* Effect.addFinalizer(() => Fiber.awaitAll(writes))
    return make(
      {
        get: (key) => reading(store.get(key), Option.none(), name),
        set: (key, entry, lifetime) => writing(store.set(key, entry, lifetime), undefined, name)
      },
      (write) =>
        Effect.map(Effect.forkDaemon(write), (fiber) => {
          writes.add(fiber)
          fiber.addObserver(() => writes.delete(fiber))
        })
    )
  })
