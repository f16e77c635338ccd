/** Tables with local strong reads in three regions on their real drivers. */
import { describe, expect, it } from 'vitest'
import {
  connect,
  defineSchema,
  integer,
  table,
  text,
  type Database,
} from '../../src/client/index.ts'
import { parseConfig } from '../../src/config/parse-config.ts'
import { openEmbedded, type EmbeddedDeployment } from '../../src/node/embedded.ts'
import type { HistoryEvent } from '../../replication/verify/history.ts'
import { checkRegisters } from '../../replication/verify/linearizable.ts'
import { tempFolder } from '../conformance/support/temp-folder.ts'
import { until } from '../support/until.ts'

const REGIONS = ['us-east', 'eu-west', 'ap-south'] as const
const LEASE_MS = 1_500

const schema = defineSchema({
  tables: {
    flags: table(
      { id: text().primaryKey(), value: integer() },
      { consistency: 'strong', scope: 'global', reads: 'local' },
    ),
    notes: table(
      { id: text().primaryKey(), value: integer() },
      { consistency: 'strong', scope: 'global' },
    ),
  },
  views: (v) => ({
    flagCount: v('flags')
      .groupBy('value')
      .select((a) => ({ count: a.count() })),
  }),
})

type Market = Database<typeof schema>

interface World {
  readonly deployment: EmbeddedDeployment
  readonly dbs: readonly [Market, Market, Market]
}

async function withWorld(run: (world: World) => Promise<void>, delayScale = 0.1): Promise<void> {
  const config = parseConfig(
    JSON.stringify({ regions: REGIONS, commitLog: { leaseDurationMs: LEASE_MS } }),
    'test',
  )
  const options = { directory: tempFolder(), delayScale, onNotice: () => undefined }
  const deployment = await openEmbedded({ schema, config, writer: 'inline', ...options })
  try {
    const dbs = await Promise.all(REGIONS.map((region) => connect({ schema, region, deployment })))
    await until(() => requireLocal(dbs))
    await run({ deployment, dbs: dbs as unknown as World['dbs'] })
  } finally {
    await deployment.close()
  }
}

/** Every region has its lease. */
async function requireLocal(dbs: readonly Market[]): Promise<void> {
  const trips = await Promise.all(dbs.map((db) => tripsOf(db, 'nobody')))
  expect(trips).toEqual(dbs.map(() => 0))
}

async function tripsOf(db: Market, id: string): Promise<number> {
  const { receipt } = await db.flags.get(id, { consistency: 'strong' }).withReceipt()
  return receipt.crossRegionRoundTrips
}

describe('tables with local strong reads', () => {
  it('are read without a round trip in every region, and show every acknowledged write', async () => {
    await withWorld(async ({ dbs }) => {
      const [us, eu, ap] = dbs
      await us.flags.insert({ id: 'a', value: 1 })
      for (const db of dbs) {
        const { value, receipt } = await db.flags.get('a', { consistency: 'strong' }).withReceipt()
        expect(value).toEqual({ id: 'a', value: 1 })
        expect(receipt).toMatchObject({ level: 'strong', crossRegionRoundTrips: 0, stalenessMs: 0 })
      }
      await ap.flags.update('a', { value: 2 })
      const listed = await eu.flags.list({ consistency: 'strong' })
      expect([...listed.rows]).toEqual([{ id: 'a', value: 2 }])
      await eu.notes.insert({ id: 'n', value: 1 })
      const note = await us.notes.get('n', { consistency: 'strong' }).withReceipt()
      expect(note.receipt.crossRegionRoundTrips).toBeGreaterThan(0)
    })
  })

  it('are linearizable while all regions read and write them', async () => {
    await withWorld(async ({ dbs }) => {
      const history = new Recorder()
      const ends = performance.now() + 4_000
      let written = 0
      let local = 0
      let reads = 0
      const client = async (process: number, db: Market): Promise<void> => {
        for (let i = 0; performance.now() < ends; i++) {
          const key = `k${(process + i) % 3}`
          if (i % 6 === 0) {
            const value = ++written
            await history.run(process, 'write', key, value, async () => {
              await db.flags.upsert({ id: key, value })
              return value
            })
          } else {
            await history.run(process, 'read', key, null, async () => {
              const { value, receipt } = await db.flags
                .get(key, { consistency: 'strong' })
                .withReceipt()
              reads += 1
              if (receipt.crossRegionRoundTrips === 0) local += 1
              return value?.value ?? null
            })
          }
        }
      }
      const processes = dbs.flatMap((db) => [db, db, db])
      await Promise.all(processes.map((db, process) => client(process, db)))
      const verdict = checkRegisters(history.events)
      expect(verdict.anomalies).toEqual([])
      expect(verdict.checked).toBeGreaterThan(100)
      expect(local / reads).toBeGreaterThan(0.5)
    })
  })

  it('wait no longer than a lease and its margin for a region that is gone', async () => {
    await withWorld(async ({ deployment, dbs }) => {
      const [us, eu] = dbs
      await us.flags.insert({ id: 'a', value: 1 })
      deployment.network.partition('ap-south', 'us-east')
      deployment.network.partition('ap-south', 'eu-west')
      const beganMs = performance.now()
      await eu.flags.update('a', { value: 2 })
      const tookMs = performance.now() - beganMs
      // It is held up at all: its lease is not just forgotten. The rest is what the machine takes.
      expect(tookMs).toBeGreaterThan(LEASE_MS / 4)
      expect(tookMs).toBeLessThan(LEASE_MS + 3_000)
      expect(await us.flags.get('a', { consistency: 'strong' })).toEqual({ id: 'a', value: 2 })
      deployment.network.healAll()
      await until(() => requireLocal(dbs))
      expect(await dbs[2].flags.get('a', { consistency: 'strong' })).toEqual({ id: 'a', value: 2 })
    })
  })

  it('wait for no region that has stopped in order', async () => {
    await withWorld(async ({ deployment, dbs }) => {
      const [us, eu] = dbs
      await us.flags.insert({ id: 'a', value: 1 })
      await deployment.node('ap-south').close()
      const beganMs = performance.now()
      for (let value = 2; value < 6; value++) await eu.flags.update('a', { value })
      // Four writes, none of which waits for a lease: one that did would take three quarters at least.
      expect((performance.now() - beganMs) / 4).toBeLessThan(LEASE_MS / 2)
      expect(await us.flags.get('a', { consistency: 'strong' })).toEqual({ id: 'a', value: 5 })
    })
  })

  it('show in views, SQL and sessions what was acknowledged', async () => {
    await withWorld(async ({ deployment, dbs }) => {
      const [us, eu, ap] = dbs
      await us.flags.insert({ id: 'a', value: 7 })
      const counts = await eu.view('flagCount').list({ consistency: 'strong' })
      expect(counts).toEqual([{ value: 7, count: 1 }])
      const rows = await ap.query((q) => q.selectFrom('flags').select('value'), {
        consistency: 'strong',
      })
      expect(rows).toEqual([{ value: 7 }])
      const session = us.session()
      await us.flags.update('a', { value: 8 }, { session })
      const token = await session.export()
      const resumed = await ap.importSession(token)
      expect(await ap.flags.get('a', { session: resumed })).toEqual({ id: 'a', value: 8 })
      await deployment.settle()
    })
  })
})

/** Records what clients do. */
class Recorder {
  readonly events: HistoryEvent[] = []
  readonly #startMs = performance.now()

  async run(
    process: number,
    f: string,
    key: string,
    value: unknown,
    operation: () => Promise<unknown>,
  ): Promise<void> {
    this.#add(process, 'invoke', f, key, value)
    try {
      this.#add(process, 'ok', f, key, await operation())
    } catch {
      this.#add(process, 'info', f, key, value)
    }
  }

  #add(process: number, type: HistoryEvent['type'], f: string, key: string, value: unknown): void {
    const timeNs = Math.round((performance.now() - this.#startMs) * 1e6)
    this.events.push({ process, type, f, key, value, timeNs })
  }
}
