/** The leadership of etcd, placed by an operator: it moves, or it is said why it does not. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startEtcdCluster, type EtcdCluster } from '../../../src/cluster/engines/etcd.ts'
import type { StrongView } from '../../../src/cli/strong/strong-view.ts'
import {
  openEtcdOperator,
  type EtcdOperator,
} from '../../../src/drivers/etcd/open-etcd-operator.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import { watch } from '../../conformance/commit-log-suite.ts'
import { selfSignedCertificate } from '../../support/certificates.ts'
import { until } from '../../support/until.ts'
import { openEngine } from './support/open-engine.ts'
import { problemsIn, startWriters } from './support/writers.ts'
import { runMeridian, type Ran } from '../../support/run-command.ts'

const LONG_MS = 120_000
const REGIONS = ['a', 'b', 'c']
const PASSWORD = 'right'

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-leadership-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

async function startThree(
  settings: Partial<Parameters<typeof startEtcdCluster>[0]> = {},
): Promise<EtcdCluster> {
  const cluster = await startEtcdCluster({ names: REGIONS, ...settings })
  onTestFinished(() => cluster.close())
  return cluster
}

/** `meridian strong …`. */
function strong(...args: readonly string[]): Promise<Ran> {
  return runMeridian('strong', ...args)
}

async function viewOf(file: string): Promise<StrongView> {
  const { stdout } = await strong('status', '--json', '--config', file)
  return JSON.parse(stdout) as StrongView
}

function configOf(folder: string, addresses: readonly string[], more: object = {}): string {
  const file = join(folder, 'meridian.json')
  const members = Object.fromEntries(REGIONS.map((region, i) => [region, [addresses[i]]]))
  const delays = { 'a/b': 1, 'a/c': 1, 'b/c': 1, 'a/d': 1, 'b/d': 1, 'c/d': 1 }
  const etcd = { members, ...more }
  const text = { regions: [...REGIONS, 'd'], topology: delays, commitLog: { etcd } }
  writeFileSync(file, JSON.stringify(text))
  return file
}

function operatorOf(addresses: readonly string[]): EtcdOperator {
  const silent = { write: () => undefined }
  const operator = openEtcdOperator({ endpoints: addresses, runtime: systemRuntime, log: silent })
  onTestFinished(() => operator.close())
  return operator
}

/** The address of the member that leads, once all say the same. */
async function leaderOf(operator: EtcdOperator): Promise<string> {
  let found = ''
  await until(async () => {
    const members = await operator.status()
    expect(new Set(members.map(({ leaderId }) => leaderId)).size).toBe(1)
    found = members.find(({ isLeader }) => isLeader === true)?.address ?? ''
    expect(found).not.toBe('')
  }, LONG_MS)
  return found
}

test(
  'with TLS, user and password: the leader is placed in each region in turn, and seen there',
  async () => {
    const folder = newFolder()
    const { certificate, key } = await selfSignedCertificate()
    const write = (name: string, text: string): string => {
      const path = join(folder, name)
      writeFileSync(path, text, { mode: 0o600 })
      return path
    }
    const files = { certificate: write('cert.pem', certificate), key: write('key.pem', key) }
    write('password', PASSWORD)
    const { addresses } = await startThree({
      tls: { ca: files.certificate, ...files, requireClientCertificate: true },
      root: { user: 'root', password: PASSWORD },
    })
    const tls = { ca: 'cert.pem', certificate: 'cert.pem', key: { file: 'key.pem' } }
    const file = configOf(folder, addresses, { user: 'root', password: { file: 'password' }, tls })
    let { leader: from } = await viewOf(file)
    for (const region of ['b', 'c']) {
      const placed = await strong('place-leader', region, '--json', '--config', file)
      expect(placed.stderr).toBe('')
      expect(placed.code).toBe(0)
      const moved = from !== region
      expect(JSON.parse(placed.stdout)).toMatchObject({ from, to: region, moved, chosenBy: 'name' })
      const view = await viewOf(file)
      expect(view.leader).toBe(region)
      expect(view.members.map(({ isLeader }) => isLeader)).toEqual(
        REGIONS.map((one) => one === region),
      )
      expect(view.members.every(({ behindEntries }) => behindEntries !== null)).toBe(true)
      from = region
    }
    const dry = (region: string): ReturnType<typeof strong> =>
      strong('place-leader', region, '--dry-run', '--config', file)
    expect((await dry('a')).stdout).toContain('would be led from a; nothing was done')
    expect((await dry('c')).stdout).toContain('is led from c already')
    expect((await viewOf(file)).leader).toBe('c')
  },
  LONG_MS,
)

test(
  'what cannot be placed is refused, with the reason',
  async () => {
    const { addresses, members } = await startThree()
    const file = configOf(newFolder(), addresses)
    const place = (...args: readonly string[]): ReturnType<typeof strong> =>
      strong('place-leader', ...args, '--config', file)
    expect((await place('d')).stderr).toContain(
      'REGION_UNKNOWN: Region d has no member of etcd. It can be led from: a, b, c.',
    )
    expect((await place('mars')).stderr).toContain('REGION_UNKNOWN: There is no region mars')
    // No node is configured that would have measured anything.
    expect((await place()).stderr).toContain('REGION_UNREACHABLE: Which region writes want')

    const operator = operatorOf(addresses)
    const leader = await leaderOf(operator)
    const [gone, other] = addresses.filter((address) => address !== leader)
    const memberAt = (address = ''): (typeof members)[number] | undefined =>
      members.find((member) => member.address === address)
    await memberAt(gone)?.kill()
    const regionOf = (address = ''): string => REGIONS[addresses.indexOf(address)] ?? ''
    const toGone = await place(regionOf(gone))
    expect(toGone.code).toBe(1)
    expect(toGone.stderr).toContain(`LOG_UNAVAILABLE: The member ${gone} does not answer.`)
    const view = await viewOf(file)
    expect(view.leader).toBe(regionOf(leader))
    expect(view.members.find(({ address }) => address === gone)?.reachable).toBe(false)

    await memberAt(other)?.kill()
    await until(async () => {
      const alone = await place(regionOf(leader))
      expect(alone.code).toBe(1)
      expect(alone.stderr).toContain('LOG_UNAVAILABLE: etcd has no majority that answers')
    }, LONG_MS)
    // Without a region it is the missing majority that is told, too, not the missing distances.
    expect((await place()).stderr).toContain('LOG_UNAVAILABLE: etcd has no majority')
    expect((await viewOf(file)).leader).toBeNull()
  },
  LONG_MS,
)

test(
  'a leader that does not move in time: who leads is told',
  async () => {
    const { addresses } = await startThree()
    const file = configOf(newFolder(), addresses)
    const leader = await leaderOf(operatorOf(addresses))
    const region = REGIONS.find((_, i) => addresses[i] !== leader) ?? ''
    const { code, stderr } = await strong(
      'place-leader',
      region,
      '--timeout',
      '1',
      '--config',
      file,
    )
    expect(code).toBe(1)
    expect(stderr).toContain('DEADLINE_EXCEEDED: etcd was not led by')
    expect(stderr).toContain(`${leader} leads now.`)
  },
  LONG_MS,
)

test(
  'appends go on while the leader is handed around: none lost, none twice',
  async () => {
    const { addresses } = await startThree()
    const log = (await openEngine(addresses)).commitLog()
    const seen = watch(log, 'g', 1)
    const writers = startWriters(log, 'g', 8)
    const operator = operatorOf(addresses)
    await leaderOf(operator)
    for (const to of [...addresses, ...addresses]) {
      const before = writers.acknowledged.size
      const members = await operator.moveLeader({ to, timeoutMs: LONG_MS })
      expect(members.find(({ isLeader }) => isLeader === true)?.address).toBe(to)
      await until(() => expect(writers.acknowledged.size).toBeGreaterThan(before + 20), LONG_MS)
    }
    await writers.stop()
    const last = await log.readIndex('g')
    await until(() => expect(seen.entries).toHaveLength(last), LONG_MS)
    expect(problemsIn(seen.entries, writers.acknowledged)).toEqual([])
    expect(seen.failures).toEqual([])
  },
  LONG_MS,
)
