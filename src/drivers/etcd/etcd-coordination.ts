/**
 * Driver: roles by leases in etcd. Whoever wants a role puts a key under its own lease; the oldest
 * key has the role, and the revision that created it is the fence. A key goes with its lease, so
 * a holder that is cut off or dead gives way to the next.
 */
import type {
  ILeaseGrantResponse,
  ILeaseKeepAliveResponse,
  IRangeResponse,
  ITxnResponse,
} from 'etcd3'
import { MeridianError } from '../../core/errors.ts'
import type { Coordination, Leadership, RoleHolder } from '../../core/ports/coordination.ts'
import type { DeploymentMark } from './deployment-mark.ts'
import type { EtcdConnection } from './etcd-connection.ts'
import { closedError, isLeaseGone } from './etcd-errors.ts'
import type { EtcdFaults } from './etcd-faults.ts'
import { prefixRange, type EtcdKeys } from './etcd-keys.ts'
import { LeaseHold } from './lease-hold.ts'
import { StateWatch } from './state-watch.ts'

/** What coordination needs. */
export interface EtcdCoordinationOptions {
  readonly connection: EtcdConnection
  readonly mark: DeploymentMark
  readonly keys: EtcdKeys
  /** How long a role outlives its holder; etcd may make it longer. */
  readonly ttlSeconds: number
  readonly faults: EtcdFaults
}

/** A key that waits for its turn. */
interface Candidacy {
  readonly lease: string
  readonly createRevision: number
  readonly hold: LeaseHold
}

const RENEWAL_TIMEOUT_MS = 2000
const RENEWAL_ATTEMPT_MS = 1000
const REVOKE_TIMEOUT_MS = 2000
const FIRST_PAUSE_MS = 50
const LAST_PAUSE_MS = 2000

export class EtcdCoordination implements Coordination {
  readonly #options: EtcdCoordinationOptions
  readonly #closing = new AbortController()
  readonly #held = new Set<Leadership>()
  readonly #observers = new Set<StateWatch>()

  constructor(options: EtcdCoordinationOptions) {
    this.#options = options
  }

  async campaign(role: string, candidate: string, signal: AbortSignal): Promise<Leadership> {
    const { connection } = this.#options
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LAST_PAUSE_MS)) {
      this.#checkGoing(signal)
      try {
        const standing = await this.#stand(role, candidate, signal)
        if (await this.#isTurn(role, standing, signal)) return this.#lead(standing)
        this.#giveUp(standing)
      } catch (error) {
        this.#checkGoing(signal)
        connection.log.write('warn', 'etcd-campaign-waits', { role, error })
        await connection.pause(pauseMs, signal)
      }
    }
  }

  observe(role: string, onHolder: (holder: RoleHolder | undefined) => void): () => void {
    if (this.#closing.signal.aborted) throw closedError()
    let told: RoleHolder | undefined
    let hasTold = false
    const watch = new StateWatch(
      this.#options.connection,
      this.#options.keys.rolePrefix(role),
      async () => {
        const holder = await this.#holder(role)
        const isSame = holder?.fence === told?.fence && holder?.candidate === told?.candidate
        if ((hasTold && isSame) || !this.#observers.has(watch)) return
        hasTold = true
        told = holder
        onHolder(holder)
      },
    )
    this.#observers.add(watch)
    return () => {
      this.#observers.delete(watch)
      watch.stop()
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(closedError())
    for (const watch of this.#observers) watch.stop()
    this.#observers.clear()
    await Promise.all(Array.from(this.#held, (leadership) => leadership.resign()))
  }

  #checkGoing(signal: AbortSignal): void {
    if (this.#closing.signal.aborted || this.#options.connection.closed.aborted) throw closedError()
    if (signal.aborted) throw cancelledError()
  }

  async #stand(role: string, candidate: string, signal: AbortSignal): Promise<Candidacy> {
    const { connection, mark, keys, ttlSeconds } = this.#options
    await mark.id()
    const sentMs = connection.runtime.clock.bootMs()
    const granted = await connection.ask<ILeaseGrantResponse>(
      'Lease',
      'leaseGrant',
      { TTL: ttlSeconds },
      { signal },
    )
    const lease = granted.ID
    const key = keys.role(role, lease)
    const read = { request_range: { key, keys_only: true } }
    try {
      const response = await mark.txn(
        {
          compare: [{ key, target: 'Version', result: 'Equal', version: 0 }],
          success: [{ request_put: { key, value: Buffer.from(candidate), lease } }, read],
          failure: [read],
        },
        { signal },
      )
      return {
        lease,
        createRevision: createRevisionIn(response),
        hold: this.#hold(key, lease, sentMs, Number(granted.TTL)),
      }
    } catch (error) {
      void this.#revoke(lease)
      throw error
    }
  }

  #hold(key: Buffer, lease: string, sentMs: number, ttlSeconds: number): LeaseHold {
    const { connection, faults } = this.#options
    const { runtime } = connection
    const options = { timeoutMs: RENEWAL_TIMEOUT_MS, attemptTimeoutMs: RENEWAL_ATTEMPT_MS }
    const renew = async (): Promise<number> => {
      const [answer, own] = await Promise.all([
        connection.ask<ILeaseKeepAliveResponse>(
          'Lease',
          'leaseKeepAlive',
          { ID: lease },
          { ...options, isStream: true },
        ),
        connection.ask<IRangeResponse>('KV', 'range', { key, keys_only: true }, options),
      ])
      return own.kvs.length === 0 ? 0 : Number(answer.TTL) * 1000
    }
    return new LeaseHold({ runtime, ttlMs: ttlSeconds * 1000, sentMs, renew, faults })
  }

  /** Whether it became this candidate's turn before its lease was lost. */
  #isTurn(role: string, standing: Candidacy, signal: AbortSignal): Promise<boolean> {
    const { connection, keys } = this.#options
    const { hold, createRevision } = standing
    return new Promise((resolve) => {
      const ends = [hold.lost, signal, this.#closing.signal, connection.closed]
      const end = (isTurn: boolean): void => {
        watch.stop()
        for (const one of ends) one.removeEventListener('abort', onAbort)
        resolve(isTurn && hold.isHeld())
      }
      const onAbort = (): void => end(false)
      const watch = new StateWatch(connection, keys.rolePrefix(role), async () => {
        const holder = await this.#holder(role)
        if (holder?.fence === createRevision) end(true)
        // Older keys only go: without one, and not being first, ours is gone.
        else if (holder === undefined || holder.fence > createRevision) end(false)
      })
      for (const one of ends) one.addEventListener('abort', onAbort)
      if (ends.some((one) => one.aborted)) onAbort()
    })
  }

  #lead(standing: Candidacy): Leadership {
    const { hold, createRevision } = standing
    const leadership: Leadership = {
      fence: createRevision,
      lost: hold.lost,
      isHeld: () => hold.isHeld(),
      resign: async () => {
        this.#held.delete(leadership)
        hold.lose()
        await this.#revoke(standing.lease)
      },
    }
    this.#held.add(leadership)
    hold.lost.addEventListener('abort', () => this.#held.delete(leadership), { once: true })
    return leadership
  }

  #giveUp(standing: Candidacy): void {
    standing.hold.lose()
    void this.#revoke(standing.lease)
  }

  /** Never rejects: a lease that cannot be revoked runs out by itself. */
  async #revoke(lease: string): Promise<void> {
    const { connection } = this.#options
    const options = { timeoutMs: REVOKE_TIMEOUT_MS, attemptTimeoutMs: REVOKE_TIMEOUT_MS / 2 }
    try {
      await connection.call('Lease', 'leaseRevoke', { ID: lease }, options)
    } catch (error) {
      if (isLeaseGone(error) || connection.closed.aborted) return
      connection.log.write('debug', 'etcd-lease-not-revoked', { error })
    }
  }

  async #holder(role: string): Promise<RoleHolder | undefined> {
    const { connection, keys } = this.#options
    const { kvs } = await connection.ask<IRangeResponse>('KV', 'range', {
      ...prefixRange(keys.rolePrefix(role)),
      sort_target: 'Create',
      sort_order: 'Ascend',
      limit: 1,
    })
    const [first] = kvs
    if (first === undefined) return undefined
    return { candidate: first.value.toString(), fence: Number(first.create_revision) }
  }
}

/** @throws MeridianError where the key went with its lease before it was seen */
function createRevisionIn(response: ITxnResponse): number {
  const range = response.responses.at(-1)?.response_range
  const revision = Number(range?.kvs[0]?.create_revision ?? 0)
  if (revision === 0) {
    throw new MeridianError('LOG_UNAVAILABLE', 'The lease of a role ran out before it was used.')
  }
  return revision
}

function cancelledError(): MeridianError {
  return new MeridianError('CANCELLED', 'Waiting for the role was given up.')
}
