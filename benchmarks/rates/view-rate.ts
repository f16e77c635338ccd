/**
 * How many changes a second views take, in batches of 1,000 changes from a change log on disk:
 * a sum and a count a group, and the 100 largest rows over all tenants; beside a bulk upsert of as
 * many rows into plain libSQL at the same durability, in the same run. Insertions come first (a
 * load), then updates.
 */
import Database from 'libsql'
import { join } from 'node:path'
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

import { asTimed, type Rate } from './timed.ts'

const BATCH = 1000
/** A view that has stopped would be waited for without end. */
const CATCH_UP_MS = 600_000

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

/** A row: id, name, country, population, latitude, longitude. */
export interface City {
  readonly tenant: string
  readonly image: readonly [number, string, string, number, number, number]
}

/** How much is changed. */
export interface ViewRateOptions {
  /** Exists; the store and the change log are made in it. */
  readonly folder: string
  readonly inserts: readonly City[]
  readonly updates: readonly City[]
  readonly signal: AbortSignal
}

/** Rows a second of plain libSQL, and changes a second of the views. */
export interface ViewRates {
  readonly rawInserts: Rate
  readonly inserts: Rate
  readonly rawUpdates: Rate
  readonly updates: Rate
}

/** @throws the signal's reason, and MeridianError what stores and views throw */
export async function measureViewRates(options: ViewRateOptions): Promise<ViewRates> {
  const { folder, inserts, updates, signal } = options
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
  const engine = openEngine(folder)
  // Threads that work keep no process alive.
  const keepAlive = setInterval(() => undefined, 1000)
  const both = async (batch: readonly City[]): Promise<readonly [raw: Rate, views: Rate]> => {
    const end = await write(store, clock, batch, signal)
    while (relay.position() < end) {
      signal.throwIfAborted()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const raw = await asTimed(() => upsertInEngine(engine, batch))
    signal.throwIfAborted()
    return [raw, await asTimed(() => catchUp(store, changeLog, end, batch.length))]
  }
  try {
    const [rawInserts, ofInserts] = await both(inserts)
    const [rawUpdates, ofUpdates] = await both(updates)
    return { rawInserts, inserts: ofInserts, rawUpdates, updates: ofUpdates }
  } finally {
    clearInterval(keepAlive)
    await relay.stop()
    await changeLog.close()
    await store.close()
    engine.close()
  }
}

/** Commits rows in transactions of `BATCH`; resolves with the position of the last change. */
async function write(
  store: Store,
  clock: StoreClock,
  all: readonly City[],
  signal: AbortSignal,
): Promise<number> {
  let end = 0
  for (let at = 0; at < all.length; at += BATCH) {
    signal.throwIfAborted()
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

async function catchUp(
  store: Store,
  changeLog: ChangeLog,
  end: number,
  count: number,
): Promise<number> {
  const maintainer = await createViewMaintainer({
    store,
    schema,
    changeLog,
    runtime: systemRuntime,
    nowMs: () => systemRuntime.clock.nowMs(),
  })
  await maintainer.waitApplied(end, CATCH_UP_MS)
  await maintainer.stop()
  return count
}

function openEngine(folder: string): InstanceType<typeof Database> {
  const db = new Database(join(folder, 'engine.db'))
  db.exec('PRAGMA journal_mode = WAL')
  db.exec(`CREATE TABLE t (tenant TEXT, id INTEGER, name TEXT, country TEXT, population INTEGER,
    latitude REAL, longitude REAL, PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID`)
  return db
}

async function upsertInEngine(
  db: InstanceType<typeof Database>,
  all: readonly City[],
): Promise<number> {
  const upsert = db.prepare(`INSERT INTO t SELECT value->>0, value->>1, value->>2, value->>3,
    value->>4, value->>5, value->>6 FROM json_each(?) WHERE true
    ON CONFLICT DO UPDATE SET name = excluded.name, country = excluded.country,
      population = excluded.population, latitude = excluded.latitude, longitude = excluded.longitude`)
  for (let at = 0; at < all.length; at += BATCH) {
    const batch = all.slice(at, at + BATCH).map(({ tenant, image }) => [tenant, ...image])
    upsert.run([JSON.stringify(batch)])
    await new Promise((resolve) => setImmediate(resolve))
  }
  return all.length
}
