/**
 * The leases under which the ids of appended records are kept: a new one every half minute, never
 * renewed, so that ids go by themselves once nobody can append them again. A key of the lease's own,
 * written before any id, says from which revision on its ids are: compaction stops there, and a
 * repeated append can always be told its first index.
 */
import type { ILeaseGrantResponse } from 'etcd3'
import type { EtcdConnection } from './etcd-connection.ts'
import type { EtcdKeys } from './etcd-keys.ts'

/** How long ids are kept. */
export interface IdLeaseTimes {
  readonly ttlSeconds: number
  /** After this a new lease is taken; the old one still serves until half of its time is over. */
  readonly rotateMs: number
}

/** A record is appended again under its id for a call's deadline at most: 10 s unless asked for. */
export const ID_LEASE_TIMES: IdLeaseTimes = { ttlSeconds: 150, rotateMs: 30_000 }

interface Granted {
  readonly id: string
  /** By the boot clock, from before it was asked for. */
  readonly atMs: number
}

export class IdLease {
  readonly #connection: EtcdConnection
  readonly #keys: EtcdKeys
  readonly #times: IdLeaseTimes
  #current: Granted | undefined
  #renewing: Promise<Granted> | undefined

  constructor(connection: EtcdConnection, keys: EtcdKeys, times: IdLeaseTimes) {
    this.#connection = connection
    this.#keys = keys
    this.#times = times
  }

  /** @throws MeridianError `LOG_UNAVAILABLE`, `LOG_FULL`, `LOG_MISCONFIGURED`, `CLOSED` */
  async get(): Promise<string> {
    const { ttlSeconds, rotateMs } = this.#times
    const current = this.#current
    if (current === undefined) return (await this.#renew()).id
    const ageMs = this.#connection.runtime.clock.bootMs() - current.atMs
    if (ageMs < rotateMs) return current.id
    const renewing = this.#renew()
    if (ageMs >= (ttlSeconds * 1000) / 2) return (await renewing).id
    // It fails with the append that needs it, later.
    renewing.catch(() => undefined)
    return current.id
  }

  /** After etcd does not know the lease any more. */
  drop(id: string): void {
    if (this.#current?.id === id) this.#current = undefined
  }

  #renew(): Promise<Granted> {
    this.#renewing ??= this.#grant().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async #grant(): Promise<Granted> {
    const atMs = this.#connection.runtime.clock.bootMs()
    const options = { purpose: 'read' } as const
    const lease = await this.#connection.ask<ILeaseGrantResponse>(
      'Lease',
      'leaseGrant',
      { TTL: this.#times.ttlSeconds },
      options,
    )
    const put = { key: this.#keys.idLease(lease.ID), value: Buffer.alloc(0), lease: lease.ID }
    await this.#connection.ask('KV', 'put', put, options)
    this.#current = { id: lease.ID, atMs }
    return this.#current
  }
}
