/**
 * What a pinned write costs through the client, in process, at the tenant's home: `orders.insert`
 * against the very same statements in one `@libsql/client` batch on a file of its own, at the same
 * durability, in turns within the same run. Relay and change log are waited for between two writes:
 * they are measured elsewhere (`change-log.ts`, `stream.ts`). Budget: p95 at most 1.5 times.
 *
 *   npx tsx benchmarks/micro/client-write.ts [writes of each, default 1,000]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createClient, type InValue } from '@libsql/client'
import { connect, defineSchema, integer, table, text } from '../../src/client/index.ts'
import type { Statement } from '../../src/core/ports/store.ts'
import type { SqlValue } from '../../src/core/values.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { openEmbedded } from '../../src/node/embedded.ts'
import { prepareStore } from '../../src/schema/migrate.ts'

const WRITES = Number(process.argv[2] ?? 1_000)
const WARM_UP = 100
const BUDGET_RATIO = 1.5
const REGION = 'us-east'

const schema = defineSchema({
  tables: {
    orders: table(
      { id: text().primaryKey(), day: text(), email: text(), amountCents: integer() },
      { consistency: 'pinned' },
    ),
  },
})
const folder = mkdtempSync(join(tmpdir(), 'client-write-'))

function bind(value: SqlValue): InValue {
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length * share)] ?? 0
}

function report(clientMs: readonly number[], rawMs: readonly number[]): void {
  console.log('pinned write, ms     p50      p95      p99')
  for (const [name, values] of [
    ['client', clientMs],
    ['@libsql/client', rawMs],
  ] as const) {
    const cells = [0.5, 0.95, 0.99].map((share) => percentile(values, share).toFixed(2))
    console.log(`${name.padEnd(16)} ${cells.map((cell) => cell.padStart(8)).join(' ')}`)
  }
  const ratio = percentile(clientMs, 0.95) / percentile(rawMs, 0.95)
  const verdict = ratio <= BUDGET_RATIO ? 'within' : 'over'
  console.log(`ratio at p95 ${ratio.toFixed(2)}: ${verdict} the budget of ${BUDGET_RATIO}`)
}

async function main(): Promise<void> {
  const deployment = await openEmbedded({
    schema,
    regions: [REGION],
    directory: join(folder, 'data'),
    writer: 'inline',
  })
  const db = await connect({ schema, region: REGION, deployment })
  await db.tenants.create({ id: 'acme', home: REGION })
  const { orders } = db.tenant('acme')
  const { store } = deployment.node(REGION)

  // The raw side: a store of the same schema that knows the tenant.
  const path = join(folder, 'raw.db')
  const rawStore = await openFileStore({ path, timers: systemRuntime.timers })
  await prepareStore(rawStore, deployment.compiled, systemRuntime)
  const [tenants] = await store.read([{ sql: 'SELECT * FROM _tenants', args: [] }])
  await rawStore.write(
    (tenants?.rows ?? []).map((args) => ({
      sql: `INSERT INTO _tenants VALUES (${args.map(() => '?').join(', ')})`,
      args,
    })),
  )
  await rawStore.close()
  const raw = createClient({ url: `file:${path}` })
  await raw.execute('PRAGMA synchronous = FULL')

  let written: readonly Statement[] = []
  const write = store.write.bind(store)
  store.write = (statements) => {
    written = statements
    return write(statements)
  }
  const clientMs: number[] = []
  const rawMs: number[] = []
  for (let i = 0; i < WARM_UP + WRITES; i++) {
    const row = { id: `order-${i}`, day: `2026-11-${i % 28}`, email: 'user@example.com' }
    const startMs = performance.now()
    const writing = orders.insert({ ...row, amountCents: i })
    await writing
    const betweenMs = performance.now()
    const batch = written.map(({ sql, args }) => ({ sql, args: args.map(bind) }))
    await deployment.settle()
    const rawStartMs = performance.now()
    await raw.batch(batch, 'write')
    const endMs = performance.now()
    if (i < WARM_UP) continue
    clientMs.push(betweenMs - startMs)
    rawMs.push(endMs - rawStartMs)
  }
  raw.close()
  await deployment.close()
  report(clientMs, rawMs)
}

try {
  await main()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
