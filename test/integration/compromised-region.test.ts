/**
 * What a region whose store someone else writes to can do to the others: what it could do anyway,
 * to the tenants that it may hold, and nothing to the rest.
 */
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Change } from '../../src/core/change.ts'
import { decodeChange } from '../../src/protocol/change-codec.ts'
import { outboxRows } from '../../src/sql/outbox-rows.ts'
import { AP, openOffices, US, type Offices, type TableName } from '../support/authorisation.ts'

let open: Offices

beforeAll(async () => {
  open = await openOffices()
  await open.meridian.settle()
})

afterAll(() => open[Symbol.asyncDispose]())

/** The change by which the row of acme came to the region. */
async function imported(name: TableName): Promise<Change> {
  const records = await open.meridian.deployment.node(AP).changeLog.read(0, 100)
  const changes = records.map((record) => decodeChange(record.payload))
  const found = changes.find((one) => one.tableId === open.tableId(name) && one.tenant === 'acme')
  if (found === undefined) throw new Error(`No change of ${name} has arrived.`)
  return found
}

/** Puts changes into the outbox of ap-south, as if they had been made there. */
async function forge(...changes: readonly Change[]): Promise<void> {
  const { compiled } = open.meridian.deployment
  const own = changes.map((change, i) => ({
    ...change,
    origin: null,
    epoch: change.origin.epoch,
    txId: `${change.txId.slice(1)}${i}`,
  }))
  await open.meridian.deployment.node(AP).store.write([outboxRows(compiled, own)])
}

async function rows(name: TableName, tenant: string): Promise<readonly unknown[]> {
  const { store } = open.meridian.deployment.node(US)
  const sql = `SELECT c1, c2 FROM t${open.tableId(name)} WHERE tenant = ? ORDER BY 1`
  const [result] = await store.read([{ sql, args: [tenant] }])
  return result?.rows ?? []
}

it('a region cannot write what only the home of a tenant, or other regions, may', async () => {
  const note = await imported('notes')
  const cart = await imported('carts')
  const image = note.after as Change['key']
  const forged = image.map((value) => (value === 'own' ? 'forged' : value))
  const [version, added] = [`${note.version}~`, [...forged]]
  added[image.indexOf('o')] = 'x'
  await forge(
    { ...note, op: 'update', after: forged, version },
    { ...note, key: ['x'], after: added, version },
    { ...note, tenant: 'kept', after: forged, version },
    { ...note, tenant: 'nobody', after: forged, version },
    { ...cart, tenant: 'kept' },
    { ...cart, tenant: 'nobody' },
    { ...cart, tenant: '' },
  )
  // What it may write arrives behind that: the stream has passed over the rest.
  const ap = await open.meridian.connect(AP)
  await ap.tenant('zeta').carts.insert({ id: 'late', label: 'honest' })
  await open.meridian.settle()
  expect(await rows('carts', 'zeta')).toContainEqual(['late', 'honest'])
  expect(await rows('notes', 'acme')).toEqual([['o', 'own']])
  expect(await rows('notes', 'kept')).toEqual([['o', 'kept']])
  for (const [name, tenant] of [
    ['notes', 'nobody'],
    ['carts', 'kept'],
    ['carts', 'nobody'],
    ['carts', ''],
  ] as const) {
    expect(await rows(name, tenant)).toEqual([])
  }
})
