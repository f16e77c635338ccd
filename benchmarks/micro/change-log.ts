/**
 * What appending to and reading from a change log costs, beside one row a record on raw `libsql`
 * at the same durability, in the same run.
 *
 *   npx tsx benchmarks/micro/change-log.ts [seconds per measurement, default 2]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import Database from 'libsql'
import type { ChangeLogRecord } from '../../src/core/ports/change-log.ts'
import { openFileChangeLog } from '../../src/drivers/change-log/file-change-log.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'

const SECONDS = Number(process.argv[2] ?? 2)
const PAYLOAD = new Uint8Array(250).fill(7)
const folder = mkdtempSync(join(tmpdir(), 'change-log-'))

const records = (after: number, count: number): ChangeLogRecord[] =>
  Array.from({ length: count }, (_, i) => ({ position: after + i + 1, payload: PAYLOAD }))

async function perSecond(work: () => Promise<number> | number): Promise<number> {
  const startMs = performance.now()
  let done = 0
  while (performance.now() - startMs < SECONDS * 1000) done += await work()
  return done / ((performance.now() - startMs) / 1000)
}

function report(name: string, rate: number, base: number): void {
  const ratio = (rate / base).toFixed(2).padStart(8)
  console.log(`${name.padEnd(38)} ${Math.round(rate).toString().padStart(10)} ${ratio}`)
}

console.log(`${'records of 250 bytes'.padEnd(38)} per second    ratio`)
for (const batch of [1, 100, 1000]) {
  const db = new Database(join(folder, `engine-${batch}.db`))
  db.exec('PRAGMA journal_mode = WAL')
  db.exec('CREATE TABLE record (position INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT')
  const [begin, insert, commit] = [
    db.prepare('BEGIN IMMEDIATE'),
    db.prepare('INSERT INTO record VALUES (?, ?)'),
    db.prepare('COMMIT'),
  ]
  let end = 0
  const engine = await perSecond(() => {
    begin.run([])
    for (const { position, payload } of records(end, batch)) insert.run([BigInt(position), payload])
    commit.run([])
    end += batch
    return batch
  })
  db.close()
  report(`append by ${batch}, engine`, engine, engine)

  const log = await openFileChangeLog({
    path: join(folder, `log-${batch}.db`),
    timers: systemRuntime.timers,
  })
  end = 0
  const append = await perSecond(async () => {
    await log.append(records(end, batch))
    end += batch
    return batch
  })
  report(`append by ${batch}, change log`, append, engine)
  let at = 0
  const read = await perSecond(async () => {
    const found = await log.read(at, 1000)
    at = (found.at(-1)?.position ?? 0) % end
    return found.length
  })
  report(`read by 1000 what was so appended`, read, engine)
  await log.close()
}
rmSync(folder, { recursive: true, force: true })
