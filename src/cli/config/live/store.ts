/** Asks the libSQL server of a region, without taking its store: whose it is, and how durable. */
import type { StoreConfig } from '../../../config/process-sections.ts'
import { systemRuntime } from '../../../drivers/runtime/system-runtime.ts'
import { createHranaConnection } from '../../../drivers/store/remote/hrana-connection.ts'
import { inspectServer } from '../../../drivers/store/remote/server-identity.ts'
import { readSecret, type SecretSources } from '../../../node/secrets.ts'
import { STORE_APPLICATION_ID, STORE_FORMAT } from '../../../schema/system-tables.ts'
import { probe, PROBE_TIMEOUT_MS, type Probe } from './probe.ts'

/** Looks at the store of a region. */
export async function probeStore(
  region: string,
  { url, token }: StoreConfig,
  sources: SecretSources,
): Promise<Probe> {
  return probe(`store of ${region}`, url, async () => {
    const secret = token && (await readSecret(token, `stores.${region}.token`, sources))
    const connection = createHranaConnection({
      url,
      token: secret,
      timers: systemRuntime.timers,
      requestTimeoutMs: PROBE_TIMEOUT_MS / 2,
    })
    try {
      const { durability } = await inspectServer(connection, url, {
        applicationId: STORE_APPLICATION_ID,
        format: STORE_FORMAT,
      })
      return {
        says: `libSQL server, synchronous ${durability === 'full' ? 'FULL' : 'NORMAL'}`,
        warnings:
          durability === 'full'
            ? []
            : ['a power cut may lose its last commits: set durability_mode to "strong"'],
      }
    } finally {
      connection.close()
    }
  })
}
