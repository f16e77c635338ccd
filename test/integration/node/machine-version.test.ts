/** Nodes of a log that one of them keeps: it rises when all of them have said that they can follow. */
import { expect, it } from 'vitest'
import { MeridianError } from '../../../src/core/errors.ts'
import { clientOf, layCluster } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'

it('a transaction that needs every region waits for the last one, and is refused without it', async () => {
  const cluster = await layCluster({ schema })
  for (const region of ['eu-west', 'us-east'] as const) await (await cluster.start(region)).ready()
  const db = await clientOf(cluster, schema, 'us-east')
  const insertFirst = (id: string): Promise<void> =>
    db.transaction('strong', async (tx) => {
      const { rows } = await tx.plans.list({ where: { id } })
      if (rows.length === 0) tx.plans.insert({ id, seats: 1 })
    })
  await db.plans.insert({ id: 'plain', seats: 1 })
  const refused = await insertFirst('early').catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(MeridianError)
  expect((refused as MeridianError).message).toMatch(/ap-south has not reported|in time/)
  expect(await db.plans.get('early', { consistency: 'strong' })).toBeUndefined()
  await (await cluster.start('ap-south')).ready()
  await insertFirst('late')
  expect(await db.plans.get('late', { consistency: 'strong' })).toEqual({ id: 'late', seats: 1 })
})
