/** A market: a schema with tables of every mode, scope and column type, and a deployment of it. */
import {
  bigint,
  blob,
  boolean,
  collaborativeText,
  counter,
  defineSchema,
  integer,
  isErrorCode,
  json,
  real,
  set,
  table,
  text,
  timestamp,
  type Database,
  type MeridianError,
} from '../../src/client/index.ts'
import { defaultConfig, type Config } from '../../src/config/parse-config.ts'
import type { Change } from '../../src/core/change.ts'
import { decodeChange } from '../../src/protocol/change-codec.ts'
import { testMeridian, type TestMeridian, type TestOptions } from '../../src/testing/index.ts'
import { IS_OVER_HTTP, overHttp } from './over-http.ts'

/** Columns of every type that all modes have. */
const values = {
  id: text().primaryKey(),
  label: text(),
  note: text().optional(),
  amount: integer().default(0),
  wide: bigint().optional(),
  weight: real().optional(),
  paid: boolean().optional(),
  at: timestamp().optional(),
  photo: blob().optional(),
  extra: json<{ readonly a: number; readonly b?: readonly string[] } | string | null>().optional(),
  expiresAt: timestamp().optional(),
}

/** The schema. */
export const market = defineSchema({
  tables: {
    orders: table(
      { ...values, serial: text().optional().unique() },
      { consistency: 'pinned', ttl: 'expiresAt', indexes: [['label'], ['amount']] },
    ),
    stock: table(
      { place: text().primaryKey(), item: integer().primaryKey(), count: integer() },
      { consistency: 'pinned' },
    ),
    accounts: table(values, { consistency: 'strong', ttl: 'expiresAt' }),
    plans: table(values, { consistency: 'strong', scope: 'global', ttl: 'expiresAt' }),
    carts: table(
      { ...values, quantity: counter(), tags: set(), body: collaborativeText() },
      { consistency: 'eventual', ttl: 'expiresAt' },
    ),
    posts: table(
      { ...values, likes: counter(), tags: set(), body: collaborativeText() },
      { consistency: 'eventual', scope: 'global', ttl: 'expiresAt' },
    ),
    residents: table(
      {
        id: text().primaryKey(),
        name: text().encrypted({ lookup: 'exact' }),
        born: timestamp().encrypted().optional(),
        papers: json<readonly string[]>().encrypted().optional(),
        picture: blob().optional(),
        street: text(),
      },
      { consistency: 'pinned' },
    ),
    secrets: table(
      { id: text().primaryKey(), value: bigint().encrypted({ lookup: 'exact' }) },
      { consistency: 'strong', scope: 'global' },
    ),
    diaries: table(
      { id: text().primaryKey(), page: text().encrypted(), likes: counter() },
      { consistency: 'eventual' },
    ),
  },
  views: (v) => ({
    totals: v('orders')
      .groupBy('label')
      .select((a) => ({ total: a.sum('amount'), orders: a.count() })),
    notes: v('orders')
      .groupBy('note')
      .select((a) => ({ orders: a.count() })),
    largest: v('orders').orderBy('amount', 'desc').limit(3).select('id', 'amount', 'at', 'paid'),
    everywhere: v('orders')
      .groupBy('label')
      .select((a) => ({ orders: a.count() }))
      .acrossTenants(),
    planTotals: v('plans')
      .groupBy('label')
      .select((a) => ({ total: a.sum('amount') })),
    cartTotals: v('carts')
      .groupBy('label')
      .select((a) => ({ pieces: a.sum('quantity') })),
    names: v('residents').select('id', 'name', 'street'),
  }),
})

/** Its type. */
export type Market = typeof market

/** The regions, the first one the home of tenant `acme`. */
export const US = 'us-east'
export const EU = 'eu-west'
export const AP = 'ap-south'
export const REGIONS: readonly string[] = [US, EU, AP]

/** The default configuration with classes: `default` everywhere, `eu` not in ap-south. */
export function restrictedConfig(): Config {
  return { ...defaultConfig(), residency: { default: [...REGIONS], eu: [US, EU] } }
}

/** A running market: a client a region, and a tenant at home in us-east. */
export interface OpenMarket extends AsyncDisposable {
  readonly meridian: TestMeridian<Market>
  readonly us: Database<Market>
  readonly eu: Database<Market>
  readonly ap: Database<Market>
}

/** Opens a market with the tenant `acme`. */
export async function openMarket(
  options: Omit<TestOptions<Market>, 'schema'> = {},
): Promise<OpenMarket> {
  const meridian = await startMarket(options)
  const us = await meridian.connect(US)
  const eu = await meridian.connect(EU)
  const ap = await meridian.connect(AP)
  await us.tenants.create({ id: 'acme', home: US })
  return { meridian, us, eu, ap, [Symbol.asyncDispose]: () => meridian.close() }
}

/** A deployment of it, reached in this process or over HTTP as the run says. */
async function startMarket(
  options: Omit<TestOptions<Market>, 'schema'>,
): Promise<TestMeridian<Market>> {
  const meridian = await testMeridian({ schema: market, ...options })
  return IS_OVER_HTTP ? overHttp(meridian, market, options.delayScale ?? 0) : meridian
}

/** The error that a call fails with. */
export async function failure(call: PromiseLike<unknown>): Promise<MeridianError> {
  try {
    await call
  } catch (error) {
    return error as MeridianError
  }
  throw new Error('The call did not fail.')
}

const MAX_REFUSAL_TRIES = 20

/**
 * What a node refuses a call with that it cannot meet in time. Its answer has some milliseconds to
 * overtake the client's own deadline; where a busy machine lets it lose, the call is made again.
 */
export async function refusal(
  call: () => PromiseLike<unknown>,
): Promise<MeridianError & { readonly elapsedMs: number }> {
  for (let tries = 1; ; tries++) {
    const startMs = performance.now()
    const error = await failure(call())
    if (error.code === 'DEADLINE_EXCEEDED' && tries < MAX_REFUSAL_TRIES) continue
    return Object.assign(error, { elapsedMs: performance.now() - startMs })
  }
}

/** Every change that a region's change log holds. Unlike the outbox it forgets none. */
export async function loggedChanges(
  { meridian }: OpenMarket,
  region: string,
): Promise<readonly Change[]> {
  const { changeLog } = meridian.deployment.node(region)
  const records = await changeLog.read(0, 10_000)
  return records.map((record) => decodeChange(record.payload))
}

/** The code that a call fails with; anything but a typed error comes back as it is. */
export async function codeOf(call: PromiseLike<unknown>): Promise<unknown> {
  const error = await failure(call)
  return isErrorCode(error, error.code) ? error.code : error
}

/** Rows of a region's physical tables, for what no client can see. */
export async function storedRows(
  { meridian }: OpenMarket,
  region: string,
  sql: string,
): Promise<readonly (readonly unknown[])[]> {
  const [result] = await meridian.deployment.node(region).store.read([{ sql, args: [] }])
  return result?.rows ?? []
}

/** How often each region has written: the same before and after means that nothing was written. */
export async function writeCounts(open: OpenMarket): Promise<string> {
  // What was acknowledged before arrives everywhere before it is counted.
  await open.meridian.settle()
  const counts = REGIONS.map(async (region) => {
    const [seq, indexes, outcomes, tenants, keys] = await Promise.all(
      [
        `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = '_outbox'), 0)`,
        'SELECT log_group, log_index FROM _log_positions ORDER BY 1',
        'SELECT count(*) FROM _outcomes',
        'SELECT count(*) FROM _tenants',
        'SELECT count(*) FROM _keys',
      ].map((sql) => storedRows(open, region, sql)),
    )
    return { region, seq, indexes, outcomes, tenants, keys }
  })
  return JSON.stringify(await Promise.all(counts))
}
