import { afterEach, expect, it } from 'vitest'
import { systemRuntime as runtime } from '../../../src/drivers/runtime/system-runtime.ts'
import { createInProcessNetwork } from '../../../src/drivers/transport/in-process-network.ts'
import type { MeridianError } from '../../../src/core/errors.ts'
import { FULL_PRINCIPAL, PROCESS_CALLER, type Caller } from '../../../src/core/principal.ts'
import { createLeaseMesh, type NodeLeaseMesh } from '../../../src/node/lease-mesh.ts'
import { until } from '../../support/until.ts'

const SETTINGS = { durationMs: 1000, driftRate: 0.001, usesHints: true }
const network = createInProcessNetwork({ oneWayDelayMs: () => 0, timers: runtime.timers })
const ends: (() => void)[] = []
afterEach(() => {
  network.healAll()
  for (const end of ends.splice(0)) end()
})

interface Member {
  readonly mesh: NodeLeaseMesh
  readonly received: string[]
  readonly failures: MeridianError[]
  peers: number
  disagreements: number
}

function open(region: string, durationMs = 1000, caller: Caller = PROCESS_CALLER): Member {
  const failures: MeridianError[] = []
  const mesh = createLeaseMesh({
    region,
    peers: ['us', 'eu'].filter((other) => other !== region),
    transport: network.transport(region),
    runtime,
    settings: { ...SETTINGS, durationMs },
    onFailure: (error) => failures.push(error),
  })
  const member: Member = { mesh, received: [], failures, peers: 0, disagreements: 0 }
  mesh.join({
    onMessage: (from, message) => member.received.push(`${from} ${message.join()}`),
    onPeer: () => {
      member.peers += 1
    },
    onDisagreement: () => {
      member.disagreements += 1
    },
  })
  ends.push(
    network.listen(region, {
      onRequest: () => Promise.reject(new Error('no requests')),
      onChannel: (channel) => mesh.accept(channel, caller),
    }),
    () => mesh.close(),
  )
  return member
}

it('carries messages with the region that they are from, and again after a cut', async () => {
  const us = open('us')
  const eu = open('eu')
  await until(() => expect([us.peers, eu.peers]).toEqual([1, 1]))
  us.mesh.broadcast(Uint8Array.of(1))
  await until(() => expect(eu.received).toEqual(['us 1']))
  network.partition('us', 'eu')
  us.mesh.broadcast(Uint8Array.of(2))
  network.heal('us', 'eu')
  // Who is told that a peer is there again says again what may be lost.
  await until(() => expect(us.peers).toBe(2))
  us.mesh.broadcast(Uint8Array.of(3))
  await until(() => expect(eu.received).toEqual(['us 1', 'us 3']))
})

it('takes nothing of a region whose leases last longer, and says so', async () => {
  const us = open('us', 2000)
  const eu = open('eu')
  await until(() => expect(eu.disagreements).toBeGreaterThan(0))
  expect(eu.failures[0]).toMatchObject({ code: 'CONFIG_INVALID' })
  us.mesh.broadcast(Uint8Array.of(1))
  await until(() => expect(us.disagreements).toBeGreaterThan(0))
  expect(eu.received).toEqual([])
})

it('takes nothing of a node that speaks for a region which is not its own', async () => {
  const principal = { ...FULL_PRINCIPAL, regions: ['ap'] }
  const eu = open('eu', 1000, { kind: 'node', subject: 'ap', principal })
  const us = open('us')
  await until(() => expect(us.peers).toBeGreaterThan(1))
  us.mesh.broadcast(Uint8Array.of(1))
  await until(() => expect(us.peers).toBeGreaterThan(2))
  expect(eu.received).toEqual([])
})
