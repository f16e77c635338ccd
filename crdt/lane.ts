/**
 * The one place in a store's node where rows of eventual tables are changed: a queue that takes
 * what waits, reads all its rows at once, computes job after job on what the jobs before it will
 * have left, and hands every job's write to the store in the same turn, so that the store commits
 * them together.
 *
 * Why that is safe: a write holds only while every row that it was computed from has the version
 * that was read (guards in the statements). A job whose write finds otherwise (another writer of
 * the store, or a job before it in the round failed) is computed again in a later round. A refusal
 * (row missing, condition false) may rest on writes that are not durable yet, so it is answered
 * after them, and computed again if one of them failed.
 */
import { MeridianError } from '../src/core/errors.ts'
import { MAX_QUEUED_WRITES, MAX_TRANSACTION_ATTEMPTS } from '../src/core/limits.ts'
import type { Statement, StatementResult, Store } from '../src/core/ports/store.ts'
import type { SqlRow } from '../src/core/values.ts'
import type { CompiledTable } from '../src/schema/compiled.ts'
import { absentRow, decodeRows, selectRows, type RowRef, type StoredRow } from './stored-rows.ts'

const MAX_ROUND_JOBS = 512
const MAX_ROUND_ROWS = 20_000

/** Thrown or rejected by a job that must be computed again on fresh rows. */
export class StaleRound extends Error {
  override readonly name = 'StaleRound'
}

/** The rows of a round, as the jobs before have left them. */
export class RoundRows {
  readonly #rows = new Map<string, StoredRow>()
  readonly #claims = new Set<string>()

  /** The row; one that the job did not name in `rows` is unknown here. */
  get(ref: RowRef): StoredRow {
    return this.#rows.get(ref.id) ?? absentRow(ref)
  }

  put(row: StoredRow): void {
    this.#rows.set(row.id, row)
  }

  /** Takes a name that one job of a round may have; throws `StaleRound` to all others. */
  claim(name: string): void {
    if (this.#claims.has(name)) throw new StaleRound(`${name} is taken in this round`)
    this.#claims.add(name)
  }
}

/** A read by key: those of a round with the same SQL become one statement. */
export interface Lookup {
  /** Over `json_each(?) j`; its first column must be `j.key`, and `j.value` is `args`. */
  readonly sql: string
  /** A value that JSON can hold. */
  readonly args: unknown
}

/** Work on rows. */
export interface LaneJob<T> {
  /** Every row that the job may read or write. */
  readonly rows: readonly RowRef[]
  /** Read on the same snapshot as the rows. */
  readonly lookups: readonly Lookup[]
  /** No job of the same round shares a row with it. */
  readonly alone: boolean
  /**
   * Computes on `rows`, puts the rows that it leaves, and hands its write to the store before it
   * returns. `found`: for each lookup its rows, without the first column. May run again after
   * `StaleRound`.
   */
  readonly run: (rows: RoundRows, found: readonly (readonly SqlRow[])[]) => Promise<T>
}

interface Waiting {
  readonly job: LaneJob<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  attempts: number
}

/** The queue. */
export class RowLane {
  readonly #store: Store
  #queue: Waiting[] = []
  #running = false

  constructor(store: Store) {
    this.#store = store
  }

  /** Runs a job in its turn. @throws MeridianError `OVERLOADED` when too many wait */
  submit<T>(job: LaneJob<T>): Promise<T> {
    if (this.#queue.length >= MAX_QUEUED_WRITES) {
      const message = `${MAX_QUEUED_WRITES} writes wait already.`
      return Promise.reject(new MeridianError('OVERLOADED', message, { fix: 'Try again later.' }))
    }
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ job, resolve: resolve as Waiting['resolve'], reject, attempts: 0 })
      if (!this.#running) void this.#drain()
    })
  }

  async #drain(): Promise<void> {
    this.#running = true
    // What is submitted in the turn of the first job joins its round.
    await Promise.resolve()
    while (this.#queue.length > 0) await this.#round(this.#take())
    this.#running = false
  }

  /** The longest head of the queue in which jobs that must be alone are so. */
  #take(): readonly Waiting[] {
    const touched = new Set<string>()
    const alone = new Set<string>()
    let count = 0
    for (; count < this.#queue.length && count < MAX_ROUND_JOBS; count++) {
      const { job } = this.#queue[count] as Waiting
      const taken = job.alone ? touched : alone
      if (job.rows.some((ref) => taken.has(ref.id))) break
      if (count > 0 && touched.size + job.rows.length > MAX_ROUND_ROWS) break
      for (const ref of job.rows) {
        touched.add(ref.id)
        if (job.alone) alone.add(ref.id)
      }
    }
    return this.#queue.splice(0, count)
  }

  async #round(round: readonly Waiting[]): Promise<void> {
    const refs = groupRefs(round)
    const lookups = new RoundLookups(round)
    const rows = new RoundRows()
    try {
      const results = await this.#store.read([
        ...refs.map((group) => selectRows(group.table, group.rows)),
        ...lookups.statements(),
      ])
      refs.forEach((group, index) => {
        for (const row of decodeRows(group.rows, results[index] as StatementResult)) rows.put(row)
      })
      lookups.answer(results.slice(refs.length))
    } catch (error) {
      for (const waiting of round) waiting.reject(error)
      return
    }
    await this.#runAll(round, rows, lookups)
  }

  async #runAll(round: readonly Waiting[], rows: RoundRows, lookups: RoundLookups): Promise<void> {
    const outcomes = round.map(({ job }) => settled(job, rows, lookups.of(job)))
    const again: Waiting[] = []
    let failed = false
    for (const [index, outcome] of outcomes.entries()) {
      const waiting = round[index] as Waiting
      const { value, error, refused } = await outcome
      if (error === undefined) {
        waiting.resolve(value)
        continue
      }
      const stale = error instanceof StaleRound || (refused && failed)
      if (!refused) failed = true
      if (!stale) waiting.reject(error)
      else if (++waiting.attempts < MAX_TRANSACTION_ATTEMPTS) again.push(waiting)
      else waiting.reject(contended())
    }
    this.#queue.unshift(...again)
  }
}

/** The lookups of a round, those of one SQL text in one statement. */
class RoundLookups {
  readonly #args = new Map<string, unknown[]>()
  readonly #found = new Map<Lookup, SqlRow[]>()
  readonly #asked = new Map<string, Lookup[]>()

  constructor(round: readonly Waiting[]) {
    for (const { job } of round) for (const lookup of job.lookups) this.#ask(lookup)
  }

  statements(): Statement[] {
    return [...this.#args].map(([sql, args]) => ({ sql, args: [JSON.stringify(args)] }))
  }

  /** Takes the results of `statements`. */
  answer(results: readonly StatementResult[]): void {
    for (const [index, asked] of [...this.#asked.values()].entries()) {
      for (const [place, ...row] of results[index]?.rows ?? []) {
        this.#found.get(asked[Number(place)] as Lookup)?.push(row)
      }
    }
  }

  of(job: LaneJob<unknown>): readonly (readonly SqlRow[])[] {
    return job.lookups.map((lookup) => this.#found.get(lookup) ?? [])
  }

  #ask(lookup: Lookup): void {
    const { sql, args } = lookup
    if (!this.#asked.has(sql)) {
      this.#asked.set(sql, [])
      this.#args.set(sql, [])
    }
    this.#asked.get(sql)?.push(lookup)
    this.#args.get(sql)?.push(args)
    this.#found.set(lookup, [])
  }
}

interface Outcome {
  readonly value: unknown
  readonly error: unknown
  /** The job refused before it wrote anything. */
  readonly refused: boolean
}

/** Runs a job at once; never rejects. */
function settled(
  job: LaneJob<unknown>,
  rows: RoundRows,
  found: readonly (readonly SqlRow[])[],
): Promise<Outcome> {
  try {
    return job.run(rows, found).then(
      (value) => ({ value, error: undefined, refused: false }),
      (error: unknown) => ({ value: undefined, error, refused: false }),
    )
  } catch (error) {
    return Promise.resolve({ value: undefined, error, refused: true })
  }
}

interface RefGroup {
  readonly table: CompiledTable
  readonly rows: RowRef[]
}

function groupRefs(round: readonly Waiting[]): readonly RefGroup[] {
  const seen = new Set<string>()
  const groups = new Map<CompiledTable, RefGroup>()
  for (const { job } of round) {
    for (const ref of job.rows) {
      if (seen.has(ref.id)) continue
      seen.add(ref.id)
      const group = groups.get(ref.table) ?? { table: ref.table, rows: [] }
      groups.set(ref.table, group)
      group.rows.push(ref)
    }
  }
  return [...groups.values()]
}

function contended(): MeridianError {
  return new MeridianError('CONFLICT', 'The rows kept changing under other writers of the store.', {
    fix: 'Run the transaction again.',
  })
}
