import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { clusterKeys } from '../../support/node-auth.ts'
import { layCluster, REGIONS, type Cluster } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { until } from '../../support/until.ts'
import { runMeridian } from '../../support/run-command.ts'

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
      const { code, stdout } = await runMeridian('status', '--config', file)
      expect(code, stdout).toBe(0)
      for (const region of REGIONS) expect(stdout).toMatch(new RegExp(`^${region}.* ready `, 'm'))
      expect(stdout).toMatch(/^eu-west \*/m)
    })
    await nodes[2]?.close()
    const { code, stdout, stderr } = await runMeridian('status', '--config', file)
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
    const refused = await runMeridian(...ask)
    expect(refused.code).toBe(1)
    expect(JSON.parse(refused.stdout)).toMatchObject([{ error: { code: 'UNAUTHENTICATED' } }])
    process.env['STATUS_TOKEN'] = await keys.token([], ['metrics'])
    const { code, stdout } = await runMeridian(...ask, '--token-env', 'STATUS_TOKEN')
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
    const { code, stderr } = await runMeridian(...args)
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
    expect((await runMeridian('lock', '--config', file, '--check')).code).toBe(1)
    const both = await Promise.all([
      runMeridian('lock', '--config', file),
      runMeridian('lock', '--config', file),
    ])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    expect(readFileSync(cluster.lockFile, 'utf8')).toBe(written)
    const { code, stdout } = await runMeridian('lock', '--config', file, '--check')
    expect(code).toBe(0)
    expect(stdout).toContain('up to date')
  })
})
