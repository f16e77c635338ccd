/**
 * Makes a region's copy of a log group the same as a snapshot, part by part. Each part is one store
 * transaction: rows that differ are written, rows that the snapshot lacks are deleted, and each of
 * them is a change with cause `repair`, so that views, caches and change logs follow. The position
 * is set with the end, and nothing before it.
 */
import { isErrorCode, MeridianError } from '../../src/core/errors.ts'
import { newTxId } from '../../src/core/ids.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import { StatementFailed, type Statement, type Store } from '../../src/core/ports/store.ts'
import type { StoreClock } from '../../src/core/store-clock.ts'
import { beginContext } from '../../src/schema/system-tables.ts'
import type { StrongFaults } from './faults.ts'
import {
  readPosition,
  selectPosition,
  setLastRecord,
  setPosition,
  type LogPosition,
} from './log-batch.ts'
import { forgetStored } from './digests/digest-store.ts'
import { raiseActiveSchema } from './active-schema-store.ts'
import { raiseMachineVersion } from './machine-version.ts'
import { clearMarker, markerGuard, readMarker, selectMarker, setMarker } from './reseed-marker.ts'
import { storeSkips } from './skips.ts'
import type { SnapshotEnd, SnapshotPart } from './snapshot-messages.ts'
import { pruneOutcomes, replaceOutcomes } from './snapshot-outcomes.ts'
import {
  deleteAbsentInRange,
  deleteAbsentUnder,
  deleteHolders,
  upsertRows,
  type SnapshotTable,
} from './snapshot-tables.ts'

/** What a writer needs. */
export interface ReseedWriterOptions {
  readonly group: string
  readonly tables: readonly SnapshotTable[]
  readonly store: Store
  /** The store's clock, shared with every writer of the store. */
  readonly clock: StoreClock
  readonly runtime: Runtime
  readonly schemaVersion: number
  readonly outcomeWindowRecords: number
  readonly faults: StrongFaults
  readonly isStopped: () => boolean
}

const RETRY_STORE_MS = 50
const MAX_CLOCK_RETRIES = 10

/** One attempt. */
export class ReseedWriter {
  readonly #options: ReseedWriterOptions
  readonly #attempt: string
  readonly #tables: ReadonlyMap<string, SnapshotTable>
  #offered = 0

  constructor(options: ReseedWriterOptions) {
    this.#options = options
    this.#attempt = newTxId(options.runtime.clock, options.runtime.random)
    this.#tables = new Map(options.tables.map((table) => [table.name, table]))
  }

  /** From here on the copy is not whole. */
  async begin(peer: string, index: number): Promise<void> {
    const { group } = this.#options
    this.#offered = index
    await this.#write(() => [setMarker(group, { attempt: this.#attempt, peer, index })])
  }

  /** Repeating it is harmless. */
  async apply(part: SnapshotPart): Promise<void> {
    const { group, runtime, clock, schemaVersion, faults } = this.#options
    const changes = this.#changes(part)
    const txId = newTxId(runtime.clock, runtime.random)
    await this.#write(() => [
      ...(faults.positionBeforeEnd === true ? [] : [markerGuard(group, this.#attempt)]),
      beginContext({
        txId,
        hlc: clock.next(),
        epoch: 0,
        cause: 'repair',
        schemaVersion,
        capture: true,
        // Made here: consumers that follow the log's origins must not take it for what they had.
        origin: null,
      }),
      ...changes,
      ...(faults.positionBeforeEnd === true
        ? [setPosition(group, this.#offered, 0), clearMarker(group)]
        : []),
    ])
  }

  /** The copy is whole, and at this index. */
  async finish(end: SnapshotEnd): Promise<LogPosition> {
    const { group, outcomeWindowRecords, faults } = this.#options
    const { index, logTimeMs, machineVersion, schema, skipped } = end
    const statements = [
      ...(faults.positionBeforeEnd === true ? [] : [markerGuard(group, this.#attempt)]),
      pruneOutcomes(group, index, outcomeWindowRecords),
      setPosition(group, index, logTimeMs),
      // Of an unknown id nothing may stay: it would be taken for this index's.
      setLastRecord(group, index, end.lastId ?? ''),
      raiseMachineVersion(group, machineVersion),
      ...(schema === undefined ? [] : [raiseActiveSchema(group, schema)]),
      storeSkips(group, skipped),
      // The rows are others than those that they were of.
      forgetStored(group),
      clearMarker(group),
    ]
    try {
      await this.#write(() => statements)
    } catch (error) {
      // The answer of a commit that took effect may have been lost.
      if (!(error instanceof StatementFailed) || !(await this.#isFinished(index))) throw error
    }
    return { index, logTimeMs, lastId: end.lastId ?? undefined, machineVersion, schema, skipped }
  }

  async #isFinished(index: number): Promise<boolean> {
    const { store, group } = this.#options
    const [position, marker] = await store.read([selectPosition(group), selectMarker(group)])
    return readPosition(position).index === index && readMarker(marker) === undefined
  }

  #changes(part: SnapshotPart): Statement[] {
    const { group, faults } = this.#options
    if (part.kind === 'outcomes') {
      return replaceOutcomes(group, part.after, part.upTo, part.rows)
    }
    const table = this.#tables.get(part.table)
    if (table === undefined) {
      throw new MeridianError('SCHEMA_INCOMPATIBLE', `There is no table ${part.table} here.`)
    }
    const { rows } = part
    const absent =
      part.kind === 'range'
        ? deleteAbsentInRange(table, part.after, part.upTo, rows)
        : deleteAbsentUnder(table, part.width, part.prefixes, rows)
    return [
      ...(faults.keepAbsentRows === true ? [] : [absent]),
      ...deleteHolders(table, rows),
      upsertRows(table, rows),
    ]
  }

  /** A store that is full or away is waited for; stamps that are behind the store's are drawn again. */
  async #write(statements: () => readonly Statement[]): Promise<void> {
    const { store, clock, runtime, isStopped } = this.#options
    for (let behind = 0; ;) {
      if (isStopped()) throw new MeridianError('CLOSED', 'The reseed was stopped.')
      try {
        await store.write(statements())
        return
      } catch (error) {
        if (isErrorCode(error, 'STORE_FULL', 'STORE_UNAVAILABLE', 'OVERLOADED')) {
          await new Promise<void>((resolve) => runtime.timers.after(RETRY_STORE_MS, resolve))
          continue
        }
        const isBehind = error instanceof StatementFailed && error.kind === 'raise'
        if (!isBehind || ++behind === MAX_CLOCK_RETRIES) throw error
        const [row] = await store.read([{ sql: 'SELECT hlc FROM _tx', args: [] }])
        clock.observe(row?.rows[0]?.[0] as string)
      }
    }
  }
}
