/**
 * How fast changes of eventual tables are merged, beside a raw bulk insert of the same rows in the
 * same run (`benchmarks/rates/merge-rate.ts`). The headline is column changes a second.
 *
 * Run: node --import tsx benchmarks/micro/crdt-merge.ts [rows]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { measureMergeRates, VALUE_COLUMNS } from '../rates/merge-rate.ts'
import type { Rate } from '../rates/timed.ts'

function report(name: string, { perSecond, cpuUs }: Rate, raw?: Rate): void {
  const ratio = raw === undefined ? '' : `  ${(perSecond / raw.perSecond).toFixed(2)} × raw`
  console.log(`${name.padEnd(44)} ${whole(perSecond)} /s ${whole(1e6 / cpuUs)} /s a core${ratio}`)
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en').padStart(12)
}

const rows = Number(process.argv[2] ?? 20_000)
const folder = mkdtempSync(join(tmpdir(), 'meridian-bench-'))
try {
  console.log(`${rows.toLocaleString('en')} rows of ${VALUE_COLUMNS} columns; column changes:`)
  const { signal } = new AbortController()
  const rates = await measureMergeRates({ folder, rows, phaseMs: Infinity, signal })
  const { rawInsert, bytes } = rates
  report('raw bulk insert', rawInsert)
  report('local transactions of 1,000 rows', rates.localInserts, rawInsert)
  report('local transactions of 1 cell, 1,000 at once', rates.localUpdates)
  report('import of inserts', rates.importInserts, rawInsert)
  report('import of updates of 1 cell', rates.importUpdates)
  report('decode, merge, encode in memory', rates.inMemory, rawInsert)
  console.log(
    `bytes: insert ${bytes.insert}, update of 1 cell ${bytes.update}, state ${bytes.state}`,
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
