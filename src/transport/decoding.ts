import type { Transform } from "node:stream"
import * as Zlib from "node:zlib"
import type { Body, Source } from "./body.js"

/** Takes the bytes of a body as they come from the network. */
export interface Intake {
  readonly push: (part: Uint8Array) => void
  readonly complete: () => void
}

/** How many codings, one over the other, are undone. More of them is nothing that a server does in earnest. */
export const maxCodings = 5

/** Node has it from version 22.15 on. */
const { createZstdDecompress }: {
  readonly createGunzip: () => Transform
  readonly createZstdDecompress?: () => Transform
} = Zlib

/** Some servers send the bare data, without the header of zlib: its first four bits are 8. */
const inflate = (first: Uint8Array | undefined): Transform =>
  first === undefined || (first[0]! & 0x0f) === 0x08 ? Zlib.createInflate() : Zlib.createInflateRaw()

type Decoder = (first: Uint8Array | undefined) => Transform

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["gzip", () => Zlib.createGunzip()],
  ["x-gzip", () => Zlib.createGunzip()],
  ["deflate", inflate],
  ["br", () => Zlib.createBrotliDecompress()],
  ...(createZstdDecompress === undefined ? [] : [["zstd", () => createZstdDecompress()] as const])
])

/** The decoders of a `content-encoding`, the last coding first. A body in one that is not known is left as it is. */
const decodersOf = (encoding: string): ReadonlyArray<Decoder> => {
  const codings = encoding.toLowerCase().split(",").map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding !== "identity")
  const known = codings.flatMap((coding) => decoders.get(coding) ?? [])
  return known.length === codings.length && known.length <= maxCodings ? known.reverse() : []
}

/**
 * Undoes the codings of a body while it comes. A reader that is behind pauses the last decoder, that one the one before it, and the
 * first one the connection: what a small body swells to is held back, too.
 */
class Decoding implements Intake, Source {
  private chain: ReadonlyArray<Transform> = []

  constructor(
    private readonly decoders: ReadonlyArray<Decoder>,
    private readonly body: () => Body,
    private readonly network: Source
  ) {}

  /** Begun with the first byte: an answer to HEAD names a coding and has no body. */
  private begin(part: Uint8Array): Transform {
    this.chain = this.decoders.map((decoder, index) => decoder(index === 0 ? part : undefined))
    const first = this.chain[0]!
    const last = this.chain.reduce((from, to) => from.pipe(to))
    this.chain.forEach((transform) =>
      transform.on("error", (cause) => {
        this.body().fail(cause)
        this.close()
      })
    )
    last.on("data", (part: Uint8Array) => this.body().push(part))
    last.on("end", () => this.body().complete())
    first.on("drain", () => this.network.resume())
    return first
  }

  push(part: Uint8Array): void {
    const first = this.chain[0] ?? this.begin(part)
    if (!first.destroyed && !first.write(part)) {
      this.network.pause()
    }
  }

  complete(): void {
    const first = this.chain[0]
    if (first === undefined) {
      this.body().complete()
    } else {
      first.end()
    }
  }

  pause(): void {
    this.chain.at(-1)?.pause()
  }

  resume(): void {
    this.chain.at(-1)?.resume()
  }

  close(): void {
    this.chain.forEach((transform) => transform.destroy())
    this.network.close()
  }
}

/** What stands between the network and a body with this encoding; `undefined` is nothing. */
export const decoding = (
  encoding: string | ReadonlyArray<string> | undefined,
  body: () => Body,
  network: Source
): Intake & Source | undefined => {
  const decoders = encoding === undefined ? [] : decodersOf(String(encoding))
  return decoders.length === 0 ? undefined : new Decoding(decoders, body, network)
}
