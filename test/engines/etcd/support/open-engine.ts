/** etcd opened for a test, under a name that nobody else has. */
import { randomBytes } from 'node:crypto'
import { onTestFinished } from 'vitest'
import type { Log } from '../../../../src/core/ports/log.ts'
import {
  openEtcd,
  type EtcdEngine,
  type EtcdOptions,
} from '../../../../src/drivers/etcd/open-etcd.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'

const silent: Log = { write: () => undefined }

export const newName = (): string => `t${randomBytes(8).toString('hex')}`

/** Opens etcd; it is closed with the test. */
export async function openEngine(
  endpoints: readonly string[],
  options: Partial<EtcdOptions> = {},
): Promise<EtcdEngine> {
  const engine = await openEtcd({
    name: newName(),
    runtime: systemRuntime,
    log: silent,
    ...options,
    endpoints,
  })
  onTestFinished(() => engine.close())
  return engine
}
