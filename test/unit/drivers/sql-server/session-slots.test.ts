import { expect, test } from 'vitest'
import { SessionSlots } from '../../../../src/drivers/sql-server/session-slots.ts'
import { ManualRuntime, turns } from '../../../support/manual-runtime.ts'

test('whoever comes when all slots are taken gets the next that becomes free', async () => {
  const { timers } = new ManualRuntime()
  const slots = new SessionSlots({ timers, slots: 1, waitMs: 1_000 })
  await slots.take()
  const order: string[] = []
  const first = slots.take().then(() => order.push('first'))
  const second = slots.take().then(() => order.push('second'))
  await turns()
  expect(order).toEqual([])
  slots.free()
  await first
  slots.free()
  await second
  expect(order).toEqual(['first', 'second'])
})

test('whoever waited in vain is told so, and takes no slot later', async () => {
  const runtime = new ManualRuntime()
  const slots = new SessionSlots({ timers: runtime.timers, slots: 1, waitMs: 1_000 })
  await slots.take()
  const outcome = slots.take().catch((error: unknown) => error)
  await runtime.advance(1_000)
  expect(await outcome).toMatchObject({ code: 'OVERLOADED', retry: 'safe' })
  slots.free()
  await slots.take()
})
