/** PostgreSQL as a peer: what it acknowledges, what that costs, and that it leaves nothing behind. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  startMembers,
  withClient,
  type PostgresqlMembers,
} from '../../../benchmarks/peers/postgresql/members.ts'
import { openPostgresql } from '../../../benchmarks/peers/postgresql/open-postgresql.ts'
import type { Peer, PeerOperation } from '../../../benchmarks/peers/peer.ts'
import type { MeridianError } from '../../../src/core/errors.ts'
import type { Engine } from '../../../src/cluster/engines/engine.ts'
import { startPostgresql } from '../../../src/cluster/engines/postgresql.ts'
import {
  EARLY_MS,
  fastestMs,
  openPeerNetwork,
  processesIn,
  type PeerNetwork,
} from '../../support/peer-network.ts'
import { startProgram } from '../../support/program.ts'
import { havePrograms } from '../../support/program-tests.ts'
import { until } from '../../support/until.ts'

const LONG_MS = 120_000

const TOPOLOGY = {
  regions: ['us', 'eu', 'ap'],
  oneWayMs: { 'eu/us': 20, 'ap/us': 35, 'ap/eu': 25 },
}
const LEADER = 'us'

const isHere = await havePrograms('PostgreSQL', ['postgresql'])

function expectGone({ directory }: { readonly directory: string }): void {
  expect(existsSync(directory)).toBe(false)
  expect(processesIn(directory)).toEqual([])
}

describe.skipIf(!isHere)('the peer', () => {
  let network: PeerNetwork | undefined
  let peer: Peer | undefined
  const notices: string[] = []

  beforeAll(async () => {
    network = openPeerNetwork(TOPOLOGY, LEADER)
    peer = await openPostgresql({ target: network, onNotice: (remark) => notices.push(remark) })
  })

  afterAll(async () => {
    await peer?.close()
    await network?.close()
  })

  function operation(op: string, origin: string): PeerOperation {
    const found = peer?.operations.find((one) => one.op === op && one.origin === origin)
    if (found === undefined) throw new Error(`There is no ${op} from ${origin}.`)
    return found
  }

  it('names its version and what an acknowledgement means', () => {
    expect(peer?.version).toMatch(/^\d+/)
    expect(operation('upsert transaction', 'us').durability).toMatch(/fsync on a majority/)
    expect(operation('point read at the local standby', 'ap').durability).toMatch(/stale/)
  })

  it('has a local standby to read in every region but the primary’s', () => {
    const local = peer?.operations.filter(({ op }) => op === 'point read at the local standby')
    expect(local?.map(({ origin }) => origin)).toEqual(['eu', 'ap'])
  })

  it.each([
    ['us', 40],
    ['eu', 80],
    ['ap', 110],
  ])('commits from %s in no less than its network time of %i ms', async (origin, networkMs) => {
    const upsert = operation('upsert transaction', origin)
    expect(upsert.networkMs).toBe(networkMs)
    expect(await fastestMs(upsert)).toBeGreaterThanOrEqual(networkMs - EARLY_MS)
  })

  it.each([
    ['us', 0],
    ['eu', 40],
    ['ap', 70],
  ])('reads from %s at the primary in no less than %i ms', async (origin, networkMs) => {
    const read = operation('point read at the primary', origin)
    expect(read.networkMs).toBe(networkMs)
    expect(await fastestMs(read)).toBeGreaterThanOrEqual(networkMs - EARLY_MS)
  })

  it('answers many calls at once', async () => {
    const calls = ['us', 'eu', 'ap'].flatMap((origin) =>
      Array.from({ length: 60 }, (_, i) =>
        operation('upsert transaction', origin).operation(1_000 + i),
      ),
    )
    await expect(Promise.all(calls)).resolves.toHaveLength(180)
    expect(notices).toEqual([])
  })
})

describe.skipIf(!isHere)('the members', () => {
  async function openMembers(): Promise<PostgresqlMembers> {
    const site = openPeerNetwork(TOPOLOGY, LEADER)
    onTestFinished(() => site.close())
    const members = await startMembers(site, { maxConnections: 40, onNotice: () => undefined })
    onTestFinished(() => members.close())
    await withClient(members.primary, (client) =>
      client.query('CREATE TABLE kept (id text PRIMARY KEY)'),
    )
    return members
  }

  it('hold an acknowledged row when the primary is gone at once', async () => {
    const { primary, standbys } = await openMembers()
    await withClient(primary, async (client) => {
      client.on('error', () => undefined)
      await client.query("INSERT INTO kept VALUES ('acknowledged')")
      await primary.kill()
    })
    await until(async () => {
      const found = await Promise.all(
        [...standbys.values()].map((standby) =>
          withClient(standby, (client) => client.query('SELECT id FROM kept')),
        ),
      )
      expect(found.flatMap(({ rows }) => rows)).toContainEqual({ id: 'acknowledged' })
    }, LONG_MS)
  })

  it('commit without one standby, and not without both', async () => {
    const { primary, standbys } = await openMembers()
    const [first, second] = standbys.values()
    await withClient(primary, async (client) => {
      await first?.kill()
      await client.query("INSERT INTO kept VALUES ('without one')")
      await second?.kill()
      const waiting = client.query("INSERT INTO kept VALUES ('without both')")
      await withClient(primary, (watcher) =>
        until(async () => {
          const { rows } = await watcher.query(
            "SELECT wait_event FROM pg_stat_activity WHERE query LIKE '%without both%' AND state = 'active' AND pid <> pg_backend_pid()",
          )
          expect(rows).toEqual([{ wait_event: 'SyncRep' }])
        }, LONG_MS),
      )
      await second?.restart()
      await expect(waiting).resolves.toMatchObject({ rowCount: 1 })
    })
  })

  it('are gone without a trace once they are closed', async () => {
    const site = openPeerNetwork(TOPOLOGY, LEADER)
    onTestFinished(() => site.close())
    const members = await startMembers(site, { maxConnections: 40, onNotice: () => undefined })
    const all: readonly Engine[] = [members.primary, ...members.standbys.values()]
    await members.close()
    for (const engine of all) expectGone(engine)
  })
})

describe.skipIf(!isHere)('a server', () => {
  it('keeps its data, its address and its password when it is killed and started again', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'meridian-kept-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const server = await startPostgresql({ directory })
    onTestFinished(() => server.close())
    await withClient(server, (client) => client.query('CREATE TABLE kept (id int)'))
    const { address, pid } = server
    await server.kill()
    expect(processesIn(directory)).toEqual([])
    await server.restart()
    expect(server.address).toBe(address)
    expect(server.pid).not.toBe(pid)
    await withClient(server, (client) => client.query('SELECT id FROM kept'))
  })

  it('that refuses its settings is an error with what it said, and leaves no folder', async () => {
    const starting = startPostgresql({ settings: { shared_buffers: 'none' } })
    const error = (await starting.catch((thrown: unknown) => thrown)) as MeridianError
    expect(error).toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('shared_buffers'),
    })
    const logFile = /See (\S+)\./.exec(error.fix ?? '')?.[1] ?? ''
    expect(dirname(logFile)).toContain('meridian-postgresql-')
    expectGone({ directory: dirname(logFile) })
  })

  it('and its standby end with the process that started them, by a crash, too', async () => {
    const parent = startProgram('test/engines/programs/postgresql-parent.ts', [], {
      hasInput: true,
    })
    await parent.prints('ready')
    const started = parent
      .stdout()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { readonly pid: number; readonly directory: string })
    expect(started).toHaveLength(2)
    parent.kill('SIGKILL')
    await parent.ended
    await until(() => {
      for (const engine of started) expectGone(engine)
    }, LONG_MS)
  })
})
