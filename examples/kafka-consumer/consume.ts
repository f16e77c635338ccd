/**
 * Prints the changes of one table from its Kafka topic, each once, and ends when all changes up to a
 * position were seen:
 *
 *   node --import tsx examples/kafka-consumer/consume.ts localhost:9092 meridian.eu-west.orders 1200
 *
 * Without the position it goes on until it is interrupted. It needs kafkajs and nothing of Meridian.
 */
import { Kafka, logLevel, type IHeaders } from 'kafkajs'
import { take, type PartitionState } from './partition-state.ts'

const [broker, topic, until] = process.argv.slice(2)
if (broker === undefined || topic === undefined) {
  console.error('Usage: consume.ts <host:port of a broker> <topic> [position]')
  process.exit(2)
}

const kafka = new Kafka({ clientId: 'example', brokers: [broker], logLevel: logLevel.ERROR })
// A group of its own reads the topic from its beginning; a service keeps its group and its states.
const consumer = kafka.consumer({ groupId: `example-${process.pid}-${Date.now()}` })
const states = new Map<number, PartitionState>()
const partitions = await countPartitions(topic)

await consumer.connect()
await consumer.subscribe({ topic, fromBeginning: true })
const done = new Promise<void>((resolve, reject) => {
  consumer.on('consumer.crash', ({ payload }) => reject(payload.error))
  process.once('SIGINT', resolve)
  consumer
    .run({
      eachMessage: ({ partition, message }) => {
        const record = { headers: texts(message.headers), value: message.value?.toString() ?? '' }
        const { state, change, gap } = take(states.get(partition), record)
        if (gap !== undefined) console.log(`missing after ${gap.after}, up to ${gap.before}`)
        if (change !== undefined) console.log(line(change))
        states.set(partition, state)
        if (isResolved()) resolve()
        return Promise.resolve()
      },
    })
    .catch(reject)
})
await done
await consumer.disconnect()
if (until !== undefined) console.log(`complete up to ${until}`)

/** Whether every partition was told that it has all changes up to the wanted position. */
function isResolved(): boolean {
  if (until === undefined || states.size < partitions) return false
  return [...states.values()].every((state) => state.resolved >= Number(until))
}

function line(change: Readonly<Record<string, unknown>>): string {
  const { localSeq, op, cause, tenant, key, after } = change
  return [localSeq, op, cause, ...[tenant, key, after].map((one) => JSON.stringify(one))].join(' ')
}

function texts(headers: IHeaders | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]),
  )
}

async function countPartitions(name: string): Promise<number> {
  const admin = kafka.admin()
  await admin.connect()
  const { topics } = await admin.fetchTopicMetadata({ topics: [name] })
  await admin.disconnect()
  return topics[0]?.partitions.length ?? 0
}
