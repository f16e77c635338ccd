/** How far each member of etcd is from this process: probes that the member answers by itself. */
import type { EtcdConnection } from './etcd-connection.ts'
import { EtcdCallError } from './etcd-errors.ts'

/** The way to a member and back. */
export interface EtcdRoundTrip {
  /** `host:port`. */
  readonly address: string
  /** The least of the probes: what is above it was waiting. Null: not measured. */
  readonly roundTripMs: number | null
  /** Why it was not. */
  readonly reason?: string
}

const PROBES = 6
const PROBE_TIMEOUT_MS = 2_000

/**
 * Probes every member a few times, all members at once. A member answers from memory, without asking
 * the others. The first answer counts for nothing: it may have waited for a connection. Never
 * rejects; a member that does not answer is given up after 2 s.
 */
export function etcdRoundTrips(connection: EtcdConnection): Promise<readonly EtcdRoundTrip[]> {
  return Promise.all(connection.addresses.map((address) => probe(connection, address)))
}

async function probe(connection: EtcdConnection, address: string): Promise<EtcdRoundTrip> {
  const { clock } = connection.runtime
  let leastMs: number | null = null
  for (let i = 0; i <= PROBES; i++) {
    const startedMs = clock.monotonicMs()
    const { answer } = await connection.askMember(address, {
      service: 'Maintenance',
      method: 'status',
      request: {},
      timeoutMs: PROBE_TIMEOUT_MS,
    })
    if (answer instanceof EtcdCallError) {
      const { message: reason } = answer
      return { address, roundTripMs: leastMs, ...(leastMs === null ? { reason } : {}) }
    }
    const tookMs = clock.monotonicMs() - startedMs
    if (i > 0) leastMs = Math.min(leastMs ?? tookMs, tookMs)
  }
  return { address, roundTripMs: leastMs }
}
