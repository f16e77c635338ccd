/**
 * Emission of a group with local reads. Its changes wait in an outbox of their own until they are
 * stable, and move into the store's outbox then: nothing downstream shows what a lease holder
 * elsewhere does not see yet (L13), and what waits keeps no other table's changes back (protocol
 * rule 24). The stable index that the store remembers is written with them.
 */
import { isErrorCode } from '../../src/core/errors.ts'
import { newTxId } from '../../src/core/ids.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import { StatementFailed, type Statement, type Store } from '../../src/core/ports/store.ts'
import type { StoreClock } from '../../src/core/store-clock.ts'
import { beginContext } from '../../src/schema/system-tables.ts'
import { IndexWaiters } from './index-waiters.ts'
import { putStableIndex } from './leases/lease-store.ts'

/** What moves changes. */
export interface StableOutboxOptions {
  readonly databaseId: string
  readonly store: Store
  readonly clock: StoreClock
  readonly runtime: Runtime
  readonly schemaVersion: number
  /** Positions of the waiting outbox behind which a snapshot for another region still reads. */
  readonly snapshotPositions: () => readonly number[]
}

const COLUMNS = `origin_source, origin_epoch, origin_seq, tx, schema_version, cause, table_id, op,
  tenant, key, before, after, ver, delta`
const RETRY_MS = 50

export class StableOutbox {
  readonly #options: StableOutboxOptions
  readonly #released: IndexWaiters
  #target = 0
  #releasedIndex = 0
  #running: Promise<void> | undefined

  constructor(options: StableOutboxOptions) {
    this.#options = options
    this.#released = new IndexWaiters(options.runtime.timers, 0)
  }

  /** Everything through `index` is stable, and all that the store held when its process began. */
  release(index: number): void {
    if (index <= this.#target) return
    this.#target = index
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
    })
  }

  /** Resolves once changes through `index` are emitted. @throws MeridianError `DEADLINE_EXCEEDED` */
  waitReleased(index: number, timeoutMs?: number): Promise<void> {
    return this.#released.wait(index, timeoutMs)
  }

  /** What is under way ends; nothing is emitted until `release` is called again. */
  async pause(): Promise<void> {
    this.#target = this.#releasedIndex
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#releasedIndex < this.#target) {
      const index = this.#target
      try {
        await this.#options.store.write(this.#statements(index))
        this.#releasedIndex = index
        this.#released.advance(index)
      } catch (error) {
        // The store is full, away or closing, or another writer drew a higher stamp: again, later.
        if (isErrorCode(error, 'CLOSED')) return
        if (error instanceof StatementFailed && error.kind === 'raise') await this.#observeClock()
        await new Promise<void>((resolve) => this.#options.runtime.timers.after(RETRY_MS, resolve))
      }
    }
  }

  async #observeClock(): Promise<void> {
    const { store, clock } = this.#options
    const [row] = await store.read([{ sql: 'SELECT hlc FROM _tx', args: [] }])
    clock.observe(row?.rows[0]?.[0] as string)
  }

  /**
   * Changes keep their transactions and origins; their stamp is that of the emission, since stamps
   * of an outbox rise. A seeded row has no index: it waits for what was applied when it was seeded.
   */
  #statements(index: number): Statement[] {
    const { databaseId, clock, runtime, schemaVersion, snapshotPositions } = this.#options
    const before = `coalesce((SELECT min(seq) FROM _unstable_outbox WHERE origin_seq > ?),
      9223372036854775807)`
    const released = `(SELECT seq FROM _unstable_released)`
    const kept = Math.min(...snapshotPositions(), Number.MAX_SAFE_INTEGER)
    return [
      beginContext({
        txId: newTxId(runtime.clock, runtime.random),
        hlc: clock.next(),
        epoch: 0,
        cause: 'user',
        schemaVersion,
        capture: true,
        origin: null,
      }),
      {
        sql: `INSERT INTO _outbox (hlc, ${COLUMNS}) SELECT (SELECT hlc FROM _tx), ${COLUMNS}
          FROM _unstable_outbox WHERE seq > ${released} AND seq < ${before} ORDER BY seq`,
        args: [index],
      },
      {
        sql: `UPDATE _unstable_released SET seq = max(seq, coalesce((SELECT max(seq)
          FROM _unstable_outbox WHERE seq < ${before}), 0))`,
        args: [index],
      },
      {
        sql: `DELETE FROM _unstable_outbox WHERE seq <= min(?, ${released})`,
        args: [kept],
      },
      putStableIndex(databaseId, index),
    ]
  }
}
