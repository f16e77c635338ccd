/** Asks the members of etcd and every node of a configuration how strong tables stand. */
import { dirname, resolve } from 'node:path'
import type { EtcdConfig } from '../../config/engine-sections.ts'
import { parseConfig, type Config } from '../../config/parse-config.ts'
import { asMeridianError, MeridianError, toWireError } from '../../core/errors.ts'
import { openEtcdOperator, type EtcdOperator } from '../../drivers/etcd/open-etcd-operator.ts'
import { systemRuntime } from '../../drivers/runtime/system-runtime.ts'
import { etcdSettings } from '../../node/engine-settings.ts'
import { readConfigFile } from '../../node/files.ts'
import type { GivenOptions } from '../command.ts'
import { requireText } from '../read-deployment.ts'
import { fetchStrongReport } from '../status/fetch-report.ts'
import { nodesOfConfig, tokenOf } from '../status/nodes-to-ask.ts'
import { strongView, type NodeView, type StrongView } from './strong-view.ts'

/** A configuration and where it was read. */
export interface Deployment {
  readonly config: Config
  readonly file: string
}

/** @throws MeridianError `INVALID_ARGUMENT`, `CONFIG_INVALID` */
export async function readStrongDeployment(given: GivenOptions): Promise<Deployment> {
  const file = requireText(given, 'config')
  return { config: parseConfig(await readConfigFile(file), file), file }
}

/** @throws MeridianError `CONFIG_INVALID` where the log is not kept in etcd */
export function requireEtcd({ config, file }: Deployment): EtcdConfig {
  const { etcd, leader } = config.commitLog
  if (etcd !== null) return etcd
  throw new MeridianError(
    'CONFIG_INVALID',
    `${file} keeps the commit log in a file of ${leader}, which alone can lead it.`,
    { fix: 'Name the members of an etcd in `commitLog.etcd.members`.' },
  )
}

/** Its own connection, with the user, the password and the TLS of the configuration. @throws MeridianError `CONFIG_INVALID` */
export async function openOperator(
  { config, file }: Deployment,
  etcd: EtcdConfig,
): Promise<EtcdOperator> {
  const silent = { write: () => undefined }
  const sources = {
    environment: process.env,
    baseDirectory: dirname(resolve(file)),
    log: silent,
  }
  const settings = await etcdSettings(etcd, config, config.regions[0] ?? '', sources)
  return openEtcdOperator({ ...settings, runtime: systemRuntime, log: silent })
}

/** How the deployment stands now. @throws MeridianError `CONFIG_INVALID`, `INVALID_ARGUMENT` */
export async function askView(
  deployment: Deployment,
  operator: EtcdOperator | undefined,
  given: GivenOptions,
): Promise<StrongView> {
  const { regions, commitLog } = deployment.config
  const [nodes, statuses] = await Promise.all([
    askNodes(deployment, given),
    operator?.status() ?? [],
  ])
  const members = commitLog.etcd?.members ?? null
  return strongView({ regions, members, fileLeader: commitLog.leader, statuses, nodes })
}

/** What every node says; of one that does not answer, why. None where none is configured. @throws MeridianError `CONFIG_INVALID`, `INVALID_ARGUMENT` */
async function askNodes(
  { config, file }: Deployment,
  given: GivenOptions,
): Promise<readonly NodeView[]> {
  if (Object.keys(config.nodes).length === 0) return []
  const { nodes, ca } = await nodesOfConfig(config, file)
  const options = { token: tokenOf(given), ca }
  return Promise.all(
    nodes.map(async (node): Promise<NodeView> => {
      try {
        return { ...node, report: await fetchStrongReport(node.url, options) }
      } catch (error) {
        return { ...node, error: toWireError(asMeridianError(error)) }
      }
    }),
  )
}
