import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { MEMORY_MS, StrongWrites } from '../../../../src/node/observe/strong-writes.ts'
import { ManualRuntime } from '../../../support/manual-runtime.ts'

const SECOND_MS = 1_000

async function write(
  writes: StrongWrites,
  runtime: ManualRuntime,
  origin: string,
  seconds: number,
  perSecond: number,
): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    for (let n = 0; n < perSecond; n++) writes.record('eu-west', origin)
    await runtime.advance(SECOND_MS)
  }
}

it('a steady rate is told as it is, from the first minute on', async () => {
  const runtime = new ManualRuntime()
  const writes = new StrongWrites(runtime.clock, new Registry())
  expect(writes.rates()).toEqual([])
  await write(writes, runtime, 'us-east', 60, 3)
  const [early] = writes.rates()
  expect(early).toMatchObject({ origin: 'us-east', total: 180 })
  expect(early?.perSecond).toBeCloseTo(3, 1)
  await write(writes, runtime, 'us-east', 600, 3)
  expect(writes.rates()[0]?.perSecond).toBeCloseTo(3, 1)
})

it('what was long ago counts less than what is now', async () => {
  const runtime = new ManualRuntime()
  const writes = new StrongWrites(runtime.clock, new Registry())
  for (let n = 0; n < 1_000; n++) writes.record('eu-west', 'us-east')
  await runtime.advance(5 * MEMORY_MS)
  for (let n = 0; n < 100; n++) writes.record('eu-west', 'ap-south')
  const rates = new Map(writes.rates().map((one) => [one.origin, one]))
  expect(rates.get('us-east')?.total).toBe(1_000)
  expect(rates.get('us-east')?.perSecond).toBeLessThan((rates.get('ap-south')?.perSecond ?? 0) / 10)
})

it('Prometheus has them by region and by the region of the caller', async () => {
  const registry = new Registry()
  const writes = new StrongWrites(new ManualRuntime().clock, registry)
  writes.record('eu-west', 'us-east')
  writes.record('eu-west', 'us-east')
  expect(await registry.metrics()).toContain(
    'meridian_strong_writes_total{region="eu-west",origin="us-east"} 2',
  )
})
