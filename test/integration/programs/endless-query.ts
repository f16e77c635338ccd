/** Asks a store a query without end, on a process of its own, and waits for it. */
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../../src/drivers/store/file-store.ts'

const path = process.argv[2] ?? ''
const { timers } = systemRuntime
const store = await openFileStore({ path, timers, queries: { timeoutMs: 600_000 } })
await store.query({ sql: 'SELECT 1', args: [] })
const sql = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n'
const endless = store.query({ sql, args: [] })
console.log('asked')
await endless
