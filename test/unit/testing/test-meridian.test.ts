import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { defineSchema, integer, table, text } from '../../../src/client/index.ts'
import { MovableClock, testMeridian } from '../../../src/testing/index.ts'

const schema = defineSchema({
  tables: {
    orders: table({ id: text().primaryKey(), amount: integer() }, { consistency: 'pinned' }),
    plans: table({ id: text().primaryKey() }, { consistency: 'strong', scope: 'global' }),
    carts: table({ id: text().primaryKey() }, { consistency: 'eventual' }),
  },
})

describe('a deployment under test', () => {
  it('has three regions, and leaves nothing behind', async () => {
    const meridian = await testMeridian({ schema })
    expect(meridian.deployment.config.regions).toHaveLength(3)
    expect(existsSync(meridian.directory)).toBe(true)
    await meridian.close()
    expect(existsSync(meridian.directory)).toBe(false)
  })

  it('seeds tenants and rows of every mode, in every region, and may do so again', async () => {
    await using meridian = await testMeridian({ schema })
    const acme = {
      home: 'us-east',
      rows: { orders: [{ id: 'o1', amount: 1 }], carts: [{ id: 'c1' }] },
    }
    await meridian.seed({ global: { plans: [{ id: 'p1' }] }, tenants: { acme } })
    await meridian.seed({ tenants: { acme: { home: 'us-east', rows: { carts: [{ id: 'c2' }] } } } })
    for (const region of meridian.deployment.config.regions) {
      const db = await meridian.connect(region)
      const stale = { consistency: 'stale' } as const
      expect(await db.plans.get('p1', stale)).toBeDefined()
      expect(await db.tenant('acme').orders.get('o1', stale)).toEqual({ id: 'o1', amount: 1 })
      expect((await db.tenant('acme').carts.list(stale)).rows).toHaveLength(2)
    }
  })

  it('runs in the regions that it is given', async () => {
    await using meridian = await testMeridian({ schema, regions: ['eu-west'] })
    const db = await meridian.connect()
    expect(db.region).toBe('eu-west')
    await db.tenants.create({ id: 'acme', home: 'eu-west' })
    await db.tenant('acme').orders.insert({ id: 'o1', amount: 1 })
    await db.plans.insert({ id: 'p1' })
    expect(await db.plans.get('p1', { consistency: 'strong' })).toBeDefined()
  })

  it('removes its files when it cannot start', async () => {
    const before = new Set(await folders())
    await expect(testMeridian({ schema, regions: ['nowhere', 'nowhere'] })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
    })
    expect((await folders()).filter((folder) => !before.has(folder))).toEqual([])
  })
})

async function folders(): Promise<string[]> {
  const { readdir } = await import('node:fs/promises')
  const { tmpdir } = await import('node:os')
  return (await readdir(tmpdir())).filter((name) => name.startsWith('meridian-test-'))
}

describe('a movable clock', () => {
  it('moves the wall time alone', () => {
    let ms = 100
    const base = { nowMs: () => ms, monotonicMs: () => ms, bootMs: () => ms }
    const clock = new MovableClock(base)
    clock.advance(1_000)
    ms = 105
    expect([clock.nowMs(), clock.monotonicMs(), clock.bootMs()]).toEqual([1_105, 105, 105])
    expect(clock.now()).toEqual(new Date(1_105))
    clock.advance(-500)
    expect(clock.nowMs()).toBe(605)
  })
})
