import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { fetchReport } from '../../../src/cli/status/fetch-report.ts'
import { selfSignedCertificate } from '../../support/certificates.ts'
import { clusterKeys } from '../../support/node-auth.ts'
import { layCluster, page, type Cluster } from '../../support/node-cluster.ts'
import { schema } from '../../support/node-schema.ts'
import { until } from '../../support/until.ts'

const { certificate, key } = await selfSignedCertificate()

/** A cluster with TLS, its certificate in its folder. */
async function layTls(keyText = key): Promise<{
  readonly cluster: Cluster
  readonly ask: (url: string) => ReturnType<typeof fetchReport>
}> {
  const keys = clusterKeys()
  const { layout } = keys
  const tls = { certificate: 'node.pem', key: { file: 'node.key' }, ca: 'node.pem' }
  const sections = { ...layout.sections, tls }
  const cluster = await layCluster({ schema, ...layout, sections, scheme: 'https' })
  writeFileSync(join(cluster.directory, 'node.pem'), certificate)
  writeFileSync(join(cluster.directory, 'node.key'), keyText)
  chmodSync(join(cluster.directory, 'node.key'), 0o600)
  const watcher = await keys.token([], ['metrics'])
  return { cluster, ask: (url) => fetchReport(url, { token: watcher, ca: certificate }) }
}

it('nodes with TLS reach each other by the configured authority, and nobody without TLS', async () => {
  const { cluster, ask } = await layTls()
  const [eu, us] = [await cluster.start('eu-west'), await cluster.start('us-east')]
  await Promise.all([eu.ready(), us.ready()])
  await until(async () => {
    const report = await ask(cluster.url('us-east'))
    const stream = report.regions[0]?.imports.find(({ from }) => from === 'eu-west')
    expect(stream).toMatchObject({ connected: true, error: null })
  })
  await expect(page(cluster.url('us-east').replace('https', 'http'), '/healthz')).rejects.toThrow(
    /fetch failed/,
  )
  // The authority is not one that everybody trusts.
  await expect(page(cluster.url('us-east'), '/healthz')).rejects.toThrow(/fetch failed/)
})

it('a node whose TLS key is none does not start, and shows nothing of it', async () => {
  const { cluster } = await layTls(
    '-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----',
  )
  const starting = cluster.start('us-east')
  await expect(starting).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  await expect(starting).rejects.not.toThrow(/hunter2/)
  expect(JSON.stringify(cluster.log.lines)).not.toContain('hunter2')
})
