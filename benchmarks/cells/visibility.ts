/** Cells of what follows a commit: the region's Kafka, the views of its region and of others. */
import type { Receipt } from '../../src/client/index.ts'
import { oneWayMs } from '../../src/config/topology.ts'
import type { CellKey } from '../measure/cell.ts'
import type { BenchContext } from '../step.ts'
import { tenantOf } from '../workloads/schema.ts'
import {
  paced,
  type CellPlan,
  type CellsPlan,
  type CellStepPlan,
  type OpenCell,
} from './cell-plan.ts'
import { kafkaRaw } from './raw-engines.ts'
import { openTableWatcher } from './table-watcher.ts'
import { COMMIT_NOTE, COMMIT_POLL_NOTE, committedMs, freshIds, openWatched } from './until-seen.ts'
import { valueOf } from './rows.ts'

/** Joining groups of consumers, of the cells and of the raw engine. */
const KAFKA_SETUP_MS = 10_000
/** A record that is not there by then counts as failed. */
const RECORD_TIMEOUT_MS = 10_000

/** Calls a second of each origin: each waits or polls. */
const COMMIT_RATE = 11

const PUBLISHED_TABLE = 'pinnedRows'

/** Commit to consumer, commit to local and to remote view. */
export function commitToReaders(plan: CellsPlan): CellStepPlan {
  const { regions } = plan.topology
  const { turn, load } = paced(plan, COMMIT_RATE)
  const remote = paced(plan, COMMIT_RATE, { share: 1 / (regions.length - 1) })
  const localViews = regions.map((region) => viewCell(plan, region, region, load))
  const remoteViews = regions.flatMap((origin) =>
    regions
      .filter((seenIn) => seenIn !== origin)
      .map((seenIn) => viewCell(plan, origin, seenIn, remote.load)),
  )
  const hasKafka = plan.engines === 'real'
  const publish = { ...turn, cells: regions.map((origin) => publishCell(origin, load)) }
  return {
    name: hasKafka ? 'commit to Kafka and to views' : 'commit to views',
    turns: [
      ...(hasKafka ? [publish] : []),
      { ...turn, cells: localViews },
      { ...remote.turn, cells: remoteViews },
    ],
    raw: { ...turn, ...kafkaRaw(load) },
    setupMs: hasKafka ? KAFKA_SETUP_MS : 0,
    notes: [
      `Views: written in the cell's origin, waited for in its home, by stale reads of one group. ${COMMIT_POLL_NOTE}`,
      hasKafka
        ? `Commit to Kafka: ${COMMIT_NOTE} It ends when a consumer of the table's topic in the region has the record.`
        : 'Commit to Kafka: not measured, this deployment has no Kafka.',
    ],
  }
}

function publishCell(origin: string, load: CellPlan['load']): CellPlan {
  return {
    key: { op: 'publish', mode: 'pinned', origin, home: origin, level: null },
    networkMs: 0,
    limitMs: null,
    rawExtraMs: 0,
    budget: 'publish',
    load,
    open: (context) => openPublish(context, origin),
  }
}

async function openPublish(context: BenchContext, origin: string): Promise<OpenCell> {
  const { target, signal } = context
  const db = context.client(origin)
  const tenant = tenantOf(origin)
  const { pinnedRows } = db.tenant(tenant)
  const session = db.session()
  const ids = freshIds(`publish-${origin}`)
  const write = async (index: number, id: string): Promise<Receipt> => {
    const row = { id, value: valueOf(index), amount: index }
    const { receipt } = await pinnedRows.insert(row, { session }).withReceipt()
    return receipt
  }
  const watcher = await openTableWatcher({
    broker: target.raw(origin)?.kafka ?? '',
    topicEnd: `.${origin}.${PUBLISHED_TABLE}`,
    signal,
    prime: async () => {
      const id = ids()
      await write(0, id)
      return recordKey(tenant, id)
    },
  })
  return {
    close: () => watcher.close(),
    operation: async (index) => {
      const id = ids()
      const arrival = watcher.expect(recordKey(tenant, id), RECORD_TIMEOUT_MS)
      try {
        const calledMs = performance.now()
        const { hlc, requests } = await write(index, id)
        const sinceMs = committedMs(hlc, { calledMs, acknowledgedMs: performance.now() })
        return { attempts: requests, latencyMs: (await arrival.atMs) - sinceMs }
      } finally {
        arrival.forget()
      }
    },
  }
}

/** As the topics of tables key their records. */
function recordKey(tenant: string, id: string): string {
  return JSON.stringify([tenant, id])
}

function viewCell(
  plan: CellsPlan,
  origin: string,
  seenIn: string,
  load: CellPlan['load'],
): CellPlan {
  const wayMs = oneWayMs(plan.topology, origin, seenIn)
  const key: CellKey = { op: 'view', mode: 'pinned', origin, home: seenIn, level: 'stale' }
  return {
    key,
    networkMs: wayMs,
    limitMs: wayMs === 0 ? null : wayMs,
    rawExtraMs: wayMs,
    budget: origin === seenIn ? 'view-local' : 'view-remote',
    load,
    open: async (context) => openView(context, key, seenIn, wayMs),
  }
}

function openView(context: BenchContext, key: CellKey, seenIn: string, wayMs: number): OpenCell {
  const { origin } = key
  const tenant = tenantOf(origin)
  const writer = context.client(origin)
  const session = writer.session()
  const { orders } = writer.tenant(tenant)
  const view = context.client(seenIn).tenant(tenant).view('ordersByCustomer')
  return openWatched(context, key, `view-${origin}-${seenIn}`, {
    expectedAfterMs: wayMs,
    // A customer of its own: the group is there once the view holds this order.
    write: (id, index) =>
      orders.insert({ id, customer: id, amount: index }, { session }).withReceipt(),
    async look(id) {
      const { value, receipt } = await view
        .get({ customer: id }, { consistency: 'stale' })
        .withReceipt()
      return { value: value !== undefined, receipt }
    },
  })
}
