/**
 * A stream of chunks as what code without Effect reads: a `ReadableStream`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { RoutedChunk } from "../ChatCompletions.js"

/**
 * One event: the chunk is its `data`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChunkEvent {
  readonly data: RoutedChunk
}

/**
 * The events of a streamed completion, for `for await` or for a reader.
 *
 * It ends only when the answer is complete. One that breaks throws. To leave the loop, or to cancel, closes the connection.
 *
 * @since 0.1.0
 * @category models
 */
export type EventStream = ReadableStream<ChunkEvent> & AsyncIterable<ChunkEvent>

/** As the platform's own: the stream is locked from here on, and to leave it cancels, even before anything was read. */
const iterate = (events: ReadableStream<ChunkEvent>): AsyncIterableIterator<ChunkEvent, undefined> => {
  const reader = events.getReader()
  let isOver = false
  const end = () => {
    isOver = true
    reader.releaseLock()
  }
  const cancel = async () => {
    if (!isOver) {
      // who waits for a chunk at this moment is told that there is none
      const cancelled = reader.cancel()
      end()
      await cancelled
    }
  }
  const iterator: AsyncIterableIterator<ChunkEvent, undefined> = {
    next: async () => {
      if (isOver) {
        return { done: true, value: undefined }
      }
      try {
        const { done, value } = await reader.read()
        if (!done) {
          return { done, value }
        }
      } catch (error) {
        end()
        throw error
      }
      end()
      return { done: true, value: undefined }
    },
    return: async () => {
      await cancel()
      return { done: true, value: undefined }
    },
    throw: async (error: unknown) => {
      await cancel()
      throw error
    },
    [Symbol.asyncIterator]: () => iterator
  }
  return iterator
}

/** Not every platform's streams can be iterated, and not every library of types says so of those that can. */
const iterable = (events: ReadableStream<ChunkEvent>): EventStream =>
  Object.assign(events, { [Symbol.asyncIterator]: () => iterate(events) })

/**
 * The two ends of a stream: the reader's, and the writer's.
 *
 * @since 0.1.0
 * @category models
 */
export interface Pipe {
  readonly events: EventStream
  /** Waits until somebody reads, and hands the chunk over. */
  readonly write: (chunk: RoutedChunk) => Effect.Effect<void>
  readonly close: () => void
  readonly fail: (error: unknown) => void
}

/**
 * A pipe without a buffer: the connection is read as fast as the reader reads. `onCancel` resolves when the connection is closed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (onCancel: () => Promise<void>): Pipe => {
  const demand = Effect.unsafeMakeLatch(false)
  let satisfy = (): void => {}
  let writer: ReadableStreamDefaultController<ChunkEvent> | undefined
  const end = (how: (writer: ReadableStreamDefaultController<ChunkEvent>) => void): void => {
    if (writer !== undefined) {
      how(writer)
      writer = undefined
    }
    satisfy()
  }
  const events = new ReadableStream<ChunkEvent>({
    start: (controller) => {
      writer = controller
    },
    pull: () =>
      new Promise<void>((resolve) => {
        satisfy = resolve
        demand.unsafeOpen()
      }),
    cancel: () => {
      writer = undefined
      return onCancel()
    }
  }, { highWaterMark: 0 })
  return {
    events: iterable(events),
    write: (chunk) =>
      demand.whenOpen(Effect.sync(() => {
        demand.unsafeClose()
        writer?.enqueue({ data: chunk })
        satisfy()
      })),
    close: () => end((writer) => writer.close()),
    fail: (error) => end((writer) => writer.error(error))
  }
}
