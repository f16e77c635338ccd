/** Checks of what a caller may rely on: sessions, concurrent counters, transactions, repeats. */
import { increment } from '../../../client/index.ts'
import type { CountryData } from '../dataset.ts'
import { count, expectError, refute, type Check, type CheckContext } from './check.ts'

const ROUNDS = 20

const ownWrites: Check = {
  name: 'a session reads its own writes across regions',
  async run(context) {
    let reads = 0
    const { session } = context
    for (const origin of session.regions) {
      for (const home of session.regions) {
        if (origin === home) continue
        const { code, cities } = tenantAt(context, home)
        const id = cities[0]?.id ?? 0
        const db = session.db(origin)
        const own = { session: db.session() }
        const view = db.view('populationByCountry')
        for (let round = 0; round < ROUNDS; round++) {
          const written = await db.tenant(code).cities.update(id, { population: increment(1) }, own)
          const read = await db.tenant(code).cities.get(id, own)
          if (read?.population !== written.population) refute(`${origin} reads ${home} too late`)
          const group = await view.get({ country: code }, own)
          if (group === undefined) refute(`${origin} has no group of ${code}`)
          reads++
        }
      }
    }
    return `${count(reads, 'remote write')}, each read back at once from the local replica`
  },
}

const counters: Check = {
  name: 'increments from three regions at once all count',
  async run(context) {
    const { session } = context
    const { code, cities, home } = tenantAt(context, 'ap-south')
    const cityId = cities[0]?.id ?? 0
    const rating = async (region: string): Promise<number> =>
      (await session.db(region).tenant(code).cityNotes.get(cityId))?.rating ?? Number.NaN
    const visits = async (region: string): Promise<number> =>
      (await session.db(region).countries.get(code, { consistency: 'strong' }))?.visits ??
      Number.NaN
    const before = { rating: await rating(home), visits: await visits(home) }
    await Promise.all(
      session.regions.flatMap((region) =>
        Array.from({ length: ROUNDS }, async () => {
          const db = session.db(region)
          await db.tenant(code).cityNotes.update(cityId, { rating: increment(2) })
          await db.countries.update(code, { visits: increment(1) })
        }),
      ),
    )
    await session.running.settle()
    const calls = ROUNDS * session.regions.length
    for (const region of session.regions) {
      const added = {
        rating: (await rating(region)) - before.rating,
        visits: (await visits(region)) - before.visits,
      }
      if (added.rating !== 2 * calls) refute(`${region}: the counter rose by ${added.rating}`)
      if (added.visits !== calls) refute(`${region}: the strong number rose by ${added.visits}`)
    }
    return `${count(calls, 'increment')} of an eventual and of a strong number, none lost anywhere`
  },
}

const transactions: Check = {
  name: 'concurrent read-modify-write transactions lose no update',
  async run(context) {
    const { session } = context
    const { code, cities, home } = tenantAt(context, 'us-east')
    const id = cities[0]?.id ?? 0
    // Strong: a session that has not seen the writes of others may read what a cache still holds.
    const population = async (): Promise<number> =>
      (await session.db(home).tenant(code).cities.get(id, { consistency: 'strong' }))?.population ??
      Number.NaN
    const before = await population()
    let runs = 0
    await Promise.all(
      session.regions.map(async (region) => {
        for (let round = 0; round < 5; round++) {
          await session
            .db(region)
            .tenant(code)
            .transaction(
              'pinned',
              async (tx) => {
                runs++
                const city = await tx.cities.get(id)
                tx.cities.update(id, { population: (city?.population ?? Number.NaN) + 1 })
              },
              { maxAttempts: 100 },
            )
        }
      }),
    )
    const committed = 5 * session.regions.length
    const added = (await population()) - before
    if (added !== committed) refute(`${committed} transactions raised the number by ${added}`)
    return `${count(committed, 'transaction')} from three regions, run ${count(runs, 'time')}`
  },
}

const repeats: Check = {
  name: 'a write repeated under its idempotency key has one effect',
  async run(context) {
    const { session, run } = context
    const { code, cities } = tenantAt(context, 'us-east')
    const id = cities[0]?.id ?? 0
    const db = session.db('ap-south')
    const tenant = db.tenant(code)
    const repeat = { idempotencyKey: `repeat-${run}` }
    const first = {
      pinned: await tenant.cities.update(id, { population: increment(1) }, repeat),
      strong: await db.countries.update(code, { visits: increment(1) }, repeat),
      eventual: await tenant.cityNotes.update(id, { rating: increment(1) }, repeat),
    }
    const again = {
      pinned: await tenant.cities.update(id, { population: increment(1) }, repeat),
      strong: await db.countries.update(code, { visits: increment(1) }, repeat),
      eventual: await tenant.cityNotes.update(id, { rating: increment(1) }, repeat),
    }
    if (JSON.stringify(first) !== JSON.stringify(again)) refute('the repeat gives another result')
    const now = {
      pinned: await tenant.cities.get(id),
      strong: await db.countries.get(code),
      eventual: await tenant.cityNotes.get(id),
    }
    if (JSON.stringify(first) !== JSON.stringify(now)) refute('the repeat has changed the row')
    await expectError('IDEMPOTENCY_REUSED', 'other content under the same key', () =>
      tenant.cities.update(id, { population: increment(2) }, repeat),
    )
    return 'in all three modes; other content under the same key is refused'
  },
}

/** The first tenant that is at home in the region. */
function tenantAt({ dataset }: CheckContext, region: string): CountryData {
  const found = dataset.countries.find(({ home }) => home === region)
  return found ?? refute(`no tenant is at home in ${region}`)
}

export const GUARANTEE_CHECKS: readonly Check[] = [ownWrites, counters, transactions, repeats]
