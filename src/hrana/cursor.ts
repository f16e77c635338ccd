/** A cursor: a batch whose results are taken piece by piece, each step run when it is reached. */
import { BatchRun, rowBytes, type ExecuteContext, type StepOutcome } from './execute.ts'
import type { CursorEntry } from './model.ts'
import type { SqlStream } from './sql-stream.ts'
import type { ResolvedBatch } from './stored-sql.ts'

/** About what an entry takes besides its row. */
const ENTRY_BYTES = 64

export class Cursor {
  readonly #run: BatchRun
  /** Entries of the step that ran last. */
  #entries: Iterator<CursorEntry> | undefined

  constructor(stream: SqlStream, batch: ResolvedBatch, context: ExecuteContext) {
    this.#run = new BatchRun(stream, batch, context)
  }

  /**
   * The next entries: at most `maxCount`, and no more once they hold `maxBytes`. `done`: these were
   * the last.
   *
   * @throws HranaError why the stream was ended
   */
  async next(
    maxCount: number,
    maxBytes: number,
  ): Promise<{ readonly entries: CursorEntry[]; readonly done: boolean }> {
    const entries: CursorEntry[] = []
    let bytes = 0
    while (entries.length < maxCount && bytes < maxBytes) {
      const entry = this.#entries?.next()
      if (entry !== undefined && entry.done !== true) {
        entries.push(entry.value)
        bytes += entry.value.type === 'row' ? rowBytes(entry.value.row) : ENTRY_BYTES
        continue
      }
      // What is complete is not held back for the next statement's time.
      if (entries.length > 0 && bytes >= maxBytes / 2) break
      const outcome = await this.#run.next()
      if (outcome === undefined) return { entries, done: true }
      this.#entries = entriesOf(outcome)
    }
    return { entries, done: false }
  }
}

function* entriesOf(outcome: StepOutcome): Generator<CursorEntry> {
  const { step, result } = outcome
  if (result === undefined) {
    yield { type: 'step_error', step, error: outcome.error }
    return
  }
  yield { type: 'step_begin', step, columns: result.columns }
  for (const row of result.rows) yield { type: 'row', row }
  const { affectedRowCount, lastInsertRowid } = result
  yield { type: 'step_end', affectedRowCount, lastInsertRowid }
}
