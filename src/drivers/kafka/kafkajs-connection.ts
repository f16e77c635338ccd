/** Connections to the brokers of one cluster, from the first one on until one of them breaks. */
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { createBrokerPool, type Broker, type BrokerPool } from './kafkajs-internals.ts'

const CONNECT_TIMEOUT_MS = 4_000
const KEEP_ALIVE_MS = 60_000
const NO_LEADER = -1

/** A user of the brokers. */
export interface KafkaUser {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly user: string
  readonly password: string
}

/** TLS towards the brokers, as PEM text; the system's authorities without `ca`. */
export interface KafkaTls {
  readonly ca?: string | undefined
  readonly certificate?: string | undefined
  readonly key?: string | undefined
}

/** How the brokers are reached. */
export interface ConnectionOptions {
  /** `host:port`, tried in this order. */
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly sasl?: KafkaUser | undefined
  readonly tls?: KafkaTls | undefined
  readonly requestTimeoutMs: number
  readonly onLog: (line: string) => void
  /** Test-only: where the address of a broker leads instead. */
  readonly route?: ((to: Address) => Address) | undefined
}

interface Address {
  readonly host: string
  readonly port: number
}

export class KafkajsConnection {
  readonly #pool: BrokerPool
  readonly #sockets = new Set<Socket>()
  /** Brokers that lead the partitions of a topic, by number. */
  readonly #leaders = new Map<string, readonly number[]>()

  constructor(options: ConnectionOptions) {
    const { sasl, tls } = options
    this.#pool = createBrokerPool({
      ...options,
      connectionTimeoutMs: CONNECT_TIMEOUT_MS,
      sasl: sasl && { mechanism: sasl.mechanism, username: sasl.user, password: sasl.password },
      ssl: tls && { ca: tls.ca, cert: tls.certificate, key: tls.key },
      socketFactory: ({ host, port, ssl, onConnect }) => {
        const to = options.route?.({ host, port }) ?? { host, port }
        return this.#keep(openSocket(to, ssl, onConnect))
      },
    })
  }

  get clusterId(): string | undefined {
    return this.#pool.metadata?.clusterId
  }

  connect(): Promise<void> {
    return this.#pool.connect()
  }

  /** Any broker that answers. */
  broker(): Promise<Broker> {
    return this.#pool.findConnectedBroker()
  }

  /** The broker that makes topics, where another one does not pass the request on. */
  async controller(): Promise<Broker> {
    await this.#pool.refreshMetadata([])
    const nodeId = this.#pool.metadata?.controllerId
    return nodeId === undefined ? this.broker() : this.#pool.findBroker({ nodeId })
  }

  /** Partitions of the topic and how many copies they have at least. */
  async shapeOf(
    topic: string,
  ): Promise<{ readonly partitions: number; readonly replicas: number }> {
    await this.#refresh(topic)
    const found = this.#pool.metadata?.topicMetadata.find((each) => each.topic === topic)
    const partitions = found?.partitionMetadata ?? []
    const replicas = Math.min(...partitions.map((partition) => partition.replicas.length))
    return { partitions: partitions.length, replicas }
  }

  /** The broker that leads the partition, by number. */
  async leaderOf(topic: string, partition: number): Promise<number> {
    const leaders = this.#leaders.get(topic) ?? (await this.#refresh(topic))
    return leaders[partition] ?? NO_LEADER
  }

  async brokerOf(nodeId: number): Promise<Broker> {
    if (nodeId !== NO_LEADER) return this.#pool.findBroker({ nodeId })
    throw Object.assign(new Error('The partition has no leader'), { type: 'LEADER_NOT_AVAILABLE' })
  }

  /** Who leads the topic's partitions is asked anew. */
  forget(topic: string): void {
    this.#leaders.delete(topic)
  }

  /** Gives every connection up; calls that wait for an answer fail. */
  drop(): void {
    // With an error: kafkajs takes no notice of a socket that merely closes.
    for (const socket of this.#sockets) socket.destroy(new Error('the connection was given up'))
    this.#pool.disconnect().catch(() => undefined)
  }

  async #refresh(topic: string): Promise<readonly number[]> {
    await this.#pool.refreshMetadata([topic])
    const found = this.#pool.metadata?.topicMetadata.find((each) => each.topic === topic)
    const leaders: number[] = []
    for (const { partitionId, leader } of found?.partitionMetadata ?? [])
      leaders[partitionId] = leader
    this.#leaders.set(topic, leaders)
    return leaders
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket)
    return socket.once('close', () => this.#sockets.delete(socket))
  }
}

function openSocket(
  { host, port }: Address,
  ssl: object | null | undefined,
  onConnect: () => void,
): Socket {
  const name = isIP(host) === 0 ? { servername: host } : {}
  const socket =
    ssl === undefined || ssl === null
      ? connectTcp({ host, port }, onConnect)
      : connectTls({ host, port, ...name, ...ssl }, onConnect)
  // A small record must not wait for the acknowledgement of the one before.
  return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS)
}
