/** What is open, to be closed in the opposite order: in full, also when opening failed half-way. */

/** Something that is closed once. */
export interface Closable {
  close(): Promise<void>
}

/** A stack of open things. */
export class Closing {
  readonly #open: Closable[] = []
  #closed: Promise<void> | undefined

  /** Closes it before whatever was added earlier. */
  add<T extends Closable>(part: T): T {
    this.#open.push(part)
    return part
  }

  /** Closes everything, once; goes on after a failure, and then fails with the first one. */
  close(): Promise<void> {
    return (this.#closed ??= this.#closeAll())
  }

  async #closeAll(): Promise<void> {
    const failures: unknown[] = []
    for (const part of this.#open.reverse()) {
      await part.close().catch((error: unknown) => failures.push(error))
    }
    if (failures.length > 0) throw failures[0]
  }
}

/** Like `Promise.all`, but settles once all have: what opened late must be closed as well. */
export async function allSettled<T>(running: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(running)
  for (const one of settled) if (one.status === 'rejected') throw one.reason
  return settled.map((one) => (one as PromiseFulfilledResult<T>).value)
}
