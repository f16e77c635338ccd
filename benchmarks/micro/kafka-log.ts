/**
 * What a change log in Kafka costs beside producing the same bytes with kafkajs, in the same run, on
 * a broker that runs already.
 *
 *   npx tsx benchmarks/micro/kafka-log.ts <host:port> [seconds per measurement, default 3]
 */
import { performance } from 'node:perf_hooks'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import type { ChangeLogRecord } from '../../src/core/ports/change-log.ts'
import { changeLogTopic } from '../../src/drivers/kafka/kafka-change-log.ts'
import { openKafka } from '../../src/drivers/kafka/kafka-engine.ts'
import { systemRuntime } from '../../src/drivers/runtime/system-runtime.ts'

const [broker = '127.0.0.1:9092', seconds = '3'] = process.argv.slice(2)
const RUN_MS = Number(seconds) * 1000
const PAYLOAD = new Uint8Array(250).fill(7)
const runId = Math.random().toString(36).slice(2)
const topic = (what: string): string => `benchmark.${runId}.${what}`

const records = (after: number, count: number): ChangeLogRecord[] =>
  Array.from({ length: count }, (_, i) => ({ position: after + i + 1, payload: PAYLOAD }))

interface Measured {
  readonly perSecond: number
  readonly sortedMs: readonly number[]
}

/** Repeats `work`, one after another; it tells how many records it was. */
async function measure(work: () => Promise<number>): Promise<Measured> {
  const times: number[] = []
  const startMs = performance.now()
  let done = 0
  while (performance.now() - startMs < RUN_MS) {
    const beganMs = performance.now()
    done += await work()
    times.push(performance.now() - beganMs)
  }
  const perSecond = (done * 1000) / (performance.now() - startMs)
  return { perSecond, sortedMs: times.sort((a, b) => a - b) }
}

function report(name: string, { perSecond, sortedMs }: Measured): void {
  const at = (share: number): string =>
    (sortedMs[Math.floor(share * (sortedMs.length - 1))] ?? 0).toFixed(1).padStart(8)
  const rate = Math.round(perSecond).toString().padStart(10)
  console.log(`${name.padEnd(44)} ${rate} ${at(0.5)} ${at(0.95)} ${at(0.99)}`)
}

const raw = new Kafka({ brokers: [broker], clientId: 'benchmark', logLevel: logLevel.NOTHING })
const producer = raw.producer({
  idempotent: true,
  maxInFlightRequests: 1,
  createPartitioner: Partitioners.DefaultPartitioner,
})
const admin = raw.admin()
const engine = openKafka({
  brokers: [broker],
  clientId: 'benchmark',
  runtime: systemRuntime,
  log: { write: () => undefined },
})
await Promise.all([producer.connect(), admin.connect()])

console.log(`${'records of 250 bytes'.padEnd(44)} per second   p50 ms   p95 ms   p99 ms`)
for (const batch of [1, 100, 1000]) {
  const name = topic(`raw-${batch}`)
  const { settings } = changeLogTopic(name, 1)
  const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }))
  await admin.createTopics({ topics: [{ topic: name, numPartitions: 1, configEntries }] })
  const messages = records(0, batch).map(({ payload }) => ({ value: Buffer.from(payload) }))
  await producer.send({ topic: name, messages, acks: -1 })
  report(
    `produce by ${batch}, kafkajs`,
    await measure(async () => {
      await producer.send({ topic: name, messages, acks: -1 })
      return batch
    }),
  )
  const log = engine.changeLog({ topic: topic(`log-${batch}`), replicationFactor: 1 })
  let end = await log.end()
  report(
    `append by ${batch} until a reader has it`,
    await measure(async () => {
      const seen = new Promise<void>((resolve, reject) => {
        const remove = log.onAppend(() => {
          remove()
          log.read(end, batch).then(() => resolve(), reject)
        })
      })
      await log.append(records(end, batch))
      await seen
      end += batch
      return batch
    }),
  )
  await log.close()
  const again = engine.changeLog({ topic: topic(`log-${batch}`), replicationFactor: 1 })
  end = await again.end()
  let at = 0
  report(
    'read by 1000 what was so appended, anew',
    await measure(async () => {
      const found = await again.read(at, 1000)
      at = (found.at(-1)?.position ?? 0) % end
      return found.length
    }),
  )
  await again.close()
}
await Promise.all([producer.disconnect(), admin.disconnect(), engine.close()])
