/** Checks of TTL: an expired row is absent at its instant, and deleted later. */
import { setTimeout as sleep } from 'node:timers/promises'
import { causeCode } from '../../../schema/system-tables.ts'
import { poll } from '../../../../benchmarks/concurrency.ts'
import type { CountryData } from '../dataset.ts'
import { refute, type Check, type CheckContext } from './check.ts'

const LIFETIME_MS = 300
const SWEEP_TIMEOUT_MS = 10_000

const absentAtOnce: Check = {
  name: 'an expired row is absent at its instant, and can be inserted over',
  async run(context) {
    const { session } = context
    const { code, home, cities } = tenantOf(context)
    const { alerts } = session.db(home).tenant(code)
    const row = { id: `brief-${context.run}`, cityId: cities[0]?.id ?? 0, message: 'first' }
    const expiresAt = new Date(Date.now() + LIFETIME_MS)
    await alerts.insert({ ...row, expiresAt })
    if ((await alerts.get(row.id)) === undefined) refute('the row is absent before its instant')
    await sleep(expiresAt.getTime() - Date.now() + 1)
    if ((await alerts.get(row.id)) !== undefined) refute('`get` gives the expired row')
    const { rows } = await alerts.list({ where: { id: row.id } })
    if (rows.length > 0) refute('`list` gives the expired row')
    const queried = await session
      .db(home)
      .tenant(code)
      .query((q) => q.selectFrom('alerts').where('id', '=', row.id).select('id'))
    if (queried.length > 0) refute('a query gives the expired row')
    await alerts.insert({ ...row, message: 'second' })
    const again = await alerts.get(row.id)
    if (again?.message !== 'second') refute('the row that was inserted over it is not there')
    return 'absent for get, list and query; a new row took its key'
  },
}

const sweptLater: Check = {
  name: 'an expired row is swept later, and the change says why',
  async run(context) {
    const { session } = context
    const { code, home, cities } = tenantOf(context)
    const id = `swept-${context.run}`
    const expiresAt = new Date(Date.now() + LIFETIME_MS)
    const row = { id, cityId: cities[0]?.id ?? 0, message: 'soon gone', expiresAt }
    await session.db(home).tenant(code).alerts.insert(row)
    await session.running.settle()
    const regions = await Promise.all(
      session.regions.map((region) => sweepSeen(context, region, code, id)),
    )
    const sweptAfterMs = Math.max(...regions) - expiresAt.getTime()
    return `gone from all ${regions.length} stores ${Math.max(0, sweptAfterMs).toLocaleString('en')} ms later, with cause ttl`
  },
}

/** When the row was gone from the region's store and its outbox said by which cause. */
async function sweepSeen(
  { session }: CheckContext,
  region: string,
  tenant: string,
  id: string,
): Promise<number> {
  const { compiled } = session.running
  const table = compiled.tableByName.get('alerts')
  if (table === undefined) refute('there is no table `alerts`')
  const key = table.primaryKey[0]?.id
  let rowsLeft: unknown
  const seen = await poll(SWEEP_TIMEOUT_MS, async () => {
    const [rows, changes] = await session.running.readStore(region, [
      {
        sql: `SELECT count(*) FROM t${table.id} WHERE tenant = ? AND c${key} = ?`,
        args: [tenant, id],
      },
      {
        sql: `SELECT count(*) FROM _outbox
          WHERE table_id = ? AND tenant = ? AND cause = ? AND instr(key, ?) > 0`,
        args: [table.id, tenant, causeCode('ttl'), id],
      },
    ])
    rowsLeft = rows?.rows[0]?.[0]
    return rowsLeft === 0 && changes?.rows[0]?.[0] === 1 ? Date.now() : undefined
  })
  if (seen === undefined)
    refute(`${region}: ${rowsLeft} rows left in the store, or no change with cause ttl`)
  return seen
}

/** A tenant at home far from the log's leader. */
function tenantOf({ dataset, session }: CheckContext): CountryData {
  const { leader } = session.config.commitLog
  return dataset.countries.find(({ home }) => home !== leader) ?? refute('there is no tenant')
}

export const EXPIRY_CHECKS: readonly Check[] = [absentAtOnce, sweptLater]
