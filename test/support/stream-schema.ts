/** A small schema with a table of each mode, and writers and appliers that speak it. */
import type { Change } from '../../src/core/change.ts'
import { makeStamp } from '../../src/core/hlc.ts'
import type { ChangeApplier } from '../../src/core/ports/changes.ts'
import type { Statement, Store } from '../../src/core/ports/store.ts'
import type { StoreClock } from '../../src/core/store-clock.ts'
import { pinnedVersion, strongVersion } from '../../src/core/version.ts'
import { integer, text } from '../../src/schema/columns.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledSchema, CompiledTable } from '../../src/schema/compiled.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import { beginContext, LAST_LOCAL_SEQ } from '../../src/schema/system-tables.ts'
import { outboxRows, type NewOutboxChange } from '../../src/sql/outbox-rows.ts'
import { deleteRows, upsertRows, type RowWrite } from '../../src/sql/write-rows.ts'

const columns = { id: text().primaryKey(), body: text(), amount: integer() }

export const streamSchema: CompiledSchema = compileSchema(
  defineSchema({
    tables: {
      orders: table(columns, { consistency: 'pinned' }),
      notes: table({ id: text().primaryKey(), body: text() }, { consistency: 'eventual' }),
      plans: table(columns, { consistency: 'strong', scope: 'global' }),
    },
  }),
).compiled

export const ORDERS: CompiledTable = streamSchema.tableByName.get('orders') as CompiledTable
export const NOTES: CompiledTable = streamSchema.tableByName.get('notes') as CompiledTable
export const PLANS: CompiledTable = streamSchema.tableByName.get('plans') as CompiledTable

/** One row of a transaction; a null body deletes it (pinned tables alone). */
export interface TestWrite {
  readonly table: CompiledTable
  readonly tenant: string
  readonly id: string
  readonly body: string | null
}

/** Where a transaction is written. */
export interface TestStore {
  readonly store: Store
  readonly source: string
  readonly storeClock: StoreClock
}

let transactions = 0

/** Commits a transaction as an engine would: pinned and strong by triggers, eventual by hand. */
export async function commitWrites(
  target: TestStore,
  writes: readonly TestWrite[],
): Promise<number> {
  const txId = `tx-${++transactions}`
  const hlc = target.storeClock.next()
  const isEventual = writes[0]?.table.consistency === 'eventual'
  const isStrong = writes[0]?.table.consistency === 'strong'
  const version = isEventual
    ? makeStamp(hlc, target.source)
    : isStrong
      ? strongVersion(transactions, 0)
      : pinnedVersion(1, hlc)
  const changes = isEventual ? writes.map((write) => newChange(write, { txId, hlc, version })) : []
  const results = await target.store.write([
    beginContext({
      txId,
      hlc,
      epoch: isEventual ? 0 : 1,
      cause: 'user',
      schemaVersion: streamSchema.version,
      capture: !isEventual,
      origin: isStrong ? { source: 'log:main', seq: transactions } : null,
    }),
    ...writes.map((write) => writeStatement(write, version)),
    ...(changes.length > 0 ? [outboxRows(streamSchema, changes)] : []),
    LAST_LOCAL_SEQ,
  ])
  return Number(results.at(-1)?.rows[0]?.[0])
}

function writeStatement(write: TestWrite, version: string): Statement {
  const { table: target, tenant, id } = write
  if (write.body === null) return deleteRows(target, [{ tenant, key: [id] }])
  return upsertRows(target, [rowOf(target, tenant, imageOf(write), version)])
}

function imageOf(write: TestWrite): (string | number)[] {
  const body = write.body ?? ''
  return write.table === NOTES ? [write.id, body] : [write.id, body, body.length]
}

function rowOf(
  target: CompiledTable,
  tenant: string,
  image: Change['key'],
  version: string,
): RowWrite {
  const isEventual = target.consistency === 'eventual'
  return {
    tenant,
    image,
    version,
    epoch: isEventual ? 0 : 1,
    ...(isEventual ? { merge: [new Uint8Array(), 1] } : {}),
  }
}

function newChange(
  write: TestWrite,
  of: Pick<NewOutboxChange, 'txId' | 'hlc' | 'version'>,
): NewOutboxChange {
  return {
    ...of,
    epoch: 0,
    origin: null,
    schemaVersion: streamSchema.version,
    cause: 'user',
    tableId: write.table.id,
    op: 'update',
    tenant: write.tenant,
    key: [write.id],
    before: null,
    after: imageOf(write),
    delta: new Uint8Array([1, 2, 3]),
  }
}

/**
 * Appliers that keep the row with the highest version and record every change with its origin:
 * simpler than the engines', with the same contract.
 */
export function testAppliers(): { pinned: ChangeApplier; eventual: ChangeApplier } {
  const applier: ChangeApplier = {
    apply: (changes, commit) => commit([...rowStatements(changes), outboxOf(changes)]),
  }
  return { pinned: applier, eventual: applier }
}

function rowStatements(changes: readonly Change[]): Statement[] {
  return changes.map((change) => {
    const target = streamSchema.tableById.get(change.tableId) as CompiledTable
    const { tenant, key, after, version } = change
    if (after === null) return deleteRows(target, [{ tenant, key }])
    return upsertRows(target, [rowOf(target, tenant, after, version)], 'lower-version')
  })
}

function outboxOf(changes: readonly Change[]): Statement {
  return outboxRows(
    streamSchema,
    changes.map((change) => ({ ...change, epoch: change.origin.epoch })),
  )
}
