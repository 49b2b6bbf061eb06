/**
 * The client without its methods.
 *
 * @since 0.1.0
 */
import * as Backend from "./Backend.js"
import * as Engine from "./Engine.js"
import type { ClientOptions } from "./Options.js"

let engine: (core: OrqCore) => Engine.Engine

/**
 * The client for standalone functions.
 *
 * It keeps no process alive: an open call does, until it ends.
 *
 * @since 0.1.0
 * @category models
 */
export class OrqCore {
  // private to the runtime, too: a log of the client shows no key
  readonly #engine: Engine.Engine

  static {
    engine = (core) => core.#engine
  }

  constructor(options: ClientOptions = {}) {
    this.#engine = options.router === undefined
      ? Engine.make(Backend.hosted(options))
      : Engine.make(Backend.local(options, options.router))
  }

  /**
   * Ends the calls that are under way (they fail with `RequestAbortedError`), and releases what the Layer of the router holds.
   *
   * @since 0.1.0
   */
  close(): Promise<void> {
    return this.#engine.close()
  }

  /**
   * `close`, for `await using`.
   *
   * @since 0.1.0
   */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * @since 0.1.0
 * @category getters
 */
export const engineOf = (core: OrqCore): Engine.Engine => engine(core)
