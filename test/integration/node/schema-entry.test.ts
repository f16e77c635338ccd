/** Nodes of two schemas on a log in a file that one of them keeps: it changes when all can follow. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { defineSchema, table, text, timestamp } from '../../../src/client/index.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import type { RunningNode } from '../../../src/node/open-node.ts'
import { openSchemaLock } from '../../../src/node/schema-lock.ts'
import { clientOf, layCluster, type Region } from '../../support/node-cluster.ts'
import { until } from '../../support/until.ts'

const columns = { id: text().primaryKey(), until: timestamp().optional() }
const strong = { consistency: 'strong', scope: 'global' } as const
const older = defineSchema({ tables: { passes: table(columns, strong) } })
const newer = defineSchema({
  tables: {
    passes: table({ ...columns, note: text().optional() }, { ...strong, ttl: 'until' }),
  },
})

it('a table gains a TTL and a column region by region, and no region sees other rows', async () => {
  const cluster = await layCluster({ schema: older })
  const lockFile = join(cluster.directory, 'newer.lock.json')
  await copyFile(cluster.lockFile, lockFile)
  await (await openSchemaLock(newer, lockFile)).save(systemRuntime.random)
  const nodes = new Map<Region, RunningNode>()
  for (const region of ['eu-west', 'us-east', 'ap-south'] as const) {
    nodes.set(region, await cluster.start(region))
  }
  for (const node of nodes.values()) await node.ready()
  const upgrade = async (region: Region): Promise<void> => {
    await nodes.get(region)?.close()
    const node = await cluster.start(region, { schema: newer, lockFile })
    nodes.set(region, node)
    await node.ready()
  }
  const old = await clientOf(cluster, older, 'eu-west')
  const past = new Date(1_000)
  await old.passes.insert({ id: 'a', until: past })

  await upgrade('us-east')
  const db = await clientOf(cluster, newer, 'us-east')
  const fresh = { consistency: 'strong' } as const
  expect(await db.passes.get('a', fresh)).toMatchObject({ id: 'a', until: past })
  await expect(old.passes.insert({ id: 'a' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
  await db.passes.insert({ id: 'b' })
  await expect(db.passes.insert({ id: 'c', note: 'new' })).rejects.toMatchObject({
    code: expect.stringMatching(/SCHEMA_INCOMPATIBLE|DEADLINE_EXCEEDED/),
    retry: 'safe',
  })
  expect(await old.passes.get('b', fresh)).toMatchObject({ id: 'b' })

  await upgrade('ap-south')
  await upgrade('eu-west')
  await db.passes.insert({ id: 'c', note: 'new' })
  await until(async () => expect(await db.passes.get('a', fresh)).toBeUndefined())
  const eu = await clientOf(cluster, newer, 'eu-west')
  expect(await eu.passes.get('c', fresh)).toMatchObject({ id: 'c', note: 'new' })
  expect(await eu.passes.get('a', fresh)).toBeUndefined()
})
