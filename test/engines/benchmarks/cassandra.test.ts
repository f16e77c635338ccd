/** Cassandra as a peer: every level costs what the distances between its nodes cost. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCassandra } from '../../../benchmarks/peers/cassandra/open-cassandra.ts'
import type { Peer } from '../../../benchmarks/peers/peer.ts'
import {
  EARLY_MS,
  fastestMs,
  openPeerNetwork,
  type PeerNetwork,
} from '../../support/peer-network.ts'
import { havePrograms } from '../../support/program-tests.ts'

/** Three Java programs start twice; the machine may be busy with other tests. */
const START_MS = 600_000

const TOPOLOGY = {
  regions: ['us', 'eu', 'ap'],
  oneWayMs: { 'eu/us': 40, 'ap/us': 95, 'ap/eu': 60 },
}

/** Minutes, and jars that are fetched once: where nobody asks for it, nothing is said either. */
const isAskedFor = process.env['MERIDIAN_TEST_CASSANDRA'] === '1'
const isHere = isAskedFor && (await havePrograms('Cassandra', ['java', 'maven']))

describe.skipIf(!isHere)('the peer', () => {
  let network: PeerNetwork | undefined
  let peer: Peer | undefined

  beforeAll(async () => {
    network = openPeerNetwork(TOPOLOGY, 'us')
    peer = await openCassandra({ target: network, onNotice: () => undefined })
  }, START_MS)

  afterAll(async () => {
    await peer?.close()
    await network?.close()
  }, START_MS)

  it.each([
    ['us', 80],
    ['eu', 80],
    ['ap', 120],
  ])(
    'does nothing from %s in less than its network time, which is times %i ms',
    async (origin, majorityMs) => {
      const operations = peer?.operations.filter((operation) => operation.origin === origin) ?? []
      expect(operations.map(({ op, networkMs }) => [op, networkMs / majorityMs])).toEqual([
        ['write LOCAL_QUORUM', 0],
        ['read LOCAL_QUORUM', 0],
        ['write QUORUM', 1],
        ['read QUORUM', 1],
        ['conditional write SERIAL', 2],
        ['read SERIAL', 1],
      ])
      for (const operation of operations) {
        const { networkMs } = operation
        const tookMs = await fastestMs(operation)
        expect(tookMs).toBeGreaterThanOrEqual(networkMs - EARLY_MS)
        // That it is applied elsewhere would be a third round.
        if (operation.op.startsWith('conditional')) expect(tookMs).toBeLessThan(3 * majorityMs)
      }
    },
    START_MS,
  )
})
