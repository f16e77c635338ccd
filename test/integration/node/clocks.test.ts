/** A node of three whose clock is set an hour wrong: what it refuses, what it shows, how it recovers. */
import { describe, expect, it } from 'vitest'
import type { MeridianError } from '../../../src/client/index.ts'
import type { Runtime } from '../../../src/core/ports/runtime.ts'
import { METRICS_PATH, READY_PATH } from '../../../src/core/wire-http.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import type { RunningNode } from '../../../src/node/open-node.ts'
import { clientOf, layCluster, page } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { until } from '../../support/until.ts'

const HOUR_MS = 3_600_000

/** This machine's runtime, with a wall clock that a test sets. */
function settable(): { readonly runtime: Runtime; aheadMs: number } {
  const { clock } = systemRuntime
  const settings = {
    aheadMs: 0,
    runtime: {
      ...systemRuntime,
      clock: {
        nowMs: () => clock.nowMs() + settings.aheadMs,
        monotonicMs: () => clock.monotonicMs(),
        bootMs: () => clock.bootMs(),
      },
    },
  }
  return settings
}

/** Resolves once a node has heard the clocks of both others. */
async function compared(node: RunningNode): Promise<void> {
  await until(async () => {
    expect(node.status().regions[0]?.clock?.peers).toHaveLength(2)
  })
}

describe('a node whose clock is set an hour ahead', () => {
  it('writes nothing to strong tables, reads, says why, and goes on once its clock is right', async () => {
    const cluster = await layCluster({ schema })
    const machine = settable()
    const [eu, us, ap] = await Promise.all([
      cluster.start('eu-west'),
      cluster.start('us-east'),
      cluster.start('ap-south', { runtime: machine.runtime }),
    ])
    await Promise.all([eu, us, ap].map((node) => node.ready()))
    await Promise.all([eu, us, ap].map(compared))
    const [here, there] = await Promise.all([
      clientOf(cluster, schema, 'ap-south'),
      clientOf(cluster, schema, 'eu-west'),
    ])
    await here.plans.insert({ id: 'pro', seats: 1 })

    machine.aheadMs = HOUR_MS
    const error = (await here.plans
      .update('pro', { seats: 2 })
      .then(undefined, (thrown: unknown) => thrown)) as MeridianError
    expect(error).toMatchObject({ code: 'CLOCK_SKEW', retry: 'safe' })
    expect(error.fix).toMatch(/NTP/)
    const offsetMs = error.details['offsetMs'] as number
    expect(Math.abs(offsetMs - HOUR_MS)).toBeLessThan(60_000)
    await there.plans.update('pro', { seats: 3 })
    expect(await here.plans.get('pro', { consistency: 'strong' })).toEqual({ id: 'pro', seats: 3 })

    const { status, text } = await page(ap.url, READY_PATH)
    expect([status, text]).toEqual([503, expect.stringContaining('clock ap-south')])
    const metrics = await page(ap.url, METRICS_PATH)
    expect(metrics.text).toContain('meridian_clock_in_step{region="ap-south"} 0')
    expect(metrics.text).toMatch(
      /meridian_clock_offset_seconds\{region="ap-south",peer="eu-west"\} 3[56]/,
    )
    expect([eu.status().ready, us.status().ready]).toEqual([true, true])

    machine.aheadMs = 0
    await here.plans.update('pro', { seats: 4 })
    await ap.ready()
    const events = cluster.log.lines.filter(({ event }) => event.startsWith('clock '))
    expect(events.map(({ level, fields }) => [level, fields?.['region']])).toEqual([
      ['error', 'ap-south'],
      ['info', 'ap-south'],
    ])
  })
})
