/**
 * Where a publisher is, kept in the store: the position from which it goes on, and for each topic
 * the last sequence number of each partition. In `_meta`, which stores of every age have.
 *
 * A row names the one publisher that may move it. Whoever starts takes the row over; an earlier one
 * that still runs fails at its next write.
 */
import type { Hlc } from '../../src/core/hlc.ts'
import { MeridianError } from '../../src/core/errors.ts'
import { StatementFailed, type Statement, type Store } from '../../src/core/ports/store.ts'

const ROW = 'topics'
const TOPIC_PREFIX = 'topics:'

/** How far everything is sent and acknowledged. */
export interface Published {
  readonly position: number
  /** The last stamp of a change that this store stamped itself; null: there is none yet. */
  readonly hlc: Hlc | null
  /** By topic, the localSeq of the last change of each partition; 0: there is none. */
  readonly previous: ReadonlyMap<string, readonly number[]>
}

const NOTHING: Published = { position: 0, hlc: null, previous: new Map() }

/** The row's value. */
interface StoredRow {
  /** Positions count in this life of the store. */
  readonly source: string
  readonly holder: string
  readonly position: number
  readonly hlc: Hlc | null
}

export class PublishState {
  readonly #store: Store
  readonly #source: string
  readonly #holder: string

  constructor(store: Store, source: string, holder: string) {
    this.#store = store
    this.#source = source
    this.#holder = holder
  }

  /** Makes this publisher the one that moves the row, and tells where it is. */
  async takeOver(): Promise<Published> {
    const [rows] = await this.#store.read([
      {
        sql: `SELECT key, value FROM _meta WHERE key = ? OR key GLOB ?`,
        args: [ROW, `${TOPIC_PREFIX}*`],
      },
    ])
    const values = new Map((rows?.rows ?? []).map(([key, value]) => [String(key), String(value)]))
    const stored = values.get(ROW)
    const found = this.#parse(values)
    await this.#store.write([
      // What was read is what is taken over: another one may start at the same time.
      {
        sql: `INSERT INTO _guard SELECT 1 WHERE (SELECT value FROM _meta WHERE key = ?) IS NOT ?`,
        args: [ROW, stored ?? null],
      },
      ...(found === NOTHING ? [FORGET_TOPICS] : []),
      this.#row(found),
    ])
    return found
  }

  /**
   * Keeps where the publisher is; `before` is what was kept last.
   *
   * @throws MeridianError `CONFLICT` when another publisher has taken over, or the store's own
   */
  async save(next: Published, before: Published): Promise<void> {
    const changed = [...next.previous].filter(
      ([topic, seqs]) => before.previous.get(topic) !== seqs,
    )
    const guard: Statement = {
      sql: `INSERT INTO _guard SELECT 1 WHERE
        (SELECT value->>'holder' FROM _meta WHERE key = ?) IS NOT ?`,
      args: [ROW, this.#holder],
    }
    try {
      await this.#store.write([
        guard,
        this.#row(next),
        ...changed.map(([topic, seqs]) => upsert(TOPIC_PREFIX + topic, JSON.stringify(seqs))),
      ])
    } catch (error) {
      const isGuard = error instanceof StatementFailed && error.statementIndex === 0
      throw isGuard ? takenOver(error) : error
    }
  }

  /** A position of another life of the store says nothing here. */
  #parse(values: ReadonlyMap<string, string>): Published {
    const text = values.get(ROW)
    if (text === undefined) return NOTHING
    const row = JSON.parse(text) as StoredRow
    if (row.source !== this.#source) return NOTHING
    const previous = [...values]
      .filter(([key]) => key.startsWith(TOPIC_PREFIX))
      .map(([key, seqs]) => [key.slice(TOPIC_PREFIX.length), JSON.parse(seqs) as number[]] as const)
    return { position: row.position, hlc: row.hlc, previous: new Map(previous) }
  }

  #row({ position, hlc }: Published): Statement {
    const row: StoredRow = { source: this.#source, holder: this.#holder, position, hlc }
    return upsert(ROW, JSON.stringify(row))
  }
}

const FORGET_TOPICS: Statement = {
  sql: 'DELETE FROM _meta WHERE key GLOB ?',
  args: [`${TOPIC_PREFIX}*`],
}

function upsert(key: string, value: string): Statement {
  return {
    sql: `INSERT INTO _meta (key, value) VALUES (?, ?)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
    args: [key, value],
  }
}

function takenOver(cause: unknown): MeridianError {
  return new MeridianError('CONFLICT', 'Another publisher has taken over the topics.', {
    fix: 'Let one node of a region publish.',
    retry: 'never',
    cause,
  })
}
