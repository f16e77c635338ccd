import { expect, test } from 'vitest'
import { KeepTimer } from '../../../../replication/stream/keep-timer.ts'
import { ManualRuntime } from '../../../support/manual-runtime.ts'

test('runs what several asked for in one turn, within the time of the first, and once', async () => {
  const runtime = new ManualRuntime()
  const timer = new KeepTimer(runtime.timers, 200)
  const startMs = runtime.clock.nowMs()
  const ran: string[] = []
  const note = (name: string) => () => ran.push(`${name} ${runtime.clock.nowMs() - startMs}`)
  timer.soon(note('a'))
  await runtime.advance(150)
  timer.soon(note('b'))
  await runtime.advance(49)
  expect(ran).toEqual([])
  await runtime.advance(1)
  expect(ran).toEqual(['a 200', 'b 200'])
  timer.soon(note('c'))
  await runtime.advance(1_000)
  expect(ran).toEqual(['a 200', 'b 200', 'c 400'])
})

test('does not run what was taken back', async () => {
  const runtime = new ManualRuntime()
  const timer = new KeepTimer(runtime.timers, 200)
  const ran: string[] = []
  const cancel = timer.soon(() => ran.push('a'))
  timer.soon(() => ran.push('b'))
  cancel()
  cancel()
  await runtime.advance(200)
  expect(ran).toEqual(['b'])
  const alone = timer.soon(() => ran.push('c'))
  await runtime.advance(100)
  alone()
  timer.soon(() => ran.push('d'))
  await runtime.advance(199)
  expect(ran).toEqual(['b'])
  await runtime.advance(1)
  expect(ran).toEqual(['b', 'd'])
})
