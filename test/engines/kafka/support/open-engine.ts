/** The shared Kafka as drivers see it, with topics of a test alone. */
import { randomUUID } from 'node:crypto'
import { onTestFinished } from 'vitest'
import type { Log, LogFields, LogLevel } from '../../../../src/core/ports/log.ts'
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
