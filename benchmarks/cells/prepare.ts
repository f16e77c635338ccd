/** What stands before the first cell: a tenant at home in each region, and rows to read. */
import { isErrorCode } from '../../src/client/index.ts'
import type { BenchContext } from '../step.ts'
import type { BenchTarget } from '../target/target.ts'
import { tenantOf, type BenchSchema } from '../workloads/schema.ts'
import { ROWS, rowsToRead } from './rows.ts'

/** Many rows at once, perhaps behind other work of a busy machine. */
const LOADING = { deadlineMs: 60_000 }

const prepared = new WeakMap<BenchTarget<BenchSchema>, Promise<void>>()

/**
 * Makes tenants and rows, where they are missing, and waits until every region holds them. Done once
 * for a target, however often it is asked for.
 */
export function prepare(context: BenchContext): Promise<void> {
  const { target } = context
  let preparing = prepared.get(target)
  if (preparing === undefined) {
    preparing = prepareTarget(context)
    prepared.set(target, preparing)
    // After a failure the next one tries again.
    preparing.catch(() => prepared.delete(target))
  }
  return preparing
}

async function prepareTarget(context: BenchContext): Promise<void> {
  const { target, signal } = context
  const { regions } = target.topology
  context.note(`tenants: one at home in each of ${regions.length} regions`)
  await Promise.all(
    regions.map((home) =>
      unlessThere(context.client(home).tenants.create({ id: tenantOf(home), home }, LOADING)),
    ),
  )
  signal.throwIfAborted()
  context.note(`rows to read: ${ROWS} of each table in each region`)
  await Promise.all([addStrongRows(context), ...regions.map((home) => addRowsAt(context, home))])
  signal.throwIfAborted()
  context.note('waiting until every region holds them')
  await target.settle()
}

function addStrongRows(context: BenchContext): Promise<void> {
  return unlessThere(
    context.client(context.target.leader).strongRows.insertMany(rowsToRead(), LOADING),
  )
}

async function addRowsAt(context: BenchContext, home: string): Promise<void> {
  const tenant = context.client(home).tenant(tenantOf(home))
  await unlessThere(tenant.pinnedRows.insertMany(rowsToRead(), LOADING))
  await unlessThere(
    tenant.eventualRows.insertMany(
      rowsToRead().map(({ id, value }) => ({ id, value })),
      LOADING,
    ),
  )
}

/** A run that goes on in a directory finds what it has made before. */
async function unlessThere(call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!isErrorCode(error, 'ALREADY_EXISTS', 'TENANT_EXISTS')) throw error
  }
}
