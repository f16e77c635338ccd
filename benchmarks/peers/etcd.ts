/**
 * etcd alone: the step that a strong write and a strong read cost at least. The client library of
 * Meridian's driver, one member, and nothing in between: no second attempt, no other member.
 */
import { randomBytes } from 'node:crypto'
import { Etcd3, type IOptions } from 'etcd3'
import { MeridianError } from '../../src/core/errors.ts'
import type { Topology } from '../../src/config/topology.ts'
import { commitLogMs } from '../measure/network-time.ts'
import type { Peer, PeerOperation } from './peer.ts'

/** Which etcd, and how it is asked. */
export interface EtcdPeerOptions {
  /** `host:port` of the member of each region. */
  readonly addresses: ReadonlyMap<string, string>
  readonly topology: Topology
  /** The region whose member leads. */
  readonly leader: string
  /** Of the value that a transaction puts. Default 256: about a strong write of one small row. */
  readonly payloadBytes?: number | undefined
}

/** etcd, asked at the member of each region. */
export interface EtcdPeer extends Peer {
  /** All keys that it writes begin with it. */
  readonly prefix: string
  /** Puts one key in one transaction. */
  transaction(region: string): PeerOperation
  /** The version of that key, by read index: linearizable, without its value. */
  linearizableRead(region: string): PeerOperation
}

const WRITTEN = 'fsync on a majority'
const READ = 'confirmed by a majority'
const DEFAULT_PAYLOAD_BYTES = 256
/** Longer than an election. */
const CALL_TIMEOUT_MS = 10_000

type FaultHandling = NonNullable<IOptions['faultHandling']>

const ONCE = {
  execute: (work: (context: object) => unknown) => work({}),
} as unknown as NonNullable<FaultHandling['global']>

interface Member {
  readonly address: string
  readonly client: Etcd3
  readonly key: Buffer
}

/** Opens it. @throws MeridianError `LOG_UNAVAILABLE` where a member does not answer */
export async function openEtcdPeer(options: EtcdPeerOptions): Promise<EtcdPeer> {
  const prefix = `meridian-bench-${randomBytes(6).toString('hex')}/`
  const value = randomBytes(options.payloadBytes ?? DEFAULT_PAYLOAD_BYTES)
  const members = new Map(
    Array.from(options.addresses, ([region, address]): [string, Member] => [
      region,
      { address, client: openClient(address), key: Buffer.from(`${prefix}${region}`) },
    ]),
  )
  const close = async (): Promise<void> => {
    try {
      await removeKeys(members, prefix)
    } finally {
      closeClients(members)
    }
  }
  try {
    const versions = await Promise.all(Array.from(members.values(), versionOf))
    for (const member of members.values()) await put(member, value)
    return new OpenEtcdPeer(options, { prefix, value, members, version: versions[0] ?? '', close })
  } catch (error) {
    // Its keys may be there, where one member answered and another does not.
    await removeKeys(members, prefix).catch(() => undefined)
    closeClients(members)
    throw error
  }
}

interface OpenedMembers {
  readonly prefix: string
  readonly value: Buffer
  readonly members: ReadonlyMap<string, Member>
  readonly version: string
  close(): Promise<void>
}

class OpenEtcdPeer implements EtcdPeer {
  readonly name = 'etcd'
  readonly version: string
  readonly prefix: string
  readonly operations: readonly PeerOperation[]
  readonly #options: EtcdPeerOptions
  readonly #opened: OpenedMembers

  constructor(options: EtcdPeerOptions, opened: OpenedMembers) {
    this.#options = options
    this.#opened = opened
    this.version = opened.version
    this.prefix = opened.prefix
    const regions = [...opened.members.keys()]
    this.operations = regions.flatMap((region) => [
      this.transaction(region),
      this.linearizableRead(region),
    ])
  }

  transaction(region: string): PeerOperation {
    const member = this.#member(region)
    const { value } = this.#opened
    return {
      ...this.#facts('transaction', WRITTEN, region),
      operation: async () => {
        await put(member, value)
        return undefined
      },
    }
  }

  linearizableRead(region: string): PeerOperation {
    const member = this.#member(region)
    return {
      ...this.#facts('linearizable read', READ, region),
      operation: async () => {
        const { kvs } = await ask(member, 'read', (client, limits) =>
          client.kv.range({ key: member.key, keys_only: true }, limits),
        )
        if (kvs.length !== 1) throw failure(member, 'read', 'the key is not there')
        return undefined
      },
    }
  }

  close(): Promise<void> {
    return this.#opened.close()
  }

  #member(region: string): Member {
    const member = this.#opened.members.get(region)
    if (member !== undefined) return member
    throw new MeridianError('REGION_UNKNOWN', `There is no member of etcd in ${region}.`, {
      details: { region },
    })
  }

  #facts(op: string, durability: string, origin: string): Omit<PeerOperation, 'operation'> {
    const { topology, leader } = this.#options
    const networkMs = commitLogMs(topology, leader, origin)
    return { op, origin, home: leader, durability, networkMs }
  }
}

function openClient(address: string): Etcd3 {
  return new Etcd3({
    hosts: [address],
    faultHandling: { global: ONCE, host: () => ONCE },
    // As the driver: a connection of its own, which opens again soon after a loss.
    grpcOptions: {
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_reconnect_backoff_ms': 2000,
    },
  })
}

function closeClients(members: ReadonlyMap<string, Member>): void {
  for (const { client } of members.values()) client.close()
}

async function put(member: Member, value: Buffer): Promise<void> {
  const { succeeded } = await ask(member, 'transaction', (client, limits) =>
    client.kv.txn({ success: [{ request_put: { key: member.key, value } }] }, limits),
  )
  if (!succeeded) throw failure(member, 'transaction', 'it was not carried out')
}

async function versionOf(member: Member): Promise<string> {
  const { version } = await ask(member, 'status', (client, limits) =>
    client.maintenance.status(limits),
  )
  return version
}

/** At the first member that answers. */
async function removeKeys(members: ReadonlyMap<string, Member>, prefix: string): Promise<void> {
  const end = Buffer.from(prefix)
  // The prefix ends in `/`: no carry.
  end[end.length - 1] = (end.at(-1) ?? 0) + 1
  const request = { key: Buffer.from(prefix), range_end: end }
  let failed: Error | undefined
  for (const member of members.values()) {
    try {
      await ask(member, 'delete', (client, limits) => client.kv.deleteRange(request, limits))
      return
    } catch (error) {
      failed = error as Error
    }
  }
  if (failed !== undefined) throw failed
}

async function ask<T>(
  member: Member,
  what: string,
  call: (client: Etcd3, limits: { readonly deadline: number }) => Promise<T>,
): Promise<T> {
  try {
    return await call(member.client, { deadline: Date.now() + CALL_TIMEOUT_MS })
  } catch (error) {
    throw failure(member, what, error instanceof Error ? error.message : String(error), error)
  }
}

function failure(
  { address }: Member,
  what: string,
  reason: string,
  cause?: unknown,
): MeridianError {
  return new MeridianError('LOG_UNAVAILABLE', `etcd at ${address} failed (${what}): ${reason}.`, {
    details: { engine: 'etcd', address },
    cause,
  })
}
