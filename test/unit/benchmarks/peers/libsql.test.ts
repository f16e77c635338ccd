import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type Client } from '@libsql/client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { anyReadId, valueOf } from '../../../../benchmarks/cells/rows.ts'
import { BULK_ROWS, openLibsqlPeer, type LibsqlPeer } from '../../../../benchmarks/peers/libsql.ts'
import { openLibsqlClient, pragma } from '../../../../benchmarks/peers/libsql-client.ts'
import { makeLibsqlStore, type PinnedWriteKind } from '../../../../benchmarks/peers/libsql-store.ts'
import type { PeerOperation } from '../../../../benchmarks/peers/peer.ts'
import { schema } from '../../../../benchmarks/workloads/schema.ts'
import { createPinnedEngine } from '../../../../replication/pinned/engine.ts'
import type { WriteOp } from '../../../../src/core/operations.ts'
import type { Statement, Store } from '../../../../src/core/ports/store.ts'
import { StoreClock } from '../../../../src/core/store-clock.ts'
import { openFileStore } from '../../../../src/drivers/store/file-store.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { compileSchema } from '../../../../src/schema/compile.ts'
import type { CompiledTable } from '../../../../src/schema/compiled.ts'
import { prepareStore } from '../../../../src/schema/migrate.ts'
import { rowToImage } from '../../../../src/schema/rows.ts'
import { tenantKey } from '../../../../src/tenancy/tenant-key.ts'

async function ownFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'peers-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function openPeer(): Promise<{ readonly peer: LibsqlPeer; readonly folder: string }> {
  const folder = await ownFolder()
  const peer = await openLibsqlPeer({ directory: folder, region: 'us-east' })
  onTestFinished(() => peer.close())
  return { peer, folder }
}

/** Looks at a file from outside. */
function lookAt(path: string): Client {
  const client = createClient({ url: `file:${path}` })
  onTestFinished(() => client.close())
  return client
}

async function count(client: Client, table: string): Promise<number> {
  const { rows } = await client.execute(`SELECT count(*) FROM ${table}`)
  return Number(rows[0]?.[0])
}

async function call({ operation }: PeerOperation, times: number): Promise<void> {
  for (let i = 0; i < times; i++) await operation(i)
}

describe('durability', () => {
  test('a client that says `fsync of one disk` forces every commit to the disk', async () => {
    const client = await openLibsqlClient(join(await ownFolder(), 'a.db'))
    onTestFinished(() => client.close())
    expect(await pragma(client, 'synchronous')).toBe(2)
    expect(await pragma(client, 'journal_mode')).toBe('wal')
    await client.execute('CREATE TABLE t (a INTEGER)')
    await client.batch(['INSERT INTO t VALUES (1)'], 'write')
    // The setting is a connection's own: it must hold after a transaction, too.
    expect(await pragma(client, 'synchronous')).toBe(2)
  })

  test('every operation says it', async () => {
    const { peer } = await openPeer()
    expect(new Set(peer.operations.map(({ durability }) => durability))).toEqual(
      new Set(['fsync of one disk']),
    )
  })
})

describe('operations do their work', () => {
  test('a pinned insert leaves a row, its entry in the outbox, and its outcome', async () => {
    const { peer } = await openPeer()
    const client = lookAt(peer.path)
    const tables = [peer.physicalName, '_outbox', '_outcomes']
    const before = await Promise.all(tables.map((table) => count(client, table)))
    await call(peer.pinnedWrite('insert'), 3)
    const after = await Promise.all(tables.map((table) => count(client, table)))
    expect(after).toEqual(before.map((rows) => rows + 3))
    const { rows } = await client.execute('SELECT count(DISTINCT hlc) FROM _outbox')
    expect(Number(rows[0]?.[0])).toBe(1 + 3)
  })

  test('a pinned update changes one row that is there', async () => {
    const { peer } = await openPeer()
    const client = lookAt(peer.path)
    const rowsBefore = await count(client, peer.physicalName)
    const changed = `_outbox WHERE before IS NOT NULL`
    await call(peer.pinnedWrite('update'), 3)
    expect(await count(client, peer.physicalName)).toBe(rowsBefore)
    expect(await count(client, changed)).toBe(3)
  })

  test('a pinned upsert replaces one of the rows that are there, and keeps what it was', async () => {
    const { peer } = await openPeer()
    const client = lookAt(peer.path)
    const rowsBefore = await count(client, peer.physicalName)
    await call(peer.pinnedWrite('upsert'), 3)
    expect(await count(client, peer.physicalName)).toBe(rowsBefore)
    expect(await count(client, '_outbox WHERE before IS NOT NULL')).toBe(3)
    const { rows } = await client.execute(`SELECT * FROM ${peer.physicalName}`)
    const values = rows.flatMap((row) => Object.values(row))
    // The values of the calls, as large as those of Meridian's own.
    expect(values.filter((value) => value === valueOf(2))).toHaveLength(2)
    expect(values.some((value) => typeof value === 'string' && value.includes('<'))).toBe(false)
  })

  test('a point read finds its row, and fails where there is none', async () => {
    const { peer } = await openPeer()
    const read = peer.pointRead()
    await call(read, 1_100)
    const client = lookAt(peer.path)
    await client.execute(`DELETE FROM ${peer.physicalName}`)
    await expect(read.operation(0)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  test('a transaction of one row replaces one of a thousand rows', async () => {
    const { peer } = await openPeer()
    const client = lookAt(peer.plainPath)
    const read = (): Promise<unknown> =>
      client
        .execute({ sql: 'SELECT amount FROM plain WHERE id = ?', args: [anyReadId(4)] })
        .then(({ rows }) => rows[0]?.[0])
    expect(await count(client, 'plain')).toBe(1000)
    expect(await read()).not.toBe(4)
    await call(peer.rowTransaction(), 5)
    expect(await count(client, 'plain')).toBe(1000)
    expect(await read()).toBe(4)
  })

  test('a bulk insert adds its rows, and keeps the disk from filling', async () => {
    const { peer } = await openPeer()
    const client = lookAt(peer.plainPath)
    const { operation, load } = peer.bulkInsert()
    expect(load).toEqual({ loop: 'closed', concurrency: 1 })
    for (const index of [0, 1, 2]) {
      const report = await operation(index)
      expect(report?.latencyMs).toBeGreaterThan(0)
    }
    expect(await count(client, 'bulk')).toBe(3 * BULK_ROWS)
    await operation(200)
    expect(await count(client, 'bulk')).toBe(BULK_ROWS)
  })
})

test.for<PinnedWriteKind>(['insert', 'upsert', 'update'])(
  'the statements of a pinned %s are those that the engine writes',
  async (kind) => {
    const folder = await ownFolder()
    const store = await makeLibsqlStore(folder)
    const fill = store.pinnedWrite(kind)
    const rowId = kind === 'update' ? store.rowIdAt(0) : 'new'
    const ours = fill({ txId: 'tx', rowId, value: 'a value', hlc: store.clock.next() })
    const theirs = await engineStatements(kind)
    expect(ours.map(({ sql }) => sql)).toEqual(theirs.map(({ sql }) => sql))
    expect(ours.map(({ args }) => args.map((arg) => typeof arg))).toEqual(
      theirs.map(({ args }) => args.map((arg) => typeof arg)),
    )
  },
)

/** What the engine hands to a store for such a write of a row. */
async function engineStatements(kind: PinnedWriteKind): Promise<readonly Statement[]> {
  const home = { home: 'eu-west', epoch: 1, state: 'active' } as const
  const { compiled } = compileSchema(schema)
  const table = compiled.tableByName.get('pinnedRows') as CompiledTable
  const store = await openFileStore({
    path: join(await ownFolder(), 'engine.db'),
    timers: systemRuntime.timers,
  })
  onTestFinished(() => store.close())
  await prepareStore(store, compiled, systemRuntime)
  await store.write([
    {
      sql: `INSERT INTO _tenants VALUES (?, ?, 1, 'active', 'standard')`,
      args: [tenantKey('t'), home.home],
    },
  ])
  let last: readonly Statement[] = []
  const recorder: Store = {
    write: (statements) => {
      last = statements
      return store.write(statements)
    },
    read: (statements) => store.read(statements),
    query: (statement) => store.query(statement),
    onCommit: (listener) => store.onCommit(listener),
    close: () => store.close(),
  }
  const engine = createPinnedEngine({
    store: recorder,
    schema: compiled,
    clock: new StoreClock(systemRuntime.clock),
    wallClock: systemRuntime.clock,
    region: home.home,
    source: 'eu-west.1',
    directory: { lookup: () => Promise.resolve(home) },
  })
  const commit = (id: string, op: WriteOp): Promise<unknown> =>
    engine.commit({
      txId: id,
      tenant: 't',
      reads: [],
      ops: [op],
      idempotencyKey: id,
      contentHash: id,
      issuedAtMs: Date.now(),
      basis: 0,
    })
  const image = rowToImage(table, { id: 'row', value: 'a value', amount: 1 })
  const put = kind === 'upsert' ? 'upsert' : 'insert'
  await commit('first', { kind: put, table: table.id, rows: [image] })
  if (kind !== 'update') return last
  const column = image.indexOf(1)
  const op = { kind: 'increment', by: 1, floor: null } as const
  const cells = [{ column, op }]
  await commit('second', { kind, table: table.id, key: ['row'], cells, conditions: [] })
  return last
}

test('what it made is removed when it is closed', async () => {
  const folder = await ownFolder()
  const peer = await openLibsqlPeer({ directory: folder, region: 'us-east' })
  await call(peer.rowTransaction(), 1)
  expect(existsSync(peer.path)).toBe(true)
  await peer.close()
  expect(readdirSync(folder)).toEqual([])
})

test('a folder that cannot be made fails typed, and names it', async () => {
  const file = join(await ownFolder(), 'file')
  await writeFile(file, '')
  await expect(openLibsqlPeer({ directory: file, region: 'us-east' })).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    details: { engine: 'libsql', path: file },
  })
})
