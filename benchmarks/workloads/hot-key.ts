/**
 * Contention: callers of all regions change one row at once. Increments need not conflict, in any
 * mode; transactions that read the row and write it back do, and are run again. In the end the row
 * must hold every acknowledged increment and no other.
 */
import { increment, isErrorCode, type Receipt, type WriteOptions } from '../../src/client/index.ts'
import { MeridianError } from '../../src/core/errors.ts'
import type { Topology } from '../../src/config/topology.ts'
import type { CellMode } from '../measure/cell.ts'
import type { Operation } from '../measure/loop.ts'
import { commitLogMs, roundTripMs } from '../measure/network-time.ts'
import type { BenchContext, BenchStep, StepPlan, StepResult } from '../step.ts'
import { callersIn, TRANSACTION_REQUESTS, writeReport, type Callers } from './callers.ts'
import { ensureTenants, freshName } from './preparation.ts'
import { runKinds, stepName } from './run-kinds.ts'
import { tenantOf, type BenchDatabase } from './schema.ts'
import { Tally } from './tally.ts'
import type { CallKind } from './workload.ts'

const WARMUP_MS = 2000
const INCREMENTS_MS = 20_000
const TRANSACTIONS_MS = 20_000
/** Row, settling and check. */
const OTHER_MS = 3000
/** Transactions under way in each region: every one of them wants the same row. */
const TRANSACTIONS_AT_ONCE = 2
const INCREMENTS = 'increments'

type OrderedMode = Exclude<CellMode, 'eventual'>

/** Increments of each mode, then transactions of those modes that have an order across regions. */
export function hotKeySteps(plan: StepPlan): readonly BenchStep[] {
  const increments = (['strong', 'pinned', 'eventual'] as const).map((mode) => ({
    name: stepName('hot-key increment', mode),
    durationMs: WARMUP_MS + INCREMENTS_MS + OTHER_MS,
    run: (context: BenchContext) => runIncrements(context, mode, plan.rateOpsPerSecond),
  }))
  const transactions = (['strong', 'pinned'] as const).map((mode) => ({
    name: stepName('hot-key transaction', mode),
    durationMs: WARMUP_MS + TRANSACTIONS_MS + OTHER_MS,
    run: (context: BenchContext) => runTransactions(context, mode),
  }))
  return [...increments, ...transactions]
}

/** The one row that all callers want. */
interface HotRow {
  readonly id: string
  readonly mode: CellMode
  readonly tenant: string
}

async function runIncrements(
  context: BenchContext,
  mode: CellMode,
  rateOpsPerSecond: number,
): Promise<StepResult> {
  const step = stepName('hot-key increment', mode)
  const row = await createRow(context, step, mode)
  const tally = new Tally(step)
  const { topology, leader } = context.target
  const kinds = topology.regions.map((origin): CallKind => ({
    op: 'hot-key increment',
    mode,
    origin,
    home: mode === 'eventual' ? null : leader,
    level: null,
    networkMs: incrementNetworkMs(topology, mode, origin, leader),
    load: { loop: 'open', rateOpsPerSecond },
    operation: incrementOperation(row, tally, callersIn(context, origin)),
  }))
  const timing = { warmupMs: WARMUP_MS, durationMs: INCREMENTS_MS }
  const result = await runKinds(context, { step, kinds, tally, ...timing })
  await checkTotal(context, row, tally)
  tally.finish()
  return result
}

function incrementNetworkMs(
  topology: Topology,
  mode: CellMode,
  origin: string,
  leader: string,
): number {
  switch (mode) {
    case 'strong':
      return commitLogMs(topology, leader, origin)
    case 'pinned':
      return roundTripMs(topology, origin, leader)
    case 'eventual':
      return 0
  }
}

function incrementOperation(row: HotRow, tally: Tally, callers: Callers): Operation {
  return async (index) => {
    const { db, session } = callers.of(index)
    const { receipt } = await tally.write(INCREMENTS, incrementRow(db, row, { session }))
    return writeReport(receipt)
  }
}

function incrementRow(
  db: BenchDatabase,
  { id, mode, tenant }: HotRow,
  options: WriteOptions,
): Promise<{ readonly receipt: Receipt }> {
  switch (mode) {
    case 'strong':
      return db.strongRows.update(id, { amount: increment(1) }, options).withReceipt()
    case 'pinned': {
      const { pinnedRows } = db.tenant(tenant)
      return pinnedRows.update(id, { amount: increment(1) }, options).withReceipt()
    }
    case 'eventual': {
      const { eventualRows } = db.tenant(tenant)
      return eventualRows.update(id, { hits: increment(1) }, options).withReceipt()
    }
  }
}

async function runTransactions(context: BenchContext, mode: OrderedMode): Promise<StepResult> {
  const step = stepName('hot-key transaction', mode)
  const row = await createRow(context, step, mode)
  const tally = new Tally(step)
  const counts = { runs: 0, commits: 0, givenUp: 0 }
  const { topology, leader } = context.target
  const kinds = topology.regions.map((origin): CallKind => ({
    op: 'hot-key transaction',
    mode,
    origin,
    home: leader,
    level: null,
    // Of one that meets no conflict. A pinned one reads at home before it commits there.
    networkMs:
      mode === 'strong'
        ? commitLogMs(topology, leader, origin)
        : 2 * roundTripMs(topology, origin, leader),
    load: { loop: 'closed', concurrency: TRANSACTIONS_AT_ONCE },
    operation: transactionOperation(row, mode, { tally, counts }, callersIn(context, origin)),
  }))
  const timing = { warmupMs: WARMUP_MS, durationMs: TRANSACTIONS_MS }
  const result = await runKinds(context, { step, kinds, tally, ...timing })
  await checkTotal(context, row, tally)
  tally.finish()
  const { runs, commits, givenUp } = counts
  const note =
    `${step}: ${commits} transactions committed after ${runs - commits} runs that ended in a ` +
    `conflict or another failure; ${givenUp} gave up after their last conflict.`
  return { ...result, notes: [...(result.notes ?? []), note] }
}

interface TransactionCounts {
  runs: number
  commits: number
  givenUp: number
}

function transactionOperation(
  row: HotRow,
  mode: OrderedMode,
  found: { readonly tally: Tally; readonly counts: TransactionCounts },
  callers: Callers,
): Operation {
  const { tally, counts } = found
  return async (index) => {
    const { db, session } = callers.of(index)
    const addOne = async (table: AmountTable): Promise<void> => {
      counts.runs++
      const read = await table.get(row.id)
      if (read === undefined) throw missing(row)
      table.update(row.id, { amount: read.amount + 1 })
    }
    const running =
      mode === 'strong'
        ? db.transaction('strong', (tx) => addOne(tx.strongRows), { session })
        : db.tenant(row.tenant).transaction('pinned', (tx) => addOne(tx.pinnedRows), { session })
    try {
      const { receipt } = await tally.write(INCREMENTS, running.withReceipt())
      counts.commits++
      return { ...writeReport(receipt), needed: TRANSACTION_REQUESTS }
    } catch (error) {
      if (isErrorCode(error, 'CONFLICT')) counts.givenUp++
      throw error
    }
  }
}

interface AmountTable {
  get(id: string): Promise<{ readonly amount: number } | undefined>
  update(id: string, changes: { readonly amount: number }): void
}

async function createRow(context: BenchContext, step: string, mode: CellMode): Promise<HotRow> {
  const home = context.target.leader
  const row: HotRow = { id: freshName(step), mode, tenant: tenantOf(home) }
  await ensureTenants(context, [{ id: row.tenant, home }])
  const db = context.client(home)
  const inserted = { id: row.id, value: 'hot' }
  switch (mode) {
    case 'strong':
      await db.strongRows.insert(inserted)
      break
    case 'pinned':
      await db.tenant(row.tenant).pinnedRows.insert(inserted)
      break
    case 'eventual':
      await db.tenant(row.tenant).eventualRows.insert(inserted)
      break
  }
  await context.target.settle()
  return row
}

async function checkTotal(context: BenchContext, row: HotRow, tally: Tally): Promise<void> {
  await context.target.settle()
  for (const region of context.target.topology.regions) {
    const total = await readTotal(context.client(region), row)
    tally.expectTotal(`increments that ${region} reads`, total, INCREMENTS)
  }
}

async function readTotal(db: BenchDatabase, { id, mode, tenant }: HotRow): Promise<number> {
  switch (mode) {
    case 'strong':
      return (await db.strongRows.get(id))?.amount ?? -1
    case 'pinned':
      return (await db.tenant(tenant).pinnedRows.get(id))?.amount ?? -1
    case 'eventual':
      return (await db.tenant(tenant).eventualRows.get(id))?.hits ?? -1
  }
}

function missing({ id }: HotRow): MeridianError {
  return new MeridianError('NOT_FOUND', `The row ${id} was not found.`)
}
