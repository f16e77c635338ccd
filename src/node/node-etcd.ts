/** The etcd of the configuration, as a process has it: one connection for all its regions. */
import type { Config } from '../config/parse-config.ts'
import type { Runtime } from '../core/ports/runtime.ts'
import { openEtcd, type EtcdEngine } from '../drivers/etcd/open-etcd.ts'
import type { Closing } from './closing.ts'
import { etcdSettings } from './engine-settings.ts'
import type { SecretSources } from './secrets.ts'

/** Where it is and who asks. */
export interface NodeEtcdOptions {
  readonly config: Config
  /** Its members are asked first. */
  readonly region: string
  readonly runtime: Runtime
  readonly sources: SecretSources
}

/**
 * Opens it, whether or not it runs; `undefined` where the configuration has none.
 *
 * @throws MeridianError `CONFIG_INVALID` where a secret or a file is missing
 */
export async function openNodeEtcd(
  { config, region, runtime, sources }: NodeEtcdOptions,
  closing: Closing,
): Promise<EtcdEngine | undefined> {
  const { etcd } = config.commitLog
  if (etcd === null) return undefined
  const settings = await etcdSettings(etcd, config, region, sources)
  return closing.add(await openEtcd({ ...settings, name: config.name, runtime, log: sources.log }))
}
