/** Programs with schema N and N−1 as nodes of one region, as during a rolling deployment. */
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { connect, defineSchema, integer, table, text } from '../../../src/client/index.ts'
import { httpDeployment } from '../../../src/client/http/http-deployment.ts'
import { READY_PATH } from '../../../src/core/wire-http.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import type { NodeReport } from '../../../src/node/node-status.ts'
import { openSchemaLock } from '../../../src/node/schema-lock.ts'
import type { SchemaLock } from '../../../src/schema/lock.ts'
import { page } from '../../support/node-cluster.ts'
import { layRegionNodes, SHARED, SINGLE } from '../../support/region-nodes.ts'
import { until } from '../../support/until.ts'

const before = defineSchema({
  tables: {
    orders: table({ id: text().primaryKey(), amount: integer() }, { consistency: 'pinned' }),
  },
})
/** What it adds, the version before can do without. */
const after = defineSchema({
  tables: {
    orders: table(
      { id: text().primaryKey(), amount: integer(), note: text().optional() },
      { consistency: 'pinned' },
    ),
    notes: table({ id: text().primaryKey() }, { consistency: 'pinned' }),
  },
})
/** No row of the version before has what it needs. */
const unfit = defineSchema({
  tables: {
    orders: table(
      { id: text().primaryKey(), amount: integer(), day: text() },
      { consistency: 'pinned' },
    ),
  },
})

/** The lock of a schema that follows another. */
async function lockAfter(first: string, schema: typeof after | typeof unfit): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-locks-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'meridian.lock.json')
  await writeFile(file, await readFile(first))
  await (await openSchemaLock(schema, file)).save(systemRuntime.random)
  return file
}

test('a node with the schema before takes over a store that the next one widened', async () => {
  const layout = await layRegionNodes(before)
  const lockFile = await lockAfter(layout.lockFile, after)
  await layout.start('single')
  const next = await layout.start('a', { schema: after, lockFile })
  await next.ready()
  const old = await layout.start('b')
  await old.ready()
  const oldClient = await layout.client(['a', 'b'])
  const newClient = await connect({
    schema: after,
    region: SHARED,
    deployment: httpDeployment({
      nodes: { [SINGLE]: layout.url('single'), [SHARED]: [layout.url('a'), layout.url('b')] },
      lock: JSON.parse(await readFile(lockFile, 'utf8')) as SchemaLock,
    }),
  })
  onTestFinished(() => newClient.close())
  await oldClient.tenants.create({ id: 'acme', home: SHARED })
  await oldClient.tenant('acme').orders.insert({ id: 'old', amount: 1 })
  await newClient.tenant('acme').orders.insert({ id: 'new', amount: 2, note: 'n' })

  await next.close()
  await until(() => expect(old.status().shared).toMatchObject([{ state: 'leading' }]))
  await oldClient.tenant('acme').orders.insert({ id: 'old2', amount: 3 })
  const { rows } = await oldClient.tenant('acme').orders.list({ consistency: 'strong' })
  expect(rows.map(({ id, amount }) => [id, amount])).toEqual([
    ['new', 2],
    ['old', 1],
    ['old2', 3],
  ])

  // The next version again: what it had written is there, and so is what the old one wrote.
  const again = await layout.start('a', { schema: after, lockFile })
  await again.ready()
  await old.close()
  await until(() => expect(again.status().shared).toMatchObject([{ state: 'leading' }]))
  expect(await newClient.tenant('acme').orders.get('new')).toMatchObject({ note: 'n' })
  expect(await newClient.tenant('acme').orders.get('old2')).toMatchObject({ amount: 3 })
})

test('a node whose schema does not fit the store stands by, says why, and passes what it is asked', async () => {
  const layout = await layRegionNodes(before)
  const lockFile = await lockAfter(layout.lockFile, unfit)
  const { a } = await layout.startAll(['a'])
  const db = await layout.client(['b', 'a'])
  await db.tenants.create({ id: 'acme', home: SHARED })
  const b = await layout.start('b', { schema: unfit, lockFile })
  await b.ready()
  await a.close()
  await until(async () => {
    expect(b.status().shared).toMatchObject([{ state: 'unfit', holder: null }])
    const report = JSON.parse((await page(b.url, READY_PATH)).text) as NodeReport
    expect(report.checks).toContainEqual({
      name: `leader ${SHARED}`,
      ok: false,
      waitsFor: 'a program that fits the store (SCHEMA_INCOMPATIBLE)',
    })
  })
  const again = await layout.start('a')
  await again.ready()
  await db.tenant('acme').orders.insert({ id: 'o', amount: 1 })
  expect(layout.role.holder()?.candidate).toBe(layout.url('a'))
})
