import { describe, expect, it } from 'vitest'
import { printStrongView } from '../../../../src/cli/strong/print-view.ts'
import {
  strongView,
  type NodeView,
  type StrongFacts,
} from '../../../../src/cli/strong/strong-view.ts'
import { Terminal } from '../../../../src/cli/terminal.ts'
import { oneWayMs } from '../../../../src/config/topology.ts'
import { readTopology } from '../../../../benchmarks/topologies/index.ts'
import type { EtcdMemberStatus } from '../../../../src/drivers/etcd/etcd-status.ts'
import type { LogGroupProbe } from '../../../../src/node/log-probe.ts'
import { collectStreams, type Written } from '../../../support/run-command.ts'

const triangle = await readTopology('triangle')
const { regions } = triangle
const MEMBERS = { 'us-east': ['us:1'], 'eu-west': ['eu:1'], 'ap-south': ['ap:1'] }
const ADDRESS: Readonly<Record<string, string>> = {
  'us-east': 'us:1',
  'eu-west': 'eu:1',
  'ap-south': 'ap:1',
}

function status(region: string, applied: number, leader = 'eu-west'): EtcdMemberStatus {
  return {
    address: ADDRESS[region] ?? '',
    reachable: true,
    id: region,
    leaderId: leader,
    isLeader: region === leader,
    hasLeader: true,
    isLearner: false,
    raftIndex: applied,
    raftAppliedIndex: applied,
    raftTerm: 4,
    version: '3.4.23',
    databaseBytes: 1_048_576,
    alarms: [],
  }
}

function group(parts: Partial<LogGroupProbe> = {}): LogGroupProbe {
  return {
    group: 'main',
    applied: 10,
    logEnd: 10,
    lagRecords: 0,
    lagMs: 0,
    readIndexMs: 81,
    retainedFrom: null,
    leftBehind: [],
    reseeding: null,
    stopped: null,
    logError: null,
    ...parts,
  }
}

function node(region: string, perSecond: number, parts: Partial<LogGroupProbe> = {}): NodeView {
  return {
    url: `http://${region}`,
    regions: [region],
    report: {
      regions: [{ region, groups: [group(parts)] }],
      members: regions.map((to) => ({
        region: to,
        address: ADDRESS[to] ?? '',
        roundTripMs: 2 * oneWayMs(triangle, region, to),
      })),
      writes: [
        { origin: region, total: 100, perSecond },
        { origin: 'elsewhere', total: 900, perSecond: 90 },
      ],
    },
  }
}

function facts(parts: Partial<StrongFacts> = {}): StrongFacts {
  return {
    regions,
    members: MEMBERS,
    fileLeader: 'us-east',
    statuses: [status('us-east', 90), status('eu-west', 100), status('ap-south', 70)],
    nodes: [node('us-east', 8), node('eu-west', 1), node('ap-south', 1)],
    ...parts,
  }
}

function printed(view: ReturnType<typeof strongView>): Written {
  const { written, streams } = collectStreams()
  printStrongView(view, new Terminal(streams, { NO_COLOR: '1' }))
  return written
}

describe('the view of strong tables', () => {
  it('has the leader, how far members are, and what writes want', () => {
    const view = strongView(facts())
    expect(view.leader).toBe('eu-west')
    expect(view.members.map(({ region, behindEntries }) => [region, behindEntries])).toEqual([
      ['us-east', 10],
      ['eu-west', 0],
      ['ap-south', 30],
    ])
    const costs = Object.fromEntries(
      view.latency.map(({ leader, latencyMs }) => [leader, latencyMs]),
    )
    expect(costs['eu-west']).toEqual({ 'us-east': 160, 'eu-west': 80, 'ap-south': 200 })
    // Eight of ten writes come from us-east: (8 × 80 + 160 + 270) / 10 against (8 × 160 + 80 + 200) / 10.
    expect(view.bestLeader).toBe('us-east')
    expect(view.latency.find(({ leader }) => leader === 'us-east')?.meanMs).toBeCloseTo(107)
    expect(view.writesPerSecond).toEqual({ 'us-east': 8, 'eu-west': 1, 'ap-south': 1 })
  })

  it('is printed with all of it', () => {
    const { stdout, stderr } = printed(strongView(facts()))
    expect(stdout).toContain('The commit log in etcd is led from eu-west.')
    expect(stdout).toMatch(/ap-south +ap:1 +follows +3\.4\.23 +4 +70 +30 +1\.0 MiB +-/)
    expect(stdout).toMatch(/from +writes\/s +read now +us-east +eu-west \* +ap-south/)
    expect(stdout).toMatch(/us-east +8\.0 +81 +80 +160 +310/)
    expect(stdout).toMatch(/mean of writes +10\.0 +107 +156/)
    expect(stdout).toContain('These writes want it in us-east: 107 ms instead of 156.')
    expect(stderr).toBe('')
  })

  it('counts what any region has trimmed, up to the farthest end that one knows', () => {
    const { groups } = strongView(
      facts({
        nodes: [
          node('us-east', 0, { logEnd: 20, applied: 20, retainedFrom: 15 }),
          node('eu-west', 0, { logEnd: 18, applied: 12, lagRecords: 6, retainedFrom: 11 }),
          node('ap-south', 0),
        ],
      }),
    )
    expect(groups.map(({ logEnd, retainedRecords }) => [logEnd, retainedRecords])).toEqual([
      [20, 6],
      [20, 6],
      [20, 6],
    ])
    expect(strongView(facts()).groups[0]?.retainedRecords).toBeNull()
  })

  it('tells what stopped, what is seeded, and who says nothing', () => {
    const error = { code: 'REGION_UNREACHABLE', message: 'No answer.', retry: 'safe' } as const
    const view = strongView(
      facts({
        nodes: [
          node('us-east', 0, {
            stopped: { code: 'LOG_GAP', message: 'One is missing.', retry: 'never' },
          }),
          node('eu-west', 0, {
            reseeding: { from: 'us-east', parts: 3, failures: { mars: 'away' } },
          }),
          { url: 'http://ap-south', regions: ['ap-south'], error },
        ],
      }),
    )
    expect(view.silentRegions).toEqual(['ap-south'])
    const { stdout, stderr } = printed(view)
    expect(stdout).toContain('stopped: LOG_GAP: One is missing.')
    expect(stdout).toContain('seeded again from us-east, 3 parts (mars: away)')
    expect(stdout).toMatch(/ap-south +no node that answers has it open/)
    expect(stderr).toContain('http://ap-south: REGION_UNREACHABLE: No answer.')
    // Its distances are known from the other side.
    expect(view.latency.find(({ leader }) => leader === 'eu-west')?.latencyMs).toMatchObject({
      'ap-south': 200,
      'us-east': 160,
    })
  })

  it('makes up no distance and no leader', () => {
    const silent = regions.map((region) => ({ url: region, regions: [region] }))
    const view = strongView(facts({ nodes: silent, statuses: [] }))
    expect(view).toMatchObject({ leader: null, bestLeader: null, distances: [] })
    const { stdout } = printed(view)
    expect(stdout).toContain('has no leader that answers')
    expect(stdout).toMatch(/us-east +us:1 +no answer/)
    const unmeasured = strongView(facts({ nodes: silent }))
    expect(unmeasured.bestLeader).toBeNull()
    expect(printed(unmeasured).stdout).toContain('Which leader is best is not known')
  })

  it('a member that is down is no part of a majority', () => {
    const statuses = [
      status('us-east', 1),
      { address: 'eu:1', reachable: false },
      status('ap-south', 1, 'us-east'),
    ]
    const view = strongView(
      facts({ statuses: [status('us-east', 1, 'us-east'), ...statuses.slice(1)] }),
    )
    expect(view.leader).toBe('us-east')
    expect(view.latency.map(({ leader }) => leader)).toEqual(['us-east', 'ap-south'])
    // Behind us-east only ap-south is left: 190 ms more.
    expect(view.latency[0]?.latencyMs['us-east']).toBe(190)
  })

  it('of a log in a file says that nobody else can lead it', () => {
    const view = strongView(facts({ members: null, statuses: [] }))
    expect(view).toMatchObject({ log: 'file', leader: 'us-east', latency: [], bestLeader: null })
    expect(printed(view).stdout).toContain('is a file of us-east')
  })
})
