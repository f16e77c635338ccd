/** Cells of strong tables: writes, reads by read index, and reads that stay in their region. */
import type { ReadLevel } from '../../src/client/index.ts'
import type { CellKey } from '../measure/cell.ts'
import { commitLogMs } from '../measure/network-time.ts'
import { levelRead, writeOperation } from './calls.ts'
import {
  cacheNotes,
  paced,
  pacedTogether,
  INDEX_READ_RATE,
  READ_RATE,
  STRONG_WRITE_RATE,
  type CellPlan,
  type CellsPlan,
  type CellStepPlan,
} from './cell-plan.ts'
import { etcdRaw } from './raw-engines.ts'
import { libsqlRaw, POINT_READ } from './raw-engines.ts'
import { anyReadId, valueOf, writtenId } from './rows.ts'

/** Transactions a second of all regions together that the budget names. */
const LOADED_TX_PER_SECOND = 500
/** Of bounded reads. */
const MAX_STALENESS_MS = 1000

/** One row replaced, from each region. */
export function strongWrites(plan: CellsPlan): CellStepPlan {
  const { turn, load } = paced(plan, STRONG_WRITE_RATE)
  return {
    name: 'strong writes',
    turns: [{ ...turn, cells: writesFrom(plan, 'write', load) }],
    raw: { ...turn, ...etcdRaw('transaction', load) },
    notes: [
      'Cells of one turn are called at once: bytes between regions and CPU are counted together, and each call counts the same.',
    ],
  }
}

/** The same at the rate that the budget names, from all regions together. */
export function strongWritesUnderLoad(plan: CellsPlan): CellStepPlan {
  const { warmupMs, loadedWindowMs: windowMs } = plan.pace
  const turn = { warmupMs, windowMs }
  const rateOpsPerSecond = LOADED_TX_PER_SECOND / plan.topology.regions.length
  const load = { loop: 'open', rateOpsPerSecond } as const
  const op = `write-at-${LOADED_TX_PER_SECOND}`
  return {
    name: `strong writes, capacity: ${LOADED_TX_PER_SECOND} a second in all on one machine`,
    turns: [{ ...turn, cells: writesFrom(plan, op, load) }],
    raw: { ...turn, ...etcdRaw('transaction', load) },
    notes: [
      `${op}: what the deployment is capable of where all its regions, their engines and the generator share this machine; not the latency of a call.`,
    ],
  }
}

/** Reads that ask the log how far it is: `strong`, and those with a bound on staleness. */
export function strongReadsByIndex(plan: CellsPlan): CellStepPlan {
  const { turn, load } = paced(plan, INDEX_READ_RATE)
  const cells = (level: ReadLevel): readonly CellPlan[] =>
    plan.topology.regions.map((origin) => {
      const networkMs = commitLogMs(plan.topology, plan.leader, origin)
      return {
        ...readFrom(plan, origin, level, load),
        networkMs,
        // A bound might be kept by a copy that knows its age: the way is the system's, not physics'.
        limitMs: level === 'strong' ? limitOf(networkMs) : null,
        budget: 'strong-read-index',
      }
    })
  return {
    name: 'strong reads by read index',
    turns: [
      { ...turn, cells: cells('strong') },
      { ...turn, cells: cells({ maxStalenessMs: MAX_STALENESS_MS }) },
    ],
    raw: { ...turn, ...etcdRaw('linearizable read', load) },
    notes: [
      'Reads of strong tables with a bound on staleness go by read index too: no copy of the log knows its age.',
    ],
  }
}

/** Reads of the region's own copy: of a session that it has caught up with, and stale ones. */
export function strongLocalReads(plan: CellsPlan): CellStepPlan {
  const ofCell = paced(plan, READ_RATE)
  const together = pacedTogether(plan, ofCell, plan.topology.regions.length)
  const { turn, load } = ofCell
  const cells = (level: ReadLevel): readonly CellPlan[] =>
    plan.topology.regions.map((origin) => readFrom(plan, origin, level, load))
  return {
    name: 'strong tables, local reads',
    turns: [{ ...turn, cells: [...cells('session'), ...cells('stale')] }],
    raw: { ...together.turn, ...libsqlRaw(POINT_READ, together.load) },
    notes: cacheNotes(plan),
  }
}

function writesFrom(plan: CellsPlan, op: string, load: CellPlan['load']): readonly CellPlan[] {
  return plan.topology.regions.map((origin) => {
    const networkMs = commitLogMs(plan.topology, plan.leader, origin)
    return {
      key: { op, mode: 'strong', origin, home: plan.leader, level: null },
      networkMs,
      limitMs: limitOf(networkMs),
      rawExtraMs: 0,
      budget: 'strong-write',
      load,
      async open(context) {
        const { strongRows } = context.client(origin)
        const session = context.client(origin).session()
        const write = writeOperation(
          (index, options) =>
            strongRows.upsert(
              { id: writtenId(origin, index), value: valueOf(index), amount: index },
              options,
            ),
          { session },
        )
        return { operation: write }
      },
    }
  })
}

/** A read that its own region answers. */
function readFrom(
  plan: CellsPlan,
  origin: string,
  level: ReadLevel,
  load: CellPlan['load'],
): CellPlan {
  const key: CellKey = { op: 'read', mode: 'strong', origin, home: plan.leader, level }
  return {
    key,
    networkMs: 0,
    limitMs: null,
    rawExtraMs: 0,
    budget: null,
    load,
    async open(context) {
      const db = context.client(origin)
      return levelRead(key, db.strongRows, anyReadId, { session: db.session() })
    },
  }
}

/** No limit between regions where nothing crosses them. */
function limitOf(networkMs: number): number | null {
  return networkMs === 0 ? null : networkMs
}
