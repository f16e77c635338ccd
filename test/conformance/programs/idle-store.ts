/** Program: opens a store, writes to it, and comes to its end without closing it. */
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../../src/drivers/store/file-store.ts'

const [path = '', writer = 'inline'] = process.argv.slice(2)
const store = await openFileStore({
  path,
  timers: systemRuntime.timers,
  writer: writer === 'worker' ? 'worker' : 'inline',
})
await store.write([{ sql: 'CREATE TABLE t (a INTEGER) STRICT', args: [] }])
systemRuntime.timers.after(60_000, () => console.log('kept alive'))
console.log('written')
