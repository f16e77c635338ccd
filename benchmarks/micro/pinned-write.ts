/**
 * What a pinned write costs at home: one order, one update, and 1,000 orders in one transaction,
 * each through the engine (home and epoch check, outcome, outbox trigger) and as the very same
 * statements in one `@libsql/client` batch on a file of its own, at the same durability, in turns
 * within the same run. Times are medians; CPU time tells what a busy machine hides. Budget for single
 * writes: 1.5 times the batch.
 *
 *   npx tsx benchmarks/micro/pinned-write.ts [seconds per measurement, default 2] [inline | worker]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createClient, type Client, type InValue } from '@libsql/client'
import { createPinnedEngine } from '../../replication/pinned/engine.ts'
import type { TransactionRequest, WriteOp } from '../../src/core/operations.ts'
import type { Statement, Store } from '../../src/core/ports/store.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { integer, text, timestamp } from '../../src/schema/columns.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { rowToImage } from '../../src/schema/rows.ts'
import { tenantKey } from '../../src/tenancy/tenant-key.ts'

const SECONDS = Number(process.argv[2] ?? 2)
const WRITER = process.argv[3] === 'worker' ? 'worker' : 'inline'
const REGION = 'eu-west'
const HOME = { home: REGION, epoch: 1, state: 'active' }
const BUDGET_RATIO = 1.5

const { compiled: schema } = compileSchema(
  defineSchema({
    tables: {
      orders: table(
        { id: text().primaryKey(), day: text(), email: text(), amountCents: integer() },
        { consistency: 'pinned', indexes: [['day']] },
      ),
      alerts: table(
        { id: text().primaryKey(), message: text(), expiresAt: timestamp() },
        { consistency: 'pinned', ttl: 'expiresAt' },
      ),
    },
  }),
)
const folder = mkdtempSync(join(tmpdir(), 'pinned-write-'))

/** Records the statements that pass, so that the raw side runs the same ones. */
class Recorder implements Store {
  readonly #store: Store
  last: readonly Statement[] = []

  constructor(store: Store) {
    this.#store = store
  }

  write(statements: readonly Statement[]): ReturnType<Store['write']> {
    this.last = statements
    return this.#store.write(statements)
  }

  read(statements: readonly Statement[]): ReturnType<Store['read']> {
    return this.#store.read(statements)
  }

  query(statement: Statement): ReturnType<Store['query']> {
    return this.#store.query(statement)
  }

  onCommit(listener: () => void): () => void {
    return this.#store.onCommit(listener)
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}

async function openStore(name: string): Promise<Store> {
  const path = join(folder, name)
  const store = await openFileStore({ path, timers: systemRuntime.timers, writer: WRITER })
  await prepareStore(store, schema, systemRuntime)
  await store.write([
    {
      sql: `INSERT INTO _tenants VALUES (?, ?, ?, ?, 'standard')`,
      args: [tenantKey('a'), HOME.home, HOME.epoch, HOME.state],
    },
  ])
  return store
}

let sent = 0

function request(op: WriteOp): TransactionRequest {
  const id = `tx-${++sent}`
  return {
    txId: id,
    tenant: 'a',
    reads: [],
    ops: [op],
    idempotencyKey: id,
    contentHash: id,
    issuedAtMs: Date.now(),
    basis: 0,
  }
}

function tableId(name: string): number {
  return schema.tableByName.get(name)?.id ?? 0
}

let rows = 0

function orders(count: number): WriteOp {
  const orderTable = schema.tableByName.get('orders')
  if (orderTable === undefined) throw new Error('no orders')
  const images = Array.from({ length: count }, () => {
    const n = ++rows
    const row = { id: `order-${n}`, day: `2026-11-${n % 28}`, email: `user${n}@example.com` }
    return rowToImage(orderTable, { ...row, amountCents: n })
  })
  return { kind: 'insert', table: orderTable.id, rows: images }
}

function alerts(count: number): WriteOp {
  const images = Array.from({ length: count }, (): SqlValue[] => {
    return [`alert-${++rows}`, 'a message of some length', Date.now() + 3_600_000]
  })
  return { kind: 'insert', table: tableId('alerts'), rows: images }
}

function update(): WriteOp {
  return {
    kind: 'update',
    table: tableId('orders'),
    key: ['order-1'],
    cells: [{ column: 3, op: { kind: 'increment', by: 1, floor: null } }],
    conditions: [],
  }
}

function bind(value: SqlValue): InValue {
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value
}

async function rawBatch(client: Client, statements: readonly Statement[]): Promise<void> {
  const batch = statements.map(({ sql, args }) => ({ sql, args: args.map(bind) }))
  await client.batch(batch, 'write')
}

async function main(): Promise<void> {
  await (await openStore('raw.db')).close()
  const client = createClient({ url: `file:${join(folder, 'raw.db')}` })
  await client.execute('PRAGMA synchronous = FULL')
  const store = new Recorder(await openStore('engine.db'))
  const engine = createPinnedEngine({
    store,
    schema,
    clock: new StoreClock(systemRuntime.clock),
    wallClock: systemRuntime.clock,
    region: REGION,
    source: `${REGION}.1`,
    directory: { lookup: () => Promise.resolve(HOME) },
  })
  console.log(
    `writer ${WRITER}                 engine rows/s     raw rows/s   ratio   engine CPU µs/row`,
  )
  const cases: [string, number, () => WriteOp][] = [
    ['insert 1 order', 1, () => orders(1)],
    ['update 1 order', 1, update],
    ['insert 1 alert (TTL)', 1, () => alerts(1)],
    ['insert 1,000 orders', 1000, () => orders(1000)],
    ['insert 1,000 alerts (TTL)', 1000, () => alerts(1000)],
  ]
  for (const [name, count, op] of cases) {
    const engineMs: number[] = []
    const rawMs: number[] = []
    let cpuUs = 0
    const endMs = performance.now() + SECONDS * 1000
    while (performance.now() < endMs) {
      const next = request(op())
      const startCpu = process.cpuUsage()
      const startMs = performance.now()
      await engine.commit(next)
      const betweenMs = performance.now()
      const cpu = process.cpuUsage(startCpu)
      cpuUs += cpu.user + cpu.system
      await rawBatch(client, store.last)
      rawMs.push(performance.now() - betweenMs)
      engineMs.push(betweenMs - startMs)
    }
    report(name, count, median(engineMs), median(rawMs), cpuUs / engineMs.length / count)
  }
  await store.close()
  client.close()
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function report(name: string, count: number, engineMs: number, rawMs: number, cpuUs: number): void {
  const rate = (ms: number): string =>
    Math.round((count / ms) * 1000)
      .toString()
      .padStart(14)
  const ratio = engineMs / rawMs
  const verdict = count > 1 || ratio <= BUDGET_RATIO ? '' : `  over the budget of ${BUDGET_RATIO}`
  console.log(
    `${name.padEnd(28)} ${rate(engineMs)} ${rate(rawMs)} ${ratio.toFixed(2).padStart(7)} ${cpuUs.toFixed(1).padStart(12)}${verdict}`,
  )
}

try {
  await main()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
