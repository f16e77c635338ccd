/** Port: topics of a message broker, for consumers outside. */

/** A record for a topic. */
export interface TopicRecord {
  /** Records of one key keep their order. */
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: Readonly<Record<string, string>>
  /** By the key's murmur2 hash, as Kafka's own clients do it, where left out. */
  readonly partition?: number
  /** Wall-clock milliseconds of the change. */
  readonly timestampMs: number
}

/** What a topic must be like; others are refused with `LOG_MISCONFIGURED`. */
export interface TopicShape {
  readonly name: string
  readonly partitions: number
  readonly replicationFactor: number
  /** Settings of the broker by their names, such as `cleanup.policy`. */
  readonly settings: Readonly<Record<string, string>>
}

/** Topics to write to. */
export interface Topics {
  /**
   * Makes the topic, or checks the one that is there.
   *
   * @throws MeridianError `LOG_MISCONFIGURED` naming setting, value and wish; `LOG_UNAVAILABLE`
   */
  ensure(shape: TopicShape): Promise<void>
  /**
   * Appends to a topic, durable (acks of all in-sync replicas) when it resolves. A call that failed
   * may have stored some of its records.
   *
   * @throws MeridianError `LOG_UNAVAILABLE`, `LOG_FULL`, `LOG_MISCONFIGURED`
   */
  send(topic: string, records: readonly TopicRecord[]): Promise<void>
  close(): Promise<void>
}
