/** One region with pinned tables of the shop, its clocks and its directory in the test's hands. */
import type { Change } from '../../src/core/change.ts'
import { CAUSES, CHANGE_OPS } from '../../src/core/change.ts'
import type { TransactionRequest, WriteOp } from '../../src/core/operations.ts'
import type { TransactionEngine } from '../../src/core/ports/engine.ts'
import type { Clock } from '../../src/core/ports/runtime.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import { decodeImage, decodeKey } from '../../src/schema/image.ts'
import { tenantKey } from '../../src/tenancy/tenant-key.ts'
import { createPinnedEngine, type Home } from '../../replication/pinned/engine.ts'
import type { PinnedFaults } from '../../replication/pinned/faults.ts'
import type { MemoryStore } from './memory-store.ts'
import { openShop, shop, shopTable } from './shop.ts'

/** A region under test. */
export interface PinnedRegion {
  readonly store: MemoryStore
  readonly clock: StoreClock
  readonly wall: { nowMs: number }
  readonly wallClock: Clock
  readonly engine: TransactionEngine
  /** What the directory's lookup answers. */
  readonly homes: Map<string, Home>
  /** Sets a tenant in the store's directory and in what lookups answer. */
  place(tenant: string, home: Home): Promise<void>
  /** The changes in the outbox. */
  changes(): Promise<Change[]>
}

export const REGION = 'eu-west'
export const SOURCE = 'eu-west.1'

/** Opens a region in which the tenants 'a' and 'b' are at home. */
export async function openPinnedRegion(faults: PinnedFaults = {}): Promise<PinnedRegion> {
  const store = await openShop()
  const wall = { nowMs: 1_000_000 }
  const wallClock: Clock = {
    nowMs: () => wall.nowMs,
    monotonicMs: () => wall.nowMs,
    bootMs: () => wall.nowMs,
  }
  const clock = new StoreClock(wallClock)
  const homes = new Map<string, Home>()
  const engine = createPinnedEngine({
    store,
    schema: shop,
    clock,
    wallClock,
    region: REGION,
    source: SOURCE,
    directory: { lookup: (tenant) => Promise.resolve(homes.get(tenant)) },
    faults,
  })
  const place = async (tenant: string, home: Home): Promise<void> => {
    homes.set(tenant, home)
    await store.write([
      {
        sql: `INSERT INTO _tenants VALUES (?, ?, ?, ?, 'standard') ON CONFLICT DO UPDATE
          SET home = excluded.home, epoch = excluded.epoch, state = excluded.state`,
        args: [tenantKey(tenant), home.home, home.epoch, home.state],
      },
    ])
  }
  for (const tenant of ['a', 'b']) await place(tenant, { home: REGION, epoch: 1, state: 'active' })
  return { store, clock, wall, wallClock, engine, homes, place, changes: () => readChanges(store) }
}

let transactions = 0

/** A request with an id of its own. */
export function request(
  ops: readonly WriteOp[],
  more: Partial<TransactionRequest> = {},
): TransactionRequest {
  const id = `tx-${++transactions}`
  return {
    txId: id,
    tenant: 'a',
    reads: [],
    ops,
    idempotencyKey: id,
    contentHash: `hash-${id}`,
    issuedAtMs: 1_000_000,
    basis: 0,
    ...more,
  }
}

/** The outbox, read plainly. */
async function readChanges(store: MemoryStore): Promise<Change[]> {
  const [result] = await store.read([
    {
      sql: `SELECT seq, origin_source, origin_epoch, origin_seq, tx, hlc, schema_version, cause,
        table_id, op, tenant, key, before, after, ver FROM _outbox ORDER BY seq`,
      args: [],
    },
  ])
  return (result?.rows ?? []).map((row, index): Change => {
    const table = shop.tables.find((t) => t.id === row[8]) ?? shopTable('orders')
    const image = (json: unknown): Change['after'] =>
      json === null ? null : decodeImage(table, json as string)
    return {
      localSeq: row[0] as number,
      origin: {
        source: (row[1] as string | null) ?? SOURCE,
        epoch: row[2] as number,
        seq: (row[3] ?? row[0]) as number,
      },
      txId: row[4] as string,
      index,
      size: 1,
      hlc: row[5] as string,
      schemaVersion: row[6] as number,
      cause: CAUSES[row[7] as number] ?? 'user',
      tableId: table.id,
      op: CHANGE_OPS[row[9] as number] ?? 'insert',
      tenant: row[10] as string,
      key: decodeKey(table, row[11] as string),
      before: image(row[12]),
      after: image(row[13]),
      version: row[14] as string,
      delta: null,
    }
  })
}
