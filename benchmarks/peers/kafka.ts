/**
 * Kafka alone, in each region: what it costs at least until a record is stored, and until a
 * consumer in the region has it. kafkajs as it is, with the settings that make it answer soon.
 */
import { randomBytes } from 'node:crypto'
import { KAFKA_VERSION } from '../../src/cluster/engines/kafka-jars.ts'
import { MeridianError } from '../../src/core/errors.ts'
import { openKafkaLine, type KafkaLine } from './kafka-line.ts'
import type { Peer, PeerOperation } from './peer.ts'

/** Which Kafka. */
export interface KafkaPeerOptions {
  /** `host:port` of the broker of each region; each is a cluster of its own. */
  readonly addresses: ReadonlyMap<string, string>
  /** Of each record's value. Default 256. */
  readonly valueBytes?: number | undefined
  /** What runs there. Default: the version that `meridian cluster` starts. */
  readonly version?: string | undefined
}

/** Kafka, asked in each region. */
export interface KafkaPeer extends Peer {
  /** The topic of each region; deleted by `close`. */
  readonly topics: ReadonlyMap<string, string>
  /** Records that the region's consumer has had. */
  consumed(region: string): number
  /** Until all replicas that are in step have the record. */
  produce(region: string): PeerOperation
  /** Until a consumer in the region has it. */
  produceConsume(region: string): PeerOperation
}

const DURABILITY = 'memory of the broker (no fsync)'
const DEFAULT_VALUE_BYTES = 256

/**
 * Makes a topic in each region and joins it.
 *
 * @throws MeridianError `LOG_UNAVAILABLE`, `LOG_MISCONFIGURED` where a broker does not do it
 */
export async function openKafkaPeer(options: KafkaPeerOptions): Promise<KafkaPeer> {
  const runId = randomBytes(6).toString('hex')
  const value = randomBytes(options.valueBytes ?? DEFAULT_VALUE_BYTES)
  const opened = await Promise.allSettled(
    Array.from(options.addresses, async ([region, address]): Promise<[string, KafkaLine]> => {
      const name = `meridian-bench-${runId}-${region}`
      return [region, await openKafkaLine({ address, name, value })]
    }),
  )
  const lines = new Map(opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])))
  const failed = opened.find((one) => one.status === 'rejected')
  if (failed === undefined) return new OpenKafkaPeer(options.version ?? KAFKA_VERSION, lines)
  await closeLines(lines).catch(() => undefined)
  throw failed.reason
}

class OpenKafkaPeer implements KafkaPeer {
  readonly name = 'kafka'
  readonly version: string
  readonly topics: ReadonlyMap<string, string>
  readonly operations: readonly PeerOperation[]
  readonly #lines: ReadonlyMap<string, KafkaLine>

  constructor(version: string, lines: ReadonlyMap<string, KafkaLine>) {
    this.version = version
    this.#lines = lines
    this.topics = new Map(Array.from(lines, ([region, { topic }]) => [region, topic]))
    this.operations = [...lines.keys()].flatMap((region) => [
      this.produce(region),
      this.produceConsume(region),
    ])
  }

  consumed(region: string): number {
    return this.#line(region).consumed
  }

  produce(region: string): PeerOperation {
    const line = this.#line(region)
    return {
      ...facts('produce', region),
      operation: async () => {
        await line.produce()
        return undefined
      },
    }
  }

  produceConsume(region: string): PeerOperation {
    const line = this.#line(region)
    return {
      ...facts('produce-consume', region),
      operation: async () => {
        await line.produceConsume()
        return undefined
      },
    }
  }

  close(): Promise<void> {
    return closeLines(this.#lines)
  }

  #line(region: string): KafkaLine {
    const line = this.#lines.get(region)
    if (line !== undefined) return line
    throw new MeridianError('REGION_UNKNOWN', `There is no Kafka in ${region}.`, {
      details: { region },
    })
  }
}

function facts(op: string, origin: string): Omit<PeerOperation, 'operation'> {
  return { op, origin, home: null, durability: DURABILITY, networkMs: 0 }
}

async function closeLines(lines: ReadonlyMap<string, KafkaLine>): Promise<void> {
  const results = await Promise.allSettled(Array.from(lines.values(), (line) => line.close()))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}
