import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { expect, it, describe } from 'vitest'
import { increment } from '../../../src/client/index.ts'
import { READY_PATH } from '../../../src/core/wire-http.ts'
import type { NodeReport } from '../../../src/node/node-status.ts'
import { clientOf, layCluster, page, REGIONS, type Region } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { until } from '../../support/until.ts'

const LEADER: Region = 'eu-west'

describe('three nodes, each with its own URL', () => {
  it('serve all modes to clients of every region', async () => {
    const cluster = await layCluster({ schema })
    const nodes = await cluster.startAll()
    await Promise.all(nodes.map((node) => node.ready()))
    const [eu, us, ap] = await Promise.all([
      clientOf(cluster, schema, 'eu-west'),
      clientOf(cluster, schema, 'us-east'),
      clientOf(cluster, schema, 'ap-south'),
    ])
    await us.tenants.create({ id: 'acme', home: 'us-east' })

    await ap.tenant('acme').orders.insert({ id: 'o1', amount: 40 })
    await us.tenant('acme').orders.insert({ id: 'o2', amount: 2 })
    await ap.plans.insert({ id: 'pro', seats: 1 })
    await us.plans.update('pro', { seats: increment(4) })
    for (const [i, db] of [eu, us, ap].entries()) {
      await db.tenant('acme').visits.insert({ id: `v${i}`, times: i })
    }

    expect(await eu.plans.get('pro', { consistency: 'strong' })).toEqual({ id: 'pro', seats: 5 })
    const order = await eu.tenant('acme').orders.get('o1', { consistency: 'strong' })
    expect(order).toEqual({ id: 'o1', amount: 40 })
    await until(async () => {
      for (const db of [eu, us, ap]) {
        const [view] = await db.tenant('acme').view('revenue').list({ consistency: 'stale' })
        const { rows } = await db.tenant('acme').visits.list({ consistency: 'stale' })
        expect(view).toEqual({ orders: 2, amount: 42 })
        expect(rows.map(({ times }) => times)).toEqual([0, 1, 2])
      }
    })
  })

  it('go on after a restart of each', async () => {
    const cluster = await layCluster({ schema })
    const nodes = await cluster.startAll()
    await Promise.all(nodes.map((node) => node.ready()))
    const db = await clientOf(cluster, schema, 'us-east')
    await db.tenants.create({ id: 'acme', home: 'us-east' })
    let seats = 0
    await db.plans.insert({ id: 'pro', seats })
    for (const [i, region] of REGIONS.entries()) {
      await nodes[i]?.close()
      await (await cluster.start(region)).ready()
      await db.plans.update('pro', { seats: increment(1) })
      seats++
      await db.tenant('acme').orders.insert({ id: `o${i}`, amount: 1 })
    }
    const plan = await db.plans.get('pro', { consistency: 'strong' })
    expect(plan).toEqual({ id: 'pro', seats })
    const { rows } = await db.tenant('acme').orders.list()
    expect(rows).toHaveLength(REGIONS.length)
  })
})

describe('a node whose leader is away', () => {
  it('serves what it can by itself, says what it waits for, and is ready once the leader is there', async () => {
    const cluster = await layCluster({ schema })
    const first = await cluster.startAll()
    await Promise.all(first.map((node) => node.ready()))
    const before = await clientOf(cluster, schema, 'us-east')
    await before.tenants.create({ id: 'acme', home: 'us-east' })
    for (const node of first) await node.close()

    const us = await cluster.start('us-east')
    const { status, text } = await page(us.url, READY_PATH)
    expect(status).toBe(503)
    const report = JSON.parse(text) as NodeReport
    expect(report.ready).toBe(false)
    expect(report.checks.filter(({ ok }) => !ok)).toEqual([
      { name: 'log us-east', ok: false, waitsFor: expect.stringContaining(LEADER) as string },
    ])

    const db = await clientOf(cluster, schema, 'us-east')
    await db.tenant('acme').visits.insert({ id: 'v', times: 1 })
    await db.tenant('acme').orders.insert({ id: 'o', amount: 7 })
    expect(await db.tenant('acme').orders.get('o')).toEqual({ id: 'o', amount: 7 })
    const strong = db.plans.insert({ id: 'pro', seats: 1 }, { deadlineMs: 500 })
    await expect(strong).rejects.toMatchObject({
      retry: expect.not.stringMatching('never') as string,
    })

    await cluster.start(LEADER)
    await us.ready()
    expect((await page(us.url, READY_PATH)).status).toBe(200)
    await db.plans.upsert({ id: 'pro', seats: 2 })
    const plan = await db.plans.get('pro', { consistency: 'strong' })
    expect(plan).toEqual({ id: 'pro', seats: 2 })
  })
})

describe('regions of one URL', () => {
  it('are served by one process, which others reach for each of them', async () => {
    const cluster = await layCluster({ schema, sharedUrl: ['us-east', 'ap-south'] })
    const [eu, both] = [await cluster.start('eu-west'), await cluster.start('ap-south')]
    expect(both.regions).toEqual(['us-east', 'ap-south'])
    await Promise.all([eu.ready(), both.ready()])
    const db = await clientOf(cluster, schema, 'eu-west')
    await db.tenants.create({ id: 'acme', home: 'ap-south' })
    await db.tenant('acme').orders.insert({ id: 'o', amount: 7 })
    const us = await clientOf(cluster, schema, 'us-east')
    await until(async () => {
      const order = await us.tenant('acme').orders.get('o', { consistency: 'stale' })
      expect(order).toEqual({ id: 'o', amount: 7 })
    })
  })
})

describe('the schema lock', () => {
  it('must be there for a node that is one of several', async () => {
    const cluster = await layCluster({ schema })
    rmSync(cluster.lockFile)
    const starting = cluster.start('us-east')
    await expect(starting).rejects.toMatchObject({ code: 'SCHEMA_INVALID' })
    await expect(starting).rejects.toThrow(/meridian lock/)
  })

  it('must not be behind the schema', async () => {
    const cluster = await layCluster({ schema })
    const lock = JSON.parse(readFileSync(cluster.lockFile, 'utf8')) as { fingerprint: string }
    writeFileSync(cluster.lockFile, JSON.stringify({ ...lock, fingerprint: 'another' }))
    await expect(cluster.start('us-east')).rejects.toMatchObject({ code: 'SCHEMA_INVALID' })
  })

  it('is made by a process that is alone', async () => {
    const cluster = await layCluster({ schema, sharedUrl: REGIONS })
    const written = readFileSync(cluster.lockFile, 'utf8')
    rmSync(cluster.lockFile)
    const node = await cluster.start('us-east')
    expect(node.regions).toEqual(REGIONS)
    expect(readFileSync(cluster.lockFile, 'utf8')).toBe(written)
  })
})

it('a second process of the same region is refused, and the first goes on', async () => {
  const cluster = await layCluster({ schema, sharedUrl: REGIONS })
  const node = await cluster.start('us-east')
  await node.ready()
  // Its port is taken; on another one its files would be.
  await expect(cluster.start('us-east')).rejects.toThrow(/cannot listen.*EADDRINUSE/)
  const other = await layCluster({ schema, sharedUrl: REGIONS })
  const starting = other.start('us-east', { directory: cluster.directory })
  await expect(starting).rejects.toMatchObject({ code: 'STORE_LOCKED' })
  expect((await page(node.url, READY_PATH)).status).toBe(200)
})
