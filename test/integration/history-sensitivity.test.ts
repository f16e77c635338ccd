/**
 * Whether the recorded workloads would show a breach: clients that break one promise must lead to an
 * anomaly. (Without, there is none: test/e2e/history.test.ts.)
 */
import { setMaxListeners } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { bestLeader, readTopology } from '../../benchmarks/topologies/index.ts'
import { judge } from '../../src/cli/history/judge/judge.ts'
import { Client, takeTurns } from '../../src/cli/history/run/clients.ts'
import { readEverywhere } from '../../src/cli/history/run/ending.ts'
import { openDeployment } from '../../src/cli/history/run/open.ts'
import { HistoryRecorder } from '../../src/cli/history/run/recorder.ts'
import type { HistoryDatabase } from '../../src/cli/history/schema.ts'
import { WORKLOADS, type WorkloadName } from '../../src/cli/history/workloads/index.ts'
import { seededRandom } from '../../src/core/seeded-random.ts'

type Plant = (db: HistoryDatabase) => HistoryDatabase

const CLIENTS = 6
const PERIOD_MS = 30
const EVENTS = 800

/** Runs a workload until there are so many events; resolves to whether the checkers are content. */
async function isClean(workloadName: WorkloadName, plant: Plant): Promise<boolean> {
  const topology = await readTopology('one-country')
  const directory = mkdtempSync(join(tmpdir(), 'meridian-sensitivity-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const over = new AbortController()
  const { signal } = new AbortController()
  setMaxListeners(0, over.signal, signal)
  const deployment = await openDeployment({
    ...{ engines: 'embedded', topology, leader: bestLeader(topology), nemeses: [], directory },
    ...{ signal, onNotice: () => undefined },
  })
  try {
    const workload = WORKLOADS[workloadName]()
    const databases = new Map<string, HistoryDatabase>()
    for (const region of topology.regions) {
      databases.set(region, plant(await deployment.regions.connect(region)))
    }
    const recorder = new HistoryRecorder({
      nowNs: () => process.hrtime.bigint(),
      onEvent: () => {
        if (recorder.events.length === EVENTS) over.abort()
      },
    })
    const [first] = databases.values()
    await workload.prepare(first as HistoryDatabase)
    await readEverywhere({ databases, recorder, workload, signal, seed: 1 })
    const turns = [...databases.values()].flatMap((db, place) =>
      Array.from({ length: CLIENTS }, (_, i) => {
        const client = new Client({ db, recorder, signal })
        const random = seededRandom(place * CLIENTS + i)
        return takeTurns({ client, workload, random, periodMs: PERIOD_MS, until: over.signal })
      }),
    )
    await Promise.all(turns)
    // Operations that fail show nothing.
    const answered = recorder.events.filter(({ type }) => type === 'ok').length
    expect(answered).toBeGreaterThan(EVENTS / 4)
    const judgements = judge(workloadName, recorder.events)
    return judgements.every(({ verdict }) => verdict.ok)
  } finally {
    await deployment.close()
  }
}

/** The client with one member replaced. */
function replacing<T extends object>(object: T, name: string, value: unknown): T {
  // Of another target: the object's own members are not to be changed.
  return new Proxy({} as T, {
    get(_target, asked) {
      if (asked === name) return value
      const member: unknown = Reflect.get(object, asked)
      return typeof member === 'function' ? (member.bind(object) as unknown) : member
    },
  })
}

/** Strong reads that do not ask how far the log is. */
const staleReads: Plant = (db) => {
  const get = (key: string, options: object): unknown =>
    db.registers.get(key, { ...options, consistency: 'stale' })
  return replacing(db, 'registers', replacing(db.registers, 'get', get))
}

type Write = () => Promise<unknown>

/** Transactions that neither check what they read nor write at once. */
const tornTransactions: Plant = (db) => {
  const tableOf = (name: 'lists' | 'accounts', writes: Write[]): object => {
    const table = db[name] as HistoryDatabase['accounts']
    return {
      get: (key: string) => table.get(key),
      getMany: (keys: readonly string[]) => table.getMany(keys),
      insert: (row: never) => writes.push(() => table.upsert(row)),
      update: (key: string, changes: never) => writes.push(() => table.update(key, changes)),
    }
  }
  const transaction = async (_mode: string, fn: (tx: object) => unknown): Promise<unknown> => {
    const writes: Write[] = []
    const value = await fn({
      lists: tableOf('lists', writes),
      accounts: tableOf('accounts', writes),
    })
    for (const write of writes) await write()
    return value
  }
  return replacing(db, 'transaction', transaction)
}

test.each([
  ['register', 'stale reads', staleReads],
  ['list-append', 'torn transactions', tornTransactions],
  ['bank', 'torn transactions', tornTransactions],
] as const)('%s shows %s', async (workload, _what, plant) => {
  expect(await isClean(workload, plant)).toBe(false)
})
