/**
 * Cells of point reads where no distance is between: in the caller's process, and through a node on
 * the loopback interface. Each has a deployment of its own, of one region on files, whatever the
 * deployment under measurement is: what is between a caller and its rows is then the same in all runs.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from '../../src/client/index.ts'
import { openNodeProcesses } from '../../src/cluster/regions/node-processes.ts'
import { defaultConfig } from '../../src/config/parse-config.ts'
import { openEmbedded } from '../../src/node/embedded.ts'
import type { CellKey } from '../measure/cell.ts'
import type { BenchContext } from '../step.ts'
import { schema, tenantOf, type BenchDatabase } from '../workloads/schema.ts'
import type { BudgetName } from './budgets.ts'
import { levelRead } from './calls.ts'
import type { CellPlan, CellsPlan, CellStepPlan, OpenCell, RawPlan } from './cell-plan.ts'
import { httpServerRaw, libsqlRaw, POINT_READ } from './raw-engines.ts'
import { anyReadId, rowsToRead } from './rows.ts'

const ONE_CALLER = { loop: 'closed', concurrency: 1 } as const
/** Starting and ending the deployment, and the processes of it. */
const SETUP_MS = 1_500
const PROCESS_SETUP_MS = 5_000

/** In the caller's process, beside the same statement on bare libSQL. */
export function pointReadsInProcess(plan: CellsPlan): CellStepPlan {
  return pointReads(plan, {
    op: 'point-read-in-process',
    name: 'point reads in process',
    raw: libsqlRaw(POINT_READ, ONE_CALLER),
    setupMs: SETUP_MS,
    openReader: openInProcess,
  })
}

/** Through a node on loopback, beside a bare HTTP server with the same statement. */
export function pointReadsThroughNode(plan: CellsPlan): CellStepPlan {
  return pointReads(plan, {
    op: 'point-read-through-node',
    name: 'point reads through a node',
    raw: httpServerRaw(ONE_CALLER),
    setupMs: PROCESS_SETUP_MS,
    openReader: openThroughNode,
  })
}

interface PointReads {
  readonly op: BudgetName & `point-read-${string}`
  readonly name: string
  readonly raw: RawPlan
  readonly setupMs: number
  readonly openReader: (context: BenchContext, region: string, directory: string) => Promise<Reader>
}

/** A client of a deployment that has no other. */
interface Reader {
  readonly db: BenchDatabase
  readonly sharesThread: boolean
  close(): Promise<void>
}

function pointReads({ pace, leader }: CellsPlan, reads: PointReads): CellStepPlan {
  const { op, name, raw, setupMs } = reads
  const { warmupMs, windowMs, rounds } = pace.pointReads
  const turn = { warmupMs, windowMs }
  const key: CellKey = {
    op,
    mode: 'pinned',
    origin: leader,
    home: leader,
    level: 'session',
  }
  const cell: CellPlan = {
    key,
    networkMs: 0,
    limitMs: null,
    rawExtraMs: 0,
    budget: op,
    load: ONE_CALLER,
    open: (context) => openPointRead(context, key, reads),
  }
  return {
    name,
    turns: [{ ...turn, cells: [cell] }],
    raw: { ...turn, ...raw },
    // Turns change often: whatever the machine does meanwhile falls on both sides.
    rounds,
    setupMs,
    notes: [`${name}: a deployment of its own, of one region on files, for this cell alone.`],
  }
}

async function openPointRead(
  context: BenchContext,
  key: CellKey,
  { openReader }: PointReads,
): Promise<OpenCell> {
  const parent = join(context.target.directory, 'cells')
  await mkdir(parent, { recursive: true })
  const directory = await mkdtemp(join(parent, 'point-read-'))
  const region = key.origin
  let reader: Reader | undefined
  const close = async (): Promise<void> => {
    await reader?.db.close()
    await reader?.close()
    await rm(directory, { recursive: true, force: true })
  }
  try {
    reader = await openReader(context, region, directory)
    const { db, sharesThread } = reader
    await db.tenants.create({ id: tenantOf(region), home: region })
    const { pinnedRows } = db.tenant(tenantOf(region))
    await pinnedRows.insertMany(rowsToRead())
    const read = levelRead(key, pinnedRows, anyReadId, { session: db.session() })
    return { ...read, ownDeployment: { sharesThread }, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function openInProcess(
  context: BenchContext,
  region: string,
  directory: string,
): Promise<Reader> {
  const deployment = await openEmbedded({
    schema,
    config: defaultConfig([region]),
    directory,
    onNotice: (notice) => context.note(notice),
  })
  try {
    const db = await connect({ schema, region, deployment })
    return { db, sharesThread: true, close: () => deployment.close() }
  } catch (error) {
    await deployment.close()
    throw error
  }
}

async function openThroughNode(
  context: BenchContext,
  region: string,
  directory: string,
): Promise<Reader> {
  const running = await openNodeProcesses({
    config: defaultConfig([region]),
    schema,
    schemaModule: schemaModule(),
    directory,
    scale: 1,
    onNotice: (notice) => context.note(notice),
  })
  try {
    return {
      db: await running.connect(region),
      sharesThread: false,
      close: () => running.close(),
    }
  } catch (error) {
    await running.close()
    throw error
  }
}

/** The schema's module, whether it is compiled or not. */
function schemaModule(): string {
  const isSource = import.meta.url.endsWith('.ts')
  return join(import.meta.dirname, '..', 'workloads', isSource ? 'schema.ts' : 'schema.js')
}
