/** Where a region keeps its change log: a file of its own, or the Kafka that is configured. */
import { join } from 'node:path'
import type { KafkaConfig } from '../config/engine-sections.ts'
import type { ChangeLog } from '../core/ports/change-log.ts'
import type { Topics } from '../core/ports/topics.ts'
import { openFileChangeLog } from '../drivers/change-log/file-change-log.ts'
import { openKafka } from '../drivers/kafka/kafka-engine.ts'
import type { Closing } from './closing.ts'
import { kafkaSettings } from './engine-settings.ts'
import type { RegionStoreOptions } from './region-store.ts'

/** Opens the change log of a store (`<region>.<incarnation>`): positions are a store's own. */
export type OpenChangeLog = (source: string) => Promise<ChangeLog>

/** Topics for consumers outside, and what they are to be like. */
export interface RegionTopics extends Pick<KafkaConfig, 'replicationFactor' | 'tablePartitions'> {
  readonly topics: Topics
  readonly format: 'json' | 'msgpack'
}

/** The change log, and what else comes with its engine. */
export interface RegionChangeLog {
  readonly changeLog: OpenChangeLog
  /** Without them nothing is published. */
  readonly topics?: RegionTopics
}

/**
 * Opens it. A file is opened here and now: one that cannot be used is known before anything is
 * written. Kafka need not run yet.
 *
 * @throws MeridianError `STORE_…` of the file; `CONFIG_INVALID` where a secret is missing
 */
export async function openRegionChangeLog(
  options: RegionStoreOptions,
  closing: Closing,
): Promise<RegionChangeLog> {
  const { region, folder, config, runtime, writer, sources } = options
  const kafka = config.changeLogs[region]
  if (kafka === undefined) {
    const path = join(folder, 'changes.db')
    const { timers } = runtime
    const changeLog = closing.add(await openFileChangeLog({ path, timers, writer }))
    return { changeLog: async () => changeLog }
  }
  const { replicationFactor, tables, tablePartitions } = kafka
  const settings = await kafkaSettings(kafka, region, sources)
  const clientId = `${config.name}.${region}`
  const engine = closing.add(openKafka({ ...settings, clientId, runtime, log: sources.log }))
  const changeLog: OpenChangeLog = async (source) =>
    engine.changeLog({ topic: `${config.name}.${source}.changes`, replicationFactor })
  if (tables === 'none') return { changeLog }
  const topics = closing.add(engine.topics())
  return { changeLog, topics: { topics, format: tables, replicationFactor, tablePartitions } }
}
