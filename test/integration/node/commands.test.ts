import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runCli } from '../../../src/cli/run-cli.ts'
import { clusterKeys } from '../../support/node-auth.ts'
import { layCluster, REGIONS, type Cluster } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { until } from '../../support/until.ts'

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `meridian` in this process. */
async function meridian(...args: readonly string[]): Promise<Ran> {
  const written = { stdout: '', stderr: '' }
  const stream = (name: 'stdout' | 'stderr'): { write(text: string): void } => ({
    write: (text) => {
      written[name] += text
    },
  })
  const code = await runCli(args, { stdout: stream('stdout'), stderr: stream('stderr') })
  return { code, ...written }
}

/** The cluster's configuration as a file, beside its lock. */
function configFile(cluster: Cluster): string {
  const path = join(cluster.directory, 'meridian.yaml')
  const { regions, nodes, auth, commitLog } = cluster.config
  const { leader } = commitLog
  const text = { regions, nodes, commitLog: { leader }, ...(auth === null ? {} : { auth }) }
  const module = new URL('../../support/node-schema.ts', import.meta.url).pathname
  writeFileSync(path, JSON.stringify({ ...text, schema: module }))
  return path
}

describe('`meridian status`', () => {
  it('shows every region, and fails while a node gives no answer', async () => {
    const cluster = await layCluster({ schema })
    const nodes = await cluster.startAll()
    const file = configFile(cluster)
    await until(async () => {
      const { code, stdout } = await meridian('status', '--config', file)
      expect(code, stdout).toBe(0)
      for (const region of REGIONS) expect(stdout).toMatch(new RegExp(`^${region}.* ready `, 'm'))
      expect(stdout).toMatch(/^eu-west \*/m)
    })
    await nodes[2]?.close()
    const { code, stdout, stderr } = await meridian('status', '--config', file)
    expect(code).toBe(1)
    expect(stdout).toMatch(/^ap-south.* REGION_UNREACHABLE$/m)
    expect(stderr).toContain(cluster.url('ap-south'))
  })

  it('asks one node with a token, and prints what it answers', async () => {
    const keys = clusterKeys()
    const cluster = await layCluster({ schema, ...keys.layout })
    const node = await cluster.start('eu-west')
    await node.ready()
    const ask = ['status', '--url', node.url, '--json'] as const
    const refused = await meridian(...ask)
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout)).toMatchObject([{ error: { code: 'UNAUTHENTICATED' } }])
    process.env['STATUS_TOKEN'] = await keys.token([], ['metrics'])
    const { code, stdout } = await meridian(...ask, '--token-env', 'STATUS_TOKEN')
    delete process.env['STATUS_TOKEN']
    expect(code, stdout).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject([
      { url: node.url, report: { ready: true, regions: [{ region: 'eu-west' }] } },
    ])
  })

  it.each([
    [['status'], /`--url` is missing/],
    [['status', '--url', 'nonsense'], /no URL/],
    [['status', '--url', 'http://a', '--config', 'b'], /Both/],
    [['status', '--url', 'http://a', '--token-env', 'NOT_SET'], /NOT_SET is not set/],
    [['node', '--region', 'a'], /`--config` is missing/],
    [['node', '--config', 'none.yaml', '--region', 'a'], /no configuration file none\.yaml/],
  ])('and its like refuse %j as usage', async (args, problem) => {
    const { code, stderr } = await meridian(...args)
    expect(code).toBe(2)
    expect(stderr).toMatch(problem)
  })
})

describe('`meridian lock`', () => {
  it('writes what nodes need, the same for several at once', async () => {
    const cluster = await layCluster({ schema })
    const file = configFile(cluster)
    const written = readFileSync(cluster.lockFile, 'utf8')
    rmSync(cluster.lockFile)
    expect((await meridian('lock', '--config', file, '--check')).code).toBe(1)
    const both = await Promise.all([
      meridian('lock', '--config', file),
      meridian('lock', '--config', file),
    ])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    expect(readFileSync(cluster.lockFile, 'utf8')).toBe(written)
    const { code, stdout } = await meridian('lock', '--config', file, '--check')
    expect(code).toBe(0)
    expect(stdout).toContain('up to date')
  })
})
