/** Whether the tables hold, in every region, what a step's calls were told that they hold. */
import type { BenchContext } from '../../step.ts'
import { allRows, idsOf } from '../preparation.ts'
import { RECORDS } from './core-workloads.ts'
import { cellName, INSERTS, REWRITES, type YcsbRun } from './operations.ts'
import { FIELDS, stampOf, type WideRow } from './records.ts'
import { wideTable } from './wide-table.ts'

/** Keeps what is wrong in the run's tally. */
export async function checkRecords(context: BenchContext, run: YcsbRun): Promise<void> {
  const byRegion = await readEverywhere(context, run)
  for (const [region, rows] of byRegion) {
    const what = `${region} holds inserted records`
    run.tally.expectTotal(what, rows.length - RECORDS, INSERTS)
    checkFields(run, region, rows)
  }
  if (!areEqual(byRegion)) {
    run.tally.wrong('regions hold different records though all has arrived')
  }
}

type RowsByRegion = ReadonlyMap<string, readonly WideRow[]>

/** All records as each region has them, once all has arrived. */
async function readEverywhere(context: BenchContext, run: YcsbRun): Promise<RowsByRegion> {
  const read = async (): Promise<RowsByRegion> => {
    await context.target.settle()
    const byRegion = new Map<string, readonly WideRow[]>()
    for (const region of context.target.topology.regions) {
      const table = wideTable(context.client(region), run.mode, run.tenant)
      const where = { id: idsOf(run.name) }
      byRegion.set(region, await allRows((page) => table.list({ ...page, where })))
    }
    return byRegion
  }
  const found = await read()
  // A write that its caller has given up on may have come in between two regions.
  return areEqual(found) ? found : read()
}

function areEqual(byRegion: RowsByRegion): boolean {
  const contents = new Set([...byRegion.values()].map((rows) => JSON.stringify(rows)))
  return contents.size <= 1
}

function checkFields(run: YcsbRun, region: string, rows: readonly WideRow[]): void {
  const { tally, journal, mode } = run
  const { acknowledged, inDoubt } = tally.written(REWRITES)
  const isRewritten = acknowledged + inDoubt > 0
  let rewrites = 0
  for (const row of rows) {
    for (const field of FIELDS) {
      const stamp = stampOf(row[field])
      if (stamp === undefined) {
        tally.wrong(`${region}: ${row.id}.${field} holds no value of this benchmark`)
      } else if (isRewritten && field === 'field0') {
        rewrites += stamp
      } else {
        const problem = journal.problem(cellName(row.id, field), stamp, mode !== 'eventual')
        if (problem !== undefined) tally.wrong(`${region}: ${row.id}.${field} ${problem}`)
      }
    }
  }
  if (!isRewritten) return
  // Transactions over eventual rows hold within a region: those of two regions may overwrite.
  const total = mode === 'eventual' ? Math.max(rewrites, acknowledged) : rewrites
  tally.expectTotal(`${region}: read-modify-writes in the records`, total, REWRITES)
}
