/** Orders to a process of the bench, and its answers, over the channel that `node:child_process` gives it. */

export interface Order {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

export type Answer = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: string }

export type Handlers = Readonly<Record<string, (argument: never) => unknown>>

const messageOf = (error: unknown): string => error instanceof Error ? `${error.stack}` : String(error)

/** Carries orders out in this process until the channel closes: it ends then, whatever is still open. */
export const answer = (handlers: Handlers): void => {
  const reply = (answer: Answer) => process.send?.(answer)
  process.on("message", async ({ argument, id, name }: Order) => {
    try {
      const handler = handlers[name] as ((argument: unknown) => unknown) | undefined
      if (handler === undefined) throw new Error(`no handler for ${name}`)
      reply({ id, value: await handler(argument) })
    } catch (error) {
      reply({ id, error: messageOf(error) })
    }
  })
  process.on("disconnect", () => process.exit())
  reply({ id: 0, value: "ready" })
}
