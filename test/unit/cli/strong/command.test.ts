import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import type { StrongView } from '../../../../src/cli/strong/strong-view.ts'
import { STRONG_PATH } from '../../../../src/core/wire-http.ts'
import type { StrongReport } from '../../../../src/node/strong-report.ts'
import { runMeridian, type Ran } from '../../../support/run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'meridian-strong-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(content: object): string {
  const path = join(folder, 'meridian.json')
  writeFileSync(path, JSON.stringify(content))
  return path
}

function run(...args: readonly string[]): Promise<Ran> {
  return runMeridian('strong', ...args)
}

/** A node that says this of its strong tables. */
async function fakeNode(report: StrongReport): Promise<string> {
  const server = createServer((request, response) => {
    response.statusCode = request.url === STRONG_PATH ? 200 : 404
    response.end(JSON.stringify(report))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const NOWHERE = '127.0.0.1:1'
const ETCD = { etcd: { members: { a: [NOWHERE] } } }

describe('a wrong command line ends with 2 and says what to do', () => {
  it.each([
    [[], 'What to do is missing. There are: status, place-leader, skip, reseed, cost.'],
    [['stats'], 'There is no action `stats`.'],
    [['status', 'a'], "Unexpected argument 'a'. place-leader and reseed take a region"],
    [['place-leader', 'a', 'b'], "Unexpected argument 'b'. place-leader and reseed take a region"],
    [['skip', 'main', '1', '2'], "Unexpected argument '2'. Run `meridian strong --help`"],
    [['skip', 'main'], 'A log group and the index of a record are wanted.'],
    [['skip', 'main', '1.5'], 'A log group and the index of a record are wanted.'],
    [['skip', 'main', '0'], 'A log group and the index of a record are wanted.'],
    [['reseed'], 'The region to seed again is missing.'],
    [['status'], 'The option `--config` is missing.'],
    [['place-leader', '--config', 'no/such.yaml'], 'There is no configuration file no/such.yaml.'],
    [['place-leader', '--timeout', '0'], 'Give it a whole number from 1 to 600000.'],
    [['cost', '--regions', '0'], 'The option `--regions` is "0". Give it a number from 1 to 9'],
    [['cost', '--regions', '5..3'], 'The option `--regions` is "5..3".'],
    [['cost', '--regions', '1..4', '--topology', 'triangle'], 'or two: 1..3.'],
    [['cost', '--members', '10'], 'Give it a whole number from 1 to 9.'],
    [['cost', '--jitter', '11'], 'Give it a number from 0 to 10.'],
    [['cost', '--topology', 'moon'], "The topology 'moon' is unknown."],
    [['cost', '--topology', './none.yaml'], 'cannot be read'],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await run(...args)
    expect(stderr).toContain(message)
    expect(code).toBe(2)
    expect(stdout).toBe('')
  })

  it('a token that is not set', async () => {
    const config = file({ regions: ['a'], nodes: { a: { url: `http://${NOWHERE}` } } })
    const { code, stderr } = await run('status', '--config', config, '--token-env', 'NOT_SET_HERE')
    expect(stderr).toContain('The environment variable NOT_SET_HERE is not set.')
    expect(code).toBe(2)
  })

  it('a log in a file, which only its own region can lead', async () => {
    const { code, stderr } = await run('place-leader', 'a', '--config', file({ regions: ['a'] }))
    expect(stderr).toContain('keeps the commit log in a file of a, which alone can lead it.')
    expect(code).toBe(2)
  })
})

it('help names the actions, the region and the options', async () => {
  const { code, stdout } = await run('--help')
  expect(code).toBe(0)
  expect(stdout).toContain(
    'Usage: meridian strong status|place-leader|skip|reseed|cost [REGION|GROUP] [INDEX] [options]',
  )
  for (const word of ['--dry-run', '--timeout MS', '--regions N[..M]', '[REGION|GROUP]']) {
    expect(stdout).toContain(word)
  }
})

describe('place-leader', () => {
  it.each([
    ['b', 'REGION_UNKNOWN: Region b has no member of etcd. It can be led from: a.'],
    ['mars', 'REGION_UNKNOWN: There is no region mars in'],
  ])('refuses %s', async (region, message) => {
    const config = file({ regions: ['a', 'b'], topology: { 'a/b': 1 }, commitLog: ETCD })
    const { code, stderr } = await run('place-leader', region, '--config', config)
    expect(stderr).toContain(message)
    expect(code).toBe(1)
  })

  it('refuses where no member answers', { timeout: 60_000 }, async () => {
    const config = file({ regions: ['a'], commitLog: ETCD })
    const { code, stderr } = await run('place-leader', '--config', config)
    expect(stderr).toContain('LOG_UNAVAILABLE: etcd has no majority that answers and has a leader')
    expect(stderr).toContain('ECONNREFUSED')
    expect(code).toBe(1)
  })
})

describe('status', () => {
  it('shows what nodes say of a log that is a file', async () => {
    const group = {
      ...{ group: 'main', applied: 3, logEnd: 5, lagRecords: 2, lagMs: 7.25, readIndexMs: 81 },
      ...{ retainedFrom: null, leftBehind: [], reseeding: null, stopped: null, logError: null },
      machineVersion: 3,
      schemaVersion: 2,
    }
    const leases = {
      ...{ group: 'local', remainingMs: 1200, applied: 9, stableIndex: 8, markedTransactions: 2 },
      holders: [
        { region: 'a', databaseId: 'a.1', index: 7, isHeld: true },
        { region: 'b', databaseId: 'b.1', index: 6, isHeld: false },
      ],
    }
    const a = await fakeNode({
      regions: [{ region: 'a', groups: [group], leases }],
      members: null,
      writes: [{ origin: 'a', total: 3, perSecond: 0.5 }],
    })
    const nodes = { a: { url: a }, b: { url: `http://${NOWHERE}` } }
    const config = file({
      regions: ['a', 'b'],
      topology: { 'a/b': 1 },
      nodes,
      commitLog: { leader: 'b' },
    })
    const { code, stdout, stderr } = await run('status', '--config', config)
    expect(stdout).toContain('The commit log is a file of b')
    expect(stdout).toMatch(/^a +main +3 +5 +2 +7\.3 +- +3 +2 +follows$/m)
    expect(stdout).toMatch(/^a +1200 ms left +9 +8 +2 +a\.1$/m)
    expect(stdout).toMatch(/^b +no node that answers has it open$/m)
    expect(stderr).toContain(`http://${NOWHERE}: REGION_UNREACHABLE`)
    expect(code).toBe(1)
    const view = JSON.parse(
      (await run('status', '--json', '--config', config)).stdout,
    ) as StrongView
    expect(view).toMatchObject({ log: 'file', leader: 'b', silentRegions: ['b'] })
    expect(view.writesPerSecond).toEqual({ a: 0.5 })
  })

  it('ends with 0 where all is well', async () => {
    const a = await fakeNode({ regions: [{ region: 'a', groups: [] }], members: null, writes: [] })
    const group = { group: 'main', applied: 0, logEnd: 0, lagRecords: 0, lagMs: 0, readIndexMs: 1 }
    const whole = {
      retainedFrom: null,
      leftBehind: [],
      reseeding: null,
      stopped: null,
      logError: null,
    }
    const well = await fakeNode({
      regions: [{ region: 'a', groups: [{ ...group, ...whole }] }],
      members: null,
      writes: [],
    })
    const code = async (url: string): Promise<number> =>
      (await run('status', '--config', file({ regions: ['a'], nodes: { a: { url } } }))).code
    expect(await code(well)).toBe(0)
    // A region whose groups nobody has open is not well.
    expect(await code(a)).toBe(1)
  })
})

describe('cost', () => {
  it('prints a line for each number of regions, and says what the figures are', async () => {
    const { code, stdout } = await run('cost', '--topology', 'triangle')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ +3 +ap-south +3 +1 +eu-west +147 +200 /m)
    expect(stdout.split('\n').filter((line) => /^ +\d/.test(line))).toHaveLength(3)
    expect(stdout).toContain('survives: members that may be lost')
  })

  it('prints the same as JSON, and as many regions as were asked for', async () => {
    const { stdout } = await run('cost', '--regions', '2..3', '--jitter', '0', '--json')
    const costs = JSON.parse(stdout) as readonly { regions: readonly string[] }[]
    expect(costs.map(({ regions }) => regions.length)).toEqual([2, 3])
  })
})
