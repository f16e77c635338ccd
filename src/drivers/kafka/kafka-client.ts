/**
 * A narrow port to Kafka: what a change log and the topics of tables need of a client, and nothing
 * more, so that another client library can take the place of the present one. Every call ends within
 * its time, whatever the brokers do.
 */
import type { TopicRecord, TopicShape } from '../../core/ports/topics.ts'

/** Records for one partition, stored together or not at all. */
export interface PartitionBatch {
  readonly partition: number
  readonly records: readonly Omit<TopicRecord, 'partition'>[]
}

/** A record as it is stored. */
export interface StoredRecord {
  readonly offset: number
  readonly value: Uint8Array | null
}

/** What a partition answered to a read. */
export interface Fetched {
  /** In the order of their offsets; none where the partition ends before the offset. */
  readonly records: readonly StoredRecord[]
  /** The partition does not hold the offset any more, or not yet. */
  readonly isOutOfRange: boolean
}

/** Where a partition's records begin, and the offset that the next one gets. */
export interface OffsetRange {
  readonly earliest: number
  readonly end: number
}

/** A topic as the brokers have it. */
export interface TopicDescription {
  readonly partitions: number
  readonly replicationFactor: number
  readonly settings: ReadonlyMap<string, string>
}

/** How the brokers answered last. */
export interface KafkaStatus {
  readonly isReachable: boolean
  /** Known from the first contact on. */
  readonly clusterId: string | null
  /** Why the last call failed; null after one that did not. */
  readonly problem: string | null
}

/**
 * A connection to the brokers of one Kafka cluster. It opens by the first call and again after a
 * loss.
 *
 * Errors of every call: MeridianError `LOG_UNAVAILABLE` (nobody answered, or refused the user),
 * `LOG_FULL` (a broker cannot write), `LOG_MISCONFIGURED` (a broker refused what was asked for),
 * `CLOSED`.
 */
export interface KafkaClient {
  /** `host:port` of the brokers that it begins with, for messages. */
  readonly address: string
  /** How the topic is; null where there is none. */
  describeTopic(topic: string): Promise<TopicDescription | null>
  /** Makes a topic; one that is there stays as it is. */
  createTopic(shape: TopicShape): Promise<void>
  /**
   * Appends each batch, durable on all replicas that are in sync when it resolves, to the offsets of
   * their first records. The brokers drop a batch that this client sends twice. After a failure
   * nobody knows which of the batches are stored, and a later call with the same ones stores them
   * anew.
   */
  produce(topic: string, batches: readonly PartitionBatch[]): Promise<readonly number[]>
  /** Records from an offset on, about `maxBytes` of them but at least one; waits for none. */
  fetch(topic: string, partition: number, offset: number, maxBytes: number): Promise<Fetched>
  offsets(topic: string, partition: number): Promise<OffsetRange>
  /** Records below the offset are deleted. */
  deleteRecordsBefore(topic: string, partition: number, offset: number): Promise<void>
  status(): KafkaStatus
  /** Ends every call that is under way. */
  close(): Promise<void>
}
