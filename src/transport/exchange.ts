import type { Dispatcher } from "undici"
import { Body, type Source } from "./body.js"
import { decoding, type Intake } from "./decoding.js"

/** What undici says of an answer before its body. */
export interface Head {
  readonly status: number
  readonly headers: Readonly<Record<string, string | Array<string> | undefined>>
}

/** What becomes of an exchange: one of the two, once. */
export interface Listener {
  readonly onAnswer: (head: Head, body: Body) => void
  readonly onFailure: (cause: unknown) => void
}

/** Whatever sends requests. */
export interface Carrier {
  readonly send: (exchange: Exchange) => void
}

/** Where an exchange waits until it begins. */
export interface Holder {
  /** Nobody wants it any more. */
  readonly recall: (exchange: Exchange) => void
}

/** Why a connection is closed of which nobody wants anything any more. */
class Left extends Error {
  readonly code = "ABORT_ERR"
  constructor() {
    super("the request was left")
  }
}

type Options = Dispatcher.DispatchOptions & { readonly origin: string }

/** One request and its answer, as undici tells it: a handler of `Dispatcher.dispatch`. */
export class Exchange implements Dispatcher.DispatchHandler, Source {
  private controller: Dispatcher.DispatchController | undefined
  private body: Body | undefined
  private intake: Intake | undefined
  /** It has its answer, or failed, or was left. */
  isOver = false
  holder: Holder | undefined

  constructor(
    readonly options: Options,
    private readonly listener: Listener,
    private readonly maxBytes: number,
    private readonly onTooLarge: (head: Head) => unknown
  ) {}

  /** It waits for a connection, and somebody waits for it. */
  get isPending(): boolean {
    return this.controller === undefined && !this.isOver
  }

  /** Nobody wants it any more: what is under way is closed at once, and what is not under way does not begin. */
  leave(): void {
    if (this.isOver) {
      return
    }
    this.isOver = true
    this.body?.leave()
    if (this.controller === undefined) {
      this.holder?.recall(this)
    } else {
      this.controller.abort(new Left())
    }
  }

  /** It fails for another reason than undici's. */
  abort(cause: unknown): void {
    if (this.isOver) {
      return
    }
    if (this.body === undefined) {
      this.listener.onFailure(cause)
    } else {
      this.body.fail(cause)
    }
    this.leave()
  }

  // ---- the source of its body

  pause(): void {
    this.controller?.pause()
  }

  resume(): void {
    if (!this.isOver) {
      this.controller?.resume()
    }
  }

  close(): void {
    this.leave()
  }

  // ---- what undici calls

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.isOver) {
      // thrown, and not aborted: that would close a connection that others can use
      throw new Left()
    }
    this.controller = controller
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Head["headers"]
  ): void {
    // an informational answer (103) comes before the one that is meant
    if (status < 200 || this.isOver) {
      return
    }
    const head = { status, headers }
    const decoder = decoding(headers["content-encoding"], () => body, this)
    const body: Body = new Body(decoder ?? this, this.maxBytes, () => this.onTooLarge(head))
    this.body = body
    this.intake = decoder ?? body
    this.listener.onAnswer(head, body)
  }

  onResponseData(_controller: Dispatcher.DispatchController, part: Uint8Array): void {
    if (!this.isOver) {
      this.intake?.push(part)
    }
  }

  onResponseEnd(): void {
    if (!this.isOver) {
      this.isOver = true
      this.intake?.complete()
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, cause: unknown): void {
    if (this.isOver) {
      return
    }
    this.isOver = true
    if (this.body === undefined) {
      this.listener.onFailure(cause)
    } else {
      this.body.fail(cause)
    }
  }
}
