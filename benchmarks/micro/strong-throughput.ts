/**
 * Strong transactions a second in one process without network delays, beside the raw engines that
 * they rest on, in the same run: an append of the same bytes to the commit log, and the same rows
 * written to a store. The ratio says what the protocol costs; the absolute numbers are the disk's.
 *
 * Usage: node --import tsx benchmarks/micro/strong-throughput.ts [transactions] [concurrency]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createStrongEngine } from '../../replication/strong/strong-engine.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import type { Store } from '../../src/core/ports/store.ts'
import { openFileCommitLog } from '../../src/drivers/commit-log/file-commit-log.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import { integer, text } from '../../src/schema/columns.ts'
import { createSchema } from '../../src/schema/ddl.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import { SYSTEM_TABLES } from '../../src/schema/system-tables.ts'

const total = Number(process.argv[2] ?? 20_000)
const concurrency = Number(process.argv[3] ?? 256)
const { timers, clock } = systemRuntime
const folder = mkdtempSync(join(tmpdir(), 'meridian-bench-'))
const { compiled: schema } = compileSchema(
  defineSchema({
    tables: {
      counters: table(
        { id: text().primaryKey(), n: integer() },
        { consistency: 'strong', scope: 'global' },
      ),
    },
  }),
)
const counters = schema.tables[0]

try {
  const engine = await strongTransactions()
  const append = await rawAppends()
  const write = await rawWrites()
  const rows = {
    'strong transactions': engine,
    'raw log appends': append,
    'raw store writes': write,
  }
  for (const [name, perSecond] of Object.entries(rows)) {
    console.log(`${name.padEnd(20)} ${Math.round(perSecond).toLocaleString('en').padStart(9)} /s`)
  }
  // One after the other, the two raw steps would give this.
  const limit = 1 / (1 / append + 1 / write)
  console.log(`strong ÷ (raw append then raw write) = ${(engine / limit).toFixed(2)}`)
} finally {
  rmSync(folder, { recursive: true })
}

async function openLaidStore(name: string): Promise<Store> {
  const store = await openFileStore({ path: join(folder, name), timers })
  await store.write([...SYSTEM_TABLES, ...createSchema(schema)].map((sql) => ({ sql, args: [] })))
  return store
}

async function strongTransactions(): Promise<number> {
  const log = await openFileCommitLog({ path: join(folder, 'log.db'), timers })
  const store = await openLaidStore('strong.db')
  const engine = await createStrongEngine({
    schema,
    group: 'main',
    log,
    store,
    clock: new StoreClock(clock),
    runtime: systemRuntime,
    admit: () => Promise.resolve(),
    onFailure: (error) => {
      throw error
    },
  })
  const perSecond = await measure(async (i) => {
    await engine.commit({
      txId: `tx${i}`,
      tenant: '',
      reads: [],
      ops: [{ kind: 'upsert', table: counters?.id ?? 0, rows: [[`row${i % 5000}`, i]] }],
      idempotencyKey: `key${i}`,
      contentHash: `hash${i}`,
      issuedAtMs: 0,
      basis: engine.applied(),
    })
  })
  await engine.close()
  await store.close()
  await log.close()
  return perSecond
}

async function rawAppends(): Promise<number> {
  const log = await openFileCommitLog({ path: join(folder, 'raw-log.db'), timers })
  const payload = new Uint8Array(120)
  const perSecond = await measure(async (i) => {
    await log.append('main', `id${i}`, payload)
  })
  await log.close()
  return perSecond
}

async function rawWrites(): Promise<number> {
  const store = await openLaidStore('raw.db')
  const sql = `INSERT INTO ${counters?.physicalName} (tenant, c1, c2, _ver, _epoch)
    VALUES ('', ?, ?, 'v', 0) ON CONFLICT (tenant, c1) DO UPDATE SET c2 = excluded.c2`
  const perSecond = await measure(async (i) => {
    await store.write([{ sql, args: [`row${i % 5000}`, i] }])
  })
  await store.close()
  return perSecond
}

/** Runs `work` `total` times, `concurrency` at a time; a tenth of it before the clock starts. */
async function measure(work: (i: number) => Promise<void>): Promise<number> {
  let next = 0
  const run = async (end: number): Promise<void> => {
    while (next < end) await work(next++)
  }
  const all = (end: number): Promise<unknown> =>
    Promise.all(Array.from({ length: concurrency }, () => run(end)))
  await all(total / 10)
  const startedMs = performance.now()
  await all(total / 10 + total)
  return total / ((performance.now() - startedMs) / 1000)
}
