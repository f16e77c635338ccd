/**
 * Deletes expired rows. Readers and writers never saw them since their instant; the sweep says so
 * to everybody, with cause `ttl`.
 */
import { MeridianError } from '../src/core/errors.ts'
import { hlcMs } from '../src/core/hlc.ts'
import type { Statement } from '../src/core/ports/store.ts'
import type { SqlValue } from '../src/core/values.ts'
import type { CompiledTable } from '../src/schema/compiled.ts'
import { expiredRow } from '../src/sql/live-row.ts'
import { textClientId } from './client-id.ts'
import { encodeDelta } from './codec.ts'
import type { EventualContext } from './engine.ts'
import type { RoundRows } from './lane.ts'
import { expiryMs, isVisible } from './project.ts'
import { RowEditor } from './row-editor.ts'
import { rowRef, type RowRef } from './stored-rows.ts'
import { beginWrite, writeGuarded, WriteSet } from './write-set.ts'

const BATCH_ROWS = 500

/** Sweeps a store's eventual tables. */
export interface EventualSweeper {
  /** Deletes every row that has expired, batch by batch. Returns how many. */
  sweep(): Promise<number>
}

/** What a sweeper needs besides the store's context. */
export interface SweeperOptions {
  /** Whether this region sweeps now: rows without a home have one sweeper, under a lease. */
  readonly isLeader: () => boolean
  readonly newTxId: () => string
}

/** The sweeper of a store. */
export function createEventualSweeper(
  context: EventualContext,
  options: SweeperOptions,
): EventualSweeper {
  return new Sweeper(context, options)
}

class Sweeper implements EventualSweeper {
  readonly #context: EventualContext
  readonly #options: SweeperOptions
  readonly #clientId: number

  constructor(context: EventualContext, options: SweeperOptions) {
    this.#context = context
    this.#options = options
    this.#clientId = textClientId(context.source)
  }

  async sweep(): Promise<number> {
    let count = 0
    for (const table of this.#context.schema.tables) {
      if (table.consistency !== 'eventual' || table.ttl === null) continue
      let swept: number
      do {
        if (!this.#options.isLeader()) return count
        swept = await this.#sweepBatch(table)
        count += swept
      } while (swept === BATCH_ROWS)
    }
    return count
  }

  async #sweepBatch(table: CompiledTable): Promise<number> {
    const { store, lane, wallClock } = this.#context
    const [result] = await store.read([expiredKeys(table, wallClock.nowMs())])
    const refs = (result?.rows ?? []).map(([tenant, ...key]) =>
      rowRef(
        table,
        tenant as string,
        key.map((value, i) => narrow(table, i, value)),
      ),
    )
    if (refs.length === 0) return 0
    return lane.submit({
      rows: refs,
      lookups: [],
      alone: false,
      run: (rows) => this.#expire(refs, rows),
    })
  }

  /** Looks again: a row may have been extended since its key was read. */
  #expire(refs: readonly RowRef[], rows: RoundRows): Promise<number> {
    const { store, schema, clock, source } = this.#context
    const hlc = clock.next()
    const nowMs = hlcMs(hlc)
    const writes = new WriteSet(schema, rows)
    const facts = { txId: this.#options.newTxId(), hlc, cause: 'ttl' as const, origin: null }
    let count = 0
    for (const ref of refs) {
      const row = rows.get(ref)
      const expiry = expiryMs(ref.table, row.state)
      if (!isVisible(ref.table, row.state) || expiry === null || expiry > nowMs) continue
      const editor = new RowEditor(ref.table, row.state, { source, hlc, clientId: this.#clientId })
      editor.expire()
      const delta = encodeDelta(editor.delta())
      writes.change({ row, state: editor.row, delta, version: hlc, facts })
      count++
    }
    if (count === 0) return Promise.resolve(0)
    const statements = [beginWrite(schema, facts.txId, hlc, 'ttl'), ...writes.finish()]
    return writeGuarded(() => store.write(statements), store, clock).then(() => count)
  }
}

function expiredKeys(table: CompiledTable, nowMs: number): Statement {
  const ttl = table.ttl
  if (ttl === null) throw new MeridianError('INTERNAL', `\`${table.name}\` has no TTL.`)
  const key = ['tenant', ...table.primaryKey.map((column) => `c${column.id}`)]
  return {
    sql: `SELECT ${key.map((name) => `o.${name}`).join(', ')} FROM ${table.physicalName} o
      WHERE ${expiredRow(table, 'o')} AND o._visible = 1 ORDER BY o.c${ttl.id} LIMIT ${BATCH_ROWS}`,
    args: [nowMs],
    bigints: table.primaryKey.some((column) => column.type === 'bigint'),
  }
}

function narrow(table: CompiledTable, index: number, value: SqlValue): SqlValue {
  const wide = table.primaryKey[index]?.type === 'bigint'
  return typeof value === 'bigint' && !wide ? Number(value) : value
}
