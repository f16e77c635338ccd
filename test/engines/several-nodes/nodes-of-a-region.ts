/** Two processes of `meridian node` for one region, on etcd, Kafka and a store server of their own. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { onTestFinished } from 'vitest'
import { connect, type Database } from '../../../src/client/index.ts'
import { httpDeployment } from '../../../src/client/http/http-deployment.ts'
import { STATUS_PATH } from '../../../src/core/wire-http.ts'
import { systemRuntime } from '../../../src/drivers/runtime/system-runtime.ts'
import type { NodeReport } from '../../../src/node/node-status.ts'
import { openSchemaLock } from '../../../src/node/schema-lock.ts'
import { engines } from '../../support/engines.ts'
import { freePorts } from '../../support/free-ports.ts'
import { schema } from '../../support/node-schema.ts'
import { startProgram, type RunningProgram } from '../../support/program.ts'
import { startStoreServer } from '../../support/store-server-process.ts'
import { until } from '../../support/until.ts'

export const SINGLE = 'eu-west'
export const SHARED = 'us-east'
export type NodeName = 'a' | 'b' | 'single'

/** For anything that takes a lease or two, on a machine that is busy. */
export const SLOW_MS = 120_000

/** Processes that were laid out. */
export interface Processes {
  /** Of the nodes of the region that has two. */
  readonly urls: readonly string[]
  start(node: NodeName): Promise<RunningProgram>
  /** A client in the region, which knows these of its nodes. */
  client(nodes: readonly NodeName[]): Promise<Database<typeof schema>>
  report(node: NodeName): Promise<NodeReport>
  /** Resolves once the node is ready. */
  ready(node: NodeName): Promise<void>
  /** Resolves once the node holds the region. */
  leads(node: NodeName): Promise<void>
}

export async function layProcesses(): Promise<Processes> {
  const directory = mkdtempSync(join(tmpdir(), 'meridian-several-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const [a, b, single, store = 0] = await freePorts(4)
  await startStoreServer(join(directory, 'rows.db'), store)
  const url = (port: number | undefined): string => `http://127.0.0.1:${port}`
  const urls = { a: url(a), b: url(b), single: url(single) }
  const { etcd, kafka } = engines()
  const configFile = join(directory, 'meridian.yaml')
  const config = {
    name: `several-${randomBytes(4).toString('hex')}`,
    regions: [SINGLE, SHARED],
    // What waits at a node that stops is served by the next one, however long that takes to open.
    limits: { drainTimeoutMs: 60_000 },
    schema: resolve('test/support/node-schema.ts'),
    commitLog: { leader: SINGLE, etcd: { members: { [SINGLE]: [etcd.endpoint] } } },
    nodes: { [SINGLE]: { url: urls.single }, [SHARED]: [{ url: urls.a }, { url: urls.b }] },
    stores: { [SHARED]: { url: url(store) } },
    changeLogs: { [SHARED]: { brokers: [kafka.broker], tables: 'none' } },
  }
  writeFileSync(configFile, JSON.stringify(config))
  const lockFile = join(directory, 'meridian.lock.json')
  await (await openSchemaLock(schema, lockFile)).save(systemRuntime.random)
  const report = async (node: NodeName): Promise<NodeReport> =>
    (await (await fetch(urls[node] + STATUS_PATH)).json()) as NodeReport
  return {
    urls: [urls.a, urls.b],
    async start(node) {
      const region = node === 'single' ? SINGLE : SHARED
      const places = ['--directory', join(directory, node), '--node', urls[node]]
      const args = ['node', '--config', configFile, '--region', region, '--json', ...places]
      const program = startProgram('src/cli/main.ts', args)
      await program.prints('"event":"listening"')
      return program
    },
    async client(nodes) {
      const known = { [SINGLE]: urls.single, [SHARED]: nodes.map((node) => urls[node]) }
      const deployment = httpDeployment({ nodes: known })
      const db = await connect({ schema, region: SHARED, deployment })
      onTestFinished(() => db.close())
      return db
    },
    report,
    ready: (node) =>
      until(async () => {
        const { ready, checks } = await report(node)
        if (!ready) throw new Error(JSON.stringify(checks))
      }, SLOW_MS),
    leads: (node) =>
      until(async () => {
        const { shared } = await report(node)
        if (shared[0]?.state !== 'leading') throw new Error(JSON.stringify(shared))
      }, SLOW_MS),
  }
}
