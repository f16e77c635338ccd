/** Peers that a region is not seeded from (S21 to S26). */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createSnapshotServer,
  type OfferedGroup,
} from '../../../../replication/strong/snapshot-server.ts'
import type { SnapshotStream } from '../../../../replication/strong/snapshot-source.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import { leftBehind, sameAs } from '../../../support/left-behind.ts'
import { groupState, SeedWorld } from '../../../support/reseed-world.ts'
import { schema } from '../../../support/strong-region.ts'
import { until } from '../../../support/until.ts'

const NAMES = ['us', 'eu', 'ap']
let world: SeedWorld

beforeEach(() => {
  world = new SeedWorld(NAMES)
})
afterEach(() => world.closeAll())

describe('a peer that does not fit', () => {
  it('is not taken: one of another region set, or behind this region', async () => {
    const { us, store } = await leftBehind(world)
    const ap = await world.open('ap', { store, seeding: { region: 'mars' } })
    await until(() =>
      expect(ap.engine.status().reseeding?.failures['us']).toMatch(/mars may not be seeded/),
    )
    await ap.close()
    await sameAs(await world.open('ap', { store }), us)
  })
})

describe('a peer of another version', () => {
  const whole = {
    group: 'main',
    machineVersion: () => 1,
    schema,
    applied: () => 1_000,
    requireWhole: noop,
    peerState: () => {
      throw new Error('It is asked for a snapshot alone.')
    },
    async *snapshot(): SnapshotStream {
      // Nothing of it may be asked for.
    },
  }

  async function refusalOf(offer: Partial<OfferedGroup>): Promise<string | undefined> {
    const { us, store } = await leftBehind(world)
    await us.close()
    world.network.partition('ap', 'eu')
    const server = createSnapshotServer({
      source: 'us.9',
      regions: NAMES,
      groups: [{ ...whole, ...offer }],
      runtime: systemRuntime,
    })
    const stop = world.network.listen('us', {
      onRequest: () => Promise.reject(new Error('no requests')),
      onChannel: (channel, _service, caller) => server.accept(channel, caller),
    })
    const before = await groupState(store)
    const ap = await world.open('ap', { store })
    const why = (): string | undefined => ap.engine.status().reseeding?.failures['us']
    await until(() => expect(why()).toBeDefined())
    expect(await groupState(store)).toBe(before)
    stop()
    server.stop()
    return why()
  }

  it('is not taken, and the log is not trimmed: a position beyond the end of the log', async () => {
    expect(await refusalOf({ applied: () => 1e12 })).toMatch(/beyond the end of the log/)
    expect([...(await world.retention.reported('main')).values()]).toEqual([])
  })

  it('is not taken, and nothing is written: a newer state machine', async () => {
    expect(await refusalOf({ machineVersion: () => 9 })).toMatch(
      /risen to version 9 of the state machine; the asking node has 3/,
    )
  })

  it('is not taken: another schema, newer or of the same number', async () => {
    const { version } = schema
    expect(await refusalOf({ schema: { version: version + 1, fingerprint: 'x' } })).toMatch(
      /schema/,
    )
    await world.closeAll()
    world = new SeedWorld(NAMES)
    expect(await refusalOf({ schema: { version, fingerprint: 'x' } })).toMatch(/schema/)
  })

  it('is not taken: one that is behind this region', async () => {
    expect(await refusalOf({ applied: () => 1 })).toMatch(/peer is at 1, this region at/)
  })
})

function noop(): void {
  // Whether it took effect is not what is looked at.
}
