/** What an operator does to strong tables of running nodes, by the command line. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { STRONG_PATH } from '../../../src/core/wire-http.ts'
import type { RunningNode } from '../../../src/node/open-node.ts'
import { clusterKeys } from '../../support/node-auth.ts'
import { clientOf, layCluster, page, type Cluster } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { runMeridian } from '../../support/run-command.ts'
import { until } from '../../support/until.ts'

const TOKEN = 'STRONG_ACTIONS_TOKEN'

async function start(): Promise<{
  cluster: Cluster
  keys: ReturnType<typeof clusterKeys>
  running: readonly RunningNode[]
}> {
  const keys = clusterKeys()
  const cluster = await layCluster({ schema, ...keys.layout })
  const running = await cluster.startAll()
  await Promise.all(running.map((node) => node.ready()))
  return { cluster, keys, running }
}

const post = (url: string, path: string, token: string, body: object): Promise<Response> =>
  fetch(url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  })

it('is for whoever administers all tenants, and is never done by a wrong request', async () => {
  const { cluster, keys } = await start()
  const url = cluster.url('us-east')
  const skip = { group: 'main', index: 1_000 }
  for (const token of [
    await keys.token(null, ['read', 'write', 'metrics']),
    await keys.token(['acme'], ['admin', 'write']),
  ]) {
    expect((await post(url, `${STRONG_PATH}/skip`, token, skip)).status).toBe(403)
  }
  const admin = await keys.token(null, ['admin'])
  const codeOf = async (action: string, body: object): Promise<unknown> => {
    const answer = await post(url, `${STRONG_PATH}/${action}`, admin, body)
    return ((await answer.json()) as { error: { code: string } }).error.code
  }
  expect(await codeOf('skip', skip)).toBe('NOT_FOUND')
  expect(await codeOf('skip', { group: 'other', index: 1 })).toBe('INVALID_ARGUMENT')
  expect(await codeOf('skip', { group: 'main' })).toBe('INVALID_ARGUMENT')
  expect(await codeOf('skip', [])).toBe('INVALID_ARGUMENT')
  expect(await codeOf('reseed', { region: 'mars' })).toBe('REGION_UNKNOWN')
  expect(await codeOf('reseed', {})).toBe('INVALID_ARGUMENT')
  expect(await codeOf('other', {})).toBe('NOT_FOUND')
  expect((await page(url, `${STRONG_PATH}/skip`, admin)).status).toBe(404)
})

it('seeds a region again, and refuses to skip what was applied', async () => {
  const { cluster, keys, running } = await start()
  process.env[TOKEN] = await keys.token(null, ['read', 'write', 'admin', 'metrics'])
  onTestFinished(() => {
    delete process.env[TOKEN]
  })
  const token = process.env[TOKEN]
  const db = await clientOf(cluster, schema, 'us-east', { token })
  await db.plans.insert({ id: 'pro', seats: 1 })
  const file = join(cluster.directory, 'operator.json')
  const { regions, nodes } = cluster.config
  const urls = Object.fromEntries(regions.map((one) => [one, { url: nodes[one]?.[0]?.url }]))
  const content = { regions, commitLog: { leader: regions[0] }, nodes: urls }
  writeFileSync(file, JSON.stringify(content))
  const strong = (...args: string[]) =>
    runMeridian('strong', ...args, '--config', file, '--token-env', TOKEN)
  // Behind those by which the log has risen.
  const [{ strongIndex: at } = { strongIndex: 0 }] = running[0]?.status().regions ?? []
  const skip = await strong('skip', 'main', String(at), '--dry-run')
  expect(skip.stdout).toContain(`Record ${at} of main: commands`)
  expect(skip.stdout).toMatch(/"operations":\["insert plans"\]/)
  expect(skip.stdout).toMatch(/has applied the record/)
  expect(skip.code).toBe(1)
  const refused = await strong('skip', 'main', String(at), '--yes')
  expect(refused.stderr).toContain(
    `CONDITION_FAILED: Record ${at} of log group 'main' cannot be skipped`,
  )
  expect(refused.code).toBe(1)
  expect((await strong('reseed', 'us-east')).stderr).toMatch(/Say `--yes`/)
  const reseed = await strong('reseed', 'us-east', '--from', 'ap-south', '--yes')
  expect(reseed.stdout).toMatch(/us-east is being seeded again from ap-south: system, main\./)
  await until(() => {
    const lines = cluster.log.lines.map(
      ({ event, fields }) => `${event} ${String(fields?.['group'])}`,
    )
    expect(lines).toContain('log group is whole again main')
    expect(lines).toContain('log group is whole again system')
  })
  expect(await db.plans.get('pro', { consistency: 'strong' })).toEqual({ id: 'pro', seats: 1 })
  await db.plans.insert({ id: 'max', seats: 2 })
  await until(async () => {
    const { stdout, code } = await strong('status')
    expect(stdout).toMatch(/^us-east +main .* follows$/m)
    expect(code).toBe(0)
  })
  const { text } = await page(cluster.url('us-east'), '/metrics', token)
  expect(text).toContain('meridian_log_copy_differs{region="us-east",group="main"} 0')
})
