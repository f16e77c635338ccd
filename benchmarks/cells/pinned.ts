/** Cells of pinned tables: every caller with every home. */
import type { ReadLevel } from '../../src/client/index.ts'
import type { CellKey } from '../measure/cell.ts'
import { roundTripMs } from '../measure/network-time.ts'
import { tenantOf } from '../workloads/schema.ts'
import { levelRead, writeOperation } from './calls.ts'
import {
  cacheNotes,
  paced,
  pacedTogether,
  PINNED_WRITE_RATE,
  READ_RATE,
  type CellPlan,
  type CellsPlan,
  type CellStepPlan,
} from './cell-plan.ts'
import { libsqlRaw, PINNED_WRITE, POINT_READ } from './raw-engines.ts'
import { anyReadId, valueOf, writtenId } from './rows.ts'

/** One row replaced, from each region at each home. An origin's rate is shared out over the homes. */
export function pinnedWrites(plan: CellsPlan): CellStepPlan {
  const ofPair = paced(plan, PINNED_WRITE_RATE, { share: 1 / plan.homes.length })
  const { turn, load } = ofPair
  const cells = pairs(plan, (origin, home) => writeAt(plan, origin, home, load))
  const together = pacedTogether(plan, ofPair, cells.length)
  return {
    name: 'pinned writes',
    turns: [{ ...turn, cells }],
    raw: { ...together.turn, ...libsqlRaw(PINNED_WRITE, together.load) },
    notes: [REMOTE_RAW],
  }
}

/** Reads at each level, from each region of each home. */
export function pinnedReads(plan: CellsPlan): CellStepPlan {
  const ofPair = paced(plan, READ_RATE, { share: 1 / plan.homes.length })
  const { turn, load } = ofPair
  const cells = (level: ReadLevel): readonly CellPlan[] =>
    pairs(plan, (origin, home) => readAt(plan, origin, home, level, load))
  const strong = cells('strong')
  const together = pacedTogether(plan, ofPair, strong.length)
  return {
    name: 'pinned reads',
    turns: [
      { ...turn, cells: strong },
      { ...turn, cells: [...cells('session'), ...cells('stale')] },
    ],
    raw: { ...together.turn, ...libsqlRaw(POINT_READ, together.load) },
    notes: [REMOTE_RAW, ...cacheNotes(plan)],
  }
}

const REMOTE_RAW =
  'Where a pinned call goes to another region, the raw engine beside it is its p95 at home plus one round trip.'

function pairs(
  { topology, homes }: CellsPlan,
  cell: (origin: string, home: string) => CellPlan,
): readonly CellPlan[] {
  return homes.flatMap((home) => topology.regions.map((origin) => cell(origin, home)))
}

function writeAt(plan: CellsPlan, origin: string, home: string, load: CellPlan['load']): CellPlan {
  const networkMs = roundTripMs(plan.topology, origin, home)
  return {
    key: { op: 'write', mode: 'pinned', origin, home, level: null },
    networkMs,
    limitMs: origin === home ? null : networkMs,
    rawExtraMs: networkMs,
    budget: origin === home ? 'pinned-write-at-home' : 'pinned-write-remote',
    load,
    async open(context) {
      const db = context.client(origin)
      const { pinnedRows } = db.tenant(tenantOf(home))
      const write = writeOperation(
        (index, options) =>
          pinnedRows.upsert(
            { id: writtenId(origin, index), value: valueOf(index), amount: index },
            options,
          ),
        { session: db.session() },
      )
      return { operation: write }
    },
  }
}

function readAt(
  plan: CellsPlan,
  origin: string,
  home: string,
  level: ReadLevel,
  load: CellPlan['load'],
): CellPlan {
  const key: CellKey = { op: 'read', mode: 'pinned', origin, home, level }
  const goesHome = level === 'strong' && origin !== home
  const networkMs = goesHome ? roundTripMs(plan.topology, origin, home) : 0
  return {
    key,
    networkMs,
    limitMs: goesHome ? networkMs : null,
    rawExtraMs: networkMs,
    budget: null,
    load,
    async open(context) {
      const db = context.client(origin)
      const { pinnedRows } = db.tenant(tenantOf(home))
      return levelRead(key, pinnedRows, anyReadId, { session: db.session() })
    },
  }
}
