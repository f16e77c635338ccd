/** Cells of eventual tables: writes and reads in each region, and how soon regions agree. */
import { MeridianError, type ReadLevel } from '../../src/client/index.ts'
import { oneWayMs } from '../../src/config/topology.ts'
import type { CellKey } from '../measure/cell.ts'
import type { BenchContext } from '../step.ts'
import { tenantOf } from '../workloads/schema.ts'
import { levelRead, writeOperation } from './calls.ts'
import {
  cacheNotes,
  EVENTUAL_WRITE_RATE,
  paced,
  pacedTogether,
  READ_RATE,
  type CellPlan,
  type CellsPlan,
  type CellStepPlan,
  type OpenCell,
} from './cell-plan.ts'
import { libsqlRaw, POINT_READ, TRANSACTION } from './raw-engines.ts'
import { anyReadId, valueOf, writtenId } from './rows.ts'
import { COMMIT_POLL_NOTE, openWatched } from './until-seen.ts'

/** Each call of a pair of regions polls: they share an origin's rate. */
const CONVERGE_RATE = 11

/** One row replaced, from each region in each region's own copy. */
export function eventualWrites(plan: CellsPlan): CellStepPlan {
  const { regions } = plan.topology
  const ofCell = paced(plan, EVENTUAL_WRITE_RATE, { needs: 'p99' })
  const together = pacedTogether(plan, ofCell, regions.length)
  const { turn, load } = ofCell
  return {
    name: 'eventual writes',
    turns: [{ ...turn, cells: regions.map((origin) => writeIn(origin, load)) }],
    raw: { ...together.turn, ...libsqlRaw(TRANSACTION, together.load) },
  }
}

/** Reads of the region's own copy. */
export function eventualReads(plan: CellsPlan): CellStepPlan {
  const { regions } = plan.topology
  const ofCell = paced(plan, READ_RATE)
  const together = pacedTogether(plan, ofCell, regions.length)
  const { turn, load } = ofCell
  const cells = (level: ReadLevel): readonly CellPlan[] =>
    regions.map((origin) => readIn(origin, level, load))
  return {
    name: 'eventual reads',
    turns: [{ ...turn, cells: [...cells('session'), ...cells('stale')] }],
    raw: { ...together.turn, ...libsqlRaw(POINT_READ, together.load) },
    notes: cacheNotes(plan),
  }
}

/** From a committed write until another region shows it, for every ordered pair. */
export function convergence(plan: CellsPlan): CellStepPlan {
  const { regions } = plan.topology
  const { turn, load } = paced(plan, CONVERGE_RATE, { share: 1 / (regions.length - 1) })
  const cells = plan.homes.flatMap((origin) =>
    regions
      .filter((seenIn) => seenIn !== origin)
      .map((seenIn) => converge(plan, origin, seenIn, load)),
  )
  return {
    name: 'eventual convergence',
    turns: [{ ...turn, cells }],
    raw: null,
    notes: [
      'Convergence: no raw engine replicates between regions here; what it is held against is one way.',
      `Convergence: written in the cell's origin, waited for in its home. ${COMMIT_POLL_NOTE}`,
    ],
  }
}

function writeIn(origin: string, load: CellPlan['load']): CellPlan {
  return {
    key: { op: 'write', mode: 'eventual', origin, home: null, level: null },
    networkMs: 0,
    limitMs: null,
    rawExtraMs: 0,
    budget: 'eventual-write',
    load,
    async open(context) {
      const db = context.client(origin)
      const { eventualRows } = db.tenant(tenantOf(origin))
      const write = writeOperation(
        (index, options) =>
          eventualRows.upsert({ id: writtenId(origin, index), value: valueOf(index) }, options),
        { session: db.session() },
      )
      return { operation: write }
    },
  }
}

function readIn(origin: string, level: ReadLevel, load: CellPlan['load']): CellPlan {
  const key: CellKey = { op: 'read', mode: 'eventual', origin, home: null, level }
  return {
    key,
    networkMs: 0,
    limitMs: null,
    rawExtraMs: 0,
    budget: null,
    load,
    async open(context) {
      const db = context.client(origin)
      const { eventualRows } = db.tenant(tenantOf(origin))
      return levelRead(key, eventualRows, anyReadId, { session: db.session() })
    },
  }
}

function converge(
  plan: CellsPlan,
  origin: string,
  seenIn: string,
  load: CellPlan['load'],
): CellPlan {
  const wayMs = oneWayMs(plan.topology, origin, seenIn)
  const key: CellKey = { op: 'converge', mode: 'eventual', origin, home: seenIn, level: 'stale' }
  return {
    key,
    networkMs: wayMs,
    limitMs: wayMs,
    rawExtraMs: 0,
    budget: 'eventual-convergence',
    load,
    open: async (context) => openConverge(context, key, seenIn, wayMs),
  }
}

function openConverge(
  context: BenchContext,
  key: CellKey,
  seenIn: string,
  wayMs: number,
): OpenCell {
  const { origin } = key
  const tenant = tenantOf(origin)
  const writer = context.client(origin)
  const session = writer.session()
  const written = writer.tenant(tenant).eventualRows
  const shown = context.client(seenIn).tenant(tenant).eventualRows
  return openWatched(context, key, `converge-${origin}-${seenIn}`, {
    expectedAfterMs: wayMs,
    write: (id, index) => written.upsert({ id, value: valueOf(index) }, { session }).withReceipt(),
    async look(id, index) {
      const { value, receipt } = await shown.get(id, { consistency: 'stale' }).withReceipt()
      if (value !== undefined && value.value !== valueOf(index)) {
        throw new MeridianError('INTERNAL', `${seenIn} shows another value than was written.`)
      }
      return { value: value !== undefined, receipt }
    },
  })
}
