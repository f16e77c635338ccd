/** The shared Kafka as drivers see it, with topics of a test alone. */
import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'
import type { ChangeLog } from '../../../../src/core/ports/change-log.ts'
import type { Log, LogFields, LogLevel } from '../../../../src/core/ports/log.ts'
import {
  openKafkaChangeLog,
  type KafkaChangeLogOptions,
} from '../../../../src/drivers/kafka/kafka-change-log.ts'
import type { KafkaClient } from '../../../../src/drivers/kafka/kafka-client.ts'
import {
  createKafkajsClient,
  type KafkajsClientOptions,
} from '../../../../src/drivers/kafka/kafkajs-client.ts'
import { systemRuntime } from '../../../../src/drivers/runtime/system-runtime.ts'
import {
  openKafka,
  type KafkaEngine,
  type KafkaOptions,
} from '../../../../src/drivers/kafka/kafka-engine.ts'

/** A line that was written to a test's log. */
export interface LogLine {
  readonly level: LogLevel
  readonly event: string
  readonly fields: LogFields
}

/** A log in memory. */
export function memoryLog(): Log & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = []
  return { lines, write: (level, event, fields = {}) => lines.push({ level, event, fields }) }
}

/** A topic's name that no other test has. */
export function freshTopic(what = 'changes'): string {
  return `test.${randomUUID()}.${what}`
}

/** The driver on a broker; it closes with the test. */
export function openEngine(broker: string, options: Partial<KafkaOptions> = {}): KafkaEngine {
  const engine = openKafka({
    brokers: [broker],
    clientId: 'meridian-test',
    runtime: systemRuntime,
    log: memoryLog(),
    ...options,
  })
  onTestFinished(() => engine.close())
  return engine
}

/** The narrow client on a broker; it closes with the test. */
export function openClient(
  broker: string,
  options: Partial<KafkajsClientOptions> = {},
): KafkaClient {
  const client = createKafkajsClient({
    brokers: [broker],
    clientId: 'meridian-test',
    runtime: systemRuntime,
    log: memoryLog(),
    ...options,
  })
  onTestFinished(() => client.close())
  return client
}

/** A change log over a client of the test's own. */
export function openLog(
  topic: string,
  options: Pick<KafkaChangeLogOptions, 'client' | 'faults'> & { readonly log?: Log },
): ChangeLog {
  return openKafkaChangeLog({
    log: memoryLog(),
    ...options,
    topic,
    replicationFactor: 1,
    runtime: systemRuntime,
  })
}
