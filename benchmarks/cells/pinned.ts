/** Cells of pinned tables: every caller with every home. */
import type { ReadLevel } from '../../src/client/index.ts'
import type { CellKey } from '../measure/cell.ts'
import { roundTripMs } from '../measure/network-time.ts'
import { tenantOf } from '../workloads/schema.ts'
import { levelRead, writeOperation } from './calls.ts'
import {
  localTurn,
  openLoad,
  remoteTurn,
  type CellPlan,
  type CellsPlan,
  type CellStepPlan,
  type TurnLength,
} from './cell-plan.ts'
import { libsqlRaw, PINNED_WRITE, POINT_READ } from './raw-engines.ts'
import { anyReadId, valueOf, writtenId } from './rows.ts'

const LOCAL_RATE_FACTOR = 2

/** One row replaced, from each region at each home. An origin's rate is shared out over the homes. */
export function pinnedWrites(plan: CellsPlan): CellStepPlan {
  const turn = remoteTurn(plan)
  const load = pairLoad(plan, plan.rateOpsPerSecond, turn)
  return {
    name: 'pinned writes',
    turns: [{ ...turn, cells: pairs(plan, (origin, home) => writeAt(plan, origin, home, load)) }],
    raw: { ...turn, ...libsqlRaw(PINNED_WRITE, homeLoad(plan, load)) },
    notes: [REMOTE_RAW],
  }
}

/** Reads at each level, from each region of each home. */
export function pinnedReads(plan: CellsPlan): CellStepPlan {
  const remote = remoteTurn(plan)
  const local = localTurn(plan)
  const rate = LOCAL_RATE_FACTOR * plan.rateOpsPerSecond
  const cells = (level: ReadLevel, turn: TurnLength): readonly CellPlan[] =>
    pairs(plan, (origin, home) => readAt(plan, origin, home, level, pairLoad(plan, rate, turn)))
  return {
    name: 'pinned reads',
    turns: [
      { ...remote, cells: cells('strong', remote) },
      { ...local, cells: cells('session', local) },
      { ...local, cells: cells('stale', local) },
    ],
    raw: { ...local, ...libsqlRaw(POINT_READ, homeLoad(plan, pairLoad(plan, rate, local))) },
    notes: [REMOTE_RAW],
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

function pairLoad(plan: CellsPlan, rateOfOrigin: number, turn: TurnLength): CellPlan['load'] {
  return openLoad(plan, rateOfOrigin / plan.homes.length, turn)
}

/** What all origins together ask of one home. */
function homeLoad(plan: CellsPlan, ofPair: CellPlan['load']): CellPlan['load'] {
  if (ofPair.loop === 'closed') return ofPair
  const rateOpsPerSecond = ofPair.rateOpsPerSecond * plan.topology.regions.length
  return { loop: 'open', rateOpsPerSecond }
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
