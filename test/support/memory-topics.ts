/** Topics in memory, and every way in which a broker may fail. */
import { MeridianError } from '../../src/core/errors.ts'
import type { TopicRecord, Topics, TopicShape } from '../../src/core/ports/topics.ts'

/**
 * How a send fails: with nothing stored; with every second partition stored; with all of it stored,
 * its answer lost; or with all of it stored once a later send has succeeded.
 */
export type SendFailure = 'before' | 'half' | 'after' | 'late'

export class MemoryTopics implements Topics {
  readonly shapes = new Map<string, TopicShape>()
  /** Every call, in order. */
  readonly sends: { readonly topic: string; readonly records: readonly TopicRecord[] }[] = []
  /** Answers the calls that come, one each, until it is empty; undefined: this one succeeds. */
  readonly failures: (SendFailure | undefined)[] = []
  /** What every call fails with while it is set. */
  problem: MeridianError | undefined
  readonly #stored = new Map<string, TopicRecord[][]>()
  #late: (() => void)[] = []

  async ensure(shape: TopicShape): Promise<void> {
    await Promise.resolve()
    if (this.problem !== undefined) throw this.problem
    const known = this.shapes.get(shape.name)
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(shape)) {
      throw new MeridianError('LOG_MISCONFIGURED', `Topic ${shape.name} is another.`)
    }
    this.shapes.set(shape.name, shape)
  }

  async send(topic: string, records: readonly TopicRecord[]): Promise<void> {
    this.sends.push({ topic, records })
    const failure = this.problem === undefined ? this.failures.shift() : 'before'
    await Promise.resolve()
    const lost = this.problem ?? new MeridianError('LOG_UNAVAILABLE', 'The broker is away.')
    switch (failure) {
      case 'before':
        throw lost
      case 'half':
        this.#store(
          topic,
          records.filter(({ partition }) => (partition ?? 0) % 2 === 0),
        )
        throw lost
      case 'after':
        this.#store(topic, records)
        throw lost
      case 'late':
        this.#late.push(() => this.#store(topic, records))
        throw lost
      case undefined:
        this.#store(topic, records)
        this.arrive()
    }
  }

  /** What was on its way is stored now. */
  arrive(): void {
    const late = this.#late
    this.#late = []
    for (const store of late) store()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** The records of a partition, in order. */
  partition(topic: string, partition: number): readonly TopicRecord[] {
    return this.#stored.get(topic)?.[partition] ?? []
  }

  /** The records of a topic, partition by partition. */
  records(topic: string): readonly TopicRecord[] {
    return (this.#stored.get(topic) ?? []).flat()
  }

  #store(topic: string, records: readonly TopicRecord[]): void {
    const shape = this.shapes.get(topic)
    if (shape === undefined) throw new Error(`${topic} was not made`)
    const partitions =
      this.#stored.get(topic) ?? Array.from({ length: shape.partitions }, (): TopicRecord[] => [])
    this.#stored.set(topic, partitions)
    for (const record of records) {
      const partition = partitions[record.partition ?? 0]
      if (partition === undefined) throw new Error(`${topic} has no such partition`)
      partition.push(record)
    }
  }
}
