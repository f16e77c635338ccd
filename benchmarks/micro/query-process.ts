/** What it costs to run SQL of users in a process apart: `npx tsx benchmarks/micro/query-process.ts`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore, type FileStoreOptions } from '../../src/drivers/store/file-store.ts'

const ROWS = 10_000
const WARM = 1000
const RUNS = 5000

async function measure(
  name: string,
  queries: NonNullable<FileStoreOptions['queries']>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-bench-'))
  const path = join(folder, 'store.db')
  const store = await openFileStore({ path, timers: systemRuntime.timers, queries })
  const numbers = JSON.stringify(Array.from({ length: ROWS }, (_, i) => i))
  await store.write([
    { sql: 'CREATE TABLE t (id TEXT PRIMARY KEY, n INTEGER) STRICT', args: [] },
    { sql: `INSERT INTO t SELECT 'k' || value, value FROM json_each(?)`, args: [numbers] },
  ])
  const times: number[] = []
  for (let i = 0; i < WARM + RUNS; i++) {
    const query = { sql: 'SELECT id, n FROM t WHERE id = ?', args: [`k${i % ROWS}`], bigints: true }
    const startedMs = performance.now()
    await store.query(query)
    if (i >= WARM) times.push(performance.now() - startedMs)
  }
  times.sort((a, b) => a - b)
  const at = (q: number): string => `${Math.round((times[Math.floor(RUNS * q)] ?? 0) * 1000)} µs`
  console.log(`${name}: p50 ${at(0.5)}, p95 ${at(0.95)}`)
  await store.close()
  rmSync(folder, { recursive: true, force: true })
}

await measure('in the thread', 'inline')
await measure('in a process', { timeoutMs: 5000 })
