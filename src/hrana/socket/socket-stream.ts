/** One stream of a socket: its requests run in the order in which they came. */
import { Cursor } from '../cursor.ts'
import { HranaError } from '../errors.ts'
import type { ExecuteContext } from '../execute.ts'
import type { SqlStream } from '../sql-stream.ts'
import type { ResolvedBatch } from '../stored-sql.ts'

export class SocketStream {
  readonly id: number
  readonly stream: SqlStream
  /** The cursor that is open as far as the requests that came say; `undefined` without one. */
  cursorId: number | undefined
  #cursor: Cursor | undefined
  #tail: Promise<void> = Promise.resolve()

  constructor(id: number, stream: SqlStream) {
    this.id = id
    this.stream = stream
  }

  /** Runs after everything that was asked before. @throws what `job` throws */
  inOrder<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(job)
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    )
    return result
  }

  /** To be run in order. @throws HranaError `STREAM_NOT_OPEN` */
  async openCursor(batch: ResolvedBatch, context: ExecuteContext): Promise<void> {
    // Before the first fetch, so that a stream that failed to open says so here.
    await this.stream.call(async () => undefined)
    this.#cursor = new Cursor(this.stream, batch, context)
  }

  /** To be run in order. @throws HranaError `CURSOR_NOT_OPEN` */
  async fetch(maxCount: number, maxBytes: number): ReturnType<Cursor['next']> {
    if (this.#cursor === undefined) {
      throw new HranaError('CURSOR_NOT_OPEN', 'The cursor failed to open.')
    }
    return this.#cursor.next(maxCount, maxBytes)
  }

  /** To be run in order. */
  closeCursor(): void {
    this.#cursor = undefined
  }
}
