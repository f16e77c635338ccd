/** Roles when links, members and keys fail: never two holders, and always one again. */
import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { startEtcd } from '../../../src/cluster/engines/etcd.ts'
import type { Runtime } from '../../../src/core/ports/runtime.ts'
import type { RoleHolder } from '../../../src/core/ports/coordination.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { failureOf } from '../../conformance/support/failure.ts'
import { engines } from '../../support/engines.ts'
import { freePorts } from '../../support/free-ports.ts'
import { openGate } from '../../support/tcp-gate.ts'
import { until } from '../../support/until.ts'
import { newName, openEngine } from './support/open-engine.ts'
import { rawEtcd } from './support/raw-etcd.ts'

const LONG_MS = 120_000
const never = new AbortController().signal
const SHORT_TTL_SECONDS = 2

test('a holder that is cut off knows it before another has the role', async () => {
  const { endpoint } = engines().etcd
  const gate = await openGate(Number(endpoint.split(':')[1]))
  const options = { name: newName(), roleTtlSeconds: SHORT_TTL_SECONDS }
  const cut = await openEngine([`127.0.0.1:${gate.port}`], options)
  const other = await openEngine([endpoint], options)
  const first = await cut.coordination.campaign('sweeper', 'cut', never)
  const told: (RoleHolder | undefined)[] = []
  other.coordination.observe('sweeper', (holder) => told.push(holder))
  let wasHeld: boolean | undefined
  const second = other.coordination.campaign('sweeper', 'other', never).then((leadership) => {
    wasHeld = first.isHeld()
    return leadership
  })
  await until(() => expect(told.at(-1)?.candidate).toBe('cut'), LONG_MS)
  gate.stall()
  const next = await second
  expect(wasHeld).toBe(false)
  expect(next.fence).toBeGreaterThan(first.fence)
  await until(() => expect(first.lost.aborted).toBe(true), LONG_MS)
  await until(() => expect(told.at(-1)?.candidate).toBe('other'), LONG_MS)
  gate.open()
  // Back again, it waits behind the other.
  const again = cut.coordination.campaign('sweeper', 'cut', never)
  await next.resign()
  const third = await again
  expect(third.fence).toBeGreaterThan(next.fence)
  expect(third.isHeld()).toBe(true)
})

test('a role is kept over many times its lease, and if it is not, its holder knows', async () => {
  const { endpoint } = engines().etcd
  const options = { name: newName(), roleTtlSeconds: 3 }
  const [a, b] = [await openEngine([endpoint], options), await openEngine([endpoint], options)]
  const first = await a.coordination.campaign('sweeper', 'a', never)
  const gaveUp = new AbortController()
  const second = b.coordination.campaign('sweeper', 'b', gaveUp.signal).then(
    () => 'won',
    () => 'gave up',
  )
  const clock = systemRuntime.clock
  const untilMs = clock.bootMs() + 10_000
  while (clock.bootMs() < untilMs && first.isHeld()) await pause(100)
  // A machine that stood still for seconds loses it; nothing else does.
  const wasHeld = first.isHeld()
  expect(first.lost.aborted).toBe(!wasHeld)
  gaveUp.abort()
  expect(await second).toBe(wasHeld ? 'gave up' : 'won')
})

test('a process that stood still does not hold a role, before any message says so', async () => {
  const { endpoint } = engines().etcd
  let asleepMs = 0
  const runtime: Runtime = {
    ...systemRuntime,
    clock: { ...systemRuntime.clock, bootMs: () => systemRuntime.clock.bootMs() + asleepMs },
  }
  const { coordination } = await openEngine([endpoint], { runtime })
  const first = await coordination.campaign('sweeper', 'a', never)
  expect(first.isHeld()).toBe(true)
  asleepMs = 60_000
  expect(first.isHeld()).toBe(false)
  await until(() => expect(first.lost.aborted).toBe(true), LONG_MS)
})

test('a holder whose key somebody deleted gives the role up', async () => {
  const { endpoint } = engines().etcd
  const name = newName()
  const { coordination } = await openEngine([endpoint], { name })
  const first = await coordination.campaign('sweeper', 'a', never)
  await rawEtcd(endpoint).delete().prefix(`${name}/role/`)
  await until(() => expect(first.lost.aborted).toBe(true), LONG_MS)
  expect(first.isHeld()).toBe(false)
  const again = await coordination.campaign('sweeper', 'a', never)
  expect(again.fence).toBeGreaterThan(first.fence)
})

test('standing for a role while etcd is down waits for it, and for it again after a restart', async () => {
  const [port = 0] = await freePorts(1)
  const { coordination } = await openEngine([`127.0.0.1:${port}`], { roleTtlSeconds: 2 })
  const gaveUp = new AbortController()
  const cancelled = failureOf(coordination.campaign('relay', 'a', gaveUp.signal))
  const first = coordination.campaign('sweeper', 'a', never)
  gaveUp.abort()
  expect(await cancelled).toMatchObject({ code: 'CANCELLED' })
  const etcd = await startEtcd({ port })
  onTestFinished(() => etcd.close())
  const held = await first
  expect(held.isHeld()).toBe(true)
  await etcd.kill()
  await until(() => expect(held.lost.aborted).toBe(true), LONG_MS)
  expect(held.isHeld()).toBe(false)
  const again = coordination.campaign('sweeper', 'a', never)
  await etcd.restart()
  expect((await again).fence).toBeGreaterThan(held.fence)
})

test('giving a role up while etcd is away does not hang', async () => {
  const { endpoint } = engines().etcd
  const gate = await openGate(Number(endpoint.split(':')[1]))
  const { coordination } = await openEngine([`127.0.0.1:${gate.port}`])
  const first = await coordination.campaign('sweeper', 'a', never)
  gate.stall()
  await first.resign()
  expect(first.isHeld()).toBe(false)
  expect(first.lost.aborted).toBe(true)
})
