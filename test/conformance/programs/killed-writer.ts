/** Program: writes rows to a store and prints the number of each that was acknowledged. */
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../../src/drivers/store/file-store.ts'

const [path = '', writer = 'inline'] = process.argv.slice(2)
const store = await openFileStore({
  path,
  timers: systemRuntime.timers,
  writer: writer === 'worker' ? 'worker' : 'inline',
})
await store.write([{ sql: 'CREATE TABLE IF NOT EXISTS acked (n INTEGER) STRICT', args: [] }])
let next = 0

async function writeForEver(): Promise<never> {
  for (;;) {
    const n = next++
    await store.write([{ sql: 'INSERT INTO acked VALUES (?)', args: [n] }])
    process.stdout.write(`${n}\n`)
  }
}

await Promise.all(Array.from({ length: 16 }, writeForEver))
